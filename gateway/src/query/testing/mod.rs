//! What tests of queries share: schemas, random canonical queries, rewrites that keep the meaning, changes that do not.

mod change;
mod rewrite;
mod strategy;

use std::sync::Arc;

pub(crate) use change::changes;
pub(crate) use rewrite::rewrite;
pub(crate) use strategy::{filters, queries};

use super::{JsonLimits, Parsed, QueryError, collection_of, parse, read_json};
use crate::{catalog::CollectionSchema, value::IdType};

/// The collection of the demo.
pub(crate) fn packages() -> Arc<CollectionSchema> {
    schema(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/packages_schema.json")))
}

/// One of everything that a schema can have, with small limits.
pub(crate) fn everything(id_type: IdType) -> Arc<CollectionSchema> {
    let mut schema = schema(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/everything_schema.json")));
    Arc::make_mut(&mut schema).id_type = id_type;
    schema
}

fn schema(json: &str) -> Arc<CollectionSchema> {
    serde_json::from_str(json).expect("the schema is valid")
}

/// From bytes to a query, as the gateway does it.
pub(crate) fn understand(body: &[u8], schema: &CollectionSchema) -> Result<Parsed, QueryError> {
    let json = read_json(body, JsonLimits::default())?;
    collection_of(&json)?;
    parse(&json, schema)
}
