//! Which plans can answer a query, as data. Every one of them gives the same answer.

use super::{Estimates, Input, Operator, Plan, PlanKind};
use crate::{backend::Access, query::Filter};

/// Shortest first page of a vector leg: what is fetched beyond the need makes a list that later queries can use. Tests run
/// on small collections and need several pages of them.
const FIRST_PAGE: usize = if cfg!(test) { 2 } else { 200 };

/// A first page holds at least so many times the need, for the pages and stricter filters that may follow.
const LIST_FACTOR: usize = if cfg!(test) { 1 } else { 4 };

/// Fewest candidates of a check.
const SMALLEST_CHECK: usize = if cfg!(test) { 2 } else { 32 };

/// All plans that apply, and for each kind without one the reason.
pub(super) fn enumerate(input: &Input<'_>, estimates: &Estimates) -> (Vec<Plan>, Vec<(PlanKind, &'static str)>) {
    let mut plans = Vec::with_capacity(8);
    let mut inapplicable = Vec::new();
    let first = first_page(input, estimates);
    let batch = check_batch(input, estimates);
    let ann = |access| Operator::Ann { access, first };
    let walks = input.request.is_some();
    let filters = *input.filter != Filter::Everything;

    // vector-first: rank, filter on the way, check what comes out.
    plans.push(Plan {
        kind: PlanKind::VectorFirst,
        root: if walks {
            Operator::CheckWithin { candidates: Box::new(ann(Access::RankThenFilter)), batch }
        } else {
            ann(Access::RankThenFilter)
        },
    });

    // graph-first and parallel need a walk.
    if walks {
        plans.push(Plan { kind: PlanKind::GraphFirst, root: Operator::RankExact { ids: Box::new(Operator::Reach) } });
        if input.joined {
            plans.push(Plan { kind: PlanKind::GraphFirst, root: Operator::RankReached });
        }
        plans.push(Plan {
            kind: PlanKind::Parallel,
            root: Operator::Intersect {
                candidates: Box::new(ann(Access::RankThenFilter)),
                ids: Box::new(Operator::Reach),
            },
        });
    } else {
        let why = "the query has no `within`, so there is no graph leg";
        inapplicable.extend([(PlanKind::GraphFirst, why), (PlanKind::Parallel, why)]);
    }

    // filtered-vector: what the filter and the walk let pass goes into the search.
    if walks {
        plans.push(Plan {
            kind: PlanKind::FilteredVector,
            root: Operator::AnnWithin { ids: Box::new(Operator::Reach), access: Access::FilterThenRank, first },
        });
    } else if filters {
        plans.push(Plan { kind: PlanKind::FilteredVector, root: ann(Access::FilterThenRank) });
    } else {
        inapplicable.push((PlanKind::FilteredVector, "the query has neither `filter` nor `within`"));
    }

    cached(input, first, batch, &mut plans);
    if !plans.iter().any(|plan| plan.kind == PlanKind::CachedPartial) {
        inapplicable.push((PlanKind::CachedPartial, "no leg of the query is in the cache"));
    }
    (plans, inapplicable)
}

/// cached-partial: one leg is there, run the other.
fn cached(input: &Input<'_>, first: usize, batch: usize, plans: &mut Vec<Plan>) {
    let mut push = |root| plans.push(Plan { kind: PlanKind::CachedPartial, root });
    let reach = (input.request.is_some() && input.probe.reach.is_some()).then_some(Operator::CachedReach);
    if let Some(list) = &input.probe.list {
        let candidates = Box::new(Operator::CachedList { refilter: list.filter != input.filter });
        push(match (&reach, input.request.is_some()) {
            (Some(reach), _) => Operator::Intersect { candidates, ids: Box::new(reach.clone()) },
            (None, true) => Operator::CheckWithin { candidates, batch },
            (None, false) => *candidates,
        });
    }
    if let Some(reach) = reach {
        push(Operator::RankExact { ids: Box::new(reach.clone()) });
        let candidates = Box::new(Operator::Ann { access: Access::RankThenFilter, first });
        push(Operator::Intersect { candidates, ids: Box::new(reach) });
    }
}

/// K′ of the first page: half as many again as should suffice behind a gate, and never so few that a list is not worth
/// keeping, where it is kept.
fn first_page(input: &Input<'_>, estimates: &Estimates) -> usize {
    let need = input.query.need();
    let slack = if input.request.is_some() { 1.5 / estimates.within.max(1e-9) } else { 1.0 };
    let enough = (slack * need as f64).min(estimates.rows.max(1.0)) as usize;
    if input.keeps { enough.max(LIST_FACTOR * need).max(FIRST_PAGE) } else { enough.max(need) }
}

/// Candidates of one check: what should suffice, within what the store takes.
fn check_batch(input: &Input<'_>, estimates: &Estimates) -> usize {
    let enough = (1.5 * input.query.need() as f64 / estimates.within.max(1e-9)) as usize;
    enough.max(SMALLEST_CHECK).min(input.max_check.max(1))
}
