//! `forebay bench l1`: answers from memory against a bare hyper server that sends as many bytes.
//!
//! Each server runs on one thread, with one client for all; the client has the other cores, so that the server is what is
//! measured. Whoever asks, asks ever different queries.

mod busy;
mod client;
mod queries;
mod servers;

use std::{sync::Arc, time::Duration};

use super::{
    BenchError, Corpus, Effort, Figure, Goal, Report,
    tiers::Layered,
    timing::{Samples, order, us},
};
use crate::request::Gateway;
use client::Load;
use queries::Workload;
use servers::Answers;
pub(super) use servers::Running;

/// Different queries.
const QUERIES: usize = 1_024;
/// Connections of the client.
const CONNECTIONS: usize = 32;
/// Rounds; in each every server has its turn, in alternating order.
const ROUNDS: usize = 8;
/// How long a turn lasts, in milliseconds.
const TURN_MS: usize = 1_500;
/// How many times as fast as the bare server L1 hits should be.
const GOAL: f64 = 0.95;

/// Requests a second, latency and processor time of L1 hits and of a bare server, for short bodies (`like`) and for bodies
/// with a vector in them. Of a gateway with memory alone, and of one with all tiers: objects in a folder, and the Redis with
/// this URL if there is one.
///
/// # Errors
/// When a socket fails, the gateway refuses a query, or an answer does not come from L1.
pub fn l1(corpus: &Corpus, redis: Option<&str>, effort: Effort) -> Result<Report, BenchError> {
    let (queries, rounds) = (effort.of(QUERIES, 50), effort.of(ROUNDS, 1));
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| BenchError::Io("cannot start the client", error))?;
    let near = Arc::new(corpus.gateway()?);
    let layered = clients.block_on(Layered::open(corpus, redis))?;
    let outcome = clients.block_on(async {
        let like = Workload::new(corpus, &near, queries, false).await?;
        let values = Workload::new(corpus, &near, queries, true).await?;
        for workload in [&like, &values] {
            workload.ask_all(layered.gateway()).await?;
        }
        layered.settle().await;
        let servers = Servers::start([&like, &values], near.clone(), layered.gateway().clone())?;
        let turn = Duration::from_millis(effort.of(TURN_MS, 50) as u64);
        let mut report = Report::default();
        for (name, workload) in [("like", &like), ("values", &values)] {
            servers.compare(&mut report, name, workload, rounds, turn).await?;
        }
        report.note(format!(
            "The baseline is a hyper server that reads the whole body and sends {} bytes of the same content type. Each \
             server has one thread, the client {threads} with {CONNECTIONS} connections; medians over {rounds} alternating \
             rounds of {} ms. All tiers: memory, {}objects in a folder.",
            like.sample.len(),
            turn.as_millis(),
            if redis.is_some() { "a Redis, " } else { "" },
        ));
        Ok(report)
    });
    clients.block_on(layered.close())?;
    outcome
}

/// Everybody who takes part.
struct Servers {
    bare: Running,
    near: Running,
    layered: Running,
    keyed: Running,
}

/// What a server did in all rounds.
#[derive(Default)]
struct Did {
    rates: Samples,
    latencies: Samples,
    /// Microseconds of its thread for each request.
    busy: Samples,
}

impl Servers {
    fn start(workloads: [&Workload; 2], near: Arc<Gateway>, layered: Arc<Gateway>) -> Result<Self, BenchError> {
        let all = workloads.iter().flat_map(|workload| workload.answers.iter().cloned()).collect();
        Ok(Self {
            bare: Running::bare(Answers::One(workloads[0].sample.clone()))?,
            near: Running::forebay(near)?,
            layered: Running::forebay(layered)?,
            keyed: Running::bare(Answers::ByBody(Arc::new(all)))?,
        })
    }

    async fn compare(
        &self,
        report: &mut Report,
        name: &str,
        workload: &Workload,
        rounds: usize,
        turn: Duration,
    ) -> Result<(), BenchError> {
        for gateway in [&self.near, &self.layered] {
            client::verify(gateway.address(), &workload.bodies).await?;
        }
        let sides = [&self.bare, &self.near, &self.layered, &self.keyed];
        let mut did = sides.map(|_| Did::default());
        for round in 0..=rounds {
            for side in order(round, sides.len()) {
                let (server, did) = (sides[side], &mut did[side]);
                let load =
                    Load { address: server.address(), bodies: &workload.bodies, connections: CONNECTIONS, time: turn };
                let before = server.busy();
                let done = load.run().await?;
                // The first round warms up.
                if round > 0 {
                    if let Some(time) = server.busy().zip(before).map(|(after, before)| after - before) {
                        did.busy.push(us(time) / done.latencies_us.len().max(1) as f64);
                    }
                    did.rates.push(done.rate);
                    did.latencies.extend(done.latencies_us);
                }
            }
        }
        let [bare, near, layered, keyed] = &did;
        for (name, own) in [(name.to_owned(), near), (format!("{name}, all tiers"), layered)] {
            report.add(
                Figure::new(format!("l1/{name}, requests"), own.rates.median(), "requests/s")
                    .against(bare.rates.median())
                    .goal(Goal::RatioAtLeast(GOAL)),
            );
        }
        report.add(
            Figure::new(format!("l1/{name}, a hash table on the bare server"), keyed.rates.median(), "requests/s")
                .against(bare.rates.median()),
        );
        for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
            let [bare, own] = [bare, near].map(|did| did.latencies.percentile(share));
            report.add(Figure::new(format!("l1/{name}, latency {label}"), own, "us").against(bare));
        }
        if bare.busy.len() == rounds {
            for (whose, own) in [("", near), (", all tiers", layered), (", a hash table", keyed)] {
                let metric = format!("l1/{name}{whose}, processor time");
                report.add(Figure::new(metric, own.busy.median(), "us/request").against(bare.busy.median()));
            }
        }
        report.note(format!(
            "{name}: {} queries, bodies of {} bytes and answers of {} bytes in the mean, limit {}; requests/s over the \
             rounds {:.0} to {:.0}, bare {:.0} to {:.0}.",
            workload.bodies.len(),
            workload.mean_body,
            workload.mean_answer,
            workload.limit,
            near.rates.least(),
            near.rates.greatest(),
            bare.rates.least(),
            bare.rates.greatest(),
        ));
        Ok(())
    }
}
