//! Searches through an index: they give as much as there is, whatever the filter lets pass and wherever the index stops.

use std::sync::Arc;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{database, server};
use crate::{
    backend::{
        Access, ErrorKind, Hit, Page, RankedCursor, Ranking, Search, VectorStore,
        embedded::testing::context,
        postgres::{AttributeColumn, EntityTable, PgEntities, search::in_order, testing::Database},
    },
    catalog::{AttributeSchema, CollectionSchema, Metric, QueryLimits, VectorSchema},
    query::{Comparison, Field, Filter},
    value::{AttributeType, EntityId, IdType, Literal, Number},
};

const ROWS: usize = 4_000;
const DIMENSIONS: usize = 16;

/// A thousandth of `rank` below which so many rows lie: 50, 5, 0.5 and 0.05 %, and none.
const SHARES: [(i128, usize); 5] = [(2_000, 2_000), (200, 200), (20, 20), (2, 2), (0, 0)];

fn schema() -> Arc<CollectionSchema> {
    Arc::new(CollectionSchema {
        name: "clouds".into(),
        id_type: IdType::Integer,
        attributes: vec![AttributeSchema { name: "rank".into(), kind: AttributeType::Integer }],
        vectors: vec![VectorSchema { name: "default".into(), dimensions: DIMENSIONS, metric: Metric::Cosine }],
        graph: None,
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    })
}

/// Clustered vectors; ranks are spread over all clusters but for the fewest, which lie far from the query.
async fn cloud(database: &Database, index: &str) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(5);
    let near = |rng: &mut StdRng, centre: &[f32]| -> Vec<f32> {
        centre.iter().map(|x| x + rng.random_range(-0.2_f32..0.2)).collect()
    };
    let centres: Vec<Vec<f32>> =
        (0..40).map(|_| (0..DIMENSIONS).map(|_| rng.random_range(-1.0_f32..1.0)).collect()).collect();
    let mut values = Vec::new();
    for row in 0..ROWS {
        let centre = &centres[if row < 20 { 39 } else { rng.random_range(0..39) }];
        values.push(format!("({row}, {row}, '{:?}')", near(&mut rng, centre)));
    }
    database
        .execute(&format!(
            "CREATE TABLE cloud (id int PRIMARY KEY, rank int, v vector({DIMENSIONS})); \
             INSERT INTO cloud VALUES {}; CREATE INDEX ON cloud USING {index}; ANALYZE cloud; \
             ALTER DATABASE \"{}\" SET enable_sort = off; ALTER DATABASE \"{}\" SET enable_seqscan = off",
            values.join(", "),
            database.name,
            database.name,
        ))
        .await;
    centres[0].clone()
}

fn store(database: &Database, max: usize) -> Arc<PgEntities> {
    let mapping = EntityTable {
        table: "cloud".into(),
        id: "id".into(),
        attributes: vec![AttributeColumn { column: "rank".into(), path: Vec::new() }],
        vectors: vec!["v".into()],
    };
    PgEntities::new(server(&database.url, max), schema(), mapping)
}

fn search(vector: &[f32], below: i128, exact: bool, widens: bool) -> Search {
    Search {
        ranking: Ranking::Similarity { space: 0, vector: vector.into() },
        filter: Filter::Compare(Field::Attribute(0), Comparison::Less, Literal::Number(Number::Integer(below))),
        within: None,
        access: Access::RankThenFilter,
        threshold: None,
        excluded: vec![EntityId::Integer(0)],
        exact,
        expected: 10,
        widens,
    }
}

/// All hits in pages of this size; between pages the connection is given back.
async fn drain(cursor: &mut dyn RankedCursor, size: usize) -> Vec<Hit> {
    let ctx = context();
    let mut all: Vec<Hit> = Vec::new();
    loop {
        let Page { hits, exhausted, exact, .. } = cursor.next(&ctx, size).await.unwrap();
        cursor.release().await;
        assert!(hits.len() == size || exhausted, "a page of {} of {size} though there are more", hits.len());
        assert!(hits.is_sorted_by(|a, b| in_order(a, b).is_lt()), "a page is in order");
        assert!(hits.iter().all(|hit| all.iter().all(|before| before.id != hit.id)), "no hit comes twice");
        assert!(exact || !exhausted);
        all.extend(hits);
        if exhausted {
            return all;
        }
    }
}

async fn no_page_is_short(index: &str, limit: &str) {
    let Some(database) = database().await else { return };
    let query = cloud(&database, index).await;
    database.execute(&format!("ALTER DATABASE \"{}\" SET {limit}", database.name)).await;
    let store = store(&database, 2);
    for (below, count) in SHARES {
        let expected = count.saturating_sub(1);
        let ctx = context();
        let mut cursor = store.search(&ctx, search(&query, below, true, false)).await.unwrap();
        let exact = drain(&mut *cursor, 10_000).await;
        assert_eq!(exact.len(), expected);
        for widens in [false, true] {
            for size in [10, 700] {
                let mut cursor = store.search(&ctx, search(&query, below, false, widens)).await.unwrap();
                let mut found = drain(&mut *cursor, size).await;
                found.sort_by(in_order);
                assert_eq!(found, exact, "{index}, {limit}, below {below}, pages of {size}, widens: {widens}");
            }
        }
    }
}

#[tokio::test]
async fn a_graph_index_never_leaves_a_page_short() {
    no_page_is_short("hnsw (v vector_cosine_ops)", "hnsw.max_scan_tuples = 20000").await;
}

#[tokio::test]
async fn an_index_scan_that_ends_early_goes_on_as_an_exact_search() {
    no_page_is_short("hnsw (v vector_cosine_ops)", "hnsw.max_scan_tuples = 1").await;
}

#[tokio::test]
async fn an_index_of_lists_never_leaves_a_page_short() {
    no_page_is_short("ivfflat (v vector_cosine_ops) WITH (lists = 30)", "ivfflat.max_probes = 2").await;
}

#[tokio::test]
async fn a_page_says_whether_something_before_its_last_hit_may_be_missing() {
    let Some(database) = database().await else { return };
    let query = cloud(&database, "hnsw (v vector_cosine_ops)").await;
    database.execute(&format!("ALTER DATABASE \"{}\" SET hnsw.max_scan_tuples = 1", database.name)).await;
    let (store, ctx) = (store(&database, 2), context());
    let mut exact = store.search(&ctx, search(&query, 2_000, true, false)).await.unwrap();
    let truth = drain(&mut *exact, 10_000).await;
    let mut cursor = store.search(&ctx, search(&query, 2_000, false, true)).await.unwrap();
    let (mut all, mut said) = (Vec::new(), [0, 0]);
    loop {
        let page = cursor.next(&ctx, 40).await.unwrap();
        all.extend(page.hits);
        said[usize::from(page.exact)] += 1;
        if page.exact {
            let mut sorted = all.clone();
            sorted.sort_by(in_order);
            assert_eq!(sorted, truth[..all.len()], "an exact page completes a prefix of the exact answer");
        }
        if page.exhausted {
            break;
        }
    }
    assert!(said[0] > 0 && said[1] > 0, "both kinds of pages: {said:?}");
}

#[tokio::test]
async fn a_search_whose_connection_was_taken_goes_on_without_repeating_itself() {
    let Some(database) = database().await else { return };
    let query = cloud(&database, "hnsw (v vector_cosine_ops)").await;
    // One connection: each search takes the other's between its pages.
    let (store, ctx) = (store(&database, 1), context());
    let mut first = store.search(&ctx, search(&query, 2_000, false, true)).await.unwrap();
    let mut second = store.search(&ctx, search(&query, 2_000, false, true)).await.unwrap();
    let (mut from_first, mut from_second) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        for (cursor, hits) in [(&mut first, &mut from_first), (&mut second, &mut from_second)] {
            let page = cursor.next(&ctx, 25).await.unwrap();
            cursor.release().await;
            assert_eq!(page.hits.len(), 25);
            assert!(page.hits.iter().all(|hit: &Hit| hits.iter().all(|before: &Hit| before.id != hit.id)));
            hits.extend(page.hits);
        }
    }
    // A search that nobody asks any more holds nothing.
    drop((first, second));
    let mut third = store.search(&ctx, search(&query, 200, true, false)).await.unwrap();
    assert_eq!(drain(&mut *third, 500).await.len(), 199);
}

#[tokio::test]
async fn an_exact_search_never_goes_through_the_index() {
    let Some(database) = database().await else { return };
    cloud(&database, "hnsw (v vector_cosine_ops)").await;
    let store = store(&database, 1);
    let (ctx, vector) = (context(), vec![0.5; DIMENSIONS]);
    let layout = store.layout(&ctx).await.unwrap();
    // Sorting and reading the table through are switched off, so that the server uses the index wherever it can.
    let plan = async |exact: bool| {
        let search = search(&vector, 2_000, exact, false);
        let rows = crate::backend::postgres::search::Rows { search: &search, given: &[], table_rows: ROWS as u64 };
        let statement =
            if exact { rows.exact(&layout, 0, &vector, 10) } else { rows.approximate(&layout, 0, &vector, 10, false) };
        let mut explain = crate::backend::postgres::statement::Statement::new("EXPLAIN ");
        explain.append(&statement.unwrap());
        let mut session = store.server().session(&ctx, "explain", 0).await.unwrap();
        let rows = session.rows(&ctx, &explain).await.unwrap();
        rows.iter().map(|row| sqlx::Row::get::<String, _>(row, 0)).collect::<Vec<_>>().join("\n")
    };
    let (exact, approximate) = (plan(true).await, plan(false).await);
    assert!(approximate.contains("cloud_v_idx"), "{approximate}");
    assert!(!exact.contains("cloud_v_idx"), "{exact}");
}

#[tokio::test]
async fn a_cancelled_page_is_an_error_and_the_search_stays_ended() {
    let Some(database) = database().await else { return };
    let query = cloud(&database, "hnsw (v vector_cosine_ops)").await;
    let (store, ctx) = (store(&database, 1), context());
    let mut cursor = store.search(&ctx, search(&query, 2_000, false, true)).await.unwrap();
    assert_eq!(cursor.next(&ctx, 5).await.unwrap().hits.len(), 5);
    let cancelled = context();
    cancelled.cancelled.cancel();
    assert_eq!(cursor.next(&cancelled, 5).await.unwrap_err().kind, ErrorKind::Cancelled);
    assert_eq!(cursor.next(&ctx, 5).await.unwrap_err().kind, ErrorKind::Failed);
}
