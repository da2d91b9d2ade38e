//! How a command fails, and what the shell learns of it.

use std::io::Write as _;

use super::client::ClientError;
use crate::config::{ConfigProblem, ProblemKind};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// Something is wrong with the configuration or, where all problems are of [`ProblemKind::Data`], with the data.
    Config(Vec<ConfigProblem>),
    /// A gateway cannot be reached.
    Unavailable(String),
    /// Everything else.
    Other(String),
    /// Whoever read our output stopped reading. Not worth a word.
    BrokenPipe,
}

impl Failure {
    /// `EX_USAGE`
    pub const USAGE: u8 = 64;
    /// `EX_UNAVAILABLE`
    pub const UNAVAILABLE: u8 = 69;
    /// `EX_CONFIG`
    pub const CONFIG: u8 = 78;

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => Self::USAGE,
            Self::Config(problems) if problems.iter().all(|problem| problem.kind == ProblemKind::Data) => {
                Self::UNAVAILABLE
            }
            Self::Config(_) => Self::CONFIG,
            Self::Unavailable(_) => Self::UNAVAILABLE,
            Self::Other(_) => 1,
            Self::BrokenPipe => 0,
        }
    }

    /// Tells the user, on standard error.
    pub fn report(&self) {
        let mut stderr = std::io::stderr().lock();
        // Where standard error is closed there is nobody to tell.
        let _ = match self {
            Self::Usage(message) | Self::Unavailable(message) | Self::Other(message) => {
                writeln!(stderr, "error: {message}")
            }
            Self::Config(problems) => {
                let lines: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
                let count = problems.len();
                writeln!(stderr, "{lines}{count} problem{}", if count == 1 { "" } else { "s" })
            }
            Self::BrokenPipe => Ok(()),
        };
    }
}

impl From<Vec<ConfigProblem>> for Failure {
    fn from(problems: Vec<ConfigProblem>) -> Self {
        Self::Config(problems)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Url { .. } => Self::Usage(error.to_string()),
            ClientError::Connect { .. } | ClientError::Exchange { .. } => Self::Unavailable(error.to_string()),
            ClientError::Token => Self::Other(error.to_string()),
        }
    }
}
