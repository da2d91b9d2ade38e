//! Where a command takes its query from.

use std::io::{IsTerminal as _, Read as _};

use bytes::Bytes;

use super::Failure;

/// The query: JSON on the command line, `@file`, or standard input for `-` and for nothing.
pub(super) fn read(argument: Option<&str>) -> Result<Bytes, Failure> {
    match argument {
        None if std::io::stdin().is_terminal() => {
            Err(Failure::Usage("give a query: JSON, @file, or - for standard input".into()))
        }
        None | Some("-") => {
            let mut body = Vec::new();
            std::io::stdin()
                .read_to_end(&mut body)
                .map_err(|error| Failure::Other(format!("standard input: {error}")))?;
            Ok(body.into())
        }
        Some(argument) => match argument.strip_prefix('@') {
            Some(file) => {
                std::fs::read(file).map(Bytes::from).map_err(|error| Failure::Other(format!("{file}: {error}")))
            }
            None => Ok(Bytes::copy_from_slice(argument.as_bytes())),
        },
    }
}
