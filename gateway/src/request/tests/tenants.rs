//! No answer, key, count or error of one tenant depends on another's data.

use proptest::prelude::*;

use super::world::{Node, World, ask_as, query, tenant, world};
use crate::problem::Problem;

/// A problem as its tenant sees it.
fn seen(reply: Result<bytes::Bytes, Problem>) -> Result<bytes::Bytes, (crate::problem::Code, String, Option<String>)> {
    reply.map_err(|problem| (problem.code, problem.detail, problem.pointer))
}

/// The world without the data of the other tenant: its nodes are still there as names without anything, so that
/// the places of the others stay; edges that touch them are gone.
fn without_other(world: &World, other: usize) -> World {
    let foreign = |index: usize| world.nodes[index].owner == Some(other);
    let gone = Node { colour: None, size: None, weight: None, tags: None, owner: Some(other), vector: None };
    World {
        metric: world.metric,
        nodes: world.nodes.iter().enumerate().map(|(i, n)| if foreign(i) { gone.clone() } else { n.clone() }).collect(),
        edges: world.edges.iter().copied().filter(|&(_, a, b)| !foreign(a) && !foreign(b)).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_a_tenant_sees_does_not_depend_on_another_tenants_data(
        world in world(),
        bodies in proptest::collection::vec(query(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (both, alone) = (world.gateway(), without_other(&world, 1).gateway());
        let (acme, bolt) = (tenant("acme"), tenant("bolt"));
        for body in &bodies {
            // The other tenant and an unbound caller ask first, so that their answers and legs are in the cache.
            let _ = runtime.block_on(ask_as(&both, &bolt, body));
            let _ = runtime.block_on(ask_as(&both, &crate::principal::Principal::local(), body));
            let with = seen(runtime.block_on(ask_as(&both, &acme, body)));
            let without = seen(runtime.block_on(ask_as(&alone, &acme, body)));
            prop_assert_eq!(with, without, "{}", body);
        }
    }
}

#[test]
fn a_tenant_cannot_ask_for_plans() {
    let world = World { metric: crate::catalog::Metric::Ip, nodes: Vec::new(), edges: Vec::new() };
    let world = World {
        nodes: vec![Node { colour: None, size: None, weight: None, tags: None, owner: None, vector: Some([1, 0, 0]) }],
        ..world
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = serde_json::json!({
        "collection": "things", "vector": { "values": [1, 0, 0] }, "options": { "explain": "plan" },
    });
    let problem = runtime.block_on(ask_as(&world.gateway(), &tenant("acme"), &body)).unwrap_err();
    assert_eq!(problem.code, crate::problem::Code::Forbidden);
}
