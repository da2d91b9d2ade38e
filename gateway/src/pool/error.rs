//! Why there is no connection.

use std::time::Duration;

use crate::backend::BackendError;

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
