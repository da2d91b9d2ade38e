//! What the statistics say about one query, put together.

use smallvec::SmallVec;

use super::{Correction, Fraction, Input, estimate};

/// What the statistics say about a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimates {
    /// Entities that can answer.
    pub rows: f64,
    /// Fraction that passes the filter.
    pub selectivity: Fraction,
    /// Leaves of the filter.
    pub leaves: f64,
    /// Rows that the filter's indexes return, as a multiple of all rows.
    pub indexed: f64,
    /// Rows that the best of the filter's indexes returns, as a fraction of all rows.
    pub narrowest: f64,
    /// Distinct nodes reached; the true number where the reach is cached.
    pub reach: f64,
    /// The same if the walk meets no hub.
    pub least_reach: f64,
    /// Edges that a traversal looks at.
    pub edges: f64,
    /// Mean fan-out of a step.
    pub fan_out: f64,
    /// Fraction of entities within.
    pub within: f64,
    /// Entities that pass filter and walk.
    pub matches: f64,
    /// What the statistics said, times this, are the numbers above: queries of this shape turned out so before.
    pub correction: Correction,
}

impl Estimates {
    /// The estimates if the walk reaches this share of what is likely.
    fn reaching(self, share: f64) -> Self {
        Self {
            reach: self.reach * share,
            edges: self.edges * share,
            within: self.within * share,
            matches: self.matches * share,
            ..self
        }
    }

    /// The likely estimates, and others that are about as likely. A mean fan-out is made by few hubs, and most walks meet
    /// fewer of them: what a walk reaches lies between that and what one reaches that meets none.
    pub(super) fn cases(self) -> SmallVec<[Self; 3]> {
        let share = if self.reach > 0.0 { (self.least_reach / self.reach).min(1.0) } else { 1.0 };
        if share > 0.9 {
            return SmallVec::from_iter([self]);
        }
        SmallVec::from([1.0, share.sqrt(), share].map(|share| self.reaching(share)))
    }
}

/// What the statistics say about a query, and how it turned out for others of its shape.
pub(super) fn estimates(input: &Input<'_>, correction: Correction) -> Estimates {
    let selectivity = estimate::selectivity(input.filter, input.vectors);
    let fraction = selectivity.fraction.times(correction.selectivity);
    let rows = input.usable as f64;
    let (mut reach, mut least_reach, mut edges, mut fan_out, mut within) = (0.0, 0.0, 0.0, 0.0, 1.0);
    let mut applied = Correction { selectivity: correction.selectivity, ..Correction::NONE };
    if let (Some(request), Some(graph)) = (input.request, input.graph) {
        let traversal = estimate::traversal(request, graph);
        let nodes = graph.nodes.max(1) as f64;
        (reach, least_reach) = (traversal.nodes, traversal.least);
        (edges, fan_out) = (traversal.edges, traversal.fan_out);
        match (input.probe.reach, input.true_reach) {
            (Some(cached), _) => (reach, least_reach) = (cached as f64, cached as f64),
            (None, Some(truth)) => {
                edges *= truth / reach.max(1.0);
                (reach, least_reach) = (truth, truth);
            }
            (None, None) => {
                applied.reach = correction.reach;
                reach = (reach * correction.reach).min(nodes);
                least_reach = (least_reach * correction.reach).min(reach);
                edges *= correction.reach;
            }
        }
        within = (reach / nodes).clamp(0.0, 1.0);
    }
    Estimates {
        rows,
        selectivity: fraction,
        leaves: selectivity.leaves,
        indexed: selectivity.indexed,
        narrowest: selectivity.narrowest,
        reach,
        least_reach,
        edges,
        fan_out,
        within,
        matches: rows * fraction.likely * within,
        correction: applied,
    }
}
