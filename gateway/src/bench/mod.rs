//! Benchmarks of Forebay against baselines measured in the same run: `forebay bench <name>`.
//!
//! Each prints a table of [`report::Figure`]s and can write them as JSON. Nothing here is compared with a figure of
//! another day or machine: a goal is a ratio to a baseline of the run, or a bound that holds on any machine of today.

mod corpus;
mod evict;
mod filter;
mod footprint;
mod glue;
mod l1;
mod overhead;
mod plan;
mod pool;
mod report;
mod stores;
mod tiers;
mod timing;
mod zstd;

#[cfg(test)]
mod tests;

pub use corpus::{Corpus, Effort};
pub use evict::evict;
pub use filter::filter;
pub use footprint::{Served, footprint};
pub use glue::{GlueOptions, glue, recall};
pub use l1::l1;
pub use overhead::overhead;
pub use plan::plan;
pub use pool::pool;
pub use report::{Figure, Goal, Report};
pub use stores::ServerAddresses;
pub use tiers::{BucketAddress, TierAddresses, tiers};
pub use zstd::zstd;

use crate::{
    backend::{BackendError, embedded::PartsError},
    problem::Problem,
};

/// Why a benchmark has no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The collection cannot be scaled.
    #[error(transparent)]
    Scale(#[from] crate::workload::ScaleError),
    /// The data is no valid collection.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// A store failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The gateway refused a query.
    #[error("{0} for {1}")]
    Query(Problem, String),
    /// The model cannot be used.
    #[error("{path}: {1}", path = _0.display())]
    Model(std::path::PathBuf, String),
    /// A socket or a file failed.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] std::io::Error),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
