//! x
use super::{Json, Options, Query, QueryError};
use crate::catalog::CollectionSchema;
/// A query as it was sent: what is asked for, and how.
pub struct Parsed {
    /// x
    pub query: Query,
    /// x
    pub options: Options,
}
/// x
pub fn parse(_body: &Json, _schema: &CollectionSchema) -> Result<Parsed, QueryError> {
    unreachable!()
}
