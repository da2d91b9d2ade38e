//! What choosing with a model would have cost on queries whose candidates all ran.

use super::data::{Observations, Query};
use crate::serve::duel::Contestant;
use crate::{Choice, Contender, Model, choose};

/// A query with what was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The query.
    pub group: u64,
    /// A row for each of its candidates, with the median of ln(ms) over the candidate's runs.
    pub candidates: Vec<(u32, f64)>,
    /// The choice: an index into the candidates.
    pub choice: Choice,
    /// ln of latency of the chosen / latency of the best.
    pub ln_regret: f64,
}

/// Chooses for each query with at least two candidates among these rows, which must exist. `fallback_ln_ms` predicts candidates of plans that
/// the model has no forest of.
pub fn choices(
    model: &Model,
    data: &Observations,
    rows: &[u32],
    fallback_ln_ms: impl Fn(&[f32]) -> f64,
) -> Vec<Chosen> {
    let queries = data.queries(rows);
    queries.into_iter().filter_map(|query| chosen(model, data, query, &fallback_ln_ms)).collect()
}

fn chosen(model: &Model, data: &Observations, query: Query, fallback_ln_ms: &impl Fn(&[f32]) -> f64) -> Option<Chosen> {
    if query.candidates.len() < 2 {
        return None;
    }
    let contender = |&(row, _): &(u32, f64)| {
        let row = data.row(row as usize);
        let predicted = model.predict(row.plan, row.features).map(|estimate| estimate.ln_ms);
        let ln_ms = predicted.unwrap_or_else(|| fallback_ln_ms(row.features) as f32);
        Contender { candidate: Contestant { plan: row.plan, features: row.features }, ln_ms }
    };
    let contenders: Vec<Contender<'_>> = query.candidates.iter().map(contender).collect();
    let choice = choose(Some(model), &contenders)?;
    let best = query.candidates.iter().map(|(_, ln_ms)| *ln_ms).fold(f64::INFINITY, f64::min);
    let ln_regret = query.candidates[choice.index].1 - best;
    Some(Chosen { group: query.id, candidates: query.candidates, choice, ln_regret })
}

/// Geometric mean of regret; `None` for no queries.
pub fn geometric_mean(chosen: &[Chosen]) -> Option<f64> {
    let sum: f64 = chosen.iter().map(|chosen| chosen.ln_regret).sum();
    (!chosen.is_empty()).then(|| (sum / chosen.len() as f64).exp())
}
