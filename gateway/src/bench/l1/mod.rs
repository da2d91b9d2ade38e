//! `forebay bench l1`: answers from memory against a bare hyper server that sends as many bytes.
//!
//! Both servers run on one thread each, with one client for both; the client has the other cores, so that the server is
//! what is measured. Whoever asks, asks ever different queries.

mod client;
mod servers;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    BenchError, Corpus, Effort, Figure, Goal, Report,
    corpus::{self, incoming},
    timing::{Samples, order},
};
use crate::{principal::Principal, request::Gateway, workload::Generator, workload::WorkloadOptions};
use client::Load;
use servers::Answers;
pub(super) use servers::Running;

/// Different queries.
const QUERIES: usize = 1_024;
/// Bytes of an answer.
const ANSWER_BYTES: usize = 4_096;
/// Connections of the client.
const CONNECTIONS: usize = 32;
/// Rounds; in each both servers have their turn, in alternating order.
const ROUNDS: usize = 8;
/// How long a turn lasts, in milliseconds.
const TURN_MS: usize = 1_500;
/// How many times as fast as the bare server L1 hits should be.
const GOAL: f64 = 0.95;

/// Requests a second and latency of L1 hits and of a bare server, for short bodies (`like`) and for bodies with a
/// vector in them.
///
/// # Errors
/// When a socket fails, the gateway refuses a query, or an answer does not come from L1.
pub fn l1(corpus: &Corpus, effort: Effort) -> Result<Report, BenchError> {
    let (queries, rounds) = (effort.of(QUERIES, 50), effort.of(ROUNDS, 1));
    let turn = Duration::from_millis(effort.of(TURN_MS, 50) as u64);
    let gateway = Arc::new(corpus.gateway()?);
    let runtime = corpus::runtime()?;
    let like = runtime.block_on(bodies(corpus, &gateway, queries, false))?;
    let values = runtime.block_on(bodies(corpus, &gateway, queries, true))?;
    drop(runtime);

    let forebay = Running::forebay(gateway)?;
    let bare = Running::bare(Answers::One(like.sample.clone()))?;
    let all = like.answers.iter().chain(&values.answers).cloned().collect();
    let keyed = Running::bare(Answers::ByBody(Arc::new(all)))?;
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| BenchError::Io("cannot start the client", error))?;
    let mut report = Report::default();
    for (name, workload) in [("like", &like), ("values", &values)] {
        clients.block_on(client::verify(forebay.address(), &workload.bodies))?;
        let sides = [bare.address(), forebay.address(), keyed.address()];
        let mut rates = [Samples::default(), Samples::default(), Samples::default()];
        let mut latencies = rates.clone();
        for round in 0..=rounds {
            for side in order(round, sides.len()) {
                let load =
                    Load { address: sides[side], bodies: &workload.bodies, connections: CONNECTIONS, time: turn };
                let done = clients.block_on(load.run())?;
                // The first round warms up.
                if round > 0 {
                    rates[side].push(done.rate);
                    latencies[side].extend(done.latencies_us);
                }
            }
        }
        let [bare_rate, rate, keyed_rate] = [&rates[0], &rates[1], &rates[2]].map(Samples::median);
        report.add(
            Figure::new(format!("l1/{name}, requests"), rate, "requests/s")
                .against(bare_rate)
                .goal(Goal::RatioAtLeast(GOAL)),
        );
        report.add(
            Figure::new(format!("l1/{name}, a hash table on the bare server"), keyed_rate, "requests/s")
                .against(bare_rate),
        );
        for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
            let [bare, own] = [&latencies[0], &latencies[1]].map(|samples| samples.percentile(share));
            report.add(Figure::new(format!("l1/{name}, latency {label}"), own, "us").against(bare));
        }
        report.note(format!(
            "{name}: {} queries, bodies of {} bytes and answers of {} bytes in the mean, limit {}; requests/s over the \
             rounds {:.0} to {:.0}, bare {:.0} to {:.0}.",
            workload.bodies.len(),
            workload.mean_body,
            workload.mean_answer,
            workload.limit,
            rates[1].least(),
            rates[1].greatest(),
            rates[0].least(),
            rates[0].greatest(),
        ));
    }
    report.note(format!(
        "The baseline is a hyper server that reads the whole body and sends {} bytes of the same content type. Each \
         server has one thread, the client {threads} with {CONNECTIONS} connections; medians over {rounds} alternating \
         rounds of {} ms.",
        like.sample.len(),
        turn.as_millis()
    ));
    Ok(report)
}

/// Queries whose answers have about the wanted size, all of them answered once, so that L1 has them.
struct Workload {
    bodies: Vec<Bytes>,
    /// Bodies with their answers.
    answers: Vec<(Bytes, Bytes)>,
    limit: usize,
    mean_body: usize,
    mean_answer: usize,
    /// The answer whose size is nearest to the wanted.
    sample: Bytes,
}

async fn bodies(corpus: &Corpus, gateway: &Gateway, queries: usize, with_values: bool) -> Result<Workload, BenchError> {
    let principal = Arc::new(Principal::local());
    let ask = |body: Value| {
        let bytes = Bytes::from(body.to_string());
        let principal = &principal;
        async move {
            let reply = gateway.answer(incoming(principal, bytes.clone())).await;
            reply.map(|answer| (bytes, answer.body)).map_err(|problem| BenchError::Query(problem, body.to_string()))
        }
    };
    let vectors = vectors(corpus, queries, with_values)?;
    // All attributes but those that say nothing here; the number of items makes the size.
    let select: Vec<&str> = corpus.schema.attributes.iter().map(|attribute| &*attribute.name).collect();
    let body = |vector: &Value, limit: usize| json!({ "collection": &*corpus.schema.name, "vector": vector, "select": select, "limit": limit });
    let mut limit = 1;
    let most = corpus.schema.limits.max_limit as usize;
    let mut sizes = Samples::default();
    for vector in vectors.iter().take(32) {
        let of = |count: usize| ask(body(vector, count));
        let (few, many) = (of(1).await?.1.len(), of(most.min(33)).await?.1.len());
        // Answers grow by the item.
        sizes.push((many - few) as f64 / (most.min(33) - 1).max(1) as f64);
    }
    if sizes.median() > 0.0 {
        limit = ((ANSWER_BYTES as f64 / sizes.median()).round() as usize).clamp(1, most);
    }
    let (mut answers, mut sample) = (Vec::new(), Bytes::new());
    let (mut body_bytes, mut answer_bytes) = (0, 0);
    for vector in &vectors {
        let (bytes, answer) = ask(body(vector, limit)).await?;
        body_bytes += bytes.len();
        answer_bytes += answer.len();
        if answer.len().abs_diff(ANSWER_BYTES) < sample.len().abs_diff(ANSWER_BYTES) {
            sample = answer.clone();
        }
        answers.push((bytes, answer));
    }
    let count = answers.len();
    let bodies = answers.iter().map(|(body, _)| body.clone()).collect();
    Ok(Workload { bodies, answers, limit, mean_body: body_bytes / count, mean_answer: answer_bytes / count, sample })
}

/// `vector` objects, all different.
fn vectors(corpus: &Corpus, queries: usize, with_values: bool) -> Result<Vec<Value>, BenchError> {
    let wanted = if with_values { "values" } else { "like" };
    let options = WorkloadOptions { drill_downs: 0.0, ..WorkloadOptions::default() };
    let mut seen = std::collections::HashSet::new();
    let found: Vec<Value> = Generator::new(&corpus.schema, &corpus.parts, options)
        .take(64 * queries)
        .filter_map(|query| query.body.get("vector").filter(|vector| vector.get(wanted).is_some()).cloned())
        .filter(|vector| seen.insert(vector.to_string()))
        .take(queries)
        .collect();
    if found.is_empty() {
        return Err(BenchError::Other("the collection has no vectors to ask about".into()));
    }
    Ok(found)
}
