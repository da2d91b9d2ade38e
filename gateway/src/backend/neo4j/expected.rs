//! How much work a walk is expected to be.

use std::sync::Arc;

use super::whole::Whole;
use crate::{
    backend::{DegreeStatistics, EdgeStatistics, GraphStatistics},
    query::{Direction, NodeRef, Walk},
};

/// Before anything was learnt.
const UNKNOWN_DEGREE: f64 = 10.0;

/// Starts that are looked up one by one; those beyond are as the ones before.
const SAMPLED: usize = 256;

/// What was learnt: what the planner is told, and what it has no word for.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    pub(super) statistics: Arc<GraphStatistics>,
    /// One an edge type: the mean fan-out back along the type after a step along it or against it. Far larger than the
    /// fan-out onwards where hubs are.
    pub(super) turns: Vec<f64>,
    /// The relationships themselves, where they are not too many.
    pub(super) whole: Option<Whole>,
}

/// What walks of one kind are expected to meet.
pub(super) struct Expected<'a> {
    ways: Vec<&'a DegreeStatistics>,
    /// Mean fan-out after a step.
    fan_out: f64,
    /// All edges that such a walk can take.
    all: f64,
    hops: u8,
    learnt: bool,
}

impl<'a> Expected<'a> {
    /// `reversed` for the walk back from where it ends.
    pub(super) fn new(known: &'a Knowledge, walk: &Walk, reversed: bool) -> Self {
        let statistics = &*known.statistics;
        let along = matches!(
            (walk.direction, reversed),
            (Direction::Out, false) | (Direction::In, true) | (Direction::Both, _)
        );
        let both = walk.direction == Direction::Both;
        let mut expected =
            Self { ways: Vec::new(), fan_out: 0.0, all: 0.0, hops: walk.hops, learnt: statistics.epoch > 0 };
        for edge in walk.edges.iter().map(|edge| usize::from(*edge)) {
            let Some(EdgeStatistics { count, out, r#in, .. }) = statistics.edges.get(edge) else { continue };
            if both {
                // Half of the steps were along: after each, one direction goes on and the other turns round.
                expected.ways.extend([out, r#in]);
                let onwards = (out.mean_after_step + r#in.mean_after_step) / 2.0;
                expected.fan_out += onwards + known.turns.get(edge).copied().unwrap_or(onwards);
                expected.all += *count as f64 * 2.0;
            } else {
                let way = if along { out } else { r#in };
                expected.ways.push(way);
                expected.fan_out += way.mean_after_step;
                expected.all += *count as f64;
            }
        }
        expected
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
        let fan_out = if self.learnt { self.fan_out } else { UNKNOWN_DEGREE };
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
    use super::*;
    use crate::value::EntityId;

    fn node(id: i64) -> NodeRef {
        NodeRef { label: 0, id: EntityId::Integer(id) }
    }

    fn knowledge() -> Knowledge {
        let hub = |degree: u64| DegreeStatistics {
            mean: 2.0,
            mean_after_step: 5.0,
            known: Some(Arc::new(move |at: &NodeRef| (*at == node(1)).then_some(degree))),
            ..DegreeStatistics::default()
        };
        let edge = EdgeStatistics { count: 1_000, out: hub(3), r#in: hub(400), turns: None };
        let statistics = GraphStatistics { nodes: 500, edges: vec![edge], epoch: 1, ..GraphStatistics::default() };
        Knowledge { statistics: Arc::new(statistics), turns: vec![20.0], whole: None }
    }

    fn walk(direction: Direction, hops: u8) -> Walk {
        Walk { edges: vec![0], direction, hops }
    }

    #[test]
    fn hubs_cost_their_degree_and_no_walk_takes_more_than_all_edges() {
        let knowledge = knowledge();
        let into = |hops| Expected::new(&knowledge, &walk(Direction::In, hops), false);
        assert_eq!(into(1).apart(&[node(1)]), 400.0);
        assert_eq!(into(1).apart(&[node(2)]), 2.0);
        assert_eq!(into(2).apart(&[node(2)]), 12.0);
        assert_eq!(into(3).apart(&[node(1)]), 1_000.0);
        assert_eq!(into(3).apart(&[node(1), node(1)]), 2_000.0);
        assert_eq!(into(3).together(&[node(1), node(1)]), 1_000.0);
        let back = Expected::new(&knowledge, &walk(Direction::In, 1), true);
        assert_eq!(back.apart(&[node(1)]), 3.0);
    }

    #[test]
    fn a_walk_both_ways_turns_round_at_hubs() {
        let knowledge = knowledge();
        let both = |hops| Expected::new(&knowledge, &walk(Direction::Both, hops), false);
        assert_eq!(both(1).apart(&[node(1)]), 403.0);
        assert_eq!(both(2).apart(&[node(2)]), 4.0 + 4.0 * 25.0);
    }

    #[test]
    fn before_anything_was_learnt_more_starts_are_more_work() {
        let nothing = Knowledge::default();
        let expected = Expected::new(&nothing, &walk(Direction::Out, 2), false);
        assert!(expected.apart(&[node(1), node(2)]) > expected.apart(&[node(1)]));
    }
}
