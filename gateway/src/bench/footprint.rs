//! `forebay bench footprint`: what a gateway needs before it does anything, and after.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::{BenchError, Effort, Figure, Goal, Report, corpus, timing::Samples};
use crate::cli::client::Client;

/// Starts of which the median is taken.
const STARTS: usize = 5;
/// Longest time until a gateway has to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time in which a gateway comes to rest before its memory is read.
const REST: Duration = Duration::from_millis(500);
/// Most milliseconds until a gateway without data is ready.
const READY_GOAL_MS: f64 = 100.0;
/// Most megabytes that a gateway without data holds.
const IDLE_GOAL_MB: f64 = 30.0;

/// Configurations to serve, and queries over one of them.
pub struct Served {
    /// A configuration file without any collection.
    pub empty: PathBuf,
    /// The collection's name, for the table.
    pub name: String,
    /// A configuration file with data behind it.
    pub config: PathBuf,
    /// Bodies to send.
    pub queries: Vec<Value>,
}

/// Start-up time and resident memory of this very binary as `forebay serve`, without a collection and with one, and the
/// binary's size.
///
/// # Errors
/// When a gateway does not become ready or refuses a query.
pub fn footprint(served: &Served, effort: Effort) -> Result<Report, BenchError> {
    let binary = std::env::current_exe().map_err(|error| BenchError::Io("cannot find this binary", error))?;
    let size = std::fs::metadata(&binary).map_err(|error| BenchError::Io("cannot read this binary", error))?.len();
    let starts = effort.of(STARTS, 1);
    let mut report = Report::default();

    let (ready, memory, _) = measure(&binary, &served.empty, &[], starts)?;
    report.add(Figure::new("footprint/ready, no collection", ready, "ms").goal(Goal::AtMost(READY_GOAL_MS)));
    if let Some(memory) = memory {
        report.add(Figure::new("footprint/memory idle, no collection", memory, "MB").goal(Goal::AtMost(IDLE_GOAL_MB)));
    }
    let name = &served.name;
    let (with_data, idle, after) = measure(&binary, &served.config, &served.queries, starts)?;
    report.add(Figure::new(format!("footprint/ready, {name}"), with_data, "ms"));
    report.add(Figure::new(format!("footprint/opening {name}"), with_data - ready, "ms").goal(Goal::AtMost(1_000.0)));
    if let (Some(idle), Some(after)) = (idle, after) {
        let count = served.queries.len();
        report.add(Figure::new(format!("footprint/memory idle, {name}"), idle, "MB"));
        report.add(Figure::new(format!("footprint/memory after {count} queries, {name}"), after, "MB"));
    } else {
        report.note("Resident memory is read from /proc, which this system does not have.");
    }
    report.add(Figure::new("footprint/binary", size as f64 / 1e6, "MB"));
    report.note(format!(
        "Ready: from the start of the process until /readyz says so, median of {starts} starts. Memory: resident set."
    ));
    Ok(report)
}

/// Milliseconds until ready, megabytes at rest, megabytes after the queries.
type Measured = (f64, Option<f64>, Option<f64>);

fn measure(binary: &Path, config: &Path, queries: &[Value], starts: usize) -> Result<Measured, BenchError> {
    let runtime = corpus::runtime()?;
    let mut ready = Samples::default();
    for _ in 1..starts {
        let mut gateway = Gateway::spawn(binary, config)?;
        ready.push(runtime.block_on(gateway.ready())?.as_secs_f64() * 1e3);
    }
    let mut gateway = Gateway::spawn(binary, config)?;
    ready.push(runtime.block_on(gateway.ready())?.as_secs_f64() * 1e3);
    std::thread::sleep(REST);
    let idle = gateway.resident_mb();
    runtime.block_on(gateway.ask(queries))?;
    std::thread::sleep(REST);
    Ok((ready.median(), idle, gateway.resident_mb()))
}

/// A gateway in a process of its own; it ends when this is dropped.
struct Gateway {
    process: Child,
    started: Instant,
    query: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    fn spawn(binary: &Path, config: &Path) -> Result<Self, BenchError> {
        let (query, admin) = (free_address()?, free_address()?);
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--config")
            .arg(config)
            .env("FOREBAY_SERVER__LISTEN", query.to_string())
            .env("FOREBAY_ADMIN__LISTEN", admin.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let process = command.spawn().map_err(|error| BenchError::Io("cannot start a gateway", error))?;
        Ok(Self { process, started, query, admin })
    }

    /// Time from the start until it is ready.
    async fn ready(&mut self) -> Result<Duration, BenchError> {
        while self.started.elapsed() < PATIENCE {
            let mut client = connect(self.admin)?;
            if let Ok(response) = client.send(Method::GET, "/readyz", Bytes::new()).await
                && response.status.is_success()
            {
                return Ok(self.started.elapsed());
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(BenchError::Other(format!("a gateway ended before it was ready: {status}")));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(BenchError::Other(format!("a gateway was not ready within {} s", PATIENCE.as_secs())))
    }

    async fn ask(&self, queries: &[Value]) -> Result<(), BenchError> {
        let mut client = connect(self.query)?;
        for query in queries {
            let sent = client.send(Method::POST, "/v1/query", Bytes::from(query.to_string())).await;
            let response = sent.map_err(|error| BenchError::Other(error.to_string()))?;
            if !response.status.is_success() {
                return Err(BenchError::Other(format!("a gateway answered {} to {query}", response.status)));
            }
        }
        Ok(())
    }

    /// Resident memory in megabytes, where the system says.
    fn resident_mb(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1_024.0 / 1e6)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on right now.
fn free_address() -> Result<SocketAddr, BenchError> {
    let bound = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).and_then(|listener| listener.local_addr());
    bound.map_err(|error| BenchError::Io("cannot find a free port", error))
}

fn connect(address: SocketAddr) -> Result<Client, BenchError> {
    Client::new(&format!("http://{address}"), None).map_err(|error| BenchError::Other(error.to_string()))
}
