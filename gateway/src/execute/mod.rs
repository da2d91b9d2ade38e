//! Execution: runs the plan it is given. It never chooses; where a leg turns out otherwise than estimated it asks
//! ([`Midway`]).
//!
//! [`Job`] walks the operator tree; [`LegMemo`] lets equal legs of one batch run once; [`Trace`] counts what really
//! happened. Every ranked operator is a source of candidates with a gate behind it, widened until enough pass or
//! nothing is left.

mod enrich;
mod job;
mod legs;
mod midway;
mod trace;

pub use enrich::{Enriched, enrich};
pub use job::{Held, Job, Progress, Ranked};
pub use legs::{Began, LegMemo, Timed};
pub use midway::{Midway, Surprise};
pub use trace::{OperatorRun, Trace};
