//! `forebay bench tiers`: what a hit costs in each tier, and what it costs to ask all of them in vain.
//!
//! Every side is a whole gateway without HTTP. For hits its collection has entries in one tier only, so that each repeat of
//! a query goes there; for misses it has them in all three, and every query is new.

mod sides;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::task::JoinSet;

pub(super) use self::sides::Layered;
use self::sides::{Side, Sides};
use super::{
    BenchError, Corpus, Effort, Figure, Report,
    corpus::incoming,
    timing::{Samples, order, us},
};
use crate::{
    cache::{FarReports, LookupOutcome, Tier},
    principal::Principal,
    request::{Answer, Step},
};

/// Queries that are in the tiers.
const QUERIES: usize = 300;
/// New ones.
const MISSES: usize = 2_000;
/// Rounds; in each every side has its turn, in alternating order.
const ROUNDS: usize = 6;
/// Requests at a time where throughput is measured.
const AT_ONCE: usize = 32;

/// Where far tiers may be.
#[derive(Debug, Clone, Default)]
pub struct TierAddresses {
    /// `redis://host:port`: one server.
    pub redis: Option<String>,
    /// A bucket.
    pub s3: Option<BucketAddress>,
}

/// A bucket of a server that speaks the S3 protocol.
#[derive(Debug, Clone)]
pub struct BucketAddress {
    /// `http://host:port`
    pub endpoint: String,
    /// Its name.
    pub bucket: String,
    /// The access key; else found as the provider's own tools do.
    pub access_key_id: Option<String>,
    /// A file with its secret.
    pub secret_access_key_file: Option<std::path::PathBuf>,
}

/// Latency and throughput of hits from each tier that there is and of misses, and the time that a miss spends asking.
///
/// # Errors
/// When a server does not answer, a query is refused, or an answer does not come from the tier that should have it.
pub fn tiers(corpus: &Corpus, addresses: &TierAddresses, effort: Effort) -> Result<Report, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| BenchError::Io("cannot start", error))?;
    runtime.block_on(async {
        let sides = Sides::open(corpus, addresses).await?;
        let outcome = measured(corpus, &sides, effort).await;
        sides.close().await?;
        outcome
    })
}

async fn measured(corpus: &Corpus, sides: &Sides, effort: Effort) -> Result<Report, BenchError> {
    let (queries, misses) = (effort.of(QUERIES, 20), effort.of(MISSES, 40));
    let bodies: Vec<Bytes> =
        corpus.queries(queries + 2 * misses).iter().map(|query| Bytes::from(query.to_string())).collect();
    let (known, new) = bodies.split_at(queries);
    let mut report = Report::default();
    hits(&mut report, &sides.hits, known, effort).await?;
    self::misses(&mut report, sides, new).await?;
    report.note(format!(
        "{queries} queries, {misses} new ones one after the other and as many {AT_ONCE} at a time; medians and percentiles \
         over {} rounds. In the process, without HTTP. Look-ups had ample time, where a gateway's default would have \
         given up after 5 ms in Redis and 100 ms among objects. Entries of every cost are kept.",
        effort.of(ROUNDS, 1)
    ));
    report.note(format!("There were {}.", sides.names()));
    Ok(report)
}

async fn hits(report: &mut Report, sides: &[Side], bodies: &[Bytes], effort: Effort) -> Result<(), BenchError> {
    let rounds = effort.of(ROUNDS, 1);
    for side in sides {
        for body in bodies {
            ask(side, body).await?;
        }
        side.settle().await;
    }
    let mut latencies = vec![Samples::default(); sides.len()];
    let mut rates = latencies.clone();
    let mut bytes = 0;
    for round in 0..=rounds {
        for index in order(round, sides.len()) {
            let side = &sides[index];
            let mut taken = Samples::default();
            for body in bodies {
                let started = Instant::now();
                let answer = ask(side, body).await?;
                taken.push(us(started.elapsed()));
                side.expect(&answer)?;
                bytes = bytes.max(answer.body.len());
            }
            let rate = throughput(side, bodies).await?;
            // The first round warms up.
            if round > 0 {
                latencies[index].extend(taken.all());
                rates[index].push(rate);
            }
        }
    }
    for (index, side) in sides.iter().enumerate() {
        let name = side.name;
        report.add(Figure::new(format!("tiers/{name}, hit p50"), latencies[index].median(), "us"));
        report.add(Figure::new(format!("tiers/{name}, hit p99"), latencies[index].percentile(0.99), "us"));
        report.add(Figure::new(
            format!("tiers/{name}, hits, {AT_ONCE} at a time"),
            rates[index].median(),
            "requests/s",
        ));
    }
    report.note(format!("The largest answer has {bytes} bytes."));
    Ok(())
}

async fn misses(report: &mut Report, sides: &Sides, bodies: &[Bytes]) -> Result<(), BenchError> {
    let (alone, all) = (&sides.memory_alone, &sides.all);
    let (one_by_one, at_once) = bodies.split_at(bodies.len() / 2);
    let mut asking = [Samples::default(), Samples::default()];
    let mut whole = asking.clone();
    for (index, body) in one_by_one.iter().enumerate() {
        let pair = [alone, all];
        let mut taken = [None, None];
        for which in order(index, pair.len()) {
            let started = Instant::now();
            let answer = ask(pair[which], body).await?;
            let elapsed = started.elapsed();
            let lookup = answer.timing.iter().find(|(step, _)| *step == Step::Lookup).map(|(_, spent)| spent);
            // Some generated queries mean the same.
            let is_new = answer.cache.lookup == LookupOutcome::Miss && is_miss(&answer.far);
            taken[which] = lookup.filter(|_| is_new).map(|lookup| (lookup, elapsed));
        }
        for (which, (lookup, elapsed)) in taken.into_iter().enumerate().filter_map(|(which, at)| Some((which, at?))) {
            asking[which].push(us(lookup));
            whole[which].push(us(elapsed));
        }
    }
    if asking.iter().any(|samples| samples.len() < one_by_one.len() / 4) {
        return Err(BenchError::Other("too few queries were new".into()));
    }
    all.settle().await;
    let [rate_alone, rate] = [throughput(alone, at_once).await?, throughput(all, at_once).await?];
    for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
        let [of_memory, of_all] = [&asking[0], &asking[1]].map(|samples| samples.percentile(share));
        report.add(Figure::new(format!("tiers/miss, asking all tiers {label}"), of_all, "us").against(of_memory));
    }
    for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
        let [of_memory, of_all] = [&whole[0], &whole[1]].map(|samples| samples.percentile(share));
        report.add(Figure::new(format!("tiers/miss, made and stored {label}"), of_all, "us").against(of_memory));
    }
    let name = format!("tiers/misses, {AT_ONCE} at a time");
    report.add(Figure::new(name, rate, "requests/s").against(rate_alone));
    report.note("The baseline of misses is a gateway with memory alone, asked the same queries in turns.");
    Ok(())
}

/// Whether every far tier that was asked had nothing.
fn is_miss(far: &FarReports) -> bool {
    far.iter().flatten().all(|report| report.lookup == LookupOutcome::Miss)
}

async fn ask(side: &Side, body: &Bytes) -> Result<Answer, BenchError> {
    let principal = Arc::new(Principal::local());
    let reply = side.gateway.answer(incoming(&principal, body.clone())).await;
    reply.map_err(|problem| BenchError::Query(problem, String::from_utf8_lossy(body).into_owned()))
}

/// Answers a second.
async fn throughput(side: &Side, bodies: &[Bytes]) -> Result<f64, BenchError> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for worker in 0..AT_ONCE.min(bodies.len()) {
        let mine: Vec<Bytes> = bodies.iter().skip(worker).step_by(AT_ONCE).cloned().collect();
        let side = side.clone();
        tasks.spawn(async move {
            for body in &mine {
                ask(&side, body).await?;
            }
            Ok::<_, BenchError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| BenchError::Other(error.to_string()))??;
    }
    Ok(bodies.len() as f64 / started.elapsed().max(Duration::from_nanos(1)).as_secs_f64())
}

impl Side {
    /// Whether an answer came from where it should have.
    fn expect(&self, answer: &Answer) -> Result<(), BenchError> {
        let reports = std::iter::once(&answer.cache).chain(answer.far.iter().flatten());
        let found = reports.into_iter().find(|report| report.lookup.is_hit()).map(|report| report.tier);
        if found == Some(self.tier) {
            return Ok(());
        }
        let found = found.map_or("nowhere", Tier::as_str);
        Err(BenchError::Other(format!("{}: an answer came from {found}", self.name)))
    }
}
