//! The collections that fuzzed queries ask.

use std::sync::LazyLock;

use forebay::catalog::CollectionSchema;

/// The demo's, and one with every type, two vectors, two node labels and small limits.
pub static SCHEMAS: LazyLock<[CollectionSchema; 2]> = LazyLock::new(|| {
    [include_str!("../../data/packages_schema.json"), include_str!("../../data/everything_schema.json")]
        .map(|json| serde_json::from_str(json).expect("the schema is valid"))
});
