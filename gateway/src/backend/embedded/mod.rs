//! The embedded store: exact search and a compressed graph in this process, one redb file for durability.
//!
//! [`Parts`] is the data as plain columns; [`Dataset`] holds it with indexes (attributes: `index`, vectors: `space` with
//! `codes`, edges: `adjacency`); [`EmbeddedStore`] answers from it, [`storage`] keeps it. A vector search goes through `predicate`, `search`
//! and `ranked`, a graph call through `walk` or `paths`. Long work runs under `watch`. What lives here knows nothing of
//! plans or caches.

mod adjacency;
mod bits;
mod codes;
mod column;
mod costs;
mod dataset;
mod index;
mod metric;
mod parts;
mod paths;
mod predicate;
mod ranked;
mod relations;
mod search;
mod space;
mod statistics;
pub mod storage;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod validate;
mod visits;
mod walk;
mod watch;

pub use dataset::Dataset;
pub use metric::score;
pub use parts::{Column, Edges, Parts, Vectors};
pub use store::EmbeddedStore;
pub use validate::PartsError;
