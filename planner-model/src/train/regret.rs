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

/// Of several ways to choose for the same queries, those whose mean regret, in logarithms, is above that of the best by no more
/// than the standard error of the difference: the best of many by a few queries is mostly the luckiest.
pub(super) fn as_good_as_the_best(ways: &[Vec<Chosen>]) -> Vec<usize> {
    let mean = |way: &Vec<Chosen>| way.iter().map(|chosen| chosen.ln_regret).sum::<f64>() / way.len().max(1) as f64;
    let Some(best) = ways.iter().min_by(|a, b| mean(a).total_cmp(&mean(b))) else { return Vec::new() };
    let is_as_good = |way: &Vec<Chosen>| {
        let differences = || way.iter().zip(best).map(|(one, other)| one.ln_regret - other.ln_regret);
        let count = way.len().max(1) as f64;
        let difference = differences().sum::<f64>() / count;
        let variance = differences().map(|one| (one - difference).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        difference <= (variance / count).sqrt()
    };
    (0..ways.len()).filter(|index| is_as_good(&ways[*index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SettledBy;

    fn way(regrets: impl IntoIterator<Item = f64>) -> Vec<Chosen> {
        let choice = Choice { index: 0, by: SettledBy::Latency, close: 1, share: None };
        let chosen = |(group, ln_regret)| Chosen { group, candidates: Vec::new(), choice, ln_regret };
        (0..).zip(regrets).map(chosen).collect()
    }

    #[test]
    fn what_is_worse_by_chance_is_as_good_and_what_is_worse_throughout_is_not() {
        let alternating = |even: f64, odd: f64| way((0..100).map(|query| if query % 2 == 0 { even } else { odd }));
        let (best, by_chance, throughout) = (alternating(0.0, 0.1), alternating(0.101, 0.0), alternating(0.05, 0.16));
        assert_eq!(as_good_as_the_best(&[throughout, by_chance, best]), [1, 2]);
    }

    #[test]
    fn without_queries_all_ways_are_as_good() {
        assert_eq!(as_good_as_the_best(&[Vec::new(), Vec::new()]), [0, 1]);
        assert_eq!(as_good_as_the_best(&[]), [0; 0]);
    }
}
