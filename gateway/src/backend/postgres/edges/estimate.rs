//! How many edges walks look at, by statistics: where to cut a walk, and how long a call will take.

use crate::{
    backend::{DegreeStatistics, EdgeStatistics, GraphStatistics, KnownEdges, ReachRequest},
    query::{Direction, NodeRef, Walk},
    value::EntityId,
};

/// Nodes whose degrees are looked up; the others are like them.
const SAMPLE: usize = 256;

/// Edges that each level of a walk looks at, from these nodes.
pub(super) fn levels(
    statistics: &GraphStatistics,
    label: u16,
    starts: &[EntityId],
    walk: &Walk,
    backwards: bool,
) -> Vec<f64> {
    if let Some(known) = &statistics.known {
        return levels_ahead(known, statistics.nodes as f64, label, starts, walk, backwards);
    }
    let edges = || walk.edges.iter().filter_map(|edge| statistics.edges.get(usize::from(*edge)));
    let directions = |edge: &'_ EdgeStatistics, of: &dyn Fn(&DegreeStatistics) -> f64| {
        let (out, against) = match walk.direction {
            Direction::Out => (true, false),
            Direction::In => (false, true),
            Direction::Both => (true, true),
        };
        let (out, against) = if backwards { (against, out) } else { (out, against) };
        f64::from(u8::from(out)) * of(&edge.out) + f64::from(u8::from(against)) * of(&edge.r#in)
    };
    let degree = |id: &EntityId| -> f64 {
        let node = NodeRef { label, id: id.clone() };
        let of = |known: &DegreeStatistics| {
            known.known.as_ref().and_then(|known| known(&node)).map_or(known.mean, |degree| degree as f64)
        };
        edges().map(|edge| directions(edge, &of)).sum()
    };
    let sampled = &starts[..starts.len().min(SAMPLE)];
    let scale = starts.len() as f64 / sampled.len().max(1) as f64;
    let all: f64 = edges().map(|edge| directions(edge, &|_| edge.count as f64)).sum();
    let fan_out: f64 = edges()
        .map(|edge| match walk.direction {
            // Half of the steps were along an edge, half against one: one way goes on, the other turns round.
            Direction::Both => {
                let onwards = (edge.out.mean_after_step + edge.r#in.mean_after_step) / 2.0;
                onwards + edge.turns.unwrap_or(onwards)
            }
            _ => directions(edge, &|degrees| degrees.mean_after_step),
        })
        .sum();
    let nodes = statistics.nodes.max(1) as f64;
    let mut level = (scale * sampled.iter().map(degree).sum::<f64>()).min(all);
    let mut levels = Vec::with_capacity(walk.hops.into());
    for _ in 0..walk.hops {
        levels.push(level);
        // Many edges lead to the same nodes.
        let distinct = nodes * (1.0 - (-level / nodes).exp());
        level = (distinct * fan_out).min(all);
    }
    levels
}

/// The same where the edges are in memory.
fn levels_ahead(
    known: &KnownEdges,
    nodes: f64,
    label: u16,
    starts: &[EntityId],
    walk: &Walk,
    backwards: bool,
) -> Vec<f64> {
    let direction = match (walk.direction, backwards) {
        (Direction::Out, true) => Direction::In,
        (Direction::In, true) => Direction::Out,
        (direction, _) => direction,
    };
    let hops = usize::from(walk.hops);
    let walk = Walk { direction, ..walk.clone() };
    let anchors = starts.iter().map(|id| NodeRef { label, id: id.clone() }).collect();
    let mut levels = known.ahead(&ReachRequest { anchors, walk, include_anchors: false, scope: None }, nodes).levels;
    levels.resize(hops, 0.0);
    levels
}

/// Where a walk that looks for targets is cut.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cut {
    /// So many steps are gone back from the targets first; the walk from the anchors is held to what they found.
    pub(super) back: u8,
    /// By the number of steps that are left after a level: whether its edges are found from the side of the targets.
    pub(super) leads: Vec<bool>,
    /// Edges looked at, about.
    pub(super) edges: f64,
}

impl Cut {
    /// The cheapest cut, given the edges of each level from the anchors and from the targets.
    pub(super) fn of(forward: &[f64], backward: &[f64]) -> Self {
        let hops = forward.len();
        let leads: Vec<bool> = (0..hops).map(|left| backward[left] < forward[hops - 1 - left]).collect();
        let cost = |back: usize| -> f64 {
            let free: f64 = forward[..hops - 1 - back].iter().sum();
            let held: f64 = (0..=back).map(|left| backward[left].min(forward[hops - 1 - left])).sum();
            free + backward[..back].iter().sum::<f64>() + held
        };
        let back = (0..hops).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0);
        Self { back: back as u8, leads, edges: cost(back) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheaper_side_of_a_walk_goes_further() {
        let few = Cut::of(&[5_000.0, 40_000.0], &[3.0, 20.0]);
        assert_eq!(few, Cut { back: 1, leads: vec![true, true], edges: 26.0 });
        let many = Cut::of(&[3.0, 20.0], &[5_000.0, 40_000.0]);
        assert_eq!(many, Cut { back: 0, leads: vec![false, false], edges: 23.0 });
        let between = Cut::of(&[10.0, 1_000.0, 50_000.0], &[10.0, 2_000.0, 90_000.0]);
        assert_eq!((between.back, between.leads), (0, vec![true, false, false]));
    }
}
