//! What a query is resolved against: the names and types of one collection.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::{AttributeType, IdType};

/// How the similarity of two vectors is measured. A score is always higher-is-better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// `1 − cosine distance`, in −1..=1. A zero vector has no score.
    #[default]
    Cosine,
    /// Inner product.
    Ip,
    /// `−` Euclidean distance, ≤ 0.
    L2,
}

impl Metric {
    /// The word used in configuration and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Ip => "ip",
            Self::L2 => "l2",
        }
    }
}

/// A named attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttributeSchema {
    /// The name used in queries and answers.
    pub name: Arc<str>,
    /// Its type.
    pub kind: AttributeType,
}

/// A named vector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VectorSchema {
    /// The name used in queries; `default` unless a query says otherwise.
    pub name: Arc<str>,
    /// Number of components.
    pub dimensions: usize,
    /// How similarity is measured.
    pub metric: Metric,
}

/// The graph side of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GraphSchema {
    /// Node labels, sorted. With one label an anchor is an id; with several it is `{label, id}`.
    pub labels: Vec<Arc<str>>,
    /// The label whose nodes are the collection's entities; an index into `labels`.
    pub entity_label: u16,
    /// Edge types by the names that queries use, sorted.
    pub edges: Vec<Arc<str>>,
}

/// The most that one query may ask for. A query over a limit is refused, never cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryLimits {
    /// Largest `limit`.
    pub max_limit: u32,
    /// Largest `offset`.
    pub max_offset: u32,
    /// Largest `hops` of `within` and `expand`.
    pub max_hops: u8,
    /// Most anchors in `within.from`, and the largest `top`.
    pub max_anchors: u32,
    /// Most values in one `$in`, `$nin`, `$any` or `$all`.
    pub max_list: u32,
    /// Most operators in one filter.
    pub max_filter_nodes: u32,
    /// Most inputs of one `combine`.
    pub max_combine: u32,
    /// Largest `expand.per_item`.
    pub max_per_item: u32,
    /// Longest `vector.text`, in bytes.
    pub max_text_bytes: u32,
    /// Longest time that a query may ask for, in milliseconds.
    pub max_deadline_ms: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            max_limit: 1_000,
            max_offset: 10_000,
            max_hops: 4,
            max_anchors: 1_000,
            max_list: 10_000,
            max_filter_nodes: 1_000,
            max_combine: 64,
            max_per_item: 1_000,
            max_text_bytes: 8_192,
            max_deadline_ms: 60_000,
        }
    }
}

/// Names and types of one collection. Lists are sorted by name, so that an index orders as its name does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CollectionSchema {
    /// The collection's name.
    pub name: Arc<str>,
    /// The type of its ids.
    pub id_type: IdType,
    /// Attributes, sorted by name.
    pub attributes: Vec<AttributeSchema>,
    /// Vectors, sorted by name; none where the collection is a graph with attributes.
    pub vectors: Vec<VectorSchema>,
    /// The graph side.
    pub graph: Option<GraphSchema>,
    /// The attribute that must equal a principal's tenant: an index into `attributes`, of a `keyword`.
    pub tenant_attribute: Option<u16>,
    /// The version of the embedder's model; `None` without an embedder.
    pub embedding_version: Option<Arc<str>>,
    /// What one query may ask for.
    pub limits: QueryLimits,
}

impl CollectionSchema {
    /// The index of an attribute.
    pub fn attribute(&self, name: &str) -> Option<u16> {
        self.attributes.binary_search_by(|a| (*a.name).cmp(name)).ok().map(|i| i as u16)
    }

    /// The index of a vector.
    pub fn vector(&self, name: &str) -> Option<u16> {
        self.vectors.binary_search_by(|v| (*v.name).cmp(name)).ok().map(|i| i as u16)
    }

    /// A digest of everything here that can change an answer. Part of every cache key.
    pub fn digest(&self) -> [u8; 32] {
        let bytes = postcard::to_stdvec(self).expect("a schema is plain data");
        blake3::derive_key("forebay 2026-11 collection schema", &bytes)
    }
}

impl GraphSchema {
    /// The index of an edge type.
    pub fn edge(&self, name: &str) -> Option<u16> {
        self.edges.binary_search_by(|e| (**e).cmp(name)).ok().map(|i| i as u16)
    }

    /// The index of a label.
    pub fn label(&self, name: &str) -> Option<u16> {
        self.labels.binary_search_by(|l| (**l).cmp(name)).ok().map(|i| i as u16)
    }
}
