//! The listener for operators.

use super::world::{World, get, post};
use crate::{problem::Code, request::Purge, telemetry::METRICS_CONTENT_TYPE};

#[tokio::test]
async fn ready_is_said_only_while_nothing_stands_in_the_way() {
    let world = World::admin().await;
    assert_eq!(world.ask(&get("/livez")).await.status, 200);
    assert_eq!(world.ask(&get("/readyz")).await.json(), serde_json::json!({"ready": true, "blockers": []}));
    let blocker = world.readiness.block("opening the collection packages");
    let response = world.ask(&get("/readyz")).await;
    assert_eq!(response.status, 503);
    assert_eq!(response.json()["blockers"], serde_json::json!(["opening the collection packages"]));
    drop(blocker);
    assert_eq!(world.ask(&get("/readyz")).await.status, 200);
    world.readiness.drain();
    assert_eq!(world.ask(&get("/readyz")).await.status, 503);
    assert_eq!(world.ask(&get("/livez")).await.status, 200, "a gateway that drains is alive");
}

#[tokio::test]
async fn a_purge_reaches_the_gateway() {
    let world = World::admin().await;
    let response = world.ask(&post("/v1/cache/purge", "", r#"{"tags":["packages"]}"#)).await;
    assert_eq!((response.status, response.json()), (200, serde_json::json!({"bumped": 1})));
    assert_eq!(world.ask(&post("/v1/cache/purge", "", r#"{"all":true}"#)).await.status, 200);
    assert_eq!(*world.service.purged.lock().unwrap(), [Purge::Tags(vec!["packages".into()]), Purge::All]);
    world.ask(&post("/v1/cache/purge", "", "{}")).await.assert_problem(Code::MissingField);
    world.ask(&post("/v1/cache/purge", "", "x")).await.assert_problem(Code::InvalidJson);
    let response = world.ask(&get("/v1/cache/purge")).await;
    response.assert_problem(Code::MethodNotAllowed);
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
    let form = post("/v1/cache/purge", "", r#"{"all":true}"#).replace("application/json", "text/plain");
    world.ask(&form).await.assert_problem(Code::UnsupportedMediaType);
    assert_eq!(world.service.purged.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn numbers_and_settings_can_be_read() {
    let world = World::admin().await;
    let cache = world.ask(&get("/v1/cache")).await.json();
    assert_eq!(cache, serde_json::json!({"entries": 2, "bytes": 300, "max_bytes": 1000}));
    assert_eq!(world.ask(&get("/v1/config")).await.json()["server"]["max_header_bytes"], 4096);
    let metrics = world.ask(&get("/metrics")).await;
    assert_eq!(metrics.header("content-type"), Some(METRICS_CONTENT_TYPE));
    assert!(metrics.body.contains("\nforebay_cache_entries 2\n"), "{}", metrics.body);
    world.ask(&get("/v1/query")).await.assert_problem(Code::NotFound);
}
