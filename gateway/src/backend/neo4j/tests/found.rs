//! What `forebay check` is told, and what is learnt for the planner.

use super::world::{World, change, mapping, own, remove, with_server};
use crate::{
    backend::{
        Finding, GraphStore, ReachRequest, Weight,
        embedded::testing::{Size, context, random},
        neo4j::{GraphMapping, Neo4jGraph, cypher::quoted},
    },
    query::{Direction, NodeRef, Walk},
};

fn about<'a>(findings: &'a [Finding], key: &str) -> Vec<&'a Finding> {
    findings.iter().filter(|finding| finding.key == key).collect()
}

#[test]
fn a_sound_mapping_has_facts_only() {
    with_server(|server| async move {
        // Text ids.
        let (schema, parts) = random(2, Size { rows: 40, edges: 80 });
        let (nodes, edges) = (parts.ids.len(), parts.edges[0].sources.len());
        let names = mapping(&schema);
        let world = World::new(server, schema, parts, names).await;
        let findings = world.graph.inspect(&context()).await.unwrap();
        assert!(findings.iter().all(|finding| finding.weight == Weight::Fact), "{findings:?}");
        assert!(about(&findings, "")[0].text.starts_with("Neo4j 5."), "{findings:?}");
        assert!(about(&findings, "graph.nodes.Node")[0].text.contains(&format!("{nodes} nodes")), "{findings:?}");
        assert!(about(&findings, "graph.nodes.Node.id")[0].text.contains("unique"), "{findings:?}");
        assert!(about(&findings, "graph.edges.likes.type")[0].text.contains(&format!("{edges} rel")), "{findings:?}");
        world.remove().await;
    });
}

#[test]
fn what_is_missing_or_slow_is_said_with_what_helps() {
    with_server(|server| async move {
        let (schema, _) = random(2, Size { rows: 0, edges: 0 });
        let names = mapping(&schema);
        let label = quoted(&names.labels[0].label);
        change(&server, &format!("CREATE (:{label} {{key: 'a'}}), (:{label} {{key: 7}}), (:{label})")).await;
        let graph = Neo4jGraph::new(server.clone(), schema.clone(), names.clone());
        let findings = graph.inspect(&context()).await.unwrap();
        let ids = about(&findings, "graph.nodes.Node.id");
        assert_eq!(ids[0].weight, Weight::Advice);
        assert!(
            ids[0].text.contains(&format!("CREATE CONSTRAINT FOR (n:{label}) REQUIRE n.`key` IS UNIQUE")),
            "{ids:?}"
        );
        assert!(ids[1].weight == Weight::Advice && ids[1].text.starts_with("2 of 3 nodes have no STRING"), "{ids:?}");
        assert_eq!(about(&findings, "graph.edges.links.type")[0].weight, Weight::Problem);
        remove(&server, &names).await;

        let empty = GraphMapping { types: names.types.clone(), ..mapping(&schema) };
        let findings = Neo4jGraph::new(server, schema, empty).inspect(&context()).await.unwrap();
        assert_eq!(about(&findings, "graph.nodes.Node")[0].weight, Weight::Problem);
    });
}

#[test]
fn statistics_are_those_of_the_data() {
    with_server(|server| async move {
        let (schema, parts) = random(3, Size { rows: 300, edges: 900 });
        let names = mapping(&schema);
        let world = World::new(server, schema, parts, names).await;
        assert_eq!(world.graph.statistics().epoch, 0);
        world.learn().await;
        let (learnt, wanted) = (world.graph.statistics(), GraphStore::statistics(world.embedded.as_ref()));
        assert_eq!((learnt.nodes, learnt.epoch), (wanted.nodes, 1));
        let mut hubs = 0;
        for (learnt, wanted) in learnt.edges.iter().zip(&wanted.edges) {
            assert_eq!(learnt.count, wanted.count);
            for (learnt, wanted) in [(&learnt.out, &wanted.out), (&learnt.r#in, &wanted.r#in)] {
                assert!((learnt.mean - wanted.mean).abs() < 1e-9);
                assert!((learnt.mean_after_step - wanted.mean_after_step).abs() < 1e-9);
                assert_eq!(learnt.max, wanted.max);
                assert!((learnt.p99 - wanted.p99).abs() <= 1.0, "{learnt:?} {wanted:?}");
                for id in world.embedded.data().ids() {
                    let node = NodeRef { label: 0, id: id.clone() };
                    if let Some(degree) = learnt.known.as_ref().unwrap()(&node) {
                        hubs += 1;
                        assert_eq!(Some(degree), wanted.known.as_ref().unwrap()(&node));
                    }
                }
            }
        }
        assert!(hubs > 0, "the random data has hubs");
        let [learnt_edges, wanted_edges] = [&learnt, &wanted].map(|statistics| statistics.known.clone().unwrap());
        for id in world.embedded.data().ids() {
            let anchors = vec![NodeRef { label: 0, id: id.clone() }];
            let walk = Walk { edges: vec![0], direction: Direction::In, hops: 2 };
            let request = ReachRequest { anchors, walk, include_anchors: false, scope: None };
            assert_eq!(learnt_edges.ahead(&request, 300.0), wanted_edges.ahead(&request, 300.0), "{id:?}");
        }
        let known = world.graph.known.load_full();
        for (edge, turns) in (0..).zip(&known.turns) {
            let mut degrees = std::collections::HashMap::<(u32, bool), f64>::new();
            for (source, target) in world.embedded.data().edges(edge) {
                *degrees.entry((source, true)).or_default() += 1.0;
                *degrees.entry((target, false)).or_default() += 1.0;
            }
            let squares: f64 = degrees.values().map(|degree| degree * degree).sum();
            assert!((turns - squares / 2.0 / learnt.edges[usize::from(edge)].count as f64).abs() < 1e-6);
        }
        let costs = learnt.costs;
        for cost in [costs.call_us, costs.edge_ns, costs.node_ns] {
            assert!(cost.is_finite() && cost > 0.0, "{costs:?}");
        }
        world.remove().await;
    });
}

#[test]
fn nothing_at_all_is_learnt_of_an_empty_database() {
    with_server(|server| async move {
        let (schema, _) = random(1, Size { rows: 0, edges: 0 });
        let graph =
            Neo4jGraph::new(server, schema.clone(), GraphMapping { tenant: Some(own("owner")), ..mapping(&schema) });
        graph.refresh().await.unwrap();
        assert_eq!(graph.statistics().nodes, 0);
        let advice = graph.inspect(&context()).await.unwrap();
        assert_eq!(about(&advice, "graph.tenant_property")[0].weight, Weight::Advice);
    });
}
