//! Candidate plans as plain data: the planner enumerates, prices and prints them, `execute` runs them.

use serde::{Deserialize, Serialize};

use crate::backend::Access;

/// The five kinds of candidate plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// Rank first, filter on the way, let the graph check what comes out, widen until enough survive.
    VectorFirst,
    /// Traverse, then rank exactly what was reached and passes the filter.
    GraphFirst,
    /// Both legs at once, then intersect; widen if short.
    Parallel,
    /// Push the filter's result and the reached ids into the vector search.
    FilteredVector,
    /// One leg is in the cache: run only the other.
    CachedPartial,
}

impl PlanKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::VectorFirst, Self::GraphFirst, Self::Parallel, Self::FilteredVector, Self::CachedPartial];

    /// The word used in queries, plans and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VectorFirst => "vector-first",
            Self::GraphFirst => "graph-first",
            Self::Parallel => "parallel",
            Self::FilteredVector => "filtered-vector",
            Self::CachedPartial => "cached-partial",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A candidate: its kind and the tree of operators that answers the query.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Which of the five.
    pub kind: PlanKind,
    /// The ranked part. Hydrate and Expand come after it in every plan and cost the same in each.
    pub root: Operator,
}

/// One operator. Leaves are legs: one call to a backend, or one cached stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// Ranked candidates from the vector store, `first` at once, more when asked.
    Ann {
        /// In which order rank and filter are applied.
        access: Access,
        /// K′ of the first page.
        first: usize,
    },
    /// Ranked candidates from a cached list that is complete down to its last item.
    CachedList {
        /// Whether the list was made with a wider filter, so that its items have to be tested.
        refilter: bool,
    },
    /// The reached ids from the graph store.
    Reach,
    /// The reached ids from the cache.
    CachedReach,
    /// Reach and exact ranking of what is reached, in one call to a store that holds both entities and edges.
    RankReached,
    /// Exact ranking of the ids from `ids`, the filter tested on each.
    RankExact {
        /// A reach.
        ids: Box<Operator>,
    },
    /// A ranked search restricted to the ids from `ids`.
    AnnWithin {
        /// A reach.
        ids: Box<Operator>,
        /// In which order rank and filter are applied.
        access: Access,
        /// K′ of the first page.
        first: usize,
    },
    /// Lets the graph store check ranked candidates, `batch` at a time.
    CheckWithin {
        /// Ranked candidates.
        candidates: Box<Operator>,
        /// Candidates a call.
        batch: usize,
    },
    /// Keeps ranked candidates that are in a reach; both are fetched at once.
    Intersect {
        /// Ranked candidates.
        candidates: Box<Operator>,
        /// A reach.
        ids: Box<Operator>,
    },
}

impl Operator {
    /// Whether its candidates come from a cached list.
    pub fn uses_list(&self) -> bool {
        match self {
            Self::CachedList { .. } => true,
            Self::CheckWithin { candidates, .. } | Self::Intersect { candidates, .. } => candidates.uses_list(),
            _ => false,
        }
    }

    /// Whether it asks the vector store for something that no cache holds.
    pub fn asks_vectors(&self) -> bool {
        match self {
            Self::Ann { .. } | Self::RankReached | Self::RankExact { .. } | Self::AnnWithin { .. } => true,
            Self::CachedList { refilter } => *refilter,
            Self::Reach | Self::CachedReach => false,
            Self::CheckWithin { candidates, .. } | Self::Intersect { candidates, .. } => candidates.asks_vectors(),
        }
    }

    /// Whether it asks the graph store for something that no cache holds.
    pub fn asks_graph(&self) -> bool {
        match self {
            Self::Reach | Self::RankReached | Self::CheckWithin { .. } => true,
            Self::Ann { .. } | Self::CachedList { .. } | Self::CachedReach => false,
            Self::RankExact { ids } | Self::AnnWithin { ids, .. } | Self::Intersect { ids, .. } => ids.asks_graph(),
        }
    }

    /// The operator's name in plans and traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ann { .. } => "Ann",
            Self::CachedList { .. } => "CachedList",
            Self::Reach => "Reach",
            Self::CachedReach => "CachedReach",
            Self::RankReached => "RankReached",
            Self::RankExact { .. } => "RankExact",
            Self::AnnWithin { .. } => "AnnWithin",
            Self::CheckWithin { .. } => "CheckWithin",
            Self::Intersect { .. } => "Intersect",
        }
    }
}

impl std::fmt::Display for Operator {
    /// The plan on one line, leaves innermost.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ann { access, first } => write!(f, "Ann({}, first {first})", access.as_str()),
            Self::CachedList { refilter: true } => f.write_str("CachedList(refilter)"),
            Self::CachedList { refilter: false } | Self::Reach | Self::CachedReach | Self::RankReached => {
                f.write_str(self.name())
            }
            Self::RankExact { ids } => write!(f, "RankExact({ids})"),
            Self::AnnWithin { ids, access, first } => write!(f, "AnnWithin({ids}, {}, first {first})", access.as_str()),
            Self::CheckWithin { candidates, batch } => write!(f, "CheckWithin({candidates}, batch {batch})"),
            Self::Intersect { candidates, ids } => write!(f, "Intersect({candidates}, {ids})"),
        }
    }
}
