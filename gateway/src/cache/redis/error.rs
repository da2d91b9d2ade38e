//! What can go wrong with Redis.

use redis::{ErrorKind, ServerErrorKind};

/// Why Redis did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// There is no connection, or it broke. The command may have been carried out.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// There was no answer in time. The command may be carried out yet.
    #[error("Redis did not answer in time")]
    TimedOut,
    /// The server answered with an error.
    #[error("Redis refused: {message}")]
    Refused {
        /// The sort of error.
        why: Refusal,
        /// In the server's words.
        message: String,
    },
    /// Another member of the cluster has the key.
    #[error("another member of the cluster has it: {host}:{port}")]
    Elsewhere {
        /// Its host; empty: that of the member that says so.
        host: String,
        /// Its port.
        port: u16,
        /// Only this time, as the slot is on its way there.
        only_now: bool,
    },
    /// The answer makes no sense.
    #[error("Redis answered with nonsense: {0}")]
    Nonsense(String),
}

/// Sorts of errors that a server answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It has no memory left for this.
    Full,
    /// It is a replica, so nothing can be written there.
    ReadOnly,
    /// The user or the password is wrong, or the user may not do this.
    Denied,
    /// It is not ready at present: loading its data, without its primary, or part of a cluster that is down.
    NotReady,
    /// It does not know the script.
    NoScript,
    /// What lies under the key is of another type.
    WrongType,
    /// Anything else.
    Other,
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        let message = error.to_string();
        if let Some((host, port)) = error.redirect_node().and_then(|(address, _)| address.rsplit_once(':'))
            && let Ok(port) = port.parse()
        {
            let only_now = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
            return Self::Elsewhere { host: host.to_owned(), port, only_now };
        }
        match error.kind() {
            ErrorKind::Server(kind) => Self::Refused { why: Refusal::of_known(kind, error.detail()), message },
            ErrorKind::AuthenticationFailed => Self::Refused { why: Refusal::Denied, message },
            ErrorKind::Extension => Self::Refused { why: Refusal::of_code(error.code().unwrap_or_default()), message },
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Self::Nonsense(message),
            _ => Self::Unreachable(message),
        }
    }
}

impl From<redis::ParsingError> for RedisError {
    fn from(error: redis::ParsingError) -> Self {
        Self::Nonsense(error.to_string())
    }
}

impl Refusal {
    fn of_known(kind: ServerErrorKind, detail: Option<&str>) -> Self {
        match kind {
            ServerErrorKind::ReadOnly => Self::ReadOnly,
            ServerErrorKind::NoPerm => Self::Denied,
            ServerErrorKind::NoScript => Self::NoScript,
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask => Self::NotReady,
            // What a script ran into is told in the text.
            _ => Self::of_code(detail.and_then(|detail| detail.split_whitespace().next()).unwrap_or_default()),
        }
    }

    fn of_code(code: &str) -> Self {
        match code {
            "OOM" => Self::Full,
            "NOAUTH" | "WRONGPASS" | "NOPERM" => Self::Denied,
            "READONLY" => Self::ReadOnly,
            "WRONGTYPE" => Self::WrongType,
            "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" | "BUSY" | "NOREPLICAS" => Self::NotReady,
            _ => Self::Other,
        }
    }
}

impl RedisError {
    /// Whether the connection that gave this error is of no more use: it is broken, or ends at a server that does not take
    /// writes any more.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Refused { why: Refusal::ReadOnly, .. })
    }

    /// Whether somebody else of a cluster may be the one to ask: the member is away, or says so itself.
    pub(super) fn is_about_member(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Elsewhere { only_now, .. } => !only_now,
            Self::Refused { why, .. } => matches!(why, Refusal::ReadOnly | Refusal::NotReady),
            Self::Nonsense(_) => false,
        }
    }
}
