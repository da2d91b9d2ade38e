//! A gateway in a process of its own, and what it says.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use forebay::cli::client::{Client, Response};
use http::Method;
use serde_json::{Value, json};

use crate::support;

/// Longest time for anything to come to hold. Far above what it takes: only what never holds fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `forebay serve`. It is killed with this value.
pub(crate) struct Gateway {
    process: Child,
    pub(crate) url: String,
    admin: String,
    client: Client,
}

/// An answer, or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The members of `Cache-Status`, the nearest to the caller last.
    pub(crate) cache: String,
    pub(crate) etag: Option<String>,
    pub(crate) body: bytes::Bytes,
    pub(crate) took: Duration,
}

impl Reply {
    fn of(response: &Response, took: Duration) -> Self {
        let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            status: response.status.as_u16(),
            cache: header("cache-status").unwrap_or_default(),
            etag: header("etag"),
            body: response.body.clone(),
            took,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// What the data's only changing attribute was when the answer was made. All items agree.
    pub(crate) fn version(&self) -> i64 {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let answer = self.json();
        let items = answer["items"].as_array().expect("items");
        let version = items.first().expect("an item")["attributes"]["version"].as_i64().expect("a version");
        assert!(items.iter().all(|item| item["attributes"]["version"] == version), "{answer}");
        version
    }

    /// Whether a stored answer of this tier was served.
    pub(crate) fn is_from(&self, tier: &str) -> bool {
        self.cache.split(", ").any(|member| member.starts_with(&format!("forebay-{tier}; hit")))
    }

    /// Whether any stored answer was served.
    pub(crate) fn is_stored(&self) -> bool {
        self.cache.contains("; hit")
    }
}

impl Gateway {
    /// Starts one, and waits until it stores what it is asked for: it knows the epochs.
    pub(crate) async fn start(file: &Path) -> Self {
        let mut gateway = Self::begin(file).await;
        until("it stores answers", async || {
            let reply =
                gateway.ask(&json!({ "collection": "things", "limit": 1 , "filter": { "size": fresh() } })).await;
            (reply.cache.contains("forebay-l1; fwd=miss; stored"), reply)
        })
        .await;
        gateway
    }

    /// Starts one, and waits until it answers.
    pub(crate) async fn begin(file: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(["serve", "--port", "0", "--admin-port", "0", "--config"])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut log = BufReader::new(process.stderr.take().expect("it is piped"));
        let mut seen = String::new();
        let ready: Value = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("a line") > 0, "it ended: {seen}");
            seen.push_str(&line);
            match serde_json::from_str::<Value>(&line) {
                Ok(entry) if entry["message"] == "serving" => break entry,
                _ => {}
            }
        };
        // Nobody who writes to a pipe that nobody reads gets far.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let address = |of: &str| format!("http://{}", ready[of].as_str().expect("an address"));
        let (url, admin) = (address("query"), address("admin"));
        let client = Client::new(&url, None).expect("a sound address");
        let mut gateway = Self { process, url, admin, client };
        until("it is ready", async || (gateway.admin(Method::GET, "/readyz", &Value::Null).await.status == 200, ()))
            .await;
        gateway
    }

    /// Asks over its own connection.
    pub(crate) async fn ask(&mut self, body: &Value) -> Reply {
        ask(&mut self.client, body).await
    }

    /// Asks with options.
    pub(crate) async fn ask_with(&mut self, body: &Value, options: Value) -> Reply {
        let mut body = body.clone();
        body["options"] = options;
        self.ask(&body).await
    }

    /// A client with a connection of its own.
    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        Client::new(&self.url, token).expect("a sound address")
    }

    pub(crate) async fn admin(&mut self, method: Method, path: &str, body: &Value) -> Response {
        let mut client = Client::new(&self.admin, None).expect("a sound address");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        client.send(method, path, body.into()).await.expect("the admin listener answers")
    }

    /// Purges a collection; what the gateway says of it.
    pub(crate) async fn purge(&mut self) -> Response {
        self.admin(Method::POST, "/v1/cache/purge", &json!({ "tags": ["things"] })).await
    }

    /// A sum of metrics whose names begin so.
    pub(crate) async fn metric(&mut self, prefix: &str) -> f64 {
        let page = self.admin(Method::GET, "/metrics", &Value::Null).await;
        let text = String::from_utf8(page.body.to_vec()).expect("text");
        let of = |line: &str| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
        text.lines().filter(|line| line.starts_with(prefix)).filter_map(of).sum()
    }

    /// Calls to backends so far.
    pub(crate) async fn calls(&mut self) -> f64 {
        self.metric("forebay_execute_leg_total").await
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, "--", &self.process.id().to_string()]).status();
        assert!(sent.expect("there is `kill`").success());
    }

    /// Lets it end in order.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Asks.
pub(crate) async fn ask(client: &mut Client, body: &Value) -> Reply {
    let began = Instant::now();
    let response = support::post(client, "/v1/query", body).await;
    Reply::of(&response, began.elapsed())
}

/// A number that no other query has.
pub(crate) fn fresh() -> u64 {
    rand::random_range(1 << 40..1 << 50)
}

/// Waits until something holds, and gives what was seen then.
pub(crate) async fn until<T: std::fmt::Debug>(what: &str, mut look: impl AsyncFnMut() -> (bool, T)) -> T {
    let began = Instant::now();
    loop {
        let (holds, seen) = look().await;
        if holds {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: it never came to hold; at last {seen:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
