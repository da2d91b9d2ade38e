//! Rows in rank order, found lazily from upper bounds of their scores.
//!
//! Each row starts with a cheap upper bound. The row with the highest bound is refined, step by step, until its bound is
//! its score; when a row whose score is known comes first, no other can be above it. This is optimal multi-step
//! nearest-neighbour search (Seidl and Kriegel, SIGMOD 1998): no row is refined that could be left as it is. So however
//! rough the first bounds are, the order is that of the definition.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{
    space::{SpaceQuery, VectorSpace},
    watch::Watch,
};
use crate::backend::BackendError;

/// Rows brought into order at first, and for each hit asked for.
const FIRST_CHUNK: usize = 256;
const CHUNK_PER_HIT: usize = 4;

/// Rows scanned between two looks at the watch.
const SCAN_STRIDE: u64 = 512;

/// How good a bound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quality {
    /// It is the score.
    Score,
    /// Off by rounding.
    Near,
    /// From codes.
    Coded,
}

/// A row on its way to its score. The greatest is the next to look at: the one with the highest bound, of equals one
/// that is not refined yet (it may turn out to have the same score and a smaller row), then the smallest row.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    bound: f64,
    quality: Quality,
    row: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.total_cmp(&other.bound).then(self.quality.cmp(&other.quality)).then_with(|| other.row.cmp(&self.row))
    }
}
impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Candidate {}

/// Scanned rows, best first.
#[derive(Debug)]
pub(super) struct Ranked {
    query: SpaceQuery,
    threshold: Option<f64>,
    /// Rows not looked at yet, as keys: bound, then row descending, in 8 bytes that sort as one number.
    waiting: Vec<u64>,
    /// Every waiting row's bound is at most this.
    ceiling: f64,
    heap: BinaryHeap<Candidate>,
    quality: Quality,
    pulled: usize,
    /// Rows looked at since the scan.
    pub(super) refined: u64,
}

impl Ranked {
    /// Scores rows roughly: the usable ones of `rows`, or all of them. Returns their number, too.
    pub(super) fn scan(
        space: &VectorSpace,
        query: SpaceQuery,
        rows: Option<&roaring::RoaringBitmap>,
        threshold: Option<f64>,
        watch: &mut Watch<'_>,
    ) -> Result<(Self, u64), BackendError> {
        let most = rows.map_or(space.usable().len(), |rows| rows.len().min(space.usable().len()));
        let mut waiting = Vec::with_capacity(most as usize);
        let mut scored = 0;
        space.scan(&query, rows, |row, bound| {
            scored += 1;
            if threshold.is_none_or(|threshold| bound >= threshold) {
                waiting.push(key(bound, row));
            }
            // A look at the clock a row would cost as much as the row.
            if scored % SCAN_STRIDE == 0 { watch.spend(SCAN_STRIDE as usize) } else { Ok(()) }
        })?;
        let quality = if space.is_coded() { Quality::Coded } else { Quality::Near };
        let ceiling = f64::INFINITY;
        let heap = BinaryHeap::new();
        Ok((Self { query, threshold, waiting, ceiling, heap, quality, pulled: 0, refined: 0 }, scored))
    }

    /// The best row that is left and passes, with its score. `expected` is how many more are likely to be asked for.
    pub(super) fn next(
        &mut self,
        space: &VectorSpace,
        expected: usize,
        watch: &mut Watch<'_>,
        passes: impl Fn(u32) -> bool,
    ) -> Result<Option<(u32, f64)>, BackendError> {
        loop {
            let top = self.heap.peek().copied();
            // A waiting row with the bound of a known score may have that score and come first.
            let Some(candidate) = top.filter(|top| self.waiting.is_empty() || top.bound > self.ceiling) else {
                if self.waiting.is_empty() {
                    return Ok(None);
                }
                watch.spend(self.waiting.len() / 8)?;
                self.pull(expected);
                continue;
            };
            if self.threshold.is_some_and(|threshold| candidate.bound < threshold) {
                self.waiting = Vec::new();
                self.heap.clear();
                return Ok(None);
            }
            if candidate.quality == Quality::Score {
                self.heap.pop();
                return Ok(Some((candidate.row, candidate.bound)));
            }
            watch.spend(4)?;
            if candidate.quality == self.quality {
                self.refined += 1;
                if !passes(candidate.row) {
                    self.heap.pop();
                    continue;
                }
            }
            let (bound, quality) = match candidate.quality {
                // Both are upper bounds, so the lower one is, too.
                Quality::Coded => (space.near_bound(&self.query, candidate.row).min(candidate.bound), Quality::Near),
                Quality::Near | Quality::Score => (space.score(&self.query, candidate.row), Quality::Score),
            };
            *self.heap.peek_mut().expect("it was there") = Candidate { bound, quality, ..candidate };
        }
    }

    /// Whether nothing is left, for certain.
    pub(super) fn is_exhausted(&self) -> bool {
        self.waiting.is_empty() && self.heap.is_empty()
    }

    /// Number of rows that are left to look at.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Moves the best waiting rows to the heap. Chunks grow with what was pulled before, so that all rows are partitioned
    /// a logarithmic number of times.
    fn pull(&mut self, expected: usize) {
        let chunk = expected.saturating_mul(CHUNK_PER_HIT).saturating_add(FIRST_CHUNK).max(2 * self.pulled);
        let start = self.waiting.len().saturating_sub(chunk);
        if start > 0 {
            self.waiting.select_nth_unstable(start);
        }
        self.ceiling = bound_of(self.waiting[start]);
        self.pulled += self.waiting.len() - start;
        let candidate = |key: u64| Candidate { bound: bound_of(key), quality: self.quality, row: row_of(key) };
        self.heap.extend(self.waiting.drain(start..).map(candidate));
    }
}

/// A number that orders as (bound rounded up to a single, row descending).
fn key(bound: f64, row: u32) -> u64 {
    let single = bound as f32;
    let bits = single.to_bits();
    let ordered = bits ^ (((bits as i32 >> 31) as u32) | 1 << 31);
    // The next number is the next single, so rounding up needs no branch.
    let ordered = ordered + u32::from(f64::from(single) < bound);
    u64::from(ordered) << 32 | u64::from(!row)
}

fn bound_of(key: u64) -> f64 {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    f64::from(f32::from_bits(bits))
}

fn row_of(key: u64) -> u32 {
    !(key as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_order_as_bounds_do_and_never_lower_them(a in -1e39_f64..1e39, b in -2.0_f64..2.0, x in 0_u32.., y in 0_u32..) {
            for (one, other) in [(a, b), (b, b / 3.0), (a, a)] {
                prop_assert!(bound_of(key(one, x)) >= one);
                prop_assert_eq!(row_of(key(one, x)), x);
                let (one, other) = (key(one, x), key(other, y));
                let expected = bound_of(one).total_cmp(&bound_of(other)).then(y.cmp(&x));
                prop_assert_eq!(one.cmp(&other), expected);
            }
        }
    }
}
