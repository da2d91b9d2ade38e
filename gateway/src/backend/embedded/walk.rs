//! Breadth-first walks over distinct nodes: what is reached, and whether candidates are.

use std::ops::ControlFlow;

use super::{Dataset, adjacency::Steps, predicate::Predicate, visits::Visits, watch::Watch};
use crate::{
    backend::{BackendError, NodeScope, ReachRequest},
    query::{Field, Filter, NodeRef},
    value::{EntityId, Literal},
};

/// Which nodes exist for a walk.
pub(super) struct Scope<'a> {
    data: &'a Dataset,
    nodes: Option<Predicate>,
}

impl<'a> Scope<'a> {
    /// A tenant's nodes and those that nobody owns; all nodes without a tenant.
    pub(super) fn new(data: &'a Dataset, scope: Option<&NodeScope>) -> Self {
        let nodes = scope.map(|scope| {
            let owner = Field::Attribute(scope.attribute);
            let shared = Filter::negate(Filter::Exists(owner));
            let own = Filter::equals(owner, Literal::Text(scope.tenant.clone()));
            Predicate::new(data, &Filter::or([shared, own]))
        });
        Self { data, nodes }
    }

    /// Whether a node exists.
    pub(super) fn has(&self, row: u32) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.test(self.data, row))
    }

    /// The row of a node, if it exists.
    pub(super) fn row(&self, id: &EntityId) -> Option<u32> {
        self.data.ordinal(id).filter(|row| self.has(*row))
    }
}

/// The anchors of a request: rows of the known ones, ascending, and the others as they came.
pub(super) fn anchors(scope: &Scope<'_>, request: &ReachRequest) -> (Vec<u32>, Vec<NodeRef>) {
    let mut rows = Vec::with_capacity(request.anchors.len());
    let mut unknown = Vec::new();
    for anchor in &request.anchors {
        match (anchor.label == 0).then(|| scope.row(&anchor.id)).flatten() {
            Some(row) => rows.push(row),
            None => unknown.push(anchor.clone()),
        }
    }
    rows.sort_unstable();
    rows.dedup();
    (rows, unknown)
}

/// Visits the nodes that are 1 to `hops` steps away from `starts` and not in `seen`, level by level, until told to
/// stop. `seen` must hold the starts. Returns the number of edges looked at.
pub(super) fn breadth_first(
    steps: &Steps<'_>,
    scope: &Scope<'_>,
    starts: &[u32],
    hops: u8,
    seen: &mut Visits<'_>,
    watch: &mut Watch<'_>,
    mut visit: impl FnMut(u32) -> ControlFlow<()>,
) -> Result<u64, BackendError> {
    let mut examined = 0;
    let mut level = starts.to_vec();
    let mut next = Vec::new();
    for hop in 1..=hops {
        for &row in &level {
            for step in steps.iter() {
                let neighbours = step.adjacency.neighbours(row);
                watch.spend(neighbours.len())?;
                for (place, &neighbour) in neighbours.iter().enumerate() {
                    if seen.insert(neighbour) && scope.has(neighbour) {
                        if hop < hops {
                            next.push(neighbour);
                        }
                        if visit(neighbour).is_break() {
                            return Ok(examined + place as u64 + 1);
                        }
                    }
                }
                examined += neighbours.len() as u64;
            }
        }
        std::mem::swap(&mut level, &mut next);
        next.clear();
        if level.is_empty() {
            break;
        }
    }
    Ok(examined)
}

/// The rows that a request reaches, in no order, and the number of edges looked at.
pub(super) fn reach(
    data: &Dataset,
    scope: &Scope<'_>,
    request: &ReachRequest,
    anchors: &[u32],
    watch: &mut Watch<'_>,
) -> Result<(Vec<u32>, u64), BackendError> {
    let steps = Steps::new(data.edge_types(), &request.walk, false);
    let mut seen = data.visits.take();
    let mut reached = if request.include_anchors { anchors.to_vec() } else { Vec::new() };
    for &anchor in anchors {
        seen.insert(anchor);
    }
    let examined = breadth_first(&steps, scope, anchors, request.walk.hops, &mut seen, watch, |row| {
        reached.push(row);
        ControlFlow::Continue(())
    })?;
    Ok((reached, examined))
}

/// Whether each candidate is reached, and the number of edges looked at. Walks from the anchors until each candidate is
/// found, or back from one candidate after the other until an anchor is found, whichever is expected to be less work.
pub(super) fn check(
    data: &Dataset,
    scope: &Scope<'_>,
    request: &ReachRequest,
    anchors: &[u32],
    candidates: &[EntityId],
    watch: &mut Watch<'_>,
) -> Result<(Vec<bool>, u64), BackendError> {
    let hops = request.walk.hops;
    let rows: Vec<Option<u32>> = candidates.iter().map(|id| scope.row(id)).collect();
    let is_anchor = |row: u32| anchors.binary_search(&row).is_ok();
    // Anchors are decided without a walk.
    let open: Vec<u32> = rows.iter().flatten().copied().filter(|row| !is_anchor(*row)).collect();
    let mut found = data.visits.take();
    let mut seen = data.visits.take();
    let mut examined = 0;

    if !open.is_empty() && !anchors.is_empty() {
        let forth = Steps::new(data.edge_types(), &request.walk, false);
        let back = Steps::new(data.edge_types(), &request.walk, true);
        let backwards: f64 = open.iter().map(|row| back.expected_edges(&[*row], hops)).sum();
        if forth.expected_edges(anchors, hops) <= backwards {
            let mut wanted = data.visits.take();
            let mut left = open.iter().filter(|row| wanted.insert(**row)).count();
            for &anchor in anchors {
                seen.insert(anchor);
            }
            examined += breadth_first(&forth, scope, anchors, hops, &mut seen, watch, |row| {
                if wanted.remove(row) {
                    found.insert(row);
                    left -= 1;
                }
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        } else {
            for &row in &open {
                seen.clear();
                seen.insert(row);
                examined += breadth_first(&back, scope, &[row], hops, &mut seen, watch, |neighbour| {
                    if !is_anchor(neighbour) {
                        return ControlFlow::Continue(());
                    }
                    found.insert(row);
                    ControlFlow::Break(())
                })?;
            }
        }
    }
    let within = |row: u32| if is_anchor(row) { request.include_anchors } else { found.contains(row) };
    Ok((rows.into_iter().map(|row| row.is_some_and(within)).collect(), examined))
}
