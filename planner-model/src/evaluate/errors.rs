//! How far predictions are off.

use super::{Case, Served};
use crate::Level;

/// Levels whose coverage is checked.
pub const CHECKED: [(Level, f64); 4] = [(Level::Q80, 0.80), (Level::Q90, 0.90), (Level::Q95, 0.95), (Level::Q99, 0.99)];

/// Errors of the predictions of one plan, or of all.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Errors {
    /// The plan; `all` for all.
    pub plan: String,
    /// Candidates that the model spoke of.
    pub spoken: usize,
    /// Candidates of which it was silent.
    pub silent: usize,
    /// Mean of |ln(predicted / median)|.
    pub mae: f64,
    /// The same of the analytic model, on the same candidates.
    pub analytic_mae: f64,
    /// Median and 95th percentile of the q-error: how many times too much or too little.
    pub q_error: [f64; 2],
    /// Share of single runs below the predicted quantiles of [`CHECKED`].
    pub coverage: [f64; 4],
    /// Runs that coverage is about.
    pub runs: usize,
}

/// Errors of all plans together, then of each. Candidates that were cut off are left out: their latency is not known.
pub fn errors(cases: &[Case<'_>], served: &[Served], plans: &[String]) -> Vec<Errors> {
    let mut all = vec![of(cases, served, None, "all")];
    all.extend(plans.iter().enumerate().map(|(plan, name)| of(cases, served, Some(plan), name)));
    all.retain(|errors| errors.spoken + errors.silent > 0);
    all
}

fn of(cases: &[Case<'_>], served: &[Served], plan: Option<usize>, name: &str) -> Errors {
    let (mut off, mut analytic, mut silent) = (Vec::new(), 0.0, 0);
    let (mut covered, mut runs) = ([0_usize; 4], 0);
    for (case, served) in cases.iter().zip(served) {
        for ((candidate, &us), said) in case.candidates.iter().zip(&case.us).zip(&served.said) {
            if plan.is_some_and(|plan| plan != candidate.plan) || candidate.runs.iter().any(|run| run.censored) {
                continue;
            }
            let Ok(estimate) = said.model else {
                silent += 1;
                continue;
            };
            off.push((estimate.ms() * 1e3 / us).ln().abs());
            analytic += (candidate.analytic_us / us).ln().abs();
            for run in &candidate.runs {
                runs += 1;
                for (count, (level, _)) in covered.iter_mut().zip(CHECKED) {
                    *count += usize::from(run.us <= estimate.quantile_ms(level) * 1e3);
                }
            }
        }
    }
    off.sort_by(f64::total_cmp);
    let count = off.len().max(1) as f64;
    let at = |share: f64| off.get((share * off.len().saturating_sub(1) as f64) as usize).map_or(1.0, |off| off.exp());
    Errors {
        plan: name.to_owned(),
        spoken: off.len(),
        silent,
        mae: off.iter().sum::<f64>() / count,
        analytic_mae: analytic / count,
        q_error: [at(0.5), at(0.95)],
        coverage: covered.map(|count| count as f64 / runs.max(1) as f64),
        runs,
    }
}
