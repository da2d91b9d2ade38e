//! The gateway as the outside sees it: one call a query, one a batch, and what operators may ask.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use planner_model::LatencyModel;

use super::{Endpoint, Incoming, Reply, batch, life::Life};
use crate::{
    cache::{BodyMemo, Epochs, Flights, L1},
    catalog::Catalog,
    config::{CacheConfig, ServerConfig},
    execute::LegMemo,
    governor::{Memory, MemorySnapshot},
    planner::Planner,
    pool::Registry,
    problem::Problem,
    telemetry::Metrics,
};

/// Request bodies that are remembered take this part of what L1 may take, beside it.
const MEMO_SHARE: u64 = 8;

/// Everything that a query's life needs, shared by all connections.
pub struct Gateway {
    state: ArcSwap<State>,
    model: Option<Arc<dyn LatencyModel>>,
    metrics: Arc<Metrics>,
    pools: Arc<Registry>,
    memory: Arc<Memory>,
}

/// What belongs to one configuration. The cache, its epochs and its flights outlive it.
pub(super) struct State {
    pub catalog: Arc<Catalog>,
    pub memo: BodyMemo,
    pub memo_bytes: u64,
    pub planner: Planner,
    pub l1: Arc<L1>,
    pub epochs: Arc<Epochs>,
    pub flights: Arc<Flights>,
    pub memory: Arc<Memory>,
    pub default_deadline: Duration,
    pub max_batch: usize,
    retired: AtomicBool,
}

impl State {
    /// Whether another catalog has taken this one's place. Set before the epochs are bumped, so whoever takes a stamp after
    /// the bump finds it set.
    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }
}

/// What a purge is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Every entry.
    All,
    /// Entries that depend on one of these tags; `Cache-Groups` of an answer names its tags.
    Tags(Vec<String>),
}

/// The cache in numbers.
pub type CacheStatistics = crate::cache::L1Statistics;

impl Gateway {
    /// A gateway over a catalog. Without a model the planner goes by analytic costs.
    pub fn new(
        catalog: Catalog,
        server: &ServerConfig,
        cache: &CacheConfig,
        model: Option<Arc<dyn LatencyModel>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let epochs = Arc::new(Epochs::default());
        let memo_bytes = cache.l1.max_bytes / MEMO_SHARE;
        let memory: Arc<Memory> = Arc::default();
        let state = State {
            memo_bytes,
            catalog: Arc::new(catalog),
            memo: BodyMemo::new(memo_bytes),
            planner: Planner::new(model.clone()),
            l1: Arc::new(L1::new(&cache.l1, epochs.clone())),
            epochs,
            flights: Arc::default(),
            memory: memory.clone(),
            default_deadline: Duration::from_millis(server.default_deadline_ms),
            max_batch: server.max_batch,
            retired: AtomicBool::new(false),
        };
        Self { state: ArcSwap::from_pointee(state), model, metrics, pools: Arc::default(), memory }
    }

    /// The same gateway, whose backends have these pools: operators see and resize them.
    #[must_use]
    pub fn with_pools(self, pools: Arc<Registry>) -> Self {
        Self { pools, ..self }
    }

    /// Puts another catalog in place. Queries under way finish on the old one; nothing stored before is served again.
    pub fn replace_catalog(&self, catalog: Catalog, server: &ServerConfig) {
        let old = self.state.load();
        self.state.store(Arc::new(State {
            catalog: Arc::new(catalog),
            memo: BodyMemo::new(old.memo_bytes),
            memo_bytes: old.memo_bytes,
            planner: Planner::new(self.model.clone()),
            l1: old.l1.clone(),
            epochs: old.epochs.clone(),
            flights: Arc::default(),
            memory: old.memory.clone(),
            default_deadline: Duration::from_millis(server.default_deadline_ms),
            max_batch: server.max_batch,
            retired: AtomicBool::new(false),
        }));
        old.retired.store(true, Ordering::Release);
        // After the swap: what was stored until now is outdated, and what old queries bring from now on is refused.
        old.epochs.bump_all();
        old.l1.clear();
    }

    /// The life of one query.
    pub async fn answer(&self, incoming: Incoming) -> Reply {
        let state = self.state.load_full();
        let legs = LegMemo::default();
        let mut life = Life::new(&state, &incoming, &legs);
        let reply = life.of_body().await;
        self.metrics.query_finished(&life.finished(&reply));
        reply
    }

    /// The life of a batch: `{"queries": […]}`, each succeeding or failing alone. The body of the answer.
    pub async fn batch(&self, incoming: Incoming) -> Result<Bytes, Problem> {
        let state = self.state.load_full();
        let incoming = Incoming { endpoint: Endpoint::Query, ..incoming };
        batch::answer(&state, &self.metrics, &incoming).await
    }

    /// What can be asked.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.state.load().catalog.clone()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The pools of connections to backends.
    pub fn pools(&self) -> &Arc<Registry> {
        &self.pools
    }

    /// How it stands with memory. Whoever governs memory writes it here.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// How it stands with memory, at one moment.
    pub fn memory_snapshot(&self) -> MemorySnapshot {
        self.memory.snapshot()
    }

    /// What belongs to the configuration of this moment.
    pub(super) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Makes stored answers unusable. Returns how many tags were bumped; a purge of everything is one.
    pub fn purge(&self, what: &Purge) -> usize {
        let state = self.state.load();
        match what {
            Purge::All => {
                state.epochs.bump_all();
                state.l1.clear();
                1
            }
            Purge::Tags(tags) => {
                tags.iter().for_each(|tag| state.epochs.bump(tag));
                tags.len()
            }
        }
    }

    /// The cache in numbers.
    pub fn cache_statistics(&self) -> CacheStatistics {
        self.state.load().l1.statistics()
    }

    /// Lets every store learn about its data again; called now and then, off the path of queries.
    pub async fn refresh_statistics(&self) {
        for collection in self.catalog().iter() {
            if let Err(error) = collection.entities.refresh().await {
                tracing::warn!(collection = &*collection.schema.name, %error, "statistics of entities not refreshed");
            }
            if let Some(graph) = &collection.graph
                && let Err(error) = graph.refresh().await
            {
                tracing::warn!(collection = &*collection.schema.name, %error, "statistics of the graph not refreshed");
            }
        }
    }
}
