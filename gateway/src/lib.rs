//! Forebay: a WebAssembly-extensible query and cache gateway for hybrid vector and graph retrieval.
//!
//! One hybrid query comes in over HTTP; Forebay plans it over a vector store and a graph store, answers from its cache
//! when it may, and sends ready-made bytes. [`request`] holds the life of a query in one file; the other modules are the
//! rooms it passes through.

pub mod api;
pub mod assemble;
pub mod backend;
pub mod bench;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
#[cfg(feature = "demo-data")]
pub mod demo_data;
pub mod embed;
pub mod execute;
pub mod governor;
pub mod load;
pub mod planner;
pub mod pool;
pub mod principal;
pub mod problem;
pub mod query;
pub mod reference;
pub mod request;
pub mod telemetry;
pub mod value;
pub mod workload;
