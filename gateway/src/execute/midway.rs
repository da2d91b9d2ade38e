//! What a run finds out in the middle, and whoever may know a better way on from there.

use std::sync::Arc;

use crate::planner::Planned;

/// What turned out otherwise than estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surprise {
    /// The nodes that a walk reaches.
    Reach,
    /// The candidates of a first page that are within.
    PassRate,
}

impl Surprise {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Reach, Self::PassRate];

    /// What it is, in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Reach => "reach of the walk",
            Self::PassRate => "part of candidates within",
        }
    }

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::PassRate => "pass-rate",
        }
    }
}

/// Asked where a leg has ended. What it gave is kept, whatever comes next.
pub trait Midway: Send + Sync {
    /// The plan to go on with, now that so many nodes are known to be reached; `None` to go on as planned.
    fn knows_reach(&self, nodes: u64) -> Option<Arc<Planned>>;

    /// The plan to go on with, now that of so many candidates so many were within, and more are needed.
    fn knows_pass_rate(&self, seen: u64, passed: u64) -> Option<Arc<Planned>>;
}
