//! The configuration as it was written: a tree of values that know where they stand.

use std::{path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::{
    path::KeyPath,
    problem::{ConfigProblem, Origin, ProblemKind},
};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// The text of an environment variable. A key that takes a string takes this, whatever it looks like: a digest of
    /// digits only is no number.
    pub(super) raw: Option<String>,
}

/// A value as TOML knows it. Integers that do not fit are kept as text so that they can be named; no key takes a float or a
/// date, so that those have no value here.
#[derive(Debug, Clone)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    HugeInteger(String),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key itself stands.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Value {
    /// The value's type with its article, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) | Self::HugeInteger(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date or time",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads TOML. All syntax errors are reported; the tree holds what could be understood nevertheless.
pub(super) fn read(text: &str, file: &Arc<Path>) -> (Node, Vec<ConfigProblem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let place = |offset| place(text, offset, file);
    let problems = errors
        .iter()
        .map(|error| {
            let origin = error.span().map_or(Origin::File(file.clone()), |span| place(span.start));
            ConfigProblem::new(ProblemKind::Syntax, origin, KeyPath::default(), error.message())
        })
        .collect();
    (Node { value: convert_table(table.get_ref(), &place), origin: Origin::File(file.clone()), raw: None }, problems)
}

/// Reads the value of an environment variable as a TOML value: `true`, `7`, `"x"`, `["a", "b"]`; anything that is none
/// is the string itself.
pub(super) fn read_variable(text: &str, variable: &str) -> Node {
    let origin = Origin::Environment(variable.into());
    let value = match DeValue::parse(text) {
        Ok(value) => convert(value.get_ref(), &|_| origin.clone()),
        Err(_) => Value::String(text.into()),
    };
    Node { value, origin, raw: Some(text.into()) }
}

fn convert_node(value: &Spanned<DeValue<'_>>, origin_at: &dyn Fn(usize) -> Origin) -> Node {
    Node { value: convert(value.get_ref(), origin_at), origin: origin_at(value.span().start), raw: None }
}

fn convert(value: &DeValue<'_>, origin_at: &dyn Fn(usize) -> Origin) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => convert_integer(integer),
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => Value::Array(items.iter().map(|item| convert_node(item, origin_at)).collect()),
        DeValue::Table(table) => convert_table(table, origin_at),
    }
}

fn convert_integer(integer: &DeInteger<'_>) -> Value {
    match i64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(value) => Value::Integer(value),
        Err(_) => Value::HugeInteger(integer.to_string()),
    }
}

fn convert_table(table: &DeTable<'_>, origin_at: &dyn Fn(usize) -> Origin) -> Value {
    let entry = |(key, value): (&Spanned<_>, &Spanned<_>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        Entry {
            key: key.get_ref().to_string(),
            origin: origin_at(key.span().start),
            node: convert_node(value, origin_at),
        }
    };
    Value::Table(table.iter().map(entry).collect())
}

/// The line and column of a byte.
fn place(text: &str, offset: usize, file: &Arc<Path>) -> Origin {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Origin::Place {
        file: file.clone(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
