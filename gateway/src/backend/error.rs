//! What goes wrong in a backend, where, and whether trying again may help.

use std::{sync::Arc, time::Duration};

/// The kind of failure; decides the status that a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller went away.
    Cancelled,
    /// Time ran out in the backend.
    DeadlineExceeded,
    /// The backend cannot be reached or refuses work. Trying again may help.
    Unavailable,
    /// The gateway did not let the call through, to protect the backend or because it would have come too late.
    Refused,
    /// The backend answered with an error, or with something that makes no sense.
    Failed,
}

/// A failed call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("backend {backend}: {detail}")]
pub struct BackendError {
    /// The backend's configured name.
    pub backend: Arc<str>,
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What happened, without query data.
    pub detail: String,
    /// When trying again may help, where that is known.
    pub retry_after: Option<Duration>,
}

impl BackendError {
    /// A failure of this backend.
    pub fn new(backend: &Arc<str>, kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { backend: backend.clone(), kind, detail: detail.into(), retry_after: None }
    }

    /// The same failure with a hint when to try again.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }
}
