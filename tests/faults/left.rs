//! Clients that leave, and deadlines that pass: nobody's statement keeps a server busy, and no connection is left.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    crowd::{Asking, Crowd, QUESTIONS, Verdict, ask},
    ground::Ground,
    support::stores::{Served, Setup},
    watch::{self, Neo4jView, PostgresView, until, until_whole},
};

/// The longest deadline that a query may state: nothing but the gateway ends a statement while a test waits.
const LONG: Duration = Duration::from_secs(60);

const POOLS: Setup<'_> = Setup {
    postgres: None,
    neo4j: None,
    backend: "statement_timeout_ms = 300000",
    pool: "min = 0\nmax = 8",
    breaker: "",
};

/// A question about the neighbourhood of a package, for plans that begin in the graph.
fn with_graph(number: usize) -> &'static forebay::demo_data::DemoQuery {
    let mut with_graph = QUESTIONS.iter().filter(|question| question.body().get("within").is_some());
    with_graph.nth(number % 100).expect("there are as many")
}

fn graph_first(deadline: Duration) -> Asking {
    Asking { plan: Some("graph-first"), ..Asking::within(deadline) }
}

/// A client that has sent its question and hangs up when it is dropped, some of them without a word.
async fn hanging(served: &Served, number: usize, asking: Asking) -> TcpStream {
    let authority = served.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(authority).await.expect("the gateway listens");
    let body = asking.body(with_graph(number)).to_string();
    let head = format!(
        "POST /v1/query HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("it is sent");
    if number.is_multiple_of(2) {
        stream.set_zero_linger().expect("an open socket");
    }
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadline_ends_the_statement_on_the_server() {
    let Some(ground) = Ground::shared().await else { return };
    let _turn = ground.turn().await;
    let served = ground.stores.serve_as(&POOLS).await;
    let mut clients: Vec<_> = (0..4).map(|_| served.client()).collect();
    let (deadline, mut all) = (Duration::from_secs(1), Vec::new());

    let (mut locker, mut pg) =
        (PostgresView::of(&ground.stores.postgres()).await, PostgresView::of(&ground.stores.postgres()).await);
    locker.run("BEGIN; LOCK TABLE packages IN ACCESS EXCLUSIVE MODE").await;
    for (number, mut client) in clients.drain(..).enumerate() {
        all.push(tokio::spawn(async move { ask(&mut client, with_graph(number), graph_first(deadline)).await }));
    }
    until("statements wait", async || pg.waiting_for_locks().await, |waiting| *waiting > 0).await;
    for reply in all.drain(..) {
        assert_eq!(reply.await.expect("it is honest"), Verdict::Late);
    }
    until("no statement waits", async || pg.waiting_for_locks().await, |waiting| *waiting == 0).await;
    locker.run("SELECT 1 FROM packages LIMIT 1; ROLLBACK").await;

    let neo4j = Neo4jView::of(&ground.neo4j.url);
    let held = neo4j.lock(ground.stores.label()).await;
    for number in 0..4 {
        let mut client = served.client();
        all.push(tokio::spawn(async move { ask(&mut client, with_graph(number), graph_first(deadline)).await }));
    }
    until("statements wait", async || neo4j.transactions().await, |running| *running > 0).await;
    for reply in all {
        assert_eq!(reply.await.expect("it is honest"), Verdict::Late);
    }
    until("no statement waits", async || neo4j.transactions().await, |running| *running == 0).await;
    held.rollback().await.expect("it was held until now");
    until_whole(&served).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_clients_that_hang_up_leave_nothing_running() {
    let Some(ground) = Ground::shared().await else { return };
    let _turn = ground.turn().await;
    let served = ground.stores.serve_as(&POOLS).await;
    let asking = graph_first(LONG);
    let mut locker = PostgresView::of(&ground.stores.postgres()).await;
    let mut pg = PostgresView::of(&ground.stores.postgres()).await;
    let neo4j = Neo4jView::of(&ground.neo4j.url);

    // While statements are held up in Postgres, and then in Neo4j.
    locker.run("BEGIN; LOCK TABLE packages IN ACCESS EXCLUSIVE MODE").await;
    for wave in 0..4 {
        let mut clients = Vec::new();
        for number in 0..100 {
            clients.push(hanging(&served, wave * 100 + number, asking).await);
        }
        until("statements wait", async || pg.waiting_for_locks().await, |waiting| *waiting > 0).await;
        drop(clients);
        until("no statement waits", async || pg.waiting_for_locks().await, |waiting| *waiting == 0).await;
    }
    until_whole(&served).await;
    locker.run("ROLLBACK").await;

    let other = Neo4jView::of(&ground.neo4j.url);
    let held = other.lock(ground.stores.label()).await;
    for wave in 0..3 {
        let mut clients = Vec::new();
        for number in 0..100 {
            clients.push(hanging(&served, wave * 100 + number, asking).await);
        }
        until("statements wait", async || neo4j.transactions().await, |running| *running > 0).await;
        drop(clients);
        until("no statement waits", async || neo4j.transactions().await, |running| *running == 0).await;
    }
    until_whole(&served).await;
    held.rollback().await.expect("it was held until now");
    drop(other);

    // While statements run as usual, at any point of them.
    for wave in 0..30_u64 {
        let mut clients = Vec::new();
        for number in 0..10 {
            clients.push(hanging(&served, number, Asking::within(LONG)).await);
        }
        tokio::time::sleep(Duration::from_millis(wave)).await;
    }
    until_whole(&served).await;
    until("Postgres rests", async || pg.connections("state <> 'idle'").await, |busy| *busy == 0).await;
    until("Neo4j rests", async || neo4j.transactions().await, |running| *running == 0).await;
    for name in ["pg", "neo4j"] {
        let pool = watch::pool(&served, name).await;
        println!("{name}: {}", pool["counters"]);
        assert!(pool["counters"]["cancelled"].as_u64().is_some_and(|ended| ended > 0), "{pool}");
    }
    let known = watch::total(&watch::pool(&served, "pg").await);
    assert_eq!(pg.connections("true").await, known, "no connection is left behind");
    let known = watch::total(&watch::pool(&served, "neo4j").await);
    until("no connection is left behind", async || neo4j.connections().await, |seen| *seen == known).await;
    until("none to end statements over either", async || pg.control_connections().await, |seen| *seen == 0).await;
    // The connections that were left are as good as new.
    let counts = Crowd::start(&served, 8, 10, Asking::within(Duration::from_secs(20))).finish().await;
    assert_eq!((counts.right, counts.errors()), (80, 0), "{counts:?}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_pools_without_a_minimum_leave_no_connection() {
    let Some(ground) = Ground::shared().await else { return };
    let _turn = ground.turn().await;
    let setup = Setup { pool: "min = 0\nmax = 8\nidle_timeout_ms = 300", ..Setup::default() };
    let served = ground.stores.serve_as(&setup).await;
    let counts = Crowd::start(&served, 8, 5, Asking::within(Duration::from_secs(20))).finish().await;
    assert_eq!((counts.right, counts.errors()), (40, 0), "{counts:?}");
    let mut pg = PostgresView::of(&ground.stores.postgres()).await;
    let neo4j = Neo4jView::of(&ground.neo4j.url);
    until("Postgres has no connection", async || pg.connections("true").await, |seen| *seen == 0).await;
    until("Neo4j has no connection", async || neo4j.connections().await, |seen| *seen == 0).await;
    for name in ["pg", "neo4j"] {
        assert_eq!(watch::total(&watch::pool(&served, name).await), 0);
    }
    let counts = Crowd::start(&served, 1, 5, Asking::within(Duration::from_secs(20))).finish().await;
    assert_eq!(counts.right, 5, "they grow again");
    served.stop().await;
}
