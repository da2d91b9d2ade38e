//! Stages: parts of an answer that other queries can use.

use std::sync::Arc;

use crate::{
    backend::{Hit, Reach},
    query::Filter,
    value::EntityId,
};

/// What one cache entry below a whole answer holds.
#[derive(Debug, Clone)]
pub enum Stage {
    /// A graph leg: the reached ids.
    Reach(Arc<Reach>),
    /// Vector legs of one query vector, each under its own filter.
    Lists(Arc<[RankedList]>),
    /// A text's vector.
    Embedding(Arc<[f32]>),
}

/// A vector leg: the best entities of one query vector under one filter, complete down to the last of them.
#[derive(Debug, Clone)]
pub struct RankedList {
    /// The filter that the list was made with, the forced one included.
    pub filter: Filter,
    /// In order.
    pub hits: Arc<[Hit]>,
    /// Nothing that passes the filter is missing. Otherwise whatever is missing ranks after the last hit.
    pub exhausted: bool,
    /// The search was exact. A list of an approximate search never serves a query that asks for `exact`.
    pub exact: bool,
}

impl RankedList {
    /// Whether the list can answer for a filter: everything that passes `filter` passes the list's own.
    pub fn covers(&self, filter: &Filter, exact: bool) -> bool {
        (self.exact || !exact) && filter.implies(&self.filter)
    }
}

/// Memory held by hits, in bytes.
fn hits_weight(hits: &[Hit]) -> usize {
    hits.iter().map(|hit| 40 + if let EntityId::Text(text) = &hit.id { text.len() + 16 } else { 0 }).sum()
}

impl Stage {
    /// Memory held, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Reach(reach) => 64 + reach.ids.weight() + 64 * reach.unknown.len(),
            Self::Lists(lists) => {
                lists.iter().map(|list| 128 + 64 * list.filter.nodes() + hits_weight(&list.hits)).sum()
            }
            Self::Embedding(vector) => 32 + 4 * vector.len(),
        }
    }
}
