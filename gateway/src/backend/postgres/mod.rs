//! Postgres with pgvector: entities in tables that users already have, and edges in a table as a graph.

mod mapping;

pub use mapping::{AttributeColumn, EdgeTable, EntityTable};
