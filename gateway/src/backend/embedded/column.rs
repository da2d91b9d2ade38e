//! Reading single values of a column.

use super::Column;
use crate::value::{AttributeType, AttributeValue};

impl Column {
    /// The value of a row, of an attribute of this type.
    pub(crate) fn value(&self, row: u32, kind: AttributeType) -> AttributeValue {
        if !self.present().contains(row) {
            return AttributeValue::Null;
        }
        match self {
            Self::Text { dictionary, codes, .. } => {
                AttributeValue::Text(dictionary[codes[row as usize] as usize].clone())
            }
            Self::Integer { values, .. } if kind == AttributeType::Timestamp => {
                AttributeValue::Timestamp(values[row as usize])
            }
            Self::Integer { values, .. } => AttributeValue::Integer(values[row as usize]),
            Self::Float { values, .. } => AttributeValue::Float(values[row as usize]),
            Self::Boolean { truths, .. } => AttributeValue::Boolean(truths.contains(row)),
            Self::Keywords { dictionary, .. } => AttributeValue::Keywords(
                self.elements(row).iter().map(|code| dictionary[*code as usize].clone()).collect(),
            ),
        }
    }

    /// The codes of a row's list; none for other columns.
    pub(crate) fn elements(&self, row: u32) -> &[u32] {
        match self {
            Self::Keywords { offsets, codes, .. } => {
                &codes[offsets[row as usize] as usize..offsets[row as usize + 1] as usize]
            }
            _ => &[],
        }
    }
}
