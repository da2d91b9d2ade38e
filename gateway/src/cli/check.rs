//! `forebay check`: everything that is wrong with a configuration, at once.

use std::path::{Path, PathBuf};

use super::{Failure, output::print};
use crate::{assemble, config};

/// Report everything that is wrong with a configuration and with the data that it names
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "forebay.toml")]
    config: PathBuf,
    /// Look at the configuration only, open no data
    #[arg(long)]
    no_data: bool,
    /// Print the JSON Schema of the configuration instead
    #[arg(long, conflicts_with_all = ["config", "no_data"])]
    schema: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.schema {
        return print(&config::json_schema_text());
    }
    let loaded = config::load(Some(&args.config))?;
    let mut problems = config::credentials(&loaded).err().unwrap_or_default();
    if !args.no_data {
        problems.extend(assemble::check_data(&loaded));
    }
    if !problems.is_empty() {
        return Err(Failure::Config(problems));
    }
    print(&summary(&args.config, &loaded.config))
}

fn summary(file: &Path, config: &config::Config) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    format!(
        "{}: no problems ({}, {}, {})\n",
        file.display(),
        count(config.backends.len(), "backend"),
        count(config.collections.len(), "collection"),
        count(config.principals.len(), "principal"),
    )
}
