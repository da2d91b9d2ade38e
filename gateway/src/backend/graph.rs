//! The graph side: reach, checks, neighbourhoods and paths, always breadth-first over distinct nodes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{BackendError, CallContext, Finding, GraphStatistics, IdSet};
use crate::{
    query::{NodeRef, Walk},
    value::EntityId,
};

/// What a graph store can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphCapabilities {
    /// Most candidates that one [`GraphStore::check`] should get.
    pub max_check: usize,
}

/// Which nodes a tenant's walks may touch: those whose attribute equals the tenant, and those that do not have it
/// (shared by all). Another tenant's nodes are as if they were not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeScope {
    /// An index into [`crate::catalog::CollectionSchema::attributes`].
    pub attribute: u16,
    /// The tenant.
    pub tenant: Arc<str>,
}

/// Which nodes are asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct ReachRequest {
    /// Where walks start. Sorted, distinct.
    pub anchors: Vec<NodeRef>,
    /// How they go on.
    pub walk: Walk,
    /// Whether known anchors count as reached. Otherwise they never do, even on a cycle.
    pub include_anchors: bool,
    /// Which nodes may be touched, anchors included.
    pub scope: Option<NodeScope>,
}

/// The reached nodes.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Ids of reached nodes with the entity label.
    pub ids: IdSet,
    /// Anchors that the graph (within the scope) does not know, in order.
    pub unknown: Vec<NodeRef>,
    /// Edges looked at.
    pub examined: u64,
}

/// The answer to a check.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Whether each candidate is reached, in order.
    pub within: Vec<bool>,
    /// As in [`Reach::unknown`].
    pub unknown: Vec<NodeRef>,
    /// Edges looked at.
    pub examined: u64,
}

/// A shortest path; of several the one with the smallest sequence of ids, then of edge types, `out` before `in`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Where it starts.
    pub from: EntityId,
    /// Its steps, in order; none where start and end are one.
    pub steps: Vec<PathStep>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStep {
    /// The edge type: an index into [`crate::catalog::GraphSchema::edges`].
    pub edge: u16,
    /// Whether the step went along the edge.
    pub along: bool,
    /// Where it led.
    pub to: EntityId,
}

/// A node near a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Which; it need not be an entity.
    pub id: EntityId,
    /// Steps on the shortest way, at least one.
    pub hops: u8,
    /// The way, when asked for.
    pub path: Option<Path>,
}

/// A store of relations.
#[async_trait]
pub trait GraphStore: Send + Sync + 'static {
    /// The backend's configured name.
    fn backend(&self) -> &Arc<str>;

    /// What it can do.
    fn capabilities(&self) -> GraphCapabilities;

    /// What it last learnt of its data and of its own speed. Never waits.
    fn statistics(&self) -> Arc<GraphStatistics>;

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

    /// All nodes reached. `unknown` anchors are reported, not an error.
    async fn reach(&self, ctx: &CallContext, request: &ReachRequest) -> Result<Reach, BackendError>;

    /// Whether each of these candidates is reached. With no candidates only `unknown` is of interest.
    async fn check(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        candidates: &[EntityId],
    ) -> Result<Checked, BackendError>;

    /// The neighbourhood of each of these nodes: distinct nodes other than itself, by (hops, id), the first
    /// `per_item`. In order; empty for a node that the graph does not know.
    async fn expand(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        walk: &Walk,
        scope: Option<&NodeScope>,
        per_item: usize,
        paths: bool,
    ) -> Result<Vec<Vec<Neighbour>>, BackendError>;

    /// A shortest path from some anchor to each of these nodes; `None` where there is none. An anchor's own path has no steps.
    async fn paths(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        targets: &[EntityId],
    ) -> Result<Vec<Option<Path>>, BackendError>;
}
