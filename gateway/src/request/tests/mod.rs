//! The life of a query on small random collections, held against the naive reference.

mod agreement;
mod conformance;
mod equivalence;
mod fine_print;
mod ground;
mod legs;
mod lives;
mod planning;
mod tenants;
mod tiers;
mod watched;
mod world;
