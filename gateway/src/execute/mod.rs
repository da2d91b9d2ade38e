//! Execution: runs the plan it is given. It never chooses.
//!
//! [`Job`] walks the operator tree; [`LegMemo`] lets equal legs of one batch run once; [`Trace`] counts what really
//! happened. Every ranked operator is a source of candidates with a gate behind it, widened until enough pass or
//! nothing is left.

mod enrich;
mod job;
mod legs;
mod trace;

pub use enrich::{Enriched, enrich};
pub use job::{Held, Job, Progress, Ranked};
pub use legs::{Began, LegMemo, Timed};
pub use trace::{OperatorRun, Trace};
