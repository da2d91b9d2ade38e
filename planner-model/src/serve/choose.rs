//! Which candidate to run: the one with the least predicted latency, unless others are so close that the duel forest
//! knows better.

use super::duel::Contestant;
use super::model::Model;

/// The most candidates among which duels are held. Of more that are close, the first in order take part.
const MAX_CLOSE: usize = 16;

/// A candidate with the latency that was predicted for it, by whichever model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contender<'a> {
    /// Plan and features.
    pub candidate: Contestant<'a>,
    /// ln of the predicted milliseconds.
    pub ln_ms: f32,
}

/// What settled a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettledBy {
    /// The least predicted latency: nothing else was close.
    Latency,
    /// Duels among the candidates that were close to the least.
    Duels,
}

/// The candidate to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Its place among the contenders.
    pub index: usize,
    /// What settled it.
    pub by: SettledBy,
    /// Candidates within the model's near-tie ratio of the least latency, the least included.
    pub close: usize,
    /// Mean share of trees that say it is faster than each of the others that are close; `None` without duels.
    pub share: Option<f32>,
}

/// Chooses among contenders. Latencies that are not finite lose against all others. `None` for none.
pub fn choose(model: Option<&Model>, contenders: &[Contender<'_>]) -> Option<Choice> {
    let (least, ln_least) = least(contenders)?;
    let alone = Choice { index: least, by: SettledBy::Latency, close: 1, share: None };
    let Some(model) = model.filter(|model| model.has_duels() && ln_least.is_finite()) else { return Some(alone) };

    let limit = ln_least + model.near_tie().ln();
    let mut close = [least; MAX_CLOSE];
    let mut count = 1;
    for (index, contender) in contenders.iter().enumerate() {
        if index != least && contender.ln_ms <= limit && count < MAX_CLOSE {
            close[count] = index;
            count += 1;
        }
    }
    if count == 1 {
        return Some(alone);
    }

    let mut shares = [0.0; MAX_CLOSE];
    for i in 0..count {
        for j in i + 1..count {
            // A plan that the forest has not seen is a draw.
            let share = model.duel(contenders[close[i]].candidate, contenders[close[j]].candidate).unwrap_or(0.5);
            shares[i] += share;
            shares[j] += 1.0 - share;
        }
    }
    let mut best = 0;
    for i in 1..count {
        let (share, best_share) = (shares[i], shares[best]);
        let faster = contenders[close[i]].ln_ms < contenders[close[best]].ln_ms;
        if share > best_share || (share == best_share && faster) {
            best = i;
        }
    }
    Some(Choice {
        index: close[best],
        by: SettledBy::Duels,
        close: count,
        share: Some(shares[best] / (count - 1) as f32),
    })
}

/// The first contender with the least latency.
fn least(contenders: &[Contender<'_>]) -> Option<(usize, f32)> {
    let mut least: Option<(usize, f32)> = None;
    for (index, contender) in contenders.iter().enumerate() {
        let ln_ms = if contender.ln_ms.is_nan() { f32::INFINITY } else { contender.ln_ms };
        if least.is_none_or(|(_, known)| ln_ms < known) {
            least = Some((index, ln_ms));
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Card, Manifest};
    use crate::serve::duel::{Duel, PairInput};
    use crate::serve::forest::{Forest, LEAF, LeafStats, Node};
    use crate::serve::model::PlanModel;

    /// One tree: the first is faster if its feature 0 is less than that of the second.
    fn model() -> Model {
        let nodes = vec![Node::new(0.0, 0, 1), Node::new(1.0, LEAF, 1), Node::new(0.0, LEAF, 2)];
        let forest = Forest::new(vec![0], nodes, vec![LeafStats::default(); 3], 1).expect("sound");
        let plan = || PlanModel { forest: None, ranges: vec![[0.0, 1.0]].into(), factors: [0.0; 5] };
        let manifest = Manifest {
            plans: Vec::new(),
            relative: false,
            near_tie: 1.25,
            duel_inputs: Vec::new(),
            constants: std::collections::BTreeMap::new(),
            card: Card::default(),
        };
        let duel = Some(Duel { inputs: vec![PairInput::Difference(0)].into(), forest });
        let plans = vec![plan(), plan()].into();
        Model { manifest, plans, duel, golden: Vec::new(), near_tie: 1.25, checksum: [0; 32] }
    }

    fn contender(plan: usize, feature: &[f32], ms: f32) -> Contender<'_> {
        Contender { candidate: Contestant { plan, features: feature }, ln_ms: ms.ln() }
    }

    #[test]
    fn the_least_latency_wins_unless_something_is_close() {
        let contenders = [contender(0, &[0.9], 1.3), contender(1, &[0.8], 1.0), contender(1, &[0.1], 1.26)];
        let choice = choose(Some(&model()), &contenders).expect("contenders");
        assert_eq!((choice.index, choice.by, choice.close), (1, SettledBy::Latency, 1));
    }

    #[test]
    fn duels_decide_among_what_is_close_and_only_there() {
        let contenders = [
            contender(0, &[0.5], 1.2),
            contender(1, &[0.8], 1.0),
            contender(1, &[0.3], 1.24),
            contender(0, &[0.0], 1.3),
        ];
        let choice = choose(Some(&model()), &contenders).expect("contenders");
        assert_eq!((choice.index, choice.by, choice.close), (2, SettledBy::Duels, 3));
        assert_eq!(choice.share, Some(1.0));
        let without = choose(None, &contenders).expect("contenders");
        assert_eq!((without.index, without.by, without.share), (1, SettledBy::Latency, None));
    }

    #[test]
    fn the_order_of_contenders_does_not_matter() {
        let features = [[0.5], [0.8], [0.3]];
        let of = |order: [usize; 3]| {
            let contenders = order.map(|index| contender(index % 2, &features[index], 1.0 + index as f32 * 0.01));
            order[choose(Some(&model()), &contenders).expect("contenders").index]
        };
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            assert_eq!(of(order), 2);
        }
    }

    #[test]
    fn a_candidate_whose_features_do_not_fit_draws_its_duels() {
        let contenders = [contender(0, &[0.5, 0.5], 1.1), contender(1, &[0.8], 1.0), contender(9, &[0.8], 1.05)];
        let choice = choose(Some(&model()), &contenders).expect("contenders");
        assert_eq!((choice.index, choice.share), (1, Some(0.5)), "all draws: the least latency");
    }

    #[test]
    fn latencies_that_are_no_numbers_lose() {
        let contenders = [contender(0, &[0.0], f32::NAN), contender(1, &[0.8], 4.0)];
        assert_eq!(choose(Some(&model()), &contenders).expect("contenders").index, 1);
        let none = [contender(0, &[0.0], f32::NAN), contender(1, &[0.8], f32::INFINITY)];
        assert_eq!(choose(Some(&model()), &none).expect("contenders").index, 0);
        assert_eq!(choose(Some(&model()), &[]), None);
        let many = vec![contender(1, &[0.5], 1.0); 40];
        assert!(choose(Some(&model()), &many).expect("contenders").index < 40);
    }
}
