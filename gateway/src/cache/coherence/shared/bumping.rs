//! Waiting until a bump is acknowledged. Pure.

use std::time::{Duration, Instant};

use super::{
    LEASE,
    ledger::{Counted, Holders, Position},
};

/// A bump that was counted and is not acknowledged yet.
pub(super) struct Waiting {
    at: Position,
    /// Gateways that may have a lease and have not taken the bump over yet, as they were when it was counted.
    others: Holders,
    /// How many have.
    pub(super) confirmed: usize,
    /// By then every lease from before the bump has ended.
    pub(super) lapses: Instant,
    /// By then every lease from before the incarnation has ended.
    pub(super) settled: Instant,
}

impl Waiting {
    /// A bump of the gateway `own`, whose count was heard of at `received`, in an incarnation known since `known_since`.
    pub(super) fn new(counted: Counted, own: &str, received: Instant, known_since: Instant) -> Self {
        let mut others = counted.holders;
        // This one has taken it over.
        others.remove(own);
        Self { at: counted.message.at, others, confirmed: 1, lapses: received + LEASE, settled: known_since + LEASE }
    }

    /// Takes note of what gateways say by now.
    pub(super) fn observe(&mut self, incarnation: u64, holders: &Holders) {
        // What is said in another incarnation says nothing of this bump.
        if incarnation != self.at.incarnation {
            return;
        }
        let before = self.others.len();
        let mut left = 0;
        self.others.retain(|name, _| match holders.get(name) {
            Some(holder) => !holder.has(self.at.seq),
            // It gave its lease back, or somebody waited until it had ended.
            None => {
                left += 1;
                false
            }
        });
        self.confirmed += before - self.others.len() - left;
    }

    /// Whether nobody serves anything from before any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.settled && (self.others.is_empty() || now >= self.lapses)
    }

    /// How long it takes at most, if nobody says anything any more.
    pub(super) fn longest_wait(&self, now: Instant) -> Duration {
        let over = if self.others.is_empty() { self.settled } else { self.settled.max(self.lapses) };
        over.saturating_duration_since(now)
    }

    /// Those whose leases had to end, as they were when the bump was counted: they may be gone for good.
    pub(super) fn lapsed(&self) -> &Holders {
        &self.others
    }

    pub(super) fn incarnation(&self) -> u64 {
        self.at.incarnation
    }
}
