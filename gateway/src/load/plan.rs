//! What to load, and how names in the data map onto the collection.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{LoadError, Source};
use crate::catalog::CollectionSchema;

/// What to load, and how. [`LoadPlan::new`] gives one that reads nothing yet, with the usual names.
#[derive(Debug)]
pub struct LoadPlan {
    /// The collection that the data is for.
    pub schema: Arc<CollectionSchema>,
    /// The collection's edge types (indices into [`crate::catalog::GraphSchema::edges`]) by their names in the data.
    pub edge_types: BTreeMap<String, u16>,
    /// Node lines, NDJSON: `{"id": …, attributes…, "vector": […]}` or `"vectors": {"name": […]}`.
    pub nodes: Vec<Source>,
    /// Vectors by name, `.npy` of shape [n, dimensions]: row `i` belongs to the `i`-th node line, blank lines not
    /// counted. Several files of one name follow each other.
    pub vectors: Vec<(String, Source)>,
    /// Edges, CSV with a header or NDJSON: `src`, `dst`, `type`.
    pub edges: Vec<Source>,
    /// The field of a node line that holds the id.
    pub id_field: String,
    /// The field of a node line that edges name their ends by, unique; the id when not given.
    pub endpoint_field: Option<String>,
    /// Fields of node lines that are attributes of another name: from the name in the data to the attribute's.
    pub renames: BTreeMap<String, String>,
    /// Fields of node lines that are left out without a word.
    pub ignored_fields: BTreeSet<String>,
    /// Refuse the whole load when anything had to be left out.
    pub strict: bool,
}

impl LoadPlan {
    /// A plan without files: ids in `id`, edges between ids, edge types named as queries name them.
    pub fn new(schema: Arc<CollectionSchema>) -> Self {
        let edges = schema.graph.iter().flat_map(|graph| &graph.edges).enumerate();
        Self {
            edge_types: edges.map(|(index, name)| (name.to_string(), index as u16)).collect(),
            schema,
            nodes: Vec::new(),
            vectors: Vec::new(),
            edges: Vec::new(),
            id_field: "id".into(),
            endpoint_field: None,
            renames: BTreeMap::new(),
            ignored_fields: BTreeSet::new(),
            strict: false,
        }
    }

    /// The field that edges name their ends by, where it is another than the id's.
    pub(super) fn separate_endpoint_field(&self) -> Option<&str> {
        self.endpoint_field.as_deref().filter(|field| *field != self.id_field)
    }

    /// All sources in the order in which a report numbers them.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.nodes.iter().chain(self.vectors.iter().map(|(_, source)| source)).chain(&self.edges)
    }

    /// Renames that lead nowhere, and vectors that the collection does not have.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        if let Some(to) = self.renames.values().find(|to| self.schema.attribute(to).is_none()) {
            return Err(LoadError::UnknownRename { attribute: to.clone(), collection: self.schema.name.clone() });
        }
        if let Some((name, _)) = self.vectors.iter().find(|(name, _)| self.schema.vector(name).is_none()) {
            return Err(LoadError::UnknownVectorName { vector: name.clone(), collection: self.schema.name.clone() });
        }
        if !self.edges.is_empty() && self.schema.graph.is_none() {
            return Err(LoadError::NoGraph { collection: self.schema.name.clone() });
        }
        if self.sources().filter(|source| source.is_standard_input()).count() > 1 {
            return Err(LoadError::StandardInputTwice);
        }
        Ok(())
    }
}
