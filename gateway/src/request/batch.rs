//! The life of a batch: many queries, each succeeding or failing alone, equal legs run once.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::value::RawValue;

use super::{BatchBody, BatchResult, Incoming, ProblemBody, Reply, gateway::State, life::Life};
use crate::{
    execute::{Began, LegMemo},
    problem::{Code, Problem},
    query::{self, Json, JsonLimits},
    telemetry::Metrics,
};

/// Queries of one batch that run at the same time.
const CONCURRENT: usize = 8;

/// Answers all queries of a batch.
pub(super) async fn answer(state: &Arc<State>, metrics: &Metrics, incoming: &Incoming) -> Result<Bytes, Problem> {
    // A query may be nested as deeply here as alone: the batch adds two levels.
    let limits = JsonLimits { max_depth: JsonLimits::default().max_depth + 2 };
    let json = query::read_json(&incoming.body, limits)?;
    let queries = queries(&json, state.max_batch)?;
    let legs = Arc::new(LegMemo::of_batch(Began { at: Instant::now(), moves: state.tiers.epochs().moves() }));
    // Collected first: a closure over borrowed queries that lives as long as the stream would keep it from being Send.
    let lives: Vec<_> = queries.iter().map(|query| one(state, metrics, incoming, &legs, query)).collect();
    let results = stream::iter(lives).buffered(CONCURRENT).collect().await;
    let body = serde_json::to_vec(&BatchBody { results });
    body.map(Bytes::from).map_err(|error| Problem::new(Code::Internal, format!("the answer has no JSON: {error}")))
}

async fn one(
    state: &Arc<State>,
    metrics: &Metrics,
    incoming: &Incoming,
    legs: &Arc<LegMemo>,
    query: &Json,
) -> BatchResult {
    let mut life = Life::new(state, incoming, legs);
    let reply: Reply = life.of_json(query).await;
    metrics.query_finished(&life.finished(&reply));
    let failed = |problem: &Problem| BatchResult::Failed {
        status: problem.code.status(),
        problem: Box::new(ProblemBody::new(problem, &incoming.request_id)),
    };
    match reply {
        Err(problem) => failed(&problem),
        Ok(answer) => {
            let body = String::from_utf8(answer.body.to_vec()).ok().and_then(|text| RawValue::from_string(text).ok());
            match body {
                Some(body) => BatchResult::Answered { status: 200, body },
                None => failed(&Problem::new(Code::Internal, "the answer has no JSON")),
            }
        }
    }
}

/// The queries of `{"queries": […]}`.
fn queries(json: &Json, most: usize) -> Result<&[Json], Problem> {
    let wrong = |code, pointer: &str, detail: String| Problem {
        pointer: Some(pointer.to_owned()),
        ..Problem::new(code, detail)
    };
    let Json::Object(members) = json else {
        return Err(wrong(Code::WrongType, "", "expected an object with `queries`".into()));
    };
    if let Some((name, _)) = members.iter().find(|(name, _)| name != "queries") {
        let detail = format!("a batch has `queries` only, not {name:?}");
        return Err(wrong(Code::UnknownField, &format!("/{}", name.replace('~', "~0").replace('/', "~1")), detail));
    }
    let Some((_, queries)) = members.first() else {
        return Err(wrong(Code::MissingField, "", "`queries` is missing".into()));
    };
    let Json::Array(queries) = queries else {
        return Err(wrong(Code::WrongType, "/queries", "expected an array of queries".into()));
    };
    if queries.is_empty() || queries.len() > most {
        let detail = format!("expected 1 to {most} queries, there are {}", queries.len());
        return Err(wrong(Code::OutOfRange, "/queries", detail));
    }
    Ok(queries)
}
