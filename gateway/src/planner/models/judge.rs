//! Whether a model is worse than the one in place, on the last runs. Nothing is run: both are asked what they would have said.

use std::{collections::HashMap, fmt, sync::Arc};

use planner_model::LatencyModel;

use crate::planner::{Candidate, experience::Observation};

/// Runs below which nothing is said about errors.
const ENOUGH_RUNS: usize = 100;

/// Pairs below which nothing is said about regret.
const ENOUGH_PAIRS: usize = 20;

/// By so much the geometric mean of the regret may be larger.
const MOST_REGRET: f64 = 0.005;

/// A model on the last runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Mean of `|ln(predicted / actual)|`.
    pub error: f64,
    /// Geometric mean of what the choice took over the best of each pair.
    pub regret: f64,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Whole runs that there were.
    pub runs: usize,
    /// Queries of which more than one plan ran.
    pub pairs: usize,
    /// The model in place.
    pub before: Score,
    /// The one that was judged.
    pub after: Score,
}

/// In which way a model is worse.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Worse {
    /// Its choices.
    #[error("the geometric mean of its regret on {pairs} pairs is {after:.3}, before it is {before:.3}")]
    Regret {
        /// Pairs.
        pairs: usize,
        /// Of the model in place.
        before: f64,
        /// Its own.
        after: f64,
    },
    /// Its predictions.
    #[error("the mean error of its logarithms on {runs} runs is {after:.3}, before it is {before:.3}")]
    Error {
        /// Runs.
        runs: usize,
        /// Of the model in place.
        before: f64,
        /// Its own.
        after: f64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, pairs, before, after } = self;
        if *runs < ENOUGH_RUNS {
            return write!(f, "not judged: only {runs} runs to judge by");
        }
        write!(f, "error {:.3} after {:.3} on {runs} runs", after.error, before.error)?;
        if *pairs >= ENOUGH_PAIRS {
            write!(f, ", regret {:.3} after {:.3} on {pairs} pairs", after.regret, before.regret)?;
        }
        Ok(())
    }
}

/// Holds a model against the one in place.
pub(super) fn judge(
    model: &dyn LatencyModel,
    before: Option<&dyn LatencyModel>,
    recent: &[Arc<Observation>],
) -> Result<Verdict, Worse> {
    let whole: Vec<&Observation> = recent.iter().map(|run| &**run).filter(|run| run.is_whole()).collect();
    let mut groups: HashMap<&str, Vec<&Observation>> = HashMap::new();
    for &run in &whole {
        if let Some(group) = &run.group {
            groups.entry(group).or_default().push(run);
        }
    }
    groups.retain(|_, runs| runs.len() > 1);
    let score =
        |model: Option<&dyn LatencyModel>| Score { error: error(model, &whole), regret: regret(model, &groups) };
    let verdict = Verdict { runs: whole.len(), pairs: groups.len(), before: score(before), after: score(Some(model)) };
    let Verdict { runs, pairs, before, after } = verdict;
    if pairs >= ENOUGH_PAIRS && after.regret > before.regret + MOST_REGRET {
        return Err(Worse::Regret { pairs, before: before.regret, after: after.regret });
    }
    if runs >= ENOUGH_RUNS && after.error > before.error {
        return Err(Worse::Error { runs, before: before.error, after: after.error });
    }
    Ok(verdict)
}

/// What a model says, or the analytic costs where it says nothing.
fn predicted_us(model: Option<&dyn LatencyModel>, candidate: &Candidate) -> f64 {
    let said = model.and_then(|model| model.predict(candidate.plan.kind as usize, &candidate.features).ok());
    said.map_or(candidate.analytic_us, |said| said.us).max(1e-3)
}

fn error(model: Option<&dyn LatencyModel>, runs: &[&Observation]) -> f64 {
    let off = |run: &&Observation| (predicted_us(model, run.candidate()) / run.ranked_us()).ln().abs();
    runs.iter().map(off).sum::<f64>() / runs.len().max(1) as f64
}

fn regret(model: Option<&dyn LatencyModel>, groups: &HashMap<&str, Vec<&Observation>>) -> f64 {
    let of_group = |runs: &Vec<&Observation>| {
        let by = |run: &&&Observation| predicted_us(model, run.candidate());
        let chosen = runs.iter().min_by(|a, b| by(a).total_cmp(&by(b))).map_or(1.0, |run| run.ranked_us());
        let best = runs.iter().map(|run| run.ranked_us()).fold(f64::INFINITY, f64::min);
        (chosen / best).ln()
    };
    (groups.values().map(of_group).sum::<f64>() / groups.len().max(1) as f64).exp()
}
