//! What is counted of planning. Only the thread that notes runs adds to most of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    Observation,
    duels::{Told, Winner},
};
use crate::{
    execute::Surprise,
    planner::{Choice, Source},
};
use planner_model::record::Mode;

/// Why a duel that was due was not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuelRefusal {
    /// No other plan is predicted to be nearly as good.
    NoRival,
    /// Queries wait for connections, or most are in use.
    Busy,
    /// Memory is short.
    Memory,
    /// Duels have had their share of backend time.
    Budget,
}

impl DuelRefusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NoRival, Self::Busy, Self::Memory, Self::Budget];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRival => "no-rival",
            Self::Busy => "busy",
            Self::Memory => "memory",
            Self::Budget => "budget",
        }
    }
}

/// Words for where a prediction comes from, in the order of [`PlannerCounters::sources`].
pub const SOURCES: [&str; 3] = ["table", "model", "analytic"];

/// Words for how a duel ended, in the order of [`PlannerCounters::duels`].
pub const DUELS: [&str; 3] = ["won", "lost", "even"];

#[derive(Default)]
pub(super) struct Counters {
    choices: [AtomicU64; Choice::ALL.len()],
    sources: [AtomicU64; 3],
    duels: [AtomicU64; 3],
    refusals: [AtomicU64; DuelRefusal::ALL.len()],
    replanned: [AtomicU64; Surprise::ALL.len()],
    /// Nanoseconds of the ranked part: of callers' plans, of duels.
    spent: [AtomicU64; 2],
    written: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
}

/// What is counted, as it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlannerCounters {
    /// Runs for callers by the reason of the choice.
    pub choices: [u64; Choice::ALL.len()],
    /// Runs for callers by where the prediction came from.
    pub sources: [u64; 3],
    /// Duels by how they ended for the chosen plan.
    pub duels: [u64; 3],
    /// Duels that were due and not held.
    pub refusals: [u64; DuelRefusal::ALL.len()],
    /// Runs that went on with another plan.
    pub replanned: [u64; Surprise::ALL.len()],
    /// Seconds of the ranked part: of callers' plans, of duels.
    pub spent_seconds: [f64; 2],
    /// Records written to the log, lost because the thread was behind, and that could not be written.
    pub logged: [u64; 3],
    /// Subjects whose latencies drift.
    pub alarms: u64,
    /// Templates that are planned without the model.
    pub fallen: u64,
    /// Geometric mean of the chosen plan's latency over that of the faster one of each duel.
    pub regret: Option<f64>,
}

/// The planner as metrics show it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlannerNow {
    /// What runs taught.
    pub counters: PlannerCounters,
    /// Models that were put in place, refused, and gone back to.
    pub models: [u64; 3],
    /// Whether a trained model predicts.
    pub has_model: bool,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(super) fn ran(&self, observation: &Observation) {
        let nanoseconds = u64::try_from(observation.ranked.as_nanos()).unwrap_or(u64::MAX);
        self.spent[usize::from(observation.mode == Mode::Shadow)].fetch_add(nanoseconds, Relaxed);
        if observation.mode == Mode::Shadow {
            return;
        }
        count(&self.choices[observation.planned.choice as usize]);
        count(match observation.candidate().source {
            Source::Table { .. } => &self.sources[0],
            Source::Model { .. } => &self.sources[1],
            Source::Analytic(_) => &self.sources[2],
        });
    }

    pub(super) fn duelled(&self, told: &Told) {
        count(match told.winner() {
            Winner::Chosen => &self.duels[0],
            Winner::Rival => &self.duels[1],
            Winner::Nobody => &self.duels[2],
        });
    }

    pub(super) fn duel_refused(&self, why: DuelRefusal) {
        count(&self.refusals[why as usize]);
    }

    pub(super) fn replanned(&self, why: Surprise) {
        count(&self.replanned[why as usize]);
    }

    pub(super) fn logged(&self, written: bool) {
        count(if written { &self.written } else { &self.failed });
    }

    pub(super) fn lost(&self) {
        count(&self.lost);
    }

    pub(super) fn read(&self, alarms: u64, fallen: u64, regret: Option<(u64, f64)>) -> PlannerCounters {
        fn all<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
            counters.each_ref().map(|counter| counter.load(Relaxed))
        }
        PlannerCounters {
            choices: all(&self.choices),
            sources: all(&self.sources),
            duels: all(&self.duels),
            refusals: all(&self.refusals),
            replanned: all(&self.replanned),
            spent_seconds: all(&self.spent).map(|nanoseconds| nanoseconds as f64 / 1e9),
            logged: [&self.written, &self.lost, &self.failed].map(|counter| counter.load(Relaxed)),
            alarms,
            fallen,
            regret: regret.map(|(_, regret)| regret),
        }
    }
}
