//! The query log: which runs it takes, and writing them.

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use planner_model::log::{Limits, SegmentWriter};

use super::{Observation, counters::Counters, secret::Secret};

/// A log that cannot be written is complained about this often.
const COMPLAINTS: Duration = Duration::from_secs(60);

/// Where the log is and how much of it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalSettings {
    /// The folder.
    pub folder: PathBuf,
    /// Most bytes of all segments.
    pub max_bytes: u64,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[error("{folder}: {source}", folder = folder.display())]
pub struct JournalError {
    folder: PathBuf,
    source: io::Error,
}

/// An open log.
pub(super) struct Journal {
    writer: SegmentWriter,
    secret: Secret,
    complained: Option<Instant>,
}

impl Journal {
    pub(super) fn open(settings: &JournalSettings) -> Result<Self, JournalError> {
        let failed = |source| JournalError { folder: settings.folder.clone(), source };
        let limits = Limits {
            folder_bytes: settings.max_bytes,
            segment_bytes: Limits::default().segment_bytes.min(settings.max_bytes / 4).max(1),
            ..Limits::default()
        };
        let writer = SegmentWriter::open(&settings.folder, limits).map_err(failed)?;
        Ok(Self { writer, secret: Secret::of(&settings.folder).map_err(failed)?, complained: None })
    }

    pub(super) fn write(&mut self, observation: &Observation, counters: &Counters) {
        let appended = self.writer.append(&observation.record(&self.secret));
        counters.logged(appended.is_ok());
        self.complain(appended);
    }

    pub(super) fn flush(&mut self) {
        let flushed = self.writer.flush();
        self.complain(flushed);
    }

    fn complain(&mut self, outcome: io::Result<()>) {
        let Err(error) = outcome else { return };
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAINTS) {
            self.complained = Some(Instant::now());
            tracing::warn!(%error, "the query log cannot be written");
        }
    }
}
