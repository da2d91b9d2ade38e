//! What HTTP needs from the gateway. A seam for tests, and generic: a query served from memory must not pay for a box.

use std::{future::Future, sync::Arc};

use bytes::Bytes;

use crate::{
    cache::coherence::{Acknowledged, Bump, Unacknowledged},
    catalog::Catalog,
    governor::MemorySnapshot,
    pool::Registry,
    problem::Problem,
    request::{CacheStatistics, Gateway, Incoming, Inspected, Planning, Reply},
    telemetry::Metrics,
};

/// Answers what HTTP has read.
pub trait Service: Send + Sync + 'static {
    /// The life of one query.
    fn answer(&self, incoming: Incoming) -> impl Future<Output = Reply> + Send;
    /// The life of a batch: the body of the answer.
    fn batch(&self, incoming: Incoming) -> impl Future<Output = Result<Bytes, Problem>> + Send;
    /// What can be asked.
    fn catalog(&self) -> Arc<Catalog>;
    /// What is counted.
    fn metrics(&self) -> &Arc<Metrics>;
    /// Makes stored answers unusable.
    fn purge(&self, what: &Bump) -> impl Future<Output = Result<Acknowledged, Unacknowledged>> + Send;
    /// What every tier holds for a query, as a tenant would ask it or one without.
    fn inspect_cache(
        &self,
        body: Bytes,
        tenant: Option<Arc<str>>,
    ) -> impl Future<Output = Result<Inspected, Problem>> + Send;
    /// The cache in numbers.
    fn cache_statistics(&self) -> CacheStatistics;
    /// The pools of connections to backends.
    fn pools(&self) -> &Arc<Registry>;
    /// Models, and what runs taught.
    fn planning(&self) -> Arc<Planning>;
    /// How it stands with memory.
    fn memory(&self) -> MemorySnapshot;
}

impl Service for Gateway {
    fn answer(&self, incoming: Incoming) -> impl Future<Output = Reply> + Send {
        Self::answer(self, incoming)
    }

    fn batch(&self, incoming: Incoming) -> impl Future<Output = Result<Bytes, Problem>> + Send {
        Self::batch(self, incoming)
    }

    fn catalog(&self) -> Arc<Catalog> {
        Self::catalog(self)
    }

    fn metrics(&self) -> &Arc<Metrics> {
        Self::metrics(self)
    }

    fn purge(&self, what: &Bump) -> impl Future<Output = Result<Acknowledged, Unacknowledged>> + Send {
        Self::purge(self, what)
    }

    fn inspect_cache(
        &self,
        body: Bytes,
        tenant: Option<Arc<str>>,
    ) -> impl Future<Output = Result<Inspected, Problem>> + Send {
        Self::inspect_cache(self, body, tenant)
    }

    fn cache_statistics(&self) -> CacheStatistics {
        Self::cache_statistics(self)
    }

    fn pools(&self) -> &Arc<Registry> {
        Self::pools(self)
    }

    fn planning(&self) -> Arc<Planning> {
        Self::planning(self)
    }

    fn memory(&self) -> MemorySnapshot {
        self.memory_snapshot()
    }
}
