//! What an error of the driver says: about the call, and about the connection.

use std::{borrow::Cow, sync::Arc};

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::backend::{BackendError, ErrorKind};

/// A failed statement.
#[derive(Debug, Clone)]
pub(crate) struct StatementError {
    /// For the caller.
    pub(crate) error: BackendError,
    /// The connection has answered everything and can go on.
    pub(super) connection_is_fine: bool,
    /// A table, column or type is not what it was.
    pub(crate) schema_changed: bool,
}

impl From<StatementError> for BackendError {
    fn from(error: StatementError) -> Self {
        error.error
    }
}

impl StatementError {
    /// Reads an error of the driver. Its text names no values of a query: the server's messages of the classes that
    /// quote values are left out.
    pub(super) fn of(backend: &Arc<str>, error: &sqlx::Error) -> Self {
        let new = |kind, detail: String, connection_is_fine| Self {
            error: BackendError::new(backend, kind, detail),
            connection_is_fine,
            schema_changed: false,
        };
        match error {
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => Self::of_server(backend, error),
                None => new(ErrorKind::Failed, "an error without a code".into(), false),
            },
            sqlx::Error::Io(error) => new(ErrorKind::Unavailable, format!("connection lost: {error}"), false),
            sqlx::Error::Tls(error) => new(ErrorKind::Unavailable, format!("no TLS connection: {error}"), false),
            sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => {
                new(ErrorKind::Failed, "a value cannot be sent".into(), true)
            }
            sqlx::Error::TypeNotFound { type_name } => {
                new(ErrorKind::Failed, format!("the server has no type `{type_name}`"), true)
            }
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. } => {
                new(ErrorKind::Failed, "a value of the answer cannot be read".into(), true)
            }
            other => new(ErrorKind::Failed, format!("protocol: {other}"), false),
        }
    }

    fn of_server(backend: &Arc<str>, error: &PgDatabaseError) -> Self {
        let code = error.code();
        let ends = matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic);
        let kind = match code {
            // Connections (08), too many of them, a server that starts, stops or crashed, a session that was ended.
            "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => ErrorKind::Unavailable,
            _ if code.starts_with("08") => ErrorKind::Unavailable,
            "57014" | "25P04" => ErrorKind::DeadlineExceeded,
            _ => ErrorKind::Failed,
        };
        // Undefined or changed tables, columns, functions and types; a prepared statement that no longer fits.
        let schema_changed = matches!(
            code,
            "42703" | "42P01" | "42883" | "42704" | "42804" | "42846" | "3F000" | "0A000" | "22000" | "XX000"
        );
        // Data exceptions and violated constraints quote values; so may errors that a function raises.
        let quotes_values = code.starts_with("22") || code.starts_with("23") || code.starts_with("P0");
        let message = if quotes_values { Cow::Borrowed("a value is not as expected") } else { error.message().into() };
        Self {
            error: BackendError::new(backend, kind, format!("SQLSTATE {code}: {message}")),
            connection_is_fine: !ends,
            schema_changed,
        }
    }
}
