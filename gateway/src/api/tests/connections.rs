//! Connections: kept, shared, limited, and ended.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Semaphore};

use super::world::{BODY, Scripted, World, get, limits, post};
use crate::{api::Server, config::ServerConfig};

fn waiting_world() -> Scripted {
    Scripted { release: Some(Semaphore::new(0)), ..Scripted::default() }
}

fn waits(n: usize) -> impl Fn(&Scripted) -> bool {
    move |service| service.waiting.load(SeqCst) == n
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    for i in 0..5 {
        client.send(post("/v1/query", &format!("Forebay-Request-Id: r{i}\r\n"), "{}")).await;
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.header("forebay-request-id")), (200, Some(&*format!("r{i}"))));
    }
    // All at once: the answers come in order.
    let many: String = (0..3).map(|i| post("/v1/query", &format!("Forebay-Request-Id: p{i}\r\n"), "{}")).collect();
    client.send(many).await;
    for i in 0..3 {
        assert_eq!(client.response().await.unwrap().header("forebay-request-id"), Some(&*format!("p{i}")));
    }
}

#[tokio::test]
async fn http_2_is_spoken_to_those_who_know() {
    let world = World::with(&limits(), [], waiting_world()).await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = |body: &'static str| {
        Request::post("http://x/v1/query")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap()
    };
    let waiting = tokio::spawn(sender.send_request(request("wait")));
    world.until(waits(1)).await;
    let response = sender.send_request(request("{}")).await.unwrap();
    assert_eq!((response.status(), response.version()), (http::StatusCode::OK, http::Version::HTTP_2));
    assert_eq!(response.headers()["cache-status"], "forebay-l1; hit; ttl=57");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), BODY);
    world.service.release.as_ref().unwrap().add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200, "one slow request holds up no other");
    driver.abort();
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_query_along() {
    let world = World::with(&limits(), [], waiting_world()).await;
    let mut client = world.connect().await;
    client.send(post("/v1/query", "", "wait")).await;
    world.until(waits(1)).await;
    drop(client);
    world.until(|service| service.dropped.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let world = World::open(&ServerConfig { max_connections: 1, ..limits() }).await;
    let mut first = world.connect().await;
    first.send(get("/openapi.json")).await;
    assert_eq!(first.response().await.unwrap().status, 200);
    let mut second = world.connect().await;
    second.send(get("/openapi.json")).await;
    let early = tokio::time::timeout(Duration::from_millis(100), second.response()).await;
    assert!(early.is_err(), "served although there was no place: {early:?}");
    drop(first);
    assert_eq!(second.response().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stop_lets_running_requests_end_and_takes_no_new_ones() {
    let world = World::with(&limits(), [], waiting_world()).await;
    let mut idle = world.connect().await;
    idle.send(get("/openapi.json")).await;
    assert_eq!(idle.response().await.unwrap().status, 200);
    let mut running = world.connect().await;
    running.send(post("/v1/query", "", "wait")).await;
    world.until(waits(1)).await;
    world.shutdown.cancel();
    assert!(idle.response().await.is_none(), "idle connections are closed");
    assert!(TcpStream::connect(world.address).await.is_err(), "nobody listens any more");
    world.service.release.as_ref().unwrap().add_permits(1);
    assert_eq!(running.response().await.unwrap().status, 200);
    assert!(running.response().await.is_none(), "and then the connection is closed");
    assert_eq!(world.run.await.unwrap(), 0, "none was cut");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let world = World::with(&ServerConfig { drain_timeout_ms: 50, ..limits() }, [], waiting_world()).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = world.connect().await;
        client.send(post("/v1/query", "", "wait")).await;
        clients.push(client);
    }
    world.until(waits(2)).await;
    world.shutdown.cancel();
    assert_eq!(world.run.await.unwrap(), 2);
    assert_eq!(world.service.dropped.load(SeqCst), 2, "their queries ended with them");
    assert!(clients[0].response().await.is_none());
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let world = World::open(&limits()).await;
    let error = Server::bind(world.address, &limits()).await.err().expect("the port is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn open_connections_are_counted() {
    let world = World::open(&limits()).await;
    let metrics = crate::api::Service::metrics(&*world.service).clone();
    let count = || {
        let page = metrics.page(&Default::default(), &Default::default(), &Default::default(), &Default::default());
        let line = page.lines().find_map(|line| line.strip_prefix("forebay_api_connections ")).unwrap().to_owned();
        line.parse::<u64>().unwrap()
    };
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = world.connect().await;
        client.send(get("/openapi.json")).await;
        client.response().await.unwrap();
        clients.push(client);
    }
    assert_eq!(count(), 3);
    drop(clients);
    world.until(|_| count() == 0).await;
}

#[tokio::test]
async fn many_clients_at_once_each_get_their_own_answer() {
    let world = Arc::new(World::open(&limits()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for client_number in 0..20 {
        let world = world.clone();
        tasks.spawn(async move {
            let mut client = world.connect().await;
            for i in 0..20 {
                let name = format!("c{client_number}-{i}");
                client.send(post("/v1/query", &format!("Forebay-Request-Id: {name}\r\n"), &name)).await;
                assert_eq!(client.response().await.unwrap().header("forebay-request-id"), Some(&*name));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let asked = world.service.asked.lock().unwrap();
    assert!(asked.len() == 400 && asked.iter().all(|incoming| incoming.body == incoming.request_id.as_bytes()));
}
