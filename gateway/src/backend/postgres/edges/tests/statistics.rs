//! What the store says of its edges before and after it asked.

use super::world::World;
use crate::{
    backend::{
        GraphStore, ReachRequest, Weight,
        embedded::testing::{Size, context},
    },
    query::{Direction, NodeRef, Walk},
};

#[tokio::test]
async fn statistics_are_near_those_of_the_embedded_store() {
    let Some(world) = World::random(2, Size { rows: 3_000, edges: 9_000 }).await else { return };
    let before = world.graph.statistics();
    world.graph.refresh().await.unwrap();
    let (known, exact) = (world.graph.statistics(), world.embedded.statistics());
    assert!(known.epoch > before.epoch);
    let near = |a: f64, b: f64| (a - b).abs() <= 0.25 * b.max(1.0);
    assert!(near(known.nodes as f64, exact.nodes as f64), "{} {}", known.nodes, exact.nodes);
    for (known, exact) in known.edges.iter().zip(&exact.edges) {
        assert!(near(known.count as f64, exact.count as f64), "{known:?} {exact:?}");
        let (turns, exactly) = (known.turns.expect("there are edges"), exact.turns.unwrap());
        assert!(turns > 0.3 * exactly && turns < 3.0 * exactly, "{known:?} {exact:?}");
        for (known, exact) in [(&known.out, &exact.out), (&known.r#in, &exact.r#in)] {
            assert!(near(known.mean, exact.mean), "{known:?} {exact:?}");
            assert!(near(known.max as f64, exact.max as f64), "{known:?} {exact:?}");
            assert!(known.mean_after_step > 0.3 * exact.mean_after_step, "{known:?} {exact:?}");
            assert!(known.mean_after_step < 3.0 * exact.mean_after_step, "{known:?} {exact:?}");
            // The hubs of random data are the first nodes.
            let hub = NodeRef { label: 0, id: world.embedded.data().id(0).clone() };
            let [known, exact] = [known, exact].map(|degrees| degrees.known.as_ref().and_then(|known| known(&hub)));
            assert!(near(known.expect("a hub is known") as f64, exact.unwrap() as f64), "{known:?} {exact:?}");
        }
    }
    let [known_edges, exact_edges] = [&known, &exact].map(|statistics| statistics.known.clone().unwrap());
    for id in world.embedded.data().ids().iter().step_by(10) {
        let anchors = vec![NodeRef { label: 0, id: id.clone() }];
        let walk = Walk { edges: vec![0], direction: Direction::In, hops: 1 };
        let request = ReachRequest { anchors, walk, include_anchors: false, scope: None };
        let [known, exact] = [&known_edges, &exact_edges].map(|edges| edges.ahead(&request, 3_000.0));
        assert_eq!(known.levels, exact.levels, "{id:?}");
    }
    let costs = known.costs;
    assert!(costs.call_us > 0.0 && costs.edge_ns > 0.0 && costs.node_ns > 0.0, "{costs:?}");
}

#[tokio::test]
async fn tables_as_they_are_made_need_no_advice() {
    let Some(world) = World::random(1, Size { rows: 50, edges: 100 }).await else { return };
    let findings = world.graph.inspect(&context()).await.unwrap();
    assert!(findings.iter().all(|finding| finding.weight == Weight::Fact), "{findings:?}");
}
