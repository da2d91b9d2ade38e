//! While a backend is not asked because it fails, what the cache holds still answers.

use std::time::Duration;

use forebay::planner::Choice;
use serde_json::{Value, json};

use crate::{
    crowd::{Asking, Crowd, QUESTIONS, Verdict, verdict},
    ground::Ground,
    support::{
        self, ids,
        proxy::{Fault, FaultProxy},
        stores::Setup,
    },
    watch::{self, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_neo4j_is_not_asked_cached_reaches_still_answer() {
    let Some(ground) = Ground::shared().await else { return };
    let _turn = ground.turn().await;
    let proxy = FaultProxy::before(&ground.neo4j.url).await;
    let breaker = "open_ms = 600000\nmax_open_ms = 600000";
    let setup = Setup { neo4j: Some(&proxy.url), pool: "min = 0\nmax = 8", breaker, ..Setup::default() };
    let served = ground.stores.serve_as(&setup).await;
    let mut client = served.client();
    let with_graph: Vec<_> = QUESTIONS.iter().filter(|question| question.body().get("within").is_some()).collect();
    let (known, unknown) = with_graph.split_at(20);

    // Each leaves its reach in the cache.
    for question in known {
        let mut body = question.body();
        body["exact"] = json!(true);
        body["options"] = json!({ "plan": "graph-first" });
        let reply = support::post(&mut client, "/v1/query", &body).await;
        assert_eq!(verdict(question, &reply, true), Verdict::Right);
    }

    proxy.set(Fault::Refuse);
    let crowd = Crowd::start(&served, 50, usize::MAX, Asking::within(Duration::from_secs(2)));
    let state = async || watch::pool(&served, "neo4j").await["breaker"]["state"].clone();
    until("the breaker opens", state, |state| state == "open").await;
    crowd.stop().await;

    for question in known {
        // Another answer of the same walk.
        let mut body = question.body();
        body["exact"] = json!(true);
        body["select"] = json!(["section"]);
        let mut explained = body.clone();
        explained["options"] = json!({ "explain": "plan" });
        let reply = support::json(&support::post(&mut client, "/v1/query", &explained).await);
        assert!(question.accepts(ids(&reply)), "{reply}");
        assert_eq!(reply["plan"]["chosen"], "cached-partial");
        assert_eq!(reply["plan"]["reason"], Choice::Spared.reason());
        let reply = support::post(&mut client, "/v1/query", &body).await;
        assert_eq!(verdict(question, &reply, true), Verdict::Right);
    }
    let mut refused = 0;
    for question in &unknown[..20] {
        if known.iter().any(|known| known.body()["within"] == question.body()["within"]) {
            continue;
        }
        let reply =
            support::post(&mut client, "/v1/query", &Asking::within(Duration::from_secs(5)).body(question)).await;
        assert_eq!(verdict(question, &reply, true), Verdict::Unavailable);
        let detail: Value = support::json(&reply)["detail"].clone();
        assert!(detail.as_str().is_some_and(|detail| detail.contains("backend neo4j")), "{detail}");
        refused += 1;
    }
    assert!(refused >= 5, "{refused}");
    for question in QUESTIONS.iter().filter(|question| question.body().get("within").is_none()).take(20) {
        let reply =
            support::post(&mut client, "/v1/query", &Asking::within(Duration::from_secs(20)).body(question)).await;
        assert_eq!(verdict(question, &reply, true), Verdict::Right, "Postgres is well");
    }
    served.stop().await;
}
