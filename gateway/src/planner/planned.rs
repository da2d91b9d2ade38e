//! What came of planning: candidates with what was predicted, which one runs, and why.

use std::{fmt, sync::Arc};

use planner_model::{Features, Silence};

use super::{Estimates, Plan, PlanKind, decisions::DecisionKey};

/// A priced candidate.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The plan.
    pub plan: Plan,
    /// What the choice went by, in microseconds.
    pub predicted_us: f64,
    /// The 95th percentile of that, where it is known.
    pub q95_us: Option<f64>,
    /// Standard deviation of the prediction's logarithm, where it is known.
    pub spread: Option<f64>,
    /// Where the prediction comes from.
    pub source: Source,
    /// Its votes in duels among candidates that were close: 0 to 1.
    pub votes: Option<f64>,
    /// What the trained model says, in microseconds, whether or not that is gone by, and not corrected for drift.
    pub model_us: Option<f64>,
    /// What the analytic model says, in microseconds.
    pub analytic_us: f64,
    /// What it says of each leg by itself: of the vector store's work, of the graph store's.
    pub analytic_legs_us: [f64; 2],
    /// What is known of the candidate.
    pub features: Features,
}

/// Where a prediction comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// Runs of this very query.
    Table {
        /// How many.
        runs: u32,
    },
    /// The trained model; where its plan drifts, times a factor that was learnt since.
    Model {
        /// The factor, where it is not 1.
        corrected: Option<f32>,
    },
    /// The analytic model.
    Analytic(WhyAnalytic),
}

impl Source {
    /// The word in explain.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table { .. } => "table",
            Self::Model { .. } => "model",
            Self::Analytic(_) => "analytic",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table { runs } => write!(f, "mean of {runs} runs of this very query"),
            Self::Model { corrected: None } => f.write_str("predicted by the trained model"),
            Self::Model { corrected: Some(factor) } => {
                write!(f, "predicted by the trained model, times {factor:.2} since latencies drift")
            }
            Self::Analytic(why) => why.fmt(f),
        }
    }
}

/// Why the analytic model was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WhyAnalytic {
    /// No model is loaded.
    NoModel,
    /// The model does not answer for this candidate. Its analytic cost is multiplied with what the model says over what the
    /// analytic one says of the others, so that it can be compared with them.
    Silent(Silence),
    /// The model does not answer for most of the candidates, so it is not asked for the others either.
    MostSilent,
    /// Duels show that queries of this template do better without the model.
    FellBack,
}

impl fmt::Display for WhyAnalytic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoModel => f.write_str("there is no trained model"),
            Self::Silent(Silence::Untrained) => f.write_str("the model has not seen enough of this plan"),
            Self::Silent(Silence::Outside(feature)) => {
                write!(f, "`{}` is outside of what the model was trained on", feature.name())
            }
            Self::Silent(Silence::Thin) => f.write_str("too little of what the model was trained on is like this"),
            Self::MostSilent => f.write_str("the model does not answer for most of the candidates"),
            Self::FellBack => f.write_str("duels show that queries of this template do better without the model"),
        }
    }
}

/// Why a candidate was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// No other plan applies.
    Only,
    /// It has the lowest predicted latency.
    Cheapest,
    /// `options.plan` asked for it.
    Forced,
    /// It goes on with the list that earlier pages were cut from.
    Paging,
    /// A store fails and is not asked; what the cache holds suffices.
    Spared,
    /// Runs of this very query took the least time.
    Measured,
    /// Several are predicted to take about as long, and the model's comparison of pairs prefers it.
    Duelled,
    /// The one with the lowest predicted latency may well not be done in the time that is left.
    InTime,
}

impl Choice {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Only,
        Self::Cheapest,
        Self::Forced,
        Self::Paging,
        Self::Spared,
        Self::Measured,
        Self::Duelled,
        Self::InTime,
    ];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Cheapest => "cheapest",
            Self::Forced => "forced",
            Self::Paging => "paging",
            Self::Spared => "spared",
            Self::Measured => "measured",
            Self::Duelled => "duelled",
            Self::InTime => "in-time",
        }
    }

    /// The reason in one line.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Only => "no other plan applies",
            Self::Cheapest => "it has the lowest predicted latency",
            Self::Forced => "options.plan asked for it",
            Self::Spared => "a backend fails and is not asked; what the cache holds suffices",
            Self::Paging => "it goes on with the list that earlier pages were cut from",
            Self::Measured => "runs of this very query took the least time with it",
            Self::Duelled => "others are predicted to take about as long, and compared with them it wins",
            Self::InTime => {
                "it is likely to be done in the time that is left, and the one predicted to be faster is not"
            }
        }
    }
}

/// The outcome of planning.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Priced candidates in the order of enumeration.
    pub candidates: Vec<Candidate>,
    /// Which one runs.
    pub chosen: usize,
    /// Why.
    pub choice: Choice,
    /// What the statistics said.
    pub estimates: Estimates,
    /// Epochs of the statistics: of entities, of the graph.
    pub statistics: (u64, u64),
    /// Kinds that do not apply, and why.
    pub inapplicable: Vec<(PlanKind, &'static str)>,
    /// The name of the model that predicted.
    pub model: Arc<str>,
    /// The query's shape.
    pub template: Template,
    /// The decision's name, for what is learnt of its runs.
    pub(super) key: DecisionKey,
}

/// The shape of a query: what is left without values, ids, texts and vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// A digest of the collection and the text.
    pub id: u64,
    /// In words.
    pub text: Arc<str>,
}

impl Planned {
    /// The plan that runs.
    pub fn plan(&self) -> &Plan {
        &self.candidates[self.chosen].plan
    }

    /// The chosen candidate.
    pub fn candidate(&self) -> &Candidate {
        &self.candidates[self.chosen]
    }

    /// The lead of the chosen candidate over the next one, in standard deviations of its prediction. 0: any other might be as
    /// good. `None` where there is no other, or no deviation is known.
    pub fn confidence(&self) -> Option<f64> {
        let own = self.candidate();
        let others = self.candidates.iter().enumerate().filter(|(index, _)| *index != self.chosen);
        let next = others.map(|(_, other)| other.predicted_us).min_by(f64::total_cmp)?;
        Some(((next / own.predicted_us).ln() / own.spread?.max(1e-6)).max(0.0))
    }

    /// Which candidate of its kind this one is, counted from 1.
    pub fn variant(&self, index: usize) -> usize {
        let kind = self.candidates[index].plan.kind;
        self.candidates[..=index].iter().filter(|candidate| candidate.plan.kind == kind).count()
    }
}

/// The plan asked for does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} does not apply: {why}", kind.as_str())]
pub struct NotApplicable {
    /// The plan asked for.
    pub kind: PlanKind,
    /// Why it does not apply.
    pub why: &'static str,
}
