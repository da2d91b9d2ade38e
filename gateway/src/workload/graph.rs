//! Walks: where they start, which way they go, and what they reach.

use rand::RngExt;
use roaring::RoaringBitmap;
use serde_json::{Map, Value, json};

use super::{
    class::AnchorClass,
    random::{Source, one, weighted},
    survey::Survey,
};
use crate::query::Direction;

/// Nodes looked at to find an anchor of the wanted class.
const CANDIDATES: usize = 64;

/// How a walk goes on.
#[derive(Debug, Clone)]
pub(super) struct DrawnWalk {
    pub(super) edges: Vec<u16>,
    pub(super) direction: Direction,
    pub(super) hops: u8,
}

/// Where walks start, and what that means.
pub(super) struct DrawnAnchors {
    pub(super) rows: Vec<u32>,
    pub(super) class: AnchorClass,
    /// Steps that lead away from the first anchor.
    pub(super) degree: usize,
    /// Entities within reach.
    pub(super) reach: RoaringBitmap,
}

impl DrawnWalk {
    /// The fields of a walk, as `within` and `expand` have them.
    pub(super) fn json(&self, survey: &Survey<'_>) -> Map<String, Value> {
        let names: Vec<&str> = self.names(survey).collect();
        let json = json!({ "edges": names, "direction": self.direction.as_str(), "hops": self.hops });
        let Value::Object(json) = json else { unreachable!("made as an object above") };
        json
    }

    /// The edge types in one word.
    pub(super) fn label(&self, survey: &Survey<'_>) -> String {
        self.names(survey).collect::<Vec<_>>().join("+")
    }

    fn names<'s>(&'s self, survey: &'s Survey<'_>) -> impl Iterator<Item = &'s str> {
        let graph = survey.schema.graph.as_ref().expect("a walk needs a graph");
        self.edges.iter().map(|edge| &*graph.edges[*edge as usize])
    }
}

impl Survey<'_> {
    /// Whether there is anywhere to walk.
    pub(super) fn has_edges(&self) -> bool {
        self.schema.graph.is_some() && self.edges.iter().any(|edges| edges.len() > 0)
    }

    /// A way to walk: one, two or all of the edge types that have edges, more often those that have many.
    pub(super) fn walk(&self, random: &mut Source, most_hops: u8) -> Option<DrawnWalk> {
        let mut left: Vec<(u16, f64)> = (0_u16..)
            .zip(&self.edges)
            .filter(|(_, edges)| edges.len() > 0)
            .map(|(edge, edges)| (edge, (edges.len() as f64).sqrt()))
            .collect();
        if left.is_empty() {
            return None;
        }
        let count = weighted(random, &[(1, 0.45), (2, 0.40), (left.len(), 0.15)]).min(left.len());
        let mut edges = Vec::new();
        while edges.len() < count {
            let edge = weighted(random, &left);
            left.retain(|(other, _)| *other != edge);
            edges.push(edge);
        }
        edges.sort_unstable();
        let direction = weighted(random, &[(Direction::Out, 0.4), (Direction::In, 0.4), (Direction::Both, 0.2)]);
        let hops = weighted(random, &[(1, 0.40), (2, 0.35), (3, 0.25)]);
        Some(DrawnWalk { edges, direction, hops: hops.min(most_hops).min(self.schema.limits.max_hops).max(1) })
    }

    /// Anchors of any kind; near the way to one of `towards`, if there are some. `None` where no edge is.
    pub(super) fn anchors(&self, random: &mut Source, walk: &DrawnWalk, towards: &[u32]) -> Option<DrawnAnchors> {
        let class =
            weighted(random, &[(AnchorClass::Hub, 0.35), (AnchorClass::Middling, 0.35), (AnchorClass::Leaf, 0.30)]);
        let mut candidates: Vec<(usize, u32)> = (0..CANDIDATES)
            .filter_map(|_| {
                let node = if let Some(target) = one(random, towards) {
                    self.origin_of(random, walk, target)
                } else if class == AnchorClass::Hub {
                    // Ends of edges are hubs as often as hubs have edges.
                    self.end_of_an_edge(random, walk)
                } else {
                    random.random_range(0..self.parts.ids.len() as u32)
                };
                Some((self.degree(node, &walk.edges, walk.direction), node)).filter(|(degree, _)| *degree > 0)
            })
            .collect();
        if candidates.is_empty() {
            let node = self.end_of_an_edge(random, walk);
            candidates.push((self.degree(node, &walk.edges, walk.direction), node));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let at = match class {
            AnchorClass::Hub => candidates.len() - 1,
            AnchorClass::Middling => candidates.len() / 2,
            AnchorClass::Leaf => 0,
        };
        let (degree, first) = candidates[at];
        let mut rows = vec![first];
        let most = self.schema.limits.max_anchors.min(5) as usize;
        if most > 1 && random.random_bool(0.15) {
            let others: Vec<u32> = candidates.iter().map(|(_, node)| *node).collect();
            for _ in 0..random.random_range(1..most) {
                rows.extend(one(random, &others));
            }
            rows.sort_unstable();
            rows.dedup();
        }
        let reach = self.reach(&rows, &walk.edges, walk.direction, walk.hops);
        Some(DrawnAnchors { rows, class, degree, reach })
    }

    /// The `from` of anchors.
    pub(super) fn spell_anchors(&self, anchors: &[u32]) -> Value {
        let graph = self.schema.graph.as_ref().expect("anchors need a graph");
        let id = |row: &u32| self.parts.ids[*row as usize].to_string();
        match &graph.labels[..] {
            [_] => anchors.iter().map(|row| Value::from(id(row))).collect(),
            labels => {
                let label = &*labels[graph.entity_label as usize];
                anchors.iter().map(|row| json!({ "label": label, "id": id(row) })).collect()
            }
        }
    }

    fn end_of_an_edge(&self, random: &mut Source, walk: &DrawnWalk) -> u32 {
        let counts: Vec<(u16, f64)> =
            walk.edges.iter().map(|edge| (*edge, self.edges[*edge as usize].len() as f64)).collect();
        let edges = &self.edges[weighted(random, &counts) as usize];
        let index = random.random_range(0..edges.len());
        let direction = match walk.direction {
            Direction::Both => weighted(random, &[(Direction::Out, 0.5), (Direction::In, 0.5)]),
            one_way => one_way,
        };
        edges.start(index, direction)
    }

    /// A node from which the walk may lead to `target`: some steps backwards.
    fn origin_of(&self, random: &mut Source, walk: &DrawnWalk, target: u32) -> u32 {
        let backwards = match walk.direction {
            Direction::Out => Direction::In,
            Direction::In => Direction::Out,
            Direction::Both => Direction::Both,
        };
        let mut node = target;
        for _ in 0..random.random_range(1..=walk.hops) {
            match one(random, &self.steps(node, &walk.edges, backwards)) {
                Some(before) => node = before,
                None => break,
            }
        }
        node
    }
}
