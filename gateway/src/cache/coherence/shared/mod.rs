//! Epochs that gateways share in Redis: the protocol.
//!
//! **The ledger** in Redis holds the epochs and a number that every bump raises (`seq`). It belongs to one start of one
//! server: a script that finds a ledger of another start, or a part of it missing, begins another incarnation, since bumps
//! may be lost. Every bump is said in a channel with its number.
//!
//! **A follower** (each gateway) takes over the whole ledger once, and then each bump in turn; where a number is missing,
//! or after its subscription was lost, it takes over the whole again. It holds a *lease* of [`LEASE`] that it renews. With each
//! renewal it says which bumps it has taken over, and it uses the lease only once it has all that the reply names.
//!
//! **A bump** is acknowledged when every gateway that had a lease as it was counted has said that it has taken it over, or
//! its lease has lapsed.
//!
//! **No two clocks are compared.** A lease begins for its holder before it asks for it, and whoever bumps lets a whole
//! lease pass after it heard that its bump is counted: by then every lease that was given before has ended for its holder,
//! whatever the clocks say; one that is given later obliges to take the bump over first. A follower that was stopped
//! finds that its lease has ended. What servers gave before an incarnation began ends in the same way: bumps wait until the
//! bumper has known the incarnation for as long as a lease.
//!
//! What this cannot see: a primary that goes on answering some gateways although its replica took its place. Where sentinels
//! decide, most of them are asked before every renewal; `min-replicas-to-write` closes what is left.

mod bumping;
mod clock;
mod follower;
mod ledger;
#[cfg(test)]
mod model;
mod pending;
mod redis;
mod statistics;

use std::time::Duration;

pub use redis::RedisCoherence;
pub use statistics::CoherenceStatistics;

/// How long a lease lasts. The same in all gateways: another length is another version of the protocol.
const LEASE: Duration = Duration::from_secs(1);
/// A holder counts its lease as over so much earlier: clocks do not run equally fast.
const MARGIN: Duration = Duration::from_millis(50);
