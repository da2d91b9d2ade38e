//! The embedded store as both sides of a collection.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use roaring::RoaringBitmap;

use super::{
    Dataset, bits::bitmap_of, costs, predicate::Predicate, search::EmbeddedCursor, search::Prepared, statistics,
    watch::Watch, watch::run,
};
use crate::{
    backend::{
        BackendError, CallContext, Entity, ErrorKind, GraphStatistics, IdSet, IdSpace, Projection, RankedCursor,
        Ranking, Search, VectorCapabilities, VectorStatistics, VectorStore,
    },
    query::Filter,
    value::EntityId,
};

/// A data set that answers: a [`VectorStore`] and a [`crate::backend::GraphStore`] in one.
pub struct EmbeddedStore {
    pub(super) backend: Arc<str>,
    pub(super) data: Arc<Dataset>,
    /// The data set once more, as the one space that all id sets of this store share.
    pub(super) space: Arc<dyn IdSpace>,
    pub(super) vector_statistics: ArcSwap<VectorStatistics>,
    pub(super) graph_statistics: ArcSwap<GraphStatistics>,
}

impl EmbeddedStore {
    /// A store over a data set. Learns the statistics and measures its costs, which takes a few milliseconds.
    pub fn new(backend: Arc<str>, data: Arc<Dataset>) -> Arc<Self> {
        let vector = statistics::vector_statistics(&data, costs::vector_costs(&data), 1);
        let graph = statistics::graph_statistics(&data, costs::graph_costs(&data), 1);
        Arc::new(Self {
            backend,
            space: data.clone(),
            data,
            vector_statistics: ArcSwap::from_pointee(vector),
            graph_statistics: ArcSwap::from_pointee(graph),
        })
    }

    /// What it answers from.
    pub fn data(&self) -> &Arc<Dataset> {
        &self.data
    }

    /// A set of rows as it travels between legs.
    pub(super) fn id_set(&self, rows: RoaringBitmap) -> IdSet {
        IdSet::Ordinals(self.space.clone(), Arc::new(rows))
    }

    /// The rows of a set. Ids that are not here are left out.
    fn rows_of(&self, set: &IdSet) -> Arc<RoaringBitmap> {
        match set.ordinals_in(&self.space) {
            Some(rows) => rows.clone(),
            None => {
                let rows: Vec<u32> = set.iter().filter_map(|id| self.data.ordinal(&id)).collect();
                Arc::new(bitmap_of(&rows, self.data.rows()))
            }
        }
    }

    pub(super) fn failed(&self, detail: &str) -> BackendError {
        BackendError::new(&self.backend, ErrorKind::Failed, detail)
    }
}

#[async_trait]
impl VectorStore for EmbeddedStore {
    fn backend(&self) -> &Arc<str> {
        &self.backend
    }

    fn capabilities(&self) -> VectorCapabilities {
        VectorCapabilities { always_exact: true }
    }

    fn statistics(&self) -> Arc<VectorStatistics> {
        self.vector_statistics.load_full()
    }

    async fn refresh(&self) -> Result<(), BackendError> {
        let (data, epoch) = (self.data.clone(), self.vector_statistics.load().epoch + 1);
        let learnt = tokio::task::spawn_blocking(move || {
            statistics::vector_statistics(&data, costs::vector_costs(&data), epoch)
        });
        self.vector_statistics.store(Arc::new(learnt.await.map_err(|_| self.failed("learning did not finish"))?));
        Ok(())
    }

    async fn search(&self, ctx: &CallContext, search: Search) -> Result<Box<dyn RankedCursor>, BackendError> {
        ctx.check(&self.backend)?;
        let Search { ranking, filter, within, access, threshold, excluded, exact: _, expected: _, widens: _ } = search;
        let query = match ranking {
            Ranking::ById => None,
            Ranking::Similarity { space, vector } => {
                let query = self.data.spaces().get(usize::from(space)).and_then(|space| space.query(&vector));
                Some((space, query.ok_or_else(|| self.failed("the query vector does not fit the space"))?))
            }
        };
        let mut excluded: Vec<u32> = excluded.iter().filter_map(|id| self.data.ordinal(id)).collect();
        excluded.sort_unstable();
        let within = within.map(|set| self.rows_of(&set));
        let predicate = Predicate::new(&self.data, &filter);
        let prepared = Prepared { query, predicate, within, access, threshold, excluded };
        let costs = self.vector_statistics.load().costs;
        Ok(Box::new(EmbeddedCursor::new(&self.backend, &self.data, costs, prepared)))
    }

    async fn matching(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        filter: &Filter,
        space: Option<u16>,
    ) -> Result<Vec<bool>, BackendError> {
        let costs = self.vector_statistics.load().costs;
        let expected_ns = ids.len() as f64 * (costs.test_ns * filter.nodes() as f64 + 500.0);
        let (data, backend) = (self.data.clone(), self.backend.clone());
        let (ids, filter) = (ids.to_vec(), filter.clone());
        run(ctx, &self.backend, expected_ns, move |ctx| {
            let predicate = Predicate::new(&data, &filter);
            let usable = space.map_or(data.answerable(), |space| data.usable(space));
            let mut watch = Watch::new(ctx, &backend);
            ids.iter()
                .map(|id| {
                    watch.spend(1)?;
                    Ok(data.ordinal(id).is_some_and(|row| usable.contains(row) && predicate.test(&data, row)))
                })
                .collect()
        })
        .await
    }

    async fn fetch(
        &self,
        ctx: &CallContext,
        ids: &[EntityId],
        projection: &Projection,
    ) -> Result<Vec<Option<Entity>>, BackendError> {
        let vector_ns: usize =
            projection.vectors.iter().map(|s| self.data.spaces()[usize::from(*s)].dimensions()).sum();
        let expected_ns = ids.len() as f64 * (self.vector_statistics.load().costs.fetch_ns + 500.0 + vector_ns as f64);
        let (data, backend) = (self.data.clone(), self.backend.clone());
        let (ids, projection) = (ids.to_vec(), projection.clone());
        run(ctx, &self.backend, expected_ns, move |ctx| {
            let mut watch = Watch::new(ctx, &backend);
            ids.iter()
                .map(|id| {
                    watch.spend(8)?;
                    Ok(data.ordinal(id).map(|row| Entity {
                        attributes: projection.attributes.iter().map(|index| data.attribute(row, *index)).collect(),
                        vectors: projection
                            .vectors
                            .iter()
                            .map(|space| data.vector(*space, row).map(Arc::from))
                            .collect(),
                    }))
                })
                .collect()
        })
        .await
    }
}
