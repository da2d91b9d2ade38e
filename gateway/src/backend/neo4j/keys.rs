//! Ids as Bolt carries them.

use std::{fmt, sync::Arc};

use neo4rs::BoltType;
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use uuid::Uuid;

use crate::value::{EntityId, IdType};

/// An id in a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawId {
    Integer(i64),
    Text(Arc<str>),
}

impl<'de> Deserialize<'de> for RawId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ids;
        impl Visitor<'_> for Ids {
            type Value = RawId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a string")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<RawId, E> {
                Ok(RawId::Integer(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<RawId, E> {
                Ok(RawId::Text(value.into()))
            }
        }
        deserializer.deserialize_any(Ids)
    }
}

/// A node in a reply: an index into the labels of the schema, and the id.
pub(super) type RawNode = (u16, RawId);

impl RawId {
    /// The id, if it is one of the type in its one spelling.
    pub(super) fn read(self, id_type: IdType) -> Option<EntityId> {
        match (id_type, self) {
            (IdType::Text, Self::Text(text)) => Some(EntityId::Text(text)),
            (IdType::Integer, Self::Integer(value)) => Some(EntityId::Integer(value)),
            (IdType::Uuid, Self::Text(text)) => {
                let id = Uuid::try_parse(&text).ok()?;
                let mut spelling = Uuid::encode_buffer();
                (*id.hyphenated().encode_lower(&mut spelling) == *text).then_some(EntityId::Uuid(id))
            }
            (IdType::Text | IdType::Uuid, Self::Integer(_)) | (IdType::Integer, Self::Text(_)) => None,
        }
    }
}

/// An id as a parameter: an INTEGER, or a STRING for text and for the hyphenated spelling of a UUID in lower case.
pub(super) fn parameter(id: &EntityId) -> BoltType {
    match id {
        EntityId::Integer(value) => BoltType::from(*value),
        EntityId::Uuid(_) => BoltType::from(id.to_string()),
        EntityId::Text(text) => BoltType::from(&**text),
    }
}

/// Ids as a parameter.
pub(super) fn parameters<'a>(ids: impl IntoIterator<Item = &'a EntityId>) -> BoltType {
    BoltType::List(ids.into_iter().map(parameter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_type_and_one_spelling() {
        let text = |text: &str| RawId::Text(text.into());
        let uuid = "0f14d0ab-9605-4a62-a9e4-5ed26688389b";
        assert_eq!(text("a").read(IdType::Text), Some(EntityId::Text("a".into())));
        assert_eq!(RawId::Integer(7).read(IdType::Integer), Some(EntityId::Integer(7)));
        assert_eq!(text(uuid).read(IdType::Uuid), Some(EntityId::Uuid(uuid.parse().unwrap())));
        for other in [text(&uuid.to_uppercase()), text(&uuid.replace('-', "")), text("a"), RawId::Integer(7)] {
            assert_eq!(other.clone().read(IdType::Uuid), None, "{other:?}");
        }
        assert_eq!(text("7").read(IdType::Integer), None);
        assert_eq!(RawId::Integer(7).read(IdType::Text), None);
    }
}
