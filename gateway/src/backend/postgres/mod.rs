//! Postgres with pgvector: entities in tables that users already have, and edges in a table as a graph.

mod mapping;
#[cfg(test)]
pub(crate) mod testing;
pub mod write;

pub use mapping::{AttributeColumn, EdgeTable, EntityTable};
