//! Testing rows one by one.

use std::cmp::Ordering;

use super::{Leaf, Node, Predicate};
use crate::backend::embedded::{Column, Dataset};

impl Predicate {
    /// Whether a row passes.
    pub(in super::super) fn test(&self, data: &Dataset, row: u32) -> bool {
        self.0.test(data, row)
    }
}

impl Node {
    pub(super) fn test(&self, data: &Dataset, row: u32) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => false,
            Self::Leaf(leaf) => leaf.test(data, row),
            Self::Not(inner) => !inner.test(data, row),
            Self::And(parts) => parts.iter().all(|part| part.test(data, row)),
            Self::Or(parts) => parts.iter().any(|part| part.test(data, row)),
        }
    }
}

impl Leaf {
    fn test(&self, data: &Dataset, row: u32) -> bool {
        // The comparison with whatever stands at the row is cheaper than the look whether a value is there.
        match self {
            Self::Rows(rows) => rows.binary_search(&row).is_ok(),
            Self::RowRange(rows) => rows.contains(&row),
            Self::Present(index) => data.column(*index).present().contains(row),
            Self::Codes(index, wanted) => match data.column(*index) {
                Column::Text { codes, present, .. } => {
                    wanted.binary_search(&codes[row as usize]).is_ok() && present.contains(row)
                }
                _ => false,
            },
            Self::CodeRange(index, wanted) => match data.column(*index) {
                Column::Text { codes, present, .. } => wanted.contains(&codes[row as usize]) && present.contains(row),
                _ => false,
            },
            Self::Elements(index, wanted) => {
                let column = data.column(*index);
                column.elements(row).iter().any(|code| wanted.binary_search(code).is_ok())
                    && column.present().contains(row)
            }
            Self::Integers(index, wanted) => match data.column(*index) {
                Column::Integer { values, present } => {
                    wanted.binary_search(&values[row as usize]).is_ok() && present.contains(row)
                }
                _ => false,
            },
            Self::IntegerRange(index, first, last) => match data.column(*index) {
                Column::Integer { values, present } => {
                    (first..=last).contains(&&values[row as usize]) && present.contains(row)
                }
                _ => false,
            },
            Self::Floats(index, wanted) => match data.column(*index) {
                Column::Float { values, present } => {
                    let value = values[row as usize];
                    let listed = wanted.binary_search_by(|x| x.partial_cmp(&value).unwrap_or(Ordering::Less));
                    listed.is_ok() && present.contains(row)
                }
                _ => false,
            },
            Self::FloatRange(index, least, greatest) => match data.column(*index) {
                Column::Float { values, present } => {
                    (least..=greatest).contains(&&values[row as usize]) && present.contains(row)
                }
                _ => false,
            },
            Self::Boolean(index, wanted) => match data.column(*index) {
                Column::Boolean { truths, present } => truths.contains(row) == *wanted && present.contains(row),
                _ => false,
            },
        }
    }
}
