//! Attributes as columns: which form the values have, and how they are read.
//!
//! A value that the attribute's type cannot hold counts as missing: NaN, an infinite instant, a number with a fraction where
//! an integer is expected, JSON of another type.

use std::sync::Arc;

use sqlx::{
    Row,
    postgres::{PgRow, PgValueFormat},
};

use super::{
    facts::{ColumnFacts, ColumnKind},
    instants::Instant,
    names::literal,
};
use crate::value::{AttributeType, AttributeValue};

/// An attribute and where its values are.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    /// The type that queries see.
    pub(super) kind: AttributeType,
    /// What its values look like.
    pub(super) form: Form,
}

/// What the values of an attribute look like in SQL. An expression is NULL where there is no value.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// Texts.
    Text {
        /// Of type `text` or `varchar`.
        expression: String,
        /// What must hold besides, for the index-friendly `expression` to be the value.
        guard: Option<String>,
        /// Its order, and that of its indexes, is by bytes.
        by_bytes: bool,
        /// Equality is of bytes.
        deterministic: bool,
    },
    /// A `uuid` column, as keywords.
    Uuid(String),
    /// A column of integers, as keywords.
    IntegerText(String),
    /// `int2`, `int4`, `int8`.
    Integer(String),
    /// `float4`, `float8`.
    Real(String),
    /// `numeric`.
    Decimal {
        /// The column, or what JSON has there.
        expression: String,
        /// An index may help.
        is_column: bool,
    },
    /// `bool`.
    Boolean(String),
    /// `timestamptz`, `timestamp` or `date`.
    Instant {
        /// The column, or what JSON has there.
        expression: String,
        /// Of type `timestamptz`; else taken as UTC.
        zoned: bool,
        /// Of type `date`.
        is_date: bool,
    },
    /// A column of lists of texts.
    List {
        /// The column.
        expression: String,
        /// `text[]` or `varchar[]`.
        type_name: &'static str,
        /// Equality is of bytes.
        deterministic: bool,
    },
    /// A JSON array.
    JsonList {
        /// Of type `jsonb`.
        expression: String,
        /// Whether it is an array.
        guard: String,
    },
}

impl Attribute {
    /// An attribute in a column, or inside its JSON. `expression` names the column.
    ///
    /// # Errors
    /// Why the column cannot hold the attribute.
    pub(super) fn of(
        kind: AttributeType,
        facts: &ColumnFacts,
        expression: String,
        path: &[String],
    ) -> Result<Self, String> {
        let mismatch = || Err(format!("is of type {}, which holds no {}", facts.type_name, kind.as_str()));
        let is_json = matches!(facts.kind, ColumnKind::Json | ColumnKind::Jsonb);
        if !path.is_empty() && !is_json {
            return Err(format!("is of type {}, and a path needs json or jsonb", facts.type_name));
        }
        if is_json {
            return Ok(Self { kind, form: json(kind, facts.kind == ColumnKind::Jsonb, &expression, path) });
        }
        let text =
            |expression, by_bytes| Form::Text { expression, guard: None, by_bytes, deterministic: facts.deterministic };
        let form = match (kind, facts.kind) {
            (AttributeType::Keyword | AttributeType::Text, column) => match column {
                ColumnKind::Text | ColumnKind::Varchar => text(expression, facts.by_bytes),
                // The cast has the order of the database.
                ColumnKind::OtherText => text(format!("{expression}::text"), false),
                ColumnKind::Uuid => Form::Uuid(expression),
                ColumnKind::Int2 | ColumnKind::Int4 | ColumnKind::Int8 => Form::IntegerText(expression),
                _ => return mismatch(),
            },
            (AttributeType::Integer | AttributeType::Float, column) => match column {
                ColumnKind::Int2 | ColumnKind::Int4 | ColumnKind::Int8 => Form::Integer(expression),
                ColumnKind::Float4 | ColumnKind::Float8 => Form::Real(expression),
                ColumnKind::Numeric => Form::Decimal { expression, is_column: true },
                _ => return mismatch(),
            },
            (AttributeType::Boolean, ColumnKind::Boolean) => Form::Boolean(expression),
            (AttributeType::Timestamp, column) => match column {
                ColumnKind::TimestampTz => Form::Instant { expression, zoned: true, is_date: false },
                ColumnKind::Timestamp => Form::Instant { expression, zoned: false, is_date: false },
                ColumnKind::Date => Form::Instant { expression, zoned: false, is_date: true },
                _ => return mismatch(),
            },
            (AttributeType::Keywords, column) => {
                let type_name = match column {
                    ColumnKind::TextList => "text[]",
                    ColumnKind::VarcharList => "varchar[]",
                    _ => return mismatch(),
                };
                Form::List { expression, type_name, deterministic: facts.deterministic }
            }
            (AttributeType::Boolean, _) => return mismatch(),
        };
        Ok(Self { kind, form })
    }

    /// The value as a column of the output, for [`Self::decode`].
    pub(super) fn output(&self) -> String {
        match (&self.form, self.kind) {
            (Form::Text { expression, guard: None, .. }, _) => format!("{expression}::text"),
            (Form::Text { expression, guard: Some(guard), .. }, _) => {
                format!("CASE WHEN {guard} THEN {expression}::text END")
            }
            (Form::Uuid(expression) | Form::IntegerText(expression), _) => format!("{expression}::text"),
            (Form::Integer(expression), AttributeType::Float) => format!("{expression}::float8"),
            (Form::Integer(expression), _) => format!("{expression}::int8"),
            (Form::Real(expression), AttributeType::Float) => format!("{expression}::float8"),
            (Form::Decimal { expression, .. }, AttributeType::Float) => decimal_as_double(expression),
            (Form::Real(expression), _) => {
                format!("CASE WHEN {} THEN {expression}::int8 END", real_is_integer(expression))
            }
            (Form::Decimal { expression, .. }, _) => {
                format!("CASE WHEN {} THEN {expression}::int8 END", decimal_is_integer(expression))
            }
            (Form::Boolean(expression), _) => expression.clone(),
            (Form::Instant { expression, is_date: true, .. }, _) => format!(
                "CASE WHEN {expression} > '-infinity' AND {expression} < '294277-01-01' THEN {expression}::timestamp END"
            ),
            (Form::Instant { expression, .. }, _) => expression.clone(),
            (Form::List { expression, .. }, _) => format!("{expression}::text[]"),
            (Form::JsonList { expression, guard }, _) => format!(
                "CASE WHEN {guard} THEN ARRAY(SELECT e #>> '{{}}' FROM jsonb_array_elements({expression}) e \
                 WHERE jsonb_typeof(e) = 'string') END"
            ),
        }
    }

    /// The value in a column of the output; `Err` if something else is there.
    pub(super) fn decode(&self, row: &PgRow, index: usize) -> Result<AttributeValue, sqlx::Error> {
        let value = match self.kind {
            AttributeType::Keyword | AttributeType::Text => {
                row.try_get::<Option<&str>, _>(index)?.map(|text| AttributeValue::Text(text.into()))
            }
            AttributeType::Integer => row.try_get::<Option<i64>, _>(index)?.map(AttributeValue::Integer),
            AttributeType::Float => {
                row.try_get::<Option<f64>, _>(index)?.filter(|value| !value.is_nan()).map(AttributeValue::Float)
            }
            AttributeType::Boolean => row.try_get::<Option<bool>, _>(index)?.map(AttributeValue::Boolean),
            AttributeType::Timestamp => {
                let micros = if matches!(self.form, Form::Instant { zoned: true, .. }) {
                    row.try_get::<Option<Instant<true>>, _>(index)?.and_then(Instant::unix_micros)
                } else {
                    row.try_get::<Option<Instant<false>>, _>(index)?.and_then(Instant::unix_micros)
                };
                micros.map(AttributeValue::Timestamp)
            }
            AttributeType::Keywords => texts(row, index)?.map(AttributeValue::Keywords),
        };
        Ok(value.unwrap_or(AttributeValue::Null))
    }
}

/// Whether a `float4` or `float8` has an integer's value.
pub(super) fn real_is_integer(expression: &str) -> String {
    format!(
        "({expression} = trunc({expression}) AND {expression} >= -9223372036854775808::float8 \
         AND {expression} < 9223372036854775808::float8)"
    )
}

/// Whether a `numeric` has an integer's value.
pub(super) fn decimal_is_integer(expression: &str) -> String {
    format!(
        "({expression} = trunc({expression}) AND {expression} BETWEEN -9223372036854775808 AND 9223372036854775807)"
    )
}

/// The double nearest to a `numeric`, NULL for NaN. The server's own cast is an error beyond the range of doubles.
pub(super) fn decimal_as_double(expression: &str) -> String {
    format!(
        "(CASE WHEN {expression} <> 'NaN' THEN CASE \
         WHEN abs({expression}) BETWEEN 1e-300 AND 1.7976931348623157e308 THEN {expression}::float8 \
         WHEN abs({expression}) < 1e-300 THEN 0::float8 \
         WHEN {expression} > 0 THEN 'Infinity'::float8 ELSE '-Infinity'::float8 END END)"
    )
}

/// A string that is an instant in RFC 3339 with at most microseconds, which the server's cast cannot refuse: days that exist,
/// years from 1, offsets below 15 hours.
const RFC_3339: &str = r"^(?!0000)(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$";

/// An attribute inside JSON.
fn json(kind: AttributeType, binary: bool, column: &str, path: &[String]) -> Form {
    let b = if binary { "b" } else { "" };
    let steps: String = path.iter().map(|key| format!(" -> {}", literal(key))).collect();
    let node = format!("({column}{steps})");
    // Written as users write it in indexes: column -> 'a' ->> 'b'.
    let text = match path.split_last() {
        Some((last, before)) => {
            let before: String = before.iter().map(|key| format!(" -> {}", literal(key))).collect();
            format!("({column}{before} ->> {})", literal(last))
        }
        None => format!("({column} #>> '{{}}')"),
    };
    let is = |what: &str| format!("json{b}_typeof({node}) = '{what}'");
    match kind {
        AttributeType::Keyword | AttributeType::Text => {
            Form::Text { expression: text, guard: Some(is("string")), by_bytes: false, deterministic: true }
        }
        AttributeType::Integer | AttributeType::Float => Form::Decimal {
            expression: format!("(CASE WHEN {} THEN {text}::numeric END)", is("number")),
            is_column: false,
        },
        AttributeType::Boolean => Form::Boolean(format!("(CASE WHEN {} THEN {text} = 'true' END)", is("boolean"))),
        AttributeType::Timestamp => Form::Instant {
            expression: format!(
                "(CASE WHEN {} AND {text} ~ {} THEN {text}::timestamptz END)",
                is("string"),
                literal(RFC_3339)
            ),
            zoned: true,
            is_date: false,
        },
        AttributeType::Keywords => Form::JsonList {
            expression: if binary { node.clone() } else { format!("{node}::jsonb") },
            guard: is("array"),
        },
    }
}

/// A list of texts without its NULLs, of any number of dimensions, in storage order.
fn texts(row: &PgRow, index: usize) -> Result<Option<Vec<Arc<str>>>, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if sqlx::ValueRef::is_null(&value) {
        return Ok(None);
    }
    let read = match value.format() {
        PgValueFormat::Binary => value.as_bytes().ok().and_then(array_of_texts),
        PgValueFormat::Text => None,
    };
    read.map(Some).ok_or_else(|| sqlx::Error::Decode("not an array of texts".into()))
}

/// Reads the binary form of an array: the number of dimensions, a flag, the type, each dimension's length and lower
/// bound, then each element with its length, −1 for NULL.
fn array_of_texts(bytes: &[u8]) -> Option<Vec<Arc<str>>> {
    fn number(bytes: &mut &[u8]) -> Option<i32> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        *bytes = rest;
        Some(i32::from_be_bytes(*head))
    }
    let bytes = &mut &bytes[..];
    let dimensions = number(bytes)?;
    let (_flag, _type) = (number(bytes)?, number(bytes)?);
    for _ in 0..dimensions {
        let (_length, _lower) = (number(bytes)?, number(bytes)?);
    }
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        if let Ok(length) = usize::try_from(number(bytes)?) {
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            texts.push(std::str::from_utf8(text).ok()?.into());
        }
    }
    Some(texts)
}
