//! Logs and metrics. Counting is on the path of every query, so it takes no lock and no memory: [`sheet`] holds plain
//! counters, one set a core, that are added up when somebody reads them. Labels are enums, never ids.

mod far;
mod log;
mod memory;
mod metrics;
mod page;
mod planner;
mod pools;
mod sheet;

pub use log::{LogError, init};
pub use metrics::{Metrics, Route, StatusClass};
pub use page::CONTENT_TYPE as METRICS_CONTENT_TYPE;
pub(crate) use sheet::BOUNDS_NS;
