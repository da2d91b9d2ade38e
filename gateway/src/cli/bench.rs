//! `forebay bench`: figures against baselines of the same run.

use std::path::PathBuf;

use super::{Failure, output::print, workload::open};
use crate::bench::{self, BenchError, Corpus, Report, Served};

/// Measure something against a baseline of the same run
///
/// Figures mean something only in a release build on a quiet machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to measure
    #[arg(value_enum)]
    name: Name,
    /// The configuration file [default: the packages of the demo]
    #[arg(long, value_name = "FILE", requires = "collection")]
    config: Option<PathBuf>,
    /// The collection of that configuration
    #[arg(long, requires = "config")]
    collection: Option<String>,
    /// Write the figures to a file, as a JSON array
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Name {
    /// Answers from memory, against a bare hyper server that sends as many bytes
    L1,
    /// Planning, and the latency of every plan
    Plan,
    /// A filter, against a scan, over 60,000 entities
    Filter,
    /// Start-up time, memory and size
    Footprint,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let corpus = corpus(args)?;
    let report = match args.name {
        Name::L1 => bench::l1(&corpus),
        Name::Plan => bench::plan(&corpus),
        Name::Filter => bench::filter(&corpus),
        Name::Footprint => return finish(args, &footprint(args, &corpus)?),
    };
    finish(args, &report?)
}

fn finish(args: &Args, report: &Report) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        print("This is a debug build: its figures say nothing about a release build.\n")?;
    }
    print(&format!("{report}\n"))?;
    if let Some(file) = &args.json {
        report.write_json(file).map_err(|error| Failure::Other(format!("{}: {error}", file.display())))?;
    }
    Ok(())
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        Self::Other(error.to_string())
    }
}

fn corpus(args: &Args) -> Result<Corpus, Failure> {
    match &args.collection {
        Some(name) => {
            let (schema, parts) = open(args.config.as_deref(), name)?;
            Ok(Corpus::new(schema, parts))
        }
        None => demo_corpus(),
    }
}

#[cfg(feature = "demo-data")]
fn demo_corpus() -> Result<Corpus, Failure> {
    Ok(Corpus::demo()?)
}

#[cfg(not(feature = "demo-data"))]
fn demo_corpus() -> Result<Corpus, Failure> {
    Err(Failure::Usage("this build has no data in it (feature `demo-data`): give --config and --collection".into()))
}

/// Queries sent in the footprint benchmark where the data brings none along.
const QUERIES: usize = 300;

fn footprint(args: &Args, corpus: &Corpus) -> Result<Report, Failure> {
    let queries: Vec<_> = corpus.queries(QUERIES).into_iter().take(QUERIES).collect();
    let name = corpus.schema.name.to_string();
    match &args.config {
        Some(config) => Ok(bench::footprint(&Served { name, config: config.clone(), queries })?),
        None => demo_footprint(corpus, &name, queries),
    }
}

/// The demo's data has to be in a directory to be served.
#[cfg(feature = "demo-data")]
fn demo_footprint(corpus: &Corpus, name: &str, queries: Vec<serde_json::Value>) -> Result<Report, Failure> {
    use crate::{backend::embedded::storage, demo_data};
    let dir = std::env::temp_dir().join(format!("forebay-bench-{}", std::process::id()));
    let config = dir.join("forebay.toml");
    let prepare = || -> Result<(), String> {
        std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        std::fs::write(&config, demo_data::CONFIG).map_err(|error| error.to_string())?;
        storage::save(&dir.join("data"), name, &corpus.schema, &corpus.parts).map_err(|error| error.to_string())
    };
    let result = prepare()
        .map_err(|error| Failure::Other(format!("{}: {error}", dir.display())))
        .and_then(|()| Ok(bench::footprint(&Served { name: name.to_owned(), config: config.clone(), queries })?));
    // What cannot be removed is left to the system's own cleaning.
    let _ = std::fs::remove_dir_all(&dir);
    result
}

#[cfg(not(feature = "demo-data"))]
fn demo_footprint(_corpus: &Corpus, _name: &str, _queries: Vec<serde_json::Value>) -> Result<Report, Failure> {
    Err(Failure::Usage("this build has no data in it (feature `demo-data`): give --config and --collection".into()))
}
