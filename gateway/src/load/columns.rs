//! Attributes and vectors as they are read: one slot a node, in the order of the input.

use std::{collections::HashMap, sync::Arc};

use roaring::RoaringBitmap;
use serde_json::Value;

use super::timestamp;
use crate::value::AttributeType;

/// The values of one attribute, in the order of the input.
pub(super) enum ColumnBuilder {
    Text { words: Interner, codes: Vec<u32>, present: RoaringBitmap },
    Integer { values: Vec<i64>, present: RoaringBitmap, is_timestamp: bool },
    Float { values: Vec<f64>, present: RoaringBitmap },
    Boolean { truths: RoaringBitmap, present: RoaringBitmap },
    Keywords { words: Interner, lists: Vec<Vec<u32>>, present: RoaringBitmap },
}

impl ColumnBuilder {
    pub(super) fn new(kind: AttributeType) -> Self {
        let present = RoaringBitmap::new();
        match kind {
            AttributeType::Keyword | AttributeType::Text => {
                Self::Text { words: Interner::default(), codes: Vec::new(), present }
            }
            AttributeType::Integer => Self::Integer { values: Vec::new(), present, is_timestamp: false },
            AttributeType::Timestamp => Self::Integer { values: Vec::new(), present, is_timestamp: true },
            AttributeType::Float => Self::Float { values: Vec::new(), present },
            AttributeType::Boolean => Self::Boolean { truths: RoaringBitmap::new(), present },
            AttributeType::Keywords => Self::Keywords { words: Interner::default(), lists: Vec::new(), present },
        }
    }

    /// Sets the value of a node. `false`, and nothing set, if it is not of the attribute's type. `null` is a missing
    /// value, and fits every type.
    pub(super) fn set(&mut self, node: u32, value: &Value) -> bool {
        if value.is_null() {
            return true;
        }
        let slots = node as usize + 1;
        let (present, fits) = match self {
            Self::Text { words, codes, present } => {
                let code = value.as_str().map(|text| words.code(text));
                (present, code.map(|code| put(codes, slots, code)))
            }
            Self::Integer { values, present, is_timestamp } => {
                let number = if *is_timestamp { value.as_str().and_then(timestamp::parse) } else { integer(value) };
                (present, number.map(|number| put(values, slots, number)))
            }
            Self::Float { values, present } => (present, value.as_f64().map(|number| put(values, slots, number))),
            Self::Boolean { truths, present } => {
                let truth = value.as_bool();
                if truth == Some(true) {
                    truths.insert(node);
                }
                (present, truth.map(|_| ()))
            }
            Self::Keywords { words, lists, present } => {
                let list = value.as_array().filter(|list| list.iter().all(Value::is_string));
                let codes = list.map(|list| list.iter().filter_map(Value::as_str).map(|w| words.code(w)).collect());
                (present, codes.map(|codes| put(lists, slots, codes)))
            }
        };
        if fits.is_some() {
            present.insert(node);
        }
        fits.is_some()
    }
}

fn put<T: Clone + Default>(slots: &mut Vec<T>, length: usize, value: T) {
    slots.resize(length - 1, T::default());
    slots.push(value);
}

/// The exact integer that a JSON number states: `7`, `7.0`, but of numbers with a point only those that a double holds
/// exactly together with both neighbours.
fn integer(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let with_point = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < EXACT);
    match value {
        Value::Number(number) if number.is_f64() => with_point().map(|number| number as i64),
        other => other.as_i64(),
    }
}

/// Distinct words, numbered as they come.
#[derive(Default)]
pub(super) struct Interner {
    codes: HashMap<Arc<str>, u32>,
}

impl Interner {
    fn code(&mut self, word: &str) -> u32 {
        if let Some(code) = self.codes.get(word) {
            return *code;
        }
        let code = self.codes.len() as u32;
        self.codes.insert(word.into(), code);
        code
    }

    /// The words in the order of their bytes, and each word's place there by its old code.
    pub(super) fn sorted(self) -> (Vec<Arc<str>>, Vec<u32>) {
        let mut words: Vec<(Arc<str>, u32)> = self.codes.into_iter().collect();
        words.sort_unstable();
        let mut places = vec![0; words.len()];
        for (place, (_, code)) in words.iter().enumerate() {
            places[*code as usize] = place as u32;
        }
        (words.into_iter().map(|(word, _)| word).collect(), places)
    }
}

/// The vectors of one space, in the order of the input.
pub(super) struct VectorBuilder {
    pub(super) dimensions: usize,
    /// The node of each vector.
    pub(super) nodes: Vec<u32>,
    /// Their components, one vector after the other.
    pub(super) values: Vec<f32>,
    seen: RoaringBitmap,
}

/// Why a vector is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    WrongDimension,
    NotFinite,
    Twice,
}

impl VectorBuilder {
    pub(super) fn new(dimensions: usize) -> Self {
        Self { dimensions, nodes: Vec::new(), values: Vec::new(), seen: RoaringBitmap::new() }
    }

    /// Takes the vector of a node.
    pub(super) fn add(&mut self, node: u32, vector: &[f32]) -> Result<(), Refusal> {
        if vector.len() != self.dimensions {
            return Err(Refusal::WrongDimension);
        }
        if !vector.iter().all(|component| component.is_finite()) {
            return Err(Refusal::NotFinite);
        }
        if !self.seen.insert(node) {
            return Err(Refusal::Twice);
        }
        self.nodes.push(node);
        self.values.extend_from_slice(vector);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_stay_exact_or_are_refused() {
        let exact = |text: &str| integer(&serde_json::from_str(text).unwrap());
        assert_eq!(exact("9007199254740993"), Some(9_007_199_254_740_993));
        assert_eq!(exact("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(exact("7.0"), Some(7));
        for inexact in ["9223372036854775808", "9007199254740993.0", "1e300", "0.5", "\"7\"", "true"] {
            assert_eq!(exact(inexact), None, "{inexact}");
        }
    }

    #[test]
    fn a_value_of_another_type_leaves_the_column_as_it_was() {
        let kinds = [
            (AttributeType::Keyword, json!("a"), vec![json!(1), json!(["a"]), json!(true)]),
            (AttributeType::Text, json!("a"), vec![json!(1), json!({})]),
            (AttributeType::Integer, json!(1), vec![json!("1"), json!(1.5), json!([1])]),
            (AttributeType::Float, json!(1), vec![json!("1"), json!(false)]),
            (AttributeType::Boolean, json!(true), vec![json!("true"), json!(0)]),
            (AttributeType::Timestamp, json!("2024-01-01T00:00:00Z"), vec![json!(0), json!("yesterday")]),
            (AttributeType::Keywords, json!(["a"]), vec![json!("a"), json!(["a", 1]), json!([null])]),
        ];
        for (kind, good, bad) in kinds {
            let mut column = ColumnBuilder::new(kind);
            assert!(column.set(0, &good), "{kind:?}");
            for (node, value) in bad.iter().enumerate() {
                assert!(!column.set(node as u32 + 1, value), "{kind:?} {value}");
            }
            assert!(column.set(9, &Value::Null));
            let (Column::Text { present, .. }
            | Column::Integer { present, .. }
            | Column::Float { present, .. }
            | Column::Boolean { present, .. }
            | Column::Keywords { present, .. }) = column;
            assert_eq!(present.iter().collect::<Vec<_>>(), [0], "{kind:?}");
        }
    }

    use ColumnBuilder as Column;
}
