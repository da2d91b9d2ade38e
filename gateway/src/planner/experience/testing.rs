//! Runs that were never run.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use planner_model::{
    Features,
    record::{CacheState, Mode, Outcome},
};

use super::{Correction, Experience, Found, Observation};
use crate::{
    backend::VectorStatistics,
    planner::{
        Candidate, Choice, Estimates, Fraction, Operator, Plan, PlanKind, Planned, Source, Template, WhyAnalytic,
        decisions::DecisionKey,
    },
};

/// A run, in short.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) kind: PlanKind,
    pub(crate) us: f64,
    /// Two runs of one group are a duel.
    pub(crate) group: Option<usize>,
    pub(crate) shadow: bool,
    /// What the model said of each kind of plan, in microseconds.
    pub(crate) model_us: Option<[f64; 2]>,
    pub(crate) q95_us: Option<f64>,
    pub(crate) outcome: Outcome,
    /// Estimated and true reach.
    pub(crate) reach: Option<(f64, u64)>,
    pub(crate) query: u8,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            kind: PlanKind::VectorFirst,
            us: 100.0,
            group: None,
            shadow: false,
            model_us: None,
            q95_us: None,
            outcome: Outcome::Ok,
            reach: None,
            query: 7,
        }
    }
}

/// The two kinds of plan of these runs.
const KINDS: [PlanKind; 2] = [PlanKind::VectorFirst, PlanKind::GraphFirst];

impl Run {
    /// Vector-first is cheaper by analytic costs.
    pub(crate) fn observation(&self) -> Observation {
        let candidate = |kind: PlanKind| {
            let index = kind as usize;
            let model_us = self.model_us.map(|us| us[index]);
            let analytic_us = [90.0, 110.0][index];
            Candidate {
                plan: Plan { kind, root: Operator::Reach },
                predicted_us: model_us.unwrap_or(analytic_us),
                q95_us: self.q95_us,
                spread: model_us.map(|_| 0.3),
                source: Source::Analytic(WhyAnalytic::NoModel),
                votes: None,
                model_us,
                analytic_us,
                analytic_legs_us: [analytic_us, 0.0],
                features: Features::default(),
            }
        };
        let (estimated, reached) = self.reach.unwrap_or((0.0, 0));
        let estimates = Estimates {
            rows: 1_000.0,
            selectivity: Fraction::ALL,
            leaves: 0.0,
            indexed: 0.0,
            narrowest: 1.0,
            reach: estimated,
            least_reach: estimated,
            edges: estimated,
            fan_out: 1.0,
            within: 1.0,
            matches: 1.0,
            correction: Correction::NONE,
        };
        let walked = crate::execute::OperatorRun {
            operator: "Reach",
            access: None,
            rows_in: 0,
            rows_out: reached,
            examined: reached,
            calls: 1,
            spent: Duration::ZERO,
            own: Duration::ZERO,
        };
        let vectors = VectorStatistics::default();
        let planned = Planned {
            candidates: KINDS.map(candidate).to_vec(),
            chosen: 0,
            choice: Choice::Cheapest,
            estimates,
            statistics: (1, 1),
            inapplicable: Vec::new(),
            model: "analytic".into(),
            template: Template { id: 1, text: "a template".into() },
            key: DecisionKey::testing(&vectors, [self.query; 32]),
        };
        let shadow = self.shadow || self.group.is_some();
        Observation {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            collection: "things".into(),
            query: [self.query; 32],
            tenant: None,
            planned: Arc::new(planned),
            ran: self.kind as usize,
            mode: if shadow { Mode::Shadow } else { Mode::Chosen },
            group: self.group.map(|group| format!("{group}").into()),
            cache: CacheState::default(),
            outcome: self.outcome,
            replanned: false,
            ranked: Duration::from_secs_f64(self.us / 1e6),
            total: Duration::from_secs_f64(self.us / 1e6),
            runs: self.reach.iter().map(|_| walked).collect(),
            found: Found::default(),
            logged: true,
        }
    }
}

/// The experience of these runs.
pub(crate) fn experienced(runs: impl IntoIterator<Item = Run>) -> Experience {
    let experience = Experience::default();
    experience.learn(runs);
    experience
}

impl Experience {
    pub(crate) fn learn(&self, runs: impl IntoIterator<Item = Run>) {
        runs.into_iter().for_each(|run| self.take(Arc::new(run.observation())));
    }
}
