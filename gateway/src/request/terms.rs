//! The terms of a request, as they count: from its body, its headers, its principal, and the configuration.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    Answer, Endpoint, Incoming,
    life::{Life, Understood},
};
use crate::{
    backend::{CallContext, Urgency},
    cache::{Purpose, Wish},
    query::{CacheMode, Options, Priority},
};

impl Incoming {
    /// The body's wish wins over the headers'.
    pub(super) fn cache_mode(&self, options: &Options) -> CacheMode {
        match options.cache {
            CacheMode::Default => self.hints.cache.unwrap_or_default(),
            stated => stated,
        }
    }

    pub(super) fn priority(&self, options: &Options) -> Priority {
        let asked = options.priority.or(self.hints.priority).unwrap_or_default();
        asked.min(self.principal.ceiling)
    }

    /// How old a stored answer may be for this caller.
    pub(super) fn most_stale(&self, options: &Options) -> Option<Duration> {
        options.max_staleness.or(self.hints.max_age)
    }

    /// An answer without its body where this caller has it already.
    pub(super) fn conditional(&self, answer: Answer) -> Answer {
        let known = answer.etag.is_some_and(|etag| self.hints.if_none_match.contains(&etag));
        if known { Answer { body: Bytes::new(), not_modified: true, ..answer } } else { answer }
    }
}

impl Life<'_> {
    pub(super) fn cache_mode(&self, options: &Options) -> CacheMode {
        self.incoming.cache_mode(options)
    }

    pub(super) fn priority(&self, options: &Options) -> Priority {
        self.incoming.priority(options)
    }

    pub(super) fn deadline(&self, options: &Options) -> Instant {
        self.incoming.received + options.deadline.unwrap_or(self.state.default_deadline)
    }

    /// What this caller wants of far tiers.
    pub(super) fn wish<'w>(&self, understood: &'w Understood, again: bool, lease_within: Option<Duration>) -> Wish<'w> {
        let (policy, max_staleness) = (&understood.collection.cache, self.most_stale(&understood.options));
        Wish { policy, max_staleness, again, lease_within }
    }

    /// What tiers are asked for.
    pub(super) fn purpose(&self) -> Purpose {
        match self.incoming.endpoint {
            Endpoint::Explain => Purpose::Tell,
            Endpoint::Query => Purpose::Serve,
        }
    }

    pub(super) fn most_stale(&self, options: &Options) -> Option<Duration> {
        self.incoming.most_stale(options)
    }

    pub(super) fn context(&self, options: &Options, priority: Urgency, cancelled: CancellationToken) -> CallContext {
        CallContext {
            priority,
            tenant: self.incoming.principal.tenant.clone(),
            deadline: self.deadline(options),
            cancelled,
            request_id: self.incoming.request_id.clone(),
        }
    }
}
