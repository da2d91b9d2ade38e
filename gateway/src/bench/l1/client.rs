//! The client: some connections that each ask one query after the other.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Method;
use tokio::{sync::Barrier, task::JoinSet};

use super::super::{BenchError, timing::us};
use crate::cli::client::Client;

/// One turn of a server.
pub(super) struct Load<'a> {
    pub(super) address: SocketAddr,
    pub(super) bodies: &'a [Bytes],
    pub(super) connections: usize,
    pub(super) time: Duration,
}

/// What came of it.
pub(super) struct Done {
    /// Requests a second.
    pub(super) rate: f64,
    pub(super) latencies_us: Vec<f64>,
}

impl Load<'_> {
    pub(super) async fn run(&self) -> Result<Done, BenchError> {
        let bodies: Arc<[Bytes]> = self.bodies.into();
        let barrier = Arc::new(Barrier::new(self.connections));
        let mut tasks = JoinSet::new();
        for connection in 0..self.connections {
            let (bodies, barrier, time) = (bodies.clone(), barrier.clone(), self.time);
            // Each connection goes through all queries, from a place of its own.
            let mut next = connection * bodies.len() / self.connections;
            let mut client = connect(self.address)?;
            tasks.spawn(async move {
                ask(&mut client, &bodies[next % bodies.len()]).await?;
                barrier.wait().await;
                let started = Instant::now();
                let mut latencies = Vec::new();
                while started.elapsed() < time {
                    let sent = Instant::now();
                    ask(&mut client, &bodies[next % bodies.len()]).await?;
                    latencies.push(us(sent.elapsed()));
                    next += 1;
                }
                Ok::<_, BenchError>((latencies, started.elapsed()))
            });
        }
        let (mut latencies_us, mut rate) = (Vec::new(), 0.0);
        while let Some(ended) = tasks.join_next().await {
            let (latencies, time) = ended.map_err(|error| BenchError::Other(error.to_string()))??;
            rate += latencies.len() as f64 / time.as_secs_f64();
            latencies_us.extend(latencies);
        }
        Ok(Done { rate, latencies_us })
    }
}

/// Makes sure that every one of these comes from L1.
pub(super) async fn verify(address: SocketAddr, bodies: &[Bytes]) -> Result<(), BenchError> {
    let mut client = connect(address)?;
    for body in bodies {
        let headers = ask(&mut client, body).await?;
        let status = headers.get("cache-status").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !status.contains("hit") {
            return Err(BenchError::Other(format!("an answer did not come from L1: Cache-Status: {status}")));
        }
    }
    Ok(())
}

fn connect(address: SocketAddr) -> Result<Client, BenchError> {
    Client::new(&format!("http://{address}"), None).map_err(|error| BenchError::Other(error.to_string()))
}

async fn ask(client: &mut Client, body: &Bytes) -> Result<http::HeaderMap, BenchError> {
    let response = client
        .send(Method::POST, "/v1/query", body.clone())
        .await
        .map_err(|error| BenchError::Other(error.to_string()))?;
    if response.status.is_success() {
        Ok(response.headers)
    } else {
        Err(BenchError::Other(format!("a server answered {}", response.status)))
    }
}
