//! Duels: a second plan of the same query in the background. Pairs on the same query are the only unbiased word on whether a
//! choice was right.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use super::Observation;

/// Differences below this part are noise, and nobody has won.
const EVEN: f64 = 0.03;

/// Duels that the sign test looks at.
const LAST: usize = 200;

/// At this probability of so many defeats by chance the model is taken to be worse than the analytic costs …
const WORSE: f64 = 0.01;

/// … and above this one no longer.
const NO_LONGER_WORSE: f64 = 0.05;

/// What one duel told.
pub(super) struct Told {
    pub(super) template: u64,
    /// The chosen plan's microseconds.
    pub(super) chosen_us: f64,
    /// The other one's.
    pub(super) rival_us: f64,
    /// Where the model and the analytic costs would not have picked the same one of the two: whether the model was right.
    pub(super) model_was_right: Option<bool>,
}

/// Who won a duel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Winner {
    Chosen,
    Rival,
    Nobody,
}

impl Told {
    pub(super) fn of(chosen: &Observation, rival: &Observation) -> Self {
        let (chosen_us, rival_us) = (chosen.ranked_us(), rival.ranked_us());
        let candidates = &chosen.planned.candidates;
        let mut told = Self { template: chosen.planned.template.id, chosen_us, rival_us, model_was_right: None };
        if let (Some(a), Some(b)) = (candidates.get(chosen.ran), candidates.get(rival.ran)) {
            let by_votes = a.votes.zip(b.votes).map(|(a, b)| a > b);
            let by_latency = a.model_us.zip(b.model_us).map(|(a, b)| a < b);
            let by_costs = a.analytic_us < b.analytic_us;
            let disagree = by_votes.or(by_latency).filter(|model| *model != by_costs);
            told.model_was_right = disagree.and_then(|model| match told.winner() {
                Winner::Nobody => None,
                winner => Some(model == (winner == Winner::Chosen)),
            });
        }
        told
    }

    pub(super) fn winner(&self) -> Winner {
        let ratio = self.chosen_us / self.rival_us;
        if ratio > 1.0 + EVEN {
            Winner::Rival
        } else if ratio < 1.0 / (1.0 + EVEN) {
            Winner::Chosen
        } else {
            Winner::Nobody
        }
    }

    /// The logarithm of what the choice took over the better of the two.
    pub(super) fn ln_regret(&self) -> f64 {
        (self.chosen_us / self.rival_us).ln().max(0.0)
    }
}

/// What duels told, all together or those of one template.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    duels: u64,
    ln_regret: f64,
    /// Of the last ones in which model and analytic costs disagreed: whether the model was right.
    model_was_right: VecDeque<bool>,
    fell_back: bool,
}

impl Ledger {
    /// Notes a duel. Says whether that changes by whom queries are planned.
    pub(super) fn note(&mut self, told: &Told) -> bool {
        self.duels += 1;
        self.ln_regret += told.ln_regret();
        let Some(right) = told.model_was_right else { return false };
        if self.model_was_right.len() == LAST {
            self.model_was_right.pop_front();
        }
        self.model_was_right.push_back(right);
        let chance = self.chance();
        let falls = if self.fell_back { chance < NO_LONGER_WORSE } else { chance < WORSE };
        std::mem::replace(&mut self.fell_back, falls) != falls
    }

    /// The probability that a model that is right half of the time loses at least as often.
    pub(super) fn chance(&self) -> f64 {
        let wrong = self.model_was_right.iter().filter(|right| !**right).count();
        at_least(wrong, self.model_was_right.len())
    }

    pub(super) fn fell_back(&self) -> bool {
        self.fell_back
    }

    /// Duels, and the geometric mean of the regret.
    pub(super) fn regret(&self) -> Option<(u64, f64)> {
        (self.duels > 0).then(|| (self.duels, (self.ln_regret / self.duels as f64).exp()))
    }

    /// Wins and defeats of the model among the last duels in which it and the analytic costs disagreed.
    pub(super) fn score(&self) -> (u64, u64) {
        let right = self.model_was_right.iter().filter(|right| **right).count();
        (right as u64, (self.model_was_right.len() - right) as u64)
    }

    pub(super) fn model_changed(&mut self) {
        *self = Self::default();
    }
}

/// The probability of `least` or more heads in `throws` throws of a coin.
fn at_least(least: usize, throws: usize) -> f64 {
    // C(throws, heads) / 2^throws, from no heads on.
    let mut mass = 0.5_f64.powi(i32::try_from(throws).unwrap_or(i32::MAX));
    let mut sum = 0.0;
    for heads in 0..=throws {
        if heads >= least {
            sum += mass;
        }
        mass *= (throws - heads) as f64 / (heads + 1) as f64;
    }
    sum.min(1.0)
}

/// Backend time for duels: a share of what callers' plans take, saved up to a bound.
#[derive(Debug, Default)]
pub struct Budget {
    /// In microseconds; may be overdrawn by what a duel takes beyond what was predicted.
    saved: AtomicI64,
}

impl Budget {
    /// Most that is saved: an hour of calm is no reason for a minute of duels.
    const MOST_US: i64 = 2_000_000;

    /// A caller's plan took so long, and duels may take this share of that.
    pub fn earn(&self, spent: Duration, share: f64) {
        let earned = (spent.as_secs_f64() * 1e6 * share) as i64;
        let add = |saved: i64| Some(saved.saturating_add(earned).min(Self::MOST_US));
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes what a duel is predicted to take, if there is as much.
    pub fn take(&self, predicted_us: f64) -> bool {
        let cost = (predicted_us.max(1.0)) as i64;
        let take = |saved: i64| (saved >= cost).then(|| saved - cost);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// A duel for which so much was taken took so long.
    pub fn settle(&self, predicted_us: f64, spent: Duration) {
        let beyond = (spent.as_secs_f64() * 1e6 - predicted_us.max(1.0)) as i64;
        self.saved.fetch_sub(beyond, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(model_was_right: bool) -> Told {
        Told { template: 0, chosen_us: 10.0, rival_us: 20.0, model_was_right: Some(model_was_right) }
    }

    #[test]
    fn the_tail_of_a_binomial_is_what_tables_say() {
        for (least, throws, expected) in [(0, 0, 1.0), (1, 1, 0.5), (7, 7, 0.007_812_5), (8, 10, 0.054_687_5)] {
            assert!((at_least(least, throws) - expected).abs() < 1e-12, "{least} of {throws}");
        }
        assert!((at_least(117, 200) - 0.009_8).abs() < 5e-4);
    }

    #[test]
    fn a_model_that_keeps_losing_is_left_and_comes_back_when_it_wins_again() {
        let mut ledger = Ledger::default();
        let turns: Vec<bool> = (0..10).map(|_| ledger.note(&told(false))).collect();
        assert_eq!(turns.iter().filter(|turn| **turn).count(), 1);
        assert!(ledger.fell_back());
        let mut wins = 0;
        while ledger.fell_back() {
            ledger.note(&told(true));
            wins += 1;
            assert!(wins < LAST);
        }
        assert!(wins >= 3, "{wins}");
    }

    #[test]
    fn a_model_as_good_as_a_coin_is_rarely_left() {
        // 400 templates of 100 duels each, by a generator that is the same each time.
        let mut state = 1_u64;
        let mut coin = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 63 == 1
        };
        let mut left = 0;
        for _ in 0..400 {
            let mut ledger = Ledger::default();
            for _ in 0..100 {
                ledger.note(&told(coin()));
            }
            left += usize::from(ledger.fell_back());
        }
        assert!(left < 40, "{left} of 400");
    }

    proptest! {
        #[test]
        fn duels_never_take_more_than_their_share(
            runs in prop::collection::vec((1..5_000_u64, 1..20_000_u64), 1..200),
        ) {
            let budget = Budget::default();
            let (mut callers, mut duels) = (0, 0);
            for (run, duel) in runs {
                callers += run;
                budget.earn(Duration::from_micros(run), 0.03);
                if budget.take(duel as f64) {
                    budget.settle(duel as f64, Duration::from_micros(duel));
                    duels += duel;
                }
            }
            prop_assert!(duels as f64 <= 0.03 * callers as f64 + 1.0);
        }
    }
}
