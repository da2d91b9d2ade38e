//! The cache's tiers as a whole: gateways that share a Redis, folders and buckets, through everything that goes wrong with
//! them. Every answer is right, in time and no older than promised.

mod support;

#[path = "tiers/faults.rs"]
mod faults;
#[path = "tiers/flight.rs"]
mod flight;
#[path = "tiers/gateway.rs"]
mod gateway;
#[path = "tiers/ground.rs"]
mod ground;
#[path = "tiers/objects.rs"]
mod objects;
#[path = "tiers/purge.rs"]
mod purge;
#[path = "tiers/separate.rs"]
mod separate;
#[path = "tiers/shared.rs"]
mod shared;
#[path = "tiers/stale.rs"]
mod stale;
