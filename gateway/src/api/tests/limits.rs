//! What happens to requests that are too large, too slow or cut short. No test measures time: a limit that does not
//! hold leaves its test waiting for an answer that never comes.

use super::world::{World, get, limits, post};
use crate::{config::ServerConfig, problem::Code};

#[tokio::test]
async fn an_announced_body_over_the_limit_is_refused_before_it_is_sent() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    let head = "POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    client.send(format!("{head}Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n")).await;
    client.response().await.unwrap().assert_problem(Code::BodyTooLarge);
}

#[tokio::test]
async fn a_client_that_sends_on_still_reads_why_its_body_was_refused() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    client.send(post("/v1/query", "", &"x".repeat(1 << 20))).await;
    client.response().await.unwrap().assert_problem(Code::BodyTooLarge);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_once_it_is_too_long() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    let head = "POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    for _ in 0..4 {
        if !client.send_if_taken(&chunk).await {
            break;
        }
    }
    client.response().await.unwrap().assert_problem(Code::BodyTooLarge);
    assert!(world.service.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_at_the_limit_is_read_however_it_comes() {
    let world = World::open(&limits()).await;
    let body = "x".repeat(64 << 10);
    assert_eq!(world.ask(&post("/v1/query", "", &body)).await.status, 200);
    let mut client = world.connect().await;
    let head =
        "POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head).await;
    for chunk in body.as_bytes().chunks(10_000) {
        client.send(format!("{:x}\r\n", chunk.len())).await;
        client.send(chunk).await;
        client.send("\r\n").await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status, 200);
    let asked = world.service.asked.lock().unwrap();
    assert!(asked.len() == 2 && asked.iter().all(|incoming| incoming.body == body));
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_a_408() {
    let world = World::open(&ServerConfig { body_timeout_ms: 100, ..limits() }).await;
    let mut client = world.connect().await;
    client
        .send("POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        .await;
    client.response().await.unwrap().assert_problem(Code::BodyTimeout);
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_asked() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    client
        .send("POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}")
        .await;
    client.finish().await;
    client.response().await.expect("a response").assert_problem(Code::BodyTruncated);
    assert_eq!(world.ask(&post("/v1/query", "", "{}")).await.status, 200);
    assert_eq!(world.service.asked.lock().unwrap().len(), 1, "the second one");
}

#[tokio::test]
async fn a_head_over_the_limit_is_a_431() {
    let world = World::open(&limits()).await;
    let line = |n: usize| format!("X-Filler: {}\r\n", "x".repeat(n));
    assert_eq!(world.ask(&post("/v1/query", &line(3_000), "{}")).await.status, 200);
    world.ask(&post("/v1/query", &line(5_000), "{}")).await.assert_problem(Code::HeadersTooLarge);
    let response = world.ask(&post("/v1/query", &line(300_000), "{}")).await;
    assert_eq!(response.status, 431, "far over the limit hyper answers by itself");
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    assert_eq!(world.ask(&post("/v1/query", &many, "{}")).await.status, 431);
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_its_connection() {
    let world = World::open(&ServerConfig { header_timeout_ms: 100, ..limits() }).await;
    for part in ["G", "PRI * HT", "GET /openapi.json HTTP/1.1\r\nHost"] {
        let mut client = world.connect().await;
        client.send(get("/openapi.json")).await;
        assert_eq!(client.response().await.unwrap().status, 200);
        client.send(part).await;
        assert!(client.response().await.is_none(), "{part:?}");
    }
    let mut drip = world.connect().await;
    while drip.send_if_taken("x").await {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_idle_connection_ends_and_a_busy_one_does_not() {
    let scripted = super::world::Scripted { release: Some(tokio::sync::Semaphore::new(0)), ..Default::default() };
    let world = World::with(&ServerConfig { idle_timeout_ms: 100, ..limits() }, [], scripted).await;
    let mut busy = world.connect().await;
    busy.send(post("/v1/query", "", "wait")).await;
    world.until(|service| service.waiting.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    for before in [None, Some(get("/openapi.json"))] {
        let mut idle = world.connect().await;
        if let Some(request) = before {
            idle.send(request).await;
            assert_eq!(idle.response().await.unwrap().status, 200);
        }
        assert!(idle.response().await.is_none());
    }
    world.service.release.as_ref().unwrap().add_permits(1);
    assert_eq!(busy.response().await.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_the_listener_goes_on() {
    let world = World::open(&limits()).await;
    for garbage in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "POST /v1/query HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n"]
    {
        let mut client = world.connect().await;
        client.send(garbage).await;
        if let Some(response) = client.response().await {
            assert!(response.status >= 400, "{garbage:?}: {response:?}");
        }
    }
    assert_eq!(world.ask(&post("/v1/query", "", "{}")).await.status, 200);
}
