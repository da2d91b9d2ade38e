//! Shortest paths and neighbourhoods.
//!
//! Of several shortest paths the one with the smallest sequence of ids is wanted. Nodes of a level are kept in the order
//! of their best paths: a node's best path goes through the first node of the level before that leads to it, and nodes
//! found from one node follow each other by id. So the first discovery is the best one.

use super::{Dataset, adjacency::Steps, visits::Visits, walk::Scope, watch::Watch};
use crate::{
    backend::{BackendError, Neighbour, Path, PathStep},
    query::Walk,
};

/// Nodes in the order in which a walk found them.
pub(super) struct Discovery<'a> {
    data: &'a Dataset,
    steps: Steps<'a>,
    scope: &'a Scope<'a>,
    /// Row, and the place of the node before it; starts come before themselves.
    found: Vec<(u32, u32)>,
    /// Where the newest level begins.
    level: usize,
}

impl<'a> Discovery<'a> {
    /// A walk from these rows, ascending, that have been put into `seen`.
    pub(super) fn new(
        data: &'a Dataset,
        scope: &'a Scope<'a>,
        walk: &Walk,
        starts: &[u32],
        seen: &mut Visits<'_>,
    ) -> Self {
        let mut found = Vec::with_capacity(starts.len());
        for (place, &row) in starts.iter().enumerate() {
            seen.insert(row);
            found.push((row, place as u32));
        }
        Self { data, steps: Steps::new(data.edge_types(), walk, false), scope, found, level: 0 }
    }

    /// Takes one more step from each node of the newest level. Returns the places of the nodes found.
    pub(super) fn advance(
        &mut self,
        seen: &mut Visits<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<std::ops::Range<usize>, BackendError> {
        let (start, end) = (self.level, self.found.len());
        for place in start..end {
            let row = self.found[place].0;
            let first = self.found.len();
            for step in self.steps.iter() {
                let neighbours = step.adjacency.neighbours(row);
                watch.spend(neighbours.len())?;
                for &neighbour in neighbours {
                    if seen.insert(neighbour) && self.scope.has(neighbour) {
                        self.found.push((neighbour, place as u32));
                    }
                }
            }
            self.found[first..].sort_unstable();
        }
        self.level = end;
        Ok(end..self.found.len())
    }

    /// The row at a place.
    pub(super) fn row(&self, place: usize) -> u32 {
        self.found[place].0
    }

    /// The best path to the node at a place.
    pub(super) fn path(&self, place: usize) -> Path {
        let mut steps = Vec::new();
        let mut place = place;
        loop {
            let (row, before) = self.found[place];
            if before as usize == place {
                steps.reverse();
                return Path { from: self.data.id(row).clone(), steps };
            }
            let from = self.row(before as usize);
            let step = self.steps.between(from, row).expect("a step led here");
            steps.push(PathStep { edge: step.edge, along: step.along, to: self.data.id(row).clone() });
            place = before as usize;
        }
    }
}

/// The nodes around one row by (hops, id), the first `most`.
pub(super) fn neighbourhood(
    data: &Dataset,
    scope: &Scope<'_>,
    walk: &Walk,
    row: u32,
    most: usize,
    paths: bool,
    watch: &mut Watch<'_>,
) -> Result<Vec<Neighbour>, BackendError> {
    let mut seen = data.visits.take();
    let mut discovery = Discovery::new(data, scope, walk, &[row], &mut seen);
    let mut neighbours = Vec::new();
    for hops in 1..=walk.hops {
        if neighbours.len() >= most {
            break;
        }
        let level = discovery.advance(&mut seen, watch)?;
        if level.is_empty() {
            break;
        }
        let mut places: Vec<usize> = level.collect();
        places.sort_unstable_by_key(|place| discovery.row(*place));
        places.truncate(most - neighbours.len());
        neighbours.extend(places.into_iter().map(|place| Neighbour {
            id: data.id(discovery.row(place)).clone(),
            hops,
            path: paths.then(|| discovery.path(place)),
        }));
    }
    Ok(neighbours)
}

/// The best path from some anchor to each target; targets that are anchors have one without steps.
pub(super) fn paths(
    data: &Dataset,
    scope: &Scope<'_>,
    walk: &Walk,
    anchors: &[u32],
    targets: &[Option<u32>],
    watch: &mut Watch<'_>,
) -> Result<Vec<Option<Path>>, BackendError> {
    // Places in the discovery by target, found by binary search as targets are few.
    let mut wanted: Vec<u32> = targets.iter().flatten().copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found: Vec<Option<usize>> = vec![None; wanted.len()];
    let mut left = wanted.len();

    let mut seen = data.visits.take();
    let mut discovery = Discovery::new(data, scope, walk, anchors, &mut seen);
    let mut level = 0..anchors.len();
    for hop in 0..=walk.hops {
        for place in level {
            if let Ok(target) = wanted.binary_search(&discovery.row(place)) {
                found[target] = Some(place);
                left -= 1;
            }
        }
        if left == 0 || hop == walk.hops {
            break;
        }
        level = discovery.advance(&mut seen, watch)?;
        if level.is_empty() {
            break;
        }
    }
    let path = |row: u32| {
        let target = wanted.binary_search(&row).expect("each target is wanted");
        found[target].map(|place| discovery.path(place))
    };
    Ok(targets.iter().map(|target| target.and_then(path)).collect())
}
