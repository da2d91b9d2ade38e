//! Where entities are, and which columns hold what.

use super::Checker;
use crate::config::{BackendConfig, CollectionConfig, path::KeyPath, problem::ProblemKind};

pub(super) fn check(checker: &mut Checker<'_>, collection: &CollectionConfig, path: &KeyPath) {
    let entities = path.key("entities");
    checker.known_backend(&collection.entities.backend, entities.key("backend"));
    let config = checker.config;
    match config.backends.get(&collection.entities.backend) {
        // It was reported as unknown, or is faulty in shape and was reported for that.
        None => {}
        Some(BackendConfig::Postgres(_)) => {
            match &collection.entities.table {
                Some(table) => checker.table_name(table, entities.key("table")),
                None if checker.written(&entities, "table") => {}
                None => {
                    let message = "entities in Postgres are rows of a table or a view: give `table`";
                    checker.key(ProblemKind::MissingKey, entities.clone(), message);
                }
            }
            check_columns(checker, collection, path);
        }
        Some(BackendConfig::Embedded { .. }) => without_columns(checker, collection, path),
        Some(BackendConfig::Neo4j(_)) => {
            let message = "entities cannot be in Neo4j in this version";
            let problem = checker.value(ProblemKind::Unsupported, entities.key("backend"), message);
            problem.suggestion = Some("entities are in Postgres or embedded; the graph can be in Neo4j".into());
        }
    }
}

fn check_columns(checker: &mut Checker<'_>, collection: &CollectionConfig, path: &KeyPath) {
    checker.not_empty(path.key("entities").key("id"), collection.entities.id.as_deref());
    for (name, vector) in &collection.vectors {
        checker.not_empty(path.key("vectors").key(name).key("column"), vector.column.as_deref());
    }
    for (name, attribute) in &collection.attributes {
        let at = path.key("attributes").key(name);
        checker.not_empty(at.key("column"), attribute.column.as_deref());
        if checker.written(&at, "column") && checker.written(&at, "json_path") {
            checker.one_of_two(&at, "column", "json_path");
        }
        let faulty = |path: &String| path.split('.').count() < 2 || path.split('.').any(str::is_empty);
        if attribute.json_path.as_ref().is_some_and(faulty) {
            let message = "expected a column and at least one key, separated by dots: `meta.license`";
            checker.value(ProblemKind::WrongValue, at.key("json_path"), message);
        }
    }
}

/// An embedded data set has no tables and columns.
fn without_columns(checker: &mut Checker<'_>, collection: &CollectionConfig, path: &KeyPath) {
    let entities = path.key("entities");
    let mut written = vec![entities.key("table"), entities.key("id")];
    written.extend(collection.vectors.keys().map(|name| path.key("vectors").key(name).key("column")));
    for name in collection.attributes.keys() {
        let at = path.key("attributes").key(name);
        written.extend([at.key("column"), at.key("json_path")]);
    }
    for key in written {
        if checker.locations.contains(&key) {
            let message = "an embedded data set has no tables and columns; `forebay load` says what is what";
            checker.key(ProblemKind::Contradiction, key, message);
        }
    }
}
