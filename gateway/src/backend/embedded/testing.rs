//! Small random data sets and filters for property tests, made to be full of ties, gaps, zero vectors, cycles and hubs.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{Column, Dataset, Edges, EmbeddedStore, Parts, Vectors};
use crate::{
    backend::CallContext,
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    query::{Comparison, Field, Filter, Priority},
    value::{AttributeType, AttributeValue, EntityId, IdType, Literal, Number},
};

/// How much data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rows: u32,
    pub(crate) edges: usize,
}

/// The attribute that names tenants.
pub(crate) const OWNER: u16 = 2;

/// Data sets of up to so many rows, and up to twice as many edges of each type.
pub(crate) fn parts(max_rows: u32) -> impl Strategy<Value = (Arc<CollectionSchema>, Parts)> {
    let size = (0..=max_rows).prop_flat_map(|rows| (Just(rows), 0..=2 * rows as usize));
    (any::<u64>(), size).prop_map(|(seed, (rows, edges))| random(seed, Size { rows, edges }))
}

/// A data set by seed: an attribute of each type, a vector space of each metric, two edge types.
pub(crate) fn random(seed: u64, size: Size) -> (Arc<CollectionSchema>, Parts) {
    let mut rng = StdRng::seed_from_u64(seed);
    let rng = &mut rng;
    let id_type = [IdType::Integer, IdType::Uuid, IdType::Text, IdType::Text][seed as usize % 4];
    let schema = schema(id_type);
    let mut ids = BTreeSet::new();
    while ids.len() < size.rows as usize {
        let number: u32 = rng.random_range(0..size.rows * 4 + 4);
        ids.insert(match id_type {
            IdType::Integer => EntityId::Integer(i64::from(number) - i64::from(size.rows)),
            IdType::Uuid => EntityId::Uuid(Uuid::from_u128(u128::from(number) << 90 | 7)),
            IdType::Text => EntityId::Text(format!("{}{number}", ["", "ä", "Z"][number as usize % 3]).into()),
        });
    }
    let columns = schema.attributes.iter().map(|attribute| column(rng, attribute, size.rows)).collect();
    let vectors = schema.vectors.iter().map(|vector| vectors(rng, vector, size.rows)).collect();
    let edges = schema.graph.iter().flat_map(|graph| &graph.edges).map(|_| edges(rng, size)).collect();
    (schema, Parts { ids: ids.into_iter().collect(), columns, vectors, edges })
}

/// A store over random data.
pub(crate) fn store(seed: u64, size: Size) -> Arc<EmbeddedStore> {
    let (schema, parts) = random(seed, size);
    EmbeddedStore::new("embedded".into(), Arc::new(Dataset::build(schema, parts).expect("random parts are valid")))
}

/// A call that nothing hurries.
pub(crate) fn context() -> CallContext {
    CallContext {
        priority: Priority::Normal.into(),
        tenant: None,
        deadline: std::time::Instant::now() + std::time::Duration::from_secs(600),
        cancelled: tokio_util::sync::CancellationToken::new(),
        request_id: "test".into(),
    }
}

/// A filter over the random schema whose literals are often values of the data.
pub(crate) fn filter(rng: &mut StdRng, data: &Dataset, depth: u32) -> Filter {
    if depth > 0 && rng.random_bool(0.6) {
        let parts: Vec<Filter> = (0..rng.random_range(0..4)).map(|_| filter(rng, data, depth - 1)).collect();
        return match rng.random_range(0..3) {
            0 => Filter::and(parts),
            1 => Filter::or(parts),
            _ => Filter::negate(filter(rng, data, depth - 1)),
        };
    }
    let attributes = data.schema().attributes.len() as u16;
    let field = match rng.random_range(0..attributes + 1) {
        0 => Field::Id,
        index => Field::Attribute(index - 1),
    };
    match rng.random_range(0..5) {
        0 => Filter::Exists(field),
        1 | 2 => {
            let count = rng.random_range(1..5);
            Filter::one_of(field, (0..count).map(|_| literal(rng, data, field)).collect())
        }
        _ => {
            let comparison =
                [Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual]
                    [rng.random_range(0..4)];
            Filter::Compare(field, comparison, literal(rng, data, field))
        }
    }
}

/// Whether a row passes a filter, by the definition.
pub(crate) fn passes(data: &Dataset, filter: &Filter, row: u32) -> bool {
    filter.matches(data.id(row), &|index| data.attribute(row, index))
}

fn literal(rng: &mut StdRng, data: &Dataset, field: Field) -> Literal {
    let row = (data.rows() > 0).then(|| rng.random_range(0..data.rows()));
    let index = match (field, row) {
        (Field::Id, Some(row)) => return Literal::Id(data.id(row).clone()),
        (Field::Id, None) => return Literal::Id(EntityId::Text("nobody".into())),
        (Field::Attribute(index), _) => index,
    };
    let nudge = f64::from(rng.random_range(-2..3)) / 2.0;
    match row.map(|row| data.attribute(row, index)) {
        Some(AttributeValue::Integer(value)) => Literal::Number(Number::from_f64(value as f64 + nudge)),
        Some(AttributeValue::Float(value)) if value.is_finite() => Literal::Number(Number::from_f64(value + nudge)),
        Some(AttributeValue::Timestamp(value)) => Literal::Timestamp(value),
        Some(AttributeValue::Boolean(value)) => Literal::Boolean(value),
        Some(AttributeValue::Text(value)) => Literal::Text(value),
        Some(AttributeValue::Keywords(values)) if !values.is_empty() => Literal::Text(values[0].clone()),
        // A literal of some other type, which nothing equals.
        _ => [Literal::Text("k3".into()), Literal::Number(Number::Integer(3)), Literal::Timestamp(3)]
            [rng.random_range(0..3)]
        .clone(),
    }
}

fn schema(id_type: IdType) -> Arc<CollectionSchema> {
    let attribute = |name: &str, kind| AttributeSchema { name: name.into(), kind };
    let vector = |name: &str, dimensions, metric| VectorSchema { name: name.into(), dimensions, metric };
    Arc::new(CollectionSchema {
        name: "random".into(),
        id_type,
        attributes: vec![
            attribute("amount", AttributeType::Float),
            attribute("flag", AttributeType::Boolean),
            attribute("owner", AttributeType::Keyword),
            attribute("size", AttributeType::Integer),
            attribute("summary", AttributeType::Text),
            attribute("tags", AttributeType::Keywords),
            attribute("time", AttributeType::Timestamp),
        ],
        vectors: vec![
            vector("default", 3, Metric::Cosine),
            vector("place", 2, Metric::L2),
            vector("taste", 19, Metric::Ip),
        ],
        graph: Some(GraphSchema {
            labels: vec!["Node".into()],
            entity_label: 0,
            edges: vec!["likes".into(), "links".into()],
        }),
        tenant_attribute: Some(OWNER),
        embedding_version: None,
        limits: QueryLimits::default(),
    })
}

fn column(rng: &mut StdRng, attribute: &AttributeSchema, rows: u32) -> Column {
    let present: RoaringBitmap = (0..rows).filter(|_| rng.random_bool(0.8)).collect();
    let dictionary = |count: u32| -> Vec<Arc<str>> { (0..count).map(|i| format!("k{i}").into()).collect() };
    match attribute.kind {
        AttributeType::Keyword => {
            Column::Text { dictionary: dictionary(4), codes: many(rng, rows, |rng| rng.random_range(0..4)), present }
        }
        AttributeType::Text => {
            let mut dictionary = dictionary(rows + 1);
            dictionary.sort_unstable();
            Column::Text { codes: many(rng, rows, |rng| rng.random_range(0..=rows)), dictionary, present }
        }
        AttributeType::Integer => {
            let value = |rng: &mut StdRng| match rng.random_range(0..8) {
                0 => i64::MAX - rng.random_range(0..3),
                1 => (1 << 53) + rng.random_range(-2..3),
                _ => rng.random_range(-5..20),
            };
            Column::Integer { values: many(rng, rows, value), present }
        }
        AttributeType::Timestamp => {
            Column::Integer { values: many(rng, rows, |rng| rng.random_range(-3..10) * 1_000_000), present }
        }
        AttributeType::Float => {
            let value = |rng: &mut StdRng| match rng.random_range(0..10) {
                0 => 0.0,
                1 => -0.0,
                2 => f64::INFINITY,
                3 => f64::NEG_INFINITY,
                _ => f64::from(rng.random_range(-8..9)) / 4.0,
            };
            Column::Float { values: many(rng, rows, value), present }
        }
        AttributeType::Boolean => {
            Column::Boolean { truths: present.iter().filter(|_| rng.random_bool(0.3)).collect(), present }
        }
        AttributeType::Keywords => {
            let mut offsets = vec![0];
            let mut codes = Vec::new();
            for row in 0..rows {
                let most = if present.contains(row) { 4 } else { 1 };
                codes.extend((0..rng.random_range(0..most)).map(|_| rng.random_range(0..6_u32)));
                offsets.push(codes.len() as u32);
            }
            Column::Keywords { dictionary: dictionary(6), offsets, codes, present }
        }
    }
}

/// Vectors on a coarse grid, so that many are equal, opposite or zero.
fn vectors(rng: &mut StdRng, vector: &VectorSchema, rows: u32) -> Vectors {
    let rows: Vec<u32> = (0..rows).filter(|_| rng.random_bool(0.85)).collect();
    let components = rows.len() * vector.dimensions;
    let fine = rng.random_bool(0.5);
    let component = |rng: &mut StdRng| {
        if fine { rng.random_range(-1.0_f32..1.0) } else { rng.random_range(-1_i8..2).into() }
    };
    let mut values: Vec<f32> = (0..components).map(|_| component(rng)).collect();
    for row in values.chunks_exact_mut(vector.dimensions) {
        if rng.random_bool(0.05) {
            row.fill(0.0);
        }
    }
    Vectors { rows, values }
}

/// Half of the edges start or end at one of three hubs.
fn edges(rng: &mut StdRng, size: Size) -> Edges {
    let mut pairs = BTreeSet::new();
    if size.rows > 0 {
        for _ in 0..size.edges {
            let hub = rng.random_range(0..size.rows.min(3));
            let (a, b) = (rng.random_range(0..size.rows), rng.random_range(0..size.rows));
            pairs.insert([(a, b), (a, b), (hub, b), (a, hub)][rng.random_range(0..4)]);
        }
    }
    let (sources, targets) = pairs.into_iter().unzip();
    Edges { sources, targets }
}

fn many<T>(rng: &mut StdRng, rows: u32, mut value: impl FnMut(&mut StdRng) -> T) -> Vec<T> {
    (0..rows).map(|_| value(rng)).collect()
}
