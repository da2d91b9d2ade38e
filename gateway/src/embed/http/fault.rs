//! What goes wrong between the gateway and an embedding server.

use std::{sync::Arc, time::Duration};

use http::StatusCode;

use crate::backend::{BackendError, ErrorKind};

/// Why a request brought no vectors. None of the texts that were sent is in it, nor the key.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Fault {
    /// No connection, or it broke before the reply was whole.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// No whole reply came within the time that one request may take.
    #[error("the server gave no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// Too busy, or down behind a proxy.
    #[error("the server does not take requests now: it answered {status}")]
    Busy {
        /// 429, 502, 503 or 504.
        status: StatusCode,
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// It does not like what was sent, maybe one text of it.
    #[error("the server rejects the request: it answered {status}{}", told(.message))]
    Rejected {
        /// 400, 413 or 422.
        status: StatusCode,
        /// Its own words.
        message: Option<String>,
    },
    /// The key is missing, wrong, or not good for the model.
    #[error("the server does not accept the key: it answered {0}")]
    Key(StatusCode),
    /// Any other status.
    #[error("the server answered {status}{}", told(.message))]
    Status {
        /// The status.
        status: StatusCode,
        /// Its own words.
        message: Option<String>,
    },
    /// A reply that cannot be used.
    #[error(transparent)]
    Reply(#[from] ReplyProblem),
}

/// Why a reply cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyProblem {
    /// It is longer than the vectors that were asked for can be.
    #[error("the reply is longer than {limit} bytes")]
    TooLong {
        /// What was allowed.
        limit: usize,
    },
    /// It is not the JSON that the protocol has.
    #[error("the reply is not what the protocol says (line {line}, column {column})")]
    Unreadable {
        /// Where reading stopped, from 1.
        line: usize,
        /// Where reading stopped, from 1.
        column: usize,
    },
    /// One vector a text was expected.
    #[error("the reply to {sent} texts has {came} vectors")]
    Count {
        /// Texts sent.
        sent: usize,
        /// Vectors that came.
        came: usize,
    },
    /// It is unclear which vector belongs to which text.
    #[error("the vectors of the reply are not numbered from 0, each number once")]
    Order,
    /// Another model, or another configuration.
    #[error("the server makes vectors of {came} components, and {expected} are configured")]
    Dimensions {
        /// Components configured.
        expected: usize,
        /// Components that came.
        came: usize,
    },
    /// NaN or infinite.
    #[error("a vector of the reply has a component that is not a finite number")]
    NotFinite,
}

fn told(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default()
}

impl Fault {
    /// Whether the same request may succeed soon, and has cost the server little.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. })
    }

    /// When the server asks to be tried again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// As callers see it.
    pub(super) fn seen_by_callers(&self, embedder: &Arc<str>) -> BackendError {
        let kind = match self {
            Self::Unreachable(_) | Self::TimedOut(_) | Self::Busy { .. } => ErrorKind::Unavailable,
            Self::Rejected { .. } | Self::Key(_) | Self::Status { .. } | Self::Reply(_) => ErrorKind::Failed,
        };
        BackendError { retry_after: self.retry_after(), ..BackendError::new(embedder, kind, self.to_string()) }
    }
}
