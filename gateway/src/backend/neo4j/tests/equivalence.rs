//! The same answers as the embedded store, which defines them.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::world::{World, mapping, with_server};
use crate::{
    backend::{
        GraphStore, NodeScope, ReachRequest,
        embedded::testing::{OWNER, Size, context, random},
        neo4j::{
            check::{self, Found, Way},
            reach::{self, Form, Reached},
            server::Work,
            statement::Parameters,
        },
    },
    query::{Direction, NodeRef, Walk},
    value::EntityId,
};

fn random_walk(rng: &mut StdRng) -> Walk {
    let edges = [vec![0], vec![1], vec![0, 1]][rng.random_range(0..3)].clone();
    let direction = [Direction::Out, Direction::In, Direction::Both][rng.random_range(0..3)];
    Walk { edges, direction, hops: rng.random_range(1..=3) }
}

fn random_scope(rng: &mut StdRng) -> Option<NodeScope> {
    rng.random_bool(0.4).then(|| NodeScope { attribute: OWNER, tenant: format!("k{}", rng.random_range(0..5)).into() })
}

fn random_ids(rng: &mut StdRng, world: &World, most: usize) -> Vec<EntityId> {
    let ids = world.embedded.data().ids();
    let unknown = match ids.first() {
        Some(EntityId::Integer(_)) => EntityId::Integer(-1_000_000),
        Some(EntityId::Uuid(_)) => EntityId::Uuid(uuid::Uuid::from_u128(1)),
        _ => EntityId::Text("not there".into()),
    };
    (0..rng.random_range(0..=most))
        .map(|_| {
            if ids.is_empty() || rng.random_bool(0.1) {
                unknown.clone()
            } else {
                ids[rng.random_range(0..ids.len())].clone()
            }
        })
        .collect()
}

fn random_request(rng: &mut StdRng, world: &World) -> ReachRequest {
    let most = [1, 3, 12][rng.random_range(0..3)];
    let mut anchors: Vec<NodeRef> =
        random_ids(rng, world, most).into_iter().map(|id| NodeRef { label: 0, id }).collect();
    anchors.sort_unstable();
    anchors.dedup();
    ReachRequest { anchors, walk: random_walk(rng), include_anchors: rng.random_bool(0.3), scope: random_scope(rng) }
}

/// Asks both stores the same questions, in every way that Neo4j may choose.
async fn compare(world: &World, rng: &mut StdRng) {
    let (ctx, graph, embedded) = (context(), &world.graph, &world.embedded);
    let request = random_request(rng, world);
    let wanted = embedded.reach(&ctx, &request).await.unwrap();
    let wanted_ids: Vec<EntityId> = wanted.ids.iter().collect();
    let reached = graph.reach(&ctx, &request).await.unwrap();
    assert_eq!(reached.ids.iter().collect::<Vec<_>>(), wanted_ids, "{request:?}");
    assert_eq!(reached.unknown, wanted.unknown, "{request:?}");
    let work = Work { kind: "test", size: 1 };
    let anchors: Vec<&EntityId> =
        request.anchors.iter().filter(|anchor| !wanted.unknown.contains(anchor)).map(|anchor| &anchor.id).collect();
    let id_type = graph.schema.id_type;
    for form in [Form::Apart, Form::Together] {
        let statement = reach::statement(&graph.cypher, &request, form, None, Parameters::default());
        let Reached { ids, .. } = world.server.read_one(&ctx, work, &statement).await.unwrap();
        let mut ids: Vec<EntityId> = ids.into_iter().map(|id| id.read(id_type).unwrap()).collect();
        ids.retain(|id| !anchors.contains(&id));
        ids.extend(anchors.iter().filter(|_| request.include_anchors).copied().cloned());
        ids.sort_unstable();
        assert_eq!(ids, wanted_ids, "{form:?} {request:?}");
    }

    let candidates = random_ids(rng, world, 20);
    let wanted = embedded.check(&ctx, &request, &candidates).await.unwrap();
    let checked = graph.check(&ctx, &request, &candidates).await.unwrap();
    assert_eq!(
        (checked.within, checked.unknown),
        (wanted.within.clone(), wanted.unknown),
        "{request:?} {candidates:?}"
    );
    for way in [Way::Forth(Form::Apart), Way::Forth(Form::Together), Way::Back, Way::Between] {
        let statement = check::statement(&graph.cypher, &request, way, &candidates);
        let Found { ids, .. } = world.server.read_one(&ctx, work, &statement).await.unwrap();
        let found: Vec<EntityId> = ids.into_iter().map(|id| id.read(id_type).unwrap()).collect();
        for (candidate, wanted) in candidates.iter().zip(&wanted.within) {
            if !anchors.contains(&candidate) {
                assert_eq!(found.contains(candidate), *wanted, "{way:?} {candidate} {request:?}");
            }
        }
    }

    let targets = random_ids(rng, world, 8);
    let wanted = embedded.paths(&ctx, &request, &targets).await.unwrap();
    assert_eq!(graph.paths(&ctx, &request, &targets).await.unwrap(), wanted, "{request:?} {targets:?}");

    let (walk, scope) = (random_walk(rng), random_scope(rng));
    let (per_item, paths) = ([1, 2, 5, 1_000][rng.random_range(0..4)], rng.random_bool(0.5));
    let wanted = embedded.expand(&ctx, &targets, &walk, scope.as_ref(), per_item, paths).await.unwrap();
    let expanded = graph.expand(&ctx, &targets, &walk, scope.as_ref(), per_item, paths).await.unwrap();
    assert_eq!(expanded, wanted, "{walk:?} {scope:?} {per_item} {targets:?}");
}

#[test]
fn every_call_answers_as_the_embedded_store_does() {
    with_server(|server| async move {
        // One set of names, so that the server has its plans after the first few questions.
        let names = mapping(&random(0, Size { rows: 0, edges: 0 }).0);
        for seed in 0..9 {
            let mut rng = StdRng::seed_from_u64(seed);
            let rows = rng.random_range(0..60);
            let (schema, parts) = random(seed, Size { rows, edges: 2 * rows as usize });
            let world = World::new(server.clone(), schema, parts, names.clone()).await;
            for round in 0..10 {
                // Without statistics first.
                if round == 4 {
                    world.learn().await;
                }
                compare(&world, &mut rng).await;
            }
            world.clear().await;
        }
        super::world::remove(&server, &names).await;
    });
}
