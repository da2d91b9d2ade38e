//! Parts of an answer whose names are data: attributes and vectors by name.

use std::{fmt::Display, sync::Arc};

use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type},
    },
};

use crate::value::AttributeValue;

/// Attributes by name, in the order of the schema. A missing value is `null`; so is an infinite one, which JSON cannot
/// say. A timestamp is RFC 3339 in UTC.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(pub Vec<(Arc<str>, AttributeValue)>);

/// Stored vectors by name; `null` where there is none that is usable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors(pub Vec<NamedVector>);

/// A vector's name, and the vector if it is usable.
pub type NamedVector = (Arc<str>, Option<Arc<[f32]>>);

/// Writes a value in its wire form, a string.
pub(super) fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (&**name, OnTheWire(value))))
    }
}

impl Serialize for Vectors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, vector)| (&**name, vector.as_deref())))
    }
}

/// A stored value as clients see it.
struct OnTheWire<'a>(&'a AttributeValue);

impl Serialize for OnTheWire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            AttributeValue::Null => serializer.serialize_none(),
            AttributeValue::Text(value) => serializer.serialize_str(value),
            AttributeValue::Integer(value) => serializer.serialize_i64(*value),
            AttributeValue::Float(value) => serializer.serialize_f64(*value),
            AttributeValue::Boolean(value) => serializer.serialize_bool(*value),
            // A microsecond count beyond the years that RFC 3339 can write is missing rather than wrong.
            AttributeValue::Timestamp(value) => match jiff::Timestamp::from_microsecond(*value) {
                Ok(instant) => serializer.collect_str(&instant),
                Err(_) => serializer.serialize_none(),
            },
            AttributeValue::Keywords(values) => serializer.collect_seq(values.iter().map(|value| &**value)),
        }
    }
}

impl ToSchema for Attributes {}
impl PartialSchema for Attributes {
    fn schema() -> RefOr<Schema> {
        let any_of_ours = [Type::Null, Type::String, Type::Integer, Type::Number, Type::Boolean, Type::Array];
        ObjectBuilder::new()
            .description(Some("Attributes by name. A missing value is null; a timestamp is RFC 3339 in UTC."))
            .additional_properties(Some(ObjectBuilder::new().schema_type(SchemaType::from_iter(any_of_ours))))
            .into()
    }
}

impl ToSchema for Vectors {}
impl PartialSchema for Vectors {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("Stored vectors by name; null where there is none that is usable."))
            .additional_properties(Some(
                ArrayBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
                    .items(ObjectBuilder::new().schema_type(Type::Number)),
            ))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_type_has_a_wire_form() {
        let attributes = Attributes(vec![
            ("boolean".into(), AttributeValue::Boolean(true)),
            ("float".into(), AttributeValue::Float(0.1)),
            ("infinite".into(), AttributeValue::Float(f64::INFINITY)),
            ("integer".into(), AttributeValue::Integer(9_007_199_254_740_993)),
            ("keywords".into(), AttributeValue::Keywords(vec!["a".into(), "b".into()])),
            ("missing".into(), AttributeValue::Null),
            ("text".into(), AttributeValue::Text("a \"b\"".into())),
            ("timestamp".into(), AttributeValue::Timestamp(1_500_000)),
            ("unspeakable".into(), AttributeValue::Timestamp(i64::MAX)),
        ]);
        insta::assert_snapshot!(
            serde_json::to_string(&attributes).unwrap(),
            @r#"{"boolean":true,"float":0.1,"infinite":null,"integer":9007199254740993,"keywords":["a","b"],"missing":null,"text":"a \"b\"","timestamp":"1970-01-01T00:00:01.5Z","unspeakable":null}"#
        );
    }

    #[test]
    fn a_vector_is_written_with_the_precision_it_has() {
        let vectors = Vectors(vec![("a".into(), Some([0.1_f32, -1.0].into())), ("b".into(), None)]);
        assert_eq!(serde_json::to_string(&vectors).unwrap(), r#"{"a":[0.1,-1.0],"b":null}"#);
    }
}
