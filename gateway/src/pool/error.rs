//! Why there is no connection.

use std::{sync::Arc, time::Duration};

use crate::backend::{BackendError, ErrorKind};

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PoolError {
    /// The work could not be done before its deadline, so it was not begun.
    #[error(
        "refused at once: {} ms left, but the predicted wait is {} ms and the predicted work {} ms",
        left.as_millis(), wait.as_millis(), work.as_millis()
    )]
    TooLate {
        /// Time until the deadline.
        left: Duration,
        /// Predicted wait.
        wait: Duration,
        /// Predicted work.
        work: Duration,
    },
    /// The queue of the class is full.
    #[error("refused at once: {waiting} queries of the class wait already")]
    QueueFull {
        /// Length of the queue.
        waiting: usize,
        /// Predicted wait of the last of them.
        wait: Duration,
    },
    /// The deadline passed while it waited.
    #[error("the deadline passed while waiting for a connection")]
    DeadlineExceeded,
    /// The backend fails; it is not asked for now.
    #[error("the breaker is open: {reason}")]
    BreakerOpen {
        /// What opened it.
        reason: &'static str,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// No connection can be opened.
    #[error("no connection: {0}")]
    Connect(BackendError),
    /// The pool was closed.
    #[error("the pool is closed")]
    Closed,
}

impl PoolError {
    /// The error of the call that asked for the connection.
    pub fn into_backend_error(self, backend: &Arc<str>) -> BackendError {
        let (kind, retry_after) = match &self {
            Self::TooLate { wait, .. } | Self::QueueFull { wait, .. } => {
                (ErrorKind::Refused, Some(*wait).filter(|wait| !wait.is_zero()))
            }
            Self::BreakerOpen { retry_after, .. } => (ErrorKind::Unavailable, Some(*retry_after)),
            Self::DeadlineExceeded => (ErrorKind::DeadlineExceeded, None),
            Self::Closed => (ErrorKind::Unavailable, None),
            Self::Connect(error) => return error.clone(),
        };
        BackendError { retry_after, ..BackendError::new(backend, kind, self.to_string()) }
    }
}

/// Why a pool does not take these bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResizeError {
    /// A pool without connections serves nobody.
    #[error("`max` has to be at least 1")]
    MaxIsZero,
    /// More connections would be kept than there may be.
    #[error("`min` ({min}) is above `max` ({max})")]
    MinAboveMax {
        /// Asked for.
        min: usize,
        /// Asked for, or as it stands.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_predicted_and_when_to_come_back() {
        let (left, wait, work) = (Duration::from_millis(90), Duration::from_millis(120), Duration::from_millis(7));
        let error = PoolError::TooLate { left, wait, work }.into_backend_error(&"pg".into());
        assert_eq!((error.kind, error.retry_after), (ErrorKind::Refused, Some(wait)));
        for part in ["pg", "90 ms", "120 ms", "7 ms"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = PoolError::QueueFull { waiting: 3, wait: Duration::ZERO }.into_backend_error(&"pg".into());
        assert_eq!((error.kind, error.retry_after), (ErrorKind::Refused, None));
        assert_eq!(PoolError::DeadlineExceeded.into_backend_error(&"pg".into()).kind, ErrorKind::DeadlineExceeded);
        assert_eq!(PoolError::Closed.into_backend_error(&"pg".into()).kind, ErrorKind::Unavailable);
        let refused = BackendError::new(&"other".into(), ErrorKind::Failed, "password");
        assert_eq!(&*PoolError::Connect(refused).into_backend_error(&"pg".into()).backend, "other");
    }
}
