//! What planning looks at.

use std::time::Duration;

use super::{Plan, PlanKind};
use crate::{
    backend::{AnnCosts, GraphStatistics, ReachRequest, VectorStatistics},
    cache::Digest,
    catalog::CollectionSchema,
    query::{Filter, Query},
};

/// Everything that planning looks at.
pub struct Input<'a> {
    /// What is asked.
    pub query: &'a Query,
    /// The collection's names.
    pub schema: &'a CollectionSchema,
    /// The query's filter and the forced one.
    pub filter: &'a Filter,
    /// Components of the query vector; 0 without one.
    pub dimensions: usize,
    /// Entities that can answer: those with a usable vector.
    pub usable: u64,
    /// How an approximate index goes through the vectors in rank order, where there is one and the query allows it.
    pub ann: Option<AnnCosts>,
    /// The walk, its anchors known.
    pub request: Option<&'a ReachRequest>,
    /// What the vector store knows.
    pub vectors: &'a VectorStatistics,
    /// What the graph store knows.
    pub graph: Option<&'a GraphStatistics>,
    /// Most candidates of one check.
    pub max_check: usize,
    /// The vector store can rank what a walk reaches by itself.
    pub joined: bool,
    /// What the cache holds.
    pub probe: Probe<'a>,
    /// What legs give goes into the cache, where a longer list serves more queries.
    pub keeps: bool,
    /// Stores that are not asked now, because they fail.
    pub down: Down,
    /// How busy stores are.
    pub waits: Waits,
    /// Runs this kind whatever it costs.
    pub forced: Option<Forced>,
    /// Time until the answer is of no more use.
    pub left: Duration,
    /// Nodes reached, where a run that is under way has found out.
    pub true_reach: Option<f64>,
    /// Identifies the query for remembering the decision: its key.
    pub key: Digest,
}

/// What a caller wants to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Forced {
    /// The kind of plan.
    pub kind: PlanKind,
    /// Which candidate of that kind, counted from 1 in the order of enumeration; the cheapest without.
    pub variant: Option<u8>,
}

impl From<PlanKind> for Forced {
    fn from(kind: PlanKind) -> Self {
        Self { kind, variant: None }
    }
}

/// Which of a query's stores are not asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Down {
    /// The vector store.
    pub vectors: bool,
    /// The graph store.
    pub graph: bool,
}

impl Down {
    pub(super) fn spares(self, plan: &Plan) -> bool {
        !(self.vectors && plan.root.asks_vectors() || self.graph && plan.root.asks_graph())
    }
}

/// How long calls are expected to wait for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// To the vector store.
    pub vectors: Duration,
    /// To the graph store.
    pub graph: Duration,
}

/// What the cache was found to hold of a query's legs.
#[derive(Clone, Copy, Default)]
pub struct Probe<'a> {
    /// The reached ids: how many.
    pub reach: Option<u64>,
    /// A ranked list that covers the filter.
    pub list: Option<ListProbe<'a>>,
}

/// A cached list as far as planning goes.
#[derive(Clone, Copy)]
pub struct ListProbe<'a> {
    /// Items.
    pub length: usize,
    /// Nothing is missing from it.
    pub exhausted: bool,
    /// The filter that it was made with.
    pub filter: &'a Filter,
    /// It came from a search that was exact.
    pub exact: bool,
    /// How many of its first items are in the cached reach, where that is held too.
    pub met: Option<Met>,
}

/// What came of holding the items of a cached list against a cached reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Met {
    /// Items that were looked at, from the first on.
    pub tested: usize,
    /// Those of them that are within.
    pub within: usize,
}
