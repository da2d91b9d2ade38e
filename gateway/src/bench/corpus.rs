//! The collection that a benchmark runs on, and queries over it.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use serde_json::Value;

use super::BenchError;
use crate::{
    backend::{
        GraphStore, VectorStore,
        embedded::{Dataset, EmbeddedStore, Parts},
    },
    catalog::{Catalog, Collection, CollectionSchema},
    config::{CacheConfig, L1Config, ServerConfig},
    embed::Embedder,
    principal::Principal,
    request::{Endpoint, Gateway, Hints, Incoming},
    telemetry::Metrics,
    workload::{Generator, WorkloadOptions},
};

/// How much a benchmark does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Enough for figures to be quoted.
    Full,
    /// Enough to see that it runs; its figures are noise.
    Quick,
}

impl Effort {
    /// All of an amount, or little of it.
    pub(super) fn of(self, full: usize, quick: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// A collection in memory.
pub struct Corpus {
    /// Names and types.
    pub schema: Arc<CollectionSchema>,
    /// The data.
    pub parts: Parts,
    /// Turns texts into vectors.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Queries that came with the data.
    pub recorded: Vec<Value>,
}

impl Corpus {
    /// A collection without an embedder, of valid parts.
    pub fn new(schema: Arc<CollectionSchema>, parts: Parts) -> Self {
        Self { schema, parts, embedder: None, recorded: Vec::new() }
    }

    /// The packages that are part of the binary, with their 300 recorded queries.
    ///
    /// # Errors
    /// None with sound data; the loader's error is kept.
    #[cfg(feature = "demo-data")]
    pub fn demo() -> Result<Self, BenchError> {
        use crate::{demo_data, load::Silent};
        let (schema, parts, _) =
            demo_data::packages(&mut Silent).map_err(|error| BenchError::Other(error.to_string()))?;
        let recorded = demo_data::queries().iter().map(demo_data::DemoQuery::body).collect();
        Ok(Self { schema: Arc::new(schema), parts, embedder: Some(demo_data::embedder()), recorded })
    }

    /// A store of the data.
    pub(super) fn store(&self) -> Result<Arc<EmbeddedStore>, BenchError> {
        store(&self.schema, self.parts.clone())
    }

    /// A gateway whose cache forgets nothing while the benchmark runs.
    pub(super) fn gateway(&self) -> Result<Gateway, BenchError> {
        let store = self.store()?;
        let graph = self.schema.graph.is_some().then(|| store.clone() as _);
        Ok(self.over(store, graph))
    }

    fn over(&self, entities: Arc<dyn VectorStore>, graph: Option<Arc<dyn GraphStore>>) -> Gateway {
        let collection = Collection::new(self.schema.clone(), entities, graph, self.embedder.clone());
        let l1 = L1Config { max_bytes: 1 << 30, ttl_ms: 24 * 3_600_000, ..L1Config::default() };
        let cache = CacheConfig { l1, ..CacheConfig::default() };
        let metrics = Arc::<Metrics>::default();
        Gateway::new(Catalog::new([collection]), &ServerConfig::default(), &cache, None, metrics)
    }

    /// The first `count` of the queries that came with the data and generated ones after them.
    pub(crate) fn queries(&self, count: usize) -> Vec<Value> {
        let options = WorkloadOptions { drill_downs: 0.0, ..WorkloadOptions::default() };
        let generated = Generator::new(&self.schema, &self.parts, options).map(|query| query.body);
        self.recorded.iter().cloned().chain(generated).take(count).collect()
    }
}

/// A gateway like [`Corpus::gateway`] over stores that hold the data already, after they have learnt what is in them.
pub(super) async fn gateway_over(
    corpus: &Corpus,
    entities: Arc<dyn VectorStore>,
    graph: Option<Arc<dyn GraphStore>>,
) -> Result<Gateway, BenchError> {
    entities.refresh().await?;
    if let Some(graph) = &graph {
        graph.refresh().await?;
    }
    Ok(corpus.over(entities, graph))
}

/// A store of any data of the schema.
pub(super) fn store(schema: &Arc<CollectionSchema>, parts: Parts) -> Result<Arc<EmbeddedStore>, BenchError> {
    Ok(EmbeddedStore::new("local".into(), Arc::new(Dataset::build(schema.clone(), parts)?)))
}

/// A query as it comes from HTTP.
pub(super) fn incoming(principal: &Arc<Principal>, body: Bytes) -> Incoming {
    Incoming {
        endpoint: Endpoint::Query,
        principal: principal.clone(),
        body,
        hints: Hints::default(),
        received: Instant::now(),
        request_id: "bench".into(),
    }
}

/// A runtime for one thread.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, BenchError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| BenchError::Io("cannot start", error))
}
