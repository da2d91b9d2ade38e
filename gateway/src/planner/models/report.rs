//! Models, for operators.

use std::{collections::BTreeMap, time::SystemTime};

use planner_model::Card;
use serde::Serialize;

use super::{Current, Models};
use crate::planner::PlanKind;

/// The model in place, the one before, and the last one that was refused.
#[derive(Debug, Clone, Serialize)]
pub struct ModelsReport {
    /// The one that predicts.
    pub current: ModelReport,
    /// The one that a rollback brings back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ModelReport>,
    /// The last one that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusalReport>,
    /// Models put in place since the gateway runs.
    pub promoted: u64,
    /// Models refused.
    pub refusals: u64,
    /// Times that the one before was brought back.
    pub rolled_back: u64,
}

/// A model.
#[derive(Debug, Clone, Serialize)]
pub struct ModelReport {
    /// Its name; `analytic` for none.
    pub name: String,
    /// Where it came from: `start`, `file`, `admin`, `shared`.
    pub origin: &'static str,
    /// Since when it is in place.
    pub since: String,
    /// What judging it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Runs that it has seen, by kind of plan; kinds with too few are not predicted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub observations: BTreeMap<String, u64>,
    /// The kinds of plan that it predicts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub predicts: Vec<&'static str>,
    /// Trees and nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<(usize, usize)>,
    /// Bytes of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Data, splits and metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
}

/// A refused model.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalReport {
    /// When.
    pub at: String,
    /// Where it came from.
    pub origin: &'static str,
    /// The kind of reason.
    pub kind: &'static str,
    /// The reason.
    pub reason: String,
}

fn time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| "unknown".to_owned(), |at| format!("{at:.3}"))
}

impl Models {
    /// How models stand.
    pub fn report(&self) -> ModelsReport {
        let shelf = self.lock();
        let [promoted, refusals, rolled_back] = self.counted();
        ModelsReport {
            current: ModelReport::of(&self.current()),
            previous: shelf.previous.as_ref().map(|previous| ModelReport::of(previous)),
            refused: shelf.refusal.as_ref().map(|(at, origin, refused)| RefusalReport {
                at: time(*at),
                origin: origin.as_str(),
                kind: refused.as_str(),
                reason: refused.to_string(),
            }),
            promoted,
            refusals,
            rolled_back,
        }
    }
}

impl ModelReport {
    fn of(current: &Current) -> Self {
        let trained = current.placed.trained.as_ref();
        let model = trained.map(|trained| trained.model());
        Self {
            name: current.name.to_string(),
            origin: current.placed.origin.as_str(),
            since: time(current.placed.at),
            verdict: current.placed.verdict.map(|verdict| verdict.to_string()),
            observations: model
                .iter()
                .flat_map(|model| model.plans().map(|plan| (plan.name.clone(), plan.observations)))
                .collect(),
            predicts: trained.iter().flat_map(|trained| trained.kinds().map(PlanKind::as_str)).collect(),
            size: model.map(planner_model::Model::size),
            bytes: trained.map(|trained| trained.bytes()),
            card: model.map(|model| model.card().clone()),
        }
    }
}
