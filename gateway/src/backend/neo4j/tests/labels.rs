//! Several labels, odd names, and nodes that are not what was configured.

use std::sync::Arc;

use super::world::{change, own, remove, with_server};
use crate::{
    backend::{
        GraphStore, NodeScope, PathStep, ReachRequest,
        embedded::testing::context,
        neo4j::{BoltServer, GraphMapping, LabelMapping, Neo4jGraph, cypher::quoted},
    },
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, QueryLimits},
    query::{Direction, NodeRef, Walk},
    value::{AttributeType, EntityId, IdType},
};

fn id(text: &str) -> EntityId {
    EntityId::Text(text.into())
}

const PERSON: u16 = 0;
const WORK: u16 = 1;

fn schema(id_type: IdType) -> Arc<CollectionSchema> {
    Arc::new(CollectionSchema {
        name: "works".into(),
        id_type,
        attributes: vec![AttributeSchema { name: "owner".into(), kind: AttributeType::Keyword }],
        vectors: Vec::new(),
        graph: Some(GraphSchema {
            labels: vec!["Person".into(), "Work".into()],
            entity_label: WORK,
            edges: vec!["cites".into(), "wrote".into()],
        }),
        tenant_attribute: Some(0),
        embedding_version: None,
        limits: QueryLimits::default(),
    })
}

/// Names with everything that could end a quoted name.
fn mapping() -> GraphMapping {
    let label = |name: &str, id: &str| LabelMapping { label: own(name), id: id.into() };
    GraphMapping {
        labels: vec![label("Per`son \u{e9} \\u0060", "na`me"), label("Work ` ", "the id")],
        types: vec![own("CITES ` \u{e4} x"), own("wrote\\u0060) //")],
        tenant: Some("ow`ner".into()),
    }
}

/// Makes nodes and relationships from text in which `P`, `W`, `C`, `R`, `p`, `w`, `o` in angle brackets stand for the
/// quoted names.
async fn make(server: &BoltServer, mapping: &GraphMapping, text: &str) {
    let names = [
        ("<P>", &mapping.labels[0].label),
        ("<W>", &mapping.labels[1].label),
        ("<C>", &mapping.types[0]),
        ("<R>", &mapping.types[1]),
        ("<p>", &mapping.labels[0].id),
        ("<w>", &mapping.labels[1].id),
        ("<o>", mapping.tenant.as_ref().unwrap()),
    ];
    let text = names.iter().fold(text.to_owned(), |text, (short, name)| text.replace(short, &quoted(name)));
    change(server, &text).await;
}

fn request(anchors: &[(u16, &str)], direction: Direction, hops: u8) -> ReachRequest {
    let mut anchors: Vec<NodeRef> =
        anchors.iter().map(|(label, text)| NodeRef { label: *label, id: id(text) }).collect();
    anchors.sort_unstable();
    ReachRequest { anchors, walk: Walk { edges: vec![0, 1], direction, hops }, include_anchors: false, scope: None }
}

async fn reached(graph: &Neo4jGraph, request: &ReachRequest) -> Vec<String> {
    graph.reach(&context(), request).await.unwrap().ids.iter().map(|id| id.to_string()).collect()
}

#[test]
fn walks_pass_through_all_labels_and_only_entities_are_reached() {
    with_server(|server| async move {
        let names = mapping();
        make(
            &server,
            &names,
            "CREATE (ann:<P> {<p>: 'ann'}), (bob:<P> {<p>: 'bob'}), (one:<W> {<w>: 'one'}), (two:<W> {<w>: 'two'}), \
             (three:<W> {<w>: 'three'}), (both:<P>:<W> {<p>: 'ann2', <w>: 'both'}), (same:<P> {<p>: 'one'}), \
             (nothing {name: 'outside'}), (ann)-[:<R>]->(one), (ann)-[:<R>]->(two), (bob)-[:<R>]->(two), \
             (bob)-[:<R>]->(three), (one)-[:<C>]->(nothing), (nothing)-[:<C>]->(three), (three)-[:<C>]->(both), \
             (same)-[:<R>]->(three), (two)-[:OTHER]->(three)",
        )
        .await;
        let graph = Neo4jGraph::new(server.clone(), schema(IdType::Text), names.clone());
        for learnt in [false, true] {
            if learnt {
                graph.refresh().await.unwrap();
            }
            let from = |anchors: &[(u16, &str)], direction, hops| {
                let request = request(anchors, direction, hops);
                let graph = graph.clone();
                async move { reached(&graph, &request).await }
            };
            assert_eq!(from(&[(PERSON, "ann")], Direction::Out, 2).await, ["one", "two"]);
            // Through a person, not through a node without a label, and not along other relationships.
            assert_eq!(from(&[(WORK, "one")], Direction::Both, 2).await, ["two"]);
            assert_eq!(from(&[(WORK, "one")], Direction::Both, 4).await, ["three", "two"]);
            assert_eq!(from(&[(PERSON, "one")], Direction::Out, 2).await, ["both", "three"]);
            assert_eq!(from(&[(PERSON, "ann2")], Direction::In, 1).await, ["three"]);
            assert_eq!(from(&[(PERSON, "ann2"), (WORK, "three")], Direction::In, 1).await, Vec::<String>::new());

            let two =
                request(&[(PERSON, "ann"), (PERSON, "nobody"), (WORK, "ann"), (WORK, "three")], Direction::Out, 1);
            let answer = graph.reach(&context(), &two).await.unwrap();
            let unknown = [NodeRef { label: PERSON, id: id("nobody") }, NodeRef { label: WORK, id: id("ann") }];
            assert_eq!(answer.unknown, unknown);
            let checked =
                graph.check(&context(), &two, &[id("both"), id("three"), id("ann"), id("one")]).await.unwrap();
            assert_eq!(checked.within, [true, false, false, true]);
            assert_eq!(checked.unknown, unknown);

            let walk = Walk { edges: vec![0, 1], direction: Direction::Both, hops: 2 };
            let near = graph.expand(&context(), &[id("one"), id("ann")], &walk, None, 10, true).await.unwrap();
            let found: Vec<(String, u8)> = near[0].iter().map(|near| (near.id.to_string(), near.hops)).collect();
            assert_eq!(found, [("ann".into(), 1), ("two".into(), 2)]);
            assert!(near[1].is_empty(), "only entities are expanded");
            let steps = near[0][1].path.as_ref().unwrap().steps.clone();
            let step = |along, to| PathStep { edge: 1, along, to: id(to) };
            assert_eq!(steps, [step(false, "ann"), step(true, "two")]);
            let asked = request(&[(PERSON, "ann")], Direction::Both, 3);
            let paths = graph.paths(&context(), &asked, &[id("three"), id("both")]).await.unwrap();
            assert_eq!(paths[0].as_ref().unwrap().steps, [step(true, "two"), step(false, "bob"), step(true, "three")]);
            assert_eq!(paths[1], None, "four steps away");
        }
        remove(&server, &names).await;
    });
}

#[test]
fn a_tenant_walks_through_its_own_and_shared_nodes_only() {
    with_server(|server| async move {
        let names = mapping();
        make(
            &server,
            &names,
            "CREATE (a:<W> {<w>: 'a', <o>: 'red'})-[:<C>]->(b:<W> {<w>: 'b', <o>: 'blue'})-[:<C>]->(c:<W> {<w>: 'c'}), \
             (a)-[:<C>]->(d:<P> {<p>: 'd'})-[:<C>]->(c)-[:<C>]->(:<W> {<w>: 'e', <o>: 7})",
        )
        .await;
        let graph = Neo4jGraph::new(server.clone(), schema(IdType::Text), names.clone());
        let scope = |tenant: &str| Some(NodeScope { attribute: 0, tenant: tenant.into() });
        let asked = |tenant| ReachRequest { scope: scope(tenant), ..request(&[(WORK, "a")], Direction::Out, 3) };
        assert_eq!(reached(&graph, &request(&[(WORK, "a")], Direction::Out, 3)).await, ["b", "c", "e"]);
        assert_eq!(reached(&graph, &asked("red")).await, ["c"]);
        let blue = graph.reach(&context(), &asked("blue")).await.unwrap();
        assert!(blue.ids.is_empty() && blue.unknown == asked("blue").anchors, "another tenant's anchor is unknown");

        let none = GraphMapping { tenant: None, ..names.clone() };
        let open = Neo4jGraph::new(server.clone(), schema(IdType::Text), none);
        assert!(open.reach(&context(), &asked("red")).await.is_err(), "nothing keeps tenants apart");
        remove(&server, &names).await;
    });
}

#[test]
fn a_node_without_an_id_of_the_type_is_as_if_it_were_not_there() {
    with_server(|server| async move {
        let names = mapping();
        make(
            &server,
            &names,
            "CREATE (a:<W> {<w>: 1})-[:<C>]->(:<W>)-[:<C>]->(:<W> {<w>: 2}), (a)-[:<C>]->(:<W> {<w>: 'x'})-[:<C>]->(:<W> {<w>: 3}), \
             (a)-[:<C>]->(:<W> {<w>: 4.0})-[:<C>]->(:<W> {<w>: 5}), (a)-[:<C>]->(:<W> {<w>: 6})-[:<C>]->(:<W> {<w>: 9007199254740993})",
        )
        .await;
        let graph = Neo4jGraph::new(server.clone(), schema(IdType::Integer), names.clone());
        let from = |anchor| ReachRequest {
            anchors: vec![NodeRef { label: WORK, id: EntityId::Integer(anchor) }],
            ..request(&[], Direction::Out, 2)
        };
        let answer = graph.reach(&context(), &from(1)).await.unwrap();
        assert_eq!(answer.ids.iter().map(|id| id.to_string()).collect::<Vec<_>>(), ["6", "9007199254740993"]);
        assert_eq!(
            graph.reach(&context(), &from(4)).await.unwrap().unknown,
            from(4).anchors,
            "4.0 is not the integer 4"
        );
        remove(&server, &names).await;
    });
}

#[test]
fn a_uuid_in_another_spelling_is_an_honest_error() {
    with_server(|server| async move {
        let names = mapping();
        make(
            &server,
            &names,
            "CREATE (:<W> {<w>: '0f14d0ab-9605-4a62-a9e4-5ed26688389b'})-[:<C>]->(:<W> {<w>: '0F14D0AB-9605-4A62-A9E4-5ED26688389C'})",
        )
        .await;
        let graph = Neo4jGraph::new(server.clone(), schema(IdType::Uuid), names.clone());
        let anchor = EntityId::Uuid("0f14d0ab-9605-4a62-a9e4-5ed26688389b".parse().unwrap());
        let asked =
            ReachRequest { anchors: vec![NodeRef { label: WORK, id: anchor }], ..request(&[], Direction::Out, 1) };
        let error = graph.reach(&context(), &asked).await.unwrap_err();
        assert!(error.detail.contains("uuid"), "{error}");
        remove(&server, &names).await;
    });
}
