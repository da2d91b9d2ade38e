//! The catalog: which collections there are, what their names mean, and which stores answer for them.
//!
//! [`schema`] is what a query is resolved against; it knows names and types and no store. [`Collection`] adds the
//! stores. A catalog is immutable; reloading the configuration swaps a new one in.

mod schema;

use std::{collections::BTreeMap, sync::Arc};

pub use schema::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema};

use crate::{
    backend::{GraphStore, NodeScope, VectorStore},
    cache::CachePolicy,
    embed::Embedder,
    principal::Principal,
    query::{Field, Filter},
    value::Literal,
};

/// A collection and the stores that answer for it.
pub struct Collection {
    /// Names and types.
    pub schema: Arc<CollectionSchema>,
    /// Part of every key: collections with equal digests answer alike.
    pub digest: [u8; 32],
    /// Attributes and vectors.
    pub entities: Arc<dyn VectorStore>,
    /// Relations, when the collection has a graph side.
    pub graph: Option<Arc<dyn GraphStore>>,
    /// Turns `vector.text` into a vector, when one is configured.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// How its answers are cached.
    pub cache: CachePolicy,
}

impl Collection {
    /// A collection answered by these stores.
    pub fn new(
        schema: Arc<CollectionSchema>,
        entities: Arc<dyn VectorStore>,
        graph: Option<Arc<dyn GraphStore>>,
        embedder: Option<Arc<dyn Embedder>>,
    ) -> Self {
        // Nothing is known of the data, so it is taken for other data than anything else.
        let digest = Self::digest(&schema, &rand::random());
        Self { schema, digest, entities, graph, embedder, cache: CachePolicy::default() }
    }

    /// The same collection, whose data is told by this digest from all other data that has the same schema. Gateways that share
    /// tiers have the same digest for the same data only.
    #[must_use]
    pub fn of_data(mut self, data: &[u8; 32]) -> Self {
        self.digest = Self::digest(&self.schema, data);
        self
    }

    fn digest(schema: &CollectionSchema, data: &[u8; 32]) -> [u8; 32] {
        *blake3::Hasher::new().update(&schema.digest()).update(data).finalize().as_bytes()
    }

    /// The same collection, cached like this.
    #[must_use]
    pub fn cached(mut self, cache: CachePolicy) -> Self {
        self.cache = cache;
        self
    }

    /// What restricts a principal's view of this collection, or `None` if it may not ask it at all.
    ///
    /// A principal that is bound to a tenant sees its tenant's entities only. A collection without a tenant filter is
    /// shared by all tenants; such a principal sees it only where its configuration names the collection.
    pub fn view(&self, principal: &Principal) -> Option<View> {
        if !principal.may_ask(&self.schema.name) {
            return None;
        }
        match (&principal.tenant, self.schema.tenant_attribute) {
            (None, _) => Some(View::default()),
            (Some(tenant), Some(attribute)) => {
                Some(View { tenant: Some(NodeScope { attribute, tenant: tenant.clone() }) })
            }
            (Some(_), None) => principal.collections.is_some().then(View::default),
        }
    }
}

/// What restricts a principal's view of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Only this tenant's entities, and walks only through its and shared nodes.
    pub tenant: Option<NodeScope>,
}

impl View {
    /// The filter that every query of the view carries.
    pub fn forced(&self) -> Filter {
        match &self.tenant {
            Some(scope) => Filter::equals(Field::Attribute(scope.attribute), Literal::Text(scope.tenant.clone())),
            None => Filter::Everything,
        }
    }
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
