//! A filter in the making: its JSON, and the rows that pass it.

use roaring::RoaringBitmap;
use serde_json::{Map, Value, json};

/// A filter and what it lets through.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// The filter object.
    pub(super) json: Map<String, Value>,
    /// Entities that pass.
    pub(super) rows: RoaringBitmap,
    /// Attributes and operators.
    pub(super) form: String,
}

impl Clause {
    /// One condition on one field.
    pub(super) fn leaf(field: &str, condition: Value, operator: &str, rows: RoaringBitmap) -> Self {
        Self { json: Map::from_iter([(field.to_owned(), condition)]), rows, form: format!("{field} {operator}") }
    }

    /// All hold. Fields that are named once stand side by side, others under `$and`.
    pub(super) fn and(self, other: Self) -> Self {
        let rows = &self.rows & &other.rows;
        let form = format!("{} & {}", self.form, other.form);
        let json = if self.json.keys().any(|key| other.json.contains_key(key)) {
            Map::from_iter([("$and".to_owned(), json!([self.json, other.json]))])
        } else {
            self.json.into_iter().chain(other.json).collect()
        };
        Self { json, rows, form }
    }

    /// One holds.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self {
            rows: &self.rows | &other.rows,
            form: format!("({} | {})", self.form, other.form),
            json: Map::from_iter([("$or".to_owned(), json!([self.json, other.json]))]),
        }
    }

    /// It does not hold.
    pub(super) fn negate(self, entities: &RoaringBitmap) -> Self {
        Self {
            rows: entities - &self.rows,
            form: format!("not {}", self.form),
            json: Map::from_iter([("$not".to_owned(), Value::Object(self.json))]),
        }
    }
}
