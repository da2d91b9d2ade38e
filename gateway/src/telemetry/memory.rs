//! The part of the page that is about the process' memory.

use prometheus_client::registry::Unit;

use super::page::Family;
use crate::{
    governor::{Level, MemorySnapshot},
    query::Priority,
};

/// The metrics of memory, as it stands.
pub(super) fn families(memory: &MemorySnapshot) -> Vec<Family> {
    let states = Level::ALL.map(|level| (vec![("state", level.as_str().into())], u64::from(level == memory.level)));
    let shed = memory.shed.iter().map(|(cache, bytes)| (vec![("cache", (*cache).into())], *bytes));
    vec![
        Family::gauge(
            "memory_limit",
            Some(Unit::Bytes),
            "Memory that the process may use; 0 where it is not watched.",
            memory.limit.map_or(0, |limit| limit.bytes),
        ),
        Family::gauge("memory_usage", Some(Unit::Bytes), "Memory that the process uses.", memory.usage),
        Family::gauges("memory_state", None, "1 for the state that memory is in.", states.into()),
        Family::counter_of("memory_shed", Unit::Bytes, "Memory that caches let go for want of it.", shed.collect()),
        Family::counter(
            "memory_refused",
            "Queries refused for want of memory.",
            vec![(vec![("class", Priority::Batch.as_str().into())], memory.refused)],
        ),
    ]
}
