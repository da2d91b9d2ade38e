//! Reach, filter and exact rank in one statement, where the entities and the edges are in one database.
//!
//! The reached ids never leave the server. What an answer shows and what it depends on is the same as that of a walk whose
//! ids are ranked by another statement.

use sqlx::{Row, postgres::PgRow};

use super::{
    layout::EdgeLayout,
    reach::{Anchors, Start},
    steps::among,
};
use crate::{
    backend::{
        Hit, Page, Ranking, ReachRequest, Search,
        postgres::{filter::condition, layout::Layout, spaces::score, statement::Statement},
    },
    value::EntityId,
};

/// The statement: the anchors that may not exist, the number of nodes reached, then arrays of the ids and the keys of the
/// first `n` hits.
pub(super) fn statement(
    layout: &EdgeLayout,
    anchors: &Anchors<'_>,
    request: &ReachRequest,
    search: &Search,
    n: usize,
) -> Result<Statement, String> {
    let nodes = layout.nodes.as_ref().ok_or("the entities are in another database than the edges")?;
    let mut statement = Statement::new("WITH ");
    let start = Start::new(layout, &mut statement, anchors, request)?;
    let hops = request.walk.hops;
    statement.push(&start.anchors());
    statement.push(&start.steps.levels("l", hops.saturating_sub(1), false, start.foreign.as_ref(), |_| None));
    let all = start.steps.all_but("l", hops, start.foreign.as_ref());
    // An anchor that does not exist is no entity either.
    let ids = if request.include_anchors { "s.ids || (SELECT ids FROM l0)" } else { "s.ids" };
    statement.push(&format!(
        ", r AS MATERIALIZED (SELECT {ids} AS ids FROM ({all}) s) \
         SELECT ({}), (SELECT coalesce(cardinality(ids), 0)::int8 FROM r), h.ids, h.keys \
         FROM (SELECT array_agg(f.id) AS ids, array_agg(f.k) AS keys FROM (",
        start.missing_if(anchors, request),
    ));
    let reached = start.steps.array("r");
    rank(nodes, &mut statement, search, &reached, n)?;
    statement.push(") f) h");
    Ok(statement)
}

/// Appends a query for the first `n` entities (`id`, `k`) among the ids of an array.
fn rank(nodes: &Layout, statement: &mut Statement, search: &Search, reached: &str, n: usize) -> Result<(), String> {
    let (key, may_answer) = match &search.ranking {
        Ranking::Similarity { space, vector } => {
            let space = nodes.space(*space)?;
            let query = space.query(statement, vector);
            (space.key(&query), space.present())
        }
        Ranking::ById => ("0::float8".to_owned(), nodes.answerable()?),
    };
    statement.push(&format!(
        "SELECT {} AS id, {key} AS k FROM {} WHERE {} AND {may_answer}",
        nodes.id.output(),
        nodes.from,
        among(&nodes.id, reached),
    ));
    for part in search.filter.conjuncts() {
        statement.push(" AND ");
        condition(nodes, statement, part)?;
    }
    if !search.excluded.is_empty() {
        statement.push(" AND NOT ");
        nodes.id.among(statement, search.excluded.iter().cloned());
    }
    statement.push(&format!(" ORDER BY k, {} LIMIT ", nodes.id.ordered()));
    statement.bind(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(())
}

/// The hits in the statement's row, and the number of nodes reached.
///
/// # Errors
/// What is there instead.
pub(super) fn read(layout: &EdgeLayout, search: &Search, n: usize, row: &PgRow) -> Result<(Page, u64), String> {
    let reached: i64 = row.try_get(1).map_err(|_| "a count is not a number")?;
    let reached = u64::try_from(reached).unwrap_or(0);
    let ids: Vec<EntityId> = layout.source.decode_array(row, 2)?;
    let keys: Option<Vec<Option<f64>>> = row.try_get(3).map_err(|_| "a score is not a number")?;
    let keys = keys.unwrap_or_default();
    if keys.len() != ids.len() {
        return Err("there are more ids than scores".into());
    }
    let complete = ids.len() < n;
    let mut hits: Vec<Hit> =
        ids.into_iter().zip(keys).filter_map(|(id, key)| Some(Hit { id, score: score(key)? })).collect();
    hits.retain(|hit| search.threshold.is_none_or(|least| hit.score >= least));
    hits.sort_by(Hit::order);
    // The order is exact: what was left out here is followed by nothing better.
    let exhausted = complete || hits.len() < n;
    Ok((Page { hits, exhausted, exact: true, examined: reached }, reached))
}
