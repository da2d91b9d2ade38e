//! How long a statement is likely to take, from how long statements like it took.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Least weight of the newest measurement; the first few weigh more.
const NEWEST: f64 = 0.1;

/// Before anything was measured.
const UNKNOWN: Duration = Duration::from_millis(2);

/// What was not measured for so long is half believed. Who is refused because of a prediction measures nothing, so one that
/// has become wrong would be believed for ever.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// Most kinds that are told apart.
const MOST_KINDS: usize = 256;

/// One bucket a power of two.
const BUCKETS: usize = usize::BITS as usize + 1;

/// Moving averages by kind of statement and size, sizes by powers of two.
#[derive(Debug, Default)]
pub struct Predictor(Mutex<HashMap<&'static str, Vec<Option<Average>>>>);

#[derive(Debug, Clone, Copy)]
struct Average {
    seconds: f64,
    measured: u32,
    last: Instant,
}

impl Average {
    fn at(&self, now: Instant) -> Duration {
        let half_lives = now.saturating_duration_since(self.last).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let floor = UNKNOWN.as_secs_f64().min(self.seconds);
        Duration::from_secs_f64((self.seconds * 0.5_f64.powf(half_lives)).max(floor))
    }
}

impl Predictor {
    /// How long a statement of this kind and size (rows, ids, edges: whatever it grows with) should take. Of a size that was
    /// not measured yet, as long as one of the nearest size that was.
    pub fn predict(&self, kind: &'static str, size: usize) -> Duration {
        self.predict_at(kind, size, Instant::now())
    }

    /// How long one took.
    pub fn learn(&self, kind: &'static str, size: usize, took: Duration) {
        self.learn_at(kind, size, took, Instant::now());
    }

    fn predict_at(&self, kind: &'static str, size: usize, now: Instant) -> Duration {
        let known = self.lock();
        let Some(buckets) = known.get(kind) else { return UNKNOWN };
        let own = bucket(size);
        let nearest = (0..BUCKETS).filter(|at| buckets[*at].is_some()).min_by_key(|at| at.abs_diff(own));
        nearest.and_then(|at| buckets[at]).map_or(UNKNOWN, |average| average.at(now))
    }

    fn learn_at(&self, kind: &'static str, size: usize, took: Duration, now: Instant) {
        let mut known = self.lock();
        if known.len() >= MOST_KINDS && !known.contains_key(kind) {
            return;
        }
        let seconds = took.as_secs_f64();
        let buckets = known.entry(kind).or_insert_with(|| vec![None; BUCKETS]);
        let average = buckets[bucket(size)].get_or_insert(Average { seconds, measured: 0, last: now });
        average.measured = average.measured.saturating_add(1);
        average.seconds += (seconds - average.seconds) * NEWEST.max(1.0 / f64::from(average.measured));
        average.last = now;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Vec<Option<Average>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bucket(size: usize) -> usize {
    (usize::BITS - size.leading_zeros()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn what_was_measured_is_expected_again() {
        let (predictor, now) = (Predictor::default(), Instant::now());
        assert_eq!(predictor.predict_at("rank", 100, now), UNKNOWN);
        predictor.learn_at("rank", 100, ms(40), now);
        assert_eq!(predictor.predict_at("rank", 100, now), ms(40));
        predictor.learn_at("rank", 100, ms(60), now);
        assert_eq!(predictor.predict_at("rank", 127, now), ms(50), "the same power of two");
        assert_eq!(predictor.predict_at("reach", 100, now), UNKNOWN, "another kind");
    }

    #[test]
    fn an_unknown_size_is_like_the_nearest_known_one() {
        let (predictor, now) = (Predictor::default(), Instant::now());
        predictor.learn_at("rank", 16, ms(4), now);
        predictor.learn_at("rank", 4_096, ms(100), now);
        assert_eq!(predictor.predict_at("rank", 64, now), ms(4));
        assert_eq!(predictor.predict_at("rank", 1 << 20, now), ms(100));
    }

    #[test]
    fn a_prediction_that_nobody_confirms_is_given_up() {
        let (predictor, now) = (Predictor::default(), Instant::now());
        predictor.learn_at("rank", 1, Duration::from_secs(20), now);
        predictor.learn_at("fast", 1, Duration::from_micros(300), now);
        assert_eq!(predictor.predict_at("rank", 1, now + HALF_LIFE), Duration::from_secs(10));
        assert_eq!(predictor.predict_at("rank", 1, now + 100 * HALF_LIFE), UNKNOWN);
        assert_eq!(predictor.predict_at("fast", 1, now + 100 * HALF_LIFE), Duration::from_micros(300));
    }
}
