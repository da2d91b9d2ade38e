//! A listener with a double behind it, and a client that writes bytes and reads responses.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Admin, Api, Authenticator, Server, Service, admin::Readiness},
    cache::{
        CacheReport, ETag, FarNow, FarStatistics, Flaw, Groups, L1Statistics, LookupOutcome, Sighted, Sighting, Tier,
        coherence::{Acknowledged, Bump, CoherenceStatistics, Unacknowledged},
    },
    catalog::Catalog,
    config::{Config, Credential, ServerConfig},
    governor::{Level, Limit, LimitSource, MemorySnapshot},
    pool::Registry,
    problem::{Code, Problem},
    request::{Answer, CacheStatistics, Incoming, Inspected, Planning, PlanningSettings, Reply, Step, Timing},
    telemetry::Metrics,
};

/// What the double answers.
pub(super) const BODY: &str = r#"{"items":[],"partial":false,"warnings":[]}"#;

/// A test double of the gateway: it answers every query alike, remembers what it was asked, and does what the body says
/// where the body is one word.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) metrics: Arc<Metrics>,
    pub(super) pools: Arc<Registry>,
    pub(super) planning: Planned,
    pub(super) asked: Mutex<Vec<Incoming>>,
    pub(super) purged: Mutex<Vec<Bump>>,
    /// Queries that wait for a permit of `release`.
    pub(super) waiting: AtomicUsize,
    /// Queries that were dropped while they waited.
    pub(super) dropped: AtomicUsize,
    pub(super) release: Option<Semaphore>,
}

/// Planning without a model.
pub(super) struct Planned(pub(super) Arc<Planning>);

impl Default for Planned {
    fn default() -> Self {
        Self(Arc::new(Planning::new(None, PlanningSettings::default())))
    }
}

struct Waiting<'a>(&'a Scripted, bool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service for Scripted {
    async fn answer(&self, incoming: Incoming) -> Reply {
        self.asked.lock().unwrap().push(incoming.clone());
        match &incoming.body[..] {
            b"wait" => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let mut waiting = Waiting(self, false);
                self.release.as_ref().expect("somebody releases").acquire().await.unwrap().forget();
                waiting.1 = true;
            }
            b"panic" => panic!("a scripted panic"),
            b"overloaded" => {
                let retry_after = Some(Duration::from_secs(7));
                return Err(Problem { retry_after, ..Problem::new(Code::Overloaded, "scripted") });
            }
            b"wrong" => {
                let pointer = Some("/filter/a~1b".to_owned());
                return Err(Problem { pointer, ..Problem::new(Code::UnknownAttribute, "scripted") });
            }
            _ => {}
        }
        let etag = ETag::of(BODY.as_bytes());
        let not_modified = incoming.hints.if_none_match.contains(&etag);
        let mut timing = Timing::default();
        timing.add(Step::Lookup, Duration::from_micros(2));
        Ok(Answer {
            body: if not_modified { Bytes::new() } else { Bytes::from_static(BODY.as_bytes()) },
            etag: Some(etag),
            not_modified,
            age: Duration::from_secs(3),
            cache: CacheReport {
                tier: Tier::L1,
                lookup: LookupOutcome::Hit,
                ttl: Some(57),
                store: None,
                collapsed: false,
            },
            far: [None; 2],
            groups: Groups::from_iter(["packages"]),
            timing,
        })
    }

    async fn batch(&self, incoming: Incoming) -> Result<Bytes, Problem> {
        self.asked.lock().unwrap().push(incoming);
        Ok(Bytes::from_static(b"{\"results\":[]}"))
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::default()
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    async fn purge(&self, what: &Bump) -> Result<Acknowledged, Unacknowledged> {
        self.purged.lock().unwrap().push(what.clone());
        Ok(Acknowledged { bumped: 1, confirmed: 1, lapsed: 0, waited: Duration::ZERO })
    }

    async fn inspect_cache(&self, body: Bytes, tenant: Option<Arc<str>>) -> Result<Inspected, Problem> {
        if &body[..] == b"wrong" {
            return Err(Problem::new(Code::UnknownAttribute, "scripted"));
        }
        let entry = Sighted {
            age: Duration::from_millis(1_500),
            left: Some(Duration::from_millis(500)),
            bytes: BODY.len() as u64,
            cost: Duration::from_micros(2_500),
            groups: Groups::from_iter(["packages".to_owned()].into_iter().chain(tenant.map(|of| of.to_string()))),
        };
        let tiers = vec![
            Sighting { tier: Tier::L1, outcome: Some(LookupOutcome::Miss), entry: None },
            Sighting { tier: Tier::L2, outcome: Some(LookupOutcome::Hit), entry: Some(entry) },
            Sighting { tier: Tier::L3, outcome: None, entry: None },
        ];
        Ok(Inspected { key: [0xab; 32], tiers })
    }

    fn cache_statistics(&self) -> CacheStatistics {
        let mut flaws = [0; Flaw::ALL.len()];
        flaws[Flaw::Checksum as usize] = 4;
        let statistics = FarStatistics { held: Some((9, 80)), written: 7, flaws, ..FarStatistics::default() };
        CacheStatistics {
            l1: L1Statistics { entries: 2, bytes: 300, max_bytes: 1_000 },
            far: vec![FarNow { tier: Tier::L3, is_available: false, statistics }],
            coherence: Some(CoherenceStatistics { is_leased: true, renewals: 5, ..CoherenceStatistics::default() }),
        }
    }

    fn pools(&self) -> &Arc<Registry> {
        &self.pools
    }

    fn planning(&self) -> Arc<Planning> {
        self.planning.0.clone()
    }

    fn memory(&self) -> MemorySnapshot {
        MemorySnapshot {
            level: Level::Shed,
            limit: Some(Limit { bytes: 1_000, source: LimitSource::CgroupMax }),
            usage: 860,
            shed: vec![("body-memo", 10), ("l1", 0)],
            refused: 3,
        }
    }
}

/// A running listener.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) service: Arc<Scripted>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) shutdown: CancellationToken,
    pub(super) run: JoinHandle<usize>,
}

/// Limits that are long enough for everything that a test does not wait for.
pub(super) fn limits() -> ServerConfig {
    ServerConfig {
        listen: loopback(),
        header_timeout_ms: 20_000,
        body_timeout_ms: 20_000,
        idle_timeout_ms: 20_000,
        drain_timeout_ms: 20_000,
        max_body_bytes: 64 << 10,
        max_header_bytes: 4 << 10,
        ..ServerConfig::default()
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

impl World {
    /// The query listener, open to all on loopback.
    pub(super) async fn open(config: &ServerConfig) -> Self {
        Self::with(config, [], Scripted::default()).await
    }

    /// The query listener of a double.
    pub(super) async fn with(
        config: &ServerConfig,
        credentials: impl IntoIterator<Item = Credential>,
        scripted: Scripted,
    ) -> Self {
        let server = Server::bind(loopback(), config).await.unwrap();
        let (address, service) = (server.local_addr(), Arc::new(scripted));
        let api = Api::new(service.clone(), Authenticator::new(credentials), config);
        let shutdown = CancellationToken::new();
        let run = tokio::spawn(server.run(Arc::new(api), shutdown.clone()));
        Self { address, service, readiness: Arc::default(), shutdown, run }
    }

    /// The admin listener of a double.
    pub(super) async fn admin() -> Self {
        let config = Config { server: limits(), ..Config::default() };
        let server = Server::bind(loopback(), &config.server).await.unwrap();
        let (address, service, readiness) = (server.local_addr(), Arc::<Scripted>::default(), Arc::default());
        let admin = Admin::new(service.clone(), Arc::clone(&readiness), config);
        let shutdown = CancellationToken::new();
        let run = tokio::spawn(server.run(Arc::new(admin), shutdown.clone()));
        Self { address, service, readiness, shutdown, run }
    }

    pub(super) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// One request over its own connection.
    pub(super) async fn ask(&self, request: impl AsRef<[u8]>) -> Response {
        let mut client = self.connect().await;
        client.send(request).await;
        client.response().await.expect("a response")
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, holds: impl Fn(&Scripted) -> bool) {
        tokio::time::timeout(Duration::from_secs(20), async {
            while !holds(&self.service) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
        .expect("it comes to hold");
    }
}

/// A query with this body and these further header lines.
pub(super) fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A client that sees every byte.
pub(super) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A response as it came.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// That it is a problem of this code, told completely.
    #[track_caller]
    pub(super) fn assert_problem(&self, code: Code) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code.as_str(), "{self:?}");
        assert_eq!((self.status, problem["status"].as_u64()), (code.status(), Some(code.status().into())), "{self:?}");
        assert_eq!(problem["type"], format!("/errors/{}", code.as_str()));
        assert_eq!(problem["retryable"], code.retryable());
        assert_eq!(problem["request_id"].as_str(), self.header("forebay-request-id"), "{self:?}");
    }
}

impl Client {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends as long as the other side takes it.
    pub(super) async fn send_if_taken(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Says that nothing more will be sent.
    pub(super) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next response, or `None` where the connection ends before one.
    pub(super) async fn response(&mut self) -> Option<Response> {
        let reading = tokio::time::timeout(Duration::from_secs(20), self.read_response(true));
        reading.await.expect("an answer or an end within a long time")
    }

    /// The next response, which has a length and no body.
    pub(super) async fn response_to_head(&mut self) -> Option<Response> {
        self.read_response(false).await
    }

    async fn read_response(&mut self, with_body: bool) -> Option<Response> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        self.read.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .iter()
            .filter(|_| with_body)
            .find(|(name, _)| name == "content-length")
            .map_or(0, |(_, n)| n.parse().unwrap());
        while self.read.len() < length {
            self.more().await?;
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Response { status, headers, body })
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.read).await;
        matches!(read, Ok(n) if n > 0).then_some(())
    }
}
