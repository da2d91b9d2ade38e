//! Data sets in a database of their own, beside the same data in the embedded store.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, rngs::StdRng};
use sqlx::PgConnection;

use crate::{
    backend::{
        NodeScope, ReachRequest,
        embedded::{
            Dataset, EmbeddedStore, Parts,
            testing::{OWNER, Size, random},
        },
        postgres::{
            AttributeColumn, EdgeTable, EntityTable, PgGraph, PgOptions, PgServer,
            testing::{Database, execute},
            write::{Target, write},
        },
    },
    catalog::CollectionSchema,
    load::Silent,
    pool::{BreakerSettings, Settings},
    query::{Direction, NodeRef, Walk},
    value::EntityId,
};

/// The same data in two stores.
pub(super) struct World {
    pub(super) entities: EntityTable,
    connection: PgConnection,
    pub(super) server: Arc<PgServer>,
    pub(super) schema: Arc<CollectionSchema>,
    pub(super) embedded: Arc<EmbeddedStore>,
    pub(super) graph: Arc<PgGraph>,
    /// Dropped last.
    _database: Database,
}

impl World {
    /// Random data; `None` without a server.
    pub(super) async fn random(seed: u64, size: Size) -> Option<Self> {
        let (schema, parts) = random(seed, size);
        Self::of(schema, parts).await
    }

    /// This data; `None` without a server.
    pub(super) async fn of(schema: Arc<CollectionSchema>, parts: Parts) -> Option<Self> {
        let database = Database::new().await?;
        let mut connection = database.connect().await;
        let server = server(&database.url);
        fill(&mut connection, &schema, &parts).await;
        let (entities, edges) = tables(&schema);
        let graph = PgGraph::new(server.clone(), schema.clone(), edges, Some(entities.clone()));
        let data = Dataset::build(schema.clone(), parts).expect("random parts are valid");
        let embedded = EmbeddedStore::new("embedded".into(), Arc::new(data));
        Some(Self { entities, connection, server, schema, embedded, graph, _database: database })
    }

    /// Other data of the same schema in the same tables.
    pub(super) async fn refill(&mut self, parts: Parts) {
        execute(&mut self.connection, "TRUNCATE data.things, data.edges").await;
        fill(&mut self.connection, &self.schema, &parts).await;
        let data = Dataset::build(self.schema.clone(), parts).expect("random parts are valid");
        self.embedded = EmbeddedStore::new("embedded".into(), Arc::new(data));
    }
}

async fn fill(connection: &mut PgConnection, schema: &CollectionSchema, parts: &Parts) {
    let (entities, edges) = tables(schema);
    let target = Target { schema, entities: Some(&entities), edges: Some(&edges), create: true };
    write(connection, target, parts, &mut Silent).await.expect("random parts can be written");
    execute(connection, "DISCARD TEMP").await;
}

/// The tables of random data.
pub(super) fn tables(schema: &CollectionSchema) -> (EntityTable, EdgeTable) {
    let column = |name: &str| AttributeColumn { column: name.to_owned(), path: Vec::new() };
    let entities = EntityTable {
        table: "data.things".into(),
        id: "id".into(),
        attributes: schema.attributes.iter().map(|attribute| column(&attribute.name)).collect(),
        vectors: schema.vectors.iter().map(|vector| vector.name.to_string()).collect(),
    };
    let edges = EdgeTable {
        table: "data.edges".into(),
        source: "from".into(),
        target: "to".into(),
        kind: "kind".into(),
        types: vec!["LIKES".into(), "it's".into()],
    };
    (entities, edges)
}

/// The schema of random data with text ids.
pub(super) fn text_schema() -> CollectionSchema {
    (*random(2, Size { rows: 0, edges: 0 }).0).clone()
}

/// A server with a small pool.
pub(super) fn server(url: &str) -> Arc<PgServer> {
    let pool = Settings {
        min: 0,
        max: 2,
        reserve: 0,
        max_waiting: 100,
        wait_target: Duration::from_millis(5),
        connect_timeout: Duration::from_secs(10),
        max_connecting: 2,
        idle_timeout: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(600),
        check_after_idle: Duration::from_secs(30),
        breaker: BreakerSettings {
            min_calls: 1_000,
            window: Duration::from_secs(10),
            failure_ratio: 1.0,
            slow_call: Duration::from_secs(60),
            slow_ratio: 1.0,
            open: Duration::from_secs(1),
            max_open: Duration::from_secs(10),
            probes: 1,
        },
    };
    let options = PgOptions { url: url.to_owned(), statement_timeout: Duration::from_secs(60), pool };
    PgServer::new("pg".into(), options).expect("the URL is one of a server")
}

pub(super) fn random_walk(rng: &mut StdRng, hops: u8) -> Walk {
    let edges = [vec![0], vec![1], vec![0, 1]][rng.random_range(0..3)].clone();
    let direction = [Direction::Out, Direction::In, Direction::Both][rng.random_range(0..3)];
    Walk { edges, direction, hops: rng.random_range(1..=hops) }
}

pub(super) fn random_request(rng: &mut StdRng, data: &Dataset, hops: u8) -> ReachRequest {
    let mut anchors: Vec<NodeRef> = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        if data.rows() > 0 {
            anchors.push(NodeRef { label: 0, id: data.id(rng.random_range(0..data.rows())).clone() });
        }
    }
    if rng.random_bool(0.3) {
        anchors.push(NodeRef { label: 0, id: EntityId::Text("not there".into()) });
        anchors.push(NodeRef { label: 0, id: EntityId::Integer(-77) });
    }
    anchors.sort_unstable();
    anchors.dedup();
    let scope = rng
        .random_bool(0.5)
        .then(|| NodeScope { attribute: OWNER, tenant: format!("k{}", rng.random_range(0..5)).into() });
    ReachRequest { anchors, walk: random_walk(rng, hops), include_anchors: rng.random_bool(0.3), scope }
}
