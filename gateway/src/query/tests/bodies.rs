//! Bad bodies and what is said about them: `tests/data/bad_queries.json`, which the HTTP suite sends too.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    problem::Code,
    query::{
        JsonLimits, QueryError, collection_of, parse, read_json,
        testing::{everything, packages, understand},
    },
    value::IdType,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadQuery {
    name: String,
    #[serde(default)]
    body: Option<Body>,
    #[serde(default)]
    hex: Option<String>,
    status: u16,
    code: String,
    pointer: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Repeated(Vec<(String, usize)>),
}

impl BadQuery {
    fn bytes(&self) -> Vec<u8> {
        match (&self.body, &self.hex) {
            (Some(Body::Text(text)), None) => text.clone().into_bytes(),
            (Some(Body::Repeated(parts)), None) => {
                parts.iter().map(|(text, times)| text.repeat(*times)).collect::<String>().into_bytes()
            }
            (None, Some(hex)) => {
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
            }
            _ => panic!("{}: either `body` or `hex`", self.name),
        }
    }
}

fn bad_queries() -> Vec<BadQuery> {
    let table = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/bad_queries.json"));
    serde_json::from_str(table).expect("the table is valid")
}

/// What a gateway that serves `packages` says.
fn refused(body: &[u8]) -> Result<(), QueryError> {
    let json = read_json(body, JsonLimits::default())?;
    if collection_of(&json)? != "packages" {
        return Err(QueryError::new(Code::UnknownCollection, "/collection", "there is only packages"));
    }
    parse(&json, &packages()).map(drop)
}

#[test]
fn every_bad_body_is_refused_with_its_code_and_place() {
    let mut wrong = Vec::new();
    for bad in bad_queries() {
        let seen = match refused(&bad.bytes()) {
            Ok(()) => "accepted".to_owned(),
            Err(error) => format!("{} {} {:?}", error.code.status(), error.code.as_str(), error.pointer),
        };
        let expected = format!("{} {} {:?}", bad.status, bad.code, bad.pointer);
        if seen != expected {
            wrong.push(format!("{}: expected {expected}, got {seen}", bad.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_long_and_has_every_code_of_this_room() {
    let table = bad_queries();
    assert!(table.len() >= 70, "{}", table.len());
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for bad in &table {
        *codes.entry(&bad.code).or_default() += 1;
    }
    // The demo's collection has a graph and an embedder; for these two see `names`.
    let elsewhere = [Code::NoGraph, Code::EmbedderNotConfigured];
    let ours = Code::ALL.iter().filter(|code| **code < Code::PlanNotApplicable && !elsewhere.contains(code));
    for code in ours {
        assert!(codes.contains_key(code.as_str()), "no body for {}", code.as_str());
    }
}

#[test]
fn messages_are_short_and_do_not_repeat_the_body() {
    for bad in bad_queries() {
        let error = refused(&bad.bytes()).expect_err(&bad.name);
        assert!(error.detail.len() < 500, "{}: {}", bad.name, error.detail);
        assert!(error.pointer.len() < 1_000, "{}: {}", bad.name, error.pointer);
        assert!(!error.detail.is_empty(), "{}", bad.name);
    }
}

#[test]
fn messages_say_what_was_expected() {
    let schema = everything(IdType::Integer);
    let detail = |body: &str| understand(body.as_bytes(), &schema).expect_err(body).detail;
    let body = |rest: &str| format!(r#"{{"collection":"everything",{rest}}}"#);
    insta::assert_snapshot!(detail(&body(r#""filter":{"craeted":1}"#)), @r#"the collection has no attribute "craeted"; did you mean "created"?"#);
    insta::assert_snapshot!(detail(&body(r#""filter":{"created":1}"#)), @r#""created" has type timestamp: expected a string with an RFC 3339 instant, found an integer"#);
    insta::assert_snapshot!(detail(&body(r#""filter":{"created":"yesterday"}"#)), @r#""created" has type timestamp: expected an RFC 3339 instant with an offset, such as "2026-11-21T08:30:00Z""#);
    insta::assert_snapshot!(detail(&body(r#""filter":{"kind":null}"#)), @r#""kind" has type keyword: null is no operand; use {"$exists": false} for what has no value"#);
    insta::assert_snapshot!(detail(&body(r#""filter":{"kind":{"$eqq":1}}"#)), @r#"no such operator "$eqq"; did you mean "$eq"?"#);
    insta::assert_snapshot!(detail(&body(r#""within":{"from":[1]}"#)), @r#"expected an object with `label` and `id` (the graph has several labels), found an integer"#);
    insta::assert_snapshot!(detail(&body(r#""within":{"from":[{"id":1}]}"#)), @r#"`label` is missing: expected "Author" or "Paper""#);
    insta::assert_snapshot!(detail(&body(r#""options":{"priority":"interactiv"}"#)), @r#"expected "interactive", "normal" or "batch", found "interactiv"; did you mean "interactive"?"#);
    insta::assert_snapshot!(detail(&body(r#""limit":51"#)), @r#"expected an integer from 1 to 50"#);
    insta::assert_snapshot!(detail(&body(r#""colour":1"#)), @r#"no such field; there are collection, vector, filter, within, expand, text, fusion, limit, offset, score_threshold, exact, select, include, options"#);
    insta::assert_snapshot!(detail(&body(r#""limit":1e999"#)), @r#"number out of range at line 1 column 40"#);
}
