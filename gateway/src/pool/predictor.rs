//! How long a statement is likely to take, from how long statements like it took.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Weight of the newest measurement.
const NEWEST: f64 = 0.1;

/// Before anything was measured.
const UNKNOWN: Duration = Duration::from_millis(2);

/// Moving averages by kind of statement and size, sizes by powers of two.
#[derive(Debug, Default)]
pub struct Predictor(Mutex<HashMap<(&'static str, i32), f64>>);

impl Predictor {
    /// How long a statement of this kind and size (rows, ids, edges: whatever it grows with) should take.
    pub fn predict(&self, kind: &'static str, size: usize) -> Duration {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(kind, bucket(size))).map_or(UNKNOWN, |seconds| Duration::from_secs_f64(*seconds))
    }

    /// How long one took.
    pub fn learn(&self, kind: &'static str, size: usize, took: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let average = known.entry((kind, bucket(size))).or_insert(took.as_secs_f64());
        *average += NEWEST * (took.as_secs_f64() - *average);
    }
}

fn bucket(size: usize) -> i32 {
    (usize::BITS - size.leading_zeros()) as i32
}
