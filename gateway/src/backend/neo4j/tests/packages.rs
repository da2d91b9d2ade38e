//! The packages graph: hubs as real data has them.

use super::world::{World, mapping, with_server};
use crate::{
    backend::{GraphStatistics, GraphStore, ReachRequest, embedded::testing::context},
    demo_data,
    query::{Direction, NodeRef, Walk},
    value::EntityId,
};

fn node(name: &str) -> NodeRef {
    NodeRef { label: 0, id: EntityId::Text(name.into()) }
}

/// Every edge was read, and those of every direction.
fn the_same_lies_ahead(learnt: &GraphStatistics, wanted: &GraphStatistics, edge: u16) {
    for (anchor, direction) in
        [("libc6", Direction::In), ("gimp", Direction::Out), ("zlib1g", Direction::In), ("vim", Direction::Both)]
    {
        let request = ReachRequest {
            anchors: vec![node(anchor)],
            walk: Walk { edges: vec![edge], direction, hops: 1 },
            include_anchors: false,
            scope: None,
        };
        let [learnt, wanted] =
            [learnt, wanted].map(|known| known.known.as_ref().unwrap().ahead(&request, 8_520.0).levels);
        assert!(learnt == wanted && learnt[0] > 0.0, "{anchor}: {learnt:?}, {wanted:?}");
    }
}

#[test]
fn walks_through_hubs_answer_as_the_embedded_store_does() {
    with_server(|server| async move {
        let (schema, parts, _) = demo_data::packages(&mut crate::load::Silent).unwrap();
        let schema = std::sync::Arc::new(schema);
        let names = mapping(&schema);
        let world = World::new(server, schema.clone(), parts, names).await;
        let depends = schema.graph.as_ref().unwrap().edge("depends").unwrap();
        let candidates: Vec<EntityId> = world.embedded.data().ids().iter().step_by(85).cloned().collect();
        for learnt in [false, true] {
            if learnt {
                world.learn().await;
                let statistics = world.graph.statistics();
                let known = statistics.edges[usize::from(depends)].r#in.known.clone().unwrap();
                let wanted = GraphStore::statistics(world.embedded.as_ref());
                let wanted = wanted.edges[usize::from(depends)].r#in.known.clone().unwrap();
                assert_eq!(known(&node("libc6")), wanted(&node("libc6")));
                the_same_lies_ahead(&statistics, &GraphStore::statistics(world.embedded.as_ref()), depends);
            }
            for (anchors, direction, hops) in [
                (vec!["libc6"], Direction::In, 2),
                (vec!["gimp"], Direction::Out, 3),
                (vec!["gimp"], Direction::Both, 2),
                (vec!["libgtk-3-0", "libqt5core5a", "perl", "python3"], Direction::In, 3),
            ] {
                let request = ReachRequest {
                    anchors: anchors.iter().map(|name| node(name)).collect(),
                    walk: Walk { edges: vec![depends], direction, hops },
                    include_anchors: false,
                    scope: None,
                };
                // Each call has its own time: a machine that is busy with other tests may need it.
                let wanted = world.embedded.reach(&context(), &request).await.unwrap();
                let reached = world.graph.reach(&context(), &request).await.unwrap();
                assert!(wanted.ids.iter().eq(reached.ids.iter()), "{request:?}");
                let wanted = world.embedded.check(&context(), &request, &candidates).await.unwrap();
                let checked = world.graph.check(&context(), &request, &candidates).await.unwrap();
                assert_eq!(checked.within, wanted.within, "{request:?}");
                let wanted = world.embedded.paths(&context(), &request, &candidates).await.unwrap();
                let paths = world.graph.paths(&context(), &request, &candidates).await.unwrap();
                assert_eq!(paths, wanted, "{request:?}");
                let ids: Vec<EntityId> = request.anchors.iter().map(|anchor| anchor.id.clone()).collect();
                let wanted = world.embedded.expand(&context(), &ids, &request.walk, None, 20, true).await.unwrap();
                let expanded = world.graph.expand(&context(), &ids, &request.walk, None, 20, true).await.unwrap();
                assert_eq!(expanded, wanted, "{request:?}");
            }
        }
        world.remove().await;
    });
}
