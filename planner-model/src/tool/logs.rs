//! Reading logs for a command.

use std::path::PathBuf;

use super::{Failure, output};
use crate::{
    dataset::{Builder, Dataset},
    log,
};

/// Which logs.
#[derive(Debug, clap::Args)]
pub(super) struct Logs {
    /// Folders with segments of a query log, such as a sweep's, or single segments
    #[arg(required = true, value_name = "LOG")]
    pub(super) logs: Vec<PathBuf>,
}

impl Logs {
    /// The groups of all logs. What was passed over is said on standard error.
    pub(super) fn load(&self) -> Result<Dataset, Failure> {
        load(&self.logs)
    }
}

pub(super) fn load(logs: &[PathBuf]) -> Result<Dataset, Failure> {
    let mut records = log::read(logs).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut builder = Builder::default();
    records.by_ref().for_each(|record| builder.add(&record));
    let (runs, dropped) = (builder.runs(), builder.dropped());
    let data = builder.finish();
    output::note(&format!("{runs} runs in {} groups; left out: {dropped}", data.groups.len()));
    if !records.skipped().is_empty() {
        output::note(&format!("passed over: {}", records.skipped()));
    }
    Ok(data)
}
