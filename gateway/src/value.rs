//! Ids, stored attribute values and the literals that a query compares them with.
//!
//! One rule for every store: numbers compare by exact numeric value, text by bytes, timestamps by instant.

use std::{cmp::Ordering, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The type of a collection's ids. One collection has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdType {
    /// UTF-8 text, ordered by bytes.
    #[default]
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// A UUID, ordered by its 16 bytes.
    Uuid,
}

impl IdType {
    /// The word used in configuration and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Uuid => "uuid",
        }
    }

    /// Reads the wire form, a string. `None` if it is not an id of this type.
    pub fn parse(self, text: &str) -> Option<EntityId> {
        match self {
            Self::Text => Some(EntityId::Text(text.into())),
            // Only the canonical spelling, so that one entity has one wire form: no `+1`, no `007`.
            Self::Integer => {
                let value: i64 = text.parse().ok()?;
                (value.to_string() == text).then_some(EntityId::Integer(value))
            }
            Self::Uuid => Uuid::try_parse(text).ok().map(EntityId::Uuid),
        }
    }
}

/// The id of an entity or of a graph node. Within a collection all ids have one variant, so the derived order is the
/// collection's id order: integers by value, UUIDs and text by bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntityId {
    /// A signed 64-bit integer.
    Integer(i64),
    /// A UUID.
    Uuid(Uuid),
    /// UTF-8 text.
    Text(Arc<str>),
}

impl fmt::Display for EntityId {
    /// The wire form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Uuid(value) => write!(f, "{}", value.hyphenated()),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// The type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttributeType {
    /// A short string: indexed, compared by bytes.
    Keyword,
    /// Free text: compared by bytes, expected to be nearly unique.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// An IEEE 754 double. NaN counts as missing.
    Float,
    /// True or false.
    Boolean,
    /// An instant with microsecond resolution; RFC 3339 on the wire.
    Timestamp,
    /// A list of keywords. An empty list exists, a missing one does not.
    Keywords,
}

impl AttributeType {
    /// The word used in configuration and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Keywords => "keywords",
        }
    }

    /// Whether `$lt`, `$lte`, `$gt` and `$gte` apply.
    pub fn is_ordered(self) -> bool {
        !matches!(self, Self::Boolean | Self::Keywords)
    }
}

/// A stored attribute value, as a store returns it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Missing or NULL; stored NaN reads as this too.
    Null,
    /// For `keyword` and `text`.
    Text(Arc<str>),
    /// For `integer`.
    Integer(i64),
    /// For `float`; finite or infinite, never NaN.
    Float(f64),
    /// For `boolean`.
    Boolean(bool),
    /// For `timestamp`: microseconds since the Unix epoch.
    Timestamp(i64),
    /// For `keywords`.
    Keywords(Vec<Arc<str>>),
}

/// A number as a query states it, in one form per numeric value: integral values are [`Number::Integer`], so `1`, `1.0`
/// and `1e0` are equal, and so are `0` and `-0.0`.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// An integral value, exact beyond 2⁵³.
    Integer(i128),
    /// A finite value with a fraction, or one too large for `i128`.
    Float(f64),
}

impl Number {
    /// The number with the value of a finite double.
    pub fn from_f64(value: f64) -> Self {
        // 2^126 keeps the cast exact; larger doubles are integral too but stay as they are.
        if value.fract() == 0.0 && value.abs() < 85_070_591_730_234_615_865_843_651_857_942_052_864.0 {
            Self::Integer(value as i128)
        } else {
            Self::Float(value)
        }
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Exact comparison by value.
    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
            (Self::Integer(a), Self::Float(b)) => compare_integer_float(a, b),
            (Self::Float(a), Self::Integer(b)) => compare_integer_float(b, a).reverse(),
        }
    }
}

/// Compares an integer with a non-NaN double by exact value.
fn compare_integer_float(a: i128, b: f64) -> Ordering {
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0; // 2^127
    if b >= LIMIT {
        return Ordering::Less;
    }
    if b < -LIMIT {
        return Ordering::Greater;
    }
    // Truncation is exact in i128, so the integral parts decide unless they tie; then the sign of the fraction does.
    a.cmp(&(b.trunc() as i128)).then_with(|| 0.0_f64.total_cmp(&(b.fract() + 0.0)))
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}
impl Eq for Number {}
impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(*other)
    }
}
impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Integer(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
        }
    }
}

/// A literal in a filter, already of the type that its attribute asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Literal {
    /// For `keyword`, `text` and the elements of `keywords`.
    Text(Arc<str>),
    /// For `integer` and `float`.
    Number(Number),
    /// For `boolean`.
    Boolean(bool),
    /// For `timestamp`: microseconds since the Unix epoch.
    Timestamp(i64),
    /// For the id.
    Id(EntityId),
}

impl AttributeValue {
    /// Compares a stored scalar with a literal of the same type; `None` when the value is missing, a list, or of
    /// another type.
    pub fn compare(&self, literal: &Literal) -> Option<Ordering> {
        match (self, literal) {
            (Self::Text(a), Literal::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Integer(a), Literal::Number(b)) => Some(Number::Integer(i128::from(*a)).compare(*b)),
            (Self::Float(a), Literal::Number(b)) if !a.is_nan() => Some(Number::from_f64(*a).compare(*b)),
            (Self::Boolean(a), Literal::Boolean(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Literal::Timestamp(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Whether the value is there: not NULL and not NaN. An empty list is.
    pub fn exists(&self) -> bool {
        !matches!(self, Self::Null) && !matches!(self, Self::Float(value) if value.is_nan())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_two_to_the_53_compare_exactly_with_doubles() {
        let large = Number::Integer(9_007_199_254_740_993);
        assert_eq!(large.compare(Number::from_f64(9_007_199_254_740_992.0)), Ordering::Greater);
        assert_eq!(Number::Integer(1).compare(Number::Float(1.5)), Ordering::Less);
        assert_eq!(Number::Integer(-1).compare(Number::Float(-1.5)), Ordering::Greater);
        assert_eq!(Number::Integer(i128::MAX).compare(Number::Float(f64::INFINITY)), Ordering::Less);
        assert_eq!(Number::Integer(0).compare(Number::Float(-1e-300)), Ordering::Greater);
    }

    #[test]
    fn equal_numbers_have_one_form() {
        assert_eq!(Number::from_f64(-0.0), Number::Integer(0));
        assert_eq!(Number::from_f64(1.0), Number::Integer(1));
        assert_ne!(Number::from_f64(1.5), Number::Integer(1));
    }

    #[test]
    fn an_integer_id_has_one_spelling() {
        assert_eq!(IdType::Integer.parse("7"), Some(EntityId::Integer(7)));
        for other in ["+7", "07", "7.0", " 7", ""] {
            assert_eq!(IdType::Integer.parse(other), None, "{other:?}");
        }
    }
}
