//! The memory governor around the real binary: with caches that may hold more than the process may have, and a balloon beside
//! them, it is never killed, stays below its cap, answers rightly, and takes its room back.

#[path = "memory/cap.rs"]
mod cap;
#[path = "../gateway/src/backend/testing_servers.rs"]
mod servers;

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use cap::Cap;
use forebay::cli::client::{Client, Response};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

const BINARY: &str = env!("CARGO_BIN_EXE_forebay");
const MIB: u64 = 1 << 20;

/// Entities, whose vectors point into as many directions.
const ENTITIES: usize = 1_200;

/// Text of each, in bytes.
const TEXT: usize = 4_000;

/// Entities in an ordinary answer.
const PAGE: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn in_a_control_group_a_balloon_costs_cached_answers_and_nothing_else() {
    let bytes = 256 * MIB;
    match Cap::group(bytes) {
        Ok(cap) => balloon(cap, bytes).await,
        Err(reason) => servers::skip(&reason),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_configured_limit_a_balloon_costs_cached_answers_and_nothing_else() {
    balloon(Cap::Configured, 256 * MIB).await;
}

async fn balloon(cap: Cap, bytes: u64) {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path());
    let mut gateway = Gateway::start(&cap, bytes, &file);
    let first = gateway.memory().await;
    assert!(cap.sources().contains(&first["limit_source"].as_str().unwrap()), "{first}");
    let limit = first["limit_bytes"].as_u64().unwrap();
    assert!(limit <= bytes, "{first}");

    // Answers, more than the limit.
    let enough = (limit * 3 / 2) as usize / (PAGE * TEXT);
    gateway.fill(0..enough).await;
    let full = gateway.memory().await;
    let cached = gateway.cached().await;
    assert!(cached > limit / 4, "{cached} bytes in the cache of {limit}: {full}");

    // The balloon: large answers that nobody takes.
    let (mut balloon, mut refused) = (Vec::new(), None);
    while balloon.len() < (limit / 2 / (ENTITIES.min(1_000) * TEXT) as u64) as usize {
        balloon.push(gateway.unread(balloon.len()).await);
        let batch = gateway.query(100_000 + balloon.len(), "batch").await;
        if batch.status == 503 {
            refused = Some(batch);
        }
        // The others are answered.
        gateway.check(balloon.len()).await;
        gateway.check(200_000 + balloon.len()).await;
    }
    gateway.settled().await;
    let beside = gateway.cached().await;
    let pressed = gateway.memory().await;
    assert!(beside < cached / 2, "{beside} of {cached} bytes are left in the cache: {pressed}");
    assert!(pressed["shed_bytes"]["l1"].as_u64().unwrap() > 0, "{pressed}");
    let refused = refused.expect("batch work pauses");
    let problem: Json = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(problem["code"], "memory-short");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(pressed["refused_batch"].as_u64().unwrap() > 0, "{pressed}");

    // It bursts, and all is as before.
    drop(balloon);
    gateway.calm().await;
    assert_eq!(gateway.query(300_000, "batch").await.status, 200);
    gateway.refill(beside, cached).await;

    assert!(gateway.process.try_wait().unwrap().is_none(), "it was never killed");
    let peak = gateway.peak();
    assert!(peak < limit, "{peak} bytes at the most, of {limit}");
    println!("{} MiB of {}: {} cached, {} beside the balloon", peak / MIB, limit / MIB, cached / MIB, beside / MIB);
    drop(gateway);
}

/// Writes a configuration whose cache may hold more than there is, and loads what it names.
fn write(directory: &Path) -> PathBuf {
    let file = directory.join("forebay.toml");
    let text = "[backends.main]\nkind = \"embedded\"\npath = \"data\"\n\
         [cache.l1]\nmax_bytes = 8589934592\nttl_ms = 3600000\n\
         [collections.texts]\nentities.backend = \"main\"\nvectors.default.dimensions = 2\n\
         attributes.text.type = \"text\"\n";
    fs::write(&file, text).unwrap();
    let mut nodes = String::new();
    for index in 0..ENTITIES {
        let (sin, cos) = angle(index as f64).sin_cos();
        let text = format!("{index} ").repeat(TEXT / 5);
        writeln!(nodes, "{}", json!({"id": index.to_string(), "vector": [cos, sin], "text": text})).unwrap();
    }
    let path = directory.join("nodes.jsonl");
    fs::write(&path, nodes).unwrap();
    let mut load = Command::new(BINARY);
    load.args(["load", "texts", "--strict", "--config"]).arg(&file).arg("--nodes").arg(path);
    let output = load.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

fn angle(entity: f64) -> f64 {
    entity * std::f64::consts::TAU / ENTITIES as f64
}

/// Between which two entities a query points: somewhere that no other query does, and nearer to the lower one.
fn direction(query: usize) -> f64 {
    let golden = (query as f64 * 0.618_033_988_749_895).fract();
    (golden * ENTITIES as f64).floor() + 0.05 + 0.4 * (query as f64 / 1_000_000.0)
}

/// A query and how it is asked.
fn body(query: usize, limit: usize, priority: &str) -> Json {
    let (sin, cos) = angle(direction(query)).sin_cos();
    json!({
        "collection": "texts", "vector": {"values": [cos, sin]}, "limit": limit, "select": ["text"],
        "options": {"priority": priority, "deadline_ms": 60_000},
    })
}

/// A running gateway under a cap. It is killed with this value.
struct Gateway {
    process: Child,
    /// The process of the gateway itself, where another one started it.
    pid: u32,
    query: String,
    admin: String,
}

impl Gateway {
    fn start(cap: &Cap, bytes: u64, file: &Path) -> Self {
        let mut command = cap.command(bytes, BINARY);
        command.args(["serve", "--port", "0", "--admin-port", "0", "--config"]).arg(file);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let ready = wait_for(&mut log, "serving");
        // The rest is read so that it never has to wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::stderr()));
        let url = |key: &str| format!("http://{}", ready[key].as_str().unwrap());
        Self { pid: process.id(), process, query: url("query"), admin: url("admin") }
    }

    async fn get(&self, path: &str) -> Json {
        let mut client = Client::new(&self.admin, None).unwrap();
        let response = client.send(Method::GET, path, Default::default()).await.unwrap();
        serde_json::from_slice(&response.body).unwrap()
    }

    async fn memory(&self) -> Json {
        self.get("/memory").await
    }

    async fn cached(&self) -> u64 {
        self.get("/v1/cache").await["tiers"][0]["bytes"].as_u64().unwrap()
    }

    async fn query(&self, query: usize, priority: &str) -> Response {
        ask(&mut Client::new(&self.query, None).unwrap(), query, priority).await
    }

    /// Asks a query and looks at its answer.
    async fn check(&self, query: usize) {
        let response = self.query(query, "normal").await;
        assert_right(query, &response);
    }

    /// Asks many queries over four connections.
    async fn fill(&self, queries: std::ops::Range<usize>) {
        let connection = |first: usize| {
            let queries = queries.clone().skip(first).step_by(4);
            async move {
                let mut client = Client::new(&self.query, None).unwrap();
                for query in queries {
                    assert_right(query, &ask(&mut client, query, "normal").await);
                }
            }
        };
        join_all((0..4).map(connection)).await;
    }

    /// A connection that has asked for as much as one query can give, and takes nothing of it.
    async fn unread(&self, number: usize) -> TcpStream {
        let address = self.query.strip_prefix("http://").unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
        let body = body(400_000 + number, ENTITIES.min(1_000), "normal").to_string();
        let head = format!(
            "POST /v1/query HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        // When it begins to answer the whole answer is there.
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        stream
    }

    /// Waits until what was shed stays the same over some looks.
    async fn settled(&self) {
        let mut last = Json::Null;
        loop {
            let now = self.memory().await["shed_bytes"].clone();
            if now == last {
                return;
            }
            last = now;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn calm(&self) {
        while self.memory().await["state"] != "calm" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks new queries until the cache is nearly as large as it was.
    async fn refill(&self, from: u64, wanted: u64) {
        let mut next = 500_000;
        for _ in 0..100 {
            if self.cached().await > wanted / 10 * 8 {
                return;
            }
            self.fill(next..next + 400).await;
            next += 400;
        }
        let (cached, memory) = (self.cached().await, self.memory().await);
        panic!("{cached} bytes in the cache, {from} beside the balloon, {wanted} before: {memory}");
    }

    /// The most memory that it ever had.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the log up to a message. A log that ends first is a failure.
fn wait_for(log: &mut BufReader<ChildStderr>, message: &str) -> Json {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "no {message:?} in the log: {seen}");
        seen.push_str(&line);
        if let Ok(entry) = serde_json::from_str::<Json>(&line)
            && entry["message"] == message
        {
            return entry;
        }
    }
}

async fn ask(client: &mut Client, query: usize, priority: &str) -> Response {
    let body = body(query, PAGE, priority).to_string();
    client.send(Method::POST, "/v1/query", body.into()).await.expect("the gateway answers")
}

/// Compares an answer with where its query points: the entities on both sides in turn, each with its text.
fn assert_right(query: usize, response: &Response) {
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    let answer: Json = serde_json::from_slice(&response.body).unwrap();
    let below = direction(query).floor() as usize;
    let nearest = (0..PAGE).map(|rank| match rank % 2 {
        0 => below + ENTITIES - rank / 2,
        _ => below + rank / 2 + 1,
    });
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), PAGE);
    for (item, entity) in items.iter().zip(nearest) {
        let id = (entity % ENTITIES).to_string();
        assert_eq!(item["id"], id, "query {query}");
        assert!(item["attributes"]["text"].as_str().unwrap().starts_with(&format!("{id} ")));
    }
}
