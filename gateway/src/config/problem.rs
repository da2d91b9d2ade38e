//! What can be wrong with a configuration, and where.

use std::{fmt, path::Path, sync::Arc};

use super::path::KeyPath;

/// Something to correct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigProblem {
    /// What sort of mistake.
    pub kind: ProblemKind,
    /// Where it was written.
    pub origin: Origin,
    /// The value that it is about.
    pub path: KeyPath,
    /// What is wrong. Never holds the value of a secret.
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
}

/// A sort of mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A file cannot be read.
    Unreadable,
    /// The file is not TOML.
    Syntax,
    /// A key means nothing here.
    UnknownKey,
    /// A required key is not there.
    MissingKey,
    /// A value has the wrong type, form or range.
    WrongValue,
    /// A backend or embedder of a kind that this version does not have.
    Unsupported,
    /// A name that nothing has.
    UnknownName,
    /// Each value is fine, together they are not.
    Contradiction,
    /// The configuration is fine, the data behind it is not there or is not what it says.
    Data,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Nowhere: a default, or there is no configuration file.
    #[default]
    Default,
    /// In a file as a whole.
    File(Arc<Path>),
    /// At a place in a file.
    Place {
        /// The file.
        file: Arc<Path>,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// In an environment variable.
    Environment(Arc<str>),
}

impl Origin {
    /// The line in the configuration file, from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Place { line, .. } => Some(*line),
            Self::Default | Self::File(_) | Self::Environment(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("configuration"),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Place { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
        }
    }
}

impl ConfigProblem {
    /// A problem with the value at a path.
    pub fn new(kind: ProblemKind, origin: Origin, path: KeyPath, message: impl Into<String>) -> Self {
        Self { kind, origin, path, message: message.into(), suggestion: None }
    }

    /// With what to write instead.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// With the name that was probably meant, if there is one.
    #[must_use]
    pub fn suggest_nearest<'a>(self, written: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(written, names) {
            Some(name) => self.suggest(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

impl fmt::Display for ConfigProblem {
    /// `forebay.toml:12:3: server.listen: … (did you mean …?)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.path.is_root() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " ({suggestion})"),
            None => Ok(()),
        }
    }
}

/// The name that a misspelt one most likely stands for: at most a third of its letters differ, or one begins with the other.
fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    names
        .into_iter()
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(&written, &name.to_lowercase());
            let prefix = written.len() >= 3 && (name.starts_with(&written) || written.starts_with(name));
            (prefix || distance <= 1.max(name.chars().count() / 3)).then_some((distance, name))
        })
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_close_or_shares_its_beginning() {
        let names = ["listen", "max_connections", "max_body_bytes", "token_sha256"];
        assert_eq!(nearest("lisen", names), Some("listen"));
        assert_eq!(nearest("Max_Connection", names), Some("max_connections"));
        assert_eq!(nearest("token", names), Some("token_sha256"));
        assert_eq!(nearest("tls", names), None);
    }
}
