//! x
use super::Query;
use crate::catalog::CollectionSchema;
pub(super) fn print(_q: &Query, _s: &CollectionSchema) -> String {
    String::new()
}
