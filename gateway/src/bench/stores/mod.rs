//! Real servers for benchmarks: a database and a label of their own, filled with a collection, gone at the end; and
//! questions with their right answers.

mod names;
mod question;
mod scratch;

pub(super) use names::Names;
pub(super) use question::{Examiner, Judged, Question, Share, Within, patient};
pub(super) use scratch::{Scratch, connect, measured};

/// Servers that a benchmark may use. It makes a database, and labels, of its own.
#[derive(Debug, Clone)]
pub struct ServerAddresses {
    /// `postgres://user:password@host:port/database`, of a user who may make databases.
    pub postgres: String,
    /// `bolt://host:port`, or `bolt://user:password@host:port`.
    pub neo4j: Option<String>,
    /// Leaves the database and the nodes where they are.
    pub keep: bool,
}
