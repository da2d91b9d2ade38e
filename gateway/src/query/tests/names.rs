//! How names, defaults and limits of a schema are resolved.

use std::{sync::Arc, time::Duration};

use crate::{
    catalog::CollectionSchema,
    planner::PlanKind,
    problem::Code,
    query::{
        Anchors, CacheMode, Direction, Explain, NodeRef, OnDeadline, Options, Parsed, Priority, QueryError,
        testing::{everything, packages, understand},
    },
    value::{EntityId, IdType},
};

fn parsed(rest: &str, schema: &CollectionSchema) -> Result<Parsed, QueryError> {
    understand(format!(r#"{{"collection":"x"{rest}}}"#).as_bytes(), schema)
}

fn code(rest: &str, schema: &CollectionSchema) -> (Code, String) {
    let error = parsed(rest, schema).expect_err(rest);
    (error.code, error.pointer)
}

fn with(schema: &Arc<CollectionSchema>, change: impl FnOnce(&mut CollectionSchema)) -> CollectionSchema {
    let mut schema = CollectionSchema::clone(schema);
    change(&mut schema);
    schema
}

#[test]
fn the_only_vector_needs_no_name_and_of_several_one_must_be_default() {
    let schema = everything(IdType::Integer);
    let space = |rest: &str, schema: &CollectionSchema| parsed(rest, schema).unwrap().query.vector.unwrap().space;
    assert_eq!(space(r#","vector":{"like":1}"#, &schema), 0);
    assert_eq!(space(r#","vector":{"like":1,"name":"image"}"#, &schema), 1);
    let only = with(&schema, |schema| drop(schema.vectors.remove(0)));
    assert_eq!(space(r#","vector":{"like":1}"#, &only), 0);
    let renamed = with(&schema, |schema| schema.vectors[0].name = "abstract".into());
    assert_eq!(code(r#","vector":{"like":1}"#, &renamed), (Code::MissingField, "/vector".into()));
    let none = with(&schema, |schema| schema.vectors.clear());
    assert_eq!(code(r#","vector":{"like":1}"#, &none), (Code::UnknownVector, "/vector".into()));
    let seeds = r#","within":{"from":{"vector":{"like":1},"top":1}}"#;
    assert_eq!(code(seeds, &none), (Code::UnknownVector, "/within/from/vector".into()));
}

#[test]
fn walks_need_a_graph() {
    let schema = with(&packages(), |schema| schema.graph = None);
    assert_eq!(code(r#","within":{"from":["a"]}"#, &schema), (Code::NoGraph, "/within".into()));
    assert_eq!(code(r#","expand":{}"#, &schema), (Code::NoGraph, "/expand".into()));
    assert!(parsed(r#","within":null,"include":{"paths":true}"#, &schema).is_ok());
}

#[test]
fn a_text_needs_an_embedder() {
    let schema = with(&packages(), |schema| schema.embedding_version = None);
    let expected = (Code::EmbedderNotConfigured, "/vector/text".to_owned());
    assert_eq!(code(r#","vector":{"text":"editor"}"#, &schema), expected);
    let combined = r#","vector":{"combine":[{"text":"editor"}]}"#;
    assert_eq!(code(combined, &schema), (Code::EmbedderNotConfigured, "/vector/combine/0/text".into()));
}

#[test]
fn zero_has_no_direction_under_cosine_only() {
    let schema = everything(IdType::Integer);
    assert_eq!(code(r#","vector":{"values":[0,0,0]}"#, &schema), (Code::ZeroVector, "/vector/values".into()));
    assert!(parsed(r#","vector":{"name":"image","values":[0,-0.0]}"#, &schema).is_ok());
}

#[test]
fn a_component_that_rounds_to_minus_zero_is_zero() {
    let schema = everything(IdType::Integer);
    let text =
        |values: &str| parsed(&format!(r#","vector":{{"values":{values}}}"#), &schema).unwrap().query.print(&schema);
    assert_eq!(text("[1,0,-1e-60]"), text("[1,0,0]"));
}

#[test]
fn an_integer_id_may_be_a_json_integer_or_its_canonical_digits() {
    let schema = everything(IdType::Integer);
    let text = |filter: &str| parsed(&format!(r#","filter":{{"id":{filter}}}"#), &schema).unwrap().query.print(&schema);
    assert_eq!(text("7"), text(r#""7""#));
    assert_eq!(text("7.0"), text(r#""7""#));
    for bad in [r#""07""#, r#""+7""#, "7.5", "9223372036854775808", "true"] {
        assert_eq!(code(&format!(r#","filter":{{"id":{bad}}}"#), &schema).0, Code::TypeMismatch, "{bad}");
        assert_eq!(code(&format!(r#","vector":{{"like":{bad}}}"#), &schema).0, Code::WrongType, "{bad}");
    }
    let uuids = everything(IdType::Uuid);
    let like = |id: &str| parsed(&format!(r#","vector":{{"like":"{id}"}}"#), &uuids).map(|parsed| parsed.query);
    assert_eq!(
        like("67E5504410B1426F9247BB680E5FE0C8").unwrap(),
        like("67e55044-10b1-426f-9247-bb680e5fe0c8").unwrap()
    );
    assert!(like("67e55044").is_err());
}

#[test]
fn anchors_are_labelled_where_there_are_several_labels() {
    let schema = everything(IdType::Integer);
    let rest = r#","within":{"from":[{"label":"Paper","id":2},{"id":"1","label":"Author"},{"label":"Paper","id":2}]}"#;
    let within = parsed(rest, &schema).unwrap().query.within.unwrap();
    let node = |label, id| NodeRef { label, id: EntityId::Integer(id) };
    assert_eq!(within.from, Anchors::Nodes(vec![node(0, 1), node(1, 2)]));
    assert_eq!((within.walk.edges, within.walk.direction, within.walk.hops), (vec![0, 1], Direction::Out, 1));
    assert_eq!(code(r#","within":{"from":[1]}"#, &schema), (Code::WrongType, "/within/from/0".into()));
    assert_eq!(code(r#","within":{"from":[{"id":1}]}"#, &schema), (Code::MissingField, "/within/from/0".into()));
}

#[test]
fn seeds_may_answer_unless_told_otherwise_and_named_anchors_may_not() {
    let schema = everything(IdType::Integer);
    let kept = |rest: &str| parsed(rest, &schema).unwrap().query.within.unwrap().include_anchors;
    assert!(!kept(r#","within":{"from":[{"label":"Paper","id":2}]}"#));
    assert!(kept(r#","within":{"from":{"vector":{"like":1},"top":2}}"#));
    assert!(!kept(r#","within":{"from":{"vector":{"like":1},"top":2},"include_anchors":false}"#));
}

#[test]
fn limits_of_the_collection_bound_defaults_too() {
    let small = with(&everything(IdType::Integer), |schema| schema.limits.max_limit = 3);
    let query = parsed(r#","expand":{}"#, &small).unwrap().query;
    assert_eq!((query.limit, query.expand.unwrap().per_item), (3, 5));
    assert_eq!(code(r#","limit":4"#, &small), (Code::OutOfRange, "/limit".into()));
}

#[test]
fn a_filter_may_have_just_so_many_operators() {
    let schema = everything(IdType::Integer);
    let or = |n: usize| {
        let parts: Vec<_> = (0..n).map(|value| format!(r#"{{"count":{value}}}"#)).collect();
        format!(r#","filter":{{"$or":[{}]}}"#, parts.join(","))
    };
    assert!(parsed(&or(99), &schema).is_ok());
    assert_eq!(code(&or(100), &schema), (Code::OutOfRange, "/filter".into()));
}

#[test]
fn options_are_read_and_are_no_part_of_the_query() {
    let schema = everything(IdType::Integer);
    let all = r#","options":{"priority":"batch","deadline_ms":250,"on_deadline":"partial","cache":"only",
        "max_staleness_ms":0,"freshness":null,"explain":"analyze","plan":"cached-partial","variant":2}"#;
    let Parsed { query, options } = parsed(all, &schema).unwrap();
    let expected = Options {
        priority: Some(Priority::Batch),
        deadline: Some(Duration::from_millis(250)),
        on_deadline: OnDeadline::Partial,
        cache: CacheMode::Only,
        max_staleness: Some(Duration::ZERO),
        explain: Explain::Analyze,
        plan: Some(PlanKind::CachedPartial),
        variant: Some(2),
    };
    assert_eq!(options, expected);
    let plain = parsed("", &schema).unwrap();
    assert_eq!(plain.options, Options::default());
    assert_eq!(query.print(&schema), plain.query.print(&schema));
    let nulls =
        r#","options":{"priority":null,"deadline_ms":null,"on_deadline":null,"cache":null,"plan":null,"variant":null}"#;
    assert_eq!(parsed(nulls, &schema).unwrap().options, Options::default());
}

#[test]
fn timestamps_are_instants_whatever_their_offset() {
    let schema = everything(IdType::Integer);
    let text = |value: &str| {
        parsed(&format!(r#","filter":{{"created":{{"$gte":"{value}"}}}}"#), &schema).unwrap().query.print(&schema)
    };
    assert_eq!(text("2026-11-21T10:30:00+02:00"), text("2026-11-21T08:30:00.000000Z"));
    let bad = r#","filter":{"created":{"$gte":"2026-11-21T10:30:00"}}"#;
    assert_eq!(code(bad, &schema), (Code::TypeMismatch, "/filter/created/$gte".into()));
}

#[test]
fn a_combine_is_sorted_and_keeps_equal_inputs_apart() {
    let schema = everything(IdType::Integer);
    let text =
        |terms: &str| parsed(&format!(r#","vector":{{"combine":[{terms}]}}"#), &schema).unwrap().query.print(&schema);
    let a = text(r#"{"like":2},{"text":"x","weight":-0.5},{"values":[1,0,0]},{"like":1,"weight":2}"#);
    let b = text(
        r#"{"like":1,"weight":2.0},{"values":[1.0,0,-0.0],"weight":1},{"weight":1,"like":"2"},{"weight":-5e-1,"text":"x"}"#,
    );
    assert_eq!(a, b);
    assert_ne!(text(r#"{"like":2},{"like":2}"#), text(r#"{"like":2,"weight":2}"#));
    assert_ne!(text(r#"{"like":2}"#), parsed(r#","vector":{"like":2}"#, &schema).unwrap().query.print(&schema));
}
