//! Levels in the order of best paths.
//!
//! Of several shortest paths the one with the smallest sequence of ids is wanted. A node's best path goes through the first
//! node of the level before that leads to it, if that level is in the order of its best paths; and the nodes found from one
//! node follow each other by id. So a level carries, beside its ids, from which place of the level before each was found and by
//! which edge, in one number (`via`), of which the smallest is the best.

use super::{
    layout::EdgeLayout,
    steps::{Foreign, Held, Steps, Way, is, union},
};
use crate::{
    backend::{Path, PathStep},
    query::Walk,
    value::EntityId,
};

/// Ways to take a step from one node to another: edge types times directions.
fn width(walk: &Walk) -> i64 {
    2 * walk.edges.len().max(1) as i64
}

impl Steps<'_> {
    /// A query for the ids one step from those of a level, with the best `via` of each, less those in `seen`.
    pub(super) fn best(&self, before: &str, held: Option<&Held>, seen: &str, foreign: Option<&Foreign<'_>>) -> String {
        let EdgeLayout { from: table, kind, .. } = self.layout;
        let queries = self.ways(false).into_iter().map(|Way { along, from, to }| {
            let held = held.map(|held| format!(" AND {}", self.inside(to, &held.nodes()))).unwrap_or_default();
            format!(
                "SELECT {} AS id, p.n * {} + {} * 2 + {} AS via FROM {table} WHERE {} AND {}{held}",
                self.layout.id_of(to),
                width(self.walk),
                kind.place(&self.walk.edges),
                i32::from(!along),
                is(from, "p.id"),
                self.takes(to),
            )
        });
        // OFFSET 0 keeps the server from joining in another way than by looking up each node's edges.
        let steps = format!("{} OFFSET 0", queries.collect::<Vec<_>>().join(" UNION ALL "));
        let own = foreign.map(|foreign| format!(" AND NOT {}", foreign.has("s.id"))).unwrap_or_default();
        format!(
            "SELECT s.id, min(s.via) AS via FROM {before} b, unnest(b.ids) WITH ORDINALITY AS p(id, n), LATERAL ({steps}) s \
             WHERE s.id NOT IN ({seen}){own} GROUP BY s.id"
        )
    }

    /// The columns `ids` and `vias` of a level from the rows of [`Self::best`], called `g`, in the order of best paths.
    pub(super) fn in_order(&self) -> String {
        let order = format!("ORDER BY g.via / {}, {}", width(self.walk), self.layout.in_order("g.id"));
        format!("array_agg(g.id {order}) AS ids, array_agg(g.via {order}) AS vias")
    }

    /// Common table expressions `l1` to `l{hops}` in the order of best paths from those in `l0`. `held` says which nodes
    /// a level is held to.
    pub(super) fn best_levels(&self, foreign: Option<&Foreign<'_>>, held: impl Fn(u8) -> Option<Held>) -> String {
        let mut text = String::new();
        for hop in 1..=self.walk.hops {
            let before = format!("l{}", hop - 1);
            let best = self.best(&before, held(hop).as_ref(), &union("l", 0..hop), foreign);
            text.push_str(&format!(", l{hop} AS MATERIALIZED (SELECT {} FROM ({best}) g)", self.in_order()));
        }
        text
    }

    /// The place in the level before, from 1, that a `via` names.
    pub(super) fn place_of(&self, via: &str) -> String {
        format!("{via} / {}", width(self.walk))
    }
}

/// Where a node was found from: the place in the level before, from 0, and the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Via {
    pub(super) place: usize,
    edge: u16,
    along: bool,
}

impl Via {
    /// Reads a `via`; `None` if it cannot be one.
    pub(super) fn read(walk: &Walk, via: i64) -> Option<Self> {
        let place = usize::try_from(via / width(walk)).ok()?.checked_sub(1)?;
        let way = usize::try_from(via % width(walk)).ok()?;
        Some(Self { place, edge: *walk.edges.get(way / 2)?, along: way % 2 == 0 })
    }

    /// The step that it names.
    pub(super) fn step(self, to: EntityId) -> PathStep {
        PathStep { edge: self.edge, along: self.along, to }
    }
}

/// The path that ends at a node of the level `hop`, gone back from there. `found` is what a level has at a place.
pub(super) fn path(
    hop: usize,
    place: usize,
    found: impl Fn(usize, usize) -> Option<(EntityId, Via)>,
    start: impl Fn(usize) -> Option<EntityId>,
) -> Option<Path> {
    let mut steps = Vec::with_capacity(hop);
    let mut place = place;
    for level in (1..=hop).rev() {
        let (id, via) = found(level, place)?;
        steps.push(via.step(id));
        place = via.place;
    }
    steps.reverse();
    Some(Path { from: start(place)?, steps })
}
