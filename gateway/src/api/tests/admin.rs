//! The listener for operators.

use std::sync::Arc;

use async_trait::async_trait;

use super::world::{World, get, post};
use crate::{
    backend::BackendError,
    cache::coherence::Bump,
    config::{BreakerConfig, PoolConfig},
    pool::{Connector, Pool},
    problem::Code,
    telemetry::METRICS_CONTENT_TYPE,
};

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
    assert_eq!(
        (response.status, response.json()),
        (200, serde_json::json!({"bumped": 1, "confirmed": 1, "lapsed": 0, "waited_ms": 0}))
    );
    assert_eq!(world.ask(&post("/v1/cache/purge", "", r#"{"all":true}"#)).await.status, 200);
    assert_eq!(*world.service.purged.lock().unwrap(), [Bump::Tags(vec!["packages".into()]), Bump::All]);
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
async fn what_tiers_hold_for_a_query_is_described_and_not_shown() {
    let world = World::admin().await;
    let response = world.ask(&post("/v1/cache/lookup?tenant=acme", "", "{}")).await;
    assert_eq!(response.status, 200);
    let entry = serde_json::json!({
        "age_ms": 1500, "ttl_ms": 500, "bytes": 42, "cost_ms": 2.5, "groups": ["packages", "acme"],
    });
    let body = response.json();
    assert_eq!(body["key"], "ab".repeat(32));
    assert_eq!(body["tiers"][0]["outcome"], "miss");
    assert_eq!((&body["tiers"][1]["tier"], &body["tiers"][1]["entry"]), (&"forebay-l2".into(), &entry));
    assert_eq!(body["tiers"][2]["outcome"], "not-used");
    assert!(!response.body.contains("items"), "{}", response.body);
    world.ask(&post("/v1/cache/lookup", "", "wrong")).await.assert_problem(Code::UnknownAttribute);
    world.ask(&post("/v1/cache/lookup?key=1", "", "{}")).await.assert_problem(Code::WrongType);
    world.ask(&get("/v1/cache/lookup")).await.assert_problem(Code::MethodNotAllowed);
}

#[tokio::test]
async fn numbers_and_settings_can_be_read() {
    let world = World::admin().await;
    let cache = world.ask(&get("/v1/cache")).await.json();
    assert_eq!(
        cache["tiers"],
        serde_json::json!([
            {"tier": "forebay-l1", "available": true, "entries": 2, "bytes": 300, "max_bytes": 1000},
            {
                "tier": "forebay-l3", "available": false, "entries": 9, "bytes": 80, "queued": 0, "written": 7,
                "dropped": 0, "failed": 0, "evicted": 0, "flaws": {"checksum": 4},
            },
        ])
    );
    assert_eq!((cache["epochs"]["leased"].as_bool(), cache["epochs"]["renewals"].as_u64()), (Some(true), Some(5)));
    assert_eq!(cache["epochs"]["last_contact_ms"], serde_json::Value::Null);
    assert_eq!(world.ask(&get("/v1/config")).await.json()["server"]["max_header_bytes"], 4096);
    let memory = serde_json::json!({
        "state": "shed", "limit_bytes": 1000, "limit_source": "cgroup-max", "usage_bytes": 860,
        "shed_bytes": {"body-memo": 10, "l1": 0}, "refused_batch": 3,
    });
    assert_eq!(world.ask(&get("/memory")).await.json(), memory);
    let metrics = world.ask(&get("/metrics")).await;
    assert_eq!(metrics.header("content-type"), Some(METRICS_CONTENT_TYPE));
    assert!(metrics.body.contains("\nforebay_cache_entries 2\n"), "{}", metrics.body);
    for line in [
        "forebay_memory_usage_bytes 860",
        r#"forebay_memory_state{state="shed"} 1"#,
        r#"forebay_memory_state{state="calm"} 0"#,
        r#"forebay_memory_shed_bytes_total{cache="body-memo"} 10"#,
        r#"forebay_memory_refused_total{class="batch"} 3"#,
    ] {
        assert!(metrics.body.lines().any(|other| other == line), "{line}\n{}", metrics.body);
    }
    world.ask(&get("/v1/query")).await.assert_problem(Code::NotFound);
}

#[tokio::test]
async fn models_are_put_in_place_refused_and_taken_back() {
    let world = World::admin().await;
    let put = |body: &[u8]| {
        let head = format!(
            "PUT /v1/planner/model HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let planner = world.ask(&get("/v1/planner")).await.json();
    assert_eq!(planner["models"]["current"]["name"], "analytic");
    world.ask(&post("/v1/planner/model/rollback", "", "")).await.assert_problem(Code::ModelRefused);
    let model = crate::planner::models::testing::uniform(100.0);
    let placed = world.ask(&put(&model)).await.json();
    let name = placed["models"]["current"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("forest "), "{placed}");
    assert_eq!(placed["models"]["current"]["card"]["trainer"], "a test");
    let refused = world.ask(&put(&model[..model.len() - 1])).await;
    refused.assert_problem(Code::ModelRefused);
    assert!(refused.json()["detail"].as_str().unwrap().contains("checksum"), "{}", refused.body);
    let planner = world.ask(&get("/v1/planner")).await.json();
    assert_eq!(
        (&planner["models"]["current"]["name"], &planner["models"]["refusals"]),
        (&name.clone().into(), &1.into())
    );
    assert!(planner["templates"].is_array() && planner["drift"].is_array(), "{planner}");
    let back = world.ask(&post("/v1/planner/model/rollback", "", "")).await.json();
    assert_eq!(back["models"]["current"]["name"], "analytic");
    assert_eq!(back["models"]["previous"]["name"], name);
    world.ask(&get("/v1/planner/model")).await.assert_problem(Code::MethodNotAllowed);
    let metrics = world.ask(&get("/metrics")).await.body;
    for line in [
        r#"forebay_planner_model_change_total{change="promoted"} 1"#,
        r#"forebay_planner_model_change_total{change="refused"} 1"#,
        r#"forebay_planner_model_change_total{change="rolled-back"} 1"#,
        "forebay_planner_model 0",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line}\n{metrics}");
    }
}

/// A backend with nothing behind it.
struct Nothing;

#[async_trait]
impl Connector for Nothing {
    type Connection = ();
    type Kill = ();

    async fn connect(&self) -> Result<(), BackendError> {
        Ok(())
    }

    async fn check(&self, (): &mut ()) -> Result<(), BackendError> {
        Ok(())
    }

    async fn reset(&self, (): &mut ()) -> Result<(), BackendError> {
        Ok(())
    }

    fn kill_handle(&self, (): &()) {}

    async fn kill(&self, (): &()) -> Result<(), BackendError> {
        Ok(())
    }
}

fn patch(path: &str, body: &str) -> String {
    post(path, "", body).replacen("POST", "PATCH", 1)
}

#[tokio::test]
async fn pools_are_shown_and_resized_while_they_run() {
    let world = World::admin().await;
    assert_eq!(world.ask(&get("/pools")).await.json(), serde_json::json!({"pools": []}));
    let settings = (&PoolConfig::default(), &BreakerConfig::default()).into();
    let pool = Pool::new("my pg".into(), Nothing, settings);
    world.service.pools.insert(Arc::clone(&pool) as _);
    let shown = world.ask(&get("/pools")).await.json();
    assert_eq!(shown["pools"][0]["name"], "my pg");
    assert_eq!(shown["pools"][0]["breaker"], serde_json::json!({"state": "closed"}));
    assert_eq!(shown["pools"][0]["waiting"], serde_json::json!({"interactive": 0, "normal": 0, "batch": 0}));
    let changed = world.ask(&patch("/pools/my%20pg", r#"{"min": 1, "max": 4}"#)).await;
    assert_eq!(
        (changed.status, changed.json()["min"].as_u64(), changed.json()["max"].as_u64()),
        (200, Some(1), Some(4))
    );
    assert_eq!((pool.snapshot().min, pool.snapshot().max), (1, 4));
    assert_eq!(world.ask(&get("/pools/my%20pg")).await.json()["max"], 4);

    for (body, pointer) in [(r#"{"max": 0}"#, "/max"), (r#"{"min": 5}"#, "/min")] {
        let response = world.ask(&patch("/pools/my%20pg", body)).await;
        response.assert_problem(Code::OutOfRange);
        assert_eq!(response.json()["pointer"], pointer);
    }
    pool.resize(3, 4).unwrap();
    let response = world.ask(&patch("/pools/my%20pg", r#"{"max": 2}"#)).await;
    assert_eq!(response.json()["pointer"], "/max", "{response:?}");
    world.ask(&patch("/pools/other", r#"{"max": 1}"#)).await.assert_problem(Code::NotFound);
    world.ask(&patch("/pools", r#"{"max": 1}"#)).await.assert_problem(Code::MethodNotAllowed);
    let posted = world.ask(&post("/pools/my%20pg", "", "{}")).await;
    posted.assert_problem(Code::MethodNotAllowed);
    assert_eq!(posted.header("accept-patch"), Some("application/json"));

    let page = world.ask(&get("/metrics")).await.body;
    for line in [
        r#"forebay_pool_max_connections{pool="my pg"} 4"#,
        r#"forebay_pool_breaker{pool="my pg",state="closed"} 1"#,
        r#"forebay_pool_refused_total{pool="my pg",reason="too-late"} 0"#,
        r#"forebay_pool_wait_seconds_count{pool="my pg",class="batch"} 0"#,
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
}
