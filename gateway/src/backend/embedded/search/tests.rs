//! Searches against a scan by the definition.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    backend::{
        IdSet, Ranking, Search, VectorStore,
        embedded::{
            EmbeddedStore, score,
            testing::{Size, context, filter, passes, store},
        },
    },
    query::Filter,
    value::EntityId,
};

const ACCESSES: [Access; 3] = [Access::RankThenFilter, Access::FilterThenRank, Access::IdsThenFilter];

fn naive(store: &EmbeddedStore, search: &Search) -> Vec<Hit> {
    let data = store.data();
    let spaces = data.schema().vectors.len() as u16;
    let mut hits = Vec::new();
    for row in 0..data.rows() {
        let id = data.id(row);
        let score = match &search.ranking {
            Ranking::ById => (0..spaces).any(|space| data.vector(space, row).is_some()).then_some(0.0),
            Ranking::Similarity { space, vector } => {
                let metric = data.schema().vectors[usize::from(*space)].metric;
                data.vector(*space, row).map(|x| score(metric, vector, x))
            }
        };
        let Some(score) = score else { continue };
        if passes(data, &search.filter, row)
            && search.within.as_ref().is_none_or(|within| within.contains(id))
            && search.threshold.is_none_or(|threshold| score >= threshold)
            && !search.excluded.contains(id)
        {
            hits.push(Hit { id: id.clone(), score });
        }
    }
    hits.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then_with(|| a.id.cmp(&b.id)));
    hits
}

/// A search with random parts; thresholds are often the score of a row.
fn random_search(rng: &mut StdRng, store: &EmbeddedStore) -> Search {
    let data = store.data();
    let some_ids = |rng: &mut StdRng, p: f64| -> Vec<EntityId> {
        (0..data.rows()).filter(|_| rng.random_bool(p)).map(|row| data.id(row).clone()).collect()
    };
    let ranking = match rng.random_range(0..4_u16) {
        3 => Ranking::ById,
        space => {
            let stored: Vec<&[f32]> = (0..data.rows()).filter_map(|row| data.vector(space, row)).collect();
            let dimensions = data.schema().vectors[usize::from(space)].dimensions;
            let vector = if stored.is_empty() || rng.random_bool(0.3) {
                (0..dimensions).map(|_| rng.random_range(0.1_f32..1.0)).collect()
            } else {
                Arc::from(stored[rng.random_range(0..stored.len())])
            };
            Ranking::Similarity { space, vector }
        }
    };
    let within = match rng.random_range(0..4) {
        0 => Some(IdSet::from_ids(some_ids(rng, 0.3))),
        1 => {
            let rows: RoaringBitmap = (0..data.rows()).filter(|_| rng.random_bool(0.5)).collect();
            Some(store.id_set(rows))
        }
        2 => Some(IdSet::from_ids(vec![EntityId::Text("not there".into())])),
        _ => None,
    };
    let mut search = Search {
        ranking,
        filter: if rng.random_bool(0.3) { Filter::Everything } else { filter(rng, data, 2) },
        within: within.filter(|_| rng.random_bool(0.7)),
        access: Access::RankThenFilter,
        threshold: None,
        excluded: some_ids(rng, 0.02),
        exact: true,
        expected: 10,
        widens: false,
    };
    let all = naive(store, &search);
    if !all.is_empty() && rng.random_bool(0.4) {
        search.threshold = Some(all[rng.random_range(0..all.len())].score);
    }
    search
}

async fn pages(store: &EmbeddedStore, search: &Search, mut size: impl FnMut() -> usize) -> (Vec<Hit>, u64) {
    let ctx = context();
    let mut cursor = store.search(&ctx, search.clone()).await.unwrap();
    let (mut hits, mut examined) = (Vec::new(), 0);
    loop {
        let size = size();
        let page = cursor.next(&ctx, size).await.unwrap();
        assert!(page.hits.len() == size || (page.exhausted && page.hits.len() < size), "a short page is the last");
        hits.extend(page.hits);
        examined += page.examined;
        if page.exhausted {
            let after = cursor.next(&ctx, 5).await.unwrap();
            assert!(after.hits.is_empty() && after.exhausted);
            return (hits, examined);
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_access_gives_the_hits_of_a_scan_in_pages_of_any_size(
        seed in any::<u64>(), rows in prop_oneof![0_u32..30, 80_u32..260, 500_u32..900]
    ) {
        let store = store(seed, Size { rows, edges: 0 });
        let mut rng = StdRng::seed_from_u64(seed ^ 2);
        for _ in 0..4 {
            let mut search = random_search(&mut rng, &store);
            let expected = naive(&store, &search);
            for access in ACCESSES {
                search.access = access;
                let (whole, _) = runtime().block_on(pages(&store, &search, || 100_000));
                prop_assert_eq!(&whole, &expected, "{:?} in one page", &search);
                let (parts, _) = runtime().block_on(pages(&store, &search, || rng.random_range(1..20)));
                prop_assert_eq!(&parts, &expected, "{:?} in pages", &search);
            }
        }
    }

    #[test]
    fn matching_says_which_ids_would_be_hits(seed in any::<u64>(), rows in 0_u32..60) {
        let store = store(seed, Size { rows, edges: 0 });
        let data = store.data();
        let mut rng = StdRng::seed_from_u64(seed ^ 3);
        let filter = filter(&mut rng, data, 2);
        let mut ids = data.ids().to_vec();
        ids.push(EntityId::Text("not there".into()));
        ids.reverse();
        for space in [None, Some(0), Some(1), Some(2)] {
            let found = runtime().block_on(store.matching(&context(), &ids, &filter, space)).unwrap();
            for (id, found) in ids.iter().zip(found) {
                let expected = data.ordinal(id).is_some_and(|row| {
                    let usable = |space| data.vector(space, row).is_some();
                    passes(data, &filter, row) && space.map_or(usable(0) || usable(1) || usable(2), usable)
                });
                prop_assert_eq!(found, expected, "{} {:?}", id, space);
            }
        }
    }
}

#[tokio::test]
async fn examined_counts_the_rows_that_each_access_looks_at() {
    let store = store(11, Size { rows: 2_000, edges: 0 });
    let data = store.data();
    let usable = data.usable(0).len();
    let vector: Arc<[f32]> = Arc::from(data.vector(0, data.usable(0).min().unwrap()).unwrap());
    let size_below = |value| {
        Filter::Compare(
            crate::query::Field::Attribute(3),
            crate::query::Comparison::Less,
            crate::value::Literal::Number(crate::value::Number::Integer(value)),
        )
    };
    let within: RoaringBitmap = (0..300).collect();
    let search = |access, within: Option<&RoaringBitmap>| Search {
        ranking: Ranking::Similarity { space: 0, vector: vector.clone() },
        filter: size_below(0),
        within: within.map(|rows| store.id_set(rows.clone())),
        access,
        threshold: None,
        excluded: Vec::new(),
        exact: false,
        expected: 10,
        widens: false,
    };
    let passing: RoaringBitmap = (0..2_000).filter(|row| passes(data, &size_below(0), *row)).collect();
    let first_page = async |search: Search| {
        let ctx = context();
        let mut cursor = store.search(&ctx, search).await.unwrap();
        let first = cursor.next(&ctx, 5).await.unwrap();
        let second = cursor.next(&ctx, 5).await.unwrap();
        (first.examined, second.examined)
    };
    let (all, later) = first_page(search(Access::RankThenFilter, None)).await;
    assert_eq!(all, usable, "ranking first scores each usable row");
    assert!(later < usable, "and later pages do not start again: {later}");
    let (passed, _) = first_page(search(Access::FilterThenRank, None)).await;
    assert_eq!(passed, (&passing & data.usable(0).as_ref()).len(), "filtering first scores just what passes");
    let (tested, _) = first_page(search(Access::IdsThenFilter, Some(&within))).await;
    assert_eq!(tested, 300, "starting from ids tests just those");
}

#[tokio::test]
async fn a_cancelled_search_ends_with_an_error_and_stays_ended() {
    let store = store(12, Size { rows: 5_000, edges: 0 });
    let search = Search {
        ranking: Ranking::ById,
        filter: Filter::Nothing,
        within: None,
        access: Access::RankThenFilter,
        threshold: None,
        excluded: Vec::new(),
        exact: false,
        expected: 1,
        widens: false,
    };
    let ctx = context();
    let mut cursor = store.search(&ctx, search).await.unwrap();
    ctx.cancelled.cancel();
    assert_eq!(cursor.next(&ctx, 1).await.unwrap_err().kind, ErrorKind::Cancelled);
    assert_eq!(cursor.next(&context(), 1).await.unwrap_err().kind, ErrorKind::Failed);
}

#[tokio::test]
async fn a_query_vector_that_does_not_fit_is_an_error() {
    let store = store(13, Size { rows: 10, edges: 0 });
    let search = |space, vector: &[f32]| Search {
        ranking: Ranking::Similarity { space, vector: vector.into() },
        filter: Filter::Everything,
        within: None,
        access: Access::RankThenFilter,
        threshold: None,
        excluded: Vec::new(),
        exact: false,
        expected: 1,
        widens: false,
    };
    for (space, vector) in [(0, &[1.0][..]), (0, &[0.0; 3]), (0, &[f32::NAN; 3]), (9, &[1.0; 3])] {
        assert!(store.search(&context(), search(space, vector)).await.is_err(), "{space} {vector:?}");
    }
    assert!(store.search(&context(), search(1, &[0.0; 2])).await.is_ok(), "zero has a distance");
}

#[tokio::test]
async fn fetch_gives_what_was_stored_in_the_order_asked_for() {
    use crate::backend::Projection;
    let store = store(14, Size { rows: 50, edges: 0 });
    let data = store.data();
    let ids = vec![data.id(7).clone(), EntityId::Text("not there".into()), data.id(3).clone()];
    let projection = Projection { attributes: vec![5, 0], vectors: vec![1, 0] };
    let found = store.fetch(&context(), &ids, &projection).await.unwrap();
    assert!(found[1].is_none());
    for (entity, row) in [(&found[0], 7), (&found[2], 3)] {
        let entity = entity.as_ref().unwrap();
        assert_eq!(entity.attributes, [data.attribute(row, 5), data.attribute(row, 0)]);
        assert_eq!(entity.vectors[0].as_deref(), data.vector(1, row));
        assert_eq!(entity.vectors[1].as_deref(), data.vector(0, row));
    }
}

#[tokio::test]
async fn a_search_long_enough_for_another_thread_gives_the_same_answer() {
    let store = store(15, Size { rows: 30_000, edges: 0 });
    let mut rng = StdRng::seed_from_u64(16);
    for space in 0..3 {
        let mut search = random_search(&mut rng, &store);
        let row = store.data().usable(space).select(100).unwrap();
        let vector = Arc::from(store.data().vector(space, row).unwrap());
        search.ranking = Ranking::Similarity { space, vector };
        search.filter = Filter::Everything;
        search.threshold = None;
        search.within = None;
        let expected = naive(&store, &search);
        assert_eq!(pages(&store, &search, || 7_001).await.0, expected);
    }
}
