//! The graph side of a collection.

use std::collections::BTreeMap;

use super::{Checker, collections::check_tenant_attribute};
use crate::config::{BackendConfig, CollectionConfig, GraphConfig, path::KeyPath, problem::ProblemKind};

pub(super) fn check(checker: &mut Checker<'_>, collection: &CollectionConfig, graph: &GraphConfig, path: &KeyPath) {
    checker.known_backend(&graph.backend, path.key("backend"));
    check_labels(checker, graph, path);
    check_edges(checker, graph, path);
    check_tenants(checker, collection, graph, path);
    let config = checker.config;
    match config.backends.get(&graph.backend) {
        // It was reported as unknown, or is faulty in shape and was reported for that.
        None => {}
        Some(BackendConfig::Embedded { .. }) => {
            check_embedded(checker, collection, graph, path);
            without_table(checker, path, "an embedded graph");
            without_properties(checker, graph, path, "an embedded graph");
            if checker.written(path, "tenant_property") {
                let message = "an embedded graph goes by the attribute of tenant_filter";
                checker.key(ProblemKind::Contradiction, path.key("tenant_property"), message);
            }
        }
        Some(BackendConfig::Postgres(_)) => {
            check_postgres(checker, collection, graph, path);
            without_properties(checker, graph, path, "a graph in Postgres");
        }
        Some(BackendConfig::Neo4j(_)) => {
            for (label, node) in &graph.nodes {
                checker.not_empty(path.key("nodes").key(label).key("id"), node.id.as_deref());
            }
            without_table(checker, path, "a graph in Neo4j");
        }
    }
}

/// A tenant sees its own nodes and those of nobody.
fn check_tenants(checker: &mut Checker<'_>, collection: &CollectionConfig, graph: &GraphConfig, path: &KeyPath) {
    let at = path.key("tenant_property");
    checker.not_empty(at.clone(), graph.tenant_property.as_deref());
    let filtered = path.parent().is_some_and(|collection| checker.written(&collection, "tenant_filter"));
    if graph.tenant_property.is_some() && collection.tenant_filter.is_none() && !filtered {
        let message = "the collection has no tenant_filter, so nodes belong to nobody";
        checker.key(ProblemKind::Contradiction, at, message);
    }
}

/// A graph in Postgres is a table of edges between ids.
fn check_postgres(checker: &mut Checker<'_>, collection: &CollectionConfig, graph: &GraphConfig, path: &KeyPath) {
    match &graph.table {
        Some(table) => checker.table_name(table, path.key("table")),
        None if checker.written(path, "table") => {}
        None => {
            let message = "a graph in Postgres is a table of edges: give `table`";
            checker.key(ProblemKind::MissingKey, path.clone(), message);
        }
    }
    for (key, column) in [("source", &graph.source), ("target", &graph.target), ("type", &graph.kind)] {
        checker.not_empty(path.key(key), column.as_deref());
    }
    let (source, target) = (graph.source.as_deref().unwrap_or("source"), graph.target.as_deref().unwrap_or("target"));
    if source == target {
        let key = if checker.written(path, "target") { "target" } else { "source" };
        let message = format!("an edge starts and ends in the column `{source}`");
        checker.value(ProblemKind::Contradiction, path.key(key), message);
    }
    if graph.nodes.len() > 1 {
        let message = format!("a table of edges has one label, got {}", graph.nodes.len());
        checker.key(ProblemKind::Contradiction, path.key("nodes"), message);
    }
    if let Some(property) = graph.tenant_property.as_deref().filter(|property| !property.is_empty()) {
        let of_collection = path.parent().unwrap_or_default();
        check_tenant_attribute(checker, collection, &of_collection, property, path.key("tenant_property"));
    }
}

/// Only a graph in Postgres has a table.
fn without_table(checker: &mut Checker<'_>, path: &KeyPath, what: &str) {
    for key in ["table", "source", "target", "type"] {
        if checker.written(path, key) {
            checker.key(ProblemKind::Contradiction, path.key(key), format!("{what} has no table of edges"));
        }
    }
}

/// Only nodes of Neo4j have properties.
fn without_properties(checker: &mut Checker<'_>, graph: &GraphConfig, path: &KeyPath, what: &str) {
    for label in graph.nodes.keys() {
        let at = path.key("nodes").key(label).key("id");
        if checker.locations.contains(&at) {
            checker.key(ProblemKind::Contradiction, at, format!("nodes of {what} have no properties, only an id"));
        }
    }
}

/// Labels, those included that are written but faulty.
fn written_labels(checker: &Checker<'_>, path: &KeyPath, graph: &GraphConfig) -> bool {
    !graph.nodes.is_empty() || checker.locations.has_children(&path.key("nodes"))
}

fn check_labels(checker: &mut Checker<'_>, graph: &GraphConfig, path: &KeyPath) {
    if !written_labels(checker, path, graph) {
        checker.key(ProblemKind::MissingKey, path.key("nodes"), "a graph needs a node label");
        return;
    }
    let entities: Vec<&str> =
        graph.nodes.iter().filter(|(_, node)| node.entities).map(|(label, _)| label.as_str()).collect();
    if graph.nodes.len() > 1 && entities.is_empty() {
        let message = "of several labels, one has to be marked with `entities = true`: its nodes are the entities";
        checker.key(ProblemKind::MissingKey, path.key("nodes"), message);
    }
    for label in entities.iter().skip(1) {
        let message = format!("the nodes of `{}` are the entities already", entities[0]);
        checker.key(ProblemKind::Contradiction, path.key("nodes").key(label).key("entities"), message);
    }
}

fn check_edges(checker: &mut Checker<'_>, graph: &GraphConfig, path: &KeyPath) {
    if graph.edges.is_empty() && !checker.locations.has_children(&path.key("edges")) {
        checker.key(ProblemKind::MissingKey, path.key("edges"), "a graph needs an edge type");
    }
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, edge) in &graph.edges {
        let kind = edge.kind.as_deref().unwrap_or(name);
        let at = path.key("edges").key(name).key("type");
        if kind.is_empty() {
            checker.value(ProblemKind::WrongValue, at, "an edge type must not be empty");
        } else if let Some(first) = types.insert(kind, name) {
            let message = format!("`{first}` stands for the edge type `{kind}` already");
            checker.value(ProblemKind::Contradiction, at, message);
        }
    }
}

/// An embedded data set holds entities and their relations together, under one label.
fn check_embedded(checker: &mut Checker<'_>, collection: &CollectionConfig, graph: &GraphConfig, path: &KeyPath) {
    if graph.nodes.len() > 1 {
        let message = format!("an embedded graph has one label, got {}", graph.nodes.len());
        checker.key(ProblemKind::Contradiction, path.key("nodes"), message);
    }
    let entities = &collection.entities.backend;
    if graph.backend != *entities && checker.config.backends.contains_key(entities) {
        let message = "an embedded graph is in the data directory of the entities";
        let problem = checker.value(ProblemKind::Contradiction, path.key("backend"), message);
        problem.suggestion = Some(format!("use `{entities}`"));
    }
}
