//! What runs of single queries took, by candidate: a query that comes again needs no prediction.
//!
//! An entry is for one situation: the query, the epochs of the statistics, what the cache holds, the band of load. It goes
//! with any of these, and when what it says stops being true: two runs in a row beyond the 95th percentile.

use std::sync::Arc;

use planner_model::record::Mode;
use quick_cache::sync::Cache;
use smallvec::SmallVec;

use super::Observation;
use crate::planner::{Candidate, Choice, PlanKind, Planned, Source, decisions::Situation};

/// Situations remembered.
const SITUATIONS: usize = 8_192;

/// Runs of a candidate before its mean is believed.
const ENOUGH: u32 = 3;

/// A mean is that of about the last so many runs.
const MEMORY: f64 = 16.0;

/// Runs in a row beyond the 95th percentile that end an entry.
const MOST_OVER: u8 = 2;

/// Without a predicted percentile, a run of more than so many times the mean is taken to be beyond it.
const FAR_OVER: f64 = 3.0;

/// What runs took.
pub(in crate::planner) struct Table {
    entries: Cache<Situation, Arc<Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// One a candidate, in the order of enumeration.
    candidates: SmallVec<[Runs; 6]>,
}

#[derive(Debug, Clone, Copy)]
struct Runs {
    kind: PlanKind,
    count: u32,
    mean_us: f64,
    /// In a row, until now.
    over: u8,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: Cache::new(SITUATIONS) }
    }
}

impl Table {
    /// Puts what was measured in the place of what is predicted. What was not measured is predicted by the same model as
    /// what was, and is corrected by how that turned out, so that an untried candidate does not win by a common error. Says
    /// whether anything was measured.
    pub(in crate::planner) fn measure(&self, situation: &Situation, candidates: &mut [Candidate]) -> bool {
        let Some(entry) = self.entries.get(situation).filter(|entry| entry.is_of(candidates)) else { return false };
        let (mut ratios, mut known) = (0.0, 0_u32);
        for (candidate, runs) in candidates.iter().zip(&entry.candidates) {
            if let Some(mean_us) = runs.believed() {
                ratios += (mean_us / candidate.predicted_us.max(1e-3)).ln();
                known += 1;
            }
        }
        if known == 0 {
            return false;
        }
        let common = (ratios / f64::from(known)).exp();
        for (candidate, runs) in candidates.iter_mut().zip(&entry.candidates) {
            let mean_us = runs.believed();
            let ratio = mean_us.map_or(common, |mean_us| mean_us / candidate.predicted_us.max(1e-3));
            candidate.predicted_us *= ratio;
            candidate.q95_us = candidate.q95_us.map(|q95| q95 * ratio);
            if mean_us.is_some() {
                candidate.source = Source::Table { runs: runs.count };
            }
        }
        true
    }

    /// Whether a remembered decision is to be made again: by now runs say what the chosen candidate takes, or that another
    /// one is faster, or what it went by is no longer there.
    pub(in crate::planner) fn overrules(&self, planned: &Planned) -> bool {
        if !matches!(planned.choice, Choice::Cheapest | Choice::Duelled | Choice::Measured) {
            return false;
        }
        match self.entries.get(&planned.key.situation).filter(|entry| entry.is_of(&planned.candidates)) {
            Some(entry) => {
                let faster = |own| entry.candidates.iter().filter_map(Runs::believed).any(|other| other < own);
                let own = entry.candidates[planned.chosen].believed();
                own.is_some_and(|own| planned.choice != Choice::Measured || faster(own))
            }
            None => planned.choice == Choice::Measured,
        }
    }

    /// Notes a whole run.
    pub(super) fn note(&self, observation: &Observation) {
        if observation.mode == Mode::Sweep {
            return;
        }
        let planned = &*observation.planned;
        let situation = planned.key.situation;
        let known = self.entries.get(&situation).filter(|entry| entry.is_of(&planned.candidates));
        let mut entry = known.map_or_else(|| Entry::of(&planned.candidates), |entry| (*entry).clone());
        let runs = &mut entry.candidates[observation.ran];
        let took = observation.ranked_us();
        let q95 = observation.candidate().q95_us;
        let limit = q95.or(runs.believed().map(|mean_us| FAR_OVER * mean_us));
        runs.over = if limit.is_some_and(|limit| took > limit) { runs.over + 1 } else { 0 };
        if runs.over >= MOST_OVER {
            self.entries.remove(&situation);
            return;
        }
        runs.count = runs.count.saturating_add(1);
        runs.mean_us += (took - runs.mean_us) / f64::from(runs.count).min(MEMORY);
        self.entries.insert(situation, Arc::new(entry));
    }

    pub(super) fn clear(&self) {
        self.entries.clear();
    }

    /// Situations remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Entry {
    fn of(candidates: &[Candidate]) -> Self {
        let runs = |candidate: &Candidate| Runs { kind: candidate.plan.kind, count: 0, mean_us: 0.0, over: 0 };
        Self { candidates: candidates.iter().map(runs).collect() }
    }

    fn is_of(&self, candidates: &[Candidate]) -> bool {
        self.candidates.len() == candidates.len()
            && self.candidates.iter().zip(candidates).all(|(runs, candidate)| runs.kind == candidate.plan.kind)
    }
}

impl Runs {
    fn believed(&self) -> Option<f64> {
        (self.count >= ENOUGH).then_some(self.mean_us)
    }
}
