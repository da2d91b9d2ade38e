//! **recall**: the life of an exact repeat of a request whose answer is in memory. It waits for nothing, so it is a plain
//! function; and it makes nothing that only longer lives need, because nearly all lives end here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Answer, Endpoint, Finished, Incoming, LegCalls, Refresh, Saved, Step, Timing, gateway::State, wait::refresh_body,
};
use crate::{
    cache::{CacheReport, Digest, LookupOutcome, NoneFresh, StoredAnswer, Tier},
    query::{Explain, Options, Priority},
};

/// An answer that was there, and what telemetry is told.
pub(super) struct Recalled {
    pub(super) answer: Answer,
    pub(super) finished: Finished,
}

/// What a look at memory found for a request that was understood before: no answer, and why. A longer life goes on from here.
pub(super) struct Looked {
    pub(super) none: NoneFresh,
    pub(super) report: CacheReport,
    pub(super) priority: Priority,
    pub(super) timing: Timing,
}

/// The answer to an exact repeat of a request, if memory has it; else what it said, if it was asked at all.
pub(super) fn recall(state: &Arc<State>, incoming: &Incoming) -> Result<Recalled, Option<Box<Looked>>> {
    let Incoming { principal, endpoint, body, .. } = incoming;
    let started = Instant::now();
    let remembered = state.memo.get(principal, *endpoint, body).ok_or(None)?;
    let (key, options) = (&remembered.key, remembered.options());
    let (report, found) = look(state, incoming, key, options, started);
    let priority = incoming.priority(options);
    let mut timing = Timing::default();
    timing.add(Step::Lookup, started.elapsed());
    match found {
        Err(none) => Err(Some(Box::new(Looked { none, report, priority, timing }))),
        Ok(Fresh { stored, early }) => {
            let refresh = if early { refresh_body(state, incoming) } else { None };
            Ok(finish(incoming, stored, started, Told { report, priority, refresh, timing }))
        }
    }
}

/// What a recalled life has to tell.
struct Told {
    report: CacheReport,
    priority: Priority,
    refresh: Option<Refresh>,
    timing: Timing,
}

fn finish(incoming: &Incoming, stored: StoredAnswer, now: Instant, told: Told) -> Recalled {
    let Told { report, priority, refresh, timing } = told;
    let finished = Finished {
        endpoint: incoming.endpoint,
        priority,
        result: Ok(()),
        cache: Some(report),
        far: [None; 2],
        plan: None,
        legs: LegCalls::default(),
        saved: Some(Saved { tier: Tier::L1, cost: stored.cost }),
        refresh,
        timing,
    };
    let answer = Answer {
        body: stored.body,
        etag: Some(stored.etag),
        not_modified: false,
        age: now.saturating_duration_since(stored.created),
        cache: report,
        far: [None; 2],
        groups: stored.groups,
        timing,
    };
    Recalled { answer: incoming.conditional(answer), finished }
}

/// An answer in memory that may be served.
pub(super) struct Fresh {
    pub(super) stored: StoredAnswer,
    /// It is worth making anew already now.
    pub(super) early: bool,
}

/// **lookup**: whether memory holds an answer that may be served to this caller.
pub(super) fn look(
    state: &State,
    incoming: &Incoming,
    key: &Digest,
    options: &Options,
    now: Instant,
) -> (CacheReport, Result<Fresh, NoneFresh>) {
    let explained = options.explain != Explain::None || incoming.endpoint == Endpoint::Explain;
    if explained || options.plan.is_some() || !incoming.cache_mode(options).reads() {
        return (CacheReport::of(Tier::L1, LookupOutcome::Bypassed), Err(LookupOutcome::Bypassed.into()));
    }
    match state.tiers.near_answer(key, now, incoming.most_stale(options)) {
        Ok((stored, left)) => {
            let ttl = i64::try_from(left.as_secs()).ok();
            let early = incoming.cache_mode(options).writes() && is_due(stored.cost, left);
            (CacheReport { ttl, ..CacheReport::of(Tier::L1, LookupOutcome::Hit) }, Ok(Fresh { stored, early }))
        }
        Err(none) => (CacheReport::of(Tier::L1, none.outcome), Err(none)),
    }
}

/// Whether an answer is made anew already now, so that nobody has to wait when its time is over: the nearer that is,
/// measured in what it costs, the likelier ("optimal probabilistic cache stampede prevention", Vattani, Chierichetti and
/// Lowenstein, VLDB 2015, with β = 1).
fn is_due(cost: Duration, left: Duration) -> bool {
    // Beyond it the chance is below 1 in 20,000, and nearly all hits are.
    left < cost.saturating_mul(10) && left.as_secs_f64() < cost.as_secs_f64() * -rand::random::<f64>().max(1e-9).ln()
}
