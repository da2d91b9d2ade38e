//! How much work a walk is expected to be.

use crate::{
    backend::{DegreeStatistics, GraphStatistics},
    query::{Direction, NodeRef, Walk},
};

/// Before anything was learnt.
const UNKNOWN_DEGREE: f64 = 10.0;

/// Starts that are looked up one by one; those beyond are as the ones before.
const SAMPLED: usize = 256;

/// What walks of one kind are expected to meet.
pub(super) struct Expected<'a> {
    ways: Vec<&'a DegreeStatistics>,
    /// All edges that such a walk can take.
    all: f64,
    hops: u8,
    learnt: bool,
}

impl<'a> Expected<'a> {
    /// `reversed` for the walk back from where it ends.
    pub(super) fn new(statistics: &'a GraphStatistics, walk: &Walk, reversed: bool) -> Self {
        let along = matches!(
            (walk.direction, reversed),
            (Direction::Out, false) | (Direction::In, true) | (Direction::Both, _)
        );
        let against = walk.direction == Direction::Both || !along;
        let mut ways = Vec::new();
        let mut all = 0.0;
        for edge in walk.edges.iter().filter_map(|edge| statistics.edges.get(usize::from(*edge))) {
            ways.extend(along.then_some(&edge.out));
            ways.extend(against.then_some(&edge.r#in));
            all += edge.count as f64 * if along && against { 2.0 } else { 1.0 };
        }
        Self { ways, all, hops: walk.hops, learnt: statistics.epoch > 0 }
    }

    /// Edges looked at when each start is walked from by itself.
    pub(super) fn apart(&self, starts: &[NodeRef]) -> f64 {
        let sampled = starts.len().min(SAMPLED);
        let scale = starts.len() as f64 / sampled.max(1) as f64;
        scale * starts[..sampled].iter().map(|start| self.walk(self.degree(start))).sum::<f64>()
    }

    /// Edges looked at when all starts are walked from together.
    pub(super) fn together(&self, starts: &[NodeRef]) -> f64 {
        let sampled = starts.len().min(SAMPLED);
        let scale = starts.len() as f64 / sampled.max(1) as f64;
        self.walk(scale * starts[..sampled].iter().map(|start| self.degree(start)).sum::<f64>())
    }

    /// The degrees of the starts, then the mean fan-out of the nodes that steps lead to; at most all edges, as no node is
    /// left twice.
    fn walk(&self, degrees: f64) -> f64 {
        let fan_out = if self.learnt { self.ways.iter().map(|way| way.mean_after_step).sum() } else { UNKNOWN_DEGREE };
        let mut level = degrees;
        let mut edges = level;
        for _ in 1..self.hops {
            level *= fan_out;
            edges += level;
        }
        if self.learnt { edges.min(self.all) } else { edges }
    }

    fn degree(&self, node: &NodeRef) -> f64 {
        if !self.learnt {
            return UNKNOWN_DEGREE;
        }
        let known =
            |way: &&DegreeStatistics| way.known.as_ref().and_then(|known| known(node)).map(|degree| degree as f64);
        self.ways.iter().map(|way| known(way).unwrap_or(way.mean)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{backend::EdgeStatistics, value::EntityId};

    fn node(id: i64) -> NodeRef {
        NodeRef { label: 0, id: EntityId::Integer(id) }
    }

    fn statistics() -> GraphStatistics {
        let hub = |degree: u64| DegreeStatistics {
            mean: 2.0,
            mean_after_step: 5.0,
            known: Some(Arc::new(move |at: &NodeRef| (*at == node(1)).then_some(degree))),
            ..DegreeStatistics::default()
        };
        let edge = EdgeStatistics { count: 1_000, out: hub(3), r#in: hub(400) };
        GraphStatistics { nodes: 500, edges: vec![edge], epoch: 1, ..GraphStatistics::default() }
    }

    #[test]
    fn hubs_cost_their_degree_and_no_walk_takes_more_than_all_edges() {
        let (statistics, walk) = (statistics(), |direction, hops| Walk { edges: vec![0], direction, hops });
        let into = |hops| Expected { ..Expected::new(&statistics, &walk(Direction::In, hops), false) };
        assert_eq!(into(1).apart(&[node(1)]), 400.0);
        assert_eq!(into(1).apart(&[node(2)]), 2.0);
        assert_eq!(into(2).apart(&[node(2)]), 12.0);
        assert_eq!(into(3).apart(&[node(1)]), 1_000.0);
        assert_eq!(into(3).apart(&[node(1), node(1)]), 2_000.0);
        assert_eq!(into(3).together(&[node(1), node(1)]), 1_000.0);
        let back = Expected::new(&statistics, &walk(Direction::In, 1), true);
        assert_eq!(back.apart(&[node(1)]), 3.0);
        let both = Expected::new(&statistics, &walk(Direction::Both, 1), false);
        assert_eq!(both.apart(&[node(1)]), 403.0);
    }

    #[test]
    fn before_anything_was_learnt_more_starts_are_more_work() {
        let walk = Walk { edges: vec![0], direction: Direction::Out, hops: 2 };
        let nothing = GraphStatistics::default();
        let expected = Expected::new(&nothing, &walk, false);
        assert!(expected.apart(&[node(1), node(2)]) > expected.apart(&[node(1)]));
    }
}
