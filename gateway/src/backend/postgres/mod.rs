//! Postgres with pgvector: entities in tables that users already have, and edges in a table as a graph.
//!
//! [`PgServer`] is one server with its pool; a call takes a [`session::Session`] of it, which runs
//! [`statement::Statement`]s until the call's deadline. Names come from the configuration and are quoted, values are bound.
//!
//! [`PgEntities`] knows its table as a `layout`: what the server's catalogs say (`facts`, `indexes`) of the configured columns
//! (`ids`, `attributes`, `spaces`). From it `filter` and `leaves` write conditions, `search` statements, and `cursor` gives
//! their pages. `statistics`, `stored_statistics`, `sample` and `costs` learn what the planner wants to know, `inspect` is for
//! `forebay check`. The graph side is in `edges`, loading in [`write`].

mod attributes;
mod connector;
mod costs;
mod cursor;
pub(crate) mod edges;
mod entities;
mod error;
pub(crate) mod facts;
mod filter;
pub(crate) mod ids;
mod indexes;
mod inspect;
mod instants;
mod layout;
mod leaves;
mod mapping;
pub(crate) mod names;
mod numbers;
mod sample;
mod search;
mod server;
pub(crate) mod session;
mod spaces;
pub(crate) mod statement;
mod statistics;
mod stored_statistics;
#[cfg(test)]
pub(crate) mod testing;
mod together;
pub mod write;

pub use connector::{PgConnector, PgLink};
pub use edges::PgGraph;
pub use entities::PgEntities;
pub use mapping::{AttributeColumn, EdgeTable, EntityTable};
pub use server::{PgOptions, PgServer};
pub use together::PgTogether;

#[cfg(test)]
mod tests;
