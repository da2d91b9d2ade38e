//! The neighbourhoods of some nodes, all in one statement.
//!
//! A level that brings as many as are wanted is the last one, so that no walk goes on from more nodes than that.

use sqlx::{Row, postgres::PgRow};

use super::{
    layout::EdgeLayout,
    ranked::{Via, path},
    steps::{Foreign, Steps, union},
};
use crate::{
    backend::{Neighbour, NodeScope, postgres::statement::Statement},
    query::Walk,
    value::EntityId,
};

/// What is asked.
pub(super) struct Expansion<'a> {
    pub(super) walk: &'a Walk,
    pub(super) scope: Option<&'a NodeScope>,
    pub(super) per_item: usize,
    pub(super) paths: bool,
}

impl Expansion<'_> {
    /// The statement: a row for each of these nodes, with its place and one or two arrays for each level. All of the nodes must
    /// be ones that a column can hold.
    pub(super) fn statement(&self, layout: &EdgeLayout, ids: &[EntityId]) -> Result<Statement, String> {
        let mut statement = Statement::new("");
        let items = layout.ids(&mut statement, ids.iter().cloned());
        let most = statement.argument(i64::try_from(self.per_item).unwrap_or(i64::MAX));
        let foreign = Foreign::of(layout, &mut statement, self.scope)?;
        let steps = Steps { layout, walk: self.walk };
        let outside = foreign.as_ref().map(|foreign| format!(" WHERE NOT {}", foreign.has("i.id"))).unwrap_or_default();
        let mut columns = Vec::new();
        let mut levels = "l0 AS MATERIALIZED (SELECT ARRAY[i.id] AS ids, 0::int8 AS n)".to_owned();
        for hop in 1..=self.walk.hops {
            levels.push_str(&self.level(&steps, hop, &most, foreign.as_ref()));
            columns.push(format!("(SELECT ids FROM l{hop})"));
            if self.paths {
                columns.push(format!("(SELECT vias FROM l{hop})"));
            }
        }
        statement.push(&format!(
            "SELECT i.n, x.* FROM unnest({items}) WITH ORDINALITY AS i(id, n), \
             LATERAL (WITH {levels} SELECT {}) x{outside}",
            columns.join(", ")
        ));
        Ok(statement)
    }

    /// A level of one node's walk. `n` is how many nodes there are up to here.
    fn level(&self, steps: &Steps<'_>, hop: u8, most: &str, foreign: Option<&Foreign<'_>>) -> String {
        let before = format!("l{}", hop - 1);
        let seen = union("l", 0..hop);
        // As long as more are wanted.
        let goes_on = format!("(SELECT ids FROM {before} WHERE n < {most})");
        let found = if self.paths {
            steps.best(&format!("(SELECT {goes_on} AS ids)"), None, &seen, foreign)
        } else {
            let from = format!("{goes_on}::{}", steps.layout.array_type());
            let own = foreign.map(|foreign| format!(" WHERE NOT {}", foreign.has("s.id"))).unwrap_or_default();
            format!("SELECT s.id FROM ({} EXCEPT ({seen})) s{own}", steps.after_array(&from, false))
        };
        let columns = if self.paths { steps.in_order() } else { "array_agg(g.id) AS ids".to_owned() };
        format!(
            ", l{hop} AS MATERIALIZED (SELECT {columns}, count(*) + (SELECT n FROM {before}) AS n \
             FROM (SELECT * FROM ({found}) f ORDER BY {} LIMIT {most} - (SELECT n FROM {before})) g)",
            steps.layout.in_order("f.id"),
        )
    }

    /// The place of a row's node, from 0, and its neighbourhood.
    ///
    /// # Errors
    /// What is there instead.
    pub(super) fn read(
        &self,
        layout: &EdgeLayout,
        ids: &[EntityId],
        row: &PgRow,
    ) -> Result<(usize, Vec<Neighbour>), String> {
        let place = row.try_get::<i64, _>(0).ok().and_then(|n| usize::try_from(n - 1).ok());
        let place = place.filter(|place| *place < ids.len()).ok_or("a row of no node")?;
        let mut levels: Vec<Vec<EntityId>> = Vec::with_capacity(self.walk.hops.into());
        let mut vias: Vec<Vec<Via>> = Vec::new();
        let mut column = 1;
        for _ in 0..self.walk.hops {
            levels.push(layout.source.decode_array(row, column)?);
            column += 1;
            if self.paths {
                vias.push(read_vias(self.walk, row, column)?);
                column += 1;
            }
        }
        let found = |level: usize, place: usize| {
            Some((levels.get(level - 1)?.get(place)?.clone(), *vias.get(level - 1)?.get(place)?))
        };
        let start = |_| Some(ids[place].clone());
        let mut neighbours = Vec::new();
        for (hop, level) in (1_u8..).zip(&levels) {
            let from = neighbours.len();
            for (at, id) in level.iter().enumerate() {
                let path = if self.paths {
                    Some(path(hop.into(), at, found, start).ok_or("a path that leads nowhere")?)
                } else {
                    None
                };
                neighbours.push(Neighbour { id: id.clone(), hops: hop, path });
            }
            neighbours[from..].sort_unstable_by(|a, b| a.id.cmp(&b.id));
        }
        neighbours.truncate(self.per_item);
        Ok((place, neighbours))
    }
}

/// An array of `via`s in a column of the output.
///
/// # Errors
/// What is there instead.
pub(super) fn read_vias(walk: &Walk, row: &PgRow, column: usize) -> Result<Vec<Via>, String> {
    let vias: Option<Vec<i64>> = row.try_get(column).map_err(|_| "a list of steps is not one of numbers")?;
    let read = vias.unwrap_or_default().into_iter().map(|via| Via::read(walk, via));
    read.collect::<Option<_>>().ok_or_else(|| "a step that no walk takes".to_owned())
}
