//! All tiers in numbers.

use super::{FarStatistics, L1Statistics, Tier, Tiers, coherence::CoherenceStatistics};

/// The cache in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TiersStatistics {
    /// Memory.
    pub l1: L1Statistics,
    /// Tiers outside this process, nearest first.
    pub far: Vec<FarNow>,
    /// How this gateway keeps up with the epochs that it shares with others, where it shares any.
    pub coherence: Option<CoherenceStatistics>,
}

/// How it stands with a far tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FarNow {
    /// Which one.
    pub tier: Tier,
    /// Whether it is asked at present.
    pub is_available: bool,
    /// In numbers.
    pub statistics: FarStatistics,
}

impl Tiers {
    /// In numbers.
    pub fn statistics(&self) -> TiersStatistics {
        let far = self.far().iter().map(|tier| FarNow {
            tier: tier.tier(),
            is_available: tier.is_available(),
            statistics: tier.statistics(),
        });
        TiersStatistics { l1: self.l1().statistics(), far: far.collect(), coherence: self.coherence().statistics() }
    }
}
