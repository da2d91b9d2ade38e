//! Small random collections and queries.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use roaring::RoaringBitmap;
use serde_json::{Value, json};

use crate::{
    backend::embedded::{Column, Dataset, Edges, EmbeddedStore, Parts, Vectors},
    catalog::{AttributeSchema, Catalog, Collection, CollectionSchema, GraphSchema, Metric, QueryLimits, VectorSchema},
    config::{CacheConfig, ServerConfig},
    principal::Principal,
    problem::Problem,
    query::Priority,
    request::{Endpoint, Gateway, Hints, Incoming},
    telemetry::Metrics,
    value::{AttributeType, EntityId, IdType},
};

pub(super) const COLOURS: [&str; 4] = ["blue", "green", "red", "violet"];
pub(super) const TAGS: [&str; 4] = ["a", "b", "c", "d"];
pub(super) const OWNERS: [&str; 2] = ["acme", "bolt"];
pub(super) const EDGES: [&str; 2] = ["likes", "needs"];
pub(super) const DIMENSIONS: usize = 3;

/// A node as a test sees it. Its id is its place, as text: `n00`, `n01`, …
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub colour: Option<usize>,
    pub size: Option<i64>,
    pub weight: Option<i8>,
    pub tags: Option<Vec<usize>>,
    pub owner: Option<usize>,
    pub vector: Option<[i8; DIMENSIONS]>,
}

/// A collection as a test sees it.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub metric: Metric,
    pub nodes: Vec<Node>,
    /// (type, source, target)
    pub edges: Vec<(usize, usize, usize)>,
}

pub(super) fn name(index: usize) -> String {
    format!("n{index:02}")
}

fn node() -> impl Strategy<Value = Node> {
    (
        option::weighted(0.8, 0..COLOURS.len()),
        option::weighted(0.8, -3..12_i64),
        option::weighted(0.7, -4..4_i8),
        option::weighted(0.7, vec(0..TAGS.len(), 0..3)),
        option::weighted(0.9, 0..OWNERS.len()),
        // Few distinct vectors: equal ones, opposite ones, multiples and zeros all come up.
        option::weighted(0.85, [-1..=2_i8, -1..=2_i8, 0..=1_i8]),
    )
        .prop_map(|(colour, size, weight, tags, owner, vector)| Node { colour, size, weight, tags, owner, vector })
}

pub(super) fn world() -> impl Strategy<Value = World> {
    let metric = prop_oneof![Just(Metric::Cosine), Just(Metric::Ip), Just(Metric::L2)];
    (metric, vec(node(), 1..30)).prop_flat_map(|(metric, nodes)| {
        let count = nodes.len();
        let edges = vec((0..EDGES.len(), 0..count, 0..count), 0..80);
        (Just(metric), Just(nodes), edges).prop_map(|(metric, nodes, edges)| World { metric, nodes, edges })
    })
}

/// The schema of every world; names in order.
pub(super) fn schema(metric: Metric) -> CollectionSchema {
    let attribute = |name: &str, kind| AttributeSchema { name: name.into(), kind };
    CollectionSchema {
        name: "things".into(),
        id_type: IdType::Text,
        attributes: vec![
            attribute("colour", AttributeType::Keyword),
            attribute("owner", AttributeType::Keyword),
            attribute("size", AttributeType::Integer),
            attribute("tags", AttributeType::Keywords),
            attribute("weight", AttributeType::Float),
        ],
        vectors: vec![VectorSchema { name: "default".into(), dimensions: DIMENSIONS, metric }],
        graph: Some(GraphSchema {
            labels: vec!["Thing".into()],
            entity_label: 0,
            edges: EDGES.iter().map(|edge| Arc::from(*edge)).collect(),
        }),
        tenant_attribute: Some(1),
        embedding_version: None,
        limits: QueryLimits::default(),
    }
}

impl World {
    /// The same data as columns.
    pub(super) fn parts(&self) -> Parts {
        let rows = self.nodes.len();
        let text = |words: &[&str], of: &dyn Fn(&Node) -> Option<usize>| Column::Text {
            dictionary: words.iter().map(|word| Arc::from(*word)).collect(),
            codes: self.nodes.iter().map(|node| of(node).unwrap_or(0) as u32).collect(),
            present: self.present(&|node| of(node).is_some()),
        };
        let mut offsets = vec![0];
        let mut codes = Vec::new();
        for node in &self.nodes {
            codes.extend(node.tags.iter().flatten().map(|&tag| tag as u32));
            offsets.push(codes.len() as u32);
        }
        let columns = vec![
            text(&COLOURS, &|node| node.colour),
            text(&OWNERS, &|node| node.owner),
            Column::Integer {
                values: self.nodes.iter().map(|node| node.size.unwrap_or(0)).collect(),
                present: self.present(&|node| node.size.is_some()),
            },
            Column::Keywords {
                dictionary: TAGS.iter().map(|tag| Arc::from(*tag)).collect(),
                offsets,
                codes,
                present: self.present(&|node| node.tags.is_some()),
            },
            Column::Float {
                values: self.nodes.iter().map(|node| f64::from(node.weight.unwrap_or(0)) / 2.0).collect(),
                present: self.present(&|node| node.weight.is_some()),
            },
        ];
        let mut vectors = Vectors::default();
        for (row, node) in self.nodes.iter().enumerate() {
            if let Some(vector) = node.vector {
                vectors.rows.push(row as u32);
                vectors.values.extend(vector.map(f32::from));
            }
        }
        let edges = (0..EDGES.len()).map(|kind| {
            let mut pairs: Vec<_> =
                self.edges.iter().filter(|edge| edge.0 == kind).map(|&(_, a, b)| (a as u32, b as u32)).collect();
            pairs.sort_unstable();
            pairs.dedup();
            let (sources, targets) = pairs.into_iter().unzip();
            Edges { sources, targets }
        });
        Parts {
            ids: (0..rows).map(|row| EntityId::Text(name(row).into())).collect(),
            columns,
            vectors: vec![vectors],
            edges: edges.collect(),
        }
    }

    fn present(&self, has: &dyn Fn(&Node) -> bool) -> RoaringBitmap {
        self.nodes.iter().enumerate().filter(|(_, node)| has(node)).map(|(row, _)| row as u32).collect()
    }

    /// A gateway that serves this world.
    pub(super) fn gateway(&self) -> Gateway {
        let schema = Arc::new(schema(self.metric));
        let dataset = Dataset::build(schema.clone(), self.parts()).expect("a world is valid");
        let store = EmbeddedStore::new("local".into(), Arc::new(dataset));
        let collection = Collection::new(schema, store.clone(), Some(store), None);
        Gateway::new(
            Catalog::new([collection]),
            &ServerConfig::default(),
            &CacheConfig::default(),
            None,
            Arc::new(Metrics::default()),
        )
    }
}

/// A filter on one attribute, or a combination.
fn filter() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..COLOURS.len()).prop_map(|c| json!({ "colour": COLOURS[c] })),
        vec(0..COLOURS.len(), 0..3)
            .prop_map(|cs| { json!({ "colour": { "$in": cs.into_iter().map(|c| COLOURS[c]).collect::<Vec<_>>() } }) }),
        (0..COLOURS.len()).prop_map(|c| json!({ "colour": { "$gte": COLOURS[c] } })),
        (-4..13_i64).prop_map(|v| json!({ "size": { "$lt": v } })),
        (-4..13_i64).prop_map(|v| json!({ "size": { "$gte": v, "$ne": v + 1 } })),
        (-4..13_i64).prop_map(|v| json!({ "size": { "$lte": v as f64 + 0.5 } })),
        (-5..5_i8).prop_map(|v| json!({ "weight": { "$gt": f64::from(v) / 2.0 } })),
        (0..TAGS.len()).prop_map(|t| json!({ "tags": TAGS[t] })),
        vec(0..TAGS.len(), 0..3)
            .prop_map(|ts| { json!({ "tags": { "$all": ts.into_iter().map(|t| TAGS[t]).collect::<Vec<_>>() } }) }),
        any::<bool>().prop_map(|exists| json!({ "tags": { "$exists": exists } })),
        (0..35_usize).prop_map(|n| json!({ "id": { "$lt": name(n) } })),
        Just(json!({})),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|parts| json!({ "$and": parts })),
            vec(inner.clone(), 0..3).prop_map(|parts| json!({ "$or": parts })),
            inner.prop_map(|part| json!({ "$not": part })),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    [-2..=2_i8, -2..=2_i8, 1..=2_i8].prop_map(|v| json!({ "values": v }))
}

fn vector() -> impl Strategy<Value = Value> {
    let term = prop_oneof![values(), (0..30_usize).prop_map(|n| json!({ "like": name(n) }))];
    let weighted = (term.clone(), prop_oneof![Just(1.0), Just(0.5), Just(-0.25)]).prop_map(|(mut term, weight)| {
        term["weight"] = json!(weight);
        term
    });
    prop_oneof![4 => values(), 2 => term, 1 => vec(weighted, 1..3).prop_map(|terms| json!({ "combine": terms }))]
}

fn walk(most: u8) -> impl Strategy<Value = Value> {
    let edges = prop_oneof![Just(json!(["likes"])), Just(json!(["needs"])), Just(json!(["likes", "needs"]))];
    let direction = prop_oneof![Just("out"), Just("in"), Just("both")];
    (edges, direction, 1..=most)
        .prop_map(|(edges, direction, hops)| json!({ "edges": edges, "direction": direction, "hops": hops }))
}

fn within() -> impl Strategy<Value = Value> {
    // Anchors repeat, and some do not exist.
    let nodes = vec(0..33_usize, 1..4).prop_map(|ns| json!(ns.into_iter().map(name).collect::<Vec<_>>()));
    let nearest = (values(), option::of(filter()), 1..4_u32).prop_map(|(vector, filter, top)| {
        let mut from = json!({ "vector": vector, "top": top });
        if let Some(filter) = filter {
            from["filter"] = filter;
        }
        from
    });
    (prop_oneof![4 => nodes, 1 => nearest], walk(4), option::of(any::<bool>())).prop_map(|(from, mut within, keep)| {
        within["from"] = from;
        if let Some(keep) = keep {
            within["include_anchors"] = json!(keep);
        }
        within
    })
}

/// A query on any world; its names may not exist there.
pub(super) fn query() -> impl Strategy<Value = Value> {
    let expand = (walk(2), 1..5_u32).prop_map(|(mut expand, per_item)| {
        expand["per_item"] = json!(per_item);
        expand
    });
    (
        option::weighted(0.8, vector()),
        option::weighted(0.6, filter()),
        option::weighted(0.7, within()),
        option::weighted(0.2, expand),
        (1..8_u32, prop_oneof![3 => Just(0), 1 => 1..40_u32]),
        option::weighted(0.2, -2.0..2.0_f64),
        any::<bool>(),
    )
        .prop_map(|(vector, filter, within, expand, (limit, offset), threshold, paths)| {
            let mut query = json!({ "collection": "things", "limit": limit, "offset": offset });
            let mut set = |key: &str, value: Option<Value>| {
                if let Some(value) = value {
                    query[key] = value;
                }
            };
            set("score_threshold", vector.is_some().then_some(threshold).flatten().map(Value::from));
            set("vector", vector);
            set("filter", filter);
            set("within", within);
            set("expand", expand);
            set("include", paths.then(|| json!({ "paths": true })));
            query
        })
}

/// A caller bound to a tenant.
pub(super) fn tenant(name: &str) -> Principal {
    Principal { name: name.into(), tenant: Some(name.into()), ceiling: Priority::Interactive, collections: None }
}

/// Asks, and gives the body as it was sent.
pub(super) async fn ask_as(gateway: &Gateway, principal: &Principal, body: &Value) -> Result<Bytes, Problem> {
    let incoming = Incoming {
        endpoint: Endpoint::Query,
        principal: Arc::new(principal.clone()),
        body: body.to_string().into(),
        hints: Hints::default(),
        received: Instant::now(),
        request_id: "test".into(),
    };
    gateway.answer(incoming).await.map(|answer| answer.body)
}

/// Asks as the unbound local caller.
pub(super) async fn ask(gateway: &Gateway, body: &Value) -> Result<Value, Problem> {
    let bytes = ask_as(gateway, &Principal::local(), body).await?;
    Ok(serde_json::from_slice(&bytes).expect("an answer is JSON"))
}
