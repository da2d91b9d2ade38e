//! A table of edges as a [`GraphStore`](crate::backend::GraphStore): `source`, `target` and `type` columns that users already have.
//!
//! A walk is one statement, however many hops it has: a common table expression for each level holds the ids that the level
//! found as one array, and the next one finds its edges by the index that begins with the column it comes from
//! (`source = ANY(…)`), whatever the server guesses about their number. What earlier levels found is taken away, so each node
//! is left once. This was faster than one statement for each hop, than one recursive query, and than joins from level to level,
//! which now and then read the whole table through; only with a single hop there is nothing between them.
//!
//! Rows without source, target or type are ignored. A node exists if it has a row in the table of the entities, or an edge of
//! a configured type.

mod check;
mod degrees;
mod estimate;
mod expand;
mod inspect;
mod joined;
mod layout;
mod measure;
mod paths;
mod ranked;
mod reach;
mod statistics;
mod steps;
mod store;
#[cfg(test)]
mod tests;

pub use store::PgGraph;
