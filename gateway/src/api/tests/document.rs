//! `/openapi.json` against what is really there.

use serde_json::{Value, json};

use crate::{
    api::{collections, openapi_document},
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    problem::{Code, Problem},
    request::{
        AnswerBody, Attributes, BatchBody, BatchResult, Item, NeighbourBody, PathBody, ProblemBody, Scores, StepBody,
        StepDirection, Vectors, Warning, WarningCode,
    },
    value::{AttributeType, AttributeValue, EntityId, IdType},
};

fn document() -> Value {
    serde_json::from_str(&openapi_document()).unwrap()
}

/// A validator for one of the document's schemas.
fn validator(name: &str) -> jsonschema::Validator {
    let mut schema = document();
    assert!(schema["components"]["schemas"].get(name).is_some(), "there is no schema {name}");
    schema["$ref"] = json!(format!("#/components/schemas/{name}"));
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn assert_valid(name: &str, value: &Value) {
    let validator = validator(name);
    let errors: Vec<_> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
}

fn text(value: &str) -> EntityId {
    EntityId::Text(value.into())
}

fn full_item() -> Item {
    let steps = vec![StepBody { edge: "depends".into(), direction: StepDirection::In, to: text("gimp") }];
    let path = PathBody { from: text("libgtk-3-0"), steps };
    Item {
        id: text("gimp"),
        score: Some(0.5),
        attributes: Some(Attributes(vec![
            ("installed_size_kb".into(), AttributeValue::Integer(7)),
            ("ratio".into(), AttributeValue::Float(0.5)),
            ("section".into(), AttributeValue::Text("graphics".into())),
            ("tags".into(), AttributeValue::Keywords(vec!["a".into()])),
            ("missing".into(), AttributeValue::Null),
            ("when".into(), AttributeValue::Timestamp(0)),
        ])),
        scores: Some(Scores { vector: Some(0.5) }),
        paths: Some(vec![path.clone()]),
        neighbours: Some(vec![NeighbourBody { id: text("libc6"), hops: 1, path: Some(path) }]),
        vectors: Some(Vectors(vec![("default".into(), Some([0.5].into())), ("other".into(), None)])),
    }
}

fn answer() -> AnswerBody {
    let warning = Warning { code: WarningCode::UnknownAnchor, message: "x".into(), id: Some("y".into()) };
    AnswerBody { items: vec![Item::new(text("a")), full_item()], warnings: vec![warning], ..AnswerBody::default() }
}

#[test]
fn answers_are_as_documented() {
    assert_valid("AnswerBody", &serde_json::to_value(AnswerBody::default()).unwrap());
    assert_valid("AnswerBody", &serde_json::to_value(answer()).unwrap());
    let mut wrong = serde_json::to_value(answer()).unwrap();
    wrong["items"][1]["score"] = json!("high");
    assert!(!validator("AnswerBody").is_valid(&wrong), "a schema that takes everything says nothing");
}

#[test]
fn batches_and_problems_are_as_documented() {
    let problem = Problem { pointer: Some("/limit".into()), ..Problem::new(Code::OutOfRange, "x") };
    let problem = ProblemBody::new(&problem, "r");
    assert_valid("Problem", &serde_json::to_value(&problem).unwrap());
    let body = serde_json::value::to_raw_value(&answer()).unwrap();
    let batch = BatchBody {
        results: vec![
            BatchResult::Answered { status: 200, body },
            BatchResult::Failed { status: 400, problem: problem.into() },
        ],
    };
    // A raw value keeps itself only in text.
    let batch = serde_json::from_str(&serde_json::to_string(&batch).unwrap()).unwrap();
    assert_valid("BatchBody", &batch);
}

#[test]
fn collections_are_as_documented() {
    let name = |text: &str| text.into();
    let schema = CollectionSchema {
        name: name("packages"),
        id_type: IdType::Text,
        attributes: vec![AttributeSchema { name: name("section"), kind: AttributeType::Keyword }],
        vectors: vec![VectorSchema { name: name("default"), dimensions: 384, metric: Metric::Cosine }],
        graph: Some(GraphSchema { labels: vec![name("Package")], entity_label: 0, edges: vec![name("depends")] }),
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    };
    let described = serde_json::to_value(collections::describe(&schema)).unwrap();
    assert_valid("CollectionBody", &described);
    assert_eq!(described["attributes"], json!([{"name": "section", "type": "keyword"}]));
    assert_eq!(described["vectors"], json!([{"name": "default", "dimensions": 384, "metric": "cosine"}]));
    assert_eq!(described["graph"], json!({"labels": ["Package"], "entity_label": "Package", "edges": ["depends"]}));
    assert_eq!(described["limits"]["max_limit"], 1000);
}

#[test]
fn queries_can_be_checked_before_they_are_sent() {
    let query = json!({
        "collection": "packages",
        "vector": {"combine": [{"like": "gimp"}, {"text": "viewer", "weight": -0.5}, {"values": [0.5, 1]}]},
        "filter": {"section": "graphics", "size": {"$lt": 20000, "$not": {"$in": [1, 2]}}, "tags": {"$all": ["x"]},
                   "$or": [{"id": {"$ne": "a"}}, {"$not": {"section": {"$exists": false}}}]},
        "within": {"from": ["libgtk-3-0", {"label": "Package", "id": "x"}], "edges": ["depends"], "direction": "in", "hops": 2},
        "expand": {"edges": ["depends"], "direction": "out", "hops": 1, "per_item": 20},
        "limit": 10, "offset": 0, "score_threshold": null, "exact": false, "select": ["summary"],
        "include": {"scores": true, "paths": false, "vectors": false},
        "options": {"priority": "interactive", "deadline_ms": 250, "on_deadline": "error", "cache": "default",
                    "max_staleness_ms": null, "freshness": null, "explain": "none", "plan": "graph-first"}
    });
    assert_valid("QueryRequest", &query);
    assert_valid("BatchRequest", &json!({"queries": [query]}));
    assert_valid("QueryRequest", &json!({"collection": "c", "within": {"from": {"vector": {"like": "a"}, "top": 3}}}));
    for wrong in [
        json!({}),
        json!({"collection": "c", "unknown": 1}),
        json!({"collection": "c", "filter": {"a": {"$near": 1}}}),
        json!({"collection": "c", "filter": {"$and": {"a": 1}}}),
        json!({"collection": "c", "vector": {"like": "a", "limit": 1}}),
        json!({"collection": "c", "options": {"explain": "all"}}),
        json!({"collection": "c", "within": {"from": []  , "hops": 0}}),
    ] {
        assert!(!validator("QueryRequest").is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn every_endpoint_is_listed_with_its_methods() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    for path in ["/v1/query", "/v1/query/batch", "/v1/explain"] {
        let methods: Vec<_> = paths[path].as_object().unwrap().keys().collect();
        assert_eq!(methods, ["post", "query"], "{path}");
    }
    for path in ["/v1/collections", "/openapi.json", "/errors/{code}"] {
        assert!(paths[path].get("get").is_some(), "{path}");
    }
    // Every route but the unknown one.
    assert_eq!(paths.len(), crate::telemetry::Route::ALL.len() - 1);
    for path in paths.keys() {
        assert_ne!(crate::api::route::route(path), crate::telemetry::Route::Unknown, "{path}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    let ids: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}
