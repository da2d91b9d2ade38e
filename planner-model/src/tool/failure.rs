//! How a command fails, and what the shell learns of it.

use std::{io, path::Path, process::ExitCode};

use super::client::ClientError;
use crate::{ModelError, train::TrainError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line makes no sense, or asks for what is not done without `--yes`.
    #[error("{0}")]
    Usage(String),
    /// The data does not do.
    #[error("{0}")]
    Data(String),
    /// A gateway cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// Everything else.
    #[error("{0}")]
    Other(String),
    /// Whoever read our output stopped reading. Not worth a word.
    #[error("nobody reads the output")]
    BrokenPipe,
}

impl Failure {
    /// As `sysexits.h` has them: 64 for usage, 65 for data, 69 for a gateway that cannot be reached.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => 64.into(),
            Self::Data(_) => 65.into(),
            Self::Unavailable(_) => 69.into(),
            Self::Other(_) => ExitCode::FAILURE,
            Self::BrokenPipe => ExitCode::SUCCESS,
        }
    }

    /// Something is wrong with a file.
    pub(super) fn of_file(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |error| Self::Other(format!("{}: {error}", path.display()))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Address { .. } | ClientError::Token => Self::Usage(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        Self::Data(error.to_string())
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Data(format!("not a model that can be used: {error}"))
    }
}
