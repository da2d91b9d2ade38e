//! Objects on a disk that is full or cannot be written, and in a bucket that is slow, away or refuses: every answer is right,
//! none waits for the store, the counters say what happened, and afterwards all is well again.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use forebay::{cache::l3, config::L3Config};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    faults::{all_right, queries},
    gateway::{Gateway, Reply, until},
    ground::{Ground, Setup, query},
    support::{
        proxy::{Fault, FaultProxy},
        servers,
        small_disk::SmallDisk,
    },
};

/// What the metrics say of entries that could not be written.
const FAILED: &str = r#"forebay_cache_far_write_total{tier="forebay-l3",outcome="failed"}"#;
/// The same of those that were.
const WRITTEN: &str = r#"forebay_cache_far_write_total{tier="forebay-l3",outcome="written"}"#;

/// A slow store is so late. No look-up has half of this time.
const LATE: Duration = Duration::from_secs(5);

/// A gateway with objects behind a memory that keeps nothing for long.
fn with_objects(ground: &Ground, l3: String) -> Setup {
    Setup { l3, more: "[cache.l1]\nttl_ms = 1\n".into(), ..ground.alone() }
}

/// Asks until the answer to one of these comes from an object.
async fn is_kept(gateway: &mut Gateway, body: &Value) -> Reply {
    until("it is an object", async || {
        let reply = gateway.ask(body).await;
        (reply.is_from("l3"), reply)
    })
    .await
}

/// Asks new things until one of them is kept.
async fn is_well(gateway: &mut Gateway) {
    until("objects are written and found again", async || {
        let body = query();
        gateway.ask(&body).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reply = gateway.ask(&body).await;
        (reply.is_from("l3"), reply)
    })
    .await;
}

/// Asks new things until a counter has moved on.
async fn counts(gateway: &mut Gateway, counter: &str, versions: std::ops::RangeInclusive<i64>) {
    let before = gateway.metric(counter).await;
    until(counter, async || {
        all_right(gateway, &queries(), versions.clone()).await;
        let now = gateway.metric(counter).await;
        (now > before, now)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_answers_are_right_purges_count_and_with_room_again_all_is_well() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(disk) = SmallDisk::mount(&ground.objects(), 512) else { return ground.remove().await };
    let setup = with_objects(&ground, ground.l3());
    let file = ground.write(&setup);
    let mut gateway = Gateway::start(&file).await;
    let known = queries();
    all_right(&mut gateway, &known, 1..=1).await;
    is_kept(&mut gateway, &known[0]).await;

    let filler = disk.fill();
    counts(&mut gateway, FAILED, 1..=1).await;
    all_right(&mut gateway, &known, 1..=1).await;
    is_kept(&mut gateway, &known[0]).await;
    ground.set_version(2).await;
    assert_eq!(gateway.purge().await.status, 200, "it needs no room to forget");
    all_right(&mut gateway, &known, 2..=2).await;
    drop(gateway);
    let mut gateway = Gateway::start(&file).await;
    all_right(&mut gateway, &known, 2..=2).await;

    std::fs::remove_file(filler).expect("removed");
    is_well(&mut gateway).await;
    drop(gateway);
    let mut gateway = Gateway::start(&file).await;
    all_right(&mut gateway, &known, 2..=2).await;
    is_well(&mut gateway).await;
    drop(gateway);
    drop(disk);
    ground.remove().await;
}

/// Epochs are shared by Redis, and entries by objects alone.
fn with_epochs_in(redis: &str, setup: Setup) -> Setup {
    Setup { redis: Some(redis.to_owned()), cache: format!("{}tiers = [\"l1\", \"l3\"]\n", setup.cache), ..setup }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_written_is_read() {
    let Some(ground) = Ground::prepare().await else { return };
    let Some(redis) = servers::redis() else { return ground.remove().await };
    let Some(disk) = SmallDisk::mount(&ground.objects(), 4096) else { return ground.remove().await };
    let mut gateway = ground.serve(&with_epochs_in(&redis, with_objects(&ground, ground.l3()))).await;
    let known = queries();
    all_right(&mut gateway, &known, 1..=1).await;
    for body in &known {
        is_kept(&mut gateway, body).await;
    }
    // Not while something is being written.
    until("it is read-only", async || (disk.set_writable(false), ())).await;
    counts(&mut gateway, FAILED, 1..=1).await;
    ground.set_version(2).await;
    for body in &known {
        assert_eq!(is_kept(&mut gateway, body).await.version(), 1, "nobody has said that it changed");
    }
    assert_eq!(gateway.purge().await.status, 200);
    all_right(&mut gateway, &known, 2..=2).await;
    assert!(disk.set_writable(true));
    is_well(&mut gateway).await;
    all_right(&mut gateway, &known, 2..=2).await;
    drop(gateway);
    drop(disk);
    ground.remove().await;
}

/// A folder of the bucket that tests may use, by this endpoint, as configuration and for whoever tidies up.
fn bucket(ground: &Ground, endpoint: &str, budget_ms: u32) -> (String, L3Config) {
    let secret = ground.folder.path().join("s3");
    std::fs::write(&secret, "not really\n").expect("written");
    let config = L3Config {
        url: Some(format!("s3://{}/{}", servers::S3_BUCKET, ground.prefix)),
        endpoint: Some(endpoint.to_owned()),
        region: Some("eu-central-1".into()),
        access_key_id: Some("somebody".into()),
        secret_access_key_file: Some(secret.clone()),
        ..L3Config::default()
    };
    let url = config.url.as_ref().expect("it was just set");
    let lines = format!(
        "url = {url:?}\nendpoint = {endpoint:?}\nregion = \"eu-central-1\"\naccess_key_id = \"somebody\"
         secret_access_key_file = {secret:?}\nmin_cost_ms = 0\nbudget_ms = {budget_ms}"
    );
    (lines, config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_slow_or_away_keeps_nobody_waiting() {
    let Some(server) = servers::s3() else { return };
    let Some(ground) = Ground::prepare().await else { return };
    let proxy = FaultProxy::before(&server).await;
    let (l3, config) = bucket(&ground, &proxy.url, 400);
    let mut gateway = ground.serve(&with_objects(&ground, l3)).await;
    for fault in [Fault::Delay(LATE), Fault::BlackHole, Fault::HalfClose, Fault::Reset, Fault::Refuse] {
        let known = queries();
        all_right(&mut gateway, &known, 1..=1).await;
        is_kept(&mut gateway, &known[0]).await;
        proxy.set(fault);
        let mut words = String::new();
        for body in known.into_iter().chain(queries()) {
            let reply = gateway.ask(&body).await;
            assert_eq!(reply.version(), 1);
            assert!(reply.took < LATE / 2, "{fault:?}: it waited for the store: {:?}, {}", reply.took, reply.cache);
            words += &reply.cache;
        }
        let told = ["too-slow", "failed"].iter().any(|word| words.contains(word)) && words.contains("skipped");
        assert!(told, "{fault:?}: {words}");
        proxy.set(Fault::Pass);
        is_well(&mut gateway).await;
    }
    drop(gateway);
    l3::remove_all(&L3Config { endpoint: Some(server), ..config }).await.expect("the server is well");
    ground.remove().await;
}

/// A server before another one that lets itself be read and nothing else.
struct ReadOnly {
    url: String,
    task: JoinHandle<()>,
}

impl ReadOnly {
    async fn before(server: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build_http();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (client, server) = (client.clone(), server.clone());
                let service = hyper::service::service_fn(move |request| pass(client.clone(), server.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, task }
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Incoming>,
    server: String,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = |status: StatusCode, body: Bytes| {
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        response
    };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        return Ok(answer(StatusCode::FORBIDDEN, body.into()));
    }
    let path = request.uri().path_and_query().expect("a path").clone();
    *request.uri_mut() = format!("{server}{path}").parse().expect("a URL");
    let Ok(response) = client.request(request).await else { return Ok(answer(StatusCode::BAD_GATEWAY, Bytes::new())) };
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let mut answered = answer(head.status, body);
    for name in ["etag", "last-modified", "content-type", "content-range"] {
        if let Some(value) = head.headers.get(name) {
            answered.headers_mut().insert(name, value.clone());
        }
    }
    Ok(answered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_may_only_be_read_is_read_and_one_that_refuses_everything_is_left_alone() {
    let Some(server) = servers::s3() else { return };
    let Some(ground) = Ground::prepare().await else { return };
    let Some(redis) = servers::redis() else { return ground.remove().await };
    let read_only = ReadOnly::before(server.clone()).await;
    let (l3, config) = bucket(&ground, &server, 5_000);
    let shares = |l3: String| with_epochs_in(&redis, with_objects(&ground, l3));
    let (writes, reads) = (shares(l3), shares(bucket(&ground, &read_only.url, 5_000).0));
    let nowhere = shares(bucket(&ground, "http://127.0.0.1:1", 5_000).0);
    let (writes, reads, nowhere) = (ground.serve(&writes), ground.serve(&reads), ground.serve(&nowhere));
    let (mut writer, mut reader, mut lonely) = tokio::join!(writes, reads, nowhere);
    let known = queries();
    all_right(&mut writer, &known, 1..=1).await;
    for body in &known {
        is_kept(&mut writer, body).await;
    }
    ground.set_version(2).await;
    for body in &known {
        assert_eq!(is_kept(&mut reader, body).await.version(), 1, "nobody has said that it changed");
    }
    assert_eq!(writer.purge().await.status, 200);
    all_right(&mut reader, &known, 2..=2).await;
    counts(&mut reader, FAILED, 2..=2).await;
    assert_eq!(reader.metric(WRITTEN).await, 0.0);

    counts(&mut lonely, FAILED, 2..=2).await;
    until("it is left alone", async || {
        let reply = lonely.ask(&query()).await;
        assert_eq!(reply.version(), 2);
        (reply.cache.contains("skipped"), reply)
    })
    .await;
    drop((writer, reader, lonely));
    l3::remove_all(&config).await.expect("the server is well");
    ground.remove().await;
}
