//! From a collection's configuration to the tables, columns, labels and types that stand for it.

use crate::{
    backend::{
        neo4j::{GraphMapping, LabelMapping},
        postgres::{AttributeColumn, EdgeTable, EntityTable},
    },
    catalog::CollectionSchema,
    config::{CollectionConfig, GraphConfig},
};

/// The table of a collection's entities in Postgres.
pub(super) fn entity_table(name: &str, collection: &CollectionConfig) -> EntityTable {
    // The maps of the configuration are ordered as the schema's lists are.
    let attributes = collection.attributes.iter().map(|(name, attribute)| match &attribute.json_path {
        Some(path) => {
            let mut keys = path.split('.').map(str::to_owned);
            AttributeColumn { column: keys.next().unwrap_or_default(), path: keys.collect() }
        }
        None => AttributeColumn { column: attribute.column.clone().unwrap_or_else(|| name.clone()), path: Vec::new() },
    });
    let vectors = collection.vectors.iter().map(|(name, vector)| vector.column.clone().unwrap_or_else(|| name.clone()));
    EntityTable {
        table: collection.entities.table.clone().unwrap_or_else(|| name.to_owned()),
        id: collection.entities.id.clone().unwrap_or_else(|| "id".to_owned()),
        attributes: attributes.collect(),
        vectors: vectors.collect(),
    }
}

/// The table of a collection's edges in Postgres.
pub(super) fn edge_table(graph: &GraphConfig) -> EdgeTable {
    let or = |column: &Option<String>, default: &str| column.clone().unwrap_or_else(|| default.to_owned());
    EdgeTable {
        table: or(&graph.table, "edges"),
        source: or(&graph.source, "source"),
        target: or(&graph.target, "target"),
        kind: or(&graph.kind, "type"),
        types: types(graph),
    }
}

/// The labels and relationship types of a collection in a property graph.
pub(super) fn graph_mapping(
    schema: &CollectionSchema,
    collection: &CollectionConfig,
    graph: &GraphConfig,
) -> GraphMapping {
    let labels = graph.nodes.iter().map(|(label, node)| LabelMapping {
        label: label.clone(),
        id: node.id.clone().unwrap_or_else(|| "id".to_owned()),
    });
    let tenant = schema.tenant_attribute.and(collection.tenant_filter.as_ref()).map(|filter| &filter.attribute);
    GraphMapping {
        labels: labels.collect(),
        types: types(graph),
        tenant: graph.tenant_property.as_ref().or(tenant).cloned(),
    }
}

/// What stands for each edge type in the data, in the order of the schema.
fn types(graph: &GraphConfig) -> Vec<String> {
    graph.edges.iter().map(|(name, edge)| edge.kind.clone().unwrap_or_else(|| name.clone())).collect()
}
