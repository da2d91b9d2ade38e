//! `forebay check`: everything that is wrong with a configuration, at once.

use std::path::{Path, PathBuf};

use super::{Failure, output::print};
use crate::{
    assemble::{self, Survey},
    config,
    governor::{Limit, footprint},
};

/// Report everything that is wrong with a configuration and with the data, servers and embedders that it names
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "forebay.toml")]
    config: PathBuf,
    /// Look at the configuration only: open no data, ask no server
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
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Other(error.to_string()))?;
        let survey = runtime.block_on(assemble::survey(&loaded));
        if !survey.findings.is_empty() {
            print(&found(&survey))?;
        }
        problems.extend(survey.problems);
    }
    if !problems.is_empty() {
        return Err(Failure::Config(problems));
    }
    print(&summary(&args.config, &loaded.config))?;
    print(&memory(&loaded.config))
}

/// What backends say of themselves, a line a finding, under the name of the collection.
fn found(survey: &Survey) -> String {
    let mut text = String::new();
    let mut about = None;
    for (collection, finding) in &survey.findings {
        if about.replace(collection) != Some(collection) {
            text.push_str(&format!("{collection}\n"));
        }
        text.push_str(&format!("  {finding}\n"));
    }
    text.push('\n');
    text
}

/// How much memory a gateway that starts here may use.
fn memory(config: &config::Config) -> String {
    let root = Path::new("/");
    match Limit::find(root, config.memory.limit_bytes, footprint(root).unwrap_or_default()) {
        Some(limit) => format!("memory: {} MiB ({})\n", limit.bytes >> 20, limit.source.describe()),
        None => "memory: the system does not say how much there is, so it is not watched\n".to_owned(),
    }
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
