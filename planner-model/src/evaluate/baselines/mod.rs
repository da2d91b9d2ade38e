//! Ways to choose that know no forest.

mod rules;
mod tree;

pub use rules::{milvus, qdrant};
pub use tree::Rule;

use super::{Case, Outcomes};
use crate::dataset::share;

/// The candidate of one plan; where it has several, the one with the least analytic cost; where the plan does not apply, the one
/// that the analytic model chooses.
pub fn fixed(case: &Case<'_>, plan: usize) -> usize {
    case.least(|candidate| candidate.analytic_us, |candidate| candidate.plan == plan).unwrap_or_else(|| case.analytic())
}

/// Any candidate, all alike.
pub fn random(case: &Case<'_>, seed: u64) -> usize {
    let name = format!("{} {}", case.group.name, case.group.query);
    ((share(&name, seed) * case.candidates.len() as f64) as usize).min(case.candidates.len() - 1)
}

/// What one who knows all latencies chooses.
pub fn oracle(case: &Case<'_>) -> usize {
    case.best
}

/// The fixed plan with the least regret on these cases.
pub fn best_fixed(cases: &[Case<'_>], plans: usize) -> usize {
    let regret = |plan: usize| {
        let choices: Vec<usize> = cases.iter().map(|case| fixed(case, plan)).collect();
        Outcomes::new(cases, &choices).geometric().unwrap_or(f64::INFINITY)
    };
    (0..plans).min_by(|&a, &b| regret(a).total_cmp(&regret(b))).unwrap_or(0)
}
