//! Tables that were there before, of other shapes than the gateway's own.

use std::sync::Arc;

use super::{database, server, with_extension};
use crate::{
    backend::{
        Access, BackendError, ErrorKind, Hit, Projection, Ranking, Search, VectorStore, Weight,
        embedded::testing::context,
        postgres::{AttributeColumn, EntityTable, PgEntities, testing::Database},
    },
    catalog::{AttributeSchema, CollectionSchema, Metric, QueryLimits, VectorSchema},
    query::{Comparison, Field, Filter},
    value::{AttributeType, AttributeValue, EntityId, IdType, Literal, Number},
};

fn schema(id_type: IdType, attributes: &[(&str, AttributeType)], metric: Metric) -> Arc<CollectionSchema> {
    Arc::new(CollectionSchema {
        name: "things".into(),
        id_type,
        attributes: attributes
            .iter()
            .map(|(name, kind)| AttributeSchema { name: (*name).into(), kind: *kind })
            .collect(),
        vectors: vec![VectorSchema { name: "default".into(), dimensions: 2, metric }],
        graph: None,
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    })
}

fn mapping(table: &str, id: &str, attributes: &[&str], vector: &str) -> EntityTable {
    let place = |text: &&str| {
        let mut path: Vec<String> = text.split('.').map(str::to_owned).collect();
        AttributeColumn { column: path.remove(0), path }
    };
    EntityTable {
        table: table.into(),
        id: id.into(),
        attributes: attributes.iter().map(place).collect(),
        vectors: vec![vector.into()],
    }
}

fn nearest(vector: [f32; 2], filter: Filter) -> Search {
    Search {
        ranking: Ranking::Similarity { space: 0, vector: Arc::from(vector) },
        filter,
        within: None,
        access: Access::FilterThenRank,
        threshold: None,
        excluded: Vec::new(),
        exact: true,
        expected: 10,
        widens: false,
    }
}

async fn hits(store: &PgEntities, search: Search) -> Result<Vec<Hit>, BackendError> {
    let ctx = context();
    Ok(store.search(&ctx, search).await?.next(&ctx, 100).await?.hits)
}

async fn ids(store: &PgEntities, filter: Filter) -> Vec<String> {
    let hits = hits(store, nearest([1.0, 0.0], filter)).await.unwrap();
    hits.iter().map(|hit| hit.id.to_string()).collect()
}

fn text(field: u16, value: &str) -> Filter {
    Filter::equals(Field::Attribute(field), Literal::Text(value.into()))
}

fn less(field: u16, value: Number) -> Filter {
    Filter::Compare(Field::Attribute(field), Comparison::Less, Literal::Number(value))
}

const EXISTING: &str = r#"
CREATE SCHEMA "Shop.Floor"; CREATE SCHEMA shared;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE DOMAIN shared.price AS numeric(12, 2);
CREATE TYPE shared.state AS ENUM ('new', 'old');
CREATE TABLE "Shop.Floor"."Items" (
    "item No" bigint PRIMARY KEY, "Embed""ding" halfvec(2), meta jsonb, price shared.price, state shared.state, owner_id uuid,
    day date, seen timestamp
);
INSERT INTO "Shop.Floor"."Items" VALUES
    (9007199254740993, '[1, 0]', '{"license": {"name": "MIT"}, "stars": 9007199254740993, "at": "2024-02-29T12:00:00.5+01:00"}',
     0.10, 'new', '00000000-0000-0000-0000-00000000000a', '2024-03-01', '2024-03-01 12:00'),
    (2, '[0.6, 0.8]', '{"license": {"name": 7}, "stars": 1.5, "at": "2023-02-29T12:00:00Z"}', 'NaN', 'old', NULL, 'infinity', NULL),
    (3, '[0, 1]', '{"license": "MIT", "stars": "9", "at": "soon"}', NULL, NULL, NULL, NULL, '-infinity'),
    (4, NULL, '{"license": {"name": "MIT"}}', 1, 'new', NULL, NULL, NULL);"#;

async fn existing(database: &Database) -> Arc<PgEntities> {
    database.execute(EXISTING).await;
    let attributes = [
        ("at", AttributeType::Timestamp),
        ("day", AttributeType::Timestamp),
        ("license", AttributeType::Keyword),
        ("owner", AttributeType::Keyword),
        ("price", AttributeType::Float),
        ("seen", AttributeType::Timestamp),
        ("stars", AttributeType::Integer),
        ("state", AttributeType::Keyword),
    ];
    let places = ["meta.at", "day", "meta.license.name", "owner_id", "price", "seen", "meta.stars", "state"];
    let mapping = mapping("\"Shop.Floor\".Items", "item No", &places, "Embed\"ding");
    PgEntities::new(server(&database.url, 4), schema(IdType::Integer, &attributes, Metric::Cosine), mapping)
}

#[tokio::test]
async fn a_table_of_other_names_and_types_works_as_it_is() {
    let Some(database) = database().await else { return };
    let store = existing(&database).await;
    let all = hits(&store, nearest([1.0, 0.0], Filter::Everything)).await.unwrap();
    let scores: Vec<(String, f64)> = all.iter().map(|hit| (hit.id.to_string(), (hit.score * 1e3).round())).collect();
    assert_eq!(scores, [("9007199254740993".into(), 1e3), ("2".into(), 600.0), ("3".into(), 0.0)]);

    assert_eq!(ids(&store, text(2, "MIT")).await, ["9007199254740993"], "in JSON");
    assert_eq!(ids(&store, Filter::negate(text(2, "MIT"))).await, ["2", "3"], "JSON of another type is missing");
    assert_eq!(ids(&store, text(7, "old")).await, ["2"], "an enumeration");
    assert_eq!(ids(&store, text(3, "00000000-0000-0000-0000-00000000000a")).await, ["9007199254740993"], "a UUID");
    assert_eq!(ids(&store, text(3, "00000000-0000-0000-0000-00000000000A")).await, [""; 0], "has one spelling");
    let tenth = Literal::Number(Number::from_f64(0.1));
    assert_eq!(ids(&store, Filter::equals(Field::Attribute(4), tenth)).await, ["9007199254740993"], "a decimal");
    assert_eq!(ids(&store, Filter::Exists(Field::Attribute(4))).await, ["9007199254740993"], "NaN is missing");
    let large = |value| Filter::equals(Field::Attribute(6), Literal::Number(Number::Integer(value)));
    assert_eq!(ids(&store, large(9_007_199_254_740_993)).await, ["9007199254740993"], "exact beyond 2^53");
    assert_eq!(ids(&store, large(9_007_199_254_740_992)).await, [""; 0]);
    assert_eq!(ids(&store, less(6, Number::Integer(2))).await, [""; 0], "1.5 is no integer");
    for field in [0, 1, 5] {
        let exists = Filter::Exists(Field::Attribute(field));
        assert_eq!(ids(&store, exists).await, ["9007199254740993"], "no day, no instant, or infinite: {field}");
    }
    let noon = |micros| Filter::equals(Field::Attribute(0), Literal::Timestamp(micros));
    assert_eq!(ids(&store, noon(1_709_204_400_500_000)).await, ["9007199254740993"]);

    let projection = Projection { attributes: (0..8).collect(), vectors: vec![0] };
    let ids = [EntityId::Integer(9_007_199_254_740_993), EntityId::Integer(2), EntityId::Integer(4)];
    let found = store.fetch(&context(), &ids, &projection).await.unwrap();
    let [Some(first), Some(second), Some(fourth)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        first.attributes,
        [
            AttributeValue::Timestamp(1_709_204_400_500_000),
            AttributeValue::Timestamp(1_709_251_200_000_000),
            AttributeValue::Text("MIT".into()),
            AttributeValue::Text("00000000-0000-0000-0000-00000000000a".into()),
            AttributeValue::Float(0.1),
            AttributeValue::Timestamp(1_709_294_400_000_000),
            AttributeValue::Integer(9_007_199_254_740_993),
            AttributeValue::Text("new".into()),
        ]
    );
    assert_eq!(second.attributes[..7], [const { AttributeValue::Null }; 7]);
    assert_eq!((first.vectors[0].as_deref(), fourth.vectors[0].as_deref()), (Some(&[1.0, 0.0][..]), None));
    store.refresh().await.unwrap();
    let statistics = store.statistics();
    assert_eq!((statistics.epoch, statistics.attributes.len()), (1, 8));
}

#[tokio::test]
async fn the_extension_may_be_outside_the_search_path() {
    let Some(database) = database().await else { return };
    database
        .execute("DROP EXTENSION vector; CREATE SCHEMA \"my ext\"; CREATE EXTENSION vector SCHEMA \"my ext\"")
        .await;
    database
        .execute(
            "CREATE TABLE t (id uuid PRIMARY KEY, v \"my ext\".vector(2)); CREATE INDEX ON t USING hnsw (v \"my ext\".vector_l2_ops); \
             INSERT INTO t VALUES ('00000000-0000-0000-0000-000000000001', '[1, 2]'), ('00000000-0000-0000-0000-000000000002', NULL)",
        )
        .await;
    let store =
        PgEntities::new(server(&database.url, 4), schema(IdType::Uuid, &[], Metric::L2), mapping("t", "id", &[], "v"));
    for exact in [true, false] {
        let search = Search { exact, access: Access::RankThenFilter, ..nearest([1.0, 0.0], Filter::Everything) };
        let found = hits(&store, search).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].score, -2.0);
    }
}

#[tokio::test]
async fn texts_are_ordered_by_bytes_in_a_database_that_orders_them_otherwise() {
    let Some(server_url) = crate::backend::testing_servers::collated_postgres() else { return };
    let database = with_extension(Database::on(&server_url).await.expect("a database")).await.expect("the extension");
    database
        .execute(
            "CREATE COLLATION loose (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false); \
             CREATE TABLE t (id text PRIMARY KEY, word text COLLATE loose, words text[] COLLATE loose, v vector(2)); \
             INSERT INTO t SELECT id, id, ARRAY[id], '[1, 0]' FROM unnest(ARRAY['a', 'B', 'ä', 'Z', 'b', 'aa']) id",
        )
        .await;
    let attributes = [("word", AttributeType::Keyword), ("words", AttributeType::Keywords)];
    let mapping = mapping("t", "id", &["word", "words"], "v");
    let store = PgEntities::new(server(&database.url, 4), schema(IdType::Text, &attributes, Metric::Cosine), mapping);
    let sorted = ["B", "Z", "a", "aa", "b", "ä"];
    assert_eq!(ids(&store, Filter::Everything).await, sorted, "ties by id");
    let by_id = Search { ranking: Ranking::ById, ..nearest([1.0, 0.0], Filter::Everything) };
    let ctx = context();
    let mut cursor = store.search(&ctx, by_id).await.unwrap();
    for pair in sorted.chunks(2) {
        let page = cursor.next(&ctx, 2).await.unwrap();
        assert_eq!(page.hits.iter().map(|hit| hit.id.to_string()).collect::<Vec<_>>(), pair);
    }
    assert_eq!(ids(&store, text(0, "b")).await, ["b"], "equal in bytes, not in the column's collation");
    assert_eq!(ids(&store, text(1, "b")).await, ["b"]);
    assert_eq!(ids(&store, Filter::negate(text(0, "b"))).await, ["B", "Z", "a", "aa", "ä"]);
    let below = Filter::Compare(Field::Attribute(0), Comparison::Less, Literal::Text("a".into()));
    assert_eq!(ids(&store, below).await, ["B", "Z"]);
    let matching = store.matching(&ctx, &[EntityId::Text("A".into())], &Filter::Everything, None).await.unwrap();
    assert_eq!(matching, [false]);
    let said: Vec<String> = store.inspect(&ctx).await.unwrap().iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|text| text.starts_with("advice: entities.id") && text.contains("COLLATE \"C\"")),
        "{said:#?}"
    );
}

#[tokio::test]
async fn a_table_that_changes_is_read_again() {
    let Some(database) = database().await else { return };
    let attributes = [("size", AttributeType::Integer)];
    let store = PgEntities::new(
        server(&database.url, 4),
        schema(IdType::Integer, &attributes, Metric::Cosine),
        mapping("t", "id", &["size"], "v"),
    );
    let missing = hits(&store, nearest([1.0, 0.0], Filter::Everything)).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Failed);
    assert!(missing.detail.contains("table does not exist"), "{missing}");
    database
        .execute("CREATE TABLE t (id int PRIMARY KEY, size int, v vector(2)); INSERT INTO t VALUES (1, 5, '[1, 0]')")
        .await;
    assert_eq!(ids(&store, less(0, Number::Integer(6))).await, ["1"]);
    database.execute("ALTER TABLE t ALTER size TYPE text, ALTER v TYPE halfvec(2)").await;
    assert_eq!(ids(&store, Filter::Everything).await, ["1"], "the vectors are of another type now");
    let unreadable = hits(&store, nearest([1.0, 0.0], less(0, Number::Integer(6)))).await.unwrap_err();
    assert!(unreadable.detail.contains("\"size\" is of type text"), "{unreadable}");
    database.execute("DROP TABLE t; CREATE TABLE t (id int8 PRIMARY KEY, size numeric, v vector(2))").await;
    database.execute("INSERT INTO t VALUES (7, 5, '[1, 0]')").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(ids(&store, less(0, Number::Integer(6))).await, ["7"]);
}

#[tokio::test]
async fn check_says_what_is_there_and_what_is_likely_to_be_slow() {
    let Some(database) = database().await else { return };
    let store = existing(&database).await;
    let ctx = context();
    let said = async |store: &PgEntities| {
        let findings = store.inspect(&ctx).await.unwrap();
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let has = |said: &[String], start: &str, part: &str| {
        assert!(said.iter().any(|text| text.starts_with(start) && text.contains(part)), "{start} … {part}: {said:#?}");
    };
    let before = said(&store).await;
    has(&before, "found: ", "extension vector 0.");
    has(&before, "found: entities.table", "\"Shop.Floor\".\"Items\": a table");
    has(&before, "advice: entities.table", "never analysed");
    has(&before, "found: entities.id", "bigint, unique by Items_pkey");
    has(&before, "found: attributes.license.json_path", "jsonb, inside it license.name; no index");
    has(&before, "advice: attributes.seen.column", "UTC");

    database
        .execute(
            r#"INSERT INTO "Shop.Floor"."Items" ("item No", "Embed""ding", meta) SELECT i, '[1, 1]', '{}' FROM generate_series(10, 9000) i;
            CREATE INDEX stars ON "Shop.Floor"."Items" ((meta -> 'license' ->> 'name'));
            CREATE INDEX wrong ON "Shop.Floor"."Items" USING hnsw ("Embed""ding" halfvec_l2_ops); ANALYZE"#,
        )
        .await;
    let after = said(&store).await;
    has(&after, "found: attributes.license.json_path", "index stars");
    has(&after, "advice: attributes.price.column", "btree index");
    has(
        &after,
        "advice: vectors.default.column",
        "index wrong: hnsw with halfvec_l2_ops, default parameters; it serves no search",
    );
    has(&after, "advice: vectors.default.column", "no index for approximate search");
    let role = format!("{}_reader", database.name);
    database
        .execute(&format!(
            r#"CREATE INDEX "right" ON "Shop.Floor"."Items" USING hnsw ("Embed""ding" halfvec_cosine_ops) WITH (m = 8);
            CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA "Shop.Floor", shared TO {role};
            GRANT SELECT ("item No", price) ON "Shop.Floor"."Items" TO {role}"#
        ))
        .await;
    let finally = said(&store).await;
    let as_reader: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
    let url = sqlx::ConnectOptions::to_url_lossy(&as_reader.username(&role)).to_string();
    let reader = PgEntities::new(server(&url, 2), store.schema().clone(), store.mapping().clone());
    let to_reader = reader.inspect(&ctx).await;
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    has(&finally, "found: vectors.default.column", "index right: hnsw with halfvec_cosine_ops, m=8");
    assert!(!finally.iter().any(|text| text.contains("no index for approximate search")), "{finally:#?}");
    assert!(!finally.iter().any(|text| text.starts_with("problem")), "{finally:#?}");
    let to_reader: Vec<String> = to_reader.unwrap().iter().map(ToString::to_string).collect();
    has(&to_reader, "problem: entities.table", "no right to SELECT");

    let nowhere = mapping("nowhere", "id", &["a"; 8], "v");
    let nowhere = PgEntities::new(server(&database.url, 4), store.schema().clone(), nowhere);
    let findings = nowhere.inspect(&ctx).await.unwrap();
    assert!(findings.iter().any(|finding| finding.weight == Weight::Problem && finding.key == "entities.table"));
}
