//! The embedded store: exact search and a compressed graph in this process, one redb file for durability.
//!
//! [`Parts`] is the data as plain columns. What lives here knows nothing of plans or caches.

mod parts;
pub mod storage;

pub use parts::{Column, Edges, Parts, Vectors};
