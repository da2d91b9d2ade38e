//! How many requests may be repeated.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What a first request adds: one repetition for five requests.
const PER_REQUEST: f64 = 0.2;

/// Where requests are rare, one repetition is added in this time.
const ONE_EVERY: Duration = Duration::from_secs(5);

/// Most repetitions that can be saved up.
const MOST: f64 = 10.0;

/// A token bucket that every first request fills a little and every repetition empties, so that a server that is down
/// gets at most a fifth more requests than without repetitions. The idea is that of `RetryBudget` in Finagle.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl RetryBudget {
    /// A full one.
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Bucket { tokens: MOST, filled: now }))
    }

    /// Counts a first request.
    pub(super) fn deposit(&self) {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.tokens = (bucket.tokens + PER_REQUEST).min(MOST);
    }

    /// Whether a request may be repeated; if so, it is counted.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(bucket.filled);
        bucket.tokens = (bucket.tokens + since.as_secs_f64() / ONE_EVERY.as_secs_f64()).min(MOST);
        bucket.filled = now;
        let granted = bucket.tokens >= 1.0;
        bucket.tokens -= f64::from(u8::from(granted));
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_load_a_fifth_of_the_requests_may_be_repeated() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        let granted = (0..1_000)
            .map(|_| {
                budget.deposit();
                [budget.withdraw(now), budget.withdraw(now)].into_iter().filter(|granted| *granted).count()
            })
            .sum::<usize>();
        assert!((200..=211).contains(&granted), "{granted}");
    }

    #[test]
    fn an_empty_budget_comes_back_with_time_up_to_its_most() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        let drain = |at| std::iter::from_fn(|| budget.withdraw(at).then_some(())).count();
        assert_eq!(drain(now), 10);
        assert_eq!(drain(now + ONE_EVERY / 2), 0);
        assert_eq!(drain(now + ONE_EVERY), 1);
        assert_eq!(drain(now + ONE_EVERY * 1_000), 10);
    }
}
