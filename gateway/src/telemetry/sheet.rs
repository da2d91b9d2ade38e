//! Counters that many threads add to at once without meeting: each thread has its own set, readers add the sets up.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// Where one counter stands on a sheet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot(usize);

/// A row of counters, one a value of an enum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    first: usize,
    len: usize,
}

impl Row {
    /// The counter with this index.
    pub(super) fn slot(self, index: usize) -> Slot {
        debug_assert!(index < self.len);
        Slot(self.first + index)
    }
}

/// Upper bounds of the buckets of a duration histogram, in nanoseconds: 1, 2.5 and 5 of each decade from 1 µs to 10 s.
pub(crate) const BOUNDS_NS: [u64; 22] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// A histogram of durations: a counter a bucket, one for what is beyond the last bound, and the sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Durations(Row);

/// A histogram as it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DurationsRead {
    /// Sum in seconds.
    pub(super) sum: f64,
    /// Number of durations.
    pub(super) count: u64,
    /// Upper bound in seconds and number of durations in the bucket itself.
    pub(super) buckets: Vec<(f64, u64)>,
}

/// Hands out places on a sheet.
#[derive(Debug, Default)]
pub(super) struct Layout {
    taken: usize,
}

impl Layout {
    pub(super) fn row(&mut self, len: usize) -> Row {
        let first = self.taken;
        self.taken += len;
        Row { first, len }
    }

    pub(super) fn durations(&mut self) -> Durations {
        Durations(self.row(BOUNDS_NS.len() + 2))
    }
}

/// All counters, in copies. Most threads have one to themselves, which they add to with a plain load and store.
#[derive(Debug)]
pub(super) struct Sheet {
    /// One for each of the first threads that count anything.
    own: Box<[Box<[AtomicU64]>]>,
    /// Those of all other threads.
    shared: Box<[Box<[AtomicU64]>]>,
}

impl Sheet {
    pub(super) fn new(layout: &Layout) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).next_power_of_two().min(64);
        // Sixteen spare counters keep the ends of two copies off one cache line.
        let copy = || (0..layout.taken + 16).map(|_| AtomicU64::new(0)).collect();
        let copies = |count: usize| (0..count).map(|_| copy()).collect();
        Self { own: copies(2 * cores), shared: copies(cores) }
    }

    pub(super) fn add(&self, slot: Slot, n: u64) {
        let thread = thread_number();
        match self.own.get(thread) {
            // Nobody else writes here, so nothing is lost between the load and the store.
            Some(own) => own[slot.0].store(own[slot.0].load(Relaxed).wrapping_add(n), Relaxed),
            None => {
                self.shared[thread & (self.shared.len() - 1)][slot.0].fetch_add(n, Relaxed);
            }
        }
    }

    pub(super) fn observe(&self, durations: Durations, value: Duration) {
        let nanoseconds = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < nanoseconds);
        self.add(durations.0.slot(bucket), 1);
        self.add(durations.0.slot(BOUNDS_NS.len() + 1), nanoseconds);
    }

    pub(super) fn read(&self, slot: Slot) -> u64 {
        self.own.iter().chain(&self.shared).map(|copy| copy[slot.0].load(Relaxed)).fold(0, u64::wrapping_add)
    }

    pub(super) fn read_durations(&self, durations: Durations) -> DurationsRead {
        let bound = |index| BOUNDS_NS.get(index).map_or(f64::INFINITY, |bound| *bound as f64 / 1e9);
        let buckets: Vec<_> =
            (0..=BOUNDS_NS.len()).map(|index| (bound(index), self.read(durations.0.slot(index)))).collect();
        DurationsRead {
            sum: self.read(durations.0.slot(BOUNDS_NS.len() + 1)) as f64 / 1e9,
            count: buckets.iter().map(|(_, n)| n).sum(),
            buckets,
        }
    }
}

/// A number that no other thread has or had.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) });
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Relaxed));
        }
        number.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_threads_count_at_once() {
        let mut layout = Layout::default();
        let (row, durations) = (layout.row(2), layout.durations());
        let sheet = Sheet::new(&layout);
        std::thread::scope(|scope| {
            for _ in 0..9 {
                scope.spawn(|| {
                    for i in 0..1_000 {
                        sheet.add(row.slot(1), 2);
                        sheet.observe(durations, Duration::from_nanos(i));
                    }
                });
            }
        });
        assert_eq!((sheet.read(row.slot(0)), sheet.read(row.slot(1))), (0, 18_000));
        let read = sheet.read_durations(durations);
        assert_eq!((read.count, read.buckets[0].1), (9_000, 9_000));
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_the_last_bucket_takes_the_rest() {
        let mut layout = Layout::default();
        let durations = layout.durations();
        let sheet = Sheet::new(&layout);
        for nanoseconds in [1_000, 1_001, 10_000_000_001] {
            sheet.observe(durations, Duration::from_nanos(nanoseconds));
        }
        let read = sheet.read_durations(durations);
        let filled: Vec<_> = read.buckets.iter().filter(|(_, n)| *n > 0).map(|(bound, _)| *bound).collect();
        assert_eq!(filled, [1e-6, 2.5e-6, f64::INFINITY]);
        assert!((read.sum - 10.000_002_002).abs() < 1e-9);
    }
}
