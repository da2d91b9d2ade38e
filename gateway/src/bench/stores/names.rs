//! What tables, columns, labels and types are called.

use crate::{
    backend::{
        neo4j::{GraphMapping, LabelMapping},
        postgres::{AttributeColumn, EdgeTable, EntityTable},
    },
    catalog::CollectionSchema,
};

/// Names of one collection on both servers.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Names {
    pub(in crate::bench) entities: EntityTable,
    pub(in crate::bench) edges: EdgeTable,
    pub(in crate::bench) graph: GraphMapping,
}

impl Names {
    /// Names for a collection whose nodes have one label, made for this run.
    pub(super) fn new(schema: &CollectionSchema, label: &str) -> Self {
        let types: Vec<String> = schema.graph.iter().flat_map(|graph| &graph.edges).map(ToString::to_string).collect();
        let columns = schema.attributes.iter();
        Self {
            entities: EntityTable {
                table: "entities".into(),
                id: "id".into(),
                attributes: columns
                    .map(|attribute| AttributeColumn { column: format!("a_{}", attribute.name), path: Vec::new() })
                    .collect(),
                vectors: schema.vectors.iter().map(|vector| format!("v_{}", vector.name)).collect(),
            },
            edges: EdgeTable {
                table: "edges".into(),
                source: "source".into(),
                target: "target".into(),
                kind: "type".into(),
                types: types.clone(),
            },
            graph: GraphMapping {
                labels: vec![LabelMapping { label: label.to_owned(), id: "id".into() }],
                types,
                tenant: None,
            },
        }
    }
}
