//! What is learnt from runs. Runs are noted by a thread of their own ([`Notebook`]), off the path of queries; planning only
//! looks at what came of it.
//!
//! - `table`: what this very query took, by candidate;
//! - `templates`: by the shape of a query, how estimates turned out, and what duels say;
//! - `drift`: whether latencies are still what they were when the model was trained;
//! - `recent`: the last runs, which a new model is judged by;
//! - `journal`: the query log.

mod corrections;
mod counters;
mod drift;
mod duels;
mod journal;
mod notebook;
mod observation;
mod recent;
mod report;
mod secret;
mod table;
mod templates;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use planner_model::record::Outcome;

pub use corrections::Correction;
pub use counters::{DUELS, DuelRefusal, PlannerCounters, PlannerNow, SOURCES};
pub use drift::{Leg, Subject};
pub use duels::Budget;
pub use journal::{JournalError, JournalSettings};
pub use notebook::Notebook;
pub use observation::{Found, Observation};
pub use report::{DriftReport, ExperienceReport, TemplateReport};
pub use templates::Learnt;

use self::{counters::Counters, drift::Drift, duels::Told, recent::Recent, table::Table, templates::Templates};
use super::PlanKind;

/// What was learnt from runs so far. Outlives configurations.
#[derive(Default)]
pub struct Experience {
    table: Table,
    templates: Templates,
    drift: Drift,
    recent: Recent,
    budget: Budget,
    counters: Counters,
    /// Counts what changes decisions at large.
    epoch: AtomicU64,
}

impl Experience {
    /// Counts what changes decisions at large: biases, and templates that fall back to analytic costs.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What is known of queries of a shape.
    pub fn of_template(&self, template: u64) -> Learnt {
        self.templates.learnt(template)
    }

    /// What duels say of queries of a shape: how many there were, and the geometric mean of the chosen plan's latency over
    /// that of the faster one of each pair.
    pub fn regret(&self, template: u64) -> Option<(u64, f64)> {
        self.templates.regret(template)
    }

    /// What predictions of a plan are multiplied with, where latencies of a collection drift.
    pub fn bias(&self, collection: &str, kind: PlanKind) -> Option<f32> {
        self.drift.bias(collection, kind)
    }

    /// Backend time that duels may still take.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The last runs, oldest first.
    pub fn recent(&self) -> Vec<Arc<Observation>> {
        self.recent.all()
    }

    /// Counts a duel that was not held.
    pub fn duel_refused(&self, why: DuelRefusal) {
        self.counters.duel_refused(why);
    }

    /// Counts a run that went on with another plan in the middle.
    pub fn replanned(&self, why: crate::execute::Surprise) {
        self.counters.replanned(why);
    }

    /// What is counted.
    pub fn counters(&self) -> PlannerCounters {
        let (alarms, fallen) = (self.drift.alarms() as u64, self.templates.fallen() as u64);
        self.counters.read(alarms, fallen, self.templates.overall())
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Forgets what runs of single queries took: they may be answered from other data from now on.
    pub fn forget_runs(&self) {
        self.table.clear();
    }

    /// Another model predicts from now on: what was held against the one before is no argument against this one.
    pub fn model_changed(&self) {
        self.drift.model_changed();
        self.templates.model_changed();
        self.changed();
    }

    /// Learns from a run. One thread at a time does so.
    fn take(&self, observation: Arc<Observation>) {
        self.counters.ran(&observation);
        if observation.outcome == Outcome::Ok {
            self.templates.note(&observation);
        }
        if observation.is_whole() {
            self.table.note(&observation);
            if self.drift.note(&observation) {
                self.changed();
            }
            if let Some(told) = self.recent.rival(&observation) {
                self.duelled(&told);
            }
        }
        self.recent.push(observation);
    }

    fn duelled(&self, told: &Told) {
        self.counters.duelled(told);
        if self.templates.duelled(told) {
            self.changed();
        }
    }

    fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}
