//! Every store gives the reference's answer, by every plan: the suite that a new store has to pass.

use proptest::{
    prelude::*,
    test_runner::{Config, TestError, TestRunner},
};
use serde_json::{Value, json};

use super::{
    agreement::agrees,
    equivalence::expected,
    ground::{Ground, Stores},
    world::{World, ask_as, query, tenant, world},
};
use crate::{planner::PlanKind, principal::Principal, problem::Code, request::Gateway};

/// Worlds tried on a server; each is written into tables and labels of its own.
const WORLDS: u32 = 40;

/// A query without its page, so that the reference gives the whole answer.
fn whole(body: &Value) -> Value {
    let mut body = body.clone();
    (body["limit"], body["offset"]) = (json!(1_000), json!(0));
    body.as_object_mut().expect("a query is an object").remove("score_threshold");
    body
}

/// Whether it is open which entities are the nearest that a walk starts from: two stores may see it differently where the
/// scores of the last one in and the first one out are as good as equal.
fn seeds_are_open(world: &World, body: &Value, of: Option<&str>) -> bool {
    let from = &body["within"]["from"];
    let Some(top) = from["top"].as_u64() else { return false };
    let mut seeds = json!({
        "collection": body["collection"], "vector": from["vector"], "limit": top + 1, "select": []
    });
    if from.get("filter").is_some() {
        seeds["filter"] = from["filter"].clone();
    }
    let Ok(found) = expected(world, &seeds, of) else { return false };
    let score = |place: u64| found[place as usize]["score"].as_f64();
    matches!((score(top - 1), score(top)), (Some(last), Some(next)) if (last - next).abs() < 1e-6)
}

/// Asks by every plan that applies and by the planner's choice, and holds each answer against the reference.
fn check(
    ground: &Ground,
    gateway: &Gateway,
    world: &World,
    body: &Value,
    principal: &Principal,
) -> Result<(), TestCaseError> {
    let of = principal.tenant.as_deref();
    if seeds_are_open(world, body, of) {
        return Ok(());
    }
    let all = expected(world, &whole(body), of);
    let number = |key: &str| body[key].as_u64().unwrap_or(0) as usize;
    for plan in [None].into_iter().chain(PlanKind::ALL.map(Some)).chain([None]) {
        let mut asked = body.clone();
        (asked["select"], asked["exact"]) = (json!([]), json!(true));
        if let Some(plan) = plan {
            asked["options"] = json!({ "plan": plan.as_str() });
        }
        let reply = ground.block_on(ask_as(gateway, principal, &asked));
        match (&all, reply) {
            (Ok(all), Ok(reply)) => {
                let reply: Value = serde_json::from_slice(&reply).expect("an answer is JSON");
                let (all, items) = (all.as_array().unwrap(), reply["items"].as_array().unwrap());
                let agreed = agrees(all, items, number("offset"), number("limit"), body["score_threshold"].as_f64());
                prop_assert!(agreed.is_ok(), "{}: {plan:?} of {asked}\n{items:?}", agreed.unwrap_err());
            }
            (_, Err(problem)) if problem.code == Code::PlanNotApplicable => prop_assert!(plan.is_some()),
            (Err(_), Err(problem)) => prop_assert!(
                matches!(problem.code, Code::UnknownEntity | Code::UnusableVector | Code::ZeroSum),
                "{problem}"
            ),
            (all, reply) => prop_assert!(false, "{plan:?} of {asked}: got {reply:?}, expected {all:?}"),
        }
    }
    Ok(())
}

/// Without `exact` an index may miss entities, but what it gives is right, and nothing is given too few.
fn check_approximate(ground: &Ground, gateway: &Gateway, world: &World, body: &Value) -> Result<(), TestCaseError> {
    if seeds_are_open(world, body, None) {
        return Ok(());
    }
    let Ok(all) = expected(world, &whole(body), None) else { return Ok(()) };
    let all = all.as_array().expect("items");
    let mut asked = body.clone();
    asked["select"] = json!([]);
    asked.as_object_mut().unwrap().remove("score_threshold");
    let reply = ground.block_on(ask_as(gateway, &Principal::local(), &asked)).expect("the reference answers");
    let reply: Value = serde_json::from_slice(&reply).expect("an answer is JSON");
    let items = reply["items"].as_array().expect("items");
    let (offset, limit) = (body["offset"].as_u64().unwrap_or(0), body["limit"].as_u64().unwrap_or(0));
    let due = (all.len() as u64).saturating_sub(offset).min(limit);
    prop_assert_eq!(items.len() as u64, due, "too few or too many: {}", asked);
    let mut scores = Vec::new();
    for item in items {
        prop_assert!(all.iter().any(|expected| expected["id"] == item["id"]), "{} does not belong", item);
        scores.push(item["score"].as_f64().unwrap_or(0.0));
    }
    prop_assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?} of {asked}");
    Ok(())
}

fn conforms(stores: Stores) {
    let Some(ground) = Ground::of(stores) else { return };
    let cases = Config { cases: WORLDS, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(cases);
    let bodies = proptest::collection::vec(query(), 1..5);
    let outcome = runner.run(&(world(), bodies), |(world, bodies)| {
        let gateway = ground.gateway(&world);
        for body in &bodies {
            check(&ground, &gateway, &world, body, &Principal::local())?;
            check(&ground, &gateway, &world, body, &tenant("acme"))?;
            check_approximate(&ground, &gateway, &world, body)?;
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, (world, bodies))) => {
            panic!("{stores:?}: {reason}\nqueries: {}\n{world:#?}", json!(bodies))
        }
        Err(abort) => panic!("{stores:?}: {abort}"),
    }
}

#[test]
fn the_embedded_stores_conform() {
    conforms(Stores::Embedded);
}

#[test]
fn postgres_alone_conforms() {
    conforms(Stores::Postgres);
}

#[test]
fn postgres_with_neo4j_conforms() {
    conforms(Stores::PostgresNeo4j);
}
