//! `within` and `expand`: walks over the graph.

use super::{
    filter::filter,
    literal::entity_id,
    node::{Fields, Node},
    vector,
};
use crate::{
    catalog::{CollectionSchema, GraphSchema},
    problem::Code,
    query::{
        Anchors, Direction, Expand, Filter, Json, NodeRef, QueryError, Walk, Within,
        suggest::{hint, list, quote},
    },
};

const DIRECTIONS: &[(&str, Direction)] = &[("out", Direction::Out), ("in", Direction::In), ("both", Direction::Both)];

/// `per_item` when the body states none.
const DEFAULT_PER_ITEM: u64 = 10;

pub(super) fn within(node: &Node<'_>, schema: &CollectionSchema) -> Result<Within, QueryError> {
    let graph = graph(node, schema)?;
    let fields = node.fields(&["from", "edges", "direction", "hops", "include_anchors"])?;
    let from = anchors(&fields.require("from")?, graph, schema)?;
    let seeds = matches!(from, Anchors::Nearest { .. });
    Ok(Within {
        from,
        walk: walk(node, fields, graph, schema)?,
        // Seeds are good answers themselves; a named anchor is known already.
        include_anchors: fields.boolean("include_anchors", seeds)?,
    })
}

pub(super) fn expand(node: &Node<'_>, schema: &CollectionSchema) -> Result<Expand, QueryError> {
    let graph = graph(node, schema)?;
    let fields = node.fields(&["edges", "direction", "hops", "per_item"])?;
    let walk = walk(node, fields, graph, schema)?;
    let per_item = fields.integer("per_item", 1..=schema.limits.max_per_item.into(), DEFAULT_PER_ITEM)?;
    Ok(Expand { walk, per_item: per_item as u32 })
}

fn graph<'s>(node: &Node<'_>, schema: &'s CollectionSchema) -> Result<&'s GraphSchema, QueryError> {
    schema.graph.as_ref().ok_or_else(|| node.error(Code::NoGraph, "the collection has no graph side"))
}

fn walk(
    node: &Node<'_>,
    fields: Fields<'_>,
    graph: &GraphSchema,
    schema: &CollectionSchema,
) -> Result<Walk, QueryError> {
    let edges = edges(node, fields, graph)?;
    let direction = fields.word("direction", DIRECTIONS)?;
    let hops = fields.integer("hops", 1..=schema.limits.max_hops.into(), 1)? as u8;
    Ok(Walk { edges, direction, hops })
}

fn edges(node: &Node<'_>, fields: Fields<'_>, graph: &GraphSchema) -> Result<Vec<u16>, QueryError> {
    if graph.edges.is_empty() {
        return Err(node.error(Code::UnknownEdge, "the collection's graph has no edge types"));
    }
    let Some(node) = fields.get("edges") else {
        return Ok((0..graph.edges.len() as u16).collect());
    };
    let mut edges = Vec::new();
    for element in node.some_elements(u32::MAX)?.iter() {
        let name = element.string()?;
        let known = graph.edges.iter().map(|edge| &**edge);
        edges.push(graph.edge(name).ok_or_else(|| {
            let detail = format!("the collection has no edge type {}{}", quote(name), hint(name, known));
            element.error(Code::UnknownEdge, detail)
        })?);
    }
    edges.sort_unstable();
    edges.dedup();
    Ok(edges)
}

/// A list of nodes, or a vector search whose hits are the nodes.
fn anchors(node: &Node<'_>, graph: &GraphSchema, schema: &CollectionSchema) -> Result<Anchors, QueryError> {
    let max = schema.limits.max_anchors;
    match node.json {
        Json::Array(_) => {
            let elements = node.some_elements(max)?;
            let mut nodes =
                elements.iter().map(|element| anchor(&element, graph, schema)).collect::<Result<Vec<_>, _>>()?;
            nodes.sort_unstable();
            nodes.dedup();
            Ok(Anchors::Nodes(nodes))
        }
        Json::Object(_) => {
            let fields = node.fields(&["vector", "filter", "top"])?;
            let vector = vector::clause(&fields.require("vector")?, schema)?;
            let filter = fields.get("filter").map(|node| filter(&node, schema)).transpose()?;
            let top = fields.require("top")?.integer(1..=max.into())? as u32;
            Ok(Anchors::Nearest { vector, filter: filter.unwrap_or(Filter::Everything), top })
        }
        _ => Err(node.wrong_type("an array of anchors, or an object with `vector` and `top`")),
    }
}

/// An id, or `{label, id}`.
fn anchor(node: &Node<'_>, graph: &GraphSchema, schema: &CollectionSchema) -> Result<NodeRef, QueryError> {
    let labels = || graph.labels.iter().map(|label| &**label);
    if !matches!(node.json, Json::Object(_)) {
        if graph.labels.len() > 1 {
            return Err(node.wrong_type("an object with `label` and `id` (the graph has several labels)"));
        }
        return Ok(NodeRef { label: 0, id: entity_id(node, schema.id_type)? });
    }
    let fields = node.fields(&["label", "id"])?;
    let label = match fields.get("label") {
        Some(node) => {
            let name = node.string()?;
            graph.label(name).ok_or_else(|| {
                let detail = format!("the collection has no label {}{}", quote(name), hint(name, labels()));
                node.error(Code::UnknownLabel, detail)
            })?
        }
        None if graph.labels.len() > 1 => {
            return Err(fields.missing(&format!("`label` is missing: expected {}", list(labels()))));
        }
        None => 0,
    };
    Ok(NodeRef { label, id: entity_id(&fields.require("id")?, schema.id_type)? })
}
