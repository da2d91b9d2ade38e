//! The life of a query.

mod body;
mod gateway;
mod types;

pub use body::{
    AnswerBody, Attributes, BatchBody, BatchResult, Item, NeighbourBody, PathBody, ProblemBody, Scores, StepBody,
    StepDirection, Vectors, Warning, WarningCode,
};
pub use gateway::{CacheStatistics, Gateway, Purge};
pub use types::{Answer, Endpoint, Finished, Hints, Incoming, LegCalls, Reply, Step, Timing};
