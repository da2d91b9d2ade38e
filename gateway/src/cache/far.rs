//! Far tiers: where entries live outside this process.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Flaw, LookupOutcome, Sought, StoreOutcome, Stored, Tier};

/// A tier outside this process. It may be slow, away or lie: whatever it does is at worst a miss.
#[async_trait]
pub trait FarTier: Send + Sync {
    /// Which one.
    fn tier(&self) -> Tier;

    /// Looks for entries within the tier's time budget, all in one round trip where it can. One outcome each, in order; an
    /// entry is exactly what was sought and intact, but it may be outdated or expired: that is the caller's to judge.
    async fn get(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>>;

    /// The same for somebody who only wants to know: it counts as no use of an entry.
    async fn peek(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        self.get(sought).await
    }

    /// Takes an entry, to be written when there is time. Never waits.
    fn put(&self, sought: Sought, entry: Arc<Stored>) -> StoreOutcome;

    /// Whether it is asked at present: a tier that was slow or away is left alone for a while.
    fn is_available(&self) -> bool;

    /// In numbers.
    fn statistics(&self) -> FarStatistics;

    /// Waits until what was taken is written, as far as that is possible; for an orderly end.
    async fn flush(&self);
}

/// What a look-up is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Something is served: what is found was of use, and may get a nearer place.
    Serve,
    /// Somebody is told: nothing changes.
    Tell,
}

/// A far tier in numbers, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FarStatistics {
    /// Entries and their bytes, where the tier knows.
    pub held: Option<(u64, u64)>,
    /// Entries taken and not yet written.
    pub queued: u64,
    /// Entries written.
    pub written: u64,
    /// Entries that were let go because the queue was full.
    pub dropped: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Entries that were removed to make room.
    pub evicted: u64,
    /// Entries found that were not intact or not what was sought, in the order of [`Flaw::ALL`].
    pub flaws: [u64; Flaw::ALL.len()],
}
