//! Neighbourhoods and shortest paths over edges that were fetched.
//!
//! Of several shortest paths the one with the smallest sequence of ids is wanted. Nodes of a level are kept in the order
//! of their best paths: a node's best path goes through the first node of the level before that leads to it, and nodes
//! found from one node follow each other by id. So the first discovery is the best one.

use std::collections::HashMap;

use crate::{
    backend::{Neighbour, Path, PathStep},
    query::NodeRef,
};

/// A step of a walk between two nodes.
pub(super) struct Edge {
    pub(super) from: NodeRef,
    pub(super) to: NodeRef,
    /// An index into the edge types of the schema.
    pub(super) kind: u16,
    pub(super) along: bool,
}

/// Nodes by (id, label), and the steps from each.
pub(super) struct Nearby {
    nodes: Vec<NodeRef>,
    places: HashMap<NodeRef, u32>,
    steps: Vec<Vec<Step>>,
}

/// By where it leads, then by edge type, along before against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    to: u32,
    kind: u16,
    against: bool,
}

/// A node in the order of discovery.
#[derive(Clone, Copy)]
struct Found {
    node: u32,
    /// The place of the node before it, and the step from there; none for a start.
    before: Option<(u32, Step)>,
}

/// A breadth-first walk.
struct Discovery<'a> {
    nearby: &'a Nearby,
    found: Vec<Found>,
    seen: Vec<bool>,
    /// Where the newest level begins.
    level: usize,
}

impl Nearby {
    /// The graph of these edges and the single nodes beside them.
    pub(super) fn new(edges: Vec<Edge>, single: &[NodeRef]) -> Self {
        let mut nodes: Vec<NodeRef> = Vec::with_capacity(edges.len() + single.len());
        for edge in &edges {
            nodes.extend([edge.from.clone(), edge.to.clone()]);
        }
        nodes.extend_from_slice(single);
        nodes.sort_unstable_by(|a, b| (&a.id, a.label).cmp(&(&b.id, b.label)));
        nodes.dedup();
        let places: HashMap<NodeRef, u32> = nodes.iter().cloned().zip(0..).collect();
        let mut steps = vec![Vec::new(); nodes.len()];
        for Edge { from, to, kind, along } in &edges {
            steps[places[from] as usize].push(Step { to: places[to], kind: *kind, against: !along });
        }
        for steps in &mut steps {
            steps.sort_unstable();
            steps.dedup_by_key(|step| step.to);
        }
        Self { nodes, places, steps }
    }

    /// The nodes around one by (hops, id), the first `most`.
    pub(super) fn neighbourhood(&self, start: &NodeRef, hops: u8, most: usize, paths: bool) -> Vec<Neighbour> {
        let mut near = Vec::new();
        let Some(start) = self.places.get(start) else { return near };
        let mut discovery = Discovery::new(self, &[*start]);
        for hops in 1..=hops {
            if near.len() >= most {
                break;
            }
            let mut level: Vec<usize> = discovery.advance().collect();
            if level.is_empty() {
                break;
            }
            level.sort_unstable_by_key(|place| discovery.found[*place].node);
            level.truncate(most - near.len());
            near.extend(level.into_iter().map(|place| Neighbour {
                id: self.nodes[discovery.found[place].node as usize].id.clone(),
                hops,
                path: paths.then(|| discovery.path(place)),
            }));
        }
        near
    }

    /// The best path from some anchor to each target; targets that are anchors have one without steps.
    pub(super) fn paths(&self, anchors: &[NodeRef], targets: &[NodeRef], hops: u8) -> Vec<Option<Path>> {
        let mut starts: Vec<u32> = anchors.iter().filter_map(|anchor| self.places.get(anchor)).copied().collect();
        starts.sort_unstable();
        starts.dedup();
        let mut discovery = Discovery::new(self, &starts);
        for _ in 0..hops {
            if discovery.advance().is_empty() {
                break;
            }
        }
        let places: HashMap<u32, usize> = discovery.found.iter().map(|found| found.node).zip(0..).collect();
        let path = |target| Some(discovery.path(*places.get(self.places.get(target)?)?));
        targets.iter().map(path).collect()
    }
}

impl<'a> Discovery<'a> {
    /// A walk from these nodes, ascending and distinct.
    fn new(nearby: &'a Nearby, starts: &[u32]) -> Self {
        let mut seen = vec![false; nearby.nodes.len()];
        for start in starts {
            seen[*start as usize] = true;
        }
        Self { nearby, found: starts.iter().map(|node| Found { node: *node, before: None }).collect(), seen, level: 0 }
    }

    /// Takes one more step from each node of the newest level. Returns the places of the nodes found.
    fn advance(&mut self) -> std::ops::Range<usize> {
        let (start, end) = (self.level, self.found.len());
        for place in start..end {
            for step in &self.nearby.steps[self.found[place].node as usize] {
                if !std::mem::replace(&mut self.seen[step.to as usize], true) {
                    self.found.push(Found { node: step.to, before: Some((place as u32, *step)) });
                }
            }
        }
        self.level = end;
        end..self.found.len()
    }

    fn path(&self, place: usize) -> Path {
        let mut steps = Vec::new();
        let mut at = self.found[place];
        while let Some((before, step)) = at.before {
            let to = self.nearby.nodes[step.to as usize].id.clone();
            steps.push(PathStep { edge: step.kind, along: !step.against, to });
            at = self.found[before as usize];
        }
        steps.reverse();
        Path { from: self.nearby.nodes[at.node as usize].id.clone(), steps }
    }
}
