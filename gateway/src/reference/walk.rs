//! Walks over the graph: distances by scanning all edges once a hop, and what follows from distances.

use super::Asked;
use crate::{
    backend::{Neighbour, Path, PathStep},
    query::{Direction, Expand, Walk},
};

/// One way to take an edge.
#[derive(Clone, Copy)]
pub(super) struct Step {
    from: u32,
    to: u32,
    edge: u16,
    along: bool,
}

impl Asked<'_> {
    /// Every step that a walk may take. Nodes that the caller must not touch are neither left nor entered.
    pub(super) fn steps(&self, walk: &Walk) -> Vec<Step> {
        let mut steps = Vec::new();
        for &edge in &walk.edges {
            let edges = &self.parts.edges[edge as usize];
            for (&source, &target) in edges.sources.iter().zip(&edges.targets) {
                if !self.may_walk(source) || !self.may_walk(target) {
                    continue;
                }
                if matches!(walk.direction, Direction::Out | Direction::Both) {
                    steps.push(Step { from: source, to: target, edge, along: true });
                }
                if matches!(walk.direction, Direction::In | Direction::Both) {
                    steps.push(Step { from: target, to: source, edge, along: false });
                }
            }
        }
        steps
    }

    /// The fewest steps from any of `starts` to each row; `None` beyond `hops`.
    pub(super) fn distances(&self, steps: &[Step], hops: u8, starts: &[u32]) -> Vec<Option<u8>> {
        let mut distance = vec![None; self.parts.ids.len()];
        for start in starts {
            distance[*start as usize] = Some(0);
        }
        for hop in 1..=hops {
            for step in steps {
                if distance[step.from as usize] == Some(hop - 1) && distance[step.to as usize].is_none() {
                    distance[step.to as usize] = Some(hop);
                }
            }
        }
        distance
    }

    /// The shortest path from one of `starts` to `target`: of several the one with the smallest sequence of ids, then
    /// of edge types, along before against.
    pub(super) fn path(&self, steps: &[Step], hops: u8, starts: &[u32], target: u32) -> Option<Path> {
        let backwards: Vec<Step> = steps.iter().map(|s| Step { from: s.to, to: s.from, ..*s }).collect();
        let left = self.distances(&backwards, hops, &[target]);
        let mut at =
            *starts.iter().filter(|s| left[**s as usize].is_some()).min_by_key(|s| (left[**s as usize], **s))?;
        let mut path = Path { from: self.parts.ids[at as usize].clone(), steps: Vec::new() };
        while let Some(remaining) = left[at as usize].filter(|remaining| *remaining > 0) {
            let next = steps
                .iter()
                .filter(|step| step.from == at && left[step.to as usize] == Some(remaining - 1))
                .min_by_key(|step| (step.to, step.edge, !step.along))?;
            path.steps.push(PathStep {
                edge: next.edge,
                along: next.along,
                to: self.parts.ids[next.to as usize].clone(),
            });
            at = next.to;
        }
        Some(path)
    }

    /// The neighbourhood of a row: other nodes by (hops, id), the first `per_item`.
    pub(super) fn neighbours(&self, expand: &Expand, row: u32, with_paths: bool) -> Vec<Neighbour> {
        let steps = self.steps(&expand.walk);
        let distance = self.distances(&steps, expand.walk.hops, &[row]);
        let mut near: Vec<(u8, u32)> =
            (0_u32..).zip(&distance).filter_map(|(other, hops)| Some(((*hops)?, other))).collect();
        near.retain(|(_, other)| *other != row);
        near.sort_unstable();
        near.truncate(expand.per_item as usize);
        let path = |to| if with_paths { self.path(&steps, expand.walk.hops, &[row], to) } else { None };
        near.into_iter()
            .map(|(hops, other)| Neighbour { id: self.parts.ids[other as usize].clone(), hops, path: path(other) })
            .collect()
    }
}
