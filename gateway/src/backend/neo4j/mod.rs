//! Neo4j, and whatever else speaks Bolt 4.4 and Cypher 5: relations as labels and relationship types that users already
//! have.
//!
//! [`BoltServer`] is one configured server behind a pool: `connection` is one Bolt connection, `connector` makes, checks
//! and frees them, `server` runs a [`statement`] under a call's deadline, `fault` says what went wrong. [`Neo4jGraph`]
//! answers for one collection: `cypher` writes the parts of statements, `starts` finds the nodes that a walk begins at,
//! `reach` and `check` walk in the server, `steps` fetches the edges from which `nearby` finds neighbourhoods and
//! shortest paths here. `statistics` and `measure` learn what the planner wants to know, `inspect` is for `forebay
//! check`, `write` puts data in.

mod check;
mod connection;
mod connector;
mod cypher;
mod expected;
mod fault;
mod graph;
mod inspect;
mod keys;
mod mapping;
mod measure;
mod nearby;
mod reach;
mod server;
mod starts;
mod statement;
mod statistics;
mod steps;
#[cfg(test)]
mod tests;
mod whole;
mod write;

pub use connector::{BoltConnector, KillTag};
pub use graph::Neo4jGraph;
pub use mapping::{GraphMapping, LabelMapping};
pub use server::{BoltOptions, BoltServer};
pub use write::{BATCH, Property, Writer};
