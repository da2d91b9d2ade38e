//! What comes into a query's life and what leaves it. HTTP turns into [`Incoming`] and [`Reply`] into HTTP; nothing in
//! between knows a header.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    cache::{CacheReport, ETag, FarReports, Groups, Tier},
    principal::Principal,
    query::{CacheMode, Priority},
};

/// Which endpoint was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/v1/query`
    Query,
    /// `/v1/explain`: the plan, not run.
    Explain,
}

/// A request, read completely.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Which endpoint was asked.
    pub endpoint: Endpoint,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The body as it was sent.
    pub body: Bytes,
    /// What headers said.
    pub hints: Hints,
    /// When the head of the request had been read; deadlines count from here.
    pub received: Instant,
    /// Names the request in logs and errors.
    pub request_id: Arc<str>,
}

/// What standard headers said. The body's `options` win over them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints {
    /// `Priority: u=…` (RFC 9218).
    pub priority: Option<Priority>,
    /// `Cache-Control`: `no-store`, `no-cache`, `only-if-cached` (RFC 9111).
    pub cache: Option<CacheMode>,
    /// `Cache-Control: max-age`.
    pub max_age: Option<Duration>,
    /// The entity tags of `If-None-Match` that are of our form.
    pub if_none_match: Vec<ETag>,
}

/// A successful end of a query's life.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The JSON body; empty when `not_modified`.
    pub body: Bytes,
    /// The body's entity tag; `None` for what is never stored (partial, explained).
    pub etag: Option<ETag>,
    /// The caller has this body already.
    pub not_modified: bool,
    /// How old the answer is; zero when just made.
    pub age: Duration,
    /// What the cache in memory did.
    pub cache: CacheReport,
    /// What far tiers did, where they were asked.
    pub far: FarReports,
    /// Names of the data that the answer depends on.
    pub groups: Groups,
    /// Where time went.
    pub timing: Timing,
}

/// The end of a query's life.
pub type Reply = Result<Answer, crate::problem::Problem>;

/// The steps of a query's life. The same words in code, docs, `Server-Timing`, spans and `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Read the body, resolve its names.
    Understand,
    /// Canonical form, digest, forced filter.
    Key,
    /// Ask the cache.
    Lookup,
    /// Wait for another request that is making the same answer.
    Wait,
    /// Find seeds and query vector, probe stages, choose a plan.
    Plan,
    /// Run it.
    Execute,
    /// Make the body.
    Shape,
    /// Offer the answer to the cache.
    Admit,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 8] =
        [Self::Understand, Self::Key, Self::Lookup, Self::Wait, Self::Plan, Self::Execute, Self::Shape, Self::Admit];

    /// The step's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Understand => "understand",
            Self::Key => "key",
            Self::Lookup => "lookup",
            Self::Wait => "wait",
            Self::Plan => "plan",
            Self::Execute => "execute",
            Self::Shape => "shape",
            Self::Admit => "admit",
        }
    }
}

/// Time spent in each step. A step that did not happen has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    spent: [Option<Duration>; 8],
}

impl Timing {
    /// Adds to a step.
    pub fn add(&mut self, step: Step, spent: Duration) {
        *self.spent[step as usize].get_or_insert_default() += spent;
    }

    /// The steps that happened, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Step, Duration)> + '_ {
        Step::ALL.into_iter().filter_map(|step| Some((step, self.spent[step as usize]?)))
    }
}

/// Calls that a query's plan made to backends. A cached leg makes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LegCalls {
    /// To the vector store: searches, pages, checks of filters.
    pub vector: u32,
    /// To the graph store: reaches and checks.
    pub graph: u32,
    /// To the embedder.
    pub embed: u32,
}

/// What a finished query tells telemetry.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// Which endpoint was asked.
    pub endpoint: Endpoint,
    /// The class it ran in.
    pub priority: Priority,
    /// How it ended.
    pub result: Result<(), crate::problem::Code>,
    /// What the cache in memory did, if it was asked.
    pub cache: Option<CacheReport>,
    /// What far tiers did, where they were asked.
    pub far: FarReports,
    /// The plan that ran.
    pub plan: Option<crate::planner::PlanKind>,
    /// Calls to backends.
    pub legs: LegCalls,
    /// What it took to make the stored answer that was served fresh, once.
    pub saved: Option<Saved>,
    /// The answer is being made anew for whoever asks next.
    pub refresh: Option<Refresh>,
    /// Where time went.
    pub timing: Timing,
}

/// Work that a hit made needless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The tier that had the answer.
    pub tier: Tier,
    /// What it took to make it.
    pub cost: Duration,
}

/// Why an answer is made anew before anybody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refresh {
    /// Its time to live is nearly over.
    Early,
    /// Its time to live is over, and it was served all the same.
    Stale,
}

impl Refresh {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Early, Self::Stale];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Stale => "stale",
        }
    }
}
