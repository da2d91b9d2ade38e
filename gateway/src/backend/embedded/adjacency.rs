//! Edges as compressed adjacency, along and against their direction.

use super::Edges;
use crate::query::{Direction, Walk};

/// The neighbours of each row, ascending.
#[derive(Debug)]
pub(super) struct Adjacency {
    offsets: Vec<u32>,
    neighbours: Vec<u32>,
}

impl Adjacency {
    pub(super) fn neighbours(&self, row: u32) -> &[u32] {
        &self.neighbours[self.offsets[row as usize] as usize..self.offsets[row as usize + 1] as usize]
    }

    pub(super) fn degree(&self, row: u32) -> u32 {
        self.offsets[row as usize + 1] - self.offsets[row as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.neighbours.len()
    }
}

/// The edges of one type.
#[derive(Debug)]
pub(super) struct EdgeType {
    /// From sources to targets.
    pub(super) out: Adjacency,
    /// From targets to sources.
    pub(super) r#in: Adjacency,
    /// Mean degree in the direction of a step over the nodes where such steps end. It is the same for both directions:
    /// `Σ in(v)·out(v)` over the number of edges.
    pub(super) after_step: f64,
}

impl EdgeType {
    /// Takes over valid edges.
    pub(super) fn new(edges: Edges, rows: u32) -> Self {
        let Edges { sources, targets } = edges;
        let out_offsets = offsets(&sources, rows);
        let in_offsets = offsets(&targets, rows);
        // Edges ascend by source, so filling in their order leaves each list of sources ascending.
        let mut next = in_offsets.clone();
        let mut reversed = vec![0; sources.len()];
        for (source, target) in sources.iter().zip(&targets) {
            let place = &mut next[*target as usize];
            reversed[*place as usize] = *source;
            *place += 1;
        }
        let out = Adjacency { offsets: out_offsets, neighbours: targets };
        let r#in = Adjacency { offsets: in_offsets, neighbours: reversed };
        let pairs: f64 = (0..rows).map(|row| f64::from(out.degree(row)) * f64::from(r#in.degree(row))).sum();
        let after_step = if out.len() == 0 { 0.0 } else { pairs / out.len() as f64 };
        Self { out, r#in, after_step }
    }
}

fn offsets(ends: &[u32], rows: u32) -> Vec<u32> {
    let mut offsets = vec![0_u32; rows as usize + 1];
    for end in ends {
        offsets[*end as usize + 1] += 1;
    }
    for row in 0..rows as usize {
        offsets[row + 1] += offsets[row];
    }
    offsets
}

/// One way to take a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) edge: u16,
    /// Whether the step goes along the edges.
    pub(super) along: bool,
    pub(super) adjacency: &'a Adjacency,
    after_step: f64,
}

/// The ways to take a step of a walk, by (edge type, along before against).
#[derive(Debug)]
pub(super) struct Steps<'a>(Vec<Step<'a>>);

impl<'a> Steps<'a> {
    /// The ways of a walk; `reversed` for the walk back from where it ends.
    pub(super) fn new(edge_types: &'a [EdgeType], walk: &Walk, reversed: bool) -> Self {
        let (out, against) = match walk.direction {
            Direction::Out => (true, false),
            Direction::In => (false, true),
            Direction::Both => (true, true),
        };
        let (out, against) = if reversed { (against, out) } else { (out, against) };
        let mut steps = Vec::with_capacity(walk.edges.len() * 2);
        for &edge in &walk.edges {
            let Some(EdgeType { out: forth, r#in: back, after_step }) = edge_types.get(usize::from(edge)) else {
                continue;
            };
            let step = |along, adjacency| Step { edge, along, adjacency, after_step: *after_step };
            steps.extend(out.then(|| step(true, forth)));
            steps.extend(against.then(|| step(false, back)));
        }
        Self(steps)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Step<'a>> {
        self.0.iter()
    }

    /// The first way that leads from one row to another.
    pub(super) fn between(&self, from: u32, to: u32) -> Option<&Step<'a>> {
        self.0.iter().find(|step| step.adjacency.neighbours(from).binary_search(&to).is_ok())
    }

    /// About how many edges a breadth-first walk of so many hops looks at: the degrees of its starts, then the mean
    /// fan-out of nodes that steps lead to; at most all edges, as no node is left twice.
    pub(super) fn expected_edges(&self, starts: &[u32], hops: u8) -> f64 {
        let all: f64 = self.0.iter().map(|step| step.adjacency.len() as f64).sum();
        let fan_out: f64 = self.0.iter().map(|step| step.after_step).sum();
        let degree = |row: u32| self.0.iter().map(|step| f64::from(step.adjacency.degree(row))).sum::<f64>();
        let mut level: f64 = starts.iter().map(|row| degree(*row)).sum();
        let mut edges = level;
        for _ in 1..hops {
            level *= fan_out;
            edges += level;
        }
        edges.min(all)
    }
}
