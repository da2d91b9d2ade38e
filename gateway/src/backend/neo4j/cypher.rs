//! The parts of statements. Names come from the mapping only and are quoted; everything else is a parameter.

use crate::{
    catalog::GraphSchema,
    query::{Direction, Walk},
    value::IdType,
};

use super::GraphMapping;

/// A label, a property or a relationship type, whatever characters it has.
pub(super) fn quoted(name: &str) -> String {
    // A backtick ends a quoted name unless doubled. The parser reads `\uXXXX` everywhere, before it looks for quotes, so
    // that a name with these very characters needs its backslash written in that way.
    format!("`{}`", name.replace('`', "``").replace("\\u", "\\u005Cu"))
}

/// The words of one collection's statements.
#[derive(Debug, Clone)]
pub(super) struct Cypher {
    labels: Vec<LabelWords>,
    types: Vec<String>,
    tenant: Option<String>,
    entity: usize,
    id_is: &'static str,
}

#[derive(Debug, Clone)]
struct LabelWords {
    label: String,
    id: String,
}

/// The parameter that holds the tenant of a scope.
pub(super) const TENANT: &str = "tenant";

impl Cypher {
    pub(super) fn new(schema: &GraphSchema, id_type: IdType, mapping: &GraphMapping) -> Self {
        let labels = mapping.labels.iter();
        Self {
            labels: labels.map(|label| LabelWords { label: quoted(&label.label), id: quoted(&label.id) }).collect(),
            types: mapping.types.iter().map(|name| quoted(name)).collect(),
            tenant: mapping.tenant.as_deref().map(quoted),
            entity: usize::from(schema.entity_label),
            id_is: match id_type {
                IdType::Integer => "IS :: INTEGER NOT NULL",
                IdType::Text | IdType::Uuid => "IS :: STRING NOT NULL",
            },
        }
    }

    /// Whether nodes can be told apart by tenant.
    pub(super) fn has_tenants(&self) -> bool {
        self.tenant.is_some()
    }

    /// The number of labels.
    pub(super) fn labels(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn label(&self, label: usize) -> &str {
        &self.labels[label].label
    }

    pub(super) fn id(&self, label: usize) -> &str {
        &self.labels[label].id
    }

    pub(super) fn relationship(&self, edge: usize) -> &str {
        &self.types[edge]
    }

    /// Whether a node exists for a walk: it has one of the labels with an id of the collection's type, and is the
    /// tenant's or nobody's.
    pub(super) fn exists(&self, node: &str, scoped: bool) -> String {
        let labelled = (0..self.labels.len()).map(|label| self.has_label(node, label)).collect::<Vec<_>>().join(" OR ");
        let labelled = if self.labels.len() > 1 { format!("({labelled})") } else { labelled };
        format!("{labelled}{}", self.in_scope(node, scoped))
    }

    /// Whether a node that was found by a label and an id exists for a walk.
    pub(super) fn found_exists(&self, node: &str, label: usize, scoped: bool) -> String {
        format!("{node}.{} {}{}", self.id(label), self.id_is, self.in_scope(node, scoped))
    }

    fn has_label(&self, node: &str, label: usize) -> String {
        let LabelWords { label, id } = &self.labels[label];
        format!("{node}:{label} AND {node}.{id} {}", self.id_is)
    }

    fn in_scope(&self, node: &str, scoped: bool) -> String {
        match (&self.tenant, scoped) {
            (Some(tenant), true) => format!(" AND ({node}.{tenant} IS NULL OR {node}.{tenant} = ${TENANT})"),
            (None, _) | (_, false) => String::new(),
        }
    }

    /// Whether a node that exists is an entity; nothing where all are.
    pub(super) fn is_entity(&self, node: &str) -> Option<String> {
        (self.labels.len() > 1).then(|| self.has_label(node, self.entity))
    }

    /// What holds of a value that is an id: `IS :: …`.
    pub(super) fn is_id(&self) -> &'static str {
        self.id_is
    }

    /// The id of an entity.
    pub(super) fn entity_id(&self, node: &str) -> String {
        format!("{node}.{}", self.id(self.entity))
    }

    /// The pattern of an entity with this id.
    pub(super) fn entity(&self, node: &str, id: &str) -> String {
        self.node(node, self.entity, id)
    }

    /// The pattern of a node with this label and id.
    pub(super) fn node(&self, node: &str, label: usize, id: &str) -> String {
        let LabelWords { label, id: property } = &self.labels[label];
        format!("({node}:{label} {{{property}: {id}}})")
    }

    /// The label of entities.
    pub(super) fn entity_label(&self) -> usize {
        self.entity
    }

    /// A node as its label's index and its id; a node with several labels counts as an entity, else as what comes first.
    pub(super) fn key(&self, node: &str) -> String {
        if self.labels.len() == 1 {
            return format!("[0, {}]", self.entity_id(node));
        }
        let order = std::iter::once(self.entity).chain((0..self.labels.len()).filter(|label| *label != self.entity));
        let cases: Vec<String> = order
            .map(|label| format!("WHEN {} THEN [{label}, {node}.{}]", self.has_label(node, label), self.id(label)))
            .collect();
        format!("CASE {} END", cases.join(" "))
    }

    /// The relationships of a walk's step as a pattern: `-[r:A|B]->`. `inner` is what stands between the brackets before
    /// and after the types.
    pub(super) fn arrow(&self, walk: &Walk, reversed: bool, variable: &str, length: &str) -> String {
        let types: Vec<&str> = walk.edges.iter().map(|edge| self.relationship(usize::from(*edge))).collect();
        let inner = format!("[{variable}:{}{length}]", types.join("|"));
        match (walk.direction, reversed) {
            (Direction::Out, false) | (Direction::In, true) => format!("-{inner}->"),
            (Direction::In, false) | (Direction::Out, true) => format!("<-{inner}-"),
            (Direction::Both, _) => format!("-{inner}-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("DEPENDS"), "`DEPENDS`");
        assert_eq!(quoted("a`) DETACH DELETE (n"), "`a``) DETACH DELETE (n`");
        assert_eq!(quoted(r"a\u0060b"), r"`a\u005Cu0060b`");
    }
}
