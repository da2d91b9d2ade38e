//! What is asked of the gateway and what comes back.

use sha2::{Digest, Sha256};

use super::world::{BODY, Scripted, World, get, limits, post};
use crate::{
    cache::ETag,
    config::Credential,
    principal::Principal,
    problem::Code,
    query::{CacheMode, Priority},
    request::Endpoint,
};

#[tokio::test]
async fn a_query_is_handed_over_with_what_its_headers_say() {
    let world = World::open(&limits()).await;
    let headers = "Priority: u=6\r\nCache-Control: no-cache, max-age=9\r\nForebay-Request-Id: mine-1\r\n";
    let response = world.ask(&post("/v1/query", headers, r#"{"collection":"packages"}"#)).await;
    assert_eq!((response.status, &*response.body), (200, BODY));
    assert_eq!(response.header("forebay-request-id"), Some("mine-1"));
    assert_eq!(response.header("cache-status"), Some("forebay-l1; hit; ttl=57"));
    assert_eq!(response.header("age"), Some("3"));
    assert_eq!(response.header("server-timing"), Some("lookup;dur=0.002"));
    assert_eq!(response.header("cache-groups"), Some("\"packages\""));
    assert_eq!(response.header("content-type"), Some("application/json"));
    let asked = world.service.asked.lock().unwrap();
    let incoming = &asked[0];
    assert_eq!(incoming.endpoint, Endpoint::Query);
    assert_eq!(&incoming.body[..], br#"{"collection":"packages"}"#);
    assert_eq!(&*incoming.request_id, "mine-1");
    assert_eq!(incoming.hints.priority, Some(Priority::Batch));
    assert_eq!(incoming.hints.cache, Some(CacheMode::Refresh));
    assert_eq!(incoming.hints.max_age.map(|age| age.as_secs()), Some(9));
    assert_eq!(*incoming.principal, Principal::local());
}

#[tokio::test]
async fn post_and_query_ask_the_same() {
    let world = World::open(&limits()).await;
    for path in ["/v1/query", "/v1/query/batch", "/v1/explain"] {
        let posted = world.ask(&post(path, "", "{}")).await;
        let queried = world.ask(&post(path, "", "{}").replacen("POST", "QUERY", 1)).await;
        assert_eq!((posted.status, &posted.body), (200, &queried.body), "{path}");
    }
    let asked = world.service.asked.lock().unwrap();
    let endpoints: Vec<_> = asked.iter().map(|incoming| incoming.endpoint).collect();
    assert_eq!(endpoints[0..2], [Endpoint::Query; 2]);
    assert_eq!(endpoints[4..6], [Endpoint::Explain; 2]);
}

#[tokio::test]
async fn a_caller_that_has_the_answer_gets_304_without_a_body() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    client.send(post("/v1/query", "", "{}")).await;
    let first = client.response().await.unwrap();
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", ETag::of(BODY.as_bytes())));
    client.send(post("/v1/query", &format!("If-None-Match: \"other\", W/{tag}\r\n"), "{}")).await;
    let second = client.response().await.unwrap();
    assert_eq!((second.status, &*second.body), (304, ""));
    assert_eq!(second.header("etag"), Some(&*tag));
    assert!(second.header("content-type").is_none(), "{second:?}");
    client.send(post("/v1/query", "If-None-Match: \"other\"\r\n", "{}")).await;
    assert_eq!(client.response().await.unwrap().status, 200, "the connection is still in step");
}

#[tokio::test]
async fn an_address_or_a_method_that_is_not_there_is_a_problem() {
    let world = World::open(&limits()).await;
    for path in ["/", "/v1", "/v1/query/", "/v1/Query", "/metrics", "/errors", "/errors/nope", "/v1/cache/purge"] {
        world.ask(&get(path)).await.assert_problem(Code::NotFound);
    }
    let response = world.ask(&get("/v1/query")).await;
    response.assert_problem(Code::MethodNotAllowed);
    assert_eq!(response.header("allow"), Some("POST, QUERY, OPTIONS"));
    assert_eq!(response.header("accept-query"), Some("application/json"));
    let response = world.ask(&post("/v1/collections", "", "{}")).await;
    response.assert_problem(Code::MethodNotAllowed);
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn options_and_head_are_answered() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    client.send("OPTIONS /v1/query HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let options = client.response().await.unwrap();
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, QUERY, OPTIONS")));
    client.send("HEAD /openapi.json HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/collections HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut head = client.response_to_head().await.unwrap();
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    assert_eq!((head.status, length), (200, crate::api::openapi_document().len()));
    head = client.response().await.unwrap();
    assert_eq!(head.json(), serde_json::json!({"collections": []}), "no body came before the next response");
}

#[tokio::test]
async fn pages_of_errors_are_where_problems_point() {
    let world = World::open(&limits()).await;
    let problem = world.ask(&post("/v1/query", "", "wrong")).await;
    problem.assert_problem(Code::UnknownAttribute);
    assert_eq!(problem.json()["pointer"], "/filter/a~1b");
    let page = world.ask(&get(problem.json()["type"].as_str().unwrap())).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/markdown; charset=utf-8")));
    assert!(page.body.contains(Code::UnknownAttribute.explanation()), "{page:?}");
}

#[tokio::test]
async fn a_gateway_at_its_limit_says_when_to_come_back() {
    let world = World::open(&limits()).await;
    let response = world.ask(&post("/v1/query", "", "overloaded")).await;
    response.assert_problem(Code::Overloaded);
    assert_eq!(response.header("retry-after"), Some("7"));
}

#[tokio::test]
async fn a_panic_is_one_callers_500_and_nobody_elses() {
    let world = World::open(&limits()).await;
    let mut client = world.connect().await;
    client.send(post("/v1/query", "", "panic")).await;
    client.response().await.unwrap().assert_problem(Code::Internal);
    client.send(post("/v1/query", "", "{}")).await;
    assert_eq!(client.response().await.unwrap().status, 200);
}

#[tokio::test]
async fn only_bodies_that_say_json_are_read() {
    let world = World::open(&limits()).await;
    for line in ["", "Content-Type: text/plain\r\n", "Content-Type: application/json; charset=latin1\r\n"] {
        let request = format!("POST /v1/query HTTP/1.1\r\nHost: x\r\n{line}Content-Length: 2\r\n\r\n{{}}");
        let response = world.ask(&request).await;
        response.assert_problem(Code::UnsupportedMediaType);
        assert_eq!(response.header("accept-query"), Some("application/json"));
    }
    assert!(world.service.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn with_principals_a_token_decides_who_asks() {
    let principal = Principal { name: "ann".into(), tenant: Some("acme".into()), ..Principal::local() };
    let credential = Credential { digest: Sha256::digest("s3cret").into(), principal: principal.clone().into() };
    let world = World::with(&limits(), [credential], Scripted::default()).await;
    for line in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic s3cret\r\n"] {
        let response = world.ask(&post("/v1/query", line, "{}")).await;
        response.assert_problem(Code::Unauthorized);
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    let collections = world.ask(&get("/v1/collections")).await;
    collections.assert_problem(Code::Unauthorized);
    assert!(world.service.asked.lock().unwrap().is_empty());
    // What a client says about itself counts for nothing.
    let headers = "Authorization: Bearer s3cret\r\nTenant: other\r\nX-Tenant: other\r\n";
    assert_eq!(world.ask(&post("/v1/query", headers, "{}")).await.status, 200);
    assert_eq!(*world.service.asked.lock().unwrap()[0].principal, principal);
    // What an error or an endpoint means is no secret.
    assert_eq!(world.ask(&get("/openapi.json")).await.status, 200);
    assert_eq!(world.ask(&get("/errors/unauthorized")).await.status, 200);
}

#[tokio::test]
async fn responses_are_counted() {
    let world = World::open(&limits()).await;
    world.ask(&post("/v1/query", "", "{}")).await;
    world.ask(&get("/nowhere")).await;
    let page = crate::api::Service::metrics(&*world.service).page(
        &Default::default(),
        &Default::default(),
        &Default::default(),
        &Default::default(),
    );
    for line in [
        r#"forebay_api_response_total{route="query",status="2xx"} 1"#,
        r#"forebay_api_response_total{route="unknown",status="4xx"} 1"#,
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
}
