//! The binary format of `COPY` (PostgreSQL documentation, "COPY", section "Binary Format").

use std::sync::Arc;

use crate::value::{AttributeValue, EntityId};

/// Microseconds from the Unix epoch to that of Postgres, 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The object id of type `text`.
const TEXT_OID: u32 = 25;

/// Rows on their way into a table.
pub(super) struct Rows(Vec<u8>);

impl Default for Rows {
    fn default() -> Self {
        let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
        // No flags, no extension of the header.
        bytes.extend([0; 8]);
        Self(bytes)
    }
}

impl Rows {
    /// A row of so many fields begins.
    pub(super) fn begin(&mut self, fields: usize) {
        self.0.extend((fields as i16).to_be_bytes());
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend((-1_i16).to_be_bytes());
        self.0
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.extend((bytes.len() as i32).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn null(&mut self) {
        self.0.extend((-1_i32).to_be_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    /// Of type `int8`, `uuid` or `text`.
    pub(super) fn id(&mut self, id: &EntityId) {
        match id {
            EntityId::Integer(number) => self.field(&number.to_be_bytes()),
            EntityId::Uuid(uuid) => self.field(uuid.as_bytes()),
            EntityId::Text(text) => self.text(text),
        }
    }

    /// Of the type that [`super::ddl::attribute_type`] names.
    pub(super) fn value(&mut self, value: &AttributeValue) {
        match value {
            AttributeValue::Null => self.null(),
            AttributeValue::Text(text) => self.text(text),
            AttributeValue::Integer(number) => self.field(&number.to_be_bytes()),
            AttributeValue::Float(number) => self.field(&number.to_be_bytes()),
            AttributeValue::Boolean(truth) => self.field(&[u8::from(*truth)]),
            AttributeValue::Timestamp(micros) => self.field(&micros.saturating_sub(POSTGRES_EPOCH).to_be_bytes()),
            AttributeValue::Keywords(words) => self.texts(words),
        }
    }

    /// Of type `text[]`.
    fn texts(&mut self, words: &[Arc<str>]) {
        let mut array = Vec::new();
        let dimensions: i32 = i32::from(!words.is_empty());
        array.extend(dimensions.to_be_bytes());
        array.extend(0_i32.to_be_bytes());
        array.extend(TEXT_OID.to_be_bytes());
        if !words.is_empty() {
            array.extend((words.len() as i32).to_be_bytes());
            array.extend(1_i32.to_be_bytes());
        }
        for word in words {
            array.extend((word.len() as i32).to_be_bytes());
            array.extend_from_slice(word.as_bytes());
        }
        self.field(&array);
    }

    /// Of pgvector's type `vector`.
    pub(super) fn vector(&mut self, values: &[f32]) {
        let mut bytes = Vec::with_capacity(4 + 4 * values.len());
        bytes.extend((values.len() as u16).to_be_bytes());
        bytes.extend([0; 2]);
        for value in values {
            bytes.extend(value.to_be_bytes());
        }
        self.field(&bytes);
    }
}
