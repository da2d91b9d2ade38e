//! Every plan gives the reference's answer: ids, scores, neighbours and paths.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{World, ask, query, schema, tenant, world};
use crate::{
    backend::Path,
    catalog::{CollectionSchema, Metric},
    planner::PlanKind,
    problem::Code,
    query::{parse, read_json},
    reference::Asked,
};

fn path(path: &Path, schema: &CollectionSchema) -> Value {
    let edges = &schema.graph.as_ref().expect("worlds have graphs").edges;
    let steps: Vec<Value> = path
        .steps
        .iter()
        .map(|step| {
            let direction = if step.along { "out" } else { "in" };
            json!({ "edge": edges[step.edge as usize], "direction": direction, "to": step.to.to_string() })
        })
        .collect();
    json!({ "from": path.from.to_string(), "steps": steps })
}

/// The items that the reference gives, in the form of an answer without attributes.
pub(super) fn expected(world: &World, body: &Value, of: Option<&str>) -> Result<Value, String> {
    let schema = schema(world.metric);
    let parts = world.parts();
    let json = read_json(body.to_string().as_bytes(), Default::default()).expect("worlds make valid JSON");
    let query = parse(&json, &schema).expect("worlds make valid queries").query;
    let asked = Asked { schema: &schema, parts: &parts, tenant: of };
    let answer = asked.answer(&query, &|_| None).map_err(|error| error.to_string())?;
    let items = answer.items.iter().enumerate().map(|(index, (id, score))| {
        let mut item = json!({ "id": id.to_string() });
        if query.vector.is_some() {
            item["score"] = json!(score);
            item["scores"] = json!({ "vector": score });
        }
        if query.include.paths && query.within.is_some() {
            let found = answer.paths[index].iter().map(|found| path(found, &schema)).collect::<Vec<_>>();
            item["paths"] = json!(found);
        }
        if query.expand.is_some() {
            let neighbours = answer.neighbours[index].iter().map(|neighbour| {
                let mut shown = json!({ "id": neighbour.id.to_string(), "hops": neighbour.hops });
                if let Some(way) = &neighbour.path {
                    shown["path"] = path(way, &schema);
                }
                shown
            });
            item["neighbours"] = json!(neighbours.collect::<Vec<_>>());
        }
        item
    });
    Ok(items.collect())
}

/// The query with this plan and without attributes.
fn with_plan(body: &Value, plan: Option<PlanKind>) -> Value {
    let mut body = body.clone();
    body["select"] = json!([]);
    if let Some(plan) = plan {
        body["options"] = json!({ "plan": plan.as_str() });
    }
    body
}

/// What may follow a query: the same vector and walk, the next page under a stricter filter. Lists that are cached by then
/// cover it, and may run dry.
fn drilled_down(body: &Value) -> Value {
    let mut body = body.clone();
    let filter = body.get("filter").cloned().unwrap_or_else(|| json!({}));
    body["filter"] = json!({ "$and": [filter, { "size": { "$gte": 2 } }] });
    body["offset"] = json!(body["offset"].as_u64().unwrap_or(0) + 2);
    body
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_gives_the_answer_of_the_reference(world in world(), bodies in proptest::collection::vec(query(), 1..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // One gateway for all queries of a case: what one leaves in the cache must serve the others right.
        let gateway = world.gateway();
        for body in bodies.iter().flat_map(|body| [body.clone(), drilled_down(body)]) {
            let body = &body;
            let expected = expected(&world, body, None);
            let plans = std::iter::once(None).chain(PlanKind::ALL.map(Some)).chain([None]);
            for plan in plans {
                let reply = runtime.block_on(ask(&gateway, &with_plan(body, plan)));
                match (&expected, reply) {
                    (Ok(expected), Ok(reply)) => prop_assert_eq!(expected, &reply["items"], "{:?} of {}", plan, body),
                    (_, Err(problem)) if problem.code == Code::PlanNotApplicable => prop_assert!(plan.is_some()),
                    (Err(_), Err(problem)) => prop_assert!(
                        matches!(problem.code, Code::UnknownEntity | Code::UnusableVector | Code::ZeroSum),
                        "{problem}"
                    ),
                    (expected, reply) => prop_assert!(false, "{plan:?} of {body}: expected {expected:?}, got {reply:?}"),
                }
            }
        }
    }

    #[test]
    fn every_plan_gives_a_tenant_the_answer_of_the_reference(world in world(), body in query()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gateway = world.gateway();
        let acme = tenant("acme");
        let expected = expected(&world, &body, Some("acme"));
        for plan in std::iter::once(None).chain(PlanKind::ALL.map(Some)) {
            let reply = runtime.block_on(super::world::ask_as(&gateway, &acme, &with_plan(&body, plan)));
            match (&expected, reply) {
                (Ok(expected), Ok(reply)) => {
                    let reply: Value = serde_json::from_slice(&reply).unwrap();
                    prop_assert_eq!(expected, &reply["items"], "{:?} of {}", plan, body);
                }
                (_, Err(problem)) if problem.code == Code::PlanNotApplicable => prop_assert!(plan.is_some()),
                (Err(_), Err(_)) => {}
                (expected, reply) => prop_assert!(false, "{plan:?} of {body}: expected {expected:?}, got {reply:?}"),
            }
        }
    }
}

#[test]
fn ties_across_the_last_place_go_by_id() {
    let node =
        super::world::Node { colour: None, size: None, weight: None, tags: None, owner: None, vector: Some([1, 0, 0]) };
    // Equal directions of different length: cosine ties all of them.
    let nodes = (0..9).map(|i| super::world::Node { vector: Some([1 + i % 3, 0, 0]), ..node.clone() }).collect();
    let world = World { metric: Metric::Cosine, nodes, edges: (1..9).map(|i| (0, 0, i)).collect() };
    let gateway = world.gateway();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = json!({
        "collection": "things", "vector": { "values": [1, 0, 0] }, "limit": 3, "offset": 2,
        "within": { "from": ["n00"], "edges": ["likes"] },
    });
    for plan in [PlanKind::VectorFirst, PlanKind::GraphFirst, PlanKind::Parallel, PlanKind::FilteredVector] {
        let reply = runtime.block_on(ask(&gateway, &with_plan(&body, Some(plan)))).unwrap();
        let ids: Vec<_> = reply["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        assert_eq!(ids, ["n03", "n04", "n05"], "{plan:?}");
    }
}
