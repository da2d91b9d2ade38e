//! A query's life: [`Gateway`] is what the outside calls, `recall` is the short life of a repeat, `life` is any other in one file, `resolve` and `shape` are
//! what it does before the plan and after the run.

mod batch;
mod body;
mod duel;
mod explain;
mod gateway;
mod inspect;
mod keys;
mod life;
mod observe;
mod plan;
mod planning;
mod probe;
mod recall;
mod resolve;
mod shape;
mod sheddable;
mod terms;
#[cfg(test)]
mod tests;
mod types;
mod wait;

pub use body::{
    AnswerBody, Attributes, BatchBody, BatchResult, ExplainBody, Item, NamedVector, NeighbourBody, PathBody,
    ProblemBody, Scores, StepBody, StepDirection, TierBody, Vectors, Warning, WarningCode,
};
pub use gateway::{CacheStatistics, Gateway};
pub use inspect::Inspected;
pub use planning::{Planning, PlanningSettings};
pub use types::{Answer, Endpoint, Finished, Hints, Incoming, LegCalls, Refresh, Reply, Saved, Step, Timing};
