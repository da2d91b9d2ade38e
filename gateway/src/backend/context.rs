//! What every call to a backend carries.

use std::{sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;

use super::{BackendError, ErrorKind, Urgency};

/// For whom, until when, and whether still.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The class whose queue the call waits in.
    pub priority: Urgency,
    /// The tenant whose share of the class it is counted against.
    pub tenant: Option<Arc<str>>,
    /// When the answer is of no more use.
    pub deadline: Instant,
    /// Fires when nobody waits for the answer any more.
    pub cancelled: CancellationToken,
    /// Names the request in logs and in statements sent to servers.
    pub request_id: Arc<str>,
}

impl CallContext {
    /// An error once the call is of no more use. Long computations ask every few hundred microseconds.
    pub fn check(&self, backend: &Arc<str>) -> Result<(), BackendError> {
        if self.cancelled.is_cancelled() {
            return Err(BackendError::new(backend, ErrorKind::Cancelled, "nobody waits for the answer any more"));
        }
        if Instant::now() >= self.deadline {
            return Err(BackendError::new(backend, ErrorKind::DeadlineExceeded, "the deadline passed"));
        }
        Ok(())
    }
}
