//! How long to wait before the next attempt to connect.

use std::time::{Duration, Instant};

use crate::backend::BackendError;

/// Wait after the first failure in a row; doubled with each further one.
const FIRST: Duration = Duration::from_millis(50);

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(10);

/// Failed attempts in a row: exponential backoff, of which the second half is random ("equal jitter" in Brooker,
/// "Exponential Backoff And Jitter", AWS 2015).
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    last: Option<(Instant, BackendError)>,
}

impl Backoff {
    /// An attempt failed. `dice` is in 0..1.
    pub(super) fn failed(&mut self, now: Instant, error: BackendError, dice: f64) {
        let whole = FIRST.saturating_mul(1 << self.failures.min(20)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.last = Some((now + whole.mul_f64(0.5 + dice / 2.0), error));
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Until when no attempt is made, if that lies ahead.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.last.as_ref().map(|(until, _)| *until).filter(|until| *until > now)
    }

    /// The last failure, with the time of the next attempt, as long as none is made.
    pub(super) fn error(&self, now: Instant) -> Option<BackendError> {
        let (until, error) = self.last.as_ref().filter(|(until, _)| *until > now)?;
        Some(error.clone().retry_after(until.duration_since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ErrorKind;

    #[test]
    fn it_waits_longer_each_time_up_to_a_limit_and_begins_anew_after_a_success() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let error = BackendError::new(&"pg".into(), ErrorKind::Unavailable, "no");
        let mut waits = Vec::new();
        for _ in 0..40 {
            backoff.failed(now, error.clone(), 1.0);
            waits.push(backoff.until(now).unwrap() - now);
        }
        assert_eq!(waits[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert_eq!(waits[39], LONGEST);
        backoff.failed(now, error.clone(), 0.0);
        assert_eq!(backoff.error(now).unwrap().retry_after, Some(LONGEST / 2), "the dice halve it");
        assert!(backoff.error(now + LONGEST / 2).is_none());
        backoff.succeeded();
        assert!(!backoff.is_failing());
        backoff.failed(now, error, 1.0);
        assert_eq!(backoff.until(now), Some(now + FIRST));
    }
}
