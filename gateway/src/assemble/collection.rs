//! Opens what collections are made of.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{Servers, data, embedder::open_embedder, mapping, tier_survey};
use crate::{
    backend::{
        CallContext, Finding, GraphStore, VectorStore, Weight,
        embedded::{Dataset, EmbeddedStore, storage},
        neo4j::Neo4jGraph,
        postgres::{PgEntities, PgGraph, PgTogether},
    },
    cache::CachePolicy,
    catalog::{Catalog, Collection, CollectionSchema},
    config::{BackendConfig, CollectionConfig, ConfigProblem, GraphConfig, KeyPath, Loaded, ProblemKind, schema_of},
    query::Priority,
};

/// Longest time that one look at a backend may take.
const LOOK: Duration = Duration::from_secs(30);

/// Opens every collection. Embedded data is read; servers are not asked for anything yet. All problems are returned at once.
/// Call it in a runtime.
pub fn open_catalog(loaded: &Loaded, servers: &Servers) -> Result<Catalog, Vec<ConfigProblem>> {
    let mut collections = Vec::new();
    let mut problems = Vec::new();
    for (name, collection) in &loaded.config.collections {
        match open_collection(loaded, servers, name, collection) {
            Ok(collection) => collections.push(collection),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(Catalog::new(collections)) } else { Err(problems) }
}

/// What backends say of themselves, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Survey {
    /// What cannot work.
    pub problems: Vec<ConfigProblem>,
    /// Everything else that was found, with the collection that it is about, or `cache`.
    pub findings: Vec<(String, Finding)>,
}

/// Looks at the cache's tiers and at the data, tables, servers and embedders that a configuration names. Holds one collection in memory at a time.
pub async fn survey(loaded: &Loaded) -> Survey {
    let servers = Servers::default();
    let mut survey = Survey::default();
    tier_survey::look(loaded, &mut survey).await;
    for (name, config) in &loaded.config.collections {
        match open_collection(loaded, &servers, name, config) {
            Ok(collection) => survey.look(loaded, &collection).await,
            Err(problems) => survey.problems.extend(problems),
        }
    }
    survey
}

impl Survey {
    async fn look(&mut self, loaded: &Loaded, collection: &Collection) {
        let name = &*collection.schema.name;
        let path = KeyPath::of(["collections", name]);
        let ctx = CallContext {
            priority: Priority::Interactive.into(),
            tenant: None,
            deadline: Instant::now() + LOOK,
            cancelled: CancellationToken::new(),
            request_id: "check".into(),
        };
        let entities = collection.entities.inspect(&ctx).await;
        self.take(loaded, name, &path.key("entities").key("backend"), &path, entities.map_err(|e| e.to_string()));
        if let Some(graph) = &collection.graph {
            let found = graph.inspect(&ctx).await;
            self.take(loaded, name, &path.key("graph").key("backend"), &path, found.map_err(|e| e.to_string()));
        }
        if let Some(embedder) = &collection.embedder {
            let probed = embedder.probe(&ctx).await.map(|()| Vec::new());
            self.take(loaded, name, &path.key("embedder"), &path, probed.map_err(|e| e.to_string()));
        }
    }

    fn take(
        &mut self,
        loaded: &Loaded,
        collection: &str,
        at: &KeyPath,
        path: &KeyPath,
        found: Result<Vec<Finding>, String>,
    ) {
        let problem = |at: KeyPath, message: String| {
            let known = if loaded.locations.contains(&at) { at.clone() } else { path.clone() };
            ConfigProblem::new(ProblemKind::Data, loaded.locations.value(&known), at, message)
        };
        match found {
            Err(message) => self.problems.push(problem(at.clone(), message)),
            Ok(findings) => {
                for finding in findings {
                    if finding.weight == Weight::Problem {
                        let keys = finding.key.split('.').filter(|key| !key.is_empty());
                        let about = keys.fold(path.clone(), |path, key| path.key(key));
                        self.problems.push(problem(about, finding.text));
                    } else {
                        self.findings.push((collection.to_owned(), finding));
                    }
                }
            }
        }
    }
}

/// Opens one collection of a sound configuration.
pub fn open_collection(
    loaded: &Loaded,
    servers: &Servers,
    name: &str,
    collection: &CollectionConfig,
) -> Result<Collection, Vec<ConfigProblem>> {
    let path = KeyPath::of(["collections", name]);
    let (mut embedder, mut problems) = (None, Vec::new());
    match collection.embedder.as_ref().map(|config| open_embedder(loaded, &path, config, collection)).transpose() {
        Ok(opened) => embedder = opened,
        Err(problem) => problems.push(*problem),
    }
    let version = embedder.as_ref().map(|embedder| embedder.version().clone());
    let schema = Arc::new(schema_of(name, collection, version));
    let opening = Opening { loaded, servers, schema: &schema, name, collection };
    let mut note = |key: &str, message: String| {
        let at = path.key(key).key("backend");
        problems.push(ConfigProblem::new(ProblemKind::Data, loaded.locations.value(&at), at, message));
    };
    let stores = match opening.entities() {
        Ok(mut entities) => {
            match collection.graph.as_ref().map(|graph| opening.graph(graph, &mut entities)).transpose() {
                Ok(graph) => Some((entities, graph)),
                Err(message) => {
                    note("graph", message);
                    None
                }
            }
        }
        Err(message) => {
            note("entities", message);
            None
        }
    };
    match stores {
        Some((entities, graph)) if problems.is_empty() => {
            let data = data::digest(loaded, name, collection).map_err(|problem| vec![*problem])?;
            let policy = CachePolicy::new(&loaded.config.cache, &collection.cache);
            Ok(Collection::new(schema, entities.store(), graph, embedder).of_data(&data).cached(policy))
        }
        _ => Err(problems),
    }
}

/// The stores of one collection being opened.
struct Opening<'a> {
    loaded: &'a Loaded,
    servers: &'a Servers,
    schema: &'a Arc<CollectionSchema>,
    name: &'a str,
    collection: &'a CollectionConfig,
}

/// Where entities are. Kept by kind, for a graph side that lives with them.
enum Entities {
    Embedded(Arc<EmbeddedStore>),
    Postgres(Arc<PgEntities>),
    /// With the edges beside them.
    PostgresWithEdges(Arc<PgTogether>),
}

impl Entities {
    fn store(self) -> Arc<dyn VectorStore> {
        match self {
            Self::Embedded(store) => store,
            Self::Postgres(store) => store,
            Self::PostgresWithEdges(store) => store,
        }
    }
}

impl Opening<'_> {
    fn backend(&self, name: &str) -> Result<&BackendConfig, String> {
        self.loaded.config.backends.get(name).ok_or_else(|| format!("there is no backend `{name}`"))
    }

    fn entities(&self) -> Result<Entities, String> {
        let backend = &self.collection.entities.backend;
        match self.backend(backend)? {
            BackendConfig::Embedded { path } => self.embedded(backend, path).map(Entities::Embedded),
            BackendConfig::Postgres(config) => {
                let server = self.servers.postgres(backend, config)?;
                let table = mapping::entity_table(self.name, self.collection);
                Ok(Entities::Postgres(PgEntities::new(server, self.schema.clone(), table)))
            }
            BackendConfig::Neo4j(_) => Err("entities cannot be in Neo4j".into()),
        }
    }

    /// The graph side. Where it is in one database with the entities, these learn of it.
    fn graph(&self, graph: &GraphConfig, entities: &mut Entities) -> Result<Arc<dyn GraphStore>, String> {
        match (self.backend(&graph.backend)?, &mut *entities) {
            (BackendConfig::Embedded { .. }, Entities::Embedded(store))
                if graph.backend == self.collection.entities.backend =>
            {
                Ok(store.clone())
            }
            (BackendConfig::Embedded { path }, _) => Ok(self.embedded(&graph.backend, path)?),
            (BackendConfig::Neo4j(config), _) => {
                let server = self.servers.bolt(&graph.backend, config)?;
                let mapping = mapping::graph_mapping(self.schema, self.collection, graph);
                Ok(Neo4jGraph::new(server, self.schema.clone(), mapping))
            }
            (BackendConfig::Postgres(config), _) => {
                let server = self.servers.postgres(&graph.backend, config)?;
                // In the same server the table of the entities says which nodes there are, and whose.
                let same = graph.backend == self.collection.entities.backend;
                let table = same.then(|| mapping::entity_table(self.name, self.collection));
                let edges = PgGraph::new(server, self.schema.clone(), mapping::edge_table(graph), table);
                if let (true, Entities::Postgres(store)) = (same, &*entities) {
                    *entities = Entities::PostgresWithEdges(PgTogether::new(store.clone(), edges.clone()));
                }
                Ok(edges)
            }
        }
    }

    /// A store over the data of the collection, where it was loaded and is valid.
    fn embedded(&self, backend: &str, path: &std::path::Path) -> Result<Arc<EmbeddedStore>, String> {
        let parts = storage::open(path, self.name, self.schema).map_err(|error| error.to_string())?;
        let data = Dataset::build(self.schema.clone(), parts).map_err(|error| error.to_string())?;
        Ok(EmbeddedStore::new(backend.into(), Arc::new(data)))
    }
}
