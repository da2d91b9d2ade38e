//! The nodes that walks begin at, found by their labels' indexes.

use std::collections::BTreeMap;

use super::{
    cypher::{Cypher, TENANT},
    keys,
    statement::Parameters,
};
use crate::{
    backend::{NodeScope, ReachRequest},
    query::NodeRef,
    value::EntityId,
};

/// Text that finds the anchors: after it, `starts` holds their nodes and `known` their [label, id] as asked for.
///
/// The look-up is by one list for each label, so that the text, by which the server finds its plan, does not depend on
/// the number of anchors.
pub(super) fn anchors(cypher: &Cypher, request: &ReachRequest, parameters: &mut Parameters) -> String {
    let scoped = scope(request.scope.as_ref(), parameters);
    let mut by_label: BTreeMap<usize, Vec<&EntityId>> = BTreeMap::new();
    for NodeRef { label, id } in &request.anchors {
        if usize::from(*label) < cypher.labels() {
            by_label.entry(usize::from(*label)).or_default().push(id);
        }
    }
    if by_label.is_empty() {
        return "WITH [] AS starts, [] AS known".into();
    }
    let found = by_label.into_iter().map(|(label, ids)| {
        let list = parameters.add(format!("anchors{label}"), keys::parameters(ids));
        let (node, exists) = (cypher.node("a", label, "i"), cypher.found_exists("a", label, scoped));
        format!("UNWIND {list} AS i MATCH {node} WHERE {exists} RETURN a, [{label}, i] AS k")
    });
    let found = found.collect::<Vec<_>>().join(" UNION ALL ");
    format!("CALL () {{ {found} }} WITH collect(DISTINCT a) AS starts, collect(DISTINCT k) AS known")
}

/// Text that finds entities by their ids: after it, `starts` holds them.
pub(super) fn entities(
    cypher: &Cypher,
    ids: &[EntityId],
    scope_of: Option<&NodeScope>,
    parameters: &mut Parameters,
) -> String {
    let scoped = scope(scope_of, parameters);
    let list = parameters.add("ids", keys::parameters(ids));
    format!(
        "UNWIND {list} AS i MATCH {} WHERE {} WITH collect(DISTINCT c) AS starts",
        cypher.entity("c", "i"),
        cypher.found_exists("c", cypher.entity_label(), scoped),
    )
}

/// Adds the tenant. Whether there is one.
pub(super) fn scope(scope: Option<&NodeScope>, parameters: &mut Parameters) -> bool {
    if let Some(scope) = scope {
        parameters.add(TENANT, &*scope.tenant);
    }
    scope.is_some()
}
