//! What can be asked.

use std::collections::BTreeMap;

use super::{Checker, entities, graph};
use crate::{
    catalog::QueryLimits,
    config::{CollectionConfig, EmbedderConfig, path::KeyPath, problem::ProblemKind},
    embed::http::{Protocol, endpoint},
    value::AttributeType,
};

/// Names are addressed by 16-bit indices inside the gateway.
const MAX_NAMES: usize = u16::MAX as usize;

pub(super) fn check(checker: &mut Checker<'_>, name: &str, collection: &CollectionConfig) {
    let path = KeyPath::of(["collections", name]);
    check_name(checker, "collection", name, &path);
    entities::check(checker, collection, &path);
    check_names(checker, "vector", &collection.vectors, &path.key("vectors"));
    check_names(checker, "attribute", &collection.attributes, &path.key("attributes"));
    check_attributes(checker, collection, &path);
    check_embedder(checker, collection, &path);
    check_limits(checker, &collection.limits, &path.key("limits"));
    if let Some(graph) = &collection.graph {
        check_names(checker, "label", &graph.nodes, &path.key("graph").key("nodes"));
        check_names(checker, "edge type", &graph.edges, &path.key("graph").key("edges"));
        graph::check(checker, collection, graph, &path.key("graph"));
    }
}

fn check_names<T>(checker: &mut Checker<'_>, what: &str, named: &BTreeMap<String, T>, path: &KeyPath) {
    for name in named.keys() {
        check_name(checker, what, name, &path.key(name));
    }
    if named.len() > MAX_NAMES {
        checker.key(ProblemKind::WrongValue, path.clone(), format!("there may be {MAX_NAMES} at most"));
    }
}

fn check_name(checker: &mut Checker<'_>, what: &str, name: &str, path: &KeyPath) {
    if name.is_empty() || name.chars().any(char::is_control) {
        let message = format!("the name of a {what} must not be empty or hold control characters");
        checker.key(ProblemKind::WrongValue, path.clone(), message);
    }
}

fn check_attributes(checker: &mut Checker<'_>, collection: &CollectionConfig, path: &KeyPath) {
    for name in collection.attributes.keys() {
        let at = path.key("attributes").key(name);
        if name == "id" {
            let message = "`id` is the entity's id and can always be filtered on; an attribute needs another name";
            checker.key(ProblemKind::WrongValue, at, message);
        } else if name.starts_with('$') {
            checker.key(ProblemKind::WrongValue, at, "names with `$` in front are operators in a filter");
        }
    }
    if let Some(tenant) = &collection.tenant_filter {
        check_tenant_attribute(
            checker,
            collection,
            path,
            &tenant.attribute,
            path.key("tenant_filter").key("attribute"),
        );
    }
}

/// The attribute named at `at` has to exist and to be one that a tenant can be compared with.
pub(super) fn check_tenant_attribute(
    checker: &mut Checker<'_>,
    collection: &CollectionConfig,
    path: &KeyPath,
    name: &str,
    at: KeyPath,
) {
    match collection.attributes.get(name).map(|attribute| attribute.kind) {
        Some(AttributeType::Keyword) => {}
        Some(other) => {
            let message = format!("a tenant is compared with a keyword, but `{name}` has the type {}", other.as_str());
            checker.value(ProblemKind::Contradiction, at, message);
        }
        None => {
            let names = collection.attributes.keys().map(String::as_str);
            checker.known("attribute", name, &path.key("attributes"), names, at);
        }
    }
}

fn check_embedder(checker: &mut Checker<'_>, collection: &CollectionConfig, path: &KeyPath) {
    if collection.embedder.is_some()
        && collection.vectors.is_empty()
        && !checker.locations.contains(&path.key("vectors"))
    {
        let message = "an embedder makes vectors, but the collection has none to compare them with";
        checker.key(ProblemKind::Contradiction, path.key("embedder"), message);
    }
    let (protocol, http) = match &collection.embedder {
        Some(EmbedderConfig::OpenAi(http)) => (Protocol::OpenAi, http),
        Some(EmbedderConfig::Ollama(http)) => (Protocol::Ollama, http),
        Some(EmbedderConfig::Student) | None => return,
    };
    let path = path.key("embedder");
    if let Err(problem) = endpoint(protocol, &http.url) {
        checker.value(ProblemKind::WrongValue, path.key("url"), problem.to_string());
    }
    checker.not_empty(path.key("model"), Some(&http.model));
}

fn check_limits(checker: &mut Checker<'_>, limits: &QueryLimits, path: &KeyPath) {
    // `max_offset` may be zero: no paging.
    let at_least_one = [
        ("max_limit", u64::from(limits.max_limit)),
        ("max_hops", u64::from(limits.max_hops)),
        ("max_anchors", u64::from(limits.max_anchors)),
        ("max_list", u64::from(limits.max_list)),
        ("max_filter_nodes", u64::from(limits.max_filter_nodes)),
        ("max_combine", u64::from(limits.max_combine)),
        ("max_per_item", u64::from(limits.max_per_item)),
        ("max_text_bytes", u64::from(limits.max_text_bytes)),
        ("max_deadline_ms", limits.max_deadline_ms),
    ];
    for (name, value) in at_least_one {
        if value == 0 {
            checker.value(ProblemKind::WrongValue, path.key(name), "must be at least 1, got 0");
        }
    }
}
