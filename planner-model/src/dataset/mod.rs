//! From records of single runs to what training and evaluation look at: groups of candidates that ran for one query under
//! one cache state.
//!
//! - [`Dataset`] and [`Group`]: what there is;
//! - [`Builder`]: records in any order to groups, with what was left out counted;
//! - [`Fold`]s: what is trained on and what is held out, by query, by template, by cell, by time;
//! - [`rows`]: groups as rows to train on.

mod build;
mod group;
mod rows;
mod split;

#[cfg(test)]
mod tests;

pub use build::{Builder, Dropped};
pub(crate) use group::median;
pub use group::{Candidate, Dataset, Group, Origin, Run};
pub use rows::{Rows, rows};
pub(crate) use split::share;
pub use split::{Fold, Holdout, cell, folds};
