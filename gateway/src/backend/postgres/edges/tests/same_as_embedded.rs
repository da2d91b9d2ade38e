//! Whatever is asked, the answer is that of the embedded store, which property tests hold to the definition.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::world::{World, random_request};
use crate::{
    backend::{
        GraphStore,
        embedded::testing::{Size, context, random},
    },
    value::EntityId,
};

const DATA_SETS: u64 = 24;
const QUESTIONS: usize = 12;

/// Random data of each type of id, and a generator for questions about it.
async fn about_random_data(ask: impl AsyncFn(&World, &mut StdRng)) {
    for id_type in 0..3 {
        let mut world: Option<World> = None;
        for set in 0..DATA_SETS / 3 {
            let seed = id_type + 4 * set;
            let mut rng = StdRng::seed_from_u64(seed);
            let rows = rng.random_range(0..60);
            let (schema, parts) = random(seed, Size { rows, edges: rng.random_range(0..=2 * rows as usize) });
            match &mut world {
                Some(world) => world.refill(parts).await,
                None => match World::of(schema, parts).await {
                    Some(made) => world = Some(made),
                    None => return,
                },
            }
            let world = world.as_ref().expect("was made");
            for _ in 0..QUESTIONS {
                ask(world, &mut rng).await;
            }
        }
    }
}

fn candidates(rng: &mut StdRng, world: &World) -> Vec<EntityId> {
    let share = [0.03, 0.2, 1.0][rng.random_range(0..3)];
    let mut ids: Vec<EntityId> =
        world.embedded.data().ids().iter().filter(|_| rng.random_bool(share)).cloned().collect();
    ids.push(EntityId::Text("not there".into()));
    ids.extend(ids.first().cloned());
    ids
}

#[tokio::test]
async fn a_reach_holds_the_same_nodes() {
    about_random_data(async |world, rng| {
        let request = random_request(rng, world.embedded.data(), 4);
        let expected = world.embedded.reach(&context(), &request).await.unwrap();
        let found = world.graph.reach(&context(), &request).await.unwrap();
        assert_eq!(found.ids.iter().collect::<Vec<_>>(), expected.ids.iter().collect::<Vec<_>>(), "{request:?}");
        assert_eq!(found.unknown, expected.unknown, "{request:?}");
    })
    .await;
}

#[tokio::test]
async fn a_check_finds_the_same_candidates() {
    about_random_data(async |world, rng| {
        let request = random_request(rng, world.embedded.data(), 4);
        let candidates = candidates(rng, world);
        let expected = world.embedded.check(&context(), &request, &candidates).await.unwrap();
        let found = world.graph.check(&context(), &request, &candidates).await.unwrap();
        assert_eq!(found.within, expected.within, "{request:?} {candidates:?}");
        assert_eq!(found.unknown, expected.unknown, "{request:?}");
    })
    .await;
}

#[tokio::test]
async fn neighbourhoods_and_their_paths_are_the_same() {
    about_random_data(async |world, rng| {
        let request = random_request(rng, world.embedded.data(), 3);
        let (walk, scope) = (&request.walk, request.scope.as_ref());
        let ids = candidates(rng, world);
        let per_item = rng.random_range(1..12);
        for paths in [false, true] {
            let expected = world.embedded.expand(&context(), &ids, walk, scope, per_item, paths).await.unwrap();
            let found = world.graph.expand(&context(), &ids, walk, scope, per_item, paths).await.unwrap();
            assert_eq!(found, expected, "{request:?} {ids:?} {per_item}");
        }
    })
    .await;
}

#[tokio::test]
async fn paths_are_the_same() {
    about_random_data(async |world, rng| {
        let request = random_request(rng, world.embedded.data(), 4);
        let targets = candidates(rng, world);
        let expected = world.embedded.paths(&context(), &request, &targets).await.unwrap();
        let found = world.graph.paths(&context(), &request, &targets).await.unwrap();
        assert_eq!(found, expected, "{request:?} {targets:?}");
    })
    .await;
}
