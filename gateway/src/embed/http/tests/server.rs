//! An embedding server for tests: real sockets, made-up vectors, and whatever fault a test asks for.

use std::{
    future::poll_fn,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};

/// Components of the made-up vectors.
pub(super) const DIMENSIONS: usize = 4;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    pub(super) body: Value,
    pub(super) texts: Vec<String>,
}

/// What a server does with a request.
pub(super) enum Say {
    /// Sends the vectors in the form of the path that was asked.
    Vectors,
    /// Waits until the test releases it, then sends the vectors.
    Held,
    /// Sends the vectors, the last first.
    Reordered,
    /// Sends the vectors in base64.
    Base64,
    /// Closes the connection without an answer.
    Hangup,
    /// A status, a `Retry-After` if it is not empty, a body.
    Status(u16, &'static str, String),
    /// 200 with this body.
    Body(String),
}

type Script = dyn Fn(usize, &Seen) -> Say + Send + Sync;
type Embed = dyn Fn(&str) -> Vec<f32> + Send + Sync;

/// A running server.
pub(super) struct Server {
    pub(super) url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Box<Script>,
    embed: Box<Embed>,
    seen: Mutex<Vec<Seen>>,
    /// Requests under way, and the most that ever were.
    now: AtomicUsize,
    most: AtomicUsize,
    /// Requests that ended without an answer because the client left.
    left: AtomicUsize,
    release: Semaphore,
}

/// The made-up vector of a text: never zero, and another one for another text.
pub(super) fn vector_of(text: &str) -> Vec<f32> {
    blake3::hash(text.as_bytes()).as_bytes()[..DIMENSIONS].iter().map(|byte| f32::from(*byte) + 0.5).collect()
}

impl Server {
    /// A server that always answers well.
    pub(super) async fn good() -> Self {
        Self::new(|_, _| Say::Vectors).await
    }

    /// A server that does what the script says for each request, counted from 0.
    pub(super) async fn new(script: impl Fn(usize, &Seen) -> Say + Send + Sync + 'static) -> Self {
        Self::embedding(script, vector_of).await
    }

    /// A server with vectors of the caller's choice.
    pub(super) async fn embedding(
        script: impl Fn(usize, &Seen) -> Say + Send + Sync + 'static,
        embed: impl Fn(&str) -> Vec<f32> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            script: Box::new(script),
            embed: Box::new(embed),
            seen: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            release: Semaphore::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { url, shared, accepting }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The texts of each request, in the order of the requests.
    pub(super) fn texts(&self) -> Vec<Vec<String>> {
        self.seen().into_iter().map(|seen| seen.texts).collect()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }

    /// Lets held requests go.
    pub(super) fn release(&self, requests: usize) {
        self.shared.release.add_permits(requests);
    }

    /// Waits until so many requests came.
    pub(super) async fn until_seen(&self, requests: usize) {
        self.until(|shared| shared.seen.lock().unwrap().len() >= requests).await;
    }

    /// Waits until the client left so many requests.
    pub(super) async fn until_left(&self, requests: usize) {
        self.until(|shared| shared.left.load(Ordering::SeqCst) >= requests).await;
    }

    async fn until(&self, holds: impl Fn(&Shared) -> bool) {
        let waiting = async {
            while !holds(&self.shared) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(super::LONG, waiting).await.expect("it comes to hold");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| answer(shared.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Counts a request that is under way.
struct Under<'a>(&'a Shared, bool);

impl<'a> Under<'a> {
    fn way(shared: &'a Shared) -> Self {
        let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(now, Ordering::SeqCst);
        Self(shared, false)
    }
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
        self.0.left.fetch_add(usize::from(!self.1), Ordering::SeqCst);
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let mut under = Under::way(&shared);
    let (head, body) = request.into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    let texts = body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let seen = Seen { at: Instant::now(), path: head.uri.path().to_owned(), authorization, body, texts };
    let number = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    let say = (shared.script)(number, &seen);
    if matches!(say, Say::Held) {
        shared.release.acquire().await.unwrap().forget();
    }
    let vectors: Vec<Vec<f32>> = seen.texts.iter().map(|text| (shared.embed)(text)).collect();
    let (status, retry_after, body) = match say {
        Say::Hangup => {
            under.1 = true;
            return Err(io::Error::other("the script says so"));
        }
        Say::Status(status, retry_after, body) => (status, retry_after, body),
        Say::Body(body) => (200, "", body),
        _ if seen.path == "/api/embed" => (200, "", json!({ "model": "m", "embeddings": vectors }).to_string()),
        say => (200, "", openai(&vectors, &say).to_string()),
    };
    let mut response = Response::builder().status(status);
    if !retry_after.is_empty() {
        response = response.header("retry-after", retry_after);
    }
    under.1 = true;
    Ok(response.body(Full::from(body)).unwrap())
}

fn openai(vectors: &[Vec<f32>], say: &Say) -> Value {
    let item = |(index, vector): (usize, &Vec<f32>)| {
        let embedding = match say {
            Say::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            }
            _ => json!(vector),
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let mut data: Vec<Value> = vectors.iter().enumerate().map(item).collect();
    if matches!(say, Say::Reordered) {
        data.reverse();
    }
    json!({ "object": "list", "model": "m", "data": data, "usage": { "prompt_tokens": 1, "total_tokens": 1 } })
}

/// Lets a future make its first steps, up to where it waits.
pub(super) async fn started<F: Future + Unpin>(future: &mut F) {
    poll_fn(|cx| {
        let early = std::pin::Pin::new(&mut *future).poll(cx);
        assert!(early.is_pending(), "it has nothing to wait for");
        Poll::Ready(())
    })
    .await;
}
