//! The part of the page that is about pools: each keeps its own counters.

use std::{sync::Arc, time::Duration};

use prometheus_client::registry::Unit;

use super::{
    page::{Family, Labels},
    sheet::{BOUNDS_NS, DurationsRead},
};
use crate::{
    pool::{BreakerState, CLASSES, RefusalKind, Registry, Snapshot, WaitHistogram},
    query::Priority,
};

/// The metrics of these pools, as they stand.
pub(super) fn families(pools: &Registry) -> Vec<Family> {
    let pools: Vec<_> = pools.all().iter().map(|pool| (pool.name().clone(), pool.snapshot())).collect();
    let classes = CLASSES.map(Priority::as_str);
    let refusals = RefusalKind::ALL.map(RefusalKind::as_str);
    vec![
        Family::gauges(
            "pool",
            Some(Unit::Other("connections".into())),
            "Connections by where they are.",
            labelled(&pools, "state", |at| {
                [
                    ("in-use", at.in_use),
                    ("idle", at.idle),
                    ("parked", at.parked),
                    ("connecting", at.connecting),
                    ("preparing", at.preparing),
                    ("in-doubt", at.in_doubt),
                ]
                .map(whole)
                .to_vec()
            }),
        ),
        Family::gauges(
            "pool_min",
            Some(Unit::Other("connections".into())),
            "Connections that are kept even when idle.",
            each(&pools, |at| at.min as u64),
        ),
        Family::gauges(
            "pool_max",
            Some(Unit::Other("connections".into())),
            "Most connections.",
            each(&pools, |at| at.max as u64),
        ),
        Family::gauges(
            "pool_waiting",
            None,
            "Demands that wait for a connection.",
            labelled(&pools, "class", |at| classes.into_iter().zip(at.waiting).map(whole).collect()),
        ),
        Family::durations(
            "pool_wait",
            "Time that those waited who got a connection.",
            labelled(&pools, "class", |at| classes.into_iter().zip(at.counters.waits.each_ref().map(read)).collect()),
        ),
        Family::gauges(
            "pool_breaker",
            None,
            "1 for the state that the breaker is in.",
            labelled(&pools, "state", |at| {
                BreakerState::ALL.map(|state| (state.as_str(), u64::from(state == at.breaker))).to_vec()
            }),
        ),
        Family::counter("pool_grown", "Connections opened.", each(&pools, |at| at.counters.grown)),
        Family::counter(
            "pool_shrunk",
            "Connections closed by the pool.",
            labelled(&pools, "reason", |at| {
                let counters = &at.counters;
                vec![("idle", counters.shrunk), ("age", counters.retired), ("unusable", counters.lost)]
            }),
        ),
        Family::counter(
            "pool_connect_failed",
            "Attempts to connect that failed.",
            each(&pools, |at| at.counters.connect_failures),
        ),
        Family::counter(
            "pool_refused",
            "Demands that got no connection.",
            labelled(&pools, "reason", |at| refusals.into_iter().zip(at.counters.refused).collect()),
        ),
        Family::counter("pool_left", "Waiters that went away by themselves.", each(&pools, |at| at.counters.left)),
        Family::counter(
            "pool_cancelled",
            "Statements ended on the server because nobody wanted them any more.",
            each(&pools, |at| at.counters.cancelled),
        ),
        Family::counter("pool_parked", "Times that a connection was parked.", each(&pools, |at| at.counters.parked)),
        Family::counter(
            "pool_reclaimed",
            "Parked connections that somebody else took.",
            each(&pools, |at| at.counters.reclaimed),
        ),
    ]
}

type Pools = [(Arc<str>, Snapshot)];

fn each(pools: &Pools, value: impl Fn(&Snapshot) -> u64) -> Vec<(Labels, u64)> {
    pools.iter().map(|(name, at)| (vec![("pool", name.clone().into())], value(at))).collect()
}

fn labelled<T>(
    pools: &Pools,
    label: &'static str,
    values: impl Fn(&Snapshot) -> Vec<(&'static str, T)>,
) -> Vec<(Labels, T)> {
    let of_pool = |(name, at): &(Arc<str>, Snapshot)| {
        let labels = |word: &'static str| vec![("pool", name.clone().into()), (label, word.into())];
        values(at).into_iter().map(|(word, value)| (labels(word), value)).collect::<Vec<_>>()
    };
    pools.iter().flat_map(of_pool).collect()
}

fn whole((word, n): (&'static str, usize)) -> (&'static str, u64) {
    (word, n as u64)
}

fn read(waits: &WaitHistogram) -> DurationsRead {
    let bounds = BOUNDS_NS.iter().map(|bound| Duration::from_nanos(*bound).as_secs_f64()).chain([f64::INFINITY]);
    DurationsRead { sum: waits.sum.as_secs_f64(), count: waits.count(), buckets: bounds.zip(waits.buckets).collect() }
}
