//! Whether candidates are within.
//!
//! A walk of `h` steps is cut into two: the first levels go forward from the anchors, and the last ones only to nodes from
//! which a candidate can be reached, found by walking back from all candidates. Where to cut follows the statistics.

use std::collections::HashSet;

use sqlx::postgres::PgRow;

use super::{
    estimate::Cut,
    layout::EdgeLayout,
    reach::{Anchors, Start},
    steps::{Held, Steps},
};
use crate::{
    backend::{Checked, ReachRequest, postgres::statement::Statement},
    value::EntityId,
};

/// Common table expressions `w0` to `w{back}`: the targets of a walk, and from where they can be reached in so many steps.
pub(super) fn backwards(steps: &Steps<'_>, targets: &str, back: u8) -> String {
    let levels = steps.levels("w", back, true, None, |_| None);
    format!("w0 AS MATERIALIZED (SELECT {targets} AS ids){levels}")
}

/// The nodes from which a target can be reached after so many of the walk's steps; `None` where it was not looked at.
pub(super) fn near_targets(steps: &Steps<'_>, cut: &Cut, hop: u8) -> Option<Held> {
    let left = steps.walk.hops - hop;
    let leads = cut.leads.get(usize::from(left)).copied().unwrap_or(false);
    (left <= cut.back).then_some(Held { back: left, leads })
}

/// The statement: the anchors that may not exist, and those candidates that were found.
pub(super) fn statement(
    layout: &EdgeLayout,
    anchors: &Anchors<'_>,
    request: &ReachRequest,
    candidates: &[EntityId],
    cut: &Cut,
) -> Result<Statement, String> {
    let mut statement = Statement::new("WITH ");
    let start = Start::new(layout, &mut statement, anchors, request)?;
    let targets = layout.ids(&mut statement, candidates.iter().cloned());
    let hops = request.walk.hops;
    let held = |hop| near_targets(&start.steps, cut, hop);
    let levels: Vec<String> = (1..=hops).map(|hop| format!("SELECT unnest(ids) AS id FROM l{hop}")).collect();
    statement.push(&start.anchors()).push(", ").push(&backwards(&start.steps, &targets, cut.back));
    statement.push(&start.steps.levels("l", hops, false, start.foreign.as_ref(), held));
    statement.push(&format!(
        " SELECT ({}), (SELECT array_agg(f.id) FROM ({}) f WHERE f.id = ANY({targets})), {}",
        start.missing(),
        levels.join(" UNION ALL "),
        (1..=hops)
            .map(|hop| format!("coalesce((SELECT cardinality(ids) FROM l{hop}), 0)::int8"))
            .collect::<Vec<_>>()
            .join(" + "),
    ));
    Ok(statement)
}

/// The answer in the statement's row, given the anchors that do not exist.
///
/// # Errors
/// What is there instead.
pub(super) fn read(
    layout: &EdgeLayout,
    mut anchors: Anchors<'_>,
    request: &ReachRequest,
    candidates: &[EntityId],
    unknown: Vec<EntityId>,
    row: &PgRow,
) -> Result<Checked, String> {
    let unknown = anchors.unknown(unknown);
    let mut found: HashSet<EntityId> = layout.source.decode_array(row, 1)?.into_iter().collect();
    let examined: i64 = sqlx::Row::try_get(row, 2).map_err(|_| "a count is not a number")?;
    if request.include_anchors {
        found.extend(anchors.ids);
    }
    let within = candidates.iter().map(|id| found.contains(id)).collect();
    Ok(Checked { within, unknown, examined: examined.try_into().unwrap_or(0) })
}
