//! Postgres with pgvector: entities in tables that users already have, and edges in a table as a graph.
//!
//! [`PgServer`] is one server with its pool; a call takes a [`session::Session`] of it, which runs [`statement::Statement`]s until the
//! call's deadline. Names come from the configuration and are quoted, values are bound.

mod connector;
mod error;
pub(crate) mod facts;
pub(crate) mod ids;
mod mapping;
pub(crate) mod names;
mod server;
pub(crate) mod session;
pub(crate) mod statement;
#[cfg(test)]
pub(crate) mod testing;
pub mod write;

pub use connector::{PgConnector, PgLink};
pub use mapping::{AttributeColumn, EdgeTable, EntityTable};
pub use server::{PgOptions, PgServer};
