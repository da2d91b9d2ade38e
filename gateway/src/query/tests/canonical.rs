//! One text per meaning.

use std::sync::Arc;

use proptest::prelude::*;

use crate::{
    catalog::CollectionSchema,
    query::{
        Query,
        testing::{changes, everything, packages, queries, rewrite, understand},
    },
    value::IdType,
};

/// Number of random cases a property; a longer search sets `FOREBAY_PROPTEST_CASES`.
fn cases() -> ProptestConfig {
    let cases = std::env::var("FOREBAY_PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn schemas_and_queries() -> impl Strategy<Value = (Arc<CollectionSchema>, Query)> {
    let schemas = prop_oneof![
        3 => Just(everything(IdType::Integer)),
        1 => Just(everything(IdType::Uuid)),
        1 => Just(everything(IdType::Text)),
        1 => Just(packages()),
    ];
    schemas.prop_flat_map(|schema| (Just(schema.clone()), queries(&schema)))
}

fn parsed(body: &str, schema: &CollectionSchema) -> Query {
    understand(body.as_bytes(), schema).unwrap_or_else(|error| panic!("{error:?} in {body}")).query
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_printed_query_parses_as_itself((schema, query) in schemas_and_queries()) {
        let text = query.print(&schema);
        let again = parsed(&text, &schema);
        prop_assert_eq!(&again, &query, "{}", text);
        prop_assert_eq!(again.print(&schema), text);
    }

    #[test]
    fn another_spelling_has_the_same_canonical_text((schema, query) in schemas_and_queries(), seed in any::<u64>()) {
        let text = query.print(&schema);
        let spelling = rewrite(&text, &schema, seed);
        let respelt = parsed(&spelling, &schema);
        prop_assert_eq!(respelt.key_bytes(&schema), query.key_bytes(&schema), "{}", spelling);
        prop_assert_eq!(respelt.print(&schema), text, "{}", spelling);
    }

    #[test]
    fn another_meaning_has_another_canonical_text((schema, query) in schemas_and_queries()) {
        let text = query.print(&schema);
        for other in changes(&query, &schema) {
            let changed = other.print(&schema);
            prop_assert_ne!(&changed, &text);
            prop_assert_ne!(other.key_bytes(&schema), query.key_bytes(&schema));
            prop_assert_eq!(parsed(&changed, &schema), other);
        }
    }

    #[test]
    fn queries_are_equal_just_when_their_texts_are(
        (a, b) in Just(everything(IdType::Text)).prop_flat_map(|schema| (queries(&schema), queries(&schema))),
    ) {
        let schema = everything(IdType::Text);
        prop_assert_eq!(a == b, a.print(&schema) == b.print(&schema));
        prop_assert_eq!(a == b, a.key_bytes(&schema) == b.key_bytes(&schema));
    }
}

/// The documented rewrites, one by one: every body of a group has the same canonical text.
#[test]
fn documented_rewrites_are_one_query() {
    let groups: &[&[&str]] = &[
        &[
            r#"{"section":"x","kind":"y"}"#,
            r#"{"kind":"y","section":"x"}"#,
            r#"{"$and":[{"section":"x"},{"kind":"y"}]}"#,
        ],
        &[r#"{"section":{"$in":["b","a"]}}"#, r#"{"section":{"$in":["a","b","a"]}}"#],
        &[
            r#"{"section":"x"}"#,
            r#"{"section":{"$eq":"x"}}"#,
            r#"{"section":{"$in":["x"]}}"#,
            r#"{"$not":{"$not":{"section":"x"}}}"#,
        ],
        &[
            r#"{"$and":[{"section":"x"},{"$and":[{"kind":"y"},{"source":"z"}]}]}"#,
            r#"{"section":"x","kind":"y","source":"z"}"#,
        ],
        &[r#"{"section":{"$ne":"x"}}"#, r#"{"section":{"$not":{"$eq":"x"}}}"#, r#"{"$not":{"section":"x"}}"#],
        &[r#"{"section":{"$nin":["x","y"]}}"#, r#"{"section":{"$not":{"$in":["y","x"]}}}"#],
        &[r#"{"installed_size_kb":1}"#, r#"{"installed_size_kb":1.0}"#, r#"{"installed_size_kb":1e0}"#],
        &[r#"{"installed_size_kb":-0}"#, r#"{"installed_size_kb":0}"#, r#"{"installed_size_kb":-0.0}"#],
        &[
            r#"{"tags":{"$all":["a","b"]}}"#,
            r#"{"tags":{"$all":["b","a","b"]}}"#,
            r#"{"$and":[{"tags":"a"},{"tags":"b"}]}"#,
        ],
        &[r#"{"tags":{"$any":["a"]}}"#, r#"{"tags":"a"}"#, r#"{"tags":{"$in":["a"]}}"#],
        &[r#"{"section":{"$exists":false}}"#, r#"{"section":{"$not":{"$exists":true}}}"#],
        &[
            r#"{}"#,
            r#"{"$and":[]}"#,
            r#"{"section":{}}"#,
            r#"{"tags":{"$all":[]}}"#,
            r#"{"id":{"$exists":true}}"#,
            "null",
        ],
        &[r#"{"$or":[]}"#, r#"{"section":{"$in":[]}}"#, r#"{"tags":{"$any":[]}}"#, r#"{"$not":{}}"#],
    ];
    let schema = packages();
    let text =
        |filter: &&str| parsed(&format!(r#"{{"collection":"packages","filter":{filter}}}"#), &schema).print(&schema);
    let texts: Vec<_> = groups.iter().map(|group| text(&group[0])).collect();
    for (group, expected) in groups.iter().zip(&texts) {
        for filter in *group {
            assert_eq!(text(filter), *expected, "{filter}");
        }
    }
    for (index, one) in texts.iter().enumerate() {
        assert!(!texts[..index].contains(one), "two groups have one text: {one}");
    }
}

#[test]
fn a_negated_comparison_is_never_turned_around() {
    let schema = packages();
    let text =
        |filter: &str| parsed(&format!(r#"{{"collection":"packages","filter":{filter}}}"#), &schema).print(&schema);
    assert_ne!(text(r#"{"installed_size_kb":{"$not":{"$gt":5}}}"#), text(r#"{"installed_size_kb":{"$lte":5}}"#));
    assert_ne!(text(r#"{"installed_size_kb":{"$not":{"$lt":5}}}"#), text(r#"{"installed_size_kb":{"$gte":5}}"#));
}

#[test]
fn integers_beyond_two_to_the_53_stay_exact() {
    let schema = packages();
    let text = |n: &str| {
        parsed(&format!(r#"{{"collection":"packages","filter":{{"installed_size_kb":{n}}}}}"#), &schema).print(&schema)
    };
    assert_ne!(text("9007199254740993"), text("9007199254740992"));
    assert_ne!(text("9223372036854775807"), text("9223372036854775806"));
    assert_eq!(text("-9223372036854775808"), text("-9223372036854775808.0"));
}

#[test]
fn the_canonical_text_writes_everything_out() {
    let schema = everything(IdType::Integer);
    let body = r#"{
        "collection": "everything", "vector": {"like": 7}, "within": {"from": [{"label": "Author", "id": 1}]},
        "filter": {"kind": "x", "count": {"$lt": 5}}, "select": [], "options": {"explain": "plan", "cache": "bypass"}
    }"#;
    insta::assert_snapshot!(parsed(body, &schema).print(&schema), @r#"{"collection":"everything","vector":{"name":"default","like":"7"},"filter":{"$and":[{"kind":"x"},{"count":{"$lt":5}}]},"within":{"from":[{"label":"Author","id":"1"}],"edges":["cites","wrote"],"direction":"out","hops":1,"include_anchors":false},"expand":null,"limit":10,"offset":0,"score_threshold":null,"exact":false,"select":[],"include":{"scores":true,"paths":false,"vectors":false}}"#);
    let defaults = parsed(r#"{"collection":"everything"}"#, &schema).print(&schema);
    insta::assert_snapshot!(defaults, @r#"{"collection":"everything","vector":null,"filter":{},"within":null,"expand":null,"limit":10,"offset":0,"score_threshold":null,"exact":false,"select":["a/b~c","active","body","count","created","kind","labels","ratio","topics"],"include":{"scores":true,"paths":false,"vectors":false}}"#);
}
