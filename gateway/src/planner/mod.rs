//! The planner: enumerates candidate plans, predicts what each takes, picks one, and can say why. It never talks to a
//! backend: everything it knows comes in as an [`Input`] of statistics and of what the cache was found to hold, or as an
//! [`Observation`] of a run.
//!
//! - `enumerate`, `estimates`, `cost`, `features`: what applies and what it should take;
//! - `decide`: which one runs;
//! - [`models`]: the trained model that predicts, how it comes and goes;
//! - [`experience`]: what is learnt from runs: exact repeats, corrections of estimates, drift, duels, the query log.

mod cost;
mod decide;
mod decisions;
mod enumerate;
mod estimate;
mod estimates;
pub mod experience;
mod explain;
mod features;
mod input;
pub mod models;
mod plan;
mod planned;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use planner_model::LatencyModel;
use quick_cache::sync::Cache;

pub use estimate::Fraction;
pub use estimates::Estimates;
pub use experience::{Correction, Experience, Observation};
pub use explain::{CandidateReport, EstimateReport, OperatorReport, PlanReport, RegretReport};
pub use input::{Down, Forced, Input, ListProbe, Met, Probe, Waits};
pub use models::Models;
pub use plan::{Operator, Plan, PlanKind};
pub use planned::{Candidate, Choice, NotApplicable, Planned, Source, Template, WhyAnalytic};

use self::decisions::DecisionKey;

/// Decisions remembered for exact repeats, of two kilobytes or so each. Most exact repeats never come here: the cache answers them.
const DECISIONS: usize = 1_024;

/// The planner.
pub struct Planner {
    models: Arc<Models>,
    experience: Arc<Experience>,
    decisions: Cache<DecisionKey, Arc<Planned>>,
}

impl Planner {
    /// A planner without experience that asks a model first, and the analytic costs where the model knows too little or there
    /// is none.
    pub fn new(model: Option<Arc<dyn LatencyModel>>) -> Self {
        Self::with(Arc::new(Models::fixed(model)), Arc::default())
    }

    /// A planner that asks whichever model is in place, and goes by what was learnt from runs.
    pub fn with(models: Arc<Models>, experience: Arc<Experience>) -> Self {
        Self { models, experience, decisions: Cache::new(DECISIONS) }
    }

    /// What is learnt from runs.
    pub fn experience(&self) -> &Arc<Experience> {
        &self.experience
    }

    /// Chooses a plan. An exact repeat under the same statistics and cache contents gets the remembered decision, until runs
    /// of it say otherwise.
    ///
    /// # Errors
    /// The plan that was asked for does not apply.
    pub fn plan(&self, input: &Input<'_>) -> Result<Arc<Planned>, NotApplicable> {
        let current = self.models.current();
        let key = DecisionKey::of(input, current.epoch, self.experience.epoch());
        let remembered = self.decisions.get(&key).filter(|planned| !self.experience.table().overrules(planned));
        let planned = match remembered {
            Some(planned) => planned,
            None => {
                let planned = Arc::new(decide::decide(input, key, &current, &self.experience)?);
                self.decisions.insert(key, planned.clone());
                planned
            }
        };
        Ok(in_time(planned, input.left))
    }
}

/// The same decision, or another one where that is more likely to be done in time.
fn in_time(planned: Arc<Planned>, left: Duration) -> Arc<Planned> {
    match decide::in_time(&planned, left.as_secs_f64() * 1e6) {
        None => planned,
        Some(chosen) => Arc::new(Planned { chosen, choice: Choice::InTime, ..(*planned).clone() }),
    }
}
