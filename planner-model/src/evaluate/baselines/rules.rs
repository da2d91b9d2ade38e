//! Rules that vector databases decide by, with our plans in the place of theirs. Neither knows a graph: what a walk reaches is to
//! them one more filter, whose ids are a set. So
//!
//! - their brute force over what passes is our `graph-first` where there is a walk, and `filtered-vector` where there is only
//!   a filter;
//! - their filtered index search is our `filtered-vector` where there is a walk (the ids go into the search), and
//!   `vector-first` without one (the filter is tested on the way).
//!
//! Neither knows our cache. With `cached`, a candidate that uses what is there is taken first, the cheapest by the analytic
//! model: that is what somebody would add who had this cache and no planner.

use super::super::Case;
use crate::{Feature, dataset::Dataset};

/// Qdrant's `full_scan_threshold` by default, in units of 1,024 bytes of vectors.
const FULL_SCAN_KB: f64 = 10_000.0;

/// Milvus, in knowhere: brute force if so much is filtered out, or `k` is so large a part of what is left.
const FILTERED_OUT: f64 = 0.93;
const K_OF_LEFT: f64 = 0.5;

/// Qdrant's rule: brute force if the vectors of what passes are smaller than `full_scan_threshold`. Where the least and the most
/// that may pass are on different sides of it, Qdrant looks at a sample; the likely number stands for that here.
pub fn qdrant(case: &Case<'_>, data: &Dataset, cached: bool) -> usize {
    let vector_bytes = 4.0 * (10_f64.powf(case.shared(Feature::Dimensions)) - 1.0).max(1.0);
    let brute_force = passing(case) * vector_bytes < FULL_SCAN_KB * 1024.0;
    of(case, data, brute_force, cached)
}

/// Milvus' rule (knowhere): brute force if at least 93 % of all rows are filtered out, or if `k` is at least half of
/// what is left.
pub fn milvus(case: &Case<'_>, data: &Dataset, cached: bool) -> usize {
    let (rows, k) = (number(case, Feature::Rows), number(case, Feature::Need));
    let passing = passing(case);
    let brute_force = rows - passing >= FILTERED_OUT * rows || k >= K_OF_LEFT * passing;
    of(case, data, brute_force, cached)
}

/// What a feature of the form log10(1 + n) is the logarithm of.
fn number(case: &Case<'_>, feature: Feature) -> f64 {
    10_f64.powf(case.shared(feature)) - 1.0
}

fn passing(case: &Case<'_>) -> f64 {
    number(case, Feature::Matches)
}

fn of(case: &Case<'_>, data: &Dataset, brute_force: bool, cached: bool) -> usize {
    let plan = |name: &str| {
        let plan = data.plan(name)?;
        case.least(|candidate| candidate.analytic_us, |candidate| candidate.plan == plan)
    };
    let walks = case.shared(Feature::Hops) > 0.0;
    let ruled = match (brute_force, walks) {
        (true, true) => plan("graph-first"),
        (true, false) | (false, true) => plan("filtered-vector"),
        (false, false) => plan("vector-first"),
    };
    let first = if cached { plan("cached-partial") } else { None };
    first.or(ruled).or_else(|| plan("vector-first")).unwrap_or_else(|| case.analytic())
}
