//! The memory governor: keeps the process below the memory that the system lets it have.
//!
//! [`limit`](Limit) finds out how much that is, `usage` how much is in use. [`Governor`] decides, from numbers and a clock
//! alone: batch work pauses first, then caches let go of entries, and get their room back when it is calm again.
//! [`Watch`] is the thread that looks, asks it, and does what it says to whatever is [`Sheddable`]. Nothing here knows what
//! a cache holds.

#[allow(clippy::module_inception, reason = "the governor of the governor's room")]
mod governor;
mod limit;
mod memory;
mod release;
mod shell;
mod usage;

pub use governor::{Change, Governor, Level, Look, Order, Thresholds};
pub use limit::{Limit, LimitSource};
pub use memory::{Memory, MemorySnapshot};
pub use shell::{Sheddable, Watch};
pub use usage::{Footprint, footprint};
