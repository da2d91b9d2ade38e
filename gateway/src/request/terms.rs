//! The terms of a request, as they count: from its body, its headers, its principal, and the configuration.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{
    Endpoint,
    life::{Life, Understood},
};
use crate::{
    backend::{CallContext, Urgency},
    cache::{Purpose, Wish},
    query::{CacheMode, Options, Priority},
};

impl Life<'_> {
    /// The body's wish wins over the headers'.
    pub(super) fn cache_mode(&self, options: &Options) -> CacheMode {
        match options.cache {
            CacheMode::Default => self.incoming.hints.cache.unwrap_or_default(),
            stated => stated,
        }
    }

    pub(super) fn priority(&self, options: &Options) -> Priority {
        let asked = options.priority.or(self.incoming.hints.priority).unwrap_or_default();
        asked.min(self.incoming.principal.ceiling)
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

    /// How old a stored answer may be for this caller.
    pub(super) fn most_stale(&self, options: &Options) -> Option<Duration> {
        options.max_staleness.or(self.incoming.hints.max_age)
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
