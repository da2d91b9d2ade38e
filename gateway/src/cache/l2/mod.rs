//! Tier 2: entries in Redis, shared by gateways, and the lease that lets one of them fill a key.
//!
//! A look-up has a budget of milliseconds; what comes later is a miss, and after some of those the tier is left alone for a
//! while ([`gate`]). Writes wait in a bounded [`queue`] for the [`writer`]. Redis does the expiry and the eviction; bumps of
//! epochs outdate entries where they lie. Nothing that Redis says is believed unchecked: an entry is decoded or a
//! [`Flaw`](super::Flaw).

mod gate;
mod lease;
mod names;
mod probe;
mod queue;
mod scripts;
mod shared;
mod writer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use lease::{FillLease, Leased};
pub use probe::{ProbeError, RedisFacts, probe};
use tokio::task::JoinSet;

use super::{
    FarStatistics, FarTier, LookupOutcome, Sought, StoreOutcome, Stored, Tier, coherence::Coherence, redis::RedisLink,
};
use crate::config::L2Config;
use shared::Shared;

/// Batches that are being written at a time.
const WRITERS: usize = 2;

/// Entries in Redis.
pub struct RedisTier {
    shared: Arc<Shared>,
    /// They end with the tier.
    _writers: JoinSet<()>,
}

impl RedisTier {
    /// A tier on this Redis. What it writes lives as long as `coherence`'s clock says.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn new(link: RedisLink, config: &L2Config, coherence: Arc<dyn Coherence>) -> Arc<Self> {
        let shared = Shared::new(link, config, coherence);
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            writers.spawn(writer::run(shared.clone()));
        }
        Arc::new(Self { shared, _writers: writers })
    }

    /// Looks for an entry and, where there is none of use, for the right to make it: one gateway fills a key at a time.
    /// While another does, this waits for its entry, `wait_at_most`.
    ///
    /// An entry that `judge` refuses counts as none, for the reason that it gives. Without Redis, or where it is slow, the
    /// caller fills without a lease. It may be dropped at any time: a lease that comes too late is given back.
    pub async fn look_or_lease(
        &self,
        sought: &Sought,
        wait_at_most: Duration,
        judge: &(dyn Fn(&Stored) -> Result<(), LookupOutcome> + Send + Sync),
    ) -> Leased {
        lease::look_or_lease(&self.shared, sought, wait_at_most, judge).await
    }
}

impl Drop for RedisTier {
    fn drop(&mut self) {
        // Leases that wait to be used hold what is shared, and with it the queue.
        self.shared.queue.close();
    }
}

#[async_trait]
impl FarTier for RedisTier {
    fn tier(&self) -> Tier {
        Tier::L2
    }

    async fn get(&self, sought: &[Sought]) -> Vec<Result<Stored, LookupOutcome>> {
        self.shared.get(sought).await
    }

    fn put(&self, sought: Sought, entry: Arc<Stored>) -> StoreOutcome {
        self.shared.put(sought, entry, None)
    }

    fn is_available(&self) -> bool {
        self.shared.reads.is_open_to_some()
    }

    fn statistics(&self) -> FarStatistics {
        self.shared.statistics()
    }

    async fn flush(&self) {
        self.shared.queue.empty().await;
    }
}
