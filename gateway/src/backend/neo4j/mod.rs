//! Neo4j, and whatever else speaks Bolt: relations as labels and relationship types that users already have.

mod mapping;

pub use mapping::{GraphMapping, LabelMapping};
