//! From a collection's configuration to what queries are resolved against.

use std::{collections::BTreeMap, sync::Arc};

use super::{CollectionConfig, GraphConfig};
use crate::catalog::{AttributeSchema, CollectionSchema, GraphSchema, VectorSchema};

/// The names and types of a collection, sorted. `embedding_version` is the version of the embedder's model.
///
/// The configuration has to be sound, as [`super::load`] returns it.
pub fn schema_of(name: &str, collection: &CollectionConfig, embedding_version: Option<Arc<str>>) -> CollectionSchema {
    // The maps of the configuration are ordered by bytes, as the schema asks for.
    let attributes: Vec<AttributeSchema> = collection
        .attributes
        .iter()
        .map(|(name, attribute)| AttributeSchema { name: name.as_str().into(), kind: attribute.kind })
        .collect();
    let vectors = collection
        .vectors
        .iter()
        .map(|(name, vector)| VectorSchema {
            name: name.as_str().into(),
            dimensions: vector.dimensions,
            metric: vector.metric,
        })
        .collect();
    let tenant_attribute = collection.tenant_filter.as_ref().and_then(|tenant| {
        attributes.binary_search_by(|attribute| (*attribute.name).cmp(&tenant.attribute)).ok().map(|index| index as u16)
    });
    CollectionSchema {
        name: name.into(),
        id_type: collection.entities.id_type,
        attributes,
        vectors,
        graph: collection.graph.as_ref().map(graph_schema),
        tenant_attribute,
        embedding_version,
        limits: collection.limits.clone(),
    }
}

fn graph_schema(graph: &GraphConfig) -> GraphSchema {
    // With one label there is nothing to mark.
    let entity_label = graph.nodes.values().position(|node| node.entities).unwrap_or(0) as u16;
    GraphSchema {
        labels: graph.nodes.keys().map(|label| label.as_str().into()).collect(),
        entity_label,
        edges: graph.edges.keys().map(|edge| edge.as_str().into()).collect(),
    }
}

/// The index in [`GraphSchema::edges`] of each edge type, by its name in the data. Empty without a graph side.
pub fn edge_types(collection: &CollectionConfig) -> BTreeMap<String, u16> {
    let edges = collection.graph.iter().flat_map(|graph| &graph.edges).enumerate();
    edges.map(|(index, (name, edge))| (edge.kind.as_deref().unwrap_or(name).into(), index as u16)).collect()
}
