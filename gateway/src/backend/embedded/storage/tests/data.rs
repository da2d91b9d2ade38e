//! Made-up data with every type of id and attribute.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use roaring::RoaringBitmap;
use uuid::Uuid;

use crate::{
    backend::embedded::{Column, Edges, Parts, Vectors},
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    value::{AttributeType, EntityId, IdType},
};

/// One attribute a type, one vector, two edge types.
pub(super) fn schema(id_type: IdType, dimensions: usize) -> CollectionSchema {
    let attribute = |(name, kind): (&str, AttributeType)| AttributeSchema { name: name.into(), kind };
    let attributes = [
        ("count", AttributeType::Integer),
        ("flag", AttributeType::Boolean),
        ("kind", AttributeType::Keyword),
        ("size", AttributeType::Float),
        ("tags", AttributeType::Keywords),
        ("text", AttributeType::Text),
        ("when", AttributeType::Timestamp),
    ];
    CollectionSchema {
        name: "things".into(),
        id_type,
        attributes: attributes.map(attribute).into(),
        vectors: vec![VectorSchema { name: "default".into(), dimensions, metric: Metric::Cosine }],
        graph: Some(GraphSchema {
            labels: vec!["Thing".into()],
            entity_label: 0,
            edges: vec!["likes".into(), "needs".into()],
        }),
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    }
}

/// Data of [`schema`]: about every fifth value and vector is missing.
pub(super) fn parts(id_type: IdType, rows: usize, dimensions: usize, seed: u64) -> Parts {
    let mut random = StdRng::seed_from_u64(seed);
    let mut present = || -> RoaringBitmap { (0..rows as u32).filter(|_| random.random_range(0..5) > 0).collect() };
    let bitmaps: [RoaringBitmap; 8] = std::array::from_fn(|_| present());
    let [count, flag, kind, size, tags, text, when, vectors] = bitmaps;
    let truths = flag.iter().filter(|row| row % 2 == 0).collect();
    let words = |count: usize| -> Vec<Arc<str>> { (0..count).map(|i| format!("wörd {i:08}").into()).collect() };
    let code = |row: usize, of: usize| ((row * 31) % of) as u32;
    let columns = vec![
        Column::Integer { values: (0..rows).map(|row| i64::MAX - row as i64).collect(), present: count },
        Column::Boolean { truths, present: flag },
        Column::Text { dictionary: words(50), codes: (0..rows).map(|row| code(row, 50)).collect(), present: kind },
        Column::Float { values: (0..rows).map(|row| row as f64 * -0.1).collect(), present: size },
        Column::Keywords {
            dictionary: words(9),
            offsets: (0..=rows).map(|row| (row * 2) as u32).collect(),
            codes: (0..rows * 2).map(|row| code(row, 9)).collect(),
            present: tags,
        },
        Column::Text {
            dictionary: words(rows.max(1)),
            codes: (0..rows).map(|row| row as u32).collect(),
            present: text,
        },
        Column::Integer { values: (0..rows).map(|row| row as i64 - 5).collect(), present: when },
    ];
    let vector_rows: Vec<u32> = vectors.iter().collect();
    let values = (0..vector_rows.len() * dimensions).map(|_| random.random_range(-1.0..1.0)).collect();
    let edges = |step: usize| Edges {
        sources: (0..rows as u32).collect(),
        targets: (0..rows).map(|row| ((row + step) % rows.max(1)) as u32).collect(),
    };
    Parts {
        ids: (0..rows).map(|row| id(id_type, row)).collect(),
        columns,
        vectors: vec![Vectors { rows: vector_rows, values }],
        edges: vec![edges(1), edges(7)],
    }
}

fn id(id_type: IdType, row: usize) -> EntityId {
    match id_type {
        IdType::Text => EntityId::Text(format!("thing-{row:08}").into()),
        IdType::Integer => EntityId::Integer(row as i64 - 3),
        IdType::Uuid => EntityId::Uuid(Uuid::from_u128(row as u128 * 0x1_0000_0001)),
    }
}

/// Equal in every bit; floats are compared by theirs.
pub(super) fn assert_same(a: &Parts, b: &Parts) {
    assert_eq!(a.ids, b.ids);
    assert_eq!(format!("{:?}", a.columns), format!("{:?}", b.columns));
    assert_eq!(a.vectors.len(), b.vectors.len());
    for (a, b) in a.vectors.iter().zip(&b.vectors) {
        assert_eq!(a.rows, b.rows);
        assert!(a.values.iter().map(|x| x.to_bits()).eq(b.values.iter().map(|x| x.to_bits())));
    }
    assert_eq!(format!("{:?}", a.edges), format!("{:?}", b.edges));
}
