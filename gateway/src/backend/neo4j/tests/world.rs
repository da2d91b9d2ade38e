//! A random data set in labels of its own.

use std::{sync::Arc, time::Duration};

use crate::{
    backend::{
        GraphStore,
        embedded::{Dataset, EmbeddedStore, Parts, testing::context},
        neo4j::{
            BoltOptions, BoltServer, GraphMapping, LabelMapping, Neo4jGraph,
            cypher::quoted,
            server::Work,
            statement::Statement,
            write::{BATCH, Property, Writer},
        },
        testing_servers,
    },
    catalog::CollectionSchema,
    pool::{BreakerSettings, Settings},
};

/// The server, or a word about what is left out.
pub(super) fn server() -> Option<Arc<BoltServer>> {
    server_with(|_| {})
}

/// The server, reached with other options.
pub(super) fn server_with(change: impl FnOnce(&mut BoltOptions)) -> Option<Arc<BoltServer>> {
    Some(server_at(testing_servers::neo4j()?, change))
}

/// A server at an address.
pub(super) fn server_at(uri: String, change: impl FnOnce(&mut BoltOptions)) -> Arc<BoltServer> {
    let breaker = BreakerSettings {
        min_calls: 1_000,
        window: Duration::from_secs(10),
        failure_ratio: 1.0,
        slow_call: Duration::from_secs(60),
        slow_ratio: 1.0,
        open: Duration::from_secs(1),
        max_open: Duration::from_secs(1),
        probes: 1,
    };
    let pool = Settings {
        min: 0,
        max: 4,
        reserve: 0,
        max_waiting: 100,
        wait_target: Duration::from_millis(5),
        connect_timeout: Duration::from_secs(10),
        max_connecting: 4,
        idle_timeout: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(600),
        check_after_idle: Duration::from_secs(30),
        breaker,
    };
    let statement_timeout = Duration::from_secs(60);
    let mut options = BoltOptions { uri, user: None, password: None, database: None, statement_timeout, pool };
    change(&mut options);
    BoltServer::new("neo4j".into(), options).expect("the address of the test server is one")
}

/// Runs a test on the server, if there is one.
pub(super) fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Arc<BoltServer>) -> F) {
    let Some(server) = server() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test(server));
}

/// A name that nobody else uses.
pub(super) fn own(name: &str) -> String {
    format!("{name}_{:016x}", rand::random::<u64>())
}

/// A mapping to names of its own.
pub(super) fn mapping(schema: &CollectionSchema) -> GraphMapping {
    let graph = schema.graph.as_ref().unwrap();
    GraphMapping {
        labels: graph.labels.iter().map(|label| LabelMapping { label: own(label), id: "key".into() }).collect(),
        types: graph.edges.iter().map(|edge| own(edge)).collect(),
        tenant: schema.tenant_attribute.map(|tenant| schema.attributes[usize::from(tenant)].name.to_string()),
    }
}

/// The same data in the server and in this process.
pub(super) struct World {
    pub(super) server: Arc<BoltServer>,
    pub(super) graph: Arc<Neo4jGraph>,
    pub(super) embedded: Arc<EmbeddedStore>,
    pub(super) mapping: GraphMapping,
}

impl World {
    /// Loads the data under these names.
    pub(super) async fn new(
        server: Arc<BoltServer>,
        schema: Arc<CollectionSchema>,
        parts: Parts,
        mapping: GraphMapping,
    ) -> Self {
        let data = Arc::new(Dataset::build(schema.clone(), parts.clone()).unwrap());
        let ctx = context();
        let writer = Writer::new(server.clone(), schema.clone(), mapping.clone());
        writer.constrain(&ctx).await.unwrap();
        let tenant = mapping.tenant.clone().zip(schema.tenant_attribute);
        let properties: Vec<Property> =
            tenant.into_iter().map(|(name, attribute)| Property { attribute, name }).collect();
        for (batch, ids) in parts.ids.chunks(BATCH).enumerate() {
            let row = |place: usize| (batch * BATCH + place) as u32;
            let value = |place, attribute| data.attribute(row(place), attribute);
            writer.nodes(&ctx, 0, ids, &properties, value).await.unwrap();
        }
        for (edge, edges) in (0..).zip(&parts.edges) {
            for start in (0..edges.sources.len()).step_by(BATCH) {
                let stretch = start..(start + BATCH).min(edges.sources.len());
                writer.edge_rows(&ctx, edge, edges, stretch, &parts.ids).await.unwrap();
            }
        }
        let graph = Neo4jGraph::new(server.clone(), schema, mapping.clone());
        Self { server, graph, embedded: EmbeddedStore::new("embedded".into(), data), mapping }
    }

    pub(super) async fn learn(&self) {
        self.graph.refresh().await.unwrap();
    }

    /// Takes everything out of the server again.
    pub(super) async fn remove(&self) {
        remove(&self.server, &self.mapping).await;
    }

    /// Takes the nodes out, and leaves the names for another world.
    pub(super) async fn clear(&self) {
        clear(&self.server, &self.mapping).await;
    }
}

/// Changes data directly.
pub(super) async fn change(server: &BoltServer, text: &str) {
    server.write(&context(), Work { kind: "test", size: 1 }, &Statement::new(text)).await.unwrap();
}

/// Takes a mapping's nodes out of the server.
async fn clear(server: &BoltServer, mapping: &GraphMapping) {
    for LabelMapping { label, .. } in &mapping.labels {
        change(server, &format!("MATCH (n:{}) DETACH DELETE n", quoted(label))).await;
    }
}

/// Takes a mapping's data and constraints out of the server.
pub(super) async fn remove(server: &BoltServer, mapping: &GraphMapping) {
    #[derive(serde::Deserialize)]
    struct Named {
        name: String,
        label: String,
    }
    clear(server, mapping).await;
    let ctx = context();
    let constraints: Vec<Named> = server
        .read(
            &ctx,
            Work { kind: "test", size: 1 },
            &Statement::new("SHOW CONSTRAINTS YIELD name, labelsOrTypes RETURN name, labelsOrTypes[0] AS label"),
        )
        .await
        .unwrap();
    for LabelMapping { label, .. } in &mapping.labels {
        for constraint in constraints.iter().filter(|constraint| constraint.label == *label) {
            let text = format!("DROP CONSTRAINT {}", quoted(&constraint.name));
            server.change_schema(&ctx, &Statement::new(text)).await.unwrap();
        }
    }
}
