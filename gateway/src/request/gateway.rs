//! The gateway as the outside sees it: one call a query, one a batch, and what operators may ask.

use std::sync::Arc;

use bytes::Bytes;

use super::{Incoming, Reply};
use crate::{catalog::Catalog, problem::Problem, telemetry::Metrics};

/// Everything that a query's life needs, shared by all connections.
pub struct Gateway {
    catalog: Arc<Catalog>,
    metrics: Arc<Metrics>,
}

/// What a purge is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Every entry.
    All,
    /// Entries that depend on one of these tags; `Cache-Groups` of an answer names its tags.
    Tags(Vec<String>),
}

/// The cache in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStatistics {
    /// Entries: answers and stages.
    pub entries: u64,
    /// Memory held by them, in bytes.
    pub bytes: u64,
    /// Most memory allowed, in bytes.
    pub max_bytes: u64,
}

impl Gateway {
    /// The life of one query.
    pub async fn answer(&self, _incoming: Incoming) -> Reply {
        unreachable!("built next")
    }

    /// The life of a batch: `{"queries": […]}`, each succeeding or failing alone. The body of the answer.
    pub async fn batch(&self, _incoming: Incoming) -> Result<Bytes, Problem> {
        unreachable!("built next")
    }

    /// What can be asked.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Makes stored answers unusable. Returns how many tags were bumped.
    pub fn purge(&self, _what: &Purge) -> usize {
        unreachable!("built next")
    }

    /// The cache in numbers.
    pub fn cache_statistics(&self) -> CacheStatistics {
        unreachable!("built next")
    }
}
