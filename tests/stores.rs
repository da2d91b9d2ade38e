//! The packages on real servers: loaded, checked and asked by the example's configuration. Every plan gives the recorded
//! answers.

mod support;

use std::collections::BTreeMap;

use forebay::demo_data;
use serde_json::{Value, json};
use support::{
    ids, json, post,
    stores::{GraphIn, Stores, text},
};

const PLANS: [&str; 5] = ["vector-first", "graph-first", "parallel", "filtered-vector", "cached-partial"];

/// Asks all 300 recorded questions by every plan that applies, exactly, and holds them against the recorded answers.
async fn answers_as_recorded(graph: GraphIn) {
    let Some(stores) = Stores::prepare(graph).await else { return };
    let summary = stores.load();
    assert!(summary.contains("nothing was left out"), "{summary}");
    let served = stores.serve().await;
    let mut client = served.client();
    let mut applied: BTreeMap<&str, u32> = BTreeMap::new();
    for query in demo_data::queries() {
        let mut body = query.body();
        body["exact"] = json!(true);
        let cold = post(&mut client, "/v1/query", &body).await;
        assert_eq!(cold.status, 200, "{}: {}", query.qid, json(&cold));
        assert!(query.accepts(ids(&json(&cold))), "{}: {}", query.qid, json(&cold));
        for (item, expected) in json(&cold)["items"].as_array().unwrap().iter().zip(&query.scores) {
            let score = item["score"].as_f64().unwrap();
            assert!((score - expected).abs() < 1e-5, "{}: {score} for {expected}", query.qid);
        }
        let warm = post(&mut client, "/v1/query", &body).await;
        let status = warm.headers["cache-status"].to_str().unwrap();
        assert!(status.starts_with("forebay-l1; hit"), "{}: {status}", query.qid);
        assert_eq!(cold.body, warm.body, "{}: a stored body is sent as it is", query.qid);
        for plan in PLANS {
            let mut forced = body.clone();
            // cached-partial lives on the legs that the others left.
            let cache = if plan == "cached-partial" { "default" } else { "bypass" };
            forced["options"] = json!({ "plan": plan, "cache": cache, "explain": "plan" });
            let response = post(&mut client, "/v1/query", &forced).await;
            let answer = json(&response);
            match response.status.as_u16() {
                200 => {
                    assert_eq!(answer["plan"]["chosen"], plan);
                    assert!(query.accepts(ids(&answer)), "{} by {plan}: {answer}", query.qid);
                    *applied.entry(plan).or_default() += 1;
                }
                400 if answer["code"] == "plan-not-applicable" => {}
                other => panic!("{} by {plan}: {other}: {answer}", query.qid),
            }
        }
    }
    println!("{graph:?}: plans that applied to the 300 queries: {applied:?}");
    for plan in PLANS {
        assert!(applied.get(plan).is_some_and(|count| *count >= 50), "{plan} applied too seldom: {applied:?}");
    }
    served.stop().await;

    let checked = stores.forebay(&["check"]);
    let found = text(&checked.stdout);
    assert!(checked.status.success(), "{found}{}", text(&checked.stderr));
    for fact in ["hnsw", "8520", "packages"] {
        assert!(found.to_lowercase().contains(fact), "`check` says nothing of {fact}: {found}");
    }
    stores.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plan_gives_the_recorded_answers_on_postgres_and_neo4j() {
    answers_as_recorded(GraphIn::Neo4j).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plan_gives_the_recorded_answers_on_one_postgres() {
    answers_as_recorded(GraphIn::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_exact_nothing_is_missing_from_the_number_of_items() {
    let Some(stores) = Stores::prepare(GraphIn::Neo4j).await else { return };
    stores.load();
    let served = stores.serve().await;
    let mut client = served.client();
    let (mut found, mut due) = (0, 0);
    for query in demo_data::queries() {
        let body: Value = query.body();
        let answer = json(&post(&mut client, "/v1/query", &body).await);
        let given = ids(&answer);
        let limit = body["limit"].as_u64().unwrap_or(10);
        assert_eq!(given.len() as u64, (query.matches as u64).min(limit), "{}: {answer}", query.qid);
        due += query.expected.len();
        found += query.expected.iter().filter(|id| given.contains(&id.as_str())).count();
    }
    let recall = found as f64 / due as f64;
    println!("recall without `exact`: {recall:.4}");
    assert!(recall >= 0.97, "{recall}");
    served.stop().await;
    stores.remove().await;
}
