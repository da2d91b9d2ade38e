//! Opens what the planner learns from and is told by: its log, its model file, the models that gateways share.

use std::{path::Path, sync::Arc, time::Duration};

use object_store::ObjectStore;
use tokio::task::AbortHandle;

use crate::{
    config::{ConfigProblem, KeyPath, Loaded, PlannerConfig, ProblemKind},
    planner::{
        experience::JournalSettings,
        models::{ModelSource, Origin},
    },
    request::{Planning, PlanningSettings},
};

/// Opens the log and reads the model. A model that is refused does not keep the gateway from starting: it goes by analytic
/// costs and says so.
///
/// # Errors
/// The log cannot be opened, or the model file cannot be read.
pub(super) fn open(loaded: &Loaded, objects: Option<Arc<dyn ObjectStore>>) -> Result<Planning, Box<ConfigProblem>> {
    let config = &loaded.config.planner;
    let problem = |keys: &[&str], kind, message: String| {
        let at = KeyPath::of(keys.iter().copied());
        Box::new(ConfigProblem::new(kind, loaded.locations.value(&at), at, message))
    };
    let log = config.log.dir.clone().map(|folder| JournalSettings { folder, max_bytes: config.log.max_bytes });
    let planning = Planning::open(settings(config), log.as_ref(), objects.map(ModelSource::new))
        .map_err(|error| problem(&["planner", "log", "dir"], ProblemKind::Unreadable, error.to_string()))?;
    if let Some(path) = &config.model {
        place(&planning, path).map_err(|message| problem(&["planner", "model"], ProblemKind::Unreadable, message))?;
    }
    Ok(planning)
}

fn settings(config: &PlannerConfig) -> PlanningSettings {
    PlanningSettings {
        sample: config.log.sample,
        duels: config.duels,
        duel_time: config.duel_time,
        replan_factor: config.replan_factor,
    }
}

/// Puts the model of a file in place, unless it is there already or was before: an operator who put another one there meant
/// it.
pub(super) fn place(planning: &Planning, path: &Path) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if planning.models().knows(&bytes) {
        return Ok(());
    }
    // What is refused was logged and counted, and is shown where models are.
    let _ = planning.models().promote(&bytes, Origin::File, planning.experience());
    Ok(())
}

/// Looks for models of other gateways from time to time, for as long as the handle is not aborted. Call it in a runtime.
pub(super) fn watch(planning: Arc<Planning>, every: Duration) -> Option<AbortHandle> {
    planning.shared()?;
    let task = tokio::spawn(async move {
        let mut looks = tokio::time::interval(every);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(shared) = planning.shared() else { return };
            if let Err(error) = shared.look(planning.models(), planning.experience()).await {
                tracing::warn!(%error, "no model could be taken from the object store");
            }
        }
    });
    Some(task.abort_handle())
}
