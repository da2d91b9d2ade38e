//! A seeded generator of queries over any loaded collection, and a scaled copy of one.
//!
//! [`Generator`] looks at the data and draws queries that spread over what decides the cost of a hybrid query: the
//! share of entities that pass the filter (evenly over the decades from 0.01 to 100 %), how far a walk reaches (hubs,
//! leaves and what lies between; one to three hops), whether filter and graph go with the query's vector or against it,
//! and how many items are wanted. Some queries come again (Zipf) and some follow from an earlier one, as a person
//! drills down. The same seed and data give the same bytes. [`scale`] makes a larger collection of the same kind.
//!
//! What lives here makes data and bodies; it never runs a query.

mod adjacency;
mod class;
mod clause;
mod draft;
mod filters;
mod generator;
mod graph;
mod json;
mod mix;
mod random;
mod scale;
mod survey;
mod vectors;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod scale_tests;
#[cfg(test)]
mod tests;

pub use class::{AnchorClass, Correlation, Drill, Origin, QueryClass, Shape, VectorSource};
pub use filters::{DrawnFilter, draw_filters};
pub use generator::{GeneratedQuery, Generator, WorkloadOptions};
pub use mix::Mix;
pub use scale::{ScaleError, scale};
