//! Estimates: how many entities pass, how many nodes are reached. From statistics alone, in about a microsecond.

use std::cmp::Ordering;

use crate::{
    backend::{
        AttributeStatistics, EdgeStatistics, GraphStatistics, Histogram, ReachRequest, VectorStatistics, occupied,
    },
    query::{Comparison, Direction, Field, Filter},
    value::{Literal, Number},
};

/// A fraction of all entities: the most likely value between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fraction {
    /// Never less, if the statistics are right.
    pub low: f64,
    /// Most likely.
    pub likely: f64,
    /// Never more, if the statistics are right.
    pub high: f64,
}

impl Fraction {
    /// All entities.
    pub const ALL: Self = Self { low: 1.0, likely: 1.0, high: 1.0 };
    /// No entity.
    pub const NONE: Self = Self { low: 0.0, likely: 0.0, high: 0.0 };

    fn new(low: f64, likely: f64, high: f64) -> Self {
        let (low, high) = (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0));
        let high = high.max(low);
        Self { low, likely: likely.clamp(low, high), high }
    }

    /// The likely value times a factor, within the bounds.
    pub(super) fn times(self, factor: f64) -> Self {
        Self { likely: (self.likely * factor).clamp(self.low, self.high), ..self }
    }

    fn negate(self) -> Self {
        Self { low: 1.0 - self.high, likely: 1.0 - self.likely, high: 1.0 - self.low }
    }

    /// Both hold: independence in between the Fréchet bounds.
    fn and(self, other: Self) -> Self {
        Self::new(self.low + other.low - 1.0, self.likely * other.likely, self.high.min(other.high))
    }

    /// One holds: independence in between the Fréchet bounds.
    fn or(self, other: Self) -> Self {
        Self::new(
            self.low.max(other.low),
            self.likely + other.likely - self.likely * other.likely,
            self.high + other.high,
        )
    }
}

/// What a filter is expected to let pass, and what finding out takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Selectivity {
    /// The fraction of entities that pass.
    pub fraction: Fraction,
    /// Leaves: tests a row.
    pub leaves: f64,
    /// Sum over the leaves of the fraction that passes each: rows that indexes return, per row.
    pub indexed: f64,
    /// The fraction that passes the part of the filter that lets least pass: rows that the best index alone returns, per
    /// row.
    pub narrowest: f64,
}

/// The fraction of entities that pass a filter.
pub(super) fn selectivity(filter: &Filter, statistics: &VectorStatistics) -> Selectivity {
    let mut work = Selectivity { fraction: Fraction::ALL, leaves: 0.0, indexed: 0.0, narrowest: 1.0 };
    work.fraction = estimate(filter, statistics, &mut work);
    if !matches!(filter, Filter::And(_)) {
        work.narrowest = work.fraction.likely;
    }
    work
}

fn estimate(filter: &Filter, statistics: &VectorStatistics, work: &mut Selectivity) -> Fraction {
    let leaf = match filter {
        Filter::Everything => return Fraction::ALL,
        Filter::Nothing => return Fraction::NONE,
        Filter::Not(inner) => return estimate(inner, statistics, work).negate(),
        Filter::And(parts) => return conjunction(parts, statistics, work),
        Filter::Or(parts) => {
            return parts.iter().fold(Fraction::NONE, |any, part| any.or(estimate(part, statistics, work)));
        }
        Filter::In(Field::Id, ids) => {
            let fraction = ids.len() as f64 / (statistics.rows.max(1)) as f64;
            Fraction::new(0.0, fraction, fraction)
        }
        Filter::Compare(Field::Id, ..) => Fraction::new(0.0, 1.0 / 3.0, 1.0),
        Filter::Exists(Field::Id) => Fraction::ALL,
        Filter::In(Field::Attribute(index), values) => attribute(statistics, *index, |known| {
            let mut rest = None;
            values.iter().fold(Fraction::NONE, |sum, value| {
                let one = equals(known, value, statistics.rows, &mut rest);
                // Distinct values of one scalar exclude each other; for list elements the sum is the upper bound.
                Fraction::new(sum.low.max(one.low), sum.likely + one.likely, sum.high + one.high)
            })
        }),
        Filter::Compare(Field::Attribute(index), comparison, operand) => {
            attribute(statistics, *index, |known| compares(known, *comparison, operand))
        }
        Filter::Exists(Field::Attribute(index)) => attribute(statistics, *index, |known| {
            let present = 1.0 - known.null_fraction;
            Fraction::new(present, present, present)
        }),
    };
    work.leaves += 1.0;
    work.indexed += leaf.likely;
    leaf
}

/// Parts that all have to hold. Two ends of a range of one attribute are one part: they are anything but independent.
fn conjunction(parts: &[Filter], statistics: &VectorStatistics, work: &mut Selectivity) -> Fraction {
    let mut all = Fraction::ALL;
    let mut ends: Vec<(u16, bool, Fraction)> = Vec::new();
    let mut holds = |part: Fraction, work: &mut Selectivity| {
        work.narrowest = work.narrowest.min(part.likely);
        all = all.and(part);
    };
    for part in parts {
        let own = estimate(part, statistics, work);
        let Filter::Compare(Field::Attribute(index), comparison, _) = part else {
            holds(own, work);
            continue;
        };
        let upper = matches!(comparison, Comparison::Less | Comparison::LessOrEqual);
        match ends.iter().position(|(other, is_upper, _)| other == index && *is_upper != upper) {
            Some(place) => {
                let (_, _, other) = ends.swap_remove(place);
                let both = statistics
                    .attributes
                    .get(usize::from(*index))
                    .map_or(own.and(other), |known| between(known, own, other));
                // The index is gone through once, from one end to the other.
                work.indexed += both.likely - own.likely - other.likely;
                holds(both, work);
            }
            None => ends.push((*index, upper, own)),
        }
    }
    ends.into_iter().for_each(|(_, _, end)| holds(end, work));
    all
}

/// The fraction between two ends: every value that is there is below the upper one, above the lower one, or both.
fn between(known: &AttributeStatistics, a: Fraction, b: Fraction) -> Fraction {
    let present = 1.0 - known.null_fraction;
    // A range that is narrower than the statistics can tell still holds a value or so.
    let least = (present / known.distinct.max(1.0)).min(a.likely).min(b.likely);
    Fraction::new(
        a.low + b.low - present,
        (a.likely + b.likely - present).max(least),
        (a.high + b.high - present).max(least),
    )
}

fn attribute(
    statistics: &VectorStatistics,
    index: u16,
    estimate: impl FnOnce(&AttributeStatistics) -> Fraction,
) -> Fraction {
    // Without statistics anything is possible; a tenth is the usual guess.
    statistics.attributes.get(index as usize).map_or(Fraction::new(0.0, 0.1, 1.0), estimate)
}

/// What most common values leave over: its fraction, and that of the rarest of them.
type Rest = Option<(f64, f64)>;

/// The fraction of rows whose value is (or whose list contains) a literal. `rest` is found out once for all values of an attribute.
fn equals(known: &AttributeStatistics, value: &Literal, rows: u64, rest: &mut Rest) -> Fraction {
    if let Some(&frequency) = known.common.get(value) {
        return Fraction::new(frequency, frequency, frequency);
    }
    let others = (known.distinct - known.common.len() as f64).max(0.0);
    if others < 0.5 && known.histogram.is_none() {
        // Every value is in the list of common ones, so this one does not occur.
        return Fraction::NONE;
    }
    // Lists overlap, so what is left over for rare elements is not bounded by the rest; the rarest common one bounds it.
    let (rest, rarest) = *rest.get_or_insert_with(|| {
        let (sum, rarest) =
            known.common.values().fold((0.0, 1.0_f64), |(sum, least), &one| (sum + one, least.min(one)));
        ((1.0 - known.null_fraction - sum).max(0.0), rarest)
    });
    let likely = if rest > 0.0 { rest / others.max(1.0) } else { 1.0 / rows.max(1) as f64 };
    Fraction::new(0.0, likely.min(rarest), rarest)
}

fn compares(known: &AttributeStatistics, comparison: Comparison, operand: &Literal) -> Fraction {
    let common: f64 = known
        .common
        .iter()
        .filter(|(value, _)| compare(value, operand).is_some_and(|ordering| comparison.accepts(ordering)))
        .map(|(_, frequency)| frequency)
        .sum();
    let Some(histogram) = &known.histogram else { return Fraction::new(common, common, common) };
    let (low, likely, high) = below(histogram, operand);
    let (low, likely, high) = match comparison {
        Comparison::Less | Comparison::LessOrEqual => (low, likely, high),
        Comparison::Greater | Comparison::GreaterOrEqual => (1.0 - high, 1.0 - likely, 1.0 - low),
    };
    let share = histogram.fraction;
    Fraction::new(common + share * low, common + share * likely, common + share * high)
}

/// The share of a histogram below an operand: at least, likely, at most.
fn below(histogram: &Histogram, operand: &Literal) -> (f64, f64, f64) {
    let bounds = &histogram.bounds;
    let buckets = bounds.len().saturating_sub(1).max(1) as f64;
    let first = bounds.partition_point(|bound| compare(bound, operand) == Some(Ordering::Less));
    let after = bounds.partition_point(|bound| compare(bound, operand).is_some_and(Ordering::is_le));
    if after == 0 {
        return (0.0, 0.0, 0.0);
    }
    if first == bounds.len() {
        return (1.0, 1.0, 1.0);
    }
    // The operand lies in bucket `first − 1`, or on the bounds `first..after`.
    let low = (first.max(1) - 1) as f64 / buckets;
    let high = (after.min(bounds.len() - 1)) as f64 / buckets;
    let likely = if after > first {
        (first + after - 1) as f64 / 2.0 / buckets
    } else {
        low + (high - low) * position(&bounds[first - 1], &bounds[first], operand)
    };
    (low, likely, high)
}

/// Where between two bounds a value lies, 0 to 1.
fn position(low: &Literal, high: &Literal, value: &Literal) -> f64 {
    let (low, high, value) = match (low, high, value) {
        (Literal::Number(a), Literal::Number(b), Literal::Number(x)) => (a.to_f64(), b.to_f64(), x.to_f64()),
        (Literal::Timestamp(a), Literal::Timestamp(b), Literal::Timestamp(x)) => (*a as f64, *b as f64, *x as f64),
        _ => return 0.5,
    };
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
}

fn compare(value: &Literal, operand: &Literal) -> Option<Ordering> {
    match (value, operand) {
        (Literal::Text(a), Literal::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Literal::Number(a), Literal::Number(b)) => Some(Number::compare(*a, *b)),
        (Literal::Timestamp(a), Literal::Timestamp(b)) => Some(a.cmp(b)),
        (Literal::Boolean(a), Literal::Boolean(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// What a walk is expected to meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Traversal {
    /// Distinct nodes reached.
    pub nodes: f64,
    /// The same for a walk that meets no hub: each step leads to no more nodes than the first one. Where the edges are
    /// known, the nodes that were seen.
    pub least: f64,
    /// Edges looked at.
    pub edges: f64,
    /// Mean fan-out of a step.
    pub fan_out: f64,
}

/// Estimates a walk: by looking ahead of it where the edges are known; else the anchors' own degrees first, then the mean fan-out of the nodes where steps end, and
/// `N (1 − e^(−x/N))` for the collisions.
pub(super) fn traversal(request: &ReachRequest, statistics: &GraphStatistics) -> Traversal {
    let total = statistics.nodes.max(1) as f64;
    let walk = &request.walk;
    let sum = |of: &dyn Fn(&EdgeStatistics, bool) -> f64| -> f64 {
        walk.edges
            .iter()
            .filter_map(|&edge| statistics.edges.get(edge as usize))
            .map(|edge| match walk.direction {
                Direction::Out => of(edge, true),
                Direction::In => of(edge, false),
                Direction::Both => of(edge, true) + of(edge, false),
            })
            .sum()
    };
    let first = |anchor| {
        sum(&|edge, out| {
            let degrees = if out { &edge.out } else { &edge.r#in };
            degrees.known.as_ref().and_then(|known| known(anchor)).map_or(degrees.mean, |degree| degree as f64)
        })
    };
    // Anchors beyond the first few hundred are as the ones before: the estimate stays cheap.
    let sampled = request.anchors.len().min(256);
    let scale = request.anchors.len() as f64 / sampled.max(1) as f64;
    let mut step: f64 = scale * request.anchors[..sampled].iter().map(first).sum::<f64>();
    let fan_out = match walk.direction {
        // Half of the steps were along an edge, half against one; one way goes on, the other turns round.
        Direction::Both => walk
            .edges
            .iter()
            .filter_map(|&edge| statistics.edges.get(edge as usize))
            .map(|edge| {
                let onwards = (edge.out.mean_after_step + edge.r#in.mean_after_step) / 2.0;
                onwards + edge.turns.unwrap_or(onwards)
            })
            .sum(),
        _ => sum(&|edge, out| if out { edge.out.mean_after_step } else { edge.r#in.mean_after_step }),
    };
    if let Some(known) = &statistics.known {
        let ahead = known.ahead(request, total);
        return Traversal { nodes: ahead.nodes, least: ahead.seen, edges: ahead.edges(), fan_out };
    }
    let mut edges = step;
    let first_nodes = occupied(step, total);
    let mut nodes = first_nodes;
    let mut frontier = nodes;
    for _ in 1..walk.hops {
        step = frontier * fan_out;
        edges += step;
        let next = occupied(nodes + step, total);
        frontier = (next - nodes).max(0.0);
        nodes = next;
    }
    let least = occupied(first_nodes * f64::from(walk.hops), total).min(nodes);
    Traversal { nodes, least, edges, fan_out }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn number(value: i128) -> Literal {
        Literal::Number(Number::Integer(value))
    }

    fn statistics() -> VectorStatistics {
        let histogram = Histogram { bounds: (0..=10).map(|i| number(i * 10)).collect(), fraction: 0.8 };
        let scalar = AttributeStatistics {
            null_fraction: 0.1,
            distinct: 101.0,
            common: HashMap::from([(number(7), 0.1)]),
            histogram: Some(histogram),
        };
        VectorStatistics { rows: 1_000, usable: vec![1_000], attributes: vec![scalar], ..Default::default() }
    }

    #[test]
    fn estimates_stay_between_their_bounds_and_combine_soundly() {
        let known = statistics();
        let field = Field::Attribute(0);
        let less = |v| Filter::Compare(field, Comparison::Less, number(v));
        let selectivity = |filter: &Filter| super::selectivity(filter, &known).fraction;
        let half = selectivity(&less(50));
        assert!((0.45..0.55).contains(&half.likely), "{half:?}");
        assert_eq!(selectivity(&Filter::equals(field, number(7))).likely, 0.1);
        assert_eq!(selectivity(&Filter::negate(less(-1))).likely, 1.0);
        assert!(selectivity(&less(1_000)).likely <= 0.9 + 1e-12, "missing values pass no comparison");
        let both = selectivity(&Filter::and([less(50), Filter::Exists(field)]));
        assert!(both.low <= both.likely && both.likely <= both.high && both.high <= half.high + 1e-12);
        let either = selectivity(&Filter::or([less(50), Filter::negate(less(50))]));
        assert!(either.high == 1.0 && either.likely > half.likely);
    }

    #[test]
    fn a_wider_range_is_never_estimated_to_be_rarer() {
        let known = statistics();
        let estimate = |v| {
            selectivity(&Filter::Compare(Field::Attribute(0), Comparison::LessOrEqual, number(v)), &known)
                .fraction
                .likely
        };
        assert!((-5..120).all(|v| estimate(v) <= estimate(v + 1) + 1e-12));
    }

    #[test]
    fn reach_grows_with_hops_and_never_beyond_the_graph() {
        use crate::{
            backend::DegreeStatistics,
            query::{NodeRef, Walk},
            value::EntityId,
        };
        let degrees = DegreeStatistics { mean: 3.0, p99: 9.0, max: 30, mean_after_step: 6.0, known: None };
        let edge = EdgeStatistics { count: 300, out: degrees.clone(), r#in: degrees, turns: None };
        let graph = GraphStatistics { nodes: 100, edges: vec![edge], ..Default::default() };
        let reach = |hops| {
            let walk = Walk { edges: vec![0], direction: Direction::Out, hops };
            let anchors = vec![NodeRef { label: 0, id: EntityId::Integer(1) }];
            traversal(&ReachRequest { anchors, walk, include_anchors: false, scope: None }, &graph)
        };
        assert!(reach(1).nodes < reach(2).nodes && reach(2).nodes < reach(3).nodes && reach(4).nodes <= 100.0);
        assert!((reach(1).nodes - 3.0).abs() < 0.1);
    }
}
