//! What the store's work costs, measured by small statements.

use std::time::Instant;

use super::{
    degrees::{self, Sample},
    layout::EdgeLayout,
    reach::{self, Anchors},
    statistics::TYPICAL,
    steps::Steps,
};
use crate::{
    backend::{
        BackendError, CallContext, GraphCosts, IdSet, ReachRequest,
        postgres::{session::Session, statement::Statement},
    },
    query::{Direction, NodeRef, Walk},
    value::{EntityId, IdType},
};

/// Runs of each statement; the fastest counts, as whatever else the machine does only adds.
const ROUNDS: usize = 7;

/// Edges that are enough to tell what one costs.
const ENOUGH: u64 = 4_000;

/// With fewer the round trip hides it.
const TOO_FEW: u64 = 400;

/// Times a walk that finds next to nothing, a step that stays in the server, and the same with its nodes sent.
pub(super) async fn costs(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    sample: &Sample,
) -> Result<GraphCosts, BackendError> {
    let (nodes, edges) = starts(session, ctx, layout, sample).await?;
    let walk = Walk { edges: (0..layout.kind.types.len() as u16).collect(), direction: Direction::Both, hops: 1 };
    let steps = Steps { layout, walk: &walk };
    let nothing = ReachRequest {
        anchors: vec![NodeRef { label: 0, id: nobody(layout) }],
        walk: walk.clone(),
        include_anchors: false,
        scope: None,
    };
    let whole = reach::statement(layout, &Anchors::of(layout, 0, &nothing), &nothing);
    let whole = whole.map_err(|problem| session.failed(problem))?;
    let call_us = fastest_us(session, ctx, layout, &whole, false).await?.max(1.0);
    if edges < TOO_FEW {
        return Ok(GraphCosts { call_us, ..TYPICAL });
    }
    let empty = fastest_us(session, ctx, layout, &step(&steps, &[], "cardinality(ids)"), false).await?;
    let kept = fastest_us(session, ctx, layout, &step(&steps, &nodes, "cardinality(ids)"), false).await?;
    let sent = fastest_us(session, ctx, layout, &step(&steps, &nodes, "ids"), true).await?;
    let reached = reached(session, ctx, &step(&steps, &nodes, "cardinality(ids)::int8")).await?;
    Ok(GraphCosts {
        call_us,
        edge_ns: ((kept - empty) * 1e3 / edges as f64).max(10.0),
        node_ns: ((sent - kept) * 1e3 / reached.max(1.0)).max(10.0),
        ..TYPICAL
    })
}

/// An id that no node has, most likely.
fn nobody(layout: &EdgeLayout) -> EntityId {
    match layout.id_type() {
        IdType::Text => EntityId::Text("\u{1}".into()),
        IdType::Integer => EntityId::Integer(i64::MIN + 1),
        IdType::Uuid => EntityId::Uuid(uuid::Uuid::max()),
    }
}

/// Some nodes that have enough edges together, and how many.
async fn starts(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    sample: &Sample,
) -> Result<(Vec<EntityId>, u64), BackendError> {
    let all: Vec<EntityId> = sample.nodes.iter().chain(sample.targets.iter().flatten()).cloned().collect();
    let mut degrees = vec![0_u64; all.len()];
    for along in [true, false] {
        for (degree, own) in degrees.iter_mut().zip(degrees::of(session, ctx, layout, &all, along).await?) {
            *degree += own.iter().sum::<u64>();
        }
    }
    let (mut nodes, mut edges) = (Vec::new(), 0);
    for (node, degree) in all.into_iter().zip(degrees) {
        if edges >= ENOUGH {
            break;
        }
        if !nodes.contains(&node) {
            nodes.push(node);
            edges += degree;
        }
    }
    Ok((nodes, edges))
}

/// The statement of one step from these nodes.
fn step(steps: &Steps<'_>, nodes: &[EntityId], output: &str) -> Statement {
    let mut statement = Statement::new("WITH ");
    let place = steps.layout.ids(&mut statement, nodes.iter().cloned());
    let levels = steps.levels("l", 1, false, None, |_| None);
    statement.push(&format!("l0 AS MATERIALIZED (SELECT {place} AS ids){levels} SELECT {output} FROM l1"));
    statement
}

/// The shortest time of a statement, with its answer read where that is an array of ids.
async fn fastest_us(
    session: &mut Session,
    ctx: &CallContext,
    layout: &EdgeLayout,
    statement: &Statement,
    ids: bool,
) -> Result<f64, BackendError> {
    // The first run prepares it.
    session.rows(ctx, statement).await?;
    let mut fastest = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let rows = session.rows(ctx, statement).await?;
        if let (true, Some(row)) = (ids, rows.first()) {
            let ids = layout.source.decode_array(row, 0).map_err(|problem| session.failed(problem))?;
            std::hint::black_box(IdSet::from_ids(ids));
        }
        fastest = fastest.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(fastest)
}

async fn reached(session: &mut Session, ctx: &CallContext, statement: &Statement) -> Result<f64, BackendError> {
    let rows = session.rows(ctx, statement).await?;
    let count = rows.first().and_then(|row| sqlx::Row::try_get::<Option<i64>, _>(row, 0).ok());
    count.map(|count| count.unwrap_or(0) as f64).ok_or_else(|| session.failed("a count is not a number"))
}
