//! Edges that a store has in memory, and looking ahead of a walk along them: how much it will meet.
//!
//! Means say little of a single walk, as few hubs make them. Going a bounded part of the way tells small walks exactly and large
//! ones nearly, within microseconds. It is an estimate and never an answer: the store may have changed since it was asked.

use std::{collections::HashMap, sync::Arc};

use super::{DegreeStatistics, EdgeStatistics, ReachRequest};
use crate::query::{Direction, NodeRef};

/// Edges looked at.
const BUDGET: usize = 512;

/// Lists of neighbours looked up for one level: each is somewhere else in memory, and this is most of what looking ahead takes.
const LOOKS: usize = 512;

/// Places for nodes that were seen: a power of two, and at least twice what can be seen.
const PLACES: usize = 2 * (BUDGET + STARTS).next_power_of_two();

/// Anchors that are started from; those beyond are as the ones before.
const STARTS: usize = 256;

/// Edges between rows, by type.
pub trait EdgesInMemory: Send + Sync {
    /// The row of a node; `None` where it has no edge or is none.
    fn row(&self, node: &NodeRef) -> Option<u32>;

    /// The rows where a step from a row leads, along the edges of a type or against them.
    fn neighbours(&self, edge: u16, along: bool, row: u32) -> &[u32];
}

/// All edges of a store.
#[derive(Clone)]
pub struct KnownEdges(Arc<dyn EdgesInMemory>);

impl std::fmt::Debug for KnownEdges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnownEdges")
    }
}

/// What a walk is expected to meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    /// Distinct nodes reached, without the anchors.
    pub nodes: f64,
    /// Those that were seen: no fewer are reached.
    pub seen: f64,
    /// Edges looked at by each level of a walk; those that nothing is left for are missing.
    pub levels: Vec<f64>,
}

impl Ahead {
    /// Edges looked at.
    pub fn edges(&self) -> f64 {
        self.levels.iter().sum()
    }
}

impl KnownEdges {
    /// All edges, as they are.
    pub fn new(edges: Arc<dyn EdgesInMemory>) -> Self {
        Self(edges)
    }

    /// Looks ahead of a walk in a graph of `total` nodes.
    ///
    /// Levels are gone through in full as long as the budget lasts. Of the first one that is too large every n-th edge is followed;
    /// what that gives that is new is scaled up, and so are the levels behind it.
    pub fn ahead(&self, request: &ReachRequest, total: f64) -> Ahead {
        let walk = &request.walk;
        let (out, against) = match walk.direction {
            Direction::Out => (true, false),
            Direction::In => (false, true),
            Direction::Both => (true, true),
        };
        let mut ways = Vec::with_capacity(2 * walk.edges.len());
        for edge in &walk.edges {
            ways.extend(out.then_some((*edge, true)));
            ways.extend(against.then_some((*edge, false)));
        }
        let mut seen = Seen::new();
        let mut frontier: Vec<u32> =
            request.anchors.iter().take(STARTS).filter_map(|anchor| self.0.row(anchor)).collect();
        frontier.retain(|row| seen.insert(*row));
        let anchors = frontier.len();
        // So many nodes of the walk stand behind each one of the frontier.
        let mut scale = (request.anchors.len() as f64 / STARTS as f64).max(1.0);
        let mut left = BUDGET;
        let mut lists: Vec<&[u32]> = Vec::with_capacity(64);
        let mut ahead = Ahead { nodes: 0.0, seen: 0.0, levels: Vec::with_capacity(walk.hops.into()) };
        for levels in (1..=usize::from(walk.hops)).rev() {
            let apart = (frontier.len() * ways.len()).div_ceil(LOOKS).max(1);
            if apart > 1 {
                let all = frontier.len() as f64;
                frontier = frontier.into_iter().step_by(apart).collect();
                scale *= all / frontier.len() as f64;
            }
            lists.clear();
            lists.extend(self.lists(&frontier, &ways).filter(|list| !list.is_empty()));
            let edges: usize = lists.iter().map(|list| list.len()).sum();
            let squares: f64 = lists.iter().map(|list| (list.len() as f64).powi(2)).sum();
            let all = edges as f64 * scale;
            ahead.levels.push(all);
            let apart = if edges <= left { 1 } else { edges.div_ceil((left / levels).max(1)) };
            let mut next = Vec::with_capacity(edges.min(left));
            let (mut place, mut followed) = (0_usize, 0_usize);
            for neighbours in &lists {
                if followed == left {
                    break;
                }
                // The first multiple of `apart` that lies in this list.
                let first = place.next_multiple_of(apart) - place;
                for row in neighbours.iter().skip(first).step_by(apart).take(left - followed) {
                    followed += 1;
                    if seen.insert(*row) {
                        next.push(*row);
                    }
                }
                place += neighbours.len();
            }
            left -= followed;
            let found = next.len() as f64;
            ahead.seen += found;
            let fresh = if followed == 0 { 1.0 } else { found / followed as f64 };
            let others = (total - ahead.nodes - found - anchors as f64).max(0.0);
            let more = (all - followed as f64).max(0.0) * fresh;
            // No two edges of one list lead to the same node; those of two lists may.
            let one_list = squares / (edges as f64).powi(2).max(1.0) / scale;
            let new = found + (one_list * more.min(others) + (1.0 - one_list) * occupied(more, others));
            ahead.nodes += new;
            if next.is_empty() {
                // Without budget the nodes of the next level are taken to be like those of this one.
                if followed > 0 || edges == 0 {
                    break;
                }
                next = frontier;
            }
            scale = new / next.len() as f64;
            frontier = next;
        }
        ahead.nodes = ahead.nodes.max(ahead.seen);
        ahead
    }

    /// The neighbours of each row in each way.
    fn lists<'e>(&'e self, rows: &[u32], ways: &[(u16, bool)]) -> impl Iterator<Item = &'e [u32]> {
        rows.iter().flat_map(|row| ways.iter().map(|(edge, along)| self.0.neighbours(*edge, *along, *row)))
    }
}

/// Distinct places that `x` random throws over `n` places hit.
pub(crate) fn occupied(x: f64, n: f64) -> f64 {
    if n > 0.0 { n * (1.0 - (-x / n).exp()) } else { 0.0 }
}

/// The rows that were seen: open addressing, as there is a bound on how many.
struct Seen(Vec<u32>);

impl Seen {
    const EMPTY: u32 = u32::MAX;

    fn new() -> Self {
        Self(vec![Self::EMPTY; PLACES])
    }

    /// Whether the row was not there.
    fn insert(&mut self, row: u32) -> bool {
        let mut place = (row.wrapping_mul(0x9E37_79B1) >> (32 - PLACES.ilog2())) as usize;
        while self.0[place] != Self::EMPTY {
            if self.0[place] == row {
                return false;
            }
            place = (place + 1) % PLACES;
        }
        self.0[place] = row;
        true
    }
}

/// The edges of a small graph, read from a store.
#[derive(Debug, Default)]
pub struct SmallGraph {
    rows: HashMap<NodeRef, u32>,
    /// One an edge type: along and against.
    types: Vec<[Lists; 2]>,
}

/// A list a row.
#[derive(Debug, Default)]
struct Lists {
    offsets: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    fn of(edges: impl Iterator<Item = (u32, u32)> + Clone, rows: usize) -> Self {
        let mut offsets = vec![0_u32; rows + 1];
        edges.clone().for_each(|(from, _)| offsets[from as usize + 1] += 1);
        (0..rows).for_each(|row| offsets[row + 1] += offsets[row]);
        let mut next = offsets.clone();
        let mut items = vec![0; offsets[rows] as usize];
        for (from, to) in edges {
            let place = &mut next[from as usize];
            items[*place as usize] = to;
            *place += 1;
        }
        Self { offsets, items }
    }

    fn get(&self, row: u32) -> &[u32] {
        let row = row as usize;
        &self.items[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }
}

impl SmallGraph {
    /// The graph of these edges, given by type as pairs of source and target.
    pub fn new(types: impl IntoIterator<Item = Vec<(NodeRef, NodeRef)>>) -> Self {
        let mut builder = Self::builder(0);
        for (edge, edges) in types.into_iter().enumerate() {
            builder.types.resize_with(edge + 1, Vec::new);
            edges.into_iter().for_each(|(source, target)| builder.edge(edge, source, target));
        }
        builder.finish()
    }

    /// A graph of so many edge types, whose edges come one by one.
    pub fn builder(types: usize) -> SmallGraphBuilder {
        SmallGraphBuilder { rows: HashMap::new(), types: vec![Vec::new(); types] }
    }

    /// What there is to know of each edge type, in a graph of so many nodes, those without an edge included.
    pub fn statistics(self: &Arc<Self>, nodes: f64) -> Vec<EdgeStatistics> {
        let rows = self.rows.len() as u32;
        let total = nodes.max(f64::from(rows)).max(1.0);
        (0_u16..)
            .zip(&self.types)
            .map(|(edge, [out, against])| {
                let count = out.items.len() as f64;
                let degree = |lists: &Lists, row| lists.get(row).len() as f64;
                let over = |of: &dyn Fn(u32) -> f64| (0..rows).map(of).sum::<f64>() / count.max(1.0);
                let after = over(&|row| degree(out, row) * degree(against, row));
                let turns = over(&|row| degree(out, row).powi(2) + degree(against, row).powi(2)) / 2.0;
                EdgeStatistics {
                    count: out.items.len() as u64,
                    out: self.degrees(edge, true, total, after),
                    r#in: self.degrees(edge, false, total, after),
                    turns: (count > 0.0).then_some(turns),
                }
            })
            .collect()
    }

    fn degrees(self: &Arc<Self>, edge: u16, along: bool, nodes: f64, mean_after_step: f64) -> DegreeStatistics {
        let degree = |row| self.neighbours(edge, along, row).len() as u64;
        let mut all: Vec<u64> = (0..self.rows.len() as u32).map(degree).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        let graph = self.clone();
        let known = move |node: &NodeRef| {
            Some(graph.row(node).map_or(0, |row| graph.neighbours(edge, along, row).len() as u64))
        };
        DegreeStatistics {
            mean: all.iter().sum::<u64>() as f64 / nodes,
            // Nodes without an edge are not in the list.
            p99: all.get((nodes / 100.0) as usize).copied().unwrap_or(0) as f64,
            max: all.first().copied().unwrap_or(0),
            mean_after_step,
            known: Some(Arc::new(known)),
        }
    }
}

/// A [`SmallGraph`] in the making. Nodes are numbered as they come, so that an edge takes eight bytes.
#[derive(Debug)]
pub struct SmallGraphBuilder {
    rows: HashMap<NodeRef, u32>,
    types: Vec<Vec<(u32, u32)>>,
}

impl SmallGraphBuilder {
    /// Adds an edge of one of the types; one of no type is left out.
    pub fn edge(&mut self, edge: usize, source: NodeRef, target: NodeRef) {
        let mut row = |node| {
            let next = self.rows.len() as u32;
            *self.rows.entry(node).or_insert(next)
        };
        let ends = (row(source), row(target));
        if let Some(edges) = self.types.get_mut(edge) {
            edges.push(ends);
        }
    }

    /// The graph.
    pub fn finish(self) -> SmallGraph {
        let count = self.rows.len();
        let lists = |edges: &Vec<(u32, u32)>| {
            let against = edges.iter().map(|(source, target)| (*target, *source));
            [Lists::of(edges.iter().copied(), count), Lists::of(against, count)]
        };
        SmallGraph { types: self.types.iter().map(lists).collect(), rows: self.rows }
    }
}

impl EdgesInMemory for SmallGraph {
    fn row(&self, node: &NodeRef) -> Option<u32> {
        self.rows.get(node).copied()
    }

    fn neighbours(&self, edge: u16, along: bool, row: u32) -> &[u32] {
        self.types.get(usize::from(edge)).map_or(&[], |ways| ways[usize::from(!along)].get(row))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{query::Walk, value::EntityId};

    fn node(id: u32) -> NodeRef {
        NodeRef { label: 0, id: EntityId::Integer(i64::from(id)) }
    }

    fn known(edges: &[(u32, u32)]) -> KnownEdges {
        let edges = edges.iter().map(|(source, target)| (node(*source), node(*target))).collect();
        KnownEdges::new(Arc::new(SmallGraph::new([edges])))
    }

    fn request(anchor: u32, direction: Direction, hops: u8) -> ReachRequest {
        let walk = Walk { edges: vec![0], direction, hops };
        ReachRequest { anchors: vec![node(anchor)], walk, include_anchors: false, scope: None }
    }

    /// Distinct nodes and edges, as a plain walk finds them.
    fn walked(edges: &[(u32, u32)], request: &ReachRequest) -> (f64, f64) {
        let EntityId::Integer(anchor) = request.anchors[0].id else { unreachable!() };
        let (mut seen, mut frontier, mut looked_at) = (vec![anchor as u32], vec![anchor as u32], 0);
        for _ in 0..request.walk.hops {
            let mut next = Vec::new();
            for at in frontier {
                for (source, target) in edges {
                    let ends = [(Direction::Out, source, target), (Direction::In, target, source)];
                    for (direction, from, to) in ends {
                        if *from == at && [direction, Direction::Both].contains(&request.walk.direction) {
                            looked_at += 1;
                            if !seen.contains(to) {
                                seen.push(*to);
                                next.push(*to);
                            }
                        }
                    }
                }
            }
            frontier = next;
        }
        (seen.len() as f64 - 1.0, f64::from(looked_at))
    }

    proptest! {
        #[test]
        fn a_walk_within_the_budget_is_known_exactly(
            edges in prop::collection::vec((0..30_u32, 0..30_u32), 0..60),
            anchor in 0..30_u32,
            hops in 1..5_u8,
            way in 0..3_usize,
        ) {
            let request = request(anchor, [Direction::Out, Direction::In, Direction::Both][way], hops);
            let ahead = known(&edges).ahead(&request, 30.0);
            let (nodes, looked_at) = walked(&edges, &request);
            prop_assert_eq!((ahead.nodes, ahead.seen, ahead.edges()), (nodes, nodes, looked_at));
        }
    }

    #[test]
    fn a_large_walk_is_scaled_up_and_stays_within_the_graph() {
        // A hub of 8,000 nodes, each of which leads to three others.
        let edges: Vec<(u32, u32)> = (1..=8_000)
            .map(|to| (0, to))
            .chain((1..=8_000).flat_map(|from| (0..3).map(move |n| (from, 10_000 + (from * 7 + n * 31) % 4_000))))
            .collect();
        let ahead = |hops| known(&edges).ahead(&request(0, Direction::Out, hops), 14_001.0);
        assert_eq!(ahead(1).edges(), 8_000.0);
        assert!((7_000.0..8_001.0).contains(&ahead(1).nodes), "{:?}", ahead(1));
        assert!((30_000.0..33_000.0).contains(&ahead(2).edges()), "{:?}", ahead(2));
        assert!((10_500.0..14_001.0).contains(&ahead(2).nodes), "{:?}", ahead(2));
        assert!(ahead(2).seen <= BUDGET as f64);
    }

    #[test]
    fn a_node_without_edges_reaches_nothing() {
        let ahead = known(&[(1, 2)]).ahead(&request(9, Direction::Both, 3), 10.0);
        assert_eq!((ahead.nodes, ahead.seen, ahead.edges()), (0.0, 0.0, 0.0));
    }
}
