//! An answer is made once, however many ask for it and wherever.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinHandle};

use crate::{
    gateway::{self, Gateway, Reply, until},
    ground::{Ground, Setup, query},
};

/// Calls to backends that a query takes which nobody has asked before.
async fn calls_of_one(gateway: &mut Gateway) -> f64 {
    let before = gateway.calls().await;
    assert_eq!(gateway.ask(&query()).await.version(), 1);
    gateway.calls().await - before
}

/// Asks over a connection of its own.
fn asking(gateway: &Gateway, body: &Value) -> JoinHandle<Reply> {
    let (mut client, body) = (gateway.client(None), body.clone());
    tokio::spawn(async move { gateway::ask(&mut client, &body).await })
}

async fn all_alike(asked: Vec<JoinHandle<Reply>>) {
    let mut first: Option<Reply> = None;
    for reply in asked {
        let reply = reply.await.expect("it is answered");
        assert_eq!(reply.version(), 1);
        let first = first.get_or_insert_with(|| reply.clone());
        assert_eq!((&reply.body, &reply.etag), (&first.body, &first.etag));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_ask_for_the_same_are_answered_by_one_execution() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let server = "default_deadline_ms = 120000\nmax_connections = 11000\n".into();
    let mut gateway = ground.serve(&Setup { server, ..setup }).await;
    let one = calls_of_one(&mut gateway).await;
    assert!(one >= 1.0);
    let before = gateway.calls().await;
    let (held, body) = (ground.hold().await, query());
    let mut asked = Vec::new();
    for _ in 0..10_000 {
        asked.push(asking(&gateway, &body));
    }
    until("somebody's statement waits", async || (ground.waiting().await == 1, ())).await;
    let open = "forebay_api_connections";
    until("all are there", async || {
        let open = gateway.metric(open).await;
        (open >= 10_000.0, open)
    })
    .await;
    held.let_go().await;
    all_alike(asked).await;
    assert!((gateway.calls().await - before - one).abs() < 0.5, "{} calls", gateway.calls().await - before);
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_of_one_redis_make_an_answer_once_between_them() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let (mut a, mut b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let one = calls_of_one(&mut a).await;
    for _ in 0..5 {
        let before = a.calls().await + b.calls().await;
        let (held, body) = (ground.hold().await, query());
        let asked: Vec<_> = (0..100).flat_map(|_| [asking(&a, &body), asking(&b, &body)]).collect();
        until("somebody's statement waits", async || (ground.waiting().await == 1, ())).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(ground.waiting().await, 1, "the other gateway waits for the answer");
        held.let_go().await;
        all_alike(asked).await;
        assert!((a.calls().await + b.calls().await - before - one).abs() < 0.5);
    }
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_gateway_dies_that_was_making_an_answer_another_makes_it() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let (a, b) = tokio::join!(ground.serve(&setup), ground.serve(&setup));
    let (held, body) = (ground.hold().await, query());
    let lost = asking(&a, &body);
    until("its statement waits", async || (ground.waiting().await == 1, ())).await;
    let waits = asking(&b, &body);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ground.waiting().await, 1, "the other one waits");
    let first = ground.waiters().await;
    drop(a);
    assert!(lost.await.is_err(), "its connection broke");
    until("the other one's statement waits", async || {
        // The server may not have noticed yet that the first one has gone.
        let waiters = ground.waiters().await;
        (waiters.iter().any(|waiter| !first.contains(waiter)), waiters)
    })
    .await;
    held.let_go().await;
    assert_eq!(waits.await.expect("it is answered").version(), 1);
    ground.remove().await;
}

/// A client that has sent its question, and leaves when it is dropped.
async fn leaving(gateway: &Gateway, body: &Value) -> TcpStream {
    let authority = gateway.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(authority).await.expect("the gateway listens");
    let body = body.to_string();
    let head = format!(
        "POST /v1/query HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("it is sent");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_goes_on_while_anybody_waits_and_ends_with_the_last_who_leaves() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(setup) = ground.with_redis() else { return };
    let mut gateway = ground.serve(&setup).await;
    let one = calls_of_one(&mut gateway).await;
    let before = gateway.calls().await;
    let (held, body) = (ground.hold().await, query());
    let first = leaving(&gateway, &body).await;
    until("its statement waits", async || (ground.waiting().await == 1, ())).await;
    let stays = asking(&gateway, &body);
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ground.waiting().await, 1, "the same statement goes on");
    held.let_go().await;
    assert_eq!(stays.await.expect("it is answered").version(), 1);
    assert!((gateway.calls().await - before - one).abs() < 0.5, "it was made once");

    let (held, body) = (ground.hold().await, query());
    let (first, second) = (leaving(&gateway, &body).await, leaving(&gateway, &body).await);
    until("a statement waits", async || (ground.waiting().await == 1, ())).await;
    drop((first, second));
    until("no statement waits", async || (ground.waiting().await == 0, ())).await;
    // Its turn is over: the next one has its own.
    let next = asking(&gateway, &body);
    until("a statement waits", async || (ground.waiting().await == 1, ())).await;
    held.let_go().await;
    assert_eq!(next.await.expect("it is answered").version(), 1);
    ground.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_work_lends_it_the_own_class_in_the_queue_of_the_pool() {
    let Some(ground) = Ground::prepare().await else { return };
    let setup = Setup { pool: "min = 1\nmax = 1".into(), ..ground.alone() };
    let mut gateway = ground.serve(&setup).await;
    let held = ground.hold().await;
    let busy = asking(&gateway, &query());
    until("the only connection is busy", async || (ground.waiting().await == 1, ())).await;
    let of = |priority: &str| json!({ "priority": priority });
    let mut body = query();
    body["options"] = of("batch");
    let batch = asking(&gateway, &body);
    let waiting = async |gateway: &mut Gateway| {
        let pool = gateway.admin(Method::GET, "/pools/pg", &Value::Null).await;
        crate::support::json(&pool)["waiting"].clone()
    };
    until("it waits as batch work", async || {
        let waiting = waiting(&mut gateway).await;
        (waiting["batch"] == 1, waiting)
    })
    .await;
    body["options"] = of("interactive");
    let interactive = asking(&gateway, &body);
    until("it waits as somebody's who is at a screen", async || {
        let waiting = waiting(&mut gateway).await;
        (waiting["batch"] == 0 && waiting["interactive"] == 1, waiting)
    })
    .await;
    held.let_go().await;
    all_alike(vec![batch, interactive]).await;
    assert_eq!(busy.await.expect("it is answered").version(), 1);
    ground.remove().await;
}
