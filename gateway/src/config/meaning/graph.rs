//! The graph side of a collection.

use std::collections::BTreeMap;

use super::Checker;
use crate::config::{BackendConfig, CollectionConfig, GraphConfig, path::KeyPath, problem::ProblemKind};

pub(super) fn check(checker: &mut Checker<'_>, collection: &CollectionConfig, graph: &GraphConfig, path: &KeyPath) {
    checker.known_backend(&graph.backend, path.key("backend"));
    check_labels(checker, graph, path);
    check_edges(checker, graph, path);
    if matches!(checker.config.backends.get(&graph.backend), Some(BackendConfig::Embedded { .. })) {
        check_embedded(checker, collection, graph, path);
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
    if graph.backend != *entities
        && matches!(checker.config.backends.get(entities), Some(BackendConfig::Embedded { .. }))
    {
        let message = "an embedded graph is in the data directory of the entities";
        let problem = checker.value(ProblemKind::Contradiction, path.key("backend"), message);
        problem.suggestion = Some(format!("use `{entities}`"));
    }
}
