//! One statement gives the hits that a walk and a search give one after the other.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::world::{World, random_request};
use crate::{
    backend::{
        Access, GraphStore, RankReached, Ranking, Search, VectorStore,
        embedded::testing::{Size, context, filter},
        postgres::{PgEntities, PgTogether},
    },
    query::Filter,
};

/// A ranking by one of the random vector spaces, or by id.
fn ranking(rng: &mut StdRng, world: &World) -> Ranking {
    let space = rng.random_range(0..world.schema.vectors.len() + 1);
    match world.schema.vectors.get(space) {
        None => Ranking::ById,
        Some(vector) => {
            let vector = (0..vector.dimensions).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
            Ranking::Similarity { space: space as u16, vector }
        }
    }
}

#[tokio::test]
async fn what_a_walk_reaches_is_ranked_as_by_two_stores() {
    for seed in 0..3 {
        let Some(world) = World::random(seed, Size { rows: 60, edges: 110 }).await else { return };
        let entities = PgEntities::new(world.server.clone(), world.schema.clone(), world.entities.clone());
        let together = PgTogether::new(entities, world.graph.clone());
        let data = world.embedded.data();
        let mut rng = StdRng::seed_from_u64(seed ^ 11);
        for _ in 0..40 {
            let request = random_request(&mut rng, data, 3);
            let filter = if rng.random_bool(0.5) { Filter::Everything } else { filter(&mut rng, data, 2) };
            let ranking = ranking(&mut rng, &world);
            let threshold = rng.random_bool(0.3).then(|| rng.random_range(-1.0..1.0));
            let excluded = data.ids().iter().filter(|_| rng.random_bool(0.1)).cloned().collect();
            let search = Search {
                ranking,
                filter,
                within: None,
                access: Access::IdsThenFilter,
                threshold,
                excluded,
                exact: true,
                expected: 5,
                widens: false,
            };
            let n = rng.random_range(1..12);
            let found = RankReached::rank_reached(&*together, &context(), &search, &request, n).await.unwrap();
            let reach = world.embedded.reach(&context(), &request).await.unwrap();
            let within = Search { within: Some(reach.ids.clone()), ..search.clone() };
            let mut cursor = world.embedded.search(&context(), within).await.unwrap();
            let expected = cursor.next(&context(), n).await.unwrap();
            assert_eq!(found.unknown, reach.unknown, "{request:?}");
            assert_eq!(found.page.hits.len(), expected.hits.len(), "{search:?} {request:?}");
            assert!(found.page.exact && (found.page.exhausted || found.page.hits.len() == n));
            for (found, expected) in found.page.hits.iter().zip(&expected.hits) {
                assert!((found.score - expected.score).abs() < 1e-5, "{search:?} {request:?}: {found:?} {expected:?}");
            }
            // Scores that are not near any other say which entity it is.
            for (place, hit) in expected.hits.iter().enumerate() {
                let alone = |other: &crate::backend::Hit| other.id == hit.id || (other.score - hit.score).abs() > 1e-5;
                if expected.hits.len() < n && expected.hits.iter().all(alone) {
                    assert_eq!(found.page.hits[place].id, hit.id, "{search:?} {request:?}");
                }
            }
        }
    }
}
