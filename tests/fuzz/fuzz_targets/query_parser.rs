//! Any bytes: the parser refuses them or understands them, and never panics. What it says stays short.

#![no_main]

mod schemas;

use forebay::query::{JsonLimits, QueryError, collection_of, parse, read_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for schema in schemas::SCHEMAS.iter() {
        let parsed = read_json(body, JsonLimits::default()).map_err(QueryError::from).and_then(|json| {
            collection_of(&json)?;
            parse(&json, schema)
        });
        if let Err(error) = parsed {
            assert!(error.detail.len() < 1_000, "{error:?}");
            assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{error:?}");
            assert!((400..500).contains(&error.code.status()), "{error:?}");
        }
    }
});
