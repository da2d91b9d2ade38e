//! The query language: one flat JSON object, read strictly, resolved against a collection, and kept in canonical form.
//!
//! A [`Query`] is canonical by construction: defaults are expanded, filters normalised, lists sorted and de-duplicated,
//! names resolved to indices of the [`CollectionSchema`]. Two bodies that mean the same by the documented rewrites give
//! equal queries, so [`Query::key_bytes`] are the cache key's. [`Options`] say how to get the answer and are no part of
//! it. This room knows no store, no HTTP and no plan.

mod canonical;
mod error;
mod filter;
pub(crate) mod instant;
mod json;
mod options;
mod parse;
mod plain;
mod pointer;
mod suggest;
mod template;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use error::QueryError;
pub use filter::{Comparison, Field, Filter};
pub use json::{Json, JsonError, JsonErrorKind, JsonLimits, read as read_json};
pub use options::{CacheMode, Explain, OnDeadline, Options, Priority};
pub use parse::{Parsed, collection_of, parse};

use crate::{catalog::CollectionSchema, value::EntityId};

/// What the answer is. Everything in here is part of the cache key.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Ranks the answer; without it the order is by id.
    pub vector: Option<VectorClause>,
    /// Which entities may answer.
    pub filter: Filter,
    /// From where they must be reachable.
    pub within: Option<Within>,
    /// Which neighbourhood each result brings along.
    pub expand: Option<Expand>,
    /// Most items returned.
    pub limit: u32,
    /// Items skipped first.
    pub offset: u32,
    /// Lowest score, inclusive; applied before `offset`. Only with `vector`.
    pub score_threshold: Option<f64>,
    /// Forbids approximate search.
    pub exact: bool,
    /// Attributes returned with each item, sorted.
    pub select: Vec<u16>,
    /// What else is returned with each item.
    pub include: Include,
}

/// What is returned with each item beside its id and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Include {
    /// `score` and `scores`; on by default.
    pub scores: bool,
    /// The shortest path that led to the item and to each neighbour.
    pub paths: bool,
    /// The stored vectors.
    pub vectors: bool,
}

impl Default for Include {
    fn default() -> Self {
        Self { scores: true, paths: false, vectors: false }
    }
}

/// The vector that ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorClause {
    /// Which of the collection's vectors: an index into [`CollectionSchema::vectors`].
    pub space: u16,
    /// Where the query vector comes from.
    pub input: VectorInput,
}

/// Where a query vector comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum VectorInput {
    /// One vector.
    Single(VectorTerm),
    /// A weighted sum, in canonical order. Under cosine each input is normalised first.
    Combine(Vec<(VectorTerm, f64)>),
}

/// One vector of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum VectorTerm {
    /// Given in the query: finite, of the right length, under cosine not all zero.
    Values(Arc<[f32]>),
    /// The stored vector of an entity, which is then no answer itself.
    Like(EntityId),
    /// A text for the embedder.
    Text(Arc<str>),
}

/// Only entities reached from somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    /// Where walks start.
    pub from: Anchors,
    /// How they go on.
    pub walk: Walk,
    /// Whether the anchors themselves may answer.
    pub include_anchors: bool,
}

/// Where walks start.
#[derive(Debug, Clone, PartialEq)]
pub enum Anchors {
    /// These nodes, sorted and distinct, at least one.
    Nodes(Vec<NodeRef>),
    /// The `top` entities nearest to a vector, found exactly and once, before any plan.
    Nearest {
        /// Ranks the seeds.
        vector: VectorClause,
        /// Restricts the seeds.
        filter: Filter,
        /// How many.
        top: u32,
    },
}

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeRef {
    /// An index into [`crate::catalog::GraphSchema::labels`].
    pub label: u16,
    /// The node's id.
    pub id: EntityId,
}

/// How a walk goes on from where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Walk {
    /// Edge types that may be taken: indices into [`crate::catalog::GraphSchema::edges`], sorted, at least one.
    pub edges: Vec<u16>,
    /// Along or against the edges.
    pub direction: Direction,
    /// Most steps, at least one.
    pub hops: u8,
}

/// Along or against the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// From source to target.
    #[default]
    Out,
    /// From target to source.
    In,
    /// Either, at each step.
    Both,
}

impl Direction {
    /// The word used in queries and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
            Self::Both => "both",
        }
    }
}

/// The neighbourhood that each result brings along.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expand {
    /// How to walk from the result.
    pub walk: Walk,
    /// Most neighbours of one result, nearest first, then by id.
    pub per_item: u32,
}

impl Query {
    /// The canonical text: compact JSON with every default written out. `parse` of it gives this query again.
    pub fn print(&self, schema: &CollectionSchema) -> String {
        canonical::print(self, schema)
    }

    /// What keys are made from: the canonical text, but for the components of vectors. Equal queries, and only those, have equal
    /// bytes.
    pub fn key_bytes(&self, schema: &CollectionSchema) -> Vec<u8> {
        canonical::key_bytes(self, schema)
    }

    /// The query's shape in words, without values, ids, texts and vectors.
    pub fn template(&self, schema: &CollectionSchema) -> String {
        template::template(self, schema)
    }

    /// The number of ranked entities that decide the answer: `offset + limit`.
    pub fn need(&self) -> usize {
        self.offset as usize + self.limit as usize
    }

    /// Whether approximation is out of the question: it was forbidden, or this is a later page, which would skip or
    /// repeat items if an approximate search had decided the pages before it.
    pub fn exactly(&self) -> bool {
        self.exact || self.offset > 0
    }
}
