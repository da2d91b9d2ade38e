//! The life of a query on small random collections, held against the naive reference.

mod equivalence;
mod fine_print;
mod lives;
mod tenants;
mod world;
