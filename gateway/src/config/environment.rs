//! Environment overrides: `FOREBAY_SERVER__LISTEN=0.0.0.0:7700` sets `server.listen`.

use super::{
    path::KeyPath,
    problem::{ConfigProblem, Origin, ProblemKind},
    tree::{Entry, Node, Value, read_variable},
};

/// What a variable that overrides a key begins with.
const PREFIX: &str = "FOREBAY_";

/// What tests are told begins with this. A gateway that a test starts inherits it.
const TEST_PREFIX: &str = "FOREBAY_TEST_";

/// What separates a table from its key.
const NESTING: &str = "__";

/// Lays overrides over the configuration, in the order of their names.
///
/// Keys are found whatever their case, and `_` finds a `-` too, since a variable's name can hold neither small letters by
/// custom nor dashes at all.
pub(super) fn overlay(
    root: &mut Node,
    variables: impl IntoIterator<Item = (String, String)>,
    sections: &[&str],
) -> Vec<ConfigProblem> {
    let mut overrides: Vec<_> = variables
        .into_iter()
        .filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|rest| !is_service_link(rest)))
        .filter(|(name, _)| !name.starts_with(TEST_PREFIX))
        .collect();
    overrides.sort();
    let mut problems = Vec::new();
    for (name, text) in overrides {
        let lowercase = name[PREFIX.len()..].to_lowercase();
        let keys: Vec<&str> = lowercase.split(NESTING).collect();
        if sections.contains(&keys[0]) && keys.iter().all(|key| !key.is_empty()) {
            set(root, &keys, &text, &name);
        } else {
            problems.push(misnamed(&name, &lowercase, sections));
        }
    }
    problems
}

/// Kubernetes and Docker announce a service called `forebay` to every container beside it as `FOREBAY_SERVICE_HOST`,
/// `FOREBAY_PORT_7700_TCP_ADDR` and the like. Those are not meant for us.
fn is_service_link(rest: &str) -> bool {
    let port = |text: &str| text == "PORT" || text.starts_with("PORT_") || text.contains("_PORT_");
    !rest.contains(NESTING)
        && (rest.contains("SERVICE_HOST") || rest.contains("SERVICE_PORT") || port(rest) || rest.ends_with("_PORT"))
}

fn misnamed(name: &str, lowercase: &str, sections: &[&str]) -> ConfigProblem {
    let problem = ConfigProblem::new(
        ProblemKind::UnknownKey,
        Origin::Environment(name.into()),
        KeyPath::default(),
        "names no key of the configuration",
    );
    let section = sections.iter().find(|section| lowercase.starts_with(&format!("{section}_")));
    match section {
        Some(section) => {
            let key = lowercase[section.len()..].trim_start_matches('_').to_uppercase();
            let section = section.to_uppercase();
            problem.suggest(format!("two underscores separate a table from its key: {PREFIX}{section}{NESTING}{key}"))
        }
        None => problem.suggest(format!("the sections are {}", sections.join(", "))),
    }
}

fn set(node: &mut Node, keys: &[&str], text: &str, variable: &str) {
    let Some((first, rest)) = keys.split_first() else {
        *node = read_variable(text, variable);
        return;
    };
    if !matches!(node.value, Value::Table(_)) {
        node.value = Value::Table(Vec::new());
        node.origin = Origin::Environment(variable.into());
    }
    let Value::Table(entries) = &mut node.value else { return };
    let position = entries.iter().position(|entry| matches_key(&entry.key, first)).unwrap_or_else(|| {
        let origin = Origin::Environment(variable.into());
        let node = Node { value: Value::Table(Vec::new()), origin: origin.clone(), raw: None };
        entries.push(Entry { key: (*first).into(), origin, node });
        entries.len() - 1
    });
    set(&mut entries[position].node, rest, text, variable);
}

fn matches_key(key: &str, written: &str) -> bool {
    key.to_lowercase().replace('-', "_") == written.replace('-', "_")
}
