//! What is counted, and when.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use super::sheet::{Durations, Layout, Row, Sheet};
use crate::{
    cache::{CacheReport, LookupOutcome, StoreOutcome, Tier},
    planner::PlanKind,
    problem::Code,
    request::{Endpoint, Finished, LegCalls, Step},
};

/// What a request to the query listener was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/v1/query`
    Query,
    /// `/v1/query/batch`
    Batch,
    /// `/v1/explain`
    Explain,
    /// `/v1/collections`
    Collections,
    /// `/openapi.json`
    OpenApi,
    /// `/errors/{code}`
    ErrorPage,
    /// Anything else.
    Unknown,
}

impl Route {
    /// All routes.
    pub const ALL: [Self; 7] =
        [Self::Query, Self::Batch, Self::Explain, Self::Collections, Self::OpenApi, Self::ErrorPage, Self::Unknown];

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Batch => "batch",
            Self::Explain => "explain",
            Self::Collections => "collections",
            Self::OpenApi => "openapi",
            Self::ErrorPage => "error-page",
            Self::Unknown => "unknown",
        }
    }
}

/// The first digit of an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// 2xx: answered.
    Success,
    /// 3xx: the caller has the answer already.
    NotModified,
    /// 4xx: the caller can mend it.
    ClientError,
    /// 5xx: the gateway or a backend failed.
    ServerError,
}

impl StatusClass {
    pub(super) const ALL: [Self; 4] = [Self::Success, Self::NotModified, Self::ClientError, Self::ServerError];

    /// The class of a status.
    pub fn of(status: u16) -> Self {
        match status {
            ..300 => Self::Success,
            300..400 => Self::NotModified,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::NotModified => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    pub(super) sheet: Sheet,
    pub(super) at: Places,
    pub(super) connections: AtomicI64,
}

/// Where each counter stands on the sheet.
#[derive(Debug)]
pub(super) struct Places {
    /// Endpoint × (ok, then every code).
    pub(super) requests: Row,
    /// One an endpoint.
    pub(super) durations: [Durations; 2],
    /// One a step.
    pub(super) steps: [Durations; Step::ALL.len()],
    /// Tier × outcome.
    pub(super) lookups: Row,
    /// Tier × outcome.
    pub(super) stores: Row,
    /// One a tier.
    pub(super) collapsed: Row,
    /// One a kind of plan.
    pub(super) plans: Row,
    /// One a leg.
    pub(super) legs: Row,
    /// Route × class of status.
    pub(super) responses: Row,
}

pub(super) const ENDPOINTS: [Endpoint; 2] = [Endpoint::Query, Endpoint::Explain];
pub(super) const RESULTS: usize = 1 + Code::ALL.len();
pub(super) const TIERS: [Tier; 3] = [Tier::L1, Tier::L2, Tier::L3];
pub(super) const LEGS: [&str; 3] = ["vector", "graph", "embed"];
pub(super) const LOOKUPS: [LookupOutcome; 13] = [
    LookupOutcome::Hit,
    LookupOutcome::Miss,
    LookupOutcome::Expired,
    LookupOutcome::Invalidated,
    LookupOutcome::TooOld,
    LookupOutcome::Bypassed,
    LookupOutcome::Uncertain,
    LookupOutcome::Damaged,
    LookupOutcome::TooSlow,
    LookupOutcome::Failed,
    LookupOutcome::Skipped,
    LookupOutcome::Stale,
    LookupOutcome::StaleOnError,
];
pub(super) const STORES: [StoreOutcome; 10] = [
    StoreOutcome::Stored,
    StoreOutcome::NotWanted,
    StoreOutcome::Partial,
    StoreOutcome::Explained,
    StoreOutcome::Moved,
    StoreOutcome::TooLarge,
    StoreOutcome::TooCheap,
    StoreOutcome::QueueFull,
    StoreOutcome::Unavailable,
    StoreOutcome::MemoryShort,
];

/// The word for an endpoint.
pub(super) fn endpoint_name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Query => "query",
        Endpoint::Explain => "explain",
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut layout = Layout::default();
        let at = Places {
            requests: layout.row(ENDPOINTS.len() * RESULTS),
            durations: std::array::from_fn(|_| layout.durations()),
            steps: std::array::from_fn(|_| layout.durations()),
            lookups: layout.row(TIERS.len() * LOOKUPS.len()),
            stores: layout.row(TIERS.len() * STORES.len()),
            collapsed: layout.row(TIERS.len()),
            plans: layout.row(PlanKind::ALL.len()),
            legs: layout.row(LEGS.len()),
            responses: layout.row(Route::ALL.len() * StatusClass::ALL.len()),
        };
        Self { sheet: Sheet::new(&layout), at, connections: AtomicI64::new(0) }
    }
}

impl Metrics {
    /// Counts a finished query.
    pub fn query_finished(&self, finished: &Finished) {
        let endpoint = finished.endpoint as usize;
        let result = finished.result.err().map_or(0, |code| 1 + code as usize);
        self.sheet.add(self.at.requests.slot(endpoint * RESULTS + result), 1);
        let mut total = Duration::ZERO;
        for (step, spent) in finished.timing.iter() {
            self.sheet.observe(self.at.steps[step as usize], spent);
            total += spent;
        }
        self.sheet.observe(self.at.durations[endpoint], total);
        for report in finished.cache.iter().chain(finished.far.iter().flatten()) {
            self.cache_asked(report);
        }
        if let Some(kind) = finished.plan {
            self.sheet.add(self.at.plans.slot(kind as usize), 1);
        }
        self.calls_made(finished.legs);
    }

    /// Backends were called, whoever waits for what comes of it.
    pub fn calls_made(&self, calls: LegCalls) {
        let legs = [calls.vector, calls.graph, calls.embed];
        for (index, calls) in legs.into_iter().enumerate().filter(|(_, calls)| *calls > 0) {
            self.sheet.add(self.at.legs.slot(index), u64::from(calls));
        }
    }

    fn cache_asked(&self, report: &CacheReport) {
        let tier = report.tier as usize;
        self.sheet.add(self.at.lookups.slot(tier * LOOKUPS.len() + report.lookup as usize), 1);
        if let Some(stored) = report.store {
            self.sheet.add(self.at.stores.slot(tier * STORES.len() + stored as usize), 1);
        }
        if report.collapsed {
            self.sheet.add(self.at.collapsed.slot(tier), 1);
        }
    }

    /// Counts a response of the query listener, whatever it says.
    pub fn responded(&self, route: Route, status: u16) {
        let class = StatusClass::of(status) as usize;
        self.sheet.add(self.at.responses.slot(route as usize * StatusClass::ALL.len() + class), 1);
    }

    /// Notes that a connection to the query listener was opened.
    pub fn connection_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// Notes that a connection to the query listener was closed.
    pub fn connection_closed(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new variant has to be added here, and then to the table beside it.
    #[test]
    fn every_outcome_has_its_own_counter() {
        for (index, outcome) in LOOKUPS.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
            match outcome {
                LookupOutcome::Hit
                | LookupOutcome::Miss
                | LookupOutcome::Expired
                | LookupOutcome::Invalidated
                | LookupOutcome::TooOld
                | LookupOutcome::Bypassed
                | LookupOutcome::Uncertain
                | LookupOutcome::Damaged
                | LookupOutcome::TooSlow
                | LookupOutcome::Failed
                | LookupOutcome::Skipped
                | LookupOutcome::Stale
                | LookupOutcome::StaleOnError => {}
            }
        }
        for (index, outcome) in STORES.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
            match outcome {
                StoreOutcome::Stored
                | StoreOutcome::NotWanted
                | StoreOutcome::Partial
                | StoreOutcome::Explained
                | StoreOutcome::Moved
                | StoreOutcome::TooLarge
                | StoreOutcome::TooCheap
                | StoreOutcome::QueueFull
                | StoreOutcome::Unavailable
                | StoreOutcome::MemoryShort => {}
            }
        }
        assert!(TIERS.into_iter().enumerate().all(|(index, tier)| match tier {
            Tier::L1 | Tier::L2 | Tier::L3 => tier as usize == index,
        }));
        assert!(ENDPOINTS.into_iter().enumerate().all(|(index, endpoint)| endpoint as usize == index));
        assert!(PlanKind::ALL.into_iter().enumerate().all(|(index, kind)| kind as usize == index));
        assert!(Step::ALL.into_iter().enumerate().all(|(index, step)| step as usize == index));
        assert!(Code::ALL.iter().enumerate().all(|(index, code)| *code as usize == index));
        assert!(Route::ALL.into_iter().enumerate().all(|(index, route)| route as usize == index));
    }
}
