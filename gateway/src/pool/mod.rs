//! Pools: connections to one backend, handed out by who waits, for how long the work will take, and until when.
//!
//! [`Connector`] is the contract with a backend; [`Pool`] knows nothing else of it. [`Demand`] says who asks;
//! [`Lease`] is a connection in use. A lease that is dropped without a word is in doubt: its statement is ended on the server, and
//! it is reused only once it answers again. A [`Parked`] connection holds an open cursor for a query that waits for
//! something else; whoever needs the connection may take it, so that nobody waits for one pool while holding another.

mod connector;
mod demand;
mod error;
mod lease;
mod predictor;
mod settings;
mod simple;

pub use connector::Connector;
pub use demand::Demand;
pub use error::PoolError;
pub use lease::{Lease, Parked};
pub use predictor::Predictor;
pub use settings::{BreakerSettings, Settings};
pub use simple::Pool;
