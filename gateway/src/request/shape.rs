//! Bodies: from what backends gave to bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    AnswerBody, Attributes, ExplainBody, Item, NeighbourBody, PathBody, Scores, TierBody, Timing, Vectors, Warning,
    WarningCode,
};
use crate::{
    backend::{Access, Neighbour, Path},
    cache::{LookupOutcome, Tier},
    catalog::CollectionSchema,
    execute::{Enriched, Trace},
    planner::{OperatorReport, PlanReport},
    problem::{Code, Problem},
    query::{NodeRef, Query},
};

/// The body of an answer.
pub(super) fn body(
    schema: &CollectionSchema,
    query: &Query,
    items: &[Enriched],
    partial: bool,
    warnings: Vec<Warning>,
    plan: Option<PlanReport>,
) -> Result<Vec<u8>, Problem> {
    let items = items.iter().map(|item| shaped(schema, query, item)).collect();
    written(&AnswerBody { items, partial, warnings, plan })
}

/// The body of `/v1/explain`.
pub(super) fn explanation(plan: PlanReport, tiers: &[(Tier, LookupOutcome)]) -> Result<Vec<u8>, Problem> {
    let said = tiers.iter().map(|(_, outcome)| *outcome);
    let cache = said.clone().find(|outcome| outcome.is_hit()).or(said.clone().next());
    let body = |(tier, outcome): &(Tier, LookupOutcome)| TierBody { tier: tier.as_str(), outcome: outcome.as_str() };
    let cache = cache.unwrap_or(LookupOutcome::Miss).as_str();
    written(&ExplainBody { plan, cache, tiers: tiers.iter().map(body).collect() })
}

fn written(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(body).map_err(|error| Problem::new(Code::Internal, format!("the answer has no JSON: {error}")))
}

fn shaped(schema: &CollectionSchema, query: &Query, enriched: &Enriched) -> Item {
    let Enriched { hit, entity, neighbours, path } = enriched;
    let mut item = Item::new(hit.id.clone());
    if query.include.scores && query.vector.is_some() {
        item.score = Some(hit.score);
        item.scores = Some(Scores { vector: Some(hit.score) });
    }
    if !query.select.is_empty() {
        let names = query.select.iter().map(|&index| schema.attributes[usize::from(index)].name.clone());
        item.attributes = Some(Attributes(names.zip(entity.attributes.iter().cloned()).collect()));
    }
    if query.include.vectors {
        let names = schema.vectors.iter().map(|vector| vector.name.clone());
        item.vectors = Some(Vectors(names.zip(entity.vectors.iter().cloned()).collect()));
    }
    if let Some(graph) = &schema.graph {
        let written = |path: &Path| PathBody::new(path, graph);
        item.paths = path.as_ref().map(|path| path.iter().map(written).collect());
        let neighbour = |neighbour: &Neighbour| NeighbourBody {
            id: neighbour.id.clone(),
            hops: neighbour.hops,
            path: neighbour.path.as_ref().map(written),
        };
        item.neighbours = neighbours.as_ref().map(|neighbours| neighbours.iter().map(neighbour).collect());
    }
    item
}

/// What the caller should know. The same for every spelling of a query, since stored bodies are shared.
pub(super) fn warnings(unknown: &[NodeRef], partial: bool) -> Vec<Warning> {
    let anchors = unknown.iter().map(|node| Warning {
        code: WarningCode::UnknownAnchor,
        message: format!("the graph knows no node {:?}; nothing is reached from it", node.id.to_string()),
        id: Some(node.id.to_string()),
    });
    let partial = partial.then(|| Warning {
        code: WarningCode::Partial,
        message: "the deadline passed; these are the items verified until then".into(),
        id: None,
    });
    anchors.chain(partial).collect()
}

/// Adds what really happened to a plan.
pub(super) fn analyze(report: &mut PlanReport, trace: &Trace, timing: &Timing) {
    let operators = trace.runs().into_iter().map(|run| OperatorReport {
        operator: run.operator,
        access: run.access.map(Access::as_str),
        rows_in: run.rows_in,
        rows_out: run.rows_out,
        examined: run.examined,
        calls: run.calls,
        ms: run.spent.as_secs_f64() * 1e3,
    });
    report.operators = Some(operators.collect());
    report.replanned = trace.replanned().map(|(why, planned)| {
        let plan = planned.plan();
        format!("{} ({}), since the {} was otherwise than estimated", plan.kind.as_str(), plan.root, why.in_words())
    });
    report.ranked_ms = trace.ranked().map(|spent| spent.as_secs_f64() * 1e3);
    let steps: BTreeMap<_, _> = timing.iter().map(|(step, spent)| (step.as_str(), spent.as_secs_f64() * 1e3)).collect();
    report.steps_ms = Some(steps);
}
