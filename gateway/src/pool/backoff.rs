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
