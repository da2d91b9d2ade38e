//! Tier 2 on real Redis: what it keeps, who fills a key, and what becomes of both when Redis is harmed. In every fault a
//! look-up is at worst a miss, and afterwards all is well again.

mod support;

#[path = "l2/away.rs"]
mod away;
#[path = "l2/check.rs"]
mod check;
#[path = "l2/cluster.rs"]
mod cluster;
#[path = "l2/damage.rs"]
mod damage;
#[path = "l2/entries.rs"]
mod entries;
#[path = "l2/fencing.rs"]
mod fencing;
#[path = "l2/ground.rs"]
mod ground;
#[path = "l2/interleaved.rs"]
mod interleaved;
#[path = "l2/leases.rs"]
mod leases;
#[path = "l2/login.rs"]
mod login;
#[path = "l2/sentinel.rs"]
mod sentinel;
