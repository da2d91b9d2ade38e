//! A small collection for tests: papers with every type of attribute, in clusters, citing one another.

use std::sync::Arc;

use rand::RngExt;
use roaring::RoaringBitmap;

use super::{random::source, vectors::with_noise};
use crate::{
    backend::embedded::{Column, Edges, Parts, Vectors},
    catalog::{AttributeSchema, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    value::{AttributeType, EntityId, IdType},
};

const DIMENSIONS: usize = 16;

pub(crate) fn schema() -> CollectionSchema {
    let attribute = |name: &str, kind| AttributeSchema { name: name.into(), kind };
    CollectionSchema {
        name: "papers".into(),
        id_type: IdType::Text,
        attributes: vec![
            attribute("open", AttributeType::Boolean),
            attribute("pages", AttributeType::Integer),
            attribute("published", AttributeType::Timestamp),
            attribute("tags", AttributeType::Keywords),
            attribute("title", AttributeType::Text),
            attribute("topic", AttributeType::Keyword),
            attribute("weight", AttributeType::Float),
        ],
        vectors: vec![VectorSchema { name: "default".into(), dimensions: DIMENSIONS, metric: Metric::Cosine }],
        graph: Some(GraphSchema {
            labels: vec!["Paper".into()],
            entity_label: 0,
            edges: vec!["cites".into(), "near".into()],
        }),
        tenant_attribute: None,
        embedding_version: None,
        limits: QueryLimits::default(),
    }
}

/// `entities` papers, and a tenth as many nodes without a vector at the end of the ids.
pub(crate) fn parts(entities: u32) -> Parts {
    let random = &mut source(7, "sample", 0);
    let nodes = entities + entities / 10;
    let topic = |row: u32| (row * 7919 % 97).min(row % 23) % 20;
    let centres: Vec<Vec<f32>> = (0..20).map(|_| with_noise(random, &[1.0; DIMENSIONS], 1.5)).collect();
    let papers: RoaringBitmap = (0..entities).collect();
    let with_pages: RoaringBitmap = (0..entities).filter(|row| row % 11 != 0).collect();
    let words = |prefix: &str, count: u32| -> Vec<Arc<str>> {
        (0..count).map(|i| Arc::from(format!("{prefix}{i:05}"))).collect()
    };
    let mut tag_offsets = vec![0];
    let mut tags = Vec::new();
    for row in 0..nodes {
        if row < entities {
            let mut own: Vec<u32> = (0..row % 5).map(|i| (topic(row) * 3 + i * i) % 60).collect();
            own.sort_unstable();
            own.dedup();
            tags.extend(own);
        }
        tag_offsets.push(tags.len() as u32);
    }
    // The lower a row, the more it is cited.
    let cites = pairs((0..nodes * 3).map(|_| {
        let from = random.random_range(1..nodes);
        (from, (f64::from(from) * random.random_range(0.0_f64..1.0).powi(4)) as u32)
    }));
    let near = pairs((0..entities.saturating_sub(23)).map(|row| (row, row + 23)));
    Parts {
        ids: (0..nodes).map(|row| EntityId::Text(format!("p{row:05}").into())).collect(),
        columns: vec![
            Column::Boolean { truths: (0..entities).filter(|row| row % 3 == 0).collect(), present: papers.clone() },
            Column::Integer {
                values: (0..nodes).map(|row| i64::from(row % 400) * i64::from(row % 7)).collect(),
                present: with_pages,
            },
            Column::Integer {
                values: (0..nodes)
                    .map(|row| 1_500_000_000_000_000 + i64::from(row * 31 % nodes) * 86_400_000_000)
                    .collect(),
                present: papers.clone(),
            },
            Column::Keywords {
                dictionary: words("tag", 60),
                offsets: tag_offsets,
                codes: tags,
                present: papers.clone(),
            },
            Column::Text { dictionary: words("title", nodes), codes: (0..nodes).collect(), present: papers.clone() },
            Column::Text {
                dictionary: words("topic", 20),
                codes: (0..nodes).map(topic).collect(),
                present: papers.clone(),
            },
            Column::Float { values: (0..nodes).map(|row| f64::from(row) / 3.0).collect(), present: papers },
        ],
        vectors: vec![Vectors {
            rows: (0..entities).collect(),
            values: (0..entities).flat_map(|row| with_noise(random, &centres[topic(row) as usize], 0.7)).collect(),
        }],
        edges: vec![cites, near],
    }
}

fn pairs(pairs: impl Iterator<Item = (u32, u32)>) -> Edges {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable();
    pairs.dedup();
    let (sources, targets) = pairs.into_iter().unzip();
    Edges { sources, targets }
}
