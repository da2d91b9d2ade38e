//! The part of the page that is about tiers outside this process, and the epochs that gateways share: both keep their own
//! counters.

use prometheus_client::registry::Unit;

use super::page::{Family, Labels};
use crate::{
    cache::{FarNow, Flaw, coherence::CoherenceStatistics},
    request::CacheStatistics,
};

/// The metrics of far tiers and of shared epochs, as they stand. Without either, they have no values.
pub(super) fn families(cache: &CacheStatistics) -> Vec<Family> {
    let mut families = tiers(&cache.far);
    families.extend(epochs(cache.coherence.as_ref()));
    families
}

fn tiers(far: &[FarNow]) -> Vec<Family> {
    vec![
        Family::gauges(
            "cache_far_available",
            None,
            "1 while a far tier is asked; 0 while it is left alone.",
            each(far, |at| Some(u64::from(at.is_available))),
        ),
        Family::gauges(
            "cache_far_entries",
            None,
            "Entries that a far tier holds, where it knows.",
            each(far, |at| at.statistics.held.map(|(entries, _)| entries)),
        ),
        Family::gauges(
            "cache_far",
            Some(Unit::Bytes),
            "Bytes that a far tier holds, where it knows.",
            each(far, |at| at.statistics.held.map(|(_, bytes)| bytes)),
        ),
        Family::gauges(
            "cache_far_queued",
            Some(Unit::Other("entries".into())),
            "Entries that wait to be written.",
            each(far, |at| Some(at.statistics.queued)),
        ),
        Family::counter(
            "cache_far_write",
            "What became of entries that a far tier took.",
            labelled(far, "outcome", |at| {
                let at = &at.statistics;
                vec![("written", at.written), ("dropped", at.dropped), ("failed", at.failed)]
            }),
        ),
        Family::counter(
            "cache_far_evicted",
            "Entries that were removed to make room, where the tier does so itself.",
            each(far, |at| Some(at.statistics.evicted)),
        ),
        Family::counter(
            "cache_far_flaw",
            "Entries that were not intact or not what was sought.",
            labelled(far, "kind", |at| Flaw::ALL.map(Flaw::as_str).into_iter().zip(at.statistics.flaws).collect()),
        ),
    ]
}

fn epochs(coherence: Option<&CoherenceStatistics>) -> Vec<Family> {
    let one = |value: fn(&CoherenceStatistics) -> u64| {
        coherence.map(|at| (Labels::new(), value(at))).into_iter().collect::<Vec<_>>()
    };
    let by = |label: &'static str, values: fn(&CoherenceStatistics) -> Vec<(&'static str, u64)>| {
        let values = coherence.map(values).into_iter().flatten();
        values.map(|(word, value)| (vec![(label, word.into())], value)).collect::<Vec<(Labels, u64)>>()
    };
    vec![
        Family::gauges(
            "cache_epochs_leased",
            None,
            "1 while this gateway knows of every bump.",
            one(|at| u64::from(at.is_leased)),
        ),
        Family::time(
            "cache_epochs_contact",
            "Time since the shared epochs were last reached.",
            coherence.and_then(|at| at.last_contact).map(|since| since.as_secs_f64()),
        ),
        Family::gauges(
            "cache_epochs_pending",
            None,
            "Epochs that wait to be counted for all gateways.",
            one(|at| at.pending as u64),
        ),
        Family::counter(
            "cache_epochs_renewal",
            "Renewals of the lease.",
            by("outcome", |at| vec![("renewed", at.renewals), ("failed", at.failed_renewals), ("behind", at.behind)]),
        ),
        Family::counter(
            "cache_epochs_event",
            "What happened to this gateway's copy of the epochs.",
            by("event", |at| {
                vec![
                    ("gap", at.gaps),
                    ("disconnect", at.disconnects),
                    ("adoption", at.adoptions),
                    ("incarnation", at.incarnations),
                    ("garbled", at.garbled),
                    ("clock-step", at.clock_steps),
                ]
            }),
        ),
        Family::counter(
            "cache_epochs_bump",
            "Bumps: heard from others, and made here.",
            by("outcome", |at| {
                vec![("heard", at.heard), ("acknowledged", at.acknowledged), ("unacknowledged", at.unacknowledged)]
            }),
        ),
    ]
}

fn each(far: &[FarNow], value: impl Fn(&FarNow) -> Option<u64>) -> Vec<(Labels, u64)> {
    far.iter().filter_map(|at| Some((vec![("tier", at.tier.as_str().into())], value(at)?))).collect()
}

fn labelled(
    far: &[FarNow],
    label: &'static str,
    values: impl Fn(&FarNow) -> Vec<(&'static str, u64)>,
) -> Vec<(Labels, u64)> {
    let of_tier = |at: &FarNow| {
        let tier = at.tier.as_str();
        let labels = |word: &'static str| vec![("tier", tier.into()), (label, word.into())];
        values(at).into_iter().map(|(word, value)| (labels(word), value)).collect::<Vec<_>>()
    };
    far.iter().flat_map(of_tier).collect()
}
