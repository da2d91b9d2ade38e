//! The graph side of the embedded store.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    EmbeddedStore,
    adjacency::Steps,
    bits::bitmap_of,
    costs, paths, statistics,
    walk::{self, Scope},
    watch::{Watch, run},
};
use crate::{
    backend::{
        BackendError, CallContext, Checked, GraphCapabilities, GraphStatistics, GraphStore, Neighbour, NodeScope, Path,
        Reach, ReachRequest,
    },
    query::Walk,
    value::EntityId,
};

impl EmbeddedStore {
    /// About how long a walk from these nodes takes.
    fn walk_ns<'a>(&self, walk: &Walk, starts: impl Iterator<Item = &'a EntityId>) -> f64 {
        let rows: Vec<u32> = starts.filter_map(|id| self.data.ordinal(id)).collect();
        let costs = self.graph_statistics.load().costs;
        let edges = Steps::new(self.data.edge_types(), walk, false).expected_edges(&rows, walk.hops);
        edges * (costs.edge_ns + costs.node_ns)
    }

    fn request_ns(&self, request: &ReachRequest) -> f64 {
        self.walk_ns(&request.walk, request.anchors.iter().map(|anchor| &anchor.id))
    }
}

#[async_trait]
impl GraphStore for EmbeddedStore {
    fn backend(&self) -> &Arc<str> {
        &self.backend
    }

    fn capabilities(&self) -> GraphCapabilities {
        GraphCapabilities { max_check: usize::MAX }
    }

    fn statistics(&self) -> Arc<GraphStatistics> {
        self.graph_statistics.load_full()
    }

    async fn refresh(&self) -> Result<(), BackendError> {
        let (data, epoch) = (self.data.clone(), self.graph_statistics.load().epoch + 1);
        let learnt =
            tokio::task::spawn_blocking(move || statistics::graph_statistics(&data, costs::graph_costs(&data), epoch));
        self.graph_statistics.store(Arc::new(learnt.await.map_err(|_| self.failed("learning did not finish"))?));
        Ok(())
    }

    async fn reach(&self, ctx: &CallContext, request: &ReachRequest) -> Result<Reach, BackendError> {
        let (data, backend, request) = (self.data.clone(), self.backend.clone(), request.clone());
        let (rows, unknown, examined) = run(ctx, &self.backend, self.request_ns(&request), move |ctx| {
            let scope = Scope::new(&data, request.scope.as_ref());
            let (anchors, unknown) = walk::anchors(&scope, &request);
            let mut watch = Watch::new(ctx, &backend);
            let (rows, examined) = walk::reach(&data, &scope, &request, &anchors, &mut watch)?;
            Ok((bitmap_of(&rows, data.rows()), unknown, examined))
        })
        .await?;
        Ok(Reach { ids: self.id_set(rows), unknown, examined })
    }

    async fn check(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        candidates: &[EntityId],
    ) -> Result<Checked, BackendError> {
        let (data, backend) = (self.data.clone(), self.backend.clone());
        let (request, candidates) = (request.clone(), candidates.to_vec());
        // Never more than from the anchors; the look-ups of candidates come on top.
        let expected_ns = self.request_ns(&request) + candidates.len() as f64 * 500.0;
        run(ctx, &self.backend, expected_ns, move |ctx| {
            let scope = Scope::new(&data, request.scope.as_ref());
            let (anchors, unknown) = walk::anchors(&scope, &request);
            let mut watch = Watch::new(ctx, &backend);
            let (within, examined) = walk::check(&data, &scope, &request, &anchors, &candidates, &mut watch)?;
            Ok(Checked { within, unknown, examined })
        })
        .await
    }

    async fn expand(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        walk: &Walk,
        scope: Option<&NodeScope>,
        per_item: usize,
        paths: bool,
    ) -> Result<Vec<Vec<Neighbour>>, BackendError> {
        let expected_ns: f64 = ids.iter().map(|id| self.walk_ns(walk, std::iter::once(id)) + 500.0).sum();
        let (data, backend) = (self.data.clone(), self.backend.clone());
        let (ids, walk, scope) = (ids.to_vec(), walk.clone(), scope.cloned());
        run(ctx, &self.backend, expected_ns, move |ctx| {
            let scope = Scope::new(&data, scope.as_ref());
            let mut watch = Watch::new(ctx, &backend);
            ids.iter()
                .map(|id| match scope.row(id) {
                    Some(row) => paths::neighbourhood(&data, &scope, &walk, row, per_item, paths, &mut watch),
                    None => Ok(Vec::new()),
                })
                .collect()
        })
        .await
    }

    async fn paths(
        &self,
        ctx: &CallContext,
        request: &ReachRequest,
        targets: &[EntityId],
    ) -> Result<Vec<Option<Path>>, BackendError> {
        let (data, backend) = (self.data.clone(), self.backend.clone());
        let (request, targets) = (request.clone(), targets.to_vec());
        // Keeping the order of paths costs a sort on top of the walk.
        let expected_ns = 4.0 * self.request_ns(&request) + targets.len() as f64 * 500.0;
        run(ctx, &self.backend, expected_ns, move |ctx| {
            let scope = Scope::new(&data, request.scope.as_ref());
            let (anchors, _) = walk::anchors(&scope, &request);
            let targets: Vec<Option<u32>> = targets.iter().map(|id| scope.row(id)).collect();
            paths::paths(&data, &scope, &request.walk, &anchors, &targets, &mut Watch::new(ctx, &backend))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
