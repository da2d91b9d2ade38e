//! Whether latencies are still what they were.
//!
//! Each subject (a plan of a collection, a leg of a collection) has a detector: standardised residuals of `ln(actual /
//! expected)` in windows of 50, an alarm when the mean of two windows in a row is more than 2.5 standard errors off. Legs are
//! watched by themselves because a planner avoids a plan that got slow, and then nobody would notice.
//!
//! On an alarm nothing is thrown away: predictions of a plan that drifts are multiplied with a moving mean of what they are
//! off by, until two windows in a row are as expected again.

mod detector;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use planner_model::record::Mode;

pub(super) use self::detector::{Detector, Turn};
use super::{DriftReport, Observation};
use crate::{execute::OperatorRun, planner::PlanKind};

/// A published bias is replaced when it is off by more than this, as a logarithm: each replacement drops all decisions.
const STALE: f32 = 0.1;

/// Subjects that are watched. There are seven a collection.
const MOST: usize = 4_096;

/// A leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leg {
    /// The vector store.
    Vector,
    /// The graph store.
    Graph,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A plan, against what the model predicts.
    Plan(Arc<str>, PlanKind),
    /// A leg, against its analytic cost and how that was when watching began.
    Leg(Arc<str>, Leg),
}

impl Subject {
    /// The collection.
    pub fn collection(&self) -> &Arc<str> {
        match self {
            Self::Plan(collection, _) | Self::Leg(collection, _) => collection,
        }
    }

    /// The plan's kind, or the leg.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Plan(_, kind) => kind.as_str(),
            Self::Leg(_, Leg::Vector) => "vector-leg",
            Self::Leg(_, Leg::Graph) => "graph-leg",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.what(), self.collection())
    }
}

/// All detectors.
#[derive(Default)]
pub(super) struct Drift {
    detectors: Mutex<HashMap<Subject, Detector>>,
    /// For planning, which must not wait for whoever notes. Mostly empty.
    biases: ArcSwap<Vec<(Arc<str>, PlanKind, f32)>>,
}

impl Drift {
    /// What predictions of a plan are multiplied with.
    pub(super) fn bias(&self, collection: &str, kind: PlanKind) -> Option<f32> {
        let biases = self.biases.load();
        biases.iter().find(|(name, of, _)| *of == kind && **name == *collection).map(|(_, _, bias)| *bias)
    }

    /// Notes a whole run. Says whether decisions have to be made again.
    pub(super) fn note(&self, observation: &Observation) -> bool {
        // Who asks for a plan tries something out, often the same query in many ways.
        if observation.mode == Mode::Forced {
            return false;
        }
        let mut detectors = self.lock();
        let mut changed = false;
        for (subject, residual, spread) in residuals(observation) {
            if detectors.len() >= MOST && !detectors.contains_key(&subject) {
                continue;
            }
            let watches_plan = matches!(subject, Subject::Plan(..));
            let detector = detectors.entry(subject.clone()).or_insert_with(|| Detector::new(watches_plan));
            let turn = detector.note(residual, spread);
            let off = detector.factor();
            match turn {
                Some(Turn::Alarm) => tracing::warn!(%subject, times = off, "latencies are not what was expected"),
                Some(Turn::Recovery) => tracing::info!(%subject, "latencies are as expected again"),
                None => {}
            }
            if let Subject::Plan(collection, kind) = &subject {
                let published = self.bias(collection, *kind);
                let wanted = detector.is_alarmed().then_some(off as f32);
                let is_stale = match (published, wanted) {
                    (Some(old), Some(new)) => (new / old).ln().abs() > STALE,
                    (old, new) => old.is_some() != new.is_some(),
                };
                if is_stale {
                    self.publish(collection, *kind, wanted);
                    changed = true;
                }
            }
        }
        changed
    }

    /// Another model: plans are watched anew, against what that one predicts.
    pub(super) fn model_changed(&self) {
        self.lock().retain(|subject, _| matches!(subject, Subject::Leg(..)));
        self.biases.store(Arc::default());
    }

    /// Subjects that are off now.
    pub(super) fn alarms(&self) -> usize {
        self.lock().values().filter(|detector| detector.is_alarmed()).count()
    }

    pub(super) fn report(&self) -> Vec<DriftReport> {
        let detectors = self.lock();
        let mut all: Vec<_> = detectors.iter().collect();
        all.sort_by_key(|(subject, _)| *subject);
        let report = |(subject, detector): (&Subject, &Detector)| DriftReport {
            collection: subject.collection().to_string(),
            what: subject.what(),
            runs: detector.runs(),
            z: detector.last_z(),
            alarmed: detector.is_alarmed(),
            times: detector.factor(),
            alarms: detector.alarms(),
        };
        all.into_iter().map(report).collect()
    }

    fn publish(&self, collection: &Arc<str>, kind: PlanKind, bias: Option<f32>) {
        let mut biases: Vec<_> = self.biases.load().to_vec();
        biases.retain(|(name, of, _)| !(*of == kind && name == collection));
        biases.extend(bias.map(|bias| (collection.clone(), kind, bias)));
        self.biases.store(Arc::new(biases));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Detector>> {
        self.detectors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `ln(actual / expected)` of everything that a run tells of, with the standard deviation where it was predicted.
fn residuals(observation: &Observation) -> impl Iterator<Item = (Subject, f64, Option<f64>)> {
    let candidate = observation.candidate();
    let collection = &observation.collection;
    let plan = candidate.model_us.map(|expected_us| {
        let subject = Subject::Plan(collection.clone(), candidate.plan.kind);
        (subject, (observation.ranked_us() / expected_us).ln(), candidate.spread)
    });
    // One statement does both legs of this one.
    let apart = observation.runs.iter().all(|run| run.operator != "RankReached");
    let legs = [Leg::Vector, Leg::Graph].into_iter().filter_map(move |leg| {
        let own = |run: &&OperatorRun| run.calls > 0 && leg_of(run) == Some(leg);
        let spent_us = observation.runs.iter().filter(own).map(|run| run.own.as_secs_f64() * 1e6).sum::<f64>();
        let expected_us = candidate.analytic_legs_us[leg as usize];
        let is_known = apart && spent_us > 0.0 && expected_us > 0.0;
        is_known.then(|| (Subject::Leg(collection.clone(), leg), (spent_us / expected_us).ln(), None))
    });
    plan.into_iter().chain(legs).filter(|(_, residual, _)| residual.is_finite())
}

fn leg_of(run: &OperatorRun) -> Option<Leg> {
    match run.operator {
        "Ann" | "RankExact" | "AnnWithin" | "CachedList" => Some(Leg::Vector),
        "Reach" | "CheckWithin" => Some(Leg::Graph),
        _ => None,
    }
}
