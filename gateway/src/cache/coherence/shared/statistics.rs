//! How a gateway keeps up, in numbers.

use std::time::Duration;

/// How a gateway keeps up with the shared epochs; counts are since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CoherenceStatistics {
    /// Whether it knows of every bump at present.
    pub is_leased: bool,
    /// Time since Redis last answered; `None` before it first did.
    pub last_contact: Option<Duration>,
    /// Leases renewed.
    pub renewals: u64,
    /// Renewals that failed.
    pub failed_renewals: u64,
    /// Renewals that named bumps which had not been heard of yet.
    pub behind: u64,
    /// Bumps that were missing between two that were heard.
    pub gaps: u64,
    /// Subscriptions that were lost.
    pub disconnects: u64,
    /// Whole tables taken over.
    pub adoptions: u64,
    /// Incarnations met, the first included.
    pub incarnations: u64,
    /// Bumps heard of.
    pub heard: u64,
    /// Messages that made no sense.
    pub garbled: u64,
    /// Bumps made here and acknowledged.
    pub acknowledged: u64,
    /// Bumps made here that could not be counted in Redis.
    pub unacknowledged: u64,
    /// Epochs that wait for being counted there.
    pub pending: usize,
    /// Times that the server's clock was found to have been set.
    pub clock_steps: u64,
}
