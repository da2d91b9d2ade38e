//! Redis, as the shared epochs and the L2 tier use it: one link for a single server, a group under Sentinel or a Cluster.
//!
//! [`RedisSettings`] are read from the configuration and its secrets; [`RedisLink`] keeps a multiplexed connection made
//! from them, one to each member of a Cluster, and makes another when it is lost; [`Subscription`] is a connection of its own that hears one channel. What can
//! go wrong is a [`RedisError`]. What is stored, and what it means, is said elsewhere.

mod cluster;
mod connect;
mod error;
mod link;
mod script;
mod sentinels;
mod settings;
mod slots;
mod subscription;
mod wire;

pub use error::{RedisError, Refusal};
pub use link::RedisLink;
pub use script::Script;
pub use settings::{RedisSettings, SettingsProblem};
pub use subscription::Subscription;
