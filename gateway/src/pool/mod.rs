//! Pools: connections to one backend, handed out by who waits, for how long the work will take, and until when.
//!
//! [`Connector`] is the contract with a backend; [`Pool`] knows nothing else of it. [`Demand`] says who asks;
//! [`Lease`] is a connection in use. A lease that is dropped without a word is in doubt: its statement is ended on the server, and
//! it is reused only once it answers again. A [`Parked`] connection holds an open cursor for a query that waits for
//! something else; whoever needs the connection may take it, so that nobody waits for one pool while holding another.
//!
//! All decisions are made by a state machine without clock or tasks (`core`, with `fair` for the queue, `breaker` and
//! `backoff`); `shell` and `tasks` do what it says.

mod backoff;
mod breaker;
mod connector;
mod core;
mod demand;
mod error;
mod fair;
mod lease;
mod predictor;
mod registry;
mod settings;
mod shell;
mod snapshot;
mod tasks;
#[cfg(test)]
mod tests;

pub use breaker::BreakerState;
pub(crate) use breaker::{Breaker, Probe};
pub use connector::Connector;
pub use demand::Demand;
pub use error::{PoolError, ResizeError};
pub use lease::{Lease, Parked};
pub use predictor::Predictor;
pub use registry::{Registry, Watched};
pub use settings::{BreakerSettings, Settings};
pub use shell::Pool;
pub use snapshot::{Counters, RefusalKind, Snapshot, WaitHistogram};

use crate::query::Priority;

/// The classes in the order of arrays by class: interactive, normal, batch.
pub const CLASSES: [Priority; 3] = fair::BY_RANK;
