//! Hits that wait to be counted, so that a hit needs no exclusive lock (BP-Wrapper: Ding, Jiang, Zhang 2009).

use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Hits that wait at most.
pub(super) const WAITING: usize = 32;

/// Marks a place in which nothing waits.
const NOTHING: u64 = 0;

/// A few hits, by non-zero handle. Under contention some are lost: they are hints.
#[derive(Debug)]
pub(super) struct Hits {
    next: AtomicUsize,
    places: [AtomicU64; WAITING],
}

impl Default for Hits {
    fn default() -> Self {
        Self { next: AtomicUsize::new(0), places: [const { AtomicU64::new(NOTHING) }; WAITING] }
    }
}

impl Hits {
    /// Notes a hit. Whether it is time to take all of them.
    pub(super) fn note(&self, handle: u64) -> bool {
        // Looked at first: while the buffer is full, readers need not fight for it.
        if self.next.load(Relaxed) >= WAITING {
            return true;
        }
        let place = self.next.fetch_add(1, Relaxed);
        if let Some(waiting) = self.places.get(place) {
            waiting.store(handle, Release);
        }
        place + 1 >= WAITING
    }

    /// Takes all hits, in the order in which they came. One caller at a time. A hit that is being noted meanwhile may be
    /// taken the next time, or be lost.
    pub(super) fn take(&self, mut each: impl FnMut(u64)) {
        let noted = self.next.load(Relaxed).min(WAITING);
        for place in &self.places[..noted] {
            let handle = place.swap(NOTHING, Acquire);
            if handle != NOTHING {
                each(handle);
            }
        }
        self.next.store(0, Relaxed);
    }
}
