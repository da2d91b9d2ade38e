//! Tables that nobody made for the gateway.

use std::sync::Arc;

use super::world::{server, text_schema};
use crate::{
    backend::{
        GraphStore, NodeScope, ReachRequest, Weight,
        embedded::testing::{OWNER, context},
        postgres::{EdgeTable, PgGraph, testing::Database},
        testing_servers,
    },
    catalog::CollectionSchema,
    query::{Direction, NodeRef, Walk},
    value::{EntityId, IdType},
};

fn with_ids(id_type: IdType) -> Arc<CollectionSchema> {
    Arc::new(CollectionSchema { id_type, ..text_schema() })
}

fn text(id: &str) -> EntityId {
    EntityId::Text(id.into())
}

fn request(from: EntityId, direction: Direction, hops: u8) -> ReachRequest {
    let walk = Walk { edges: vec![0, 1], direction, hops };
    let anchors = vec![NodeRef { label: 0, id: from }];
    ReachRequest { anchors, walk, include_anchors: false, scope: None }
}

async fn reached(graph: &PgGraph, request: &ReachRequest) -> Vec<EntityId> {
    graph.reach(&context(), request).await.unwrap().ids.iter().collect()
}

fn edges(table: &str) -> EdgeTable {
    let types = vec!["LIKES".into(), "it's".into()];
    EdgeTable { table: table.into(), source: "from".into(), target: "to".into(), kind: "kind".into(), types }
}

#[tokio::test]
async fn ends_of_two_integer_types_and_an_enumeration_are_walked_and_rows_with_gaps_ignored() {
    let Some(database) = Database::new().await else { return };
    database
        .execute(
            "CREATE TYPE relation AS ENUM ('LIKES', 'KNOWS'); \
             CREATE TABLE \"my.edges\" (\"from\" int, \"to\" bigint, kind relation); \
             INSERT INTO \"my.edges\" VALUES (1, 2, 'LIKES'), (1, 2, 'LIKES'), (2, 2, 'LIKES'), (2, 3, 'LIKES'), \
               (3, 1, 'LIKES'), (1, 9, 'KNOWS'), (NULL, 7, 'LIKES'), (1, NULL, 'LIKES'), (1, 8, NULL)",
        )
        .await;
    let graph = PgGraph::new(server(&database.url), with_ids(IdType::Integer), edges("\"my.edges\""), None);
    let id = EntityId::Integer;
    let ids = |ids: &[i64]| ids.iter().map(|number| id(*number)).collect::<Vec<_>>();
    assert_eq!(reached(&graph, &request(id(1), Direction::Out, 1)).await, ids(&[2]));
    assert_eq!(reached(&graph, &request(id(1), Direction::Out, 4)).await, ids(&[2, 3]));
    assert_eq!(reached(&graph, &request(id(1), Direction::In, 1)).await, ids(&[3]));
    for unknown in [7, 8, 9, i64::MAX] {
        let found = graph.reach(&context(), &request(id(unknown), Direction::Both, 2)).await.unwrap();
        assert!(found.ids.is_empty() && found.unknown.len() == 1, "{unknown} has no edge that counts");
    }
    let near =
        graph.expand(&context(), &ids(&[2]), &request(id(2), Direction::Both, 2).walk, None, 9, true).await.unwrap();
    assert_eq!(near[0].iter().map(|near| near.id.clone()).collect::<Vec<_>>(), ids(&[1, 3]));
    graph.refresh().await.unwrap();
    assert_eq!(graph.statistics().edges[1].count, 0, "the enumeration has no such value");
    assert_eq!(reached(&graph, &request(id(1), Direction::Out, 4)).await, ids(&[2, 3]));
}

#[tokio::test]
async fn texts_are_told_apart_by_their_bytes_whatever_the_collations() {
    let Some(server_url) = testing_servers::collated_postgres() else { return };
    let database = Database::on(&server_url).await.expect("a database");
    database
        .execute(
            "CREATE COLLATION loose (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false); \
             CREATE TABLE edges (\"from\" text COLLATE loose, \"to\" text COLLATE \"C\", kind text COLLATE loose); \
             INSERT INTO edges VALUES ('a', 'B', 'LIKES'), ('A', 'c', 'LIKES'), ('B', 'Z', 'LIKES'), ('b', 'y', 'LIKES'), \
               ('a', 'ä', 'LIKES'), ('a', 'q', 'likes'); CREATE INDEX ON edges (\"from\"); CREATE INDEX ON edges (\"to\")",
        )
        .await;
    let graph = PgGraph::new(server(&database.url), with_ids(IdType::Text), edges("edges"), None);
    assert_eq!(reached(&graph, &request(text("a"), Direction::Out, 1)).await, [text("B"), text("ä")]);
    assert_eq!(reached(&graph, &request(text("a"), Direction::Out, 2)).await, [text("B"), text("Z"), text("ä")]);
    assert_eq!(reached(&graph, &request(text("Z"), Direction::In, 3)).await, [text("B"), text("a")]);
    let walk = request(text("a"), Direction::Both, 2).walk;
    let near = graph.expand(&context(), &[text("a")], &walk, None, 2, true).await.unwrap();
    assert_eq!(near[0].iter().map(|near| near.id.clone()).collect::<Vec<_>>(), [text("B"), text("ä")]);
    let request = request(text("a"), Direction::Out, 2);
    let paths = graph.paths(&context(), &request, &[text("Z"), text("y"), text("A")]).await.unwrap();
    assert_eq!(paths.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    let checked = graph.check(&context(), &request, &[text("b"), text("B"), text("z"), text("Z")]).await.unwrap();
    assert_eq!(checked.within, [false, true, false, true]);
    graph.refresh().await.unwrap();
    assert_eq!(reached(&graph, &request).await.len(), 3);
}

#[tokio::test]
async fn whose_nodes_are_whose_is_never_guessed() {
    let Some(database) = Database::new().await else { return };
    database.execute("CREATE TABLE edges (\"from\" text, \"to\" text, kind text)").await;
    let graph = PgGraph::new(server(&database.url), with_ids(IdType::Text), edges("edges"), None);
    let scope = Some(NodeScope { attribute: OWNER, tenant: "k1".into() });
    let asked = ReachRequest { scope, ..request(text("a"), Direction::Out, 1) };
    let error = graph.reach(&context(), &asked).await.unwrap_err();
    assert!(error.detail.contains("another database"), "{error}");
    let findings = graph.inspect(&context()).await.unwrap();
    assert!(findings.iter().any(|finding| finding.weight == Weight::Problem), "{findings:?}");
}

#[tokio::test]
async fn the_advice_on_indexes_can_be_followed_as_it_is_given() {
    let Some(database) = Database::new().await else { return };
    database
        .execute(
            "CREATE SCHEMA data; CREATE TABLE data.\"odd edges\" (\"from\" text, \"to\" text, kind text); \
             CREATE INDEX ON data.\"odd edges\" (\"to\"); \
             INSERT INTO data.\"odd edges\" VALUES ('a', 'b', 'LIKES'), ('a', 'b', 'EATS')",
        )
        .await;
    let schema = CollectionSchema { tenant_attribute: None, ..text_schema() };
    let graph = PgGraph::new(server(&database.url), Arc::new(schema), edges("data.odd edges"), None);
    let findings = graph.inspect(&context()).await.unwrap();
    let advice = |key: &str| {
        let found = findings.iter().find(|finding| finding.weight == Weight::Advice && finding.key == key);
        found.unwrap_or_else(|| panic!("advice on {key}: {findings:?}")).text.clone()
    };
    assert!(advice("graph.edges.links").contains("it's") && advice("graph.edges").contains("EATS"));
    for key in ["graph.source", "graph.target"] {
        let text = advice(key);
        database.execute(&text[text.find("CREATE INDEX").expect("the statement is there")..]).await;
    }
    let findings = graph.inspect(&context()).await.unwrap();
    let left = findings.iter().filter(|finding| finding.weight != Weight::Fact);
    assert!(left.clone().all(|finding| finding.key.starts_with("graph.edges")), "{findings:?}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let Some(database) = Database::new().await else { return };
    database.execute("CREATE TABLE edges (\"from\" text, \"to\" int, type text)").await;
    let find = async |edges: EdgeTable| {
        let graph = PgGraph::new(server(&database.url), with_ids(IdType::Text), edges, None);
        let asked = request(text("a"), Direction::Out, 1);
        assert!(graph.reach(&context(), &asked).await.is_err());
        let findings = graph.inspect(&context()).await.unwrap();
        (findings[0].weight, findings[0].key.clone())
    };
    assert_eq!(find(edges("nowhere")).await, (Weight::Problem, "graph.table".into()));
    assert_eq!(find(edges("edges")).await, (Weight::Problem, "graph.target".into()));
    let untyped = EdgeTable { target: "from".into(), ..edges("edges") };
    assert_eq!(find(untyped).await, (Weight::Problem, "graph.type".into()));
}

#[tokio::test]
async fn a_table_that_was_made_anew_is_read_anew() {
    let Some(database) = Database::new().await else { return };
    let make = |kind: &str| {
        format!(
            "DROP TABLE IF EXISTS edges; CREATE TABLE edges (\"from\" {kind}, \"to\" {kind}, kind varchar); \
             INSERT INTO edges VALUES (1, 2, 'LIKES')"
        )
    };
    database.execute(&make("bigint")).await;
    let graph = PgGraph::new(server(&database.url), with_ids(IdType::Integer), edges("edges"), None);
    let asked = request(EntityId::Integer(1), Direction::Out, 2);
    assert_eq!(reached(&graph, &asked).await, [EntityId::Integer(2)]);
    database.execute(&make("smallint")).await;
    assert_eq!(reached(&graph, &asked).await, [EntityId::Integer(2)]);
}

#[tokio::test]
async fn a_view_of_edges_is_walked_too() {
    let Some(database) = Database::new().await else { return };
    database
        .execute(
            "CREATE TABLE friends (a uuid, b uuid); CREATE VIEW edges AS SELECT a AS \"from\", b AS \"to\", 'LIKES' AS kind \
             FROM friends; INSERT INTO friends SELECT x::text::uuid, y::text::uuid FROM (VALUES \
             ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'), \
             ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003')) v(x, y)",
        )
        .await;
    let graph = PgGraph::new(server(&database.url), with_ids(IdType::Uuid), edges("edges"), None);
    graph.refresh().await.unwrap();
    let id = |number: u128| EntityId::Uuid(uuid::Uuid::from_u128(number));
    assert_eq!(reached(&graph, &request(id(1), Direction::Out, 2)).await, [id(2), id(3)]);
    assert!(!graph.inspect(&context()).await.unwrap().is_empty());
}
