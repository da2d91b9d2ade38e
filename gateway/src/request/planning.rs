//! What planning learns and is told, beside the configuration of the moment: it outlives reloads.

use std::{sync::Arc, time::Duration};

use planner_model::LatencyModel;

use crate::planner::{
    Experience, Models,
    experience::{JournalError, JournalSettings, Notebook, PlannerNow},
    models::ModelSource,
};

/// How much is tried out, logged and changed in the middle.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanningSettings {
    /// Part of the runs that are logged; duels and forced plans all are.
    pub sample: f64,
    /// Part of the runs beside which another plan runs in the background.
    pub duels: f64,
    /// Most of the backend time of callers' plans that duels take.
    pub duel_time: f64,
    /// A leg that differs from its estimate by more than this factor has the rest of the query planned again.
    pub replan_factor: f64,
}

impl Default for PlanningSettings {
    /// No duels.
    fn default() -> Self {
        Self { sample: 0.1, duels: 0.0, duel_time: 0.03, replan_factor: 4.0 }
    }
}

/// Models, and what runs taught.
pub struct Planning {
    settings: PlanningSettings,
    models: Arc<Models>,
    experience: Arc<Experience>,
    notebook: Notebook,
    shared: Option<ModelSource>,
}

impl Planning {
    /// Without a log. Starts a thread.
    pub fn new(model: Option<Arc<dyn LatencyModel>>, settings: PlanningSettings) -> Self {
        let experience: Arc<Experience> = Arc::default();
        let notebook = Notebook::start(experience.clone(), None).expect("only a log can fail to open");
        Self { settings, models: Arc::new(Models::fixed(model)), experience, notebook, shared: None }
    }

    /// With a log, where one is wanted, and models from an object store, where there is one.
    ///
    /// # Errors
    /// The log cannot be opened.
    pub fn open(
        settings: PlanningSettings,
        log: Option<&JournalSettings>,
        shared: Option<ModelSource>,
    ) -> Result<Self, JournalError> {
        let experience: Arc<Experience> = Arc::default();
        let notebook = Notebook::start(experience.clone(), log)?;
        Ok(Self { settings, models: Arc::default(), experience, notebook, shared })
    }

    /// The same, with this model in place.
    #[cfg(test)]
    pub(super) fn modelled(self, model: Arc<dyn LatencyModel>) -> Self {
        Self { models: Arc::new(Models::fixed(Some(model))), ..self }
    }

    /// How much is tried out, logged and changed in the middle.
    pub fn settings(&self) -> &PlanningSettings {
        &self.settings
    }

    /// The model in place and the one before.
    pub fn models(&self) -> &Arc<Models> {
        &self.models
    }

    /// What runs taught.
    pub fn experience(&self) -> &Arc<Experience> {
        &self.experience
    }

    /// Where runs are noted.
    pub fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    /// Where gateways share models.
    pub fn shared(&self) -> Option<&ModelSource> {
        self.shared.as_ref()
    }

    /// In numbers.
    pub fn now(&self) -> PlannerNow {
        let has_model = self.models.current().model.is_some();
        PlannerNow { counters: self.experience.counters(), models: self.models.counted(), has_model }
    }

    /// Time for duels that a caller's plan of this time earns is added to what was saved.
    pub(super) fn earned(&self, spent: Duration) {
        if self.settings.duels > 0.0 {
            self.experience.budget().earn(spent, self.settings.duel_time);
        }
    }
}
