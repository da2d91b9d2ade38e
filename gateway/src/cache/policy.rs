//! How long entries of a collection may be served, and by which tiers.

use std::time::{Duration, Instant};

use super::Tier;
use crate::config::{CacheConfig, CollectionCacheConfig, Consistency, TierName};

/// How answers of a collection are cached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CachePolicy {
    /// What each tier does with its entries; `None` where it takes none.
    tiers: [Option<TierPolicy>; 3],
    empty_ttl: Duration,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    grace: Duration,
}

/// What a tier does with entries of a collection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TierPolicy {
    /// Time to live.
    pub ttl: Duration,
    /// What takes less than this to make is not kept.
    pub min_cost: Duration,
    /// What is larger is not kept, in bytes.
    pub max_entry_bytes: u64,
}

/// Until when an entry may be served, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// As it is.
    pub fresh_until: Instant,
    /// While another is made.
    pub revalidate_until: Instant,
    /// Where none can be made.
    pub error_until: Instant,
    /// For so long it may be unknown whether its data has changed.
    pub grace: Duration,
}

impl Validity {
    /// When it is of no more use.
    pub fn ends(&self) -> Instant {
        self.fresh_until.max(self.revalidate_until).max(self.error_until)
    }
}

impl CachePolicy {
    /// The policy of a collection, with the tiers that there are.
    pub fn new(cache: &CacheConfig, collection: &CollectionCacheConfig) -> Self {
        let ms = Duration::from_millis;
        let ttl = |own: u64| ms(collection.max_ttl_ms.map_or(own, |most| most.min(own)));
        let takes = |tier| collection.tiers.contains(&tier);
        let least = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
        let l1 = takes(TierName::L1).then(|| TierPolicy {
            ttl: ttl(cache.l1.ttl_ms),
            min_cost: Duration::ZERO,
            max_entry_bytes: cache.l1.max_entry_bytes,
        });
        let l2 = cache.l2.as_ref().filter(|_| takes(TierName::L2)).map(|l2| TierPolicy {
            ttl: ttl(l2.ttl_ms),
            min_cost: least(l2.min_cost_ms),
            max_entry_bytes: l2.max_entry_bytes,
        });
        let l3 = cache.l3.as_ref().filter(|_| takes(TierName::L3)).map(|l3| TierPolicy {
            ttl: ttl(l3.ttl_ms),
            min_cost: least(l3.min_cost_ms),
            max_entry_bytes: l3.max_entry_bytes,
        });
        Self {
            tiers: [l1, l2, l3],
            empty_ttl: ms(collection.empty_ttl_ms),
            stale_while_revalidate: ms(collection.stale_while_revalidate_ms),
            stale_if_error: ms(collection.stale_if_error_ms),
            grace: match collection.consistency {
                Consistency::Available => ms(collection.max_staleness_ms),
                Consistency::Strict => Duration::ZERO,
            },
        }
    }

    /// What a tier does with entries of the collection; `None` if it takes none.
    pub fn of(&self, tier: Tier) -> Option<&TierPolicy> {
        self.tiers[tier as usize].as_ref()
    }

    /// Time to live of an answer in a tier; one without items has less.
    pub fn ttl(&self, tier: Tier, is_empty: bool) -> Duration {
        let own = self.of(tier).map_or(Duration::ZERO, |policy| policy.ttl);
        if is_empty { own.min(self.empty_ttl) } else { own }
    }

    /// The longest time that anything may be of use in a tier after it was made.
    pub fn life(&self, tier: Tier, is_empty: bool) -> Duration {
        self.ttl(tier, is_empty) + self.stale_while_revalidate.max(self.stale_if_error)
    }

    /// Until when an answer may be served that is fresh until then.
    pub fn answer(&self, fresh_until: Instant) -> Validity {
        Validity {
            fresh_until,
            revalidate_until: fresh_until + self.stale_while_revalidate,
            error_until: fresh_until + self.stale_if_error,
            grace: self.grace,
        }
    }

    /// Until when a stage may be used. It is never used stale.
    pub fn stage(&self, created: Instant) -> Validity {
        let until = created + self.ttl(Tier::L1, false);
        Validity { fresh_until: until, revalidate_until: until, error_until: until, grace: self.grace }
    }
}

impl Default for CachePolicy {
    /// L1 alone, as it is without a configuration.
    fn default() -> Self {
        Self::new(&CacheConfig::default(), &CollectionCacheConfig::default())
    }
}
