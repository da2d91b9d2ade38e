//! What went wrong on a server, in the gateway's words.

use std::sync::Arc;

use neo4rs::Error;

use crate::{
    backend::{BackendError, ErrorKind},
    pool::PoolError,
};

/// Whether the connection has answered everything and can be used again. Anything else than an error that the server
/// reported leaves that open.
pub(super) fn answered(error: &Error) -> bool {
    matches!(error, Error::Neo4j(_))
}

/// A driver's error. The server's message may hold data of the query, so that only its code is told.
pub(super) fn of(backend: &Arc<str>, error: &Error) -> BackendError {
    tracing::debug!(backend = &**backend, %error, "a statement failed");
    let (kind, detail) = match error {
        Error::Neo4j(error) => (kind_of(error.code()), error.code().to_owned()),
        Error::AuthenticationError(_) => (ErrorKind::Failed, "the server refuses the user or the password".into()),
        Error::ConnectionTimedOut => (ErrorKind::Unavailable, "the server does not answer".into()),
        Error::IOError { detail } => (ErrorKind::Unavailable, format!("the connection failed: {detail}")),
        Error::ConnectionError | Error::IncompleteBoltExchange | Error::ServerUnavailableError(_) => {
            (ErrorKind::Unavailable, "the connection failed".into())
        }
        Error::UnsupportedVersion(..) | Error::ProtocolMismatch(_) => {
            (ErrorKind::Failed, "the server does not speak Bolt 4.4".into())
        }
        Error::UrlParseError(_) | Error::UnsupportedScheme(_) | Error::InvalidDnsName(_) | Error::InvalidConfig => {
            (ErrorKind::Failed, format!("the address cannot be used: {error}"))
        }
        _ => (ErrorKind::Failed, "the server's reply cannot be understood".into()),
    };
    BackendError::new(backend, kind, detail)
}

/// `Neo.<class>.<category>.<title>`.
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "Neo.ClientError.Transaction.TransactionTimedOut"
        | "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration" => ErrorKind::DeadlineExceeded,
        // Ended by somebody: the operator, a server that stops, or us after the caller went away.
        "Neo.ClientError.Transaction.Terminated" | "Neo.ClientError.Transaction.LockClientStopped" => {
            ErrorKind::Unavailable
        }
        _ if code.starts_with("Neo.TransientError.") => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    }
}

/// Why there was no connection.
pub(super) fn of_pool(backend: &Arc<str>, error: PoolError) -> BackendError {
    let detail = error.to_string();
    match error {
        PoolError::TooLate { wait, .. } | PoolError::QueueFull { wait, .. } => {
            BackendError::new(backend, ErrorKind::Refused, detail).retry_after(wait)
        }
        PoolError::DeadlineExceeded => BackendError::new(backend, ErrorKind::DeadlineExceeded, detail),
        PoolError::BreakerOpen { retry_after, .. } => {
            BackendError::new(backend, ErrorKind::Unavailable, detail).retry_after(retry_after)
        }
        PoolError::Connect(error) => error,
        PoolError::Closed => BackendError::new(backend, ErrorKind::Unavailable, detail),
    }
}
