//! Random tables answer as the embedded store over the same data does.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{database, server};
use crate::{
    backend::{
        Access, Hit, IdSet, Projection, Ranking, Search, VectorStore,
        embedded::{
            Dataset, EmbeddedStore,
            testing::{Size, context, filter, random},
        },
        postgres::{
            AttributeColumn, EntityTable, PgEntities,
            names::{literal, quoted},
            search::in_order,
            testing::Database,
        },
    },
    catalog::CollectionSchema,
    query::Filter,
    value::{AttributeType, AttributeValue, EntityId, IdType},
};

/// Scores of two stores may differ by so much.
const SCORE: f64 = 1e-6;

const ACCESSES: [Access; 3] = [Access::RankThenFilter, Access::FilterThenRank, Access::IdsThenFilter];

/// Both stores over one random data set.
struct Pair {
    embedded: Arc<EmbeddedStore>,
    postgres: Arc<PgEntities>,
}

impl Pair {
    async fn new(database: &Database, seed: u64, rows: u32) -> Self {
        let (schema, parts) = random(seed, Size { rows, edges: 0 });
        let data = Arc::new(Dataset::build(schema.clone(), parts).expect("random parts are valid"));
        let mut rng = StdRng::seed_from_u64(seed ^ 77);
        let (mapping, text) = table(&mut rng, &data, &format!("t{seed}"));
        database.execute(&text).await;
        Self {
            embedded: EmbeddedStore::new("embedded".into(), data),
            postgres: PgEntities::new(server(&database.url, 4), schema, mapping),
        }
    }

    fn data(&self) -> &Dataset {
        self.embedded.data()
    }
}

/// A table with the data, each attribute in one of the forms that can hold it.
fn table(rng: &mut StdRng, data: &Dataset, name: &str) -> (EntityTable, String) {
    let schema: &CollectionSchema = data.schema();
    let id_type = match schema.id_type {
        IdType::Text => ["text", "varchar(40)"].choose(rng),
        IdType::Integer => ["int4", "int8"].choose(rng),
        IdType::Uuid => Some(&"uuid"),
    };
    let mut columns = vec![format!("\"the id\" {} PRIMARY KEY", id_type.expect("one"))];
    let mut places = Vec::new();
    let mut forms = Vec::new();
    for attribute in &schema.attributes {
        let forms_of: &[&str] = match attribute.kind {
            AttributeType::Keyword | AttributeType::Text => &["text", "varchar", "bpchar", "jsonb", "json"],
            AttributeType::Integer => &["int8", "numeric", "jsonb"],
            AttributeType::Float => &["float8", "float4", "numeric"],
            AttributeType::Boolean => &["bool", "jsonb", "json"],
            AttributeType::Timestamp => &["timestamptz", "timestamp", "jsonb"],
            AttributeType::Keywords => &["text[]", "varchar[]", "jsonb", "json"],
        };
        let form = *forms_of.choose(rng).expect("some");
        columns.push(format!("{} {form}", quoted(&attribute.name)));
        let path = if form.starts_with("json") { vec!["in'side".into(), "b".into()] } else { Vec::new() };
        places.push(AttributeColumn { column: attribute.name.to_string(), path });
        forms.push(form);
    }
    let mut sized = Vec::new();
    for vector in &schema.vectors {
        sized.push(rng.random_bool(0.7));
        let size = if sized.last() == Some(&true) { format!("({})", vector.dimensions) } else { String::new() };
        columns.push(format!("{} vector{size}", quoted(&vector.name)));
    }
    let mut text = format!("CREATE TABLE {name} ({});", columns.join(", "));
    for row in 0..data.rows() {
        let mut values = vec![literal(&data.id(row).to_string())];
        for (index, form) in forms.iter().enumerate() {
            values.push(stored(rng, &data.attribute(row, index as u16), form));
        }
        for (space, vector) in schema.vectors.iter().enumerate() {
            values.push(match data.vector(space as u16, row) {
                Some(vector) => literal(&format!("{vector:?}")),
                // A vector that is there and is not usable, or none.
                None if rng.random_bool(0.2) && vector.metric == crate::catalog::Metric::Cosine => {
                    literal(&format!("{:?}", vec![0.0; vector.dimensions]))
                }
                // One of another space, where the column takes it.
                None if !sized[space] && rng.random_bool(0.5) => "'[1, 2, 3, 4]'".into(),
                None => "NULL".into(),
            });
        }
        write!(text, "INSERT INTO {name} VALUES ({});", values.join(", ")).expect("writes");
    }
    if rng.random_bool(0.5) {
        for (attribute, _) in schema.attributes.iter().zip(&forms).filter(|(_, form)| **form != "json") {
            write!(text, "CREATE INDEX ON {name} ({});", quoted(&attribute.name)).expect("writes");
        }
        write!(text, "ANALYZE {name};").expect("writes");
    }
    let vectors = schema.vectors.iter().map(|vector| vector.name.to_string()).collect();
    (EntityTable { table: format!("public.{name}"), id: "the id".into(), attributes: places, vectors }, text)
}

/// A value as a constant for a column of this form.
fn stored(rng: &mut StdRng, value: &AttributeValue, form: &str) -> String {
    let is_json = form.starts_with("json");
    let missing = |rng: &mut StdRng| -> String {
        let shapes: &[&str] = match form {
            // JSON of another type counts as missing, whatever it is.
            "jsonb" | "json" => {
                &["NULL", "'{}'", r#"'{"in''side": {"b": null}}'"#, r#"'{"in''side": {"b": {"a": 1}}}'"#, "'7'"]
            }
            "float8" | "float4" | "numeric" => &["NULL", "'NaN'"],
            "timestamptz" | "timestamp" => &["NULL", "'infinity'", "'-infinity'"],
            _ => &["NULL"],
        };
        (*shapes.choose(rng).expect("some")).to_owned()
    };
    let inside =
        |json: serde_json::Value| literal(&serde_json::json!({ "other": 1, "in'side": { "b": json } }).to_string());
    match value {
        AttributeValue::Null if form == "numeric" => ["NULL", "'NaN'"].choose(rng).expect("some").to_string(),
        AttributeValue::Null => missing(rng),
        AttributeValue::Text(text) if is_json => inside(text.to_string().into()),
        AttributeValue::Text(text) => literal(text),
        AttributeValue::Integer(value) if is_json => inside((*value).into()),
        AttributeValue::Integer(value) => value.to_string(),
        AttributeValue::Float(value) => format!("'{value}'"),
        AttributeValue::Boolean(value) if is_json => inside((*value).into()),
        AttributeValue::Boolean(value) => value.to_string(),
        AttributeValue::Timestamp(micros) => {
            let instant = jiff::Timestamp::from_microsecond(*micros).expect("in range").to_string();
            if is_json { inside(instant.into()) } else { literal(&instant) }
        }
        AttributeValue::Keywords(list) if is_json => {
            let mut list: Vec<serde_json::Value> = list.iter().map(|item| item.to_string().into()).collect();
            if rng.random_bool(0.3) {
                list.push(serde_json::Value::Null);
            }
            inside(list.into())
        }
        AttributeValue::Keywords(list) => {
            let mut items: Vec<String> = list.iter().map(|item| literal(item)).collect();
            if rng.random_bool(0.3) {
                items.push("NULL".into());
            }
            format!("ARRAY[{}]::{form}", items.join(", "))
        }
    }
}

fn some_ids(rng: &mut StdRng, data: &Dataset, share: f64) -> Vec<EntityId> {
    (0..data.rows()).filter(|_| rng.random_bool(share)).map(|row| data.id(row).clone()).collect()
}

fn random_search(rng: &mut StdRng, data: &Dataset) -> Search {
    let ranking = match rng.random_range(0..4_u16) {
        3 => Ranking::ById,
        space => {
            let stored: Vec<&[f32]> = (0..data.rows()).filter_map(|row| data.vector(space, row)).collect();
            let dimensions = data.schema().vectors[usize::from(space)].dimensions;
            let vector = match stored.choose(rng) {
                Some(stored) if rng.random_bool(0.7) => Arc::from(*stored),
                _ => (0..dimensions).map(|_| rng.random_range(0.1_f32..1.0)).collect(),
            };
            Ranking::Similarity { space, vector }
        }
    };
    let within = match rng.random_range(0..4) {
        0 => Some(some_ids(rng, data, 0.5)),
        1 => Some(vec![EntityId::Text("not there".into()), EntityId::Text("\0".into())]),
        _ => None,
    };
    Search {
        ranking,
        filter: if rng.random_bool(0.2) { Filter::Everything } else { filter(rng, data, 3) },
        within: within.map(IdSet::from_ids),
        access: Access::RankThenFilter,
        threshold: None,
        excluded: some_ids(rng, data, 0.05),
        exact: true,
        expected: 10,
        widens: rng.random_bool(0.5),
    }
}

async fn pages(store: &dyn VectorStore, search: &Search, mut size: impl FnMut() -> usize) -> Vec<Hit> {
    let ctx = context();
    let mut cursor = store.search(&ctx, search.clone()).await.unwrap();
    let mut hits = Vec::new();
    loop {
        let size = size();
        let page = cursor.next(&ctx, size).await.unwrap();
        cursor.release().await;
        assert!(page.hits.len() == size || (page.exhausted && page.hits.len() < size), "a short page is the last");
        assert!(page.exact);
        hits.extend(page.hits);
        if page.exhausted {
            let after = cursor.next(&ctx, 5).await.unwrap();
            assert!(after.hits.is_empty() && after.exhausted);
            return hits;
        }
    }
}

/// The same ids with the same scores; each store's order is by its own scores.
fn assert_same(found: &[Hit], expected: &[Hit], what: &str) {
    let scores: HashMap<&EntityId, f64> = expected.iter().map(|hit| (&hit.id, hit.score)).collect();
    for hit in found {
        let expected = scores.get(&hit.id).unwrap_or_else(|| panic!("{} is no answer: {what}", hit.id));
        let scale = expected.abs().max(1.0);
        assert!((expected - hit.score).abs() <= SCORE * scale, "{}: {} for {expected}: {what}", hit.id, hit.score);
    }
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(found.is_sorted_by(|a, b| in_order(a, b).is_lt()), "out of order: {what}");
}

#[tokio::test]
async fn every_search_gives_what_the_embedded_store_gives() {
    let Some(database) = database().await else { return };
    for seed in 0..32 {
        let mut rng = StdRng::seed_from_u64(seed ^ 3);
        let rows = [0, 1, 30, 90][seed as usize % 4] + rng.random_range(0..20) * u32::from(seed % 4 > 1);
        let pair = Pair::new(&database, seed, rows).await;
        for _ in 0..24 {
            let mut search = random_search(&mut rng, pair.data());
            let all = pages(&*pair.embedded, &search, || 10_000).await;
            // A threshold that is no score: between two stores a score may lie on either side of itself.
            if rng.random_bool(0.4)
                && let Some(hit) = all.get(all.len() / 2)
                && let Some(next) = all.iter().find(|next| next.score < hit.score - 1e-4)
            {
                search.threshold = Some((hit.score + next.score) / 2.0);
                search.threshold = search.threshold.filter(|t| all.iter().all(|hit| (hit.score - t).abs() > 1e-5));
            }
            let expected = pages(&*pair.embedded, &search, || 10_000).await;
            for access in ACCESSES {
                search.access = access;
                let what = format!("seed {seed}, {search:?}, {:?}", pair.postgres.mapping());
                let whole = pages(&*pair.postgres, &search, || 10_000).await;
                assert_same(&whole, &expected, &what);
                let parts = pages(&*pair.postgres, &search, || rng.random_range(1..20)).await;
                assert_eq!(parts, whole, "in pages: {what}");
            }
        }
    }
}

#[tokio::test]
async fn matching_and_fetch_give_what_the_embedded_store_gives() {
    let Some(database) = database().await else { return };
    let ctx = context();
    for seed in 100..124 {
        let mut rng = StdRng::seed_from_u64(seed);
        let pair = Pair::new(&database, seed, 40).await;
        let data = pair.data();
        let mut ids = data.ids().to_vec();
        ids.extend([EntityId::Text("not there".into()), EntityId::Text("\0".into()), EntityId::Integer(i64::MAX)]);
        ids.reverse();
        for _ in 0..12 {
            let filter = filter(&mut rng, data, 3);
            for space in [None, Some(0), Some(1), Some(2)] {
                let expected = pair.embedded.matching(&ctx, &ids, &filter, space).await.unwrap();
                let found = pair.postgres.matching(&ctx, &ids, &filter, space).await.unwrap();
                assert_eq!(found, expected, "seed {seed}, {filter:?}, {:?}", pair.postgres.mapping());
            }
        }
        let attributes = (0..data.schema().attributes.len() as u16).collect();
        let projection = Projection { attributes, vectors: vec![2, 0, 1] };
        let expected = pair.embedded.fetch(&ctx, &ids, &projection).await.unwrap();
        let found = pair.postgres.fetch(&ctx, &ids, &projection).await.unwrap();
        for ((id, found), expected) in ids.iter().zip(&found).zip(&expected) {
            assert_eq!(found, expected, "seed {seed}, {id}, {:?}", pair.postgres.mapping());
        }
    }
}
