//! The real gateway over real connections: bad requests, and answers against the OpenAPI document.

mod support;

use std::time::Duration;

use bytes::Bytes;
use forebay::config::Config;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Packages, ids, json, post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One line of `tests/data/bad_queries.json`; `tests/data/README.md` says what its fields mean.
#[derive(Deserialize)]
struct BadQuery {
    name: String,
    body: Option<Value>,
    hex: Option<String>,
    status: u16,
    code: String,
    pointer: String,
}

impl BadQuery {
    fn bytes(&self) -> Bytes {
        if let Some(hex) = &self.hex {
            let digits: Vec<u8> = hex.bytes().map(|d| (d as char).to_digit(16).expect("hex") as u8).collect();
            return digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        }
        match self.body.as_ref().expect("body or hex") {
            Value::String(text) => Bytes::from(text.clone()),
            Value::Array(parts) => {
                let repeated = parts
                    .iter()
                    .map(|part| part[0].as_str().expect("a text").repeat(part[1].as_u64().expect("a count") as usize));
                Bytes::from(repeated.collect::<String>())
            }
            other => panic!("{other} is no body"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_query_gets_its_problem_and_the_gateway_goes_on() {
    let mut config = Config::default();
    config.server.listen.set_port(0);
    config.admin.listen.set_port(0);
    // Large enough for the bodies whose lists are too long; what is too large for the listener is tested below.
    config.server.max_body_bytes = 64 << 20;
    let packages = Packages::start_with(config).await;
    let bad: Vec<BadQuery> = serde_json::from_str(include_str!("data/bad_queries.json")).expect("a sound table");
    assert!(bad.len() >= 60);
    for query in &bad {
        // An empty body is sent by a raw connection below.
        let body = query.bytes();
        if body.is_empty() {
            continue;
        }
        let response = packages.client().send(Method::POST, "/v1/query", body).await.expect("an answer");
        let problem = json(&response);
        let got = (response.status.as_u16(), problem["code"].as_str(), problem["pointer"].as_str());
        assert_eq!(got, (query.status, Some(&*query.code), Some(&*query.pointer)), "{}: {problem}", query.name);
        assert_eq!(response.headers["content-type"], "application/problem+json");
        assert!(problem["request_id"].is_string() && problem["detail"].is_string(), "{problem}");
    }
    let after = post(&mut packages.client(), "/v1/query", &json!({ "collection": "packages", "limit": 1 })).await;
    assert_eq!(ids(&json(&after)), ["a2jmidid"]);
    packages.stop().await;
}

/// Sends raw bytes and reads until the other side is done.
async fn raw(packages: &Packages, request: &[u8], then_close: bool) -> String {
    let address = packages.url.strip_prefix("http://").expect("an http address");
    let mut stream = TcpStream::connect(address).await.expect("a listener");
    stream.write_all(request).await.expect("it reads");
    if then_close {
        stream.shutdown().await.expect("it is open");
    }
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection never ended");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_around_the_body_get_their_problem_too() {
    let mut config = Config::default();
    config.server.listen.set_port(0);
    config.admin.listen.set_port(0);
    config.server.max_body_bytes = 1 << 16;
    config.server.max_header_bytes = 8 << 10;
    config.server.body_timeout_ms = 300;
    config.server.header_timeout_ms = 300;
    config.server.idle_timeout_ms = 1_000;
    let packages = Packages::start_with(config).await;
    let head = "POST /v1/query HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let json_head = format!("{head}content-type: application/json\r\n");
    let large = "x".repeat(1 << 17);
    let table: [(&str, String, bool, &str, &str); 10] = [
        ("no body", format!("{json_head}content-length: 0\r\n\r\n"), false, "400", "invalid-json"),
        ("no content type", format!("{head}content-length: 2\r\n\r\n{{}}"), false, "415", "unsupported-media-type"),
        (
            "another content type",
            format!("{head}content-type: text/plain\r\ncontent-length: 2\r\n\r\n{{}}"),
            false,
            "415",
            "unsupported-media-type",
        ),
        ("a slow body", format!("{json_head}content-length: 10\r\n\r\n{{"), false, "408", "body-timeout"),
        (
            "an announced large body",
            format!("{json_head}content-length: 99999999\r\n\r\n"),
            false,
            "413",
            "body-too-large",
        ),
        (
            "a large body in chunks",
            format!("{json_head}transfer-encoding: chunked\r\n\r\n20000\r\n{large}\r\n0\r\n\r\n"),
            false,
            "413",
            "body-too-large",
        ),
        ("large headers", format!("{json_head}x: {large}\r\ncontent-length: 2\r\n\r\n{{}}"), false, "431", ""),
        (
            "a wrong method",
            "PUT /v1/query HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(),
            false,
            "405",
            "method-not-allowed",
        ),
        ("a wrong path", "GET /v2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(), false, "404", "not-found"),
        ("no HTTP", "hello\r\n\r\n".into(), false, "400", ""),
    ];
    for (name, request, then_close, status, code) in table {
        let answer = raw(&packages, request.as_bytes(), then_close).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
        assert!(code.is_empty() || answer.contains(&format!("\"code\":\"{code}\"")), "{name}: {answer}");
    }
    // A body that ends early has nobody to answer; what matters is that nothing is asked and nothing breaks.
    raw(&packages, format!("{json_head}content-length: 10\r\n\r\n{{}}").as_bytes(), true).await;
    let after = post(&mut packages.client(), "/v1/query", &json!({ "collection": "packages", "limit": 1 })).await;
    assert_eq!(after.status, 200);
    packages.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_answers_are_what_the_openapi_document_says() {
    let packages = Packages::start().await;
    let mut client = packages.client();
    let document = json(&client.send(Method::GET, "/openapi.json", Bytes::new()).await.expect("a document"));
    // The schema of what an endpoint sends with a status, references resolved against the whole document.
    let validator = |path: &str, method: &str, status: u16| {
        let responses = &document["paths"][path][method]["responses"];
        let described = responses.get(status.to_string()).or(responses.get("default"));
        let content = &described.unwrap_or_else(|| panic!("{method} {path} does not document {status}"))["content"];
        let (_, content) = content.as_object().and_then(|types| types.iter().next()).expect("a body is documented");
        let mut schema = content["schema"].clone();
        schema["components"] = document["components"].clone();
        jsonschema::validator_for(&schema).expect("a sound schema")
    };
    let full = json!({
        "collection": "packages", "vector": { "like": "gimp" }, "limit": 3,
        "within": { "from": ["libgtk-3-0", "no-such-package"], "edges": ["depends"], "direction": "in", "hops": 2 },
        "expand": { "edges": ["depends"], "hops": 2, "per_item": 3 },
        "include": { "paths": true, "vectors": true },
        "options": { "explain": "analyze" },
    });
    let simple = json!({ "collection": "packages", "limit": 2 });
    let wrong = json!({ "collection": "packages", "limit": "many" });
    let batch = json!({ "queries": [simple, wrong] });
    let cases = [
        ("/v1/query", &full, 200),
        ("/v1/query", &simple, 200),
        ("/v1/query", &wrong, 400),
        ("/v1/query/batch", &batch, 200),
        ("/v1/explain", &simple, 200),
    ];
    for (path, body, status) in cases {
        let response = post(&mut client, path, body).await;
        let answer = json(&response);
        assert_eq!(response.status.as_u16(), status, "{path}: {answer}");
        let errors: Vec<String> =
            validator(path, "post", status).iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{path} {status}: {errors:?} in {answer}");
    }
    let listed = json(&client.send(Method::GET, "/v1/collections", Bytes::new()).await.expect("a list"));
    assert!(validator("/v1/collections", "get", 200).is_valid(&listed), "{listed}");
    packages.stop().await;
}
