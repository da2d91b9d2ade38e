//! Where log lines go and how they look.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.filter` cannot be read.
    #[error("log.filter {filter:?} is not a filter such as \"info\" or \"forebay=debug\": {source}")]
    Filter {
        /// The configured text.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process logs already.
    #[error("logging is already set up")]
    AlreadySet,
}

/// Sends what passes the filter to standard error, from now on and for the whole process.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let filter = filter(&config.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let done = match config.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
    };
    done.map_err(|_| LogError::AlreadySet)
}

fn filter(text: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(text).map_err(|source| LogError::Filter { filter: text.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_named_in_the_error() {
        assert!(filter("info,forebay=debug").is_ok());
        let error = filter("forebay=loudly").unwrap_err().to_string();
        assert!(error.contains("log.filter") && error.contains("forebay=loudly"), "{error}");
    }
}
