//! The store on a real server. Each test has a database of its own.

mod existing;
mod joined;
mod same_as_embedded;
mod statistics;
mod world;
