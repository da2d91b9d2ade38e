//! Who asks, as authentication established it. Decides the forced filter, the cache key and the queue.

use std::{collections::BTreeSet, sync::Arc};

use crate::query::Priority;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Its configured name; for logs.
    pub name: Arc<str>,
    /// The tenant that it is bound to; its queries see that tenant's data only.
    pub tenant: Option<Arc<str>>,
    /// The highest priority it may ask for.
    pub ceiling: Priority,
    /// The collections that it may ask; `None`: all.
    pub collections: Option<BTreeSet<Arc<str>>>,
}

impl Principal {
    /// The caller on loopback when no principals are configured: everything, unbound.
    pub fn local() -> Self {
        Self { name: "local".into(), tenant: None, ceiling: Priority::Interactive, collections: None }
    }

    /// Whether it may ask this collection.
    pub fn may_ask(&self, collection: &str) -> bool {
        self.collections.as_ref().is_none_or(|allowed| allowed.contains(collection))
    }
}
