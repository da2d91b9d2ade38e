//! The life of a query.

mod gateway;
mod types;

pub use gateway::{CacheStatistics, Gateway, Purge};
pub use types::{Answer, Endpoint, Finished, Hints, Incoming, LegCalls, Reply, Step, Timing};
