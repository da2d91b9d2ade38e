//! What the store learns of a table.

use std::sync::Arc;

use super::{database, server};
use crate::{
    backend::{
        VectorStatistics, VectorStore,
        postgres::{AttributeColumn, EntityTable, PgEntities, testing::Database},
    },
    catalog::{AttributeSchema, CollectionSchema, Metric, QueryLimits, VectorSchema},
    value::{AttributeType, IdType, Literal, Number},
};

const ROWS: u64 = 20_000;

const ATTRIBUTES: [(&str, AttributeType); 6] = [
    ("at", AttributeType::Timestamp),
    ("license", AttributeType::Keyword),
    ("owner", AttributeType::Keyword),
    ("price", AttributeType::Float),
    ("size", AttributeType::Integer),
    ("tags", AttributeType::Keywords),
];

async fn shop(database: &Database) -> Arc<PgEntities> {
    database
        .execute(&format!(
            "CREATE TABLE shop (id int8 PRIMARY KEY, at timestamptz, meta jsonb, owner text, price numeric, size int, tags text[], \
             v vector(3)); \
             INSERT INTO shop SELECT i, timestamptz '2024-01-01 UTC' + i * interval '1 hour', \
             CASE WHEN i % 4 > 0 THEN jsonb_build_object('license', 'l' || i % 2) END, \
             CASE WHEN i % 10 < 3 THEN NULL WHEN i % 10 < 8 THEN 'often' ELSE 'o' || i % 1000 END, \
             CASE WHEN i % 10 = 0 THEN 'NaN' ELSE i / 100.0 END, i, \
             CASE WHEN i % 2 = 0 THEN ARRAY['even', 't' || i % 5] END, \
             CASE WHEN i % 5 > 0 THEN ARRAY[i, 1, i % 7]::real[]::vector END FROM generate_series(1, {ROWS}) i"
        ))
        .await;
    let schema = CollectionSchema {
        name: "shop".into(),
        id_type: IdType::Integer,
        attributes: ATTRIBUTES
            .iter()
            .map(|(name, kind)| AttributeSchema { name: (*name).into(), kind: *kind })
            .collect(),
        vectors: vec![VectorSchema { name: "default".into(), dimensions: 3, metric: Metric::Cosine }],
        graph: None,
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    };
    let place = |(name, _): &(&str, AttributeType)| match *name {
        "license" => AttributeColumn { column: "meta".into(), path: vec!["license".into()] },
        name => AttributeColumn { column: name.into(), path: Vec::new() },
    };
    let mapping = EntityTable {
        table: "shop".into(),
        id: "id".into(),
        attributes: ATTRIBUTES.iter().map(place).collect(),
        vectors: vec!["v".into()],
    };
    PgEntities::new(server(&database.url, 2), Arc::new(schema), mapping)
}

async fn learnt(store: &PgEntities) -> Arc<VectorStatistics> {
    store.refresh().await.unwrap();
    store.statistics()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, slack: f64) {
    assert!((found - expected).abs() <= slack, "{found} is not about {expected}");
}

/// What must be known of the table within this slack.
fn assert_known(statistics: &VectorStatistics, slack: f64) {
    let [at, license, owner, price, size, tags] = &statistics.attributes[..] else { panic!("six attributes") };
    let text = |text: &str| Literal::Text(text.into());
    assert_near(license.null_fraction, 0.25, slack);
    assert_near(license.common[&text("l1")], 0.5, slack);
    assert_near(license.common[&text("l0")], 0.25, slack);
    assert_near(owner.null_fraction, 0.3, slack);
    assert_near(owner.common[&text("often")], 0.5, slack);
    assert_near(owner.distinct, 201.0, 120.0);
    assert_near(price.null_fraction, 0.1, slack);
    assert_near(size.distinct, statistics.rows as f64, statistics.rows as f64 / 10.0);
    assert_near(tags.null_fraction, 0.5, slack);
    assert_near(tags.common[&text("even")], 0.5, slack);
    assert_near(tags.common[&text("t3")], 0.1, slack);
    for (attribute, low, high) in [
        (size, Literal::Number(Number::Integer(1)), Literal::Number(Number::Integer(i128::from(ROWS)))),
        (price, Literal::Number(Number::from_f64(0.01)), Literal::Number(Number::from_f64(200.0))),
        (at, Literal::Timestamp(1_704_067_200_000_000), Literal::Timestamp(1_776_067_200_000_000)),
    ] {
        let histogram = attribute.histogram.as_ref().expect("values that are there once have a histogram");
        assert!(histogram.bounds.len() > 50 && histogram.bounds.is_sorted());
        assert!(histogram.bounds.iter().all(|bound| (&low..=&high).contains(&bound)), "{:?}", histogram.bounds);
        assert_near(histogram.fraction, 1.0 - attribute.null_fraction, slack);
    }
}

#[tokio::test]
async fn statistics_describe_the_table_whether_or_not_it_was_analysed() {
    let Some(database) = database().await else { return };
    let store = shop(&database).await;
    let before = store.statistics();
    assert_eq!((before.epoch, before.attributes.len()), (0, ATTRIBUTES.len()));
    // Autovacuum may analyse the table at any time, so that this one may know more than a sample.
    let sampled = learnt(&store).await;
    assert_known(&sampled, 0.15);
    database.execute("ANALYZE shop").await;
    let stored = learnt(&store).await;
    assert_eq!(stored.rows, ROWS);
    assert_near(stored.usable[0] as f64 / ROWS as f64, 0.8, 0.05);
    assert_known(&stored, 0.05);
    assert_eq!((sampled.epoch, stored.epoch), (1, 2));
}

#[tokio::test]
async fn costs_are_measured_and_an_index_is_known_once_it_is_there() {
    let Some(database) = database().await else { return };
    let store = shop(&database).await;
    let without = learnt(&store).await;
    assert_eq!(without.ann, [None]);
    database.execute("CREATE INDEX ON shop USING hnsw (v vector_cosine_ops) WITH (ef_construction = 32)").await;
    let with = learnt(&store).await;
    let ann = with.ann[0].expect("there is an index");
    assert!(ann.start_us > 0.0 && ann.visit_ns > 0.0 && ann.max_rows == 20_000.0, "{ann:?}");
    let costs = with.costs;
    for cost in
        [costs.call_us, costs.score_ns, costs.order_ns, costs.test_ns, costs.index_ns, costs.id_ns, costs.fetch_ns]
    {
        assert!(cost > 0.0 && cost.is_finite(), "{costs:?}");
    }
}
