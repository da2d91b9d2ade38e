//! `forebay workload`: queries over a loaded collection, and larger copies of one.

use std::{
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Failure,
    output::{print, print_bytes},
};
use crate::{
    backend::embedded::{Parts, storage},
    catalog::CollectionSchema,
    config::{self, BackendConfig},
    workload::{self, Generator, Mix, WorkloadOptions},
};

/// Generate queries over a loaded collection, or a scaled copy of one
///
/// Queries go to standard output or a file, one JSON body a line; a table of what they are made of goes to standard
/// error. The same seed and data give the same bytes.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    queries: QueryArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Scale(ScaleArgs),
}

#[derive(Debug, clap::Args)]
struct QueryArgs {
    /// The collection, as the configuration names it
    #[arg(required = true)]
    collection: Option<String>,
    /// The configuration file [default: the packages of the demo]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of queries
    #[arg(long, default_value_t = 1_000)]
    count: usize,
    /// Decides every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Repeat queries by a Zipf distribution with this exponent; 0 repeats all alike
    #[arg(long, value_name = "EXPONENT", value_parser = exponent)]
    zipf: Option<f64>,
    /// Number of different queries that repeats are drawn from
    #[arg(long, default_value_t = 1_000, requires = "zipf")]
    distinct: u64,
    /// Share of queries that follow from an earlier one
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    drill_downs: f64,
    /// Where the queries go [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Write a copy of a collection with another number of entities
///
/// Vectors of the copies get some noise, and some edges lead from one copy into another.
#[derive(Debug, clap::Args)]
struct ScaleArgs {
    /// The collection, as the configuration names it
    collection: String,
    /// The configuration file [default: the packages of the demo]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of entities of the copy
    #[arg(long)]
    entities: usize,
    /// Decides every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The data directory that gets the copy, under the collection's name
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Some(Command::Scale(args)) => scale(args),
        None => queries(&args.queries),
    }
}

fn queries(args: &QueryArgs) -> Result<(), Failure> {
    let collection = args.collection.as_deref().unwrap_or_default();
    let (schema, parts) = open(args.config.as_deref(), collection)?;
    let options =
        WorkloadOptions { seed: args.seed, zipf: args.zipf, distinct: args.distinct, drill_downs: args.drill_downs };
    let mut mix = Mix::default();
    let lines = Generator::new(&schema, &parts, options).take(args.count).map(|query| {
        mix.add(&query.class);
        format!("{}\n", query.body)
    });
    match &args.out {
        Some(file) => {
            let failed = |error| Failure::Other(format!("{}: {error}", file.display()));
            let mut out = BufWriter::new(std::fs::File::create(file).map_err(failed)?);
            for line in lines {
                out.write_all(line.as_bytes()).map_err(failed)?;
            }
            out.flush().map_err(failed)?;
        }
        None => {
            for line in lines {
                print_bytes(line.as_bytes())?;
            }
        }
    }
    // Standard output may be the queries' own.
    let _ = writeln!(std::io::stderr().lock(), "{mix}");
    Ok(())
}

fn scale(args: &ScaleArgs) -> Result<(), Failure> {
    let (schema, parts) = open(args.config.as_deref(), &args.collection)?;
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let parts = workload::scale(&schema, &parts, args.entities, args.seed).map_err(|e| other(&e))?;
    storage::save(&args.data, &args.collection, &schema, &parts).map_err(|e| other(&e))?;
    let edges: usize = parts.edges.iter().map(|edges| edges.sources.len()).sum();
    print(&format!("{}: {} nodes and {edges} edges in {}\n", args.collection, parts.ids.len(), args.data.display()))
}

/// The names and the data of a loaded collection; without a configuration the packages that are part of the binary.
pub(super) fn open(config: Option<&Path>, name: &str) -> Result<(Arc<CollectionSchema>, Parts), Failure> {
    let Some(file) = config else { return demo(name) };
    let config = config::load(Some(file))?.config;
    let collection = config.collections.get(name).ok_or_else(|| {
        let names: Vec<&str> = config.collections.keys().map(String::as_str).collect();
        Failure::Usage(format!("{} has no collection `{name}`; it has: {}", file.display(), names.join(", ")))
    })?;
    // Stored data does not depend on the embedder.
    let schema = config::schema_of(name, collection, None);
    match config.backends.get(&collection.entities.backend) {
        Some(BackendConfig::Embedded { path }) => {
            let parts = storage::open(path, name, &schema).map_err(|error| Failure::Other(error.to_string()))?;
            parts.validate(&schema).map_err(|error| Failure::Other(error.to_string()))?;
            Ok((Arc::new(schema), parts))
        }
        _ => Err(Failure::Usage(format!("collection `{name}` is not embedded"))),
    }
}

#[cfg(feature = "demo-data")]
fn demo(name: &str) -> Result<(Arc<CollectionSchema>, Parts), Failure> {
    use crate::{demo_data, load::Silent};
    if name != demo_data::COLLECTION {
        let known = demo_data::COLLECTION;
        return Err(Failure::Usage(format!("without --config there is only the collection `{known}`")));
    }
    let (schema, parts, _) = demo_data::packages(&mut Silent).map_err(|error| Failure::Other(error.to_string()))?;
    Ok((Arc::new(schema), parts))
}

#[cfg(not(feature = "demo-data"))]
fn demo(_name: &str) -> Result<(Arc<CollectionSchema>, Parts), Failure> {
    Err(Failure::Usage("this build has no data in it (feature `demo-data`): give --config".into()))
}

fn exponent(text: &str) -> Result<f64, String> {
    number(text).filter(|value| *value >= 0.0).ok_or_else(|| "a number from 0 up is expected".into())
}

fn share(text: &str) -> Result<f64, String> {
    number(text).filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "a number from 0 to 1 is expected".into())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}
