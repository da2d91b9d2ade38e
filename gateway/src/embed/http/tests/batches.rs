//! Many callers, few requests.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    server::{Say, started, vector_of},
    *,
};
use crate::backend::ErrorKind;

#[tokio::test]
async fn texts_of_many_callers_share_a_request() {
    let server = Server::good().await;
    // Nothing is sent before three texts are there.
    let embedder = openai(HttpEmbedderSettings { max_batch: 3, batch_wait: LONG, ..settings(&server.url) });
    let (a, b) = tokio::join!(embed(&embedder, &["a"]), embed(&embedder, &["b", "c"]));
    assert_eq!(a.unwrap(), [Some(vector_of("a"))]);
    assert_eq!(b.unwrap(), [Some(vector_of("b")), Some(vector_of("c"))]);
    assert_eq!(server.texts(), [["a", "b", "c"]]);
}

#[tokio::test]
async fn texts_that_nobody_joins_are_sent_when_their_wait_is_over() {
    let server = Server::good().await;
    let batch_wait = Duration::from_millis(5);
    let embedder = openai(HttpEmbedderSettings { batch_wait, ..settings(&server.url) });
    let (a, b) = tokio::join!(embed(&embedder, &["a"]), embed(&embedder, &["b"]));
    assert_eq!((a.unwrap().len(), b.unwrap().len()), (1, 1));
    assert_eq!(server.texts(), [["a", "b"]]);
}

#[tokio::test]
async fn a_call_with_more_texts_than_a_request_may_have_is_split() {
    let server = Server::good().await;
    let embedder = openai(HttpEmbedderSettings { max_batch: 2, ..settings(&server.url) });
    let texts = ["a", "b", "c", "d", "e"];
    let vectors = embed(&embedder, &texts).await.unwrap();
    assert_eq!(vectors, texts.map(|text| Some(vector_of(text))));
    assert!(server.texts().iter().all(|texts| texts.len() <= 2), "{:?}", server.texts());
    assert_eq!(embed(&embedder, &[]).await.unwrap(), Vec::<Option<Vec<f32>>>::new());
}

#[tokio::test]
async fn equal_texts_are_sent_once_also_while_they_are_under_way() {
    let server = Server::new(|_, _| Say::Held).await;
    let embedder = openai(settings(&server.url));
    let first = embed(&embedder, &["same", "same"]);
    let later = async {
        server.until_seen(1).await;
        let mut later = Box::pin(embed(&embedder, &["same"]));
        started(&mut later).await;
        server.release(1);
        later.await
    };
    let (first, later) = tokio::join!(first, later);
    assert_eq!(first.unwrap(), vec![Some(vector_of("same")); 2]);
    assert_eq!(later.unwrap(), [Some(vector_of("same"))]);
    assert_eq!(server.texts(), [["same"]]);
    // Nothing is kept: that is the cache's office.
    server.release(1);
    embed(&embedder, &["same"]).await.unwrap();
    assert_eq!(server.texts().len(), 2);
}

#[tokio::test]
async fn a_caller_that_leaves_fails_nobody_else() {
    let server = Server::new(|_, _| Say::Held).await;
    let embedder = openai(HttpEmbedderSettings { max_batch: 2, batch_wait: LONG, ..settings(&server.url) });
    let mut leaves = Box::pin(embed(&embedder, &["a"]));
    started(&mut leaves).await;
    let stays = async {
        server.until_seen(1).await;
        drop(leaves);
        server.release(1);
    };
    let (stayed, ()) = tokio::join!(embed(&embedder, &["b"]), stays);
    assert_eq!(stayed.unwrap(), [Some(vector_of("b"))]);
    assert_eq!(server.texts(), [["a", "b"]]);
}

#[tokio::test]
async fn a_text_that_nobody_waits_for_any_more_is_not_sent() {
    let server = Server::good().await;
    let embedder = openai(HttpEmbedderSettings { max_batch: 2, batch_wait: LONG, ..settings(&server.url) });
    let mut leaves = Box::pin(embed(&embedder, &["a"]));
    started(&mut leaves).await;
    drop(leaves);
    let (b, c) = tokio::join!(embed(&embedder, &["b"]), embed(&embedder, &["c"]));
    assert!(b.is_ok() && c.is_ok());
    assert_eq!(server.texts(), [["b", "c"]]);
}

#[tokio::test]
async fn a_request_ends_with_its_last_caller_and_makes_room() {
    let server = Server::new(|number, _| if number == 0 { Say::Held } else { Say::Vectors }).await;
    let embedder = openai(HttpEmbedderSettings { max_in_flight: 1, ..settings(&server.url) });
    let mut leaves = Box::pin(embed(&embedder, &["a"]));
    started(&mut leaves).await;
    server.until_seen(1).await;
    drop(leaves);
    assert_eq!(embed(&embedder, &["b"]).await.unwrap(), [Some(vector_of("b"))]);
    server.until_left(1).await;
    // The text can be asked for anew.
    assert_eq!(embed(&embedder, &["a"]).await.unwrap(), [Some(vector_of("a"))]);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let server = Server::new(|_, _| Say::Held).await;
    let embedder = openai(HttpEmbedderSettings { max_batch: 1, max_in_flight: 3, ..settings(&server.url) });
    let texts: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let calls = join_all(texts.iter().map(|text| async { embed(&embedder, &[text]).await.map(|mut v| v.pop()) }));
    let release = async {
        for served in 0..20 {
            server.until_seen(20.min(served + 3)).await;
            server.release(1);
        }
    };
    let (vectors, ()) = tokio::join!(calls, release);
    assert!(vectors.iter().zip(&texts).all(|(v, text)| v.as_ref().unwrap() == &Some(Some(vector_of(text)))));
    assert_eq!(server.most_at_once(), 3);
    assert_eq!(server.texts().len(), 20);
}

#[tokio::test]
async fn texts_of_a_higher_class_go_first_where_not_all_can() {
    let server = Server::new(|number, _| if number == 0 { Say::Held } else { Say::Vectors }).await;
    let embedder = openai(HttpEmbedderSettings { max_batch: 1, max_in_flight: 1, ..settings(&server.url) });
    let of = |priority: Priority| CallContext { priority: priority.into(), ..within(LONG) };
    let (low, high) = (of(Priority::Batch), of(Priority::Interactive));
    let calls = async {
        let mut calls = Vec::new();
        for (ctx, text) in [(&low, "first"), (&low, "low"), (&low, "raised"), (&high, "high"), (&high, "raised")] {
            let texts = [text];
            let embedder = &embedder;
            let mut call = Box::pin(async move { embed_for(embedder, ctx, &texts).await });
            started(&mut call).await;
            calls.push(call);
        }
        server.until_seen(1).await;
        server.release(1);
        join_all(calls).await
    };
    assert!(calls.await.iter().all(Result::is_ok));
    assert_eq!(server.texts().concat(), ["first", "raised", "high", "low"]);
}

#[tokio::test]
async fn each_caller_has_a_deadline_of_its_own() {
    let server = Server::new(|_, _| Say::Held).await;
    let embedder = openai(settings(&server.url));
    let hasty = async {
        let error = embed_for(&embedder, &within(Duration::from_millis(20)), &["a"]).await.unwrap_err();
        server.release(1);
        error
    };
    let (hasty, patient) = tokio::join!(hasty, embed(&embedder, &["a"]));
    assert_eq!(hasty.kind, ErrorKind::DeadlineExceeded);
    assert_eq!(patient.unwrap(), [Some(vector_of("a"))]);
    assert_eq!(server.texts(), [["a"]]);
}

#[tokio::test]
async fn a_caller_that_is_cancelled_is_told_so() {
    let server = Server::new(|_, _| Say::Held).await;
    let embedder = openai(settings(&server.url));
    let ctx = within(LONG);
    let cancel = async {
        server.until_seen(1).await;
        ctx.cancelled.cancel();
    };
    let (outcome, ()) = tokio::join!(embed_for(&embedder, &ctx, &["a"]), cancel);
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Cancelled);
    server.until_left(1).await;
    assert_eq!(embed_for(&embedder, &ctx, &["b"]).await.unwrap_err().kind, ErrorKind::Cancelled);
}
