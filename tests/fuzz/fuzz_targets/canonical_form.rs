//! Any query: its canonical text parses as the same query, and prints as itself.

#![no_main]

mod schemas;

use forebay::{
    catalog::CollectionSchema,
    query::{JsonLimits, Query, QueryError, parse, read_json},
};
use libfuzzer_sys::fuzz_target;

fn query(body: &[u8], schema: &CollectionSchema) -> Result<Query, QueryError> {
    let json = read_json(body, JsonLimits::default())?;
    parse(&json, schema).map(|parsed| parsed.query)
}

fuzz_target!(|body: &[u8]| {
    for schema in schemas::SCHEMAS.iter() {
        let Ok(first) = query(body, schema) else { continue };
        let text = first.print(schema);
        let again = query(text.as_bytes(), schema).unwrap_or_else(|error| panic!("{error:?} in {text}"));
        assert_eq!(again, first, "{text}");
        assert_eq!(again.print(schema), text);
    }
});
