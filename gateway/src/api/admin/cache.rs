//! `GET /v1/cache`: the cache in numbers, tier by tier.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    api::{
        Service,
        reply::{self, HttpResponse},
    },
    cache::{FarNow, Flaw, Tier, coherence::CoherenceStatistics},
};

#[derive(Serialize)]
struct CacheBody {
    tiers: Vec<TierBody>,
    /// `null` where no epochs are shared with other gateways.
    epochs: Option<EpochsBody>,
}

#[derive(Serialize)]
struct TierBody {
    tier: &'static str,
    available: bool,
    /// `null` where the tier does not know.
    entries: Option<u64>,
    bytes: Option<u64>,
    /// What it may hold now; `null` where that is decided elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    far: Option<FarBody>,
}

#[derive(Serialize)]
struct FarBody {
    queued: u64,
    written: u64,
    dropped: u64,
    failed: u64,
    evicted: u64,
    /// Only those that there were.
    flaws: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct EpochsBody {
    leased: bool,
    last_contact_ms: Option<u64>,
    pending: usize,
    renewals: u64,
    failed_renewals: u64,
    gaps: u64,
    disconnects: u64,
    adoptions: u64,
    incarnations: u64,
    heard: u64,
    acknowledged: u64,
    unacknowledged: u64,
}

pub(super) fn run(service: &impl Service) -> HttpResponse {
    let now = service.cache_statistics();
    let near = TierBody {
        tier: Tier::L1.as_str(),
        available: true,
        entries: Some(now.l1.entries),
        bytes: Some(now.l1.bytes),
        max_bytes: Some(now.l1.max_bytes),
        far: None,
    };
    let tiers = std::iter::once(near).chain(now.far.iter().map(far)).collect();
    let body = CacheBody { tiers, epochs: now.coherence.as_ref().map(epochs) };
    reply::json(serde_json::to_vec(&body).expect("numbers and words"))
}

fn far(now: &FarNow) -> TierBody {
    let at = &now.statistics;
    let flaws = Flaw::ALL.map(Flaw::as_str).into_iter().zip(at.flaws).filter(|(_, count)| *count > 0);
    TierBody {
        tier: now.tier.as_str(),
        available: now.is_available,
        entries: at.held.map(|(entries, _)| entries),
        bytes: at.held.map(|(_, bytes)| bytes),
        max_bytes: None,
        far: Some(FarBody {
            queued: at.queued,
            written: at.written,
            dropped: at.dropped,
            failed: at.failed,
            evicted: at.evicted,
            flaws: flaws.collect(),
        }),
    }
}

fn epochs(at: &CoherenceStatistics) -> EpochsBody {
    EpochsBody {
        leased: at.is_leased,
        last_contact_ms: at.last_contact.and_then(|since| u64::try_from(since.as_millis()).ok()),
        pending: at.pending,
        renewals: at.renewals,
        failed_renewals: at.failed_renewals,
        gaps: at.gaps,
        disconnects: at.disconnects,
        adoptions: at.adoptions,
        incarnations: at.incarnations,
        heard: at.heard,
        acknowledged: at.acknowledged,
        unacknowledged: at.unacknowledged,
    }
}
