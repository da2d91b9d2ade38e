//! From JSON to typed, canonical queries: every name is resolved, every default expanded, every list sorted.
//!
//! `node` reads one value at a place; `vector`, `filter`, `literal`, `graph` and `options` read the parts of a query;
//! this file puts them together. The first thing that is wrong ends the parse. Fields are checked in the order of the
//! canonical form, not in the body's.

mod filter;
mod graph;
mod literal;
mod node;
mod options;
mod vector;

use node::{Fields, Node};

use super::{
    Filter, Include, Json, Options, Query, QueryError,
    suggest::{hint, quote},
};
use crate::{catalog::CollectionSchema, problem::Code, value::Number};

/// `limit` when the body states none.
const DEFAULT_LIMIT: u64 = 10;

const FIELDS: &[&str] = &[
    "collection",
    "vector",
    "filter",
    "within",
    "expand",
    "text",
    "fusion",
    "limit",
    "offset",
    "score_threshold",
    "exact",
    "select",
    "include",
    "options",
];

/// A query as it was sent: what is asked for, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What the answer is.
    pub query: Query,
    /// How to get it.
    pub options: Options,
}

/// The name of the collection that a body asks: what has to be known before [`parse`].
pub fn collection_of(body: &Json) -> Result<&str, QueryError> {
    let root = Node::root(body);
    if !matches!(body, Json::Object(_)) {
        return Err(root.wrong_type("an object"));
    }
    match body.get("collection") {
        None | Some(Json::Null) => Err(root.error(Code::MissingField, "`collection` is missing")),
        Some(Json::String(name)) => Ok(name),
        Some(_) => Err(QueryError::new(Code::WrongType, "/collection", "expected the name of a collection, a string")),
    }
}

/// Resolves a body against the collection that it names.
pub fn parse(body: &Json, schema: &CollectionSchema) -> Result<Parsed, QueryError> {
    let root = Node::root(body);
    let fields = root.fields(FIELDS)?;
    collection_of(body)?;
    for name in ["text", "fusion"] {
        if let Some(node) = fields.get(name) {
            return Err(node.error(Code::TextNotConfigured, "this collection has no full-text leg"));
        }
    }

    let vector = fields.get("vector").map(|node| vector::clause(&node, schema)).transpose()?;
    let filter = fields.get("filter").map(|node| filter::filter(&node, schema)).transpose()?;
    let within = fields.get("within").map(|node| graph::within(&node, schema)).transpose()?;
    let expand = fields.get("expand").map(|node| graph::expand(&node, schema)).transpose()?;
    let limits = &schema.limits;
    let limit = fields.integer("limit", 1..=limits.max_limit.into(), DEFAULT_LIMIT)? as u32;
    let offset = fields.integer("offset", 0..=limits.max_offset.into(), 0)? as u32;
    let score_threshold = fields.get("score_threshold").map(|node| node.number()).transpose()?;
    if score_threshold.is_some() && vector.is_none() {
        return Err(fields.missing("`score_threshold` needs `vector`: without one there are no scores"));
    }
    let query = Query {
        vector,
        filter: filter.unwrap_or(Filter::Everything),
        within,
        expand,
        limit,
        offset,
        score_threshold: score_threshold.map(Number::to_f64),
        exact: fields.boolean("exact", false)?,
        select: select(fields, schema)?,
        include: include(fields)?,
    };
    Ok(Parsed { query, options: options::options(fields, schema)? })
}

fn select(fields: Fields<'_>, schema: &CollectionSchema) -> Result<Vec<u16>, QueryError> {
    let Some(node) = fields.get("select") else {
        return Ok((0..schema.attributes.len() as u16).collect());
    };
    let mut select = Vec::new();
    for element in node.elements(u32::MAX)?.iter() {
        let name = element.string()?;
        select.push(attribute(&element, name, schema)?);
    }
    select.sort_unstable();
    select.dedup();
    Ok(select)
}

fn include(fields: Fields<'_>) -> Result<Include, QueryError> {
    let default = Include::default();
    let Some(node) = fields.get("include") else {
        return Ok(default);
    };
    let fields = node.fields(&["scores", "paths", "vectors"])?;
    Ok(Include {
        scores: fields.boolean("scores", default.scores)?,
        paths: fields.boolean("paths", default.paths)?,
        vectors: fields.boolean("vectors", default.vectors)?,
    })
}

/// The attribute that is named at a node.
fn attribute(node: &Node<'_>, name: &str, schema: &CollectionSchema) -> Result<u16, QueryError> {
    schema.attribute(name).ok_or_else(|| {
        let known = schema.attributes.iter().map(|attribute| &*attribute.name);
        let detail = match name {
            "id" => "every item has its id: it is not an attribute".to_owned(),
            _ => format!("the collection has no attribute {}{}", quote(name), hint(name, known)),
        };
        node.error(Code::UnknownAttribute, detail)
    })
}
