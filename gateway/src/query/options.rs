//! How to get an answer: within what time, from where, by which plan. No part of the cache key.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::planner::PlanKind;

/// Who goes first when a backend is busy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Nobody waits for it.
    Batch,
    /// The usual.
    #[default]
    Normal,
    /// A person waits for it.
    Interactive,
}

impl Priority {
    /// The word used in queries, configuration and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Normal => "normal",
            Self::Interactive => "interactive",
        }
    }
}

/// What happens when time runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnDeadline {
    /// `504`.
    #[default]
    Error,
    /// The items verified so far, marked `partial`.
    Partial,
}

/// Which use of the cache a query allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CacheMode {
    /// Look up and store.
    #[default]
    Default,
    /// Neither look up nor store.
    Bypass,
    /// Do not look up, store the new answer.
    Refresh,
    /// Answer from the cache or not at all.
    Only,
    /// Look up, do not store; plans are those of [`CacheMode::Default`]. For measuring what a state of the cache makes of them.
    Look,
}

impl CacheMode {
    /// Whether stored answers and stages may be used.
    pub fn reads(self) -> bool {
        matches!(self, Self::Default | Self::Only | Self::Look)
    }

    /// Whether the new answer and its stages may be stored.
    pub fn writes(self) -> bool {
        matches!(self, Self::Default | Self::Refresh)
    }

    /// Whether plans take more than the query needs where that is worth keeping.
    pub fn keeps(self) -> bool {
        self.writes() || self == Self::Look
    }
}

/// How much of its own work an answer describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Explain {
    /// Nothing.
    #[default]
    None,
    /// Candidates, features, estimates, the choice and why.
    Plan,
    /// And true cardinalities and times per step.
    Analyze,
}

/// How to get an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// As asked for in the body; clamped by the principal's ceiling later. `None`: not stated.
    pub priority: Option<Priority>,
    /// Time the caller gives, from when the request was read. `None`: the configured default.
    pub deadline: Option<Duration>,
    /// What happens when it runs out.
    pub on_deadline: OnDeadline,
    /// Which use of the cache is allowed.
    pub cache: CacheMode,
    /// Oldest stored answer that will do.
    pub max_staleness: Option<Duration>,
    /// How much of its work the answer describes.
    pub explain: Explain,
    /// Runs this plan whatever the planner thinks.
    pub plan: Option<PlanKind>,
    /// Which candidate of that kind, as `explain` counts them from 1. `None`: the one that is predicted to be the fastest.
    pub variant: Option<u8>,
}
