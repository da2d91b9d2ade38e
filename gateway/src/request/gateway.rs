//! The gateway as the outside sees it: one call a query, one a batch, and what operators may ask.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use planner_model::LatencyModel;
use tokio::sync::Semaphore;

use super::{
    Endpoint, Incoming, Inspected, Planning, PlanningSettings, Reply, batch, inspect,
    life::Life,
    recall::{Recalled, recall},
    wait::Outcome,
};
use crate::{
    cache::{
        BodyMemo, Flights, Tiers,
        coherence::{Acknowledged, Bump, Unacknowledged},
    },
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
    metrics: Arc<Metrics>,
    pools: Arc<Registry>,
    memory: Arc<Memory>,
}

/// What belongs to one configuration. The cache and its epochs outlive it.
pub(super) struct State {
    pub catalog: Arc<Catalog>,
    pub memo: BodyMemo,
    pub memo_bytes: u64,
    pub planner: Planner,
    pub planning: Arc<Planning>,
    pub pools: Arc<Registry>,
    pub tiers: Arc<Tiers>,
    pub flights: Arc<Flights<Outcome>>,
    /// How many answers may be made anew before anybody waits for them.
    pub refreshes: Arc<Semaphore>,
    pub memory: Arc<Memory>,
    pub metrics: Arc<Metrics>,
    pub default_deadline: Duration,
    pub max_batch: usize,
    retired: AtomicBool,
}

impl State {
    /// Whether another catalog has taken this one's place.
    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// The same, with nothing remembered that belongs to a catalog.
    fn successor(&self) -> Self {
        Self {
            catalog: self.catalog.clone(),
            memo: BodyMemo::new(self.memo_bytes),
            memo_bytes: self.memo_bytes,
            planner: Planner::with(self.planning.models().clone(), self.planning.experience().clone()),
            planning: self.planning.clone(),
            pools: self.pools.clone(),
            tiers: self.tiers.clone(),
            refreshes: self.refreshes.clone(),
            flights: Arc::default(),
            memory: self.memory.clone(),
            metrics: self.metrics.clone(),
            default_deadline: self.default_deadline,
            max_batch: self.max_batch,
            retired: AtomicBool::new(false),
        }
    }
}

/// The cache in numbers.
pub type CacheStatistics = crate::cache::TiersStatistics;

impl Gateway {
    /// A gateway over a catalog that caches in memory. Without a model the planner goes by analytic costs.
    pub fn new(
        catalog: Catalog,
        server: &ServerConfig,
        cache: &CacheConfig,
        model: Option<Arc<dyn LatencyModel>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self::over(catalog, server, cache, Arc::new(Tiers::near(&cache.l1)), model, metrics)
    }

    /// A gateway over a catalog and these tiers.
    pub fn over(
        catalog: Catalog,
        server: &ServerConfig,
        cache: &CacheConfig,
        tiers: Arc<Tiers>,
        model: Option<Arc<dyn LatencyModel>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let memo_bytes = cache.l1.max_bytes / MEMO_SHARE;
        let memory: Arc<Memory> = Arc::default();
        let planning = Arc::new(Planning::new(model, PlanningSettings::default()));
        let state = State {
            memo_bytes,
            catalog: Arc::new(catalog),
            memo: BodyMemo::new(memo_bytes),
            planner: Planner::with(planning.models().clone(), planning.experience().clone()),
            planning,
            pools: Arc::default(),
            tiers,
            refreshes: Arc::new(Semaphore::new(cache.max_refreshes)),
            flights: Arc::default(),
            memory: memory.clone(),
            metrics: metrics.clone(),
            default_deadline: Duration::from_millis(server.default_deadline_ms),
            max_batch: server.max_batch,
            retired: AtomicBool::new(false),
        };
        Self { state: ArcSwap::from_pointee(state), metrics, pools: Arc::default(), memory }
    }

    /// The same gateway, whose backends have these pools: operators see and resize them.
    #[must_use]
    pub fn with_pools(self, pools: Arc<Registry>) -> Self {
        let state = State { pools: pools.clone(), ..self.state.load().successor() };
        self.state.store(Arc::new(state));
        Self { pools, ..self }
    }

    /// The same gateway, which plans with these models and this experience.
    #[must_use]
    pub fn with_planning(self, planning: Planning) -> Self {
        let planning = Arc::new(planning);
        let planner = Planner::with(planning.models().clone(), planning.experience().clone());
        let state = State { planner, planning, ..self.state.load().successor() };
        self.state.store(Arc::new(state));
        self
    }

    /// Puts another catalog in place. Queries under way finish on the old one. What was stored before is served again only
    /// where a collection says that it answers from the same data ([`Collection::of_data`](crate::catalog::Collection::of_data)).
    pub fn replace_catalog(&self, catalog: Catalog, server: &ServerConfig) {
        let old = self.state.load();
        // Its data may have changed, and its statistics count from 1 again.
        old.planning.experience().forget_runs();
        self.state.store(Arc::new(State {
            catalog: Arc::new(catalog),
            default_deadline: Duration::from_millis(server.default_deadline_ms),
            max_batch: server.max_batch,
            ..old.successor()
        }));
        // What old queries bring from now on is refused, and what they brought is mostly of no more use.
        old.retired.store(true, Ordering::Release);
        old.tiers.l1().clear();
    }

    /// The life of one query.
    pub async fn answer(&self, incoming: Incoming) -> Reply {
        let (state, looked) = {
            let state = self.state.load();
            match recall(&state, &incoming) {
                Ok(Recalled { answer, finished }) => {
                    self.metrics.query_finished(&finished);
                    return Ok(answer);
                }
                Err(looked) => (Guard::into_inner(state), looked),
            }
        };
        // In a box: what a long life needs is much, and would be carried about with every short one.
        Box::pin(async move {
            let legs: Arc<LegMemo> = Arc::default();
            let mut life = Life::new(&state, &incoming, &legs);
            let reply = life.of_body(looked).await;
            self.metrics.query_finished(&life.finished(&reply));
            reply
        })
        .await
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

    /// Models, and what runs taught.
    pub fn planning(&self) -> Arc<Planning> {
        self.state.load().planning.clone()
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

    /// Makes stored answers unusable, on every gateway that shares tiers with this one. Done once none of them serves what was
    /// stored before.
    ///
    /// # Errors
    /// Other gateways could not be told. This one has forgotten what it had all the same.
    pub async fn purge(&self, what: &Bump) -> Result<Acknowledged, Unacknowledged> {
        let state = self.state.load_full();
        let outcome = state.tiers.coherence().bump(what).await;
        if *what == Bump::All {
            state.tiers.l1().clear();
        }
        outcome
    }

    /// The tiers.
    pub fn tiers(&self) -> Arc<Tiers> {
        self.state.load().tiers.clone()
    }

    /// What every tier holds for a query, as a tenant would ask it or one without.
    ///
    /// # Errors
    /// The query is refused.
    pub async fn inspect_cache(&self, body: Bytes, tenant: Option<Arc<str>>) -> Result<Inspected, Problem> {
        inspect::inspect(&self.state.load_full(), body, tenant).await
    }

    /// The cache in numbers.
    pub fn cache_statistics(&self) -> CacheStatistics {
        self.state.load().tiers.statistics()
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
