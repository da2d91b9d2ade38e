//! A gateway over the packages with an embedder over HTTP: what a client sees, and how often the server is asked.

use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{server::Say, *};
use crate::{
    api::Authenticator,
    assemble::{Listeners, Serving},
    backend::embedded::{Dataset, EmbeddedStore},
    catalog::{Catalog, Collection, CollectionSchema},
    cli::client::Client,
    config::Config,
    demo_data,
    load::Silent,
    request::Gateway,
};

/// A gateway on a port of loopback.
pub(super) struct Running {
    url: String,
    serving: Serving,
}

impl Running {
    /// Serves the packages, embedding texts with this.
    pub(super) async fn start(embedder: Arc<HttpEmbedder>) -> Self {
        static DATA: LazyLock<Arc<Dataset>> = LazyLock::new(|| {
            let (schema, parts, _) = demo_data::packages(&mut Silent).expect("the bundled data is sound");
            Arc::new(Dataset::build(Arc::new(schema), parts).expect("the bundled data is valid"))
        });
        let store = EmbeddedStore::new("packages".into(), DATA.clone());
        let embedding_version = Some(embedder.version().clone());
        let schema = Arc::new(CollectionSchema { embedding_version, ..CollectionSchema::clone(DATA.schema()) });
        let catalog = Catalog::new([Collection::new(schema, store.clone(), Some(store), Some(embedder))]);
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.admin.listen.set_port(0);
        let gateway = Arc::new(Gateway::new(catalog, &config.server, &config.cache, None, Arc::default()));
        let listeners = Listeners::bind(&config).await.expect("free ports of loopback");
        let url = format!("http://{}", listeners.query_address());
        Self { url, serving: listeners.serve(&gateway, Authenticator::new([]), &config) }
    }

    /// What a client gets: status, `Retry-After`, body.
    pub(super) async fn ask(&self, body: &Value) -> (StatusCode, Option<String>, Value) {
        let mut client = Client::new(&self.url, None).expect("a sound address");
        let response = client.send(Method::POST, "/v1/query", Bytes::from(body.to_string())).await.expect("an answer");
        let retry_after = response.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (response.status, retry_after, serde_json::from_slice(&response.body).expect("a body of JSON"))
    }

    pub(super) async fn stop(self) {
        self.serving.drain().await;
    }
}

fn of_text(text: &str, limit: u32) -> Value {
    json!({ "collection": "packages", "vector": { "text": text }, "limit": limit,
            "options": { "deadline_ms": 60_000 } })
}

/// A server whose model is the demo's.
async fn student(script: impl Fn(usize, &super::server::Seen) -> Say + Send + Sync + 'static) -> Server {
    let embed = |text: &str| demo_data::embedder().embed_text(text).unwrap_or_else(|| vec![0.0; 384]);
    Server::embedding(script, embed).await
}

fn over(server: &Server) -> Arc<HttpEmbedder> {
    openai(HttpEmbedderSettings { dimensions: 384, ..settings(&server.url) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_is_embedded_once_for_all_queries_that_name_it() {
    let server = student(|_, _| Say::Held).await;
    let embedder = over(&server);
    let running = Running::start(embedder.clone()).await;
    // At once, and none from the cache: they differ.
    let bodies: Vec<Value> = (1..9).map(|limit| of_text("image editor", limit)).collect();
    let asked = join_all(bodies.iter().map(|body| running.ask(body)));
    let release = async {
        server.until_seen(1).await;
        while embedder.queue.callers() < bodies.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.release(1);
    };
    let (answers, ()) = tokio::join!(asked, release);
    for (limit, (status, _, answer)) in (1..).zip(&answers) {
        assert_eq!((status.as_u16(), answer["items"].as_array().unwrap().len()), (200, limit));
    }
    // Later, other queries of any shape: from the cache.
    for body in [
        of_text("image editor", 20),
        json!({ "collection": "packages", "limit": 3, "filter": { "section": "graphics" },
                "vector": { "combine": [{ "text": "image editor", "weight": 1 }, { "like": "gimp", "weight": 1 }] } }),
    ] {
        assert_eq!(running.ask(&body).await.0, 200);
    }
    assert_eq!(server.texts(), [["image editor"]]);
    // Another text is another matter, and so is a query that wants nothing from the cache.
    server.release(2);
    assert_eq!(running.ask(&of_text("picture editor", 1)).await.0, 200);
    let mut bypass = of_text("image editor", 21);
    bypass["options"]["cache"] = json!("bypass");
    assert_eq!(running.ask(&bypass).await.0, 200);
    assert_eq!(server.texts(), [["image editor"], ["picture editor"], ["image editor"]]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_of_the_vector_itself() {
    let server = student(|_, _| Say::Vectors).await;
    let running = Running::start(over(&server)).await;
    let vector = demo_data::embedder().embed_text("web server").unwrap();
    let by_values = json!({ "collection": "packages", "vector": { "values": vector }, "limit": 10 });
    let (_, _, expected) = running.ask(&by_values).await;
    let (status, _, answer) = running.ask(&of_text("web server", 10)).await;
    assert_eq!((status.as_u16(), &answer["items"]), (200, &expected["items"]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_cannot_be_embedded_is_422_and_names_the_field() {
    let too_long = |_: usize, seen: &super::server::Seen| match seen.texts.iter().any(|text| text.len() > 100) {
        true => Say::Status(400, "", r#"{"error":{"message":"too long"}}"#.into()),
        false => Say::Vectors,
    };
    let server = student(too_long).await;
    let running = Running::start(over(&server)).await;
    // One that the server rejects, and one that it makes a zero vector of.
    for text in ["editor ".repeat(50), "…".into()] {
        let (status, _, problem) = running.ask(&of_text(&text, 1)).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!((&problem["code"], &problem["pointer"]), (&json!("unusable-vector"), &json!("/vector")));
    }
    let combined = json!({ "combine": [{ "text": "…", "weight": 1 }, { "text": "editor", "weight": 1 }] });
    let (status, _, problem) = running.ask(&json!({ "collection": "packages", "vector": combined })).await;
    assert_eq!((status.as_u16(), &problem["pointer"]), (422, &json!("/vector/combine")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_trouble_is_502_503_or_504_and_other_queries_go_on() {
    let script = |number: usize, seen: &super::server::Seen| match number {
        _ if seen.texts == ["web held"] => Say::Held,
        0 => Say::Status(500, "", r#"{"error":"out of memory"}"#.into()),
        1 => Say::Body("{}".into()),
        2 => Say::Status(503, "7200", String::new()),
        _ => Say::Vectors,
    };
    let server = student(script).await;
    let running = Running::start(over(&server)).await;
    for (text, status, code, retry_after, deadline_ms) in [
        ("web server", 502, "backend-failed", None, 60_000),
        ("web server", 502, "backend-failed", None, 60_000),
        ("web server", 503, "backend-unavailable", Some("7200"), 60_000),
        ("web held", 504, "deadline-exceeded", None, 50),
    ] {
        let mut body = of_text(text, 1);
        body["options"]["deadline_ms"] = json!(deadline_ms);
        let (got, after, problem) = running.ask(&body).await;
        assert_eq!((got.as_u16(), after.as_deref()), (status, retry_after), "{problem}");
        assert_eq!((&problem["code"], &problem["retryable"]), (&json!(code), &json!(true)));
        assert!(!problem.to_string().contains("web "), "{problem}");
    }
    let by_id = json!({ "collection": "packages", "vector": { "like": "nginx" }, "limit": 1 });
    assert_eq!(running.ask(&by_id).await.0, 200);
    assert_eq!(running.ask(&of_text("web server", 1)).await.0, 200, "a failure is not remembered");
    running.stop().await;

    let gone = openai(HttpEmbedderSettings { dimensions: 384, ..settings("http://127.0.0.1:9") });
    let running = Running::start(gone).await;
    let (status, retry_after, problem) = running.ask(&of_text("web server", 1)).await;
    assert_eq!((status.as_u16(), retry_after.as_deref()), (503, Some("1")), "{problem}");
    running.stop().await;
}
