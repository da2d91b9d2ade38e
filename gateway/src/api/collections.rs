//! `GET /v1/collections`: what the caller may ask, and in which words.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    catalog::{Catalog, CollectionSchema, QueryLimits},
    principal::Principal,
};

/// The collections that the caller may ask.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CollectionsBody<'a> {
    /// By name.
    collections: Vec<CollectionBody<'a>>,
}

/// One collection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CollectionBody<'a> {
    /// What queries call it.
    name: &'a str,
    /// `text`, `integer` or `uuid`; on the wire every id is a string.
    id_type: &'static str,
    /// What can be filtered on and selected.
    attributes: Vec<AttributeBody<'a>>,
    /// What can be ranked by; none where the collection is a graph with attributes.
    vectors: Vec<VectorBody<'a>>,
    /// Whether `vector.text` works.
    embeds_text: bool,
    /// What `within` and `expand` walk along.
    #[serde(skip_serializing_if = "Option::is_none")]
    graph: Option<GraphBody<'a>>,
    /// The most that one query may ask for.
    limits: LimitsBody,
}

/// An attribute.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttributeBody<'a> {
    name: &'a str,
    /// `keyword`, `text`, `integer`, `float`, `boolean`, `timestamp` or `keywords`.
    r#type: &'static str,
}

/// A named vector.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VectorBody<'a> {
    name: &'a str,
    /// Number of components.
    dimensions: usize,
    /// `cosine`, `ip` or `l2`.
    metric: &'static str,
}

/// The graph side.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GraphBody<'a> {
    /// Node labels. With several, an anchor is `{label, id}`.
    labels: Vec<&'a str>,
    /// The label whose nodes are the entities.
    entity_label: &'a str,
    /// Edge types.
    edges: Vec<&'a str>,
}

/// The most that one query may ask for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitsBody {
    max_limit: u32,
    max_offset: u32,
    max_hops: u8,
    max_anchors: u32,
    max_list: u32,
    max_filter_nodes: u32,
    max_combine: u32,
    max_per_item: u32,
    max_text_bytes: u32,
    max_deadline_ms: u64,
}

/// The body for one caller.
pub(super) fn body(catalog: &Catalog, principal: &Principal) -> Vec<u8> {
    let allowed = catalog.iter().filter(|collection| principal.may_ask(&collection.schema.name));
    let body = CollectionsBody { collections: allowed.map(|collection| describe(&collection.schema)).collect() };
    serde_json::to_vec(&body).expect("names and numbers")
}

/// One collection as callers see it.
pub(super) fn describe(schema: &CollectionSchema) -> CollectionBody<'_> {
    CollectionBody {
        name: &schema.name,
        id_type: schema.id_type.as_str(),
        attributes: schema
            .attributes
            .iter()
            .map(|a| AttributeBody { name: &a.name, r#type: a.kind.as_str() })
            .collect(),
        vectors: (schema.vectors.iter())
            .map(|v| VectorBody { name: &v.name, dimensions: v.dimensions, metric: v.metric.as_str() })
            .collect(),
        embeds_text: schema.embedding_version.is_some(),
        graph: schema.graph.as_ref().map(|graph| GraphBody {
            labels: graph.labels.iter().map(|label| &**label).collect(),
            entity_label: &graph.labels[usize::from(graph.entity_label)],
            edges: graph.edges.iter().map(|edge| &**edge).collect(),
        }),
        limits: LimitsBody::from(&schema.limits),
    }
}

impl From<&QueryLimits> for LimitsBody {
    fn from(limits: &QueryLimits) -> Self {
        let QueryLimits {
            max_limit,
            max_offset,
            max_hops,
            max_anchors,
            max_list,
            max_filter_nodes,
            max_combine,
            max_per_item,
            max_text_bytes,
            max_deadline_ms,
        } = *limits;
        Self {
            max_limit,
            max_offset,
            max_hops,
            max_anchors,
            max_list,
            max_filter_nodes,
            max_combine,
            max_per_item,
            max_text_bytes,
            max_deadline_ms,
        }
    }
}
