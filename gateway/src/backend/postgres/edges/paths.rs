//! Shortest paths from anchors to targets, in one statement: levels in the order of best paths, of which only the nodes on a
//! path to a target come back.

use std::collections::HashMap;

use sqlx::{Row, postgres::PgRow};

use super::{
    check::{backwards, near_targets},
    estimate::Cut,
    expand::read_vias,
    layout::EdgeLayout,
    ranked::{Via, path},
    reach::{Anchors, Start},
};
use crate::{
    backend::{Path, ReachRequest, postgres::statement::Statement},
    value::EntityId,
};

/// The statement: the anchors that may not exist, all that may be touched, then three arrays for each level: places, ids and `via`s.
pub(super) fn statement(
    layout: &EdgeLayout,
    anchors: &Anchors<'_>,
    request: &ReachRequest,
    targets: &[EntityId],
    cut: &Cut,
) -> Result<Statement, String> {
    let mut statement = Statement::new("WITH ");
    let start = Start::new(layout, &mut statement, anchors, request)?;
    let targets = layout.ids(&mut statement, targets.iter().cloned());
    let (steps, hops) = (start.steps, request.walk.hops);
    statement.push(&start.anchors()).push(", ").push(&backwards(&steps, &targets, cut.back));
    statement.push(&steps.best_levels(start.foreign.as_ref(), |hop| near_targets(&steps, cut, hop)));
    let (mut columns, mut tables) = (String::new(), String::new());
    for hop in (1..=hops).rev() {
        let on_a_path = if hop == hops {
            String::new()
        } else {
            format!(" OR x.n IN (SELECT {} FROM n{})", steps.place_of("via"), hop + 1)
        };
        statement.push(&format!(
            ", n{hop} AS MATERIALIZED (SELECT x.n, x.id, x.via FROM l{hop} l, \
             unnest(l.ids, l.vias) WITH ORDINALITY AS x(id, via, n) WHERE x.id = ANY({targets}){on_a_path})"
        ));
    }
    for hop in 1..=hops {
        columns.push_str(&format!(", o{hop}.n, o{hop}.ids, o{hop}.vias"));
        let comma = if hop == 1 { "" } else { ", " };
        tables.push_str(&format!(
            "{comma}(SELECT array_agg(n) AS n, array_agg(id) AS ids, array_agg(via) AS vias FROM n{hop}) o{hop}"
        ));
    }
    statement.push(&format!(" SELECT ({}), (SELECT ids FROM l0){columns} FROM {tables}", start.missing()));
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
    targets: &[EntityId],
    unknown: Vec<EntityId>,
    row: &PgRow,
) -> Result<Vec<Option<Path>>, String> {
    anchors.unknown(unknown);
    let starts = layout.source.decode_array(row, 1)?;
    // By level and place in it; and by id.
    let mut nodes: HashMap<(usize, usize), (EntityId, Via)> = HashMap::new();
    let mut found: HashMap<EntityId, (usize, usize)> = HashMap::new();
    for hop in 1..=usize::from(request.walk.hops) {
        let places: Option<Vec<i64>> =
            row.try_get(3 * hop - 1).map_err(|_| "a list of places is not one of numbers")?;
        let ids = layout.source.decode_array(row, 3 * hop)?;
        let vias = read_vias(&request.walk, row, 3 * hop + 1)?;
        let places = places.unwrap_or_default();
        if places.len() != ids.len() || ids.len() != vias.len() {
            return Err("a list of steps has gaps".into());
        }
        for ((place, id), via) in places.into_iter().zip(ids).zip(vias) {
            let place = usize::try_from(place - 1).map_err(|_| "a place before the first")?;
            found.insert(id.clone(), (hop, place));
            nodes.insert((hop, place), (id, via));
        }
    }
    let best = |target: &EntityId| {
        if anchors.ids.binary_search(target).is_ok() {
            return Ok(Some(Path { from: target.clone(), steps: Vec::new() }));
        }
        let Some((hop, place)) = found.get(target) else { return Ok(None) };
        let before = |level, place| nodes.get(&(level, place)).cloned();
        path(*hop, *place, before, |place| starts.get(place).cloned()).map(Some).ok_or("a path that leads nowhere")
    };
    Ok(targets.iter().map(best).collect::<Result<_, _>>()?)
}
