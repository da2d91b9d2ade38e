//! The vector side: entities with attributes and vectors, searched, ranked and fetched.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{BackendError, CallContext, Finding, IdSet, ReachRequest, VectorStatistics};
use crate::{
    query::{Filter, NodeRef},
    value::{AttributeValue, EntityId},
};

/// What a vector store can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorCapabilities {
    /// Every search is exact: recall is 1 whatever the query asks for.
    pub always_exact: bool,
}

/// What the answer is ranked by.
#[derive(Debug, Clone)]
pub enum Ranking {
    /// By id, ascending; scores are 0.
    ById,
    /// By similarity to this vector, descending, ties by id.
    Similarity {
        /// An index into [`crate::catalog::CollectionSchema::vectors`].
        space: u16,
        /// Finite, of the space's dimensions, under cosine not all zero.
        vector: Arc<[f32]>,
    },
}

/// In which order a search applies rank and filter. All give the same answer where search is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Go through the entities in rank order and test the filter on what comes by (pgvector: iterative index scan).
    RankThenFilter,
    /// Find the entities that pass the filter by its indexes and rank just those (pgvector: materialised filter).
    FilterThenRank,
    /// Start from the ids of [`Search::within`], test the filter one by one and rank the survivors.
    IdsThenFilter,
}

impl Access {
    /// The name used in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RankThenFilter => "rank-then-filter",
            Self::FilterThenRank => "filter-then-rank",
            Self::IdsThenFilter => "ids-then-filter",
        }
    }
}

/// One search. The answer holds entities with a usable vector only (where the collection has vectors).
#[derive(Debug, Clone)]
pub struct Search {
    /// The order.
    pub ranking: Ranking,
    /// Who may answer; the forced tenant filter is part of it.
    pub filter: Filter,
    /// Only these ids.
    pub within: Option<IdSet>,
    /// In which order rank and filter are applied.
    pub access: Access,
    /// Lowest score, inclusive.
    pub threshold: Option<f64>,
    /// Ids that are left out: the entities that the query vector was made from. Sorted.
    pub excluded: Vec<EntityId>,
    /// Forbids approximation.
    pub exact: bool,
    /// How many hits are likely to be asked for at first; a hint for the server's parameters.
    pub expected: usize,
    /// Whether more is likely to be asked for after the first page, because a gate stands behind this search.
    pub widens: bool,
}

/// A ranked entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Which.
    pub id: EntityId,
    /// Higher is better; 0 when ranked by id.
    pub score: f64,
}

impl Hit {
    /// The order of answers: score descending, ties by id.
    pub fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id))
    }
}

/// The next hits of a search, in order.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// At most as many as asked for; fewer only when `exhausted`. A page is in order. An approximate search may bring
    /// hits late that rank before those of an earlier page.
    pub hits: Vec<Hit>,
    /// Nothing comes after these.
    pub exhausted: bool,
    /// Nothing that ranks before the last of all hits so far is missing.
    pub exact: bool,
    /// Rows that the store looked at for this page.
    pub examined: u64,
}

/// A search that can be asked for more without paying again for what it gave. It may hold a connection.
#[async_trait]
pub trait RankedCursor: Send {
    /// The next `n` hits.
    async fn next(&mut self, ctx: &CallContext, n: usize) -> Result<Page, BackendError>;

    /// Gives back what it holds of a pool; the next call gets it again. Called before anything else is waited for, so
    /// that no query waits for one pool while it holds a place in another. Nothing to do where nothing is held.
    async fn release(&mut self) {}
}

/// What to fetch of an entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Attributes, as indices of the schema.
    pub attributes: Vec<u16>,
    /// Vectors, as indices of the schema.
    pub vectors: Vec<u16>,
}

/// What was fetched of an entity, in the order of the projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// One value an attribute asked for.
    pub attributes: Vec<AttributeValue>,
    /// One vector a space asked for; `None` where it is missing or not usable.
    pub vectors: Vec<Option<Arc<[f32]>>>,
}

/// A store of entities.
#[async_trait]
pub trait VectorStore: Send + Sync + 'static {
    /// The backend's configured name.
    fn backend(&self) -> &Arc<str>;

    /// What it can do.
    fn capabilities(&self) -> VectorCapabilities;

    /// What it last learnt of its data and of its own speed. Never waits.
    fn statistics(&self) -> Arc<VectorStatistics>;

    /// Whether a call has a chance: `false` while a breaker keeps calls away from a server that fails. Never waits.
    fn is_available(&self) -> bool {
        true
    }

    /// How long a call that comes now is likely to wait before its work begins. Never waits itself.
    fn expected_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Learns again. Called off the path of queries.
    async fn refresh(&self) -> Result<(), BackendError>;

    /// What it finds when it looks at what it was configured with, for operators.
    async fn inspect(&self, _ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
        Ok(Vec::new())
    }

    /// Opens a search.
    async fn search(&self, ctx: &CallContext, search: Search) -> Result<Box<dyn RankedCursor>, BackendError>;

    /// Which of these ids are entities that pass the filter, and have a usable vector in `space` if one is given (or,
    /// if none is, in any space of a collection that has some). One answer an id, in order.
    async fn matching(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Vec<bool>, BackendError>;

    /// Attributes and vectors of these ids; `None` for an id that is no entity. In order.
    async fn fetch(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        projection: &Projection,
    ) -> Result<Vec<Option<Entity>>, BackendError>;

    /// Whether it can rank what a walk reaches by itself, because it holds the edges too.
    fn rank_reached(&self) -> Option<&dyn RankReached> {
        None
    }
}

/// The first hits among the nodes that a walk reaches.
#[derive(Debug, Clone, Default)]
pub struct ReachedPage {
    /// The hits; exact, and exhausted when fewer came than were asked for.
    pub page: Page,
    /// As in [`Reach::unknown`](super::Reach::unknown).
    pub unknown: Vec<NodeRef>,
    /// Nodes that the walk reached, about.
    pub reached: u64,
}

/// A vector store that can rank what a walk reaches without being told the ids.
#[async_trait]
pub trait RankReached: Send + Sync {
    /// The first `n` hits of a search, which names no ids of its own, among the nodes that a request reaches.
    async fn rank_reached(
        &self,
        ctx: &CallContext,
        search: &Search,
        request: &ReachRequest,
        n: usize,
    ) -> Result<ReachedPage, BackendError>;
}
