//! Where a world can live: embedded, and on the real servers that tests may use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Runtime;

use super::world::{EDGES, World, schema};
use crate::{
    backend::{
        GraphStore, VectorStore,
        embedded::{Dataset, EmbeddedStore},
        neo4j::{BoltOptions, BoltServer, GraphMapping, LabelMapping, Neo4jGraph, Writer},
        postgres::{
            self, AttributeColumn, EdgeTable, EntityTable, PgEntities, PgGraph, PgOptions, PgServer, PgTogether,
            testing::Database,
        },
        testing_servers,
    },
    catalog::{Catalog, Collection, CollectionSchema},
    config::{BreakerConfig, CacheConfig, PoolConfig, ServerConfig},
    load::Silent,
    pool::Settings,
    request::Gateway,
};

/// Which stores a world is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stores {
    Embedded,
    /// Entities and edges in one Postgres.
    Postgres,
    /// Entities in Postgres, the graph in Neo4j.
    PostgresNeo4j,
}

/// A place for worlds, one at a time.
pub(super) struct Ground {
    pub stores: Stores,
    runtime: Runtime,
    servers: Option<Servers>,
    worlds: AtomicUsize,
}

struct Servers {
    database: Option<Database>,
    postgres: Arc<PgServer>,
    bolt: Option<Arc<BoltServer>>,
    /// Tells the labels of this ground from those of others.
    suffix: String,
}

impl Ground {
    /// The embedded stores, and those on servers that are there.
    pub(super) fn all() -> Vec<Self> {
        [Stores::Embedded, Stores::Postgres, Stores::PostgresNeo4j].into_iter().filter_map(Self::of).collect()
    }

    /// These stores; `None` where a server is missing.
    pub(super) fn of(stores: Stores) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let servers = match stores {
            Stores::Embedded => None,
            _ => Some(runtime.block_on(Servers::start(stores == Stores::PostgresNeo4j))?),
        };
        Some(Self { stores, runtime, servers, worlds: AtomicUsize::new(0) })
    }

    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A gateway that serves this world from these stores.
    pub(super) fn gateway(&self, world: &World) -> Gateway {
        self.block_on(self.settle(world))
    }

    async fn settle(&self, world: &World) -> Gateway {
        let schema = Arc::new(schema(world.metric));
        let number = self.worlds.fetch_add(1, Ordering::Relaxed);
        let (entities, graph) = match &self.servers {
            None => {
                let dataset = Dataset::build(schema.clone(), world.parts()).expect("a world is valid");
                let store = EmbeddedStore::new("local".into(), Arc::new(dataset));
                (store.clone() as Arc<dyn VectorStore>, store as Arc<dyn GraphStore>)
            }
            Some(servers) => servers.settle(world, &schema, number).await,
        };
        entities.refresh().await.expect("the store answers");
        graph.refresh().await.expect("the store answers");
        let collection = Collection::new(schema, entities, Some(graph), None);
        let catalog = Catalog::new([collection]);
        Gateway::new(catalog, &ServerConfig::default(), &CacheConfig::default(), None, Arc::default())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(servers) = &mut self.servers
            && let Some(database) = servers.database.take()
        {
            self.runtime.block_on(database.remove());
        }
    }
}

fn settings() -> Settings {
    Settings::from((&PoolConfig::default(), &BreakerConfig::default()))
}

impl Servers {
    async fn start(with_neo4j: bool) -> Option<Self> {
        let bolt = match with_neo4j {
            true => {
                let options = BoltOptions {
                    uri: testing_servers::neo4j()?,
                    user: None,
                    password: None,
                    database: None,
                    statement_timeout: Duration::from_secs(30),
                    pool: settings(),
                };
                Some(BoltServer::new("graph".into(), options).expect("the address is valid"))
            }
            false => None,
        };
        let database = Database::new().await?;
        let options =
            PgOptions { url: database.url.clone(), statement_timeout: Duration::from_secs(30), pool: settings() };
        let postgres = PgServer::new("pg".into(), options).expect("the address is valid");
        let suffix = uuid::Uuid::from_u128(rand::random()).simple().to_string();
        Some(Self { database: Some(database), postgres, bolt, suffix })
    }

    /// Writes a world into tables and labels of its own.
    async fn settle(
        &self,
        world: &World,
        schema: &Arc<CollectionSchema>,
        number: usize,
    ) -> (Arc<dyn VectorStore>, Arc<dyn GraphStore>) {
        let parts = world.parts();
        let column = |name: &str| AttributeColumn { column: name.to_owned(), path: Vec::new() };
        let entities = EntityTable {
            table: format!("things_{number}"),
            id: "id".into(),
            attributes: schema.attributes.iter().map(|attribute| column(&attribute.name)).collect(),
            vectors: vec!["embedding".into()],
        };
        let types: Vec<String> = EDGES.iter().map(|edge| edge.to_uppercase()).collect();
        let edges = EdgeTable {
            table: format!("edges_{number}"),
            source: "source".into(),
            target: "target".into(),
            kind: "type".into(),
            types: types.clone(),
        };
        let target = postgres::write::Target {
            schema,
            entities: Some(&entities),
            edges: self.bolt.is_none().then_some(&edges),
            create: true,
        };
        let mut connection = self.database.as_ref().expect("it is there until the end").connect().await;
        postgres::write::write(&mut connection, target, &parts, &mut Silent).await.expect("a world can be written");
        let store = PgEntities::new(self.postgres.clone(), schema.clone(), entities.clone());
        let graph: Arc<dyn GraphStore> = match &self.bolt {
            None => {
                let graph = PgGraph::new(self.postgres.clone(), schema.clone(), edges, Some(entities));
                return (PgTogether::new(store, graph.clone()), graph);
            }
            Some(bolt) => {
                let label = format!("Thing_{}_{number}", self.suffix);
                let types = types.iter().map(|kind| format!("{kind}_{}", self.suffix)).collect();
                let labels = vec![LabelMapping { label, id: "id".into() }];
                let mapping = GraphMapping { labels, types, tenant: Some("owner".into()) };
                let writer = Writer::new(bolt.clone(), schema.clone(), mapping.clone());
                writer.everything(&parts, true, &mut Silent).await.expect("a world can be written");
                Neo4jGraph::new(bolt.clone(), schema.clone(), mapping)
            }
        };
        (store, graph)
    }
}
