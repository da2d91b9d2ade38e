//! What is wrong with a query, and where.

use crate::problem::Code;

/// A query that cannot be understood. The caller can mend it: none of these is worth a retry as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct QueryError {
    /// The stable code.
    pub code: Code,
    /// RFC 6901 pointer to the field; empty for the whole body.
    pub pointer: String,
    /// What was expected, and what was there.
    pub detail: String,
}

impl QueryError {
    /// An error at a field.
    pub fn new(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, pointer: pointer.into(), detail: detail.into() }
    }
}
