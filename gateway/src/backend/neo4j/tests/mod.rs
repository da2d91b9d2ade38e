//! Against a real server. Every test has labels and relationship types of its own, with a random suffix, and removes them.

mod cancel;
mod equivalence;
mod found;
mod labels;
#[cfg(feature = "demo-data")]
mod packages;
mod world;
