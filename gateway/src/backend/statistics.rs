//! What stores tell the planner: counts, distributions, and what their own work costs.
//!
//! The shapes are those that Postgres keeps (`pg_stats`: most common values, an equi-depth histogram, null fraction,
//! distinct count, element frequencies) and that Neo4j can be asked for (counts per type, degrees), so that every
//! store can fill them without a scan in the path of a query.

use std::{collections::HashMap, sync::Arc};

use super::KnownEdges;
use crate::{query::NodeRef, value::Literal};

/// What a vector store knows.
#[derive(Debug, Clone, Default)]
pub struct VectorStatistics {
    /// Entities.
    pub rows: u64,
    /// Entities with a usable vector, one count a vector space of the schema.
    pub usable: Vec<u64>,
    /// One an attribute of the schema.
    pub attributes: Vec<AttributeStatistics>,
    /// How an approximate index goes through each vector space of the schema in rank order; `None` where there is none, and
    /// ranking means to score every row. Shorter than the schema's list means none for the rest.
    pub ann: Vec<Option<AnnCosts>>,
    /// What its work costs.
    pub costs: VectorCosts,
    /// Grows by one with each refresh that learnt something.
    pub epoch: u64,
}

impl VectorStatistics {
    /// How an approximate index goes through a vector space, where there is one.
    pub fn ann_of(&self, space: u16) -> Option<AnnCosts> {
        self.ann.get(usize::from(space)).copied().flatten()
    }
}

/// What going through an approximate index costs, measured. A search that is not exact and ranks first does that.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AnnCosts {
    /// Before the first row, in microseconds.
    pub start_us: f64,
    /// Per row that comes by, whether it passes the filter or not, in nanoseconds.
    pub visit_ns: f64,
    /// Rows that come by at most; then an exact search takes over.
    pub max_rows: f64,
}

/// How the values of one attribute are distributed. Frequencies are fractions of all rows.
#[derive(Debug, Clone, Default)]
pub struct AttributeStatistics {
    /// Fraction of rows without a value.
    pub null_fraction: f64,
    /// Number of distinct values (for a list: of distinct elements).
    pub distinct: f64,
    /// The most common values (for a list: elements) and their frequencies.
    pub common: HashMap<Literal, f64>,
    /// The values that are not in `common`, by equal depth; `None` for lists and where nothing is left.
    pub histogram: Option<Histogram>,
}

/// An equi-depth histogram: between two neighbouring bounds lies the same share of the covered rows.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// Ascending, at least two.
    pub bounds: Vec<Literal>,
    /// Fraction of all rows that the histogram covers.
    pub fraction: f64,
}

/// What a vector store's work costs, measured by itself. Microseconds a call, nanoseconds an item.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VectorCosts {
    /// One call: the round trip, and what is paid before the first row.
    pub call_us: f64,
    /// Scoring one row of one vector, per 64 dimensions.
    pub score_ns: f64,
    /// Keeping the order of one scored row.
    pub order_ns: f64,
    /// Testing one filter leaf on one row.
    pub test_ns: f64,
    /// One leaf answered by its index, per row that passes.
    pub index_ns: f64,
    /// Starting from one id of a given set.
    pub id_ns: f64,
    /// Fetching one row's attributes.
    pub fetch_ns: f64,
    /// Returning one hit.
    pub hit_ns: f64,
    /// So many times as many hits as asked for are fetched by an exact search that is likely to be asked for more.
    pub ahead: f64,
    /// How the rows that pass a filter are found.
    pub filtering: Filtering,
}

/// How a store finds the rows that pass a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filtering {
    /// As it is told: every leaf by its index and then what is in all of the results, or row by row.
    #[default]
    AsTold,
    /// As it sees fit, whatever it is told: by the index that returns least, the rest tested on each row that it returns, or
    /// by reading all rows.
    ItsOwnWay,
}

/// What a graph store knows.
#[derive(Debug, Clone, Default)]
pub struct GraphStatistics {
    /// Nodes.
    pub nodes: u64,
    /// One an edge type of the schema.
    pub edges: Vec<EdgeStatistics>,
    /// All edges, where they are in memory.
    pub known: Option<KnownEdges>,
    /// What its work costs.
    pub costs: GraphCosts,
    /// Grows by one with each refresh that learnt something.
    pub epoch: u64,
}

/// How one edge type is distributed.
#[derive(Debug, Clone, Default)]
pub struct EdgeStatistics {
    /// Edges of the type.
    pub count: u64,
    /// Going along the edges.
    pub out: DegreeStatistics,
    /// Going against them.
    pub r#in: DegreeStatistics,
    /// A walk in both directions turns round at hubs: the mean number of edges that lead back against a step from the node
    /// where it ended. `None` where it is not known.
    pub turns: Option<f64>,
}

/// Degrees in one direction of one edge type.
#[derive(Clone, Default)]
pub struct DegreeStatistics {
    /// Mean over all nodes.
    pub mean: f64,
    /// 99th percentile over all nodes.
    pub p99: f64,
    /// Largest.
    pub max: u64,
    /// Mean over the nodes where a step in this direction of this type ends: the fan-out of the next step. Larger than
    /// `mean` where hubs are.
    pub mean_after_step: f64,
    /// Degrees of single nodes that the store has in memory: all of them, or just the hubs. A node that is not there
    /// has `mean`.
    pub known: Option<KnownDegrees>,
}

/// The degree of one node, if known. Must be a memory look-up.
pub type KnownDegrees = Arc<dyn Fn(&NodeRef) -> Option<u64> + Send + Sync>;

impl std::fmt::Debug for DegreeStatistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "DegreeStatistics(mean {:.2}, p99 {:.0}, max {}, after a step {:.2})",
            self.mean, self.p99, self.max, self.mean_after_step
        )
    }
}

/// What a graph store's work costs, measured by itself. Microseconds a call, nanoseconds an item.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GraphCosts {
    /// One call: the round trip, and what is paid before the first edge.
    pub call_us: f64,
    /// Looking at one edge.
    pub edge_ns: f64,
    /// Returning one reached node.
    pub node_ns: f64,
    /// Beginning with one candidate of a check.
    pub start_ns: f64,
}
