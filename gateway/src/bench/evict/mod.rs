//! `forebay bench evict`: what caches of a small part of all bytes save, by the rule by which they let go of entries.

mod costs;
mod policies;
mod trace;

use std::thread;

use costs::{Item, Queries};
use policies::Rule;
use trace::Trace;

use super::{
    BenchError, Corpus, Effort, Figure, Goal, Report,
    corpus::{self, gateway_over},
    stores::{Scratch, ServerAddresses, measured},
    timing::Samples,
};
use crate::{backend::postgres::PgTogether, load::Progress, request::Gateway};

/// Parts of the bytes that caches have, with the share of backend time that ours should save.
const PARTS: [(f64, f64); 2] = [(0.05, 60.0), (0.20, 74.0)];
/// Points of hit rate that may be lost against the best rule that does not know costs.
const LOST: f64 = 1.0;

/// What became of a trace.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    /// Requests that were answered from the cache, in percent.
    hits: f64,
    /// Of the time that all answers take to make what was saved, in percent.
    saved: f64,
}

/// A long trace through caches of several rules, with costs and sizes measured on embedded stores and, where there are
/// servers, on those.
///
/// # Errors
/// When the gateway refuses a query or a server cannot be reached.
pub fn evict(
    corpus: &Corpus,
    servers: Option<&ServerAddresses>,
    effort: Effort,
    progress: &mut dyn Progress,
) -> Result<Report, BenchError> {
    let queries = Queries::new(corpus, effort);
    if queries.len() == 0 {
        return Err(BenchError::Other("the collection has no entities to ask for".into()));
    }
    let trace = Trace::new(queries.len());
    let mut report = Report::default();
    let runtime = corpus::runtime()?;
    let items = runtime.block_on(queries.ask(&corpus.gateway()?, trace.singles))?;
    drop(runtime);
    replay_all("embedded", &items, queries.len(), &trace, &mut report);
    if let Some(addresses) = servers {
        let of_servers = measured(addresses, &corpus.schema, async |scratch| {
            scratch.load(&corpus.parts, progress).await?;
            let (gateway, name) = on_servers(corpus, scratch).await?;
            let items = queries.ask(&gateway, trace.singles).await?;
            let mut report = Report::default();
            replay_all(name, &items, queries.len(), &trace, &mut report);
            Ok(report)
        })?;
        report.figures.extend(of_servers.figures);
        report.notes.extend(of_servers.notes);
    }
    report.note(format!(
        "{} requests for {} different generated queries: Zipf with exponent {}, two queries change places every {} \
         requests, one of them drawn by popularity; {:.1} % of the requests ask for one of {} more that never come again. \
         The first {} requests do not count.",
        trace.requests.len(),
        queries.len(),
        trace::EXPONENT,
        trace::DRIFT,
        100.0 * trace::ONCE,
        trace.singles,
        trace.warm_up
    ));
    report.note(format!(
        "Costs and sizes were measured on {} queries of {} classes (clauses, hops, order of magnitude of `limit`) through a \
         gateway that bypasses its cache; those of the others are drawn from what was measured in the same class. Whole \
         answers only, nothing expires. A part of the bytes is one of all queries that may come again.",
        queries.measured(),
        queries.classes()
    ));
    Ok(report)
}

/// A gateway over what was put into servers, and what to call it.
async fn on_servers(corpus: &Corpus, scratch: &Scratch) -> Result<(Gateway, &'static str), BenchError> {
    let server = scratch.postgres()?;
    let entities = scratch.entities(&server);
    Ok(match (&corpus.schema.graph, scratch.bolt()?) {
        (None, _) => (gateway_over(corpus, entities, None).await?, "Postgres"),
        (Some(_), Some(bolt)) => {
            (gateway_over(corpus, entities, Some(scratch.graph(&bolt))).await?, "Postgres and Neo4j")
        }
        (Some(_), None) => {
            let edges = scratch.edges(&server);
            let together = PgTogether::new(entities, edges.clone());
            (gateway_over(corpus, together, Some(edges)).await?, "Postgres")
        }
    })
}

/// The trace through a cache of each rule and size. The first `again` items may come again.
fn replay_all(stores: &str, items: &[Item], again: usize, trace: &Trace, report: &mut Report) {
    let bytes: u64 = items[..again].iter().map(|item| item.bytes).sum();
    let mean = bytes / again as u64;
    for (part, goal) in PARTS {
        let capacity = (bytes as f64 * part) as u64;
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            let replay = |rule: &Rule| {
                let rule = *rule;
                scope.spawn(move || replay(rule, items, trace, capacity, mean))
            };
            let running: Vec<_> = Rule::ALL.iter().map(replay).collect();
            running.into_iter().map(|thread| thread.join().expect("a replay does not panic")).collect()
        });
        let without_costs = Rule::ALL
            .iter()
            .zip(&outcomes)
            .filter(|(rule, _)| !matches!(rule, Rule::Ours(_)))
            .map(|(_, outcome)| outcome);
        let best = without_costs.map(|outcome| outcome.hits).fold(0.0, f64::max);
        let place = format!("evict/{stores}, {:.0} % of the bytes", 100.0 * part);
        for (rule, outcome) in Rule::ALL.iter().zip(outcomes) {
            let name = rule.name();
            let saved = Figure::new(format!("{place}, {name}, backend time saved"), outcome.saved, "%");
            let hits = Figure::new(format!("{place}, {name}, hits"), outcome.hits, "%");
            if *rule == Rule::OURS {
                report.add(saved.goal(Goal::AtLeast(goal)));
                report.add(hits.goal(Goal::AtLeast(((best - LOST) * 100.0).round() / 100.0)));
            } else {
                report.add(saved);
                report.add(hits);
            }
        }
    }
    let costs: Samples = items[..again].iter().map(|item| item.us).collect();
    let sizes: Samples = items[..again].iter().map(|item| item.bytes as f64).collect();
    report.note(format!(
        "{stores}: costs p50 {:.0}, p90 {:.0}, p99 {:.0}, most {:.0} us; entries p50 {:.0}, p90 {:.0}, p99 {:.0}, most {:.0} \
         bytes, {:.1} MB in all.",
        costs.median(),
        costs.percentile(0.9),
        costs.percentile(0.99),
        costs.greatest(),
        sizes.median(),
        sizes.percentile(0.9),
        sizes.percentile(0.99),
        sizes.greatest(),
        bytes as f64 / 1e6
    ));
}

fn replay(rule: Rule, items: &[Item], trace: &Trace, capacity: u64, mean: u64) -> Outcome {
    let mut cache = rule.cache(capacity, mean);
    let (mut hits, mut saved, mut all) = (0_u64, 0.0, 0.0);
    for (number, id) in trace.requests.iter().enumerate() {
        let item = items[*id as usize];
        let hit = cache.asked(*id, item);
        if number >= trace.warm_up {
            all += item.us;
            if hit {
                hits += 1;
                saved += item.us;
            }
        }
    }
    let counted = (trace.requests.len() - trace.warm_up) as f64;
    Outcome { hits: 100.0 * hits as f64 / counted, saved: 100.0 * saved / all }
}
