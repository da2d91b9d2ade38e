//! The catalog: which collections there are, what their names mean, and which stores answer for them.
//!
//! [`schema`] is what a query is resolved against; it knows names and types and no store. [`Collection`] adds the
//! stores. A catalog is immutable; reloading the configuration swaps a new one in.

mod schema;

use std::{collections::BTreeMap, sync::Arc};

pub use schema::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema};

use crate::{
    backend::{GraphStore, VectorStore},
    embed::Embedder,
};

/// A collection and the stores that answer for it.
pub struct Collection {
    /// Names and types.
    pub schema: Arc<CollectionSchema>,
    /// Attributes and vectors.
    pub entities: Arc<dyn VectorStore>,
    /// Relations, when the collection has a graph side.
    pub graph: Option<Arc<dyn GraphStore>>,
    /// Turns `vector.text` into a vector, when one is configured.
    pub embedder: Option<Arc<dyn Embedder>>,
}

/// All collections by name.
#[derive(Default)]
pub struct Catalog {
    collections: BTreeMap<Arc<str>, Arc<Collection>>,
}

impl Catalog {
    /// A catalog of these collections; of two with one name the later one stays.
    pub fn new(collections: impl IntoIterator<Item = Collection>) -> Self {
        Self { collections: collections.into_iter().map(|c| (c.schema.name.clone(), Arc::new(c))).collect() }
    }

    /// The collection with this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Collection>> {
        self.collections.get(name)
    }

    /// All collections in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Collection>> {
        self.collections.values()
    }
}
