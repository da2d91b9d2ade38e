//! What a server answers, and what is made of it.

use serde_json::json;

use super::{
    server::{Say, Seen, vector_of},
    *,
};
use crate::{backend::ErrorKind, embed::http::ApiKey};

/// A text that no error may show.
const SECRET: &str = "what nobody else may read";

#[tokio::test]
async fn both_protocols_are_spoken() {
    let server = Server::good().await;
    let expected = [Some(vector_of("a")), Some(vector_of("b"))];
    let mut with = HttpEmbedderSettings { url: format!("{}/base/", server.url), ..settings(&server.url) };
    assert_eq!(embed(&openai(with.clone()), &["a", "b"]).await.unwrap(), expected);
    with.url.clone_from(&server.url);
    with.send_dimensions = true;
    let ollama = HttpEmbedder::new(Protocol::Ollama, with).unwrap();
    assert_eq!(embed(&ollama, &["a", "b"]).await.unwrap(), expected);

    let seen = server.seen();
    let openai = json!({ "model": "test", "input": ["a", "b"], "encoding_format": "float" });
    let ollama = json!({ "model": "test", "input": ["a", "b"], "truncate": false, "dimensions": 4 });
    assert_eq!((&*seen[0].path, &seen[0].body), ("/base/v1/embeddings", &openai));
    assert_eq!((&*seen[1].path, &seen[1].body), ("/api/embed", &ollama));
    assert_eq!(seen[0].authorization, None);
}

#[tokio::test]
async fn vectors_in_another_order_or_in_base64_are_understood() {
    for reply in [|| Say::Reordered, || Say::Base64] {
        let server = Server::new(move |_, _| reply()).await;
        let vectors = embed(&openai(settings(&server.url)), &["a", "b", "c"]).await.unwrap();
        assert_eq!(vectors, ["a", "b", "c"].map(|text| Some(vector_of(text))));
    }
}

#[tokio::test]
async fn vectors_are_scaled_where_that_is_configured_and_zero_is_none() {
    let server = Server::embedding(
        |_, _| Say::Vectors,
        |text| if text == "zero" { vec![0.0; 4] } else { vec![0.0, 3.0, 0.0, -4.0] },
    )
    .await;
    let normalize = openai(HttpEmbedderSettings { normalize: true, ..settings(&server.url) });
    assert_eq!(embed(&normalize, &["a", "zero"]).await.unwrap(), [Some(vec![0.0, 0.6, 0.0, -0.8]), None]);
    let as_is = openai(settings(&server.url));
    assert_eq!(embed(&as_is, &["a", "zero"]).await.unwrap(), [Some(vec![0.0, 3.0, 0.0, -4.0]), None]);
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_is_an_error_that_shows_no_text() {
    let one = |embedding: &str| format!(r#"{{"data":[{{"index":0,"embedding":{embedding}}}]}}"#);
    let table = [
        (one("[1,2,3]"), "vectors of 3 components, and 4 are configured"),
        (one("[1,2,3,null]"), "not a finite number"),
        (one("[1,2,3,1e300]"), "line 1, column"),
        (one("[1,2,3,NaN]"), "line 1, column"),
        (one(&format!("\"{SECRET}\"")), "not what the protocol says"),
        (r#"{"data":[]}"#.into(), "reply to 1 texts has 0 vectors"),
        (r#"{"data":[{"index":7,"embedding":[1,2,3,4]}]}"#.into(), "not numbered from 0"),
        (format!("<html>{SECRET}</html>"), "not what the protocol says"),
        (String::new(), "not what the protocol says"),
        (one(&format!("[1,2,3,4]{}", " ".repeat(1 << 20))), "longer than"),
    ];
    for (body, expected) in table {
        let server = Server::new(move |_, _| Say::Body(body.clone())).await;
        let error = embed(&openai(settings(&server.url)), &[SECRET]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        assert!(error.detail.contains(expected) && !error.detail.contains(SECRET), "{error}");
        assert_eq!(server.texts().len(), 1, "{error}");
    }
}

/// Rejects requests with a text that begins with "long", as servers do: as a whole.
fn rejects_long(_: usize, seen: &Seen) -> Say {
    if seen.texts.iter().any(|text| text.starts_with("long")) {
        Say::Status(400, "", r#"{"error":{"message":"maximum context length exceeded"}}"#.into())
    } else {
        Say::Vectors
    }
}

#[tokio::test]
async fn only_the_text_at_fault_has_no_vector() {
    for faulty in 0..9 {
        let server = Server::new(rejects_long).await;
        let mut texts: Vec<String> = (0..9).map(|n| format!("text {n}")).collect();
        texts[faulty] = "long".into();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = embed(&openai(settings(&server.url)), &texts).await.unwrap();
        for (index, (text, vector)) in texts.iter().zip(&vectors).enumerate() {
            assert_eq!(*vector, (index != faulty).then(|| vector_of(text)), "{faulty}");
        }
        // The whole, a plain word, and two halves for each of at most four times halved.
        assert!(server.texts().len() <= 10, "{:?}", server.texts());
    }
    let server = Server::new(rejects_long).await;
    let embedder = openai(settings(&server.url));
    let (alone, both) = tokio::join!(embed(&embedder, &["fine"]), embed(&embedder, &["long a", "long b"]));
    assert_eq!((alone.unwrap(), both.unwrap()), (vec![Some(vector_of("fine"))], vec![None, None]));
}

#[tokio::test]
async fn a_server_that_rejects_every_text_is_at_fault_itself() {
    let said = format!("this model does not support embeddings {}", "x".repeat(1_000));
    let body = json!({ "error": { "message": said } }).to_string();
    let server = Server::new(move |_, _| Say::Status(400, "", body.clone())).await;
    let error = embed(&openai(settings(&server.url)), &["first text", "second text", "third text"]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.detail.contains("400 Bad Request (this model does not support embeddings"), "{error}");
    assert!(error.detail.len() < 400, "{error}");
    // Not one request a text.
    assert_eq!(server.texts().len(), 2);
}

#[tokio::test]
async fn neither_a_text_nor_the_key_comes_back_in_an_error() {
    let echo = |_: usize, seen: &Seen| {
        let said = format!("cannot embed {:?} for {:?}", seen.texts, seen.authorization);
        Say::Status(500, "", json!({ "error": said }).to_string())
    };
    let server = Server::new(echo).await;
    let with = HttpEmbedderSettings { api_key: Some(ApiKey::new("hunter2\n")), ..settings(&server.url) };
    assert!(!format!("{with:?}").contains("hunter2"));
    let error = embed(&openai(with), &[SECRET]).await.unwrap_err();
    assert_eq!(server.seen()[0].authorization.as_deref(), Some("Bearer hunter2"));
    assert!(!error.detail.contains(SECRET) && !error.detail.contains("hunter2"), "{error}");
    assert!(error.detail.contains("500"), "{error}");
}

#[tokio::test]
async fn a_probe_says_whether_the_server_makes_what_is_configured() {
    let server = Server::good().await;
    openai(settings(&server.url)).probe(&within(LONG)).await.unwrap();
    let other = openai(HttpEmbedderSettings { dimensions: 384, ..settings(&server.url) });
    let error = other.probe(&within(LONG)).await.unwrap_err();
    assert!(error.detail.contains("vectors of 4 components, and 384 are configured"), "{error}");
    let held = Server::new(|_, _| Say::Held).await;
    let error = openai(settings(&held.url)).probe(&within(Duration::from_millis(20))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    let zero = Server::embedding(|_, _| Say::Vectors, |_| vec![0.0; 4]).await;
    assert_eq!(openai(settings(&zero.url)).probe(&within(LONG)).await.unwrap_err().kind, ErrorKind::Failed);
}

#[test]
fn the_version_tells_whatever_the_vectors_depend_on() {
    let base = settings("http://127.0.0.1:1");
    let version = |settings: &HttpEmbedderSettings, protocol| {
        HttpEmbedder::new(protocol, settings.clone()).unwrap().version().to_string()
    };
    let mut versions = vec![
        version(&base, Protocol::OpenAi),
        version(&base, Protocol::Ollama),
        version(&HttpEmbedderSettings { model: "other".into(), ..base.clone() }, Protocol::OpenAi),
        version(&HttpEmbedderSettings { model: "test\" \"2".into(), ..base.clone() }, Protocol::OpenAi),
        version(&HttpEmbedderSettings { model_version: Some("2".into()), ..base.clone() }, Protocol::OpenAi),
        version(&HttpEmbedderSettings { normalize: true, ..base.clone() }, Protocol::OpenAi),
        version(&HttpEmbedderSettings { dimensions: 5, ..base.clone() }, Protocol::OpenAi),
        version(&HttpEmbedderSettings { send_dimensions: true, ..base.clone() }, Protocol::OpenAi),
    ];
    let count = versions.len();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), count, "{versions:?}");
    let elsewhere = HttpEmbedderSettings { url: "http://other".into(), max_batch: 1, ..base.clone() };
    assert_eq!(version(&elsewhere, Protocol::OpenAi), version(&base, Protocol::OpenAi));
}
