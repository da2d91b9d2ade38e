//! What the governor last saw and did, for those who ask.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
};

use super::{Level, Limit};

/// Shared by the governor, which writes it, and queries and operators, who read it. Calm until a governor says otherwise.
#[derive(Debug, Default)]
pub struct Memory {
    level: AtomicU8,
    refused: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    limit: Option<Limit>,
    usage: u64,
    shed: Vec<(&'static str, u64)>,
}

/// The same at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemorySnapshot {
    /// How it stands.
    pub level: Level,
    /// What may be used; `None` where memory is not watched.
    pub limit: Option<Limit>,
    /// What is used, in bytes.
    pub usage: u64,
    /// What was shed so far, by cache, in bytes.
    pub shed: Vec<(&'static str, u64)>,
    /// Batch queries that were refused so far.
    pub refused: u64,
}

impl Memory {
    /// Whether batch work has to wait. If so, the one who asks is counted as refused.
    pub fn refuses_batch(&self) -> bool {
        let pauses = self.level() != Level::Calm;
        if pauses {
            self.refused.fetch_add(1, Relaxed);
        }
        pauses
    }

    /// How it stands.
    pub fn level(&self) -> Level {
        Level::ALL[usize::from(self.level.load(Relaxed))]
    }

    pub(crate) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Relaxed);
    }

    pub(super) fn saw(&self, limit: Limit, usage: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.limit, seen.usage) = (Some(limit), usage);
    }

    pub(super) fn shed(&self, name: &'static str, bytes: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.shed.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += bytes,
            None => seen.shed.push((name, bytes)),
        }
    }

    /// All of it.
    pub fn snapshot(&self) -> MemorySnapshot {
        let Seen { limit, usage, shed } = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        MemorySnapshot { level: self.level(), limit, usage, shed, refused: self.refused.load(Relaxed) }
    }
}
