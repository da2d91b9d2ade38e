//! How many edges walks look at, by statistics: where to cut a walk, and how long a call will take.

use crate::{
    backend::{DegreeStatistics, EdgeStatistics, GraphStatistics},
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
    let fan_out: f64 = edges().map(|edge| directions(edge, &|degrees| degrees.mean_after_step)).sum();
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

/// How many of a walk's steps to go back from its targets rather than forward from its anchors, and about how many edges the
/// walk looks at then.
pub(super) fn cut(forward: &[f64], backward: &[f64]) -> (u8, f64) {
    let hops = forward.len();
    // What was found from the targets is gone through once more, from the other side.
    let cost = |back: usize| forward[..hops - back].iter().sum::<f64>() + 2.0 * backward[..back].iter().sum::<f64>();
    let back = (0..hops).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0);
    (back as u8, cost(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheaper_side_of_a_walk_goes_further() {
        assert_eq!(cut(&[5_000.0, 40_000.0], &[3.0, 20.0]), (1, 5_006.0));
        assert_eq!(cut(&[3.0, 20.0], &[5_000.0, 40_000.0]).0, 0);
        assert_eq!(cut(&[10.0, 1_000.0, 50_000.0], &[10.0, 2_000.0, 90_000.0]).0, 1);
    }
}
