//! Ids, and operands of filters.

use crate::{
    catalog::CollectionSchema,
    problem::Code,
    query::{Field, Json, QueryError, instant, suggest::quote},
    value::{AttributeType, EntityId, IdType, Literal, Number},
};

use super::node::Node;

/// An id: a string, or where ids are integers also an integer.
pub(super) fn entity_id(node: &Node<'_>, id_type: IdType) -> Result<EntityId, QueryError> {
    read_id(node, id_type).ok_or_else(|| node.wrong_type(&id_expected(id_type)))
}

fn read_id(node: &Node<'_>, id_type: IdType) -> Option<EntityId> {
    match (node.json, id_type) {
        (Json::String(text), _) => id_type.parse(text),
        (Json::Number(Number::Integer(value)), IdType::Integer) => i64::try_from(*value).ok().map(EntityId::Integer),
        _ => None,
    }
}

fn id_expected(id_type: IdType) -> String {
    match id_type {
        IdType::Text => "an id, a string".to_owned(),
        IdType::Integer => "an id, a 64-bit integer or a string of its digits".to_owned(),
        IdType::Uuid => "an id, a string with a UUID".to_owned(),
    }
}

/// What a filter's leaf compares, and how messages call it.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) field: Field,
    name: &'a str,
    kind: Kind,
    pub(super) max_list: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Id(IdType),
    Attribute(AttributeType),
}

impl<'a> Target<'a> {
    pub(super) fn id(schema: &CollectionSchema) -> Self {
        let kind = Kind::Id(schema.id_type);
        Self { field: Field::Id, name: "id", kind, max_list: schema.limits.max_list }
    }

    pub(super) fn attribute(index: u16, schema: &'a CollectionSchema) -> Self {
        let attribute = &schema.attributes[usize::from(index)];
        let kind = Kind::Attribute(attribute.kind);
        Self { field: Field::Attribute(index), name: &attribute.name, kind, max_list: schema.limits.max_list }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::Attribute(AttributeType::Keywords))
    }

    pub(super) fn is_ordered(&self) -> bool {
        match self.kind {
            Kind::Id(_) => true,
            Kind::Attribute(kind) => kind.is_ordered(),
        }
    }

    /// An error about an operand at a node.
    pub(super) fn mismatch(&self, node: &Node<'_>, detail: &str) -> QueryError {
        let what = match self.kind {
            Kind::Id(id_type) => format!("the id has type {}", id_type.as_str()),
            Kind::Attribute(kind) => format!("{} has type {}", quote(self.name), kind.as_str()),
        };
        node.error(Code::TypeMismatch, format!("{what}: {detail}"))
    }

    /// The operand at a node, as this target's type has it.
    pub(super) fn literal(&self, node: &Node<'_>) -> Result<Literal, QueryError> {
        let expected = match (self.kind, node.json) {
            (_, Json::Null) => {
                return Err(self.mismatch(node, "null is no operand; use {\"$exists\": false} for what has no value"));
            }
            (_, Json::Array(_)) => {
                return Err(self.mismatch(node, "an array is no operand here; use $in, or $any or $all for a list"));
            }
            (Kind::Id(id_type), _) => match read_id(node, id_type) {
                Some(id) => return Ok(Literal::Id(id)),
                None => id_expected(id_type),
            },
            (Kind::Attribute(kind), json) => match (kind, json) {
                (AttributeType::Keyword | AttributeType::Text | AttributeType::Keywords, Json::String(text)) => {
                    return Ok(Literal::Text(text.as_str().into()));
                }
                (AttributeType::Integer | AttributeType::Float, Json::Number(number)) => {
                    return Ok(Literal::Number(*number));
                }
                (AttributeType::Boolean, Json::Bool(value)) => return Ok(Literal::Boolean(*value)),
                (AttributeType::Timestamp, Json::String(text)) => {
                    return match instant::parse(text) {
                        Ok(micros) => Ok(Literal::Timestamp(micros)),
                        Err(detail) => Err(self.mismatch(node, &detail)),
                    };
                }
                (AttributeType::Keyword | AttributeType::Text | AttributeType::Keywords, _) => "a string".to_owned(),
                (AttributeType::Integer | AttributeType::Float, _) => "a number".to_owned(),
                (AttributeType::Boolean, _) => "true or false".to_owned(),
                (AttributeType::Timestamp, _) => "a string with an RFC 3339 instant".to_owned(),
            },
        };
        Err(self.mismatch(node, &format!("expected {expected}, found {}", node.found())))
    }
}
