//! What is learnt about queries of one shape: how estimates turn out, what duels say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use planner_model::record::Mode;
use quick_cache::sync::Cache;

use crate::cache::Digest;

use super::{
    Correction, Observation, TemplateReport,
    corrections::Ratio,
    duels::{Ledger, Told},
};

/// Templates that are remembered; a new one takes the place of the one that was seen the longest time ago.
const TEMPLATES: usize = 1_024;

/// What planning asks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Learnt {
    /// Factors for estimates.
    pub correction: Correction,
    /// Duels show that such queries do better without the model.
    pub fell_back: bool,
}

/// All templates.
pub(super) struct Templates {
    /// For planning, which must not wait for whoever notes.
    learnt: Cache<u64, Learnt>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    templates: HashMap<u64, Entry>,
    all: Ledger,
    /// Counts runs.
    clock: u64,
}

struct Entry {
    collection: Arc<str>,
    text: Arc<str>,
    runs: u64,
    seen: u64,
    reach: Ratio,
    selectivity: Ratio,
    /// The last queries that estimates were compared for, in a ring: one that comes again and again is one case, not many.
    compared: [Digest; 16],
    ledger: Ledger,
}

impl Default for Templates {
    fn default() -> Self {
        Self { learnt: Cache::new(TEMPLATES), known: Mutex::default() }
    }
}

impl Templates {
    pub(super) fn learnt(&self, template: u64) -> Learnt {
        self.learnt.get(&template).unwrap_or_default()
    }

    pub(super) fn regret(&self, template: u64) -> Option<(u64, f64)> {
        self.lock().templates.get(&template)?.ledger.regret()
    }

    /// The regret of all duels.
    pub(super) fn overall(&self) -> Option<(u64, f64)> {
        self.lock().all.regret()
    }

    /// Templates that do without the model.
    pub(super) fn fallen(&self) -> usize {
        self.lock().templates.values().filter(|entry| entry.ledger.fell_back()).count()
    }

    /// Notes a whole run.
    pub(super) fn note(&self, observation: &Observation) {
        let planned = &*observation.planned;
        let mut known = self.lock();
        known.clock += 1;
        let clock = known.clock;
        let entry = known.entry(planned.template.id, || Entry::new(observation));
        (entry.runs, entry.seen) = (entry.runs + u64::from(observation.mode != Mode::Shadow), clock);
        let (estimates, actual) = (&planned.estimates, observation.actual());
        if actual.reach.is_none() && actual.selectivity.is_none() || entry.compared.contains(&observation.query) {
            return;
        }
        let place = clock as usize % entry.compared.len();
        entry.compared[place] = observation.query;
        // What was corrected is compared as it was before.
        let correction = estimates.correction;
        if let Some(reach) = actual.reach.filter(|_| estimates.reach > 0.0) {
            entry.reach.note((estimates.reach / correction.reach).max(1.0), reach.max(1.0));
        }
        if let Some(selectivity) = actual.selectivity {
            let least = 1.0 / estimates.rows.max(1.0);
            let estimated = estimates.selectivity.likely / correction.selectivity;
            entry.selectivity.note(estimated.max(least), selectivity.max(least));
        }
        let learnt = entry.learnt();
        self.publish(planned.template.id, learnt);
    }

    /// Notes a duel. Says whether queries of its template are planned by another model from now on.
    pub(super) fn duelled(&self, told: &Told) -> bool {
        let mut known = self.lock();
        known.all.note(told);
        let Some(entry) = known.templates.get_mut(&told.template) else { return false };
        let turned = entry.ledger.note(told);
        let (learnt, score) = (entry.learnt(), entry.ledger.score());
        if turned {
            let (won, lost, template) = (score.0, score.1, &*entry.text);
            if learnt.fell_back {
                tracing::warn!(template, won, lost, "duels show that the model is worse here: analytic costs decide");
            } else {
                tracing::info!(template, won, lost, "the model is no longer worse here: it decides again");
            }
        }
        self.publish(told.template, learnt);
        turned
    }

    /// Another model: corrections stay, duels begin anew.
    pub(super) fn model_changed(&self) {
        let mut known = self.lock();
        known.all.model_changed();
        for (template, entry) in &mut known.templates {
            entry.ledger.model_changed();
            self.publish(*template, entry.learnt());
        }
    }

    /// What is known, those with the most runs first.
    pub(super) fn report(&self, most: usize) -> Vec<TemplateReport> {
        let known = self.lock();
        let mut entries: Vec<&Entry> = known.templates.values().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.runs));
        entries.into_iter().take(most).map(Entry::report).collect()
    }

    fn publish(&self, template: u64, learnt: Learnt) {
        if self.learnt(template) != learnt {
            self.learnt.insert(template, learnt);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn entry(&mut self, template: u64, new: impl FnOnce() -> Entry) -> &mut Entry {
        if self.templates.len() >= TEMPLATES && !self.templates.contains_key(&template) {
            let oldest = self.templates.iter().min_by_key(|(_, entry)| entry.seen).map(|(id, _)| *id);
            oldest.and_then(|oldest| self.templates.remove(&oldest));
        }
        self.templates.entry(template).or_insert_with(new)
    }
}

impl Entry {
    fn new(observation: &Observation) -> Self {
        Self {
            collection: observation.collection.clone(),
            text: observation.planned.template.text.clone(),
            runs: 0,
            seen: 0,
            reach: Ratio::default(),
            selectivity: Ratio::default(),
            compared: [Digest::default(); 16],
            ledger: Ledger::default(),
        }
    }

    fn learnt(&self) -> Learnt {
        let correction = Correction { selectivity: self.selectivity.factor(), reach: self.reach.factor() };
        Learnt { correction, fell_back: self.ledger.fell_back() }
    }

    fn report(&self) -> TemplateReport {
        let (duels, regret) = self.ledger.regret().unzip();
        let (model_won, model_lost) = self.ledger.score();
        TemplateReport {
            collection: self.collection.to_string(),
            template: self.text.to_string(),
            runs: self.runs,
            reach_factor: self.reach.factor(),
            reach_runs: self.reach.runs(),
            selectivity_factor: self.selectivity.factor(),
            selectivity_runs: self.selectivity.runs(),
            duels: duels.unwrap_or(0),
            regret,
            model_won,
            model_lost,
            chance: self.ledger.chance(),
            fell_back: self.ledger.fell_back(),
        }
    }
}
