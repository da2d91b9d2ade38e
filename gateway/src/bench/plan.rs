//! `forebay bench plan`: what planning costs, and what each plan takes.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    BenchError, Corpus, Effort, Figure, Goal, Report,
    corpus::{self, incoming},
    stores::patient,
    timing::{Samples, order, q_error, us},
};
use crate::{
    backend::ReachRequest,
    cache::KeyBuilder,
    catalog::Collection,
    planner::{Down, Experience, Input, Models, PlanKind, Planner, Probe, Waits, models::Origin},
    principal::Principal,
    problem::Code,
    query::{Anchors, Query, parse, read_json},
    request::{Gateway, Step},
};

/// Queries: those that came with the data, and generated ones.
const QUERIES: usize = 600;
/// Rounds; each runs every query under every plan once, in another order.
const ROUNDS: usize = 6;
/// Rounds of planning alone.
const PLANNING_ROUNDS: usize = 20;
/// Most microseconds that planning may take at the 99th percentile.
const PLANNING_GOAL_US: f64 = 25.0;

/// Planning alone, the plan step of whole queries, and the latency of every plan that applies against the one chosen.
///
/// # Errors
/// When a store fails or the gateway refuses a query for another reason than that a plan does not apply.
pub fn plan(corpus: &Corpus, model: Option<&Path>, effort: Effort) -> Result<Report, BenchError> {
    let gateway = corpus.gateway()?;
    let bodies = corpus.queries(effort.of(QUERIES, 40));
    let rounds = effort.of(ROUNDS, 1);
    let mut report = Report::default();
    let (models, experience) = (Arc::new(Models::default()), Arc::new(Experience::default()));
    let rounds_of_planning = effort.of(PLANNING_ROUNDS, 1);
    planning(corpus, &gateway, &bodies, rounds_of_planning, &models, "planning", &mut report)?;
    if let Some(path) = model {
        let file = std::fs::read(path).map_err(|error| BenchError::Model(path.to_owned(), error.to_string()))?;
        let placed = models.promote(&file, Origin::File, &experience);
        placed.map_err(|refused| BenchError::Model(path.to_owned(), refused.to_string()))?;
        planning(corpus, &gateway, &bodies, rounds_of_planning, &models, "planning with a model", &mut report)?;
    }
    corpus::runtime()?.block_on(latencies(&gateway, &bodies, rounds, &mut report))?;
    report.note(format!(
        "{} queries, {} of them recorded with the data; {rounds} rounds, medians per query; one thread, embedded stores, \
         whole answers through the gateway without HTTP. Plans are forced by `options.plan` with the cache bypassed; \
         cached-partial finds the stages that the same query left with another `limit`.",
        bodies.len(),
        corpus.recorded.len().min(bodies.len())
    ));
    Ok(report)
}

/// From statistics and a parsed query to a priced choice; nothing remembered, then all remembered.
fn planning(
    corpus: &Corpus,
    gateway: &Gateway,
    bodies: &[Value],
    rounds: usize,
    models: &Arc<Models>,
    what: &str,
    report: &mut Report,
) -> Result<(), BenchError> {
    let catalog = gateway.catalog();
    let collection = catalog.get(&corpus.schema.name).expect("the gateway was made for it");
    let mut queries = Vec::new();
    for body in bodies {
        let query = parse_query(collection, body)?;
        // The seeds of a nearest-anchors query are found before planning, so there is no request to plan for yet.
        let request = match &query.within {
            Some(within) => match &within.from {
                Anchors::Nearest { .. } => continue,
                Anchors::Nodes(anchors) => Some(ReachRequest {
                    anchors: anchors.clone(),
                    walk: within.walk.clone(),
                    include_anchors: within.include_anchors,
                    scope: None,
                }),
            },
            None => None,
        };
        let reached = match (&request, &collection.graph) {
            (Some(request), Some(graph)) => {
                Some(corpus::runtime()?.block_on(graph.reach(&patient(), request))?.ids.len())
            }
            _ => None,
        };
        queries.push((query, request.zip(reached.map(|reached| reached as f64))));
    }
    let planner = Planner::with(models.clone(), Arc::default());
    let mut learnt = 0_usize;
    let (mut fresh, mut remembered) = (Samples::default(), Samples::default());
    let vectors = collection.entities.statistics();
    let graph = collection.graph.as_ref().map(|graph| (graph.statistics(), graph.capabilities()));
    let mut misjudged = Samples::default();
    for round in 0..=rounds {
        for (number, (query, request)) in queries.iter().enumerate() {
            let space = query.vector.as_ref().map(|clause| usize::from(clause.space));
            let key = KeyBuilder::new("bench").part(&round.to_le_bytes()).part(&number.to_le_bytes()).finish();
            let input = Input {
                query,
                schema: &corpus.schema,
                filter: &query.filter,
                dimensions: space.map_or(0, |space| collection.schema.vectors[space].dimensions),
                usable: space.map_or(vectors.rows, |space| vectors.usable[space]),
                ann: None,
                request: request.as_ref().map(|(request, _)| request),
                vectors: &vectors,
                graph: graph.as_ref().map(|(statistics, _)| &**statistics),
                max_check: graph.as_ref().map_or(0, |(_, capabilities)| capabilities.max_check),
                joined: collection.entities.rank_reached().is_some(),
                probe: Probe::default(),
                keeps: true,
                down: Down::default(),
                waits: Waits::default(),
                forced: None,
                left: Duration::MAX,
                true_reach: None,
                key,
            };
            for samples in [&mut fresh, &mut remembered] {
                let started = Instant::now();
                let planned = planner.plan(&input);
                let spent = us(started.elapsed());
                let planned = std::hint::black_box(planned);
                learnt += planned.iter().filter(|planned| planned.candidate().q95_us.is_some()).count();
                if let (0, Ok(planned), Some((_, reached))) = (round, planned, request) {
                    misjudged.push(q_error(planned.estimates.reach, *reached));
                }
                // The first round warms up.
                if round > 0 {
                    samples.push(spent);
                }
            }
        }
    }
    if models.current().model.is_none() {
        for (percentile, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let name = format!("plan/estimate of the reach over the truth or the other way, {percentile}");
            report.add(Figure::new(name, misjudged.percentile(share), "ratio"));
        }
    } else {
        let decisions = 2 * (rounds + 1) * queries.len();
        report.note(format!("With the model {learnt} of {decisions} decisions went by what it predicts."));
    }
    report.add(Figure::new(format!("plan/{what}, new query, p50"), fresh.median(), "us"));
    report.add(
        Figure::new(format!("plan/{what}, new query, p99"), fresh.percentile(0.99), "us")
            .goal(Goal::AtMost(PLANNING_GOAL_US)),
    );
    report.add(Figure::new(format!("plan/{what}, exact repeat, p50"), remembered.median(), "us"));
    report.add(Figure::new(format!("plan/{what}, exact repeat, p99"), remembered.percentile(0.99), "us"));
    Ok(())
}

/// What a query was run under: the planner's choice, or one kind.
const SIDES: usize = 1 + PlanKind::ALL.len();

/// Latency under every plan that applies, and what the planner's choices make of it.
async fn latencies(gateway: &Gateway, bodies: &[Value], rounds: usize, report: &mut Report) -> Result<(), BenchError> {
    let principal = Arc::new(Principal::local());
    // By query, then by side.
    let mut times: Vec<[Samples; SIDES]> = bodies.iter().map(|_| Default::default()).collect();
    let mut chosen: BTreeMap<PlanKind, usize> = BTreeMap::new();
    let mut plan_steps = Samples::default();
    for body in bodies {
        if let Some(kind) = picked(gateway, &principal, body).await? {
            *chosen.entry(kind).or_default() += 1;
        }
    }
    for round in 0..=rounds {
        for (body, times) in bodies.iter().zip(&mut times) {
            for side in order(round, SIDES) {
                let kind = side.checked_sub(1).map(|index| PlanKind::ALL[index]);
                if kind == Some(PlanKind::CachedPartial) {
                    warm(gateway, &principal, body).await?;
                }
                let Some(run) = run(gateway, &principal, body, kind).await? else { continue };
                if kind == Some(PlanKind::CachedPartial) {
                    gateway.tiers().l1().clear();
                }
                // The first round warms up.
                if round == 0 {
                    continue;
                }
                times[side].push(run.us);
                if kind.is_none() {
                    plan_steps.extend(run.plan_step_us);
                }
            }
        }
    }
    report.add(Figure::new("plan/plan step with seeds and query vector, p50", plan_steps.median(), "us"));
    report.add(Figure::new("plan/plan step with seeds and query vector, p99", plan_steps.percentile(0.99), "us"));

    for (index, kind) in PlanKind::ALL.into_iter().enumerate() {
        // Held against the planner's choice on the same queries.
        let applicable: Vec<_> = times.iter().filter(|times| times[index + 1].len() > 0).collect();
        let of: Samples = applicable.iter().map(|times| times[index + 1].median()).collect();
        let own: Samples = applicable.iter().map(|times| times[0].median()).collect();
        let name = kind.as_str();
        let times_picked = chosen.get(&kind).copied().unwrap_or(0);
        report.note(format!("{name}: applies to {} queries, picked for {times_picked}.", of.len()));
        if of.len() == 0 {
            continue;
        }
        report.add(Figure::new(format!("plan/{name}, p50"), of.median(), "us").against(own.median()));
        report.add(Figure::new(format!("plan/{name}, p99"), of.percentile(0.99), "us").against(own.percentile(0.99)));
    }
    let own: Samples = times.iter().map(|times| times[0].median()).collect();
    report.add(Figure::new("plan/chosen plan, p50", own.median(), "us"));
    report.add(Figure::new("plan/chosen plan, p99", own.percentile(0.99), "us"));
    // Where there is something to choose: the choice over the best of the plans that need no cache.
    let regret: Samples = times
        .iter()
        .filter_map(|times| {
            let rivals = times[1..SIDES - 1].iter().filter(|samples| samples.len() > 0);
            let medians: Vec<f64> = rivals.map(Samples::median).collect();
            let best = medians.iter().copied().min_by(f64::total_cmp)?;
            (medians.len() > 1).then(|| (times[0].median() / best).max(1.0))
        })
        .collect();
    report.add(Figure::new("plan/regret, geometric mean", regret.geometric_mean(), "ratio"));
    report.add(Figure::new("plan/regret, p99", regret.percentile(0.99), "ratio"));
    Ok(())
}

/// One answered query.
struct Run {
    us: f64,
    plan_step_us: Option<f64>,
}

/// Runs a query under a plan; `None` where the plan does not apply.
async fn run(
    gateway: &Gateway,
    principal: &Arc<Principal>,
    body: &Value,
    kind: Option<PlanKind>,
) -> Result<Option<Run>, BenchError> {
    let mut body = body.clone();
    body["options"] = match kind {
        None => json!({ "cache": "bypass" }),
        // It lives on what the cache holds; a forced plan is never answered from a stored answer.
        Some(PlanKind::CachedPartial) => json!({ "plan": "cached-partial" }),
        Some(kind) => json!({ "plan": kind.as_str(), "cache": "bypass" }),
    };
    let bytes = Bytes::from(body.to_string());
    let started = Instant::now();
    let reply = gateway.answer(incoming(principal, bytes)).await;
    let spent = us(started.elapsed());
    match reply {
        Ok(answer) => {
            let plan_step = answer.timing.iter().find(|(step, _)| *step == Step::Plan);
            Ok(Some(Run { us: spent, plan_step_us: plan_step.map(|(_, time)| us(time)) }))
        }
        Err(problem) if problem.code == Code::PlanNotApplicable => Ok(None),
        Err(problem) => Err(BenchError::Query(problem, body.to_string())),
    }
}

/// The plan that the planner picks when the cache holds nothing.
async fn picked(gateway: &Gateway, principal: &Arc<Principal>, body: &Value) -> Result<Option<PlanKind>, BenchError> {
    let mut body = body.clone();
    body["options"] = json!({ "explain": "plan", "cache": "bypass" });
    match gateway.answer(incoming(principal, Bytes::from(body.to_string()))).await {
        Ok(answer) => {
            let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            Ok(answer["plan"]["chosen"].as_str().and_then(PlanKind::parse))
        }
        Err(problem) => Err(BenchError::Query(problem, body.to_string())),
    }
}

/// Leaves the stages of a query in the cache by asking for another number of items.
async fn warm(gateway: &Gateway, principal: &Arc<Principal>, body: &Value) -> Result<(), BenchError> {
    let mut other = body.clone();
    let limit = body["limit"].as_u64().unwrap_or(10);
    other["limit"] = json!(if limit > 1 { limit - 1 } else { 2 });
    gateway.tiers().l1().clear();
    match gateway.answer(incoming(principal, Bytes::from(other.to_string()))).await {
        Ok(_) => Ok(()),
        Err(problem) => Err(BenchError::Query(problem, other.to_string())),
    }
}

fn parse_query(collection: &Collection, body: &Value) -> Result<Query, BenchError> {
    let text = body.to_string();
    let json = read_json(text.as_bytes(), Default::default())
        .map_err(|error| BenchError::Query(error.into(), text.clone()))?;
    Ok(parse(&json, &collection.schema).map_err(|error| BenchError::Query(error.into(), text.clone()))?.query)
}
