//! Backends: what holds entities and relations.
//!
//! Two small traits. A store says what it can do ([`VectorCapabilities`], [`GraphCapabilities`]), what it knows
//! ([`VectorStatistics`], [`GraphStatistics`], with the costs it measured of itself), and answers whole legs: calls are
//! batched, asynchronous, and end when the future is dropped or [`CallContext::cancelled`] fires. A store knows nothing of plans,
//! caches or HTTP. Adding one touches nothing else; every store passes the same conformance suite.

mod context;
mod control;
pub mod embedded;
mod error;
mod finding;
mod graph;
mod ids;
mod known_edges;
pub mod neo4j;
pub mod postgres;
mod statistics;
#[cfg(test)]
pub(crate) mod testing_servers;
mod urgency;
mod vector;

pub use context::CallContext;
pub use error::{BackendError, ErrorKind};
pub use finding::{Finding, Weight};
pub use graph::{Checked, GraphCapabilities, GraphStore, Neighbour, NodeScope, Path, PathStep, Reach, ReachRequest};
pub use ids::{IdSet, IdSpace};
pub(crate) use known_edges::occupied;
pub use known_edges::{Ahead, EdgesInMemory, KnownEdges, SmallGraph, SmallGraphBuilder};
pub use statistics::{
    AnnCosts, AttributeStatistics, DegreeStatistics, EdgeStatistics, Filtering, GraphCosts, GraphStatistics, Histogram,
    KnownDegrees, VectorCosts, VectorStatistics,
};
pub use urgency::Urgency;
pub use vector::{
    Access, Entity, Hit, Page, Projection, RankReached, RankedCursor, Ranking, ReachedPage, Search, VectorCapabilities,
    VectorStore,
};
