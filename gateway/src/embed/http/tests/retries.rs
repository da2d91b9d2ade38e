//! What is tried again, how often, and when.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    server::{Say, vector_of},
    *,
};
use crate::backend::ErrorKind;

fn busy(status: u16, retry_after: &'static str) -> Say {
    Say::Status(status, retry_after, r#"{"error":{"message":"busy"}}"#.into())
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for status in [429, 502, 503, 504] {
        let server = Server::new(move |number, _| match number {
            0 => busy(status, ""),
            1 => Say::Hangup,
            _ => Say::Vectors,
        })
        .await;
        let vectors = embed(&openai(settings(&server.url)), &["a"]).await.unwrap();
        assert_eq!(vectors, [Some(vector_of("a"))], "{status}");
        assert_eq!(server.texts().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for status in [302, 401, 403, 404, 500, 501] {
        let body = r#"{"error":{"message":"no such model"}}"#;
        let server = Server::new(move |_, _| Say::Status(status, "", body.into())).await;
        let error = embed(&openai(settings(&server.url)), &["a"]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        assert!(error.detail.contains(&status.to_string()), "{error}");
        // What is said about a key may hold parts of it.
        assert_eq!(error.detail.contains("no such model"), !matches!(status, 401 | 403), "{error}");
        assert_eq!(server.texts().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_stays_busy_is_given_up_after_three_requests() {
    let server = Server::new(|_, _| busy(503, "")).await;
    let error = embed(&openai(settings(&server.url)), &["a"]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.detail.contains("503"), "{error}");
    assert_eq!(server.texts().len(), 3);
}

#[tokio::test]
async fn nothing_is_sent_again_before_the_server_wants_it() {
    let server = Server::new(|number, _| if number == 0 { busy(429, "1") } else { Say::Vectors }).await;
    embed(&openai(settings(&server.url)), &["a"]).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_begun_and_passed_on() {
    let server = Server::new(|_, _| busy(503, "300")).await;
    let error = embed(&openai(settings(&server.url)), &["a"]).await.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (ErrorKind::Unavailable, Some(Duration::from_secs(300))));
    assert_eq!(server.texts().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_gets_few_requests_more_than_without_repetitions() {
    let server = Server::new(|_, _| busy(503, "")).await;
    let embedder = openai(HttpEmbedderSettings { max_batch: 1, max_in_flight: 50, ..settings(&server.url) });
    let texts: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let started = Instant::now();
    let errors = join_all(texts.iter().map(|text| async { embed(&embedder, &[text]).await.unwrap_err().kind })).await;
    assert!(errors.iter().all(|kind| *kind == ErrorKind::Unavailable));
    let requests = server.texts().len();
    // A full budget, a fifth of the requests, and what comes back with time.
    let most = 200 + 10 + 40 + started.elapsed().as_secs() as usize / 5 + 1;
    assert!((210..=most).contains(&requests), "{requests}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = embed(&openai(settings(&url)), &["a"]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.detail.contains("cannot be reached: Connection refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_unavailable_and_not_asked_again() {
    let server = Server::new(|_, _| Say::Held).await;
    let timeout = Duration::from_millis(50);
    let error = embed(&openai(HttpEmbedderSettings { timeout, ..settings(&server.url) }), &["a"]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.detail.contains("no answer within 50 ms"), "{error}");
    assert_eq!(server.texts().len(), 1);
}
