//! Steps from a node, both ways, for every edge type.

use crate::{backend::embedded::Edges, query::Direction};

/// The edges of one type, findable from both ends.
pub(super) struct Adjacency<'a> {
    out: &'a Edges,
    /// (target, source), ascending.
    back: Vec<(u32, u32)>,
}

impl<'a> Adjacency<'a> {
    pub(super) fn new(edges: &'a Edges) -> Self {
        let mut back: Vec<_> = edges.targets.iter().copied().zip(edges.sources.iter().copied()).collect();
        back.sort_unstable();
        Self { out: edges, back }
    }

    /// Number of edges.
    pub(super) fn len(&self) -> usize {
        self.back.len()
    }

    /// The node that edge `index` leaves when walked in `direction`.
    pub(super) fn start(&self, index: usize, direction: Direction) -> u32 {
        if direction == Direction::In { self.out.targets[index] } else { self.out.sources[index] }
    }

    /// Where one step in `direction` leads, ascending; both ways one after the other.
    pub(super) fn steps(&self, node: u32, direction: Direction) -> impl Iterator<Item = u32> + '_ {
        let along = if direction == Direction::In { &[][..] } else { self.targets(node) };
        let against = if direction == Direction::Out { &[][..] } else { self.sources(node) };
        along.iter().copied().chain(against.iter().map(|(_, source)| *source))
    }

    /// Number of steps.
    pub(super) fn degree(&self, node: u32, direction: Direction) -> usize {
        let along = if direction == Direction::In { 0 } else { self.targets(node).len() };
        let against = if direction == Direction::Out { 0 } else { self.sources(node).len() };
        along + against
    }

    fn targets(&self, node: u32) -> &[u32] {
        let sources = &self.out.sources;
        &self.out.targets[sources.partition_point(|s| *s < node)..sources.partition_point(|s| *s <= node)]
    }

    fn sources(&self, node: u32) -> &[(u32, u32)] {
        let from = self.back.partition_point(|(target, _)| *target < node);
        let to = self.back.partition_point(|(target, _)| *target <= node);
        &self.back[from..to]
    }
}
