//! Tables and indexes that are made on request, in the types that answer fastest.

use std::collections::BTreeMap;

use super::{Target, WriteError};
use crate::{
    backend::postgres::{EdgeTable, EntityTable, names},
    catalog::{CollectionSchema, Metric},
    value::{AttributeType, IdType},
};

/// Most components that an HNSW index takes of type `vector`.
const MAX_INDEXED: usize = 2_000;

pub(super) fn id_type(id_type: IdType) -> &'static str {
    match id_type {
        IdType::Integer => "bigint",
        IdType::Uuid => "uuid",
        // Ids order by bytes, whatever the collation of the database.
        IdType::Text => "text COLLATE \"C\"",
    }
}

pub(super) fn attribute_type(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::Keyword | AttributeType::Text => "text COLLATE \"C\"",
        AttributeType::Integer => "bigint",
        AttributeType::Float => "double precision",
        AttributeType::Boolean => "boolean",
        AttributeType::Timestamp => "timestamptz",
        AttributeType::Keywords => "text[]",
    }
}

/// Statements that make what is not there.
pub(super) fn tables(target: Target<'_>) -> Vec<String> {
    let mut statements = Vec::new();
    if target.entities.is_some() && !target.schema.vectors.is_empty() {
        statements.push("CREATE EXTENSION IF NOT EXISTS vector".to_owned());
    }
    let named = [target.entities.map(|entities| &entities.table), target.edges.map(|edges| &edges.table)];
    for name in named.into_iter().flatten() {
        if let [space, _] = names::parts(name).as_slice() {
            statements.push(format!("CREATE SCHEMA IF NOT EXISTS {}", names::quoted(space)));
        }
    }
    statements.extend(target.entities.map(|entities| entity_table(target.schema, entities)));
    statements.extend(target.edges.map(|edges| edge_table(target.schema, edges)));
    statements
}

fn entity_table(schema: &CollectionSchema, entities: &EntityTable) -> String {
    let mut columns = BTreeMap::new();
    for (attribute, place) in schema.attributes.iter().zip(&entities.attributes) {
        let kind = if place.path.is_empty() { attribute_type(attribute.kind) } else { "jsonb" };
        columns.insert(&place.column, kind.to_owned());
    }
    for (vector, column) in schema.vectors.iter().zip(&entities.vectors) {
        columns.insert(column, format!("vector({})", vector.dimensions));
    }
    let columns: String = columns.iter().map(|(name, kind)| format!(", {} {kind}", names::quoted(name))).collect();
    let (table, id) = (names::quoted_table(&entities.table), names::quoted(&entities.id));
    format!("CREATE TABLE IF NOT EXISTS {table} ({id} {} PRIMARY KEY{columns})", id_type(schema.id_type))
}

fn edge_table(schema: &CollectionSchema, edges: &EdgeTable) -> String {
    let EdgeNames { table, source, target, kind } = EdgeNames::of(edges);
    let id_type = id_type(schema.id_type);
    format!(
        "CREATE TABLE IF NOT EXISTS {table} ({source} {id_type} NOT NULL, {target} {id_type} NOT NULL, \
         {kind} text COLLATE \"C\" NOT NULL, PRIMARY KEY ({source}, {kind}, {target}))"
    )
}

/// Statements that make indexes that are not there, and let the server learn what is in the tables.
pub(super) fn indexes(target: Target<'_>) -> Vec<String> {
    let mut statements = Vec::new();
    if let Some(entities) = target.entities {
        entity_indexes(target.schema, entities, &mut statements);
        statements.push(format!("ANALYZE {}", names::quoted_table(&entities.table)));
    }
    if let Some(edges) = target.edges {
        let EdgeNames { table, source, target, kind } = EdgeNames::of(edges);
        statements.push(index(&edges.table, &edges.target, &format!("({target}, {kind}, {source})")));
        statements.push(format!("ANALYZE {table}"));
    }
    statements
}

fn entity_indexes(schema: &CollectionSchema, entities: &EntityTable, statements: &mut Vec<String>) {
    let table = &entities.table;
    for (attribute, place) in schema.attributes.iter().zip(&entities.attributes) {
        let column = names::quoted(&place.column);
        let what = match attribute.kind {
            // JSON is indexed as its users see fit; full texts are too long for an ordered index.
            _ if !place.path.is_empty() => continue,
            AttributeType::Text => continue,
            AttributeType::Keywords => format!("USING gin ({column})"),
            _ => format!("({column})"),
        };
        statements.push(index(table, &place.column, &what));
    }
    for (vector, name) in schema.vectors.iter().zip(&entities.vectors) {
        let class = match vector.metric {
            _ if vector.dimensions > MAX_INDEXED => continue,
            Metric::Cosine => "vector_cosine_ops",
            Metric::Ip => "vector_ip_ops",
            Metric::L2 => "vector_l2_ops",
        };
        statements.push(index(table, name, &format!("USING hnsw ({} {class})", names::quoted(name))));
    }
}

fn index(table: &str, column: &str, what: &str) -> String {
    let (name, table) = (names::quoted(&index_name(table, column)), names::quoted_table(table));
    format!("CREATE INDEX IF NOT EXISTS {name} ON {table} {what}")
}

/// A name that says what is indexed and fits into the 63 bytes of an identifier.
fn index_name(table: &str, column: &str) -> String {
    let table = names::parts(table).pop().unwrap_or_default();
    let name = format!("{table}_{column}_forebay");
    if name.len() <= 63 {
        return name;
    }
    let digest = blake3::hash(name.as_bytes()).to_hex();
    format!("forebay_{}", &digest[..32])
}

/// The names of an edge table, in quotes.
pub(super) struct EdgeNames {
    pub(super) table: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) kind: String,
}

impl EdgeNames {
    pub(super) fn of(table: &EdgeTable) -> Self {
        Self {
            table: names::quoted_table(&table.table),
            source: names::quoted(&table.source),
            target: names::quoted(&table.target),
            kind: names::quoted(&table.kind),
        }
    }

    /// Moves staged edges on, those that are there already left out.
    pub(super) fn insert(&self, types: &BTreeMap<String, String>) -> Result<String, WriteError> {
        let Self { table, source, target, kind } = self;
        let cast = |column: &str, quoted: &String| match types.iter().find(|(name, _)| names::quoted(name) == *quoted) {
            Some((_, kind)) => Ok(format!("s.{column}::{kind}")),
            None => Err(WriteError::Table(format!("{table} has no column {quoted}"))),
        };
        let (s, t, k) = (cast("source", source)?, cast("target", target)?, cast("type", kind)?);
        Ok(format!(
            "INSERT INTO {table} ({source}, {target}, {kind}) SELECT {s}, {t}, {k} FROM forebay_edges s \
             WHERE NOT EXISTS (SELECT 1 FROM {table} e WHERE e.{source} = {s} AND e.{target} = {t} AND e.{kind} = {k}) \
             ON CONFLICT DO NOTHING"
        ))
    }
}
