//! Entities and edges of one collection in one database: a store of entities that can also rank what a walk reaches.

use std::sync::Arc;

use async_trait::async_trait;

use super::{PgEntities, PgGraph};
use crate::{
    backend::{
        BackendError, CallContext, Entity, Finding, Projection, RankReached, RankedCursor, ReachRequest, ReachedPage,
        Search, VectorCapabilities, VectorStatistics, VectorStore,
    },
    query::Filter,
    value::EntityId,
};

/// The entities, and the edges beside them.
pub struct PgTogether {
    entities: Arc<PgEntities>,
    graph: Arc<PgGraph>,
}

impl PgTogether {
    /// Two stores of one collection. The graph must know the table of the entities.
    pub fn new(entities: Arc<PgEntities>, graph: Arc<PgGraph>) -> Arc<Self> {
        Arc::new(Self { entities, graph })
    }
}

#[async_trait]
impl RankReached for PgTogether {
    async fn rank_reached(
        &self,
        ctx: &CallContext,
        search: &Search,
        request: &ReachRequest,
        n: usize,
    ) -> Result<ReachedPage, BackendError> {
        self.graph.rank_reached(ctx, search, request, n).await
    }
}

#[async_trait]
impl VectorStore for PgTogether {
    fn backend(&self) -> &Arc<str> {
        self.entities.backend()
    }

    fn capabilities(&self) -> VectorCapabilities {
        self.entities.capabilities()
    }

    fn statistics(&self) -> Arc<VectorStatistics> {
        self.entities.statistics()
    }

    fn is_available(&self) -> bool {
        self.entities.is_available()
    }

    fn expected_wait(&self) -> std::time::Duration {
        self.entities.expected_wait()
    }

    async fn refresh(&self) -> Result<(), BackendError> {
        self.entities.refresh().await
    }

    async fn inspect(&self, ctx: &CallContext) -> Result<Vec<Finding>, BackendError> {
        self.entities.inspect(ctx).await
    }

    async fn search(&self, ctx: &CallContext, search: Search) -> Result<Box<dyn RankedCursor>, BackendError> {
        self.entities.search(ctx, search).await
    }

    async fn matching(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Vec<bool>, BackendError> {
        self.entities.matching(ctx, ids, filter, space).await
    }

    async fn fetch(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        projection: &Projection,
    ) -> Result<Vec<Option<Entity>>, BackendError> {
        self.entities.fetch(ctx, ids, projection).await
    }

    fn rank_reached(&self) -> Option<&dyn RankReached> {
        Some(self)
    }
}
