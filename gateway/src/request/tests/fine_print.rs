//! The fine print of the query language, a test a line. What is about reading a query is tested with the language.

use serde_json::{Value, json};

use super::{
    ground::{Ground, Stores},
    world::{Node, World, ask, name},
};
use crate::{catalog::Metric, problem::Code};

const PLANS: [&str; 4] = ["vector-first", "graph-first", "parallel", "filtered-vector"];

fn node(vector: Option<[i8; 3]>) -> Node {
    Node { colour: None, size: None, weight: None, tags: None, owner: None, vector }
}

/// A world without edges.
fn world(metric: Metric, nodes: Vec<Node>) -> World {
    World { metric, nodes, edges: Vec::new() }
}

/// Asks the embedded stores, and those on servers that are there, with every plan that applies; they agree.
fn answer(world: &World, body: &Value) -> Value {
    let mut body = body.clone();
    body["collection"] = json!("things");
    let mut embedded = None;
    for ground in Ground::all() {
        let gateway = ground.gateway(world);
        if ground.stores != Stores::Embedded {
            body["exact"] = json!(true);
        }
        let free = ground.block_on(ask(&gateway, &body)).unwrap_or_else(|problem| panic!("{problem} for {body}"));
        for plan in PLANS {
            let mut forced = body.clone();
            forced["options"] = json!({ "plan": plan, "cache": "bypass" });
            match ground.block_on(ask(&gateway, &forced)) {
                Ok(answer) => assert_eq!(answer, free, "{plan} for {body} by {:?}", ground.stores),
                Err(problem) => assert_eq!(problem.code, Code::PlanNotApplicable, "{plan} for {body}"),
            }
        }
        let first = embedded.get_or_insert_with(|| free.clone());
        assert!(same(first, &free), "{:?} says {free} for {body}, expected {first}", ground.stores);
    }
    embedded.expect("there is always the embedded store")
}

/// Whether two stores say the same, but for the last digits of scores.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => {
            a == b || matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if (a - b).abs() < 1e-6)
        }
        (a, b) => a == b,
    }
}

fn ids(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

fn scores(answer: &Value) -> Vec<f64> {
    answer["items"].as_array().expect("items").iter().map(|item| item["score"].as_f64().expect("a score")).collect()
}

/// Names of the nodes at these places.
fn names<const N: usize>(places: [usize; N]) -> Vec<String> {
    places.map(name).to_vec()
}

#[test]
fn a_score_is_higher_is_better_in_every_metric() {
    let vectors = || [[3, 4, 0], [1, 0, 0], [-1, 0, 0]].map(|v| node(Some(v))).to_vec();
    let body = json!({ "vector": { "values": [1, 0, 0] } });
    let of = |metric| {
        let answer = answer(&world(metric, vectors()), &body);
        (ids(&answer), scores(&answer))
    };
    assert_eq!(of(Metric::Cosine), (names([1, 0, 2]), vec![1.0, 0.6, -1.0]));
    assert_eq!(of(Metric::Ip), (names([0, 1, 2]), vec![3.0, 1.0, -1.0]));
    let (order, distances) = of(Metric::L2);
    assert_eq!(order, names([1, 2, 0]));
    assert_eq!((distances[0], distances[1]), (0.0, -2.0));
}

#[test]
fn a_threshold_is_inclusive_and_applies_before_the_offset() {
    let world = world(Metric::Ip, [3, 2, 2, 1].map(|x| node(Some([x, 0, 0]))).to_vec());
    let body = json!({ "vector": { "values": [1, 0, 0] }, "score_threshold": 2.0 });
    assert_eq!(ids(&answer(&world, &body)), names([0, 1, 2]));
    let mut paged = body.clone();
    paged["offset"] = json!(2);
    assert_eq!(ids(&answer(&world, &paged)), names([2]));
    paged["offset"] = json!(3);
    assert_eq!(ids(&answer(&world, &paged)), names([]));
}

#[test]
fn without_a_usable_vector_an_entity_is_never_an_answer() {
    let vectors = [Some([1, 0, 0]), None, Some([0, 0, 0]), Some([0, 1, 0])];
    let nodes = || vectors.map(node).to_vec();
    let by_vector = json!({ "vector": { "values": [1, 1, 0] } });
    assert_eq!(ids(&answer(&world(Metric::Cosine, nodes()), &by_vector)), names([0, 3]));
    assert_eq!(ids(&answer(&world(Metric::Cosine, nodes()), &json!({}))), names([0, 3]), "not by id either");
    assert_eq!(ids(&answer(&world(Metric::Ip, nodes()), &by_vector)), names([0, 3, 2]), "zero has an inner product");
}

#[test]
fn a_node_without_a_vector_is_walked_through() {
    let nodes = [Some([1, 0, 0]), None, Some([0, 1, 0])].map(node).to_vec();
    let world = World { metric: Metric::Cosine, nodes, edges: vec![(0, 0, 1), (0, 1, 2)] };
    let body = json!({
        "vector": { "values": [1, 0, 0] },
        "within": { "from": ["n00"], "edges": ["likes"], "hops": 2 },
        "include": { "paths": true },
    });
    let answer = answer(&world, &body);
    assert_eq!(ids(&answer), names([2]));
    let step = |to: &str| json!({ "edge": "likes", "direction": "out", "to": to });
    assert_eq!(answer["items"][0]["paths"], json!([{ "from": "n00", "steps": [step("n01"), step("n02")] }]));
}

#[test]
fn a_missing_value_fails_every_positive_test_and_passes_every_plain_negation() {
    let mut nodes = vec![node(Some([1, 0, 0])), node(Some([1, 0, 0])), node(Some([1, 0, 0]))];
    nodes[0].size = Some(5);
    nodes[1].size = Some(9);
    let world = world(Metric::Ip, nodes);
    let pass = |filter: Value| ids(&answer(&world, &json!({ "filter": filter })));
    assert_eq!(pass(json!({ "size": { "$gt": 6 } })), names([1]));
    assert_eq!(pass(json!({ "size": { "$not": { "$gt": 6 } } })), names([0, 2]));
    assert_eq!(pass(json!({ "size": { "$lte": 6 } })), names([0]), "which is another thing");
    assert_eq!(pass(json!({ "size": { "$ne": 5 } })), names([1, 2]));
    assert_eq!(pass(json!({ "size": { "$nin": [5, 9] } })), names([2]));
    assert_eq!(pass(json!({ "size": { "$exists": false } })), names([2]));
}

#[test]
fn lists_are_contained_and_empty_lists_exist() {
    let mut nodes = vec![node(Some([1, 0, 0])); 4];
    nodes[0].tags = Some(vec![0, 1]);
    nodes[1].tags = Some(vec![1]);
    nodes[2].tags = Some(vec![]);
    let world = world(Metric::Ip, nodes);
    let pass = |filter: Value| ids(&answer(&world, &json!({ "filter": filter })));
    assert_eq!(pass(json!({ "tags": "b" })), names([0, 1]));
    assert_eq!(pass(json!({ "tags": { "$any": ["a", "d"] } })), names([0]));
    assert_eq!(pass(json!({ "tags": { "$all": ["a", "b"] } })), names([0]));
    assert_eq!(pass(json!({ "tags": { "$exists": true } })), names([0, 1, 2]));
    assert_eq!(pass(json!({ "tags": { "$any": [] } })), names([]));
    assert_eq!(pass(json!({ "$or": [] })), names([]));
    assert_eq!(pass(json!({ "tags": { "$all": [] } })), names([0, 1, 2, 3]));
    assert_eq!(pass(json!({ "$and": [] })), names([0, 1, 2, 3]));
}

#[test]
fn numbers_compare_by_value_and_words_by_bytes() {
    let mut nodes = vec![node(Some([1, 0, 0])); 3];
    nodes[0].size = Some(1);
    nodes[1].size = Some(9_007_199_254_740_993);
    nodes[2].size = Some(0);
    nodes[0].colour = Some(0); // blue
    nodes[1].colour = Some(3); // violet
    let world = world(Metric::Ip, nodes);
    let pass = |filter: Value| ids(&answer(&world, &json!({ "filter": filter })));
    assert_eq!(pass(json!({ "size": 1.0 })), names([0]));
    assert_eq!(pass(json!({ "size": -0.0 })), names([2]));
    assert_eq!(pass(json!({ "size": { "$gt": 9_007_199_254_740_992_i64 } })), names([1]), "exact beyond 2^53");
    assert_eq!(pass(json!({ "colour": { "$lt": "c" } })), names([0]));
    assert_eq!(pass(json!({ "colour": { "$gt": "Zebra" } })), names([0, 1]), "capitals come first in bytes");
    assert_eq!(pass(json!({ "id": { "$gte": "n01" } })), names([1, 2]));
}

#[test]
fn anchors_are_left_out_unless_they_are_wanted() {
    let nodes = vec![node(Some([1, 0, 0])); 4];
    // A cycle through the anchors n00 and n01, and a way out.
    let world = World { metric: Metric::Ip, nodes, edges: vec![(0, 0, 1), (0, 1, 0), (0, 1, 2), (1, 2, 3)] };
    let within = |more: Value| {
        let mut within = json!({ "from": ["n01", "n00", "n01"], "edges": ["likes"], "hops": 3 });
        within.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        ids(&answer(&world, &json!({ "within": within })))
    };
    assert_eq!(within(json!({})), names([2]));
    assert_eq!(within(json!({ "include_anchors": true })), names([0, 1, 2]));
    assert_eq!(within(json!({ "edges": ["likes", "needs"] })), names([2, 3]));
}

#[test]
fn seeds_are_the_nearest_and_kept_in_by_default() {
    let nodes = [[9, 0, 0], [0, 9, 0], [1, 8, 0], [0, 0, 1]].map(|v| node(Some(v))).to_vec();
    let world = World { metric: Metric::Cosine, nodes, edges: vec![(0, 1, 3), (0, 2, 0)] };
    let mut body = json!({
        "within": { "from": { "vector": { "values": [0, 1, 0] }, "top": 2 }, "edges": ["likes"] },
    });
    assert_eq!(ids(&answer(&world, &body)), names([0, 1, 2, 3]));
    body["within"]["include_anchors"] = json!(false);
    assert_eq!(ids(&answer(&world, &body)), names([0, 3]));
    body["within"]["from"]["filter"] = json!({ "id": "n02" });
    assert_eq!(ids(&answer(&world, &body)), names([0]));
}

#[test]
fn an_entity_that_was_asked_with_is_no_answer() {
    let nodes = [[2, 0, 0], [2, 1, 0], [0, 3, 0]].map(|v| node(Some(v))).to_vec();
    let world = world(Metric::Cosine, nodes);
    assert_eq!(ids(&answer(&world, &json!({ "vector": { "like": "n00" } }))), names([1, 2]));
    let combined = json!({ "vector": { "combine": [{ "like": "n00" }, { "like": "n02", "weight": -1 }] } });
    assert_eq!(ids(&answer(&world, &combined)), names([1]));
}

#[test]
fn neighbours_come_by_hops_then_id_and_include_nodes_without_a_vector() {
    let nodes = [Some([1, 0, 0]), None, Some([0, 1, 0]), None].map(node).to_vec();
    let world = World { metric: Metric::Cosine, nodes, edges: vec![(0, 0, 2), (0, 0, 1), (0, 1, 3), (0, 3, 0)] };
    let body = json!({
        "vector": { "values": [1, 0, 0] }, "limit": 1,
        "expand": { "edges": ["likes"], "hops": 2, "per_item": 3 },
    });
    let answer = answer(&world, &body);
    let shown = |id: &str, hops: u8| json!({ "id": id, "hops": hops });
    assert_eq!(answer["items"][0]["neighbours"], json!([shown("n01", 1), shown("n02", 1), shown("n03", 2)]));
}
