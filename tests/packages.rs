//! The 300 recorded questions about real packages, over HTTP: every plan that applies gives the recorded answer, cold and
//! from the cache.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use forebay::{cli::client::Client, demo_data};
use serde_json::{Value, json};
use support::{Packages, ids, json, post};

const COLD: [&str; 4] = ["vector-first", "graph-first", "parallel", "filtered-vector"];

/// The operators that ran, leaves first, as one line.
fn trace(answer: &Value) -> String {
    let operators = answer["plan"]["operators"].as_array().expect("analyzed");
    let ranked = operators.iter().filter(|run| run["operator"] != "Hydrate");
    let named = ranked.map(|run| match run["access"].as_str() {
        Some(access) => format!("{}:{access}", run["operator"].as_str().expect("a name")),
        None => run["operator"].as_str().expect("a name").to_owned(),
    });
    named.collect::<Vec<_>>().join(" ")
}

/// Calls to a backend by the operators with these names.
fn calls(answer: &Value, names: &[&str]) -> u64 {
    let operators = answer["plan"]["operators"].as_array().expect("analyzed");
    operators
        .iter()
        .filter(|run| names.contains(&run["operator"].as_str().expect("a name")))
        .map(|run| run["calls"].as_u64().expect("a count"))
        .sum()
}

async fn run_plan(client: &mut Client, body: &Value, plan: &str, cache: &str) -> Option<Value> {
    let mut body = body.clone();
    body["options"] = json!({ "plan": plan, "explain": "analyze", "cache": cache });
    let response = post(client, "/v1/query", &body).await;
    let answer = json(&response);
    match response.status.as_u16() {
        200 => {
            assert_eq!(answer["plan"]["chosen"], plan);
            Some(answer)
        }
        400 if answer["code"] == "plan-not-applicable" => None,
        other => panic!("{other}: {answer}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plan_gives_the_recorded_answers_cold_and_from_l1() {
    let packages = Packages::start().await;
    let mut client = packages.client();
    let mut applied: BTreeMap<&str, u32> = BTreeMap::new();
    for query in demo_data::queries() {
        let body = query.body();
        let cold = post(&mut client, "/v1/query", &body).await;
        assert!(query.accepts(ids(&json(&cold))), "{}: {}", query.qid, json(&cold));
        for (item, expected) in json(&cold)["items"].as_array().unwrap().iter().zip(&query.scores) {
            let score = item["score"].as_f64().unwrap();
            assert!((score - expected).abs() < 1e-6, "{}: {score} for {expected}", query.qid);
        }
        let warm = post(&mut client, "/v1/query", &body).await;
        let status = warm.headers["cache-status"].to_str().unwrap();
        assert!(status.starts_with("forebay-l1; hit"), "{}: {status}", query.qid);
        assert_eq!(cold.body, warm.body, "{}: a stored body is sent as it is", query.qid);

        let mut traces = BTreeSet::new();
        let mut plans = 0;
        for plan in COLD {
            let Some(answer) = run_plan(&mut client, &body, plan, "bypass").await else { continue };
            assert!(query.accepts(ids(&answer)), "{} by {plan}: {answer}", query.qid);
            *applied.entry(plan).or_default() += 1;
            traces.insert(trace(&answer));
            plans += 1;
        }
        assert_eq!(traces.len(), plans, "{}: two plans did the same: {traces:?}", query.qid);
    }
    println!("plans that applied to the 300 queries: {applied:?}");
    for plan in COLD {
        assert!(applied[plan] >= 50, "{plan} applied to {} queries only", applied[plan]);
    }
    packages.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_cached_by_a_different_query_answers_with_fewer_calls() {
    let packages = Packages::start().await;
    let mut client = packages.client();
    let (mut by_reach, mut by_list, mut dry) = (0, 0, 0);
    for query in demo_data::queries() {
        packages.gateway.tiers().l1().clear();
        let body = query.body();
        assert!(run_plan(&mut client, &body, "cached-partial", "default").await.is_none(), "nothing is cached yet");
        let mut other = body.clone();
        if body["within"].is_object() {
            // The same walk for another vector, without the filter.
            let opposite: Vec<f32> = query.vector.iter().map(|x| -x).collect();
            other["vector"] = json!({ "values": opposite });
            other.as_object_mut().unwrap().remove("filter");
            run_plan(&mut client, &other, "graph-first", "default").await.expect("it has a walk");
            let answer = run_plan(&mut client, &body, "cached-partial", "default").await.expect("the reach is cached");
            assert!(query.accepts(ids(&answer)), "{}: {answer}", query.qid);
            assert_eq!(calls(&answer, &["Reach", "CheckWithin"]), 0, "{}: the graph was asked", query.qid);
            assert!(trace(&answer).contains("CachedReach"), "{}: {}", query.qid, trace(&answer));
            by_reach += 1;
        } else {
            // The same vector for another page, without the filter.
            other["limit"] = json!(1);
            other.as_object_mut().unwrap().remove("filter");
            run_plan(&mut client, &other, "vector-first", "default").await.expect("it always applies");
            let answer = run_plan(&mut client, &body, "cached-partial", "default").await.expect("the list is cached");
            assert!(query.accepts(ids(&answer)), "{}: {answer}", query.qid);
            // Where too few items of the list pass the filter, a search of its own goes on.
            if trace(&answer).contains("Ann") {
                dry += 1;
            } else {
                assert!(calls(&answer, &["CachedList"]) <= 1, "one call tests the filter on the list's items");
                by_list += 1;
            }
        }
    }
    println!("cached-partial: {by_reach} by a reach, {by_list} by a list, {dry} whose list ran dry");
    assert!(by_reach >= 50 && by_list >= 10, "{by_reach} by a reach, {by_list} by a list");
    packages.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_continues_where_the_one_before_ended() {
    let packages = Packages::start().await;
    let mut client = packages.client();
    for query in demo_data::queries().into_iter().filter(|query| query.matches > 20).take(40) {
        let mut body = query.body();
        body["limit"] = json!(20);
        let whole = json(&post(&mut client, "/v1/query", &body).await);
        body["limit"] = json!(5);
        let mut paged = Vec::new();
        for offset in [0, 5, 10, 15] {
            body["offset"] = json!(offset);
            paged.push(json(&post(&mut client, "/v1/query", &body).await));
        }
        let paged: Vec<&str> = paged.iter().flat_map(ids).collect();
        assert_eq!(ids(&whole), paged, "{}", query.qid);
        body["offset"] = json!(9_999);
        let beyond = json(&post(&mut client, "/v1/query", &body).await);
        assert_eq!(beyond["items"], json!([]), "{}", query.qid);
    }
    packages.stop().await;
}
