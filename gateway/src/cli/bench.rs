//! `forebay bench`: figures against baselines of the same run.

use std::path::PathBuf;

use super::{Failure, load::Shown, output::print, workload::open};
use crate::bench::{
    self, BenchError, BucketAddress, Corpus, Effort, GlueOptions, Report, Served, ServerAddresses, TierAddresses,
};
use crate::load::Progress;

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
    /// Do little of everything: shows that it runs, not how fast
    #[arg(long)]
    quick: bool,
    /// A Postgres server with pgvector, by the URL of a user who may make databases
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A Neo4j server, as `bolt://host:port` or `bolt://user:password@host:port`
    #[arg(long, value_name = "URI")]
    neo4j: Option<String>,
    /// `tiers`, `l1`: a Redis, as `redis://host:port`
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// `tiers`: a server that speaks the S3 protocol, as `http://host:port`
    #[arg(long, value_name = "URL", requires = "bucket")]
    s3: Option<String>,
    /// `tiers`: a bucket there; credentials are found as Amazon's own tools do (`AWS_ACCESS_KEY_ID` and so on)
    #[arg(long, value_name = "NAME", requires = "s3")]
    bucket: Option<String>,
    /// `glue`: generated queries over a scaled copy with so many entities
    #[arg(long, value_name = "N")]
    entities: Option<usize>,
    /// `glue`: how often everything is measured [default: 7]
    #[arg(long, value_name = "P")]
    passes: Option<usize>,
    /// `glue`: write the medians of every query and approach to a file, as JSON, a line a query
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// `plan`: plan with this model too
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Leave what was put into the servers where it is
    #[arg(long)]
    keep: bool,
}

impl Args {
    fn servers(&self) -> Result<ServerAddresses, Failure> {
        let postgres = self.postgres.clone();
        let postgres = postgres.ok_or_else(|| Failure::Usage("this needs a server: give --postgres".into()))?;
        Ok(ServerAddresses { postgres, neo4j: self.neo4j.clone(), keep: self.keep })
    }

    fn tiers(&self) -> TierAddresses {
        let s3 = self.s3.clone().zip(self.bucket.clone()).map(|(endpoint, bucket)| BucketAddress {
            endpoint,
            bucket,
            access_key_id: None,
            secret_access_key_file: None,
        });
        TierAddresses { redis: self.redis.clone(), s3 }
    }

    fn effort(&self) -> Effort {
        if self.quick { Effort::Quick } else { Effort::Full }
    }
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
    /// Hybrid queries on real servers, against what applications do with direct drivers or in one statement
    Glue,
    /// How much of the right answer comes where an approximate index may be used
    Recall,
    /// What the gateway adds to a statement of Postgres and of Neo4j, against direct drivers
    Overhead,
    /// Interactive queries beside a crowd of batch clients, against a pool that serves whoever came first
    Pool,
    /// Hits from each tier of the cache, and misses that ask all of them
    Tiers,
    /// What a cache saves on a long trace when it lets go of entries by this or that rule
    Evict,
    /// How small answers become in tier 3, with and without a trained dictionary, and how fast they come back
    Zstd,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let corpus = corpus(args)?;
    let report = match args.name {
        Name::L1 => bench::l1(&corpus, args.redis.as_deref(), args.effort()),
        Name::Plan => bench::plan(&corpus, args.model.as_deref(), args.effort()),
        Name::Filter => bench::filter(&corpus, args.effort()),
        Name::Tiers => bench::tiers(&corpus, &args.tiers(), args.effort()),
        Name::Zstd => bench::zstd(&corpus, args.effort()),
        Name::Evict => {
            let servers = args.postgres.as_ref().map(|_| args.servers()).transpose()?;
            bench::evict(&corpus, servers.as_ref(), args.effort(), &mut Shown::new())
        }
        Name::Footprint => return finish(args, &footprint(args, &corpus)?),
        Name::Glue => return finish(args, &on_servers(args, &corpus, bench::glue)?),
        Name::Recall => return finish(args, &on_servers(args, &corpus, bench::recall)?),
        Name::Pool => bench::pool(&args.servers()?, args.effort()),
        Name::Overhead => {
            let servers = args.servers()?;
            bench::overhead(&corpus, &servers, args.effort(), &mut Shown::new())
        }
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

type OnServers = fn(&Corpus, &ServerAddresses, &GlueOptions, Effort, &mut dyn Progress) -> Result<Report, BenchError>;

fn on_servers(args: &Args, corpus: &Corpus, measure: OnServers) -> Result<Report, Failure> {
    let servers = args.servers()?;
    let options = GlueOptions { entities: args.entities, passes: args.passes, raw: args.raw.clone() };
    Ok(measure(corpus, &servers, &options, args.effort(), &mut Shown::new())?)
}

/// Queries sent in the footprint benchmark where the data brings none along.
const QUERIES: usize = 300;

fn footprint(args: &Args, corpus: &Corpus) -> Result<Report, Failure> {
    let dir = Scratch::new()?;
    let empty = dir.write("empty.toml", "")?;
    let config = match &args.config {
        Some(config) => config.clone(),
        None => demo_files(&dir, corpus)?,
    };
    let (name, queries) = (corpus.schema.name.to_string(), corpus.queries(QUERIES));
    Ok(bench::footprint(&Served { empty, name, config, queries }, args.effort())?)
}

/// The demo's data has to be in a directory to be served.
#[cfg(feature = "demo-data")]
fn demo_files(dir: &Scratch, corpus: &Corpus) -> Result<PathBuf, Failure> {
    use crate::{backend::embedded::storage, demo_data};
    storage::save(&dir.0.join("data"), &corpus.schema.name, &corpus.schema, &corpus.parts)
        .map_err(|error| Failure::Other(error.to_string()))?;
    dir.write("forebay.toml", demo_data::CONFIG)
}

#[cfg(not(feature = "demo-data"))]
fn demo_files(_dir: &Scratch, _corpus: &Corpus) -> Result<PathBuf, Failure> {
    Err(Failure::Usage("this build has no data in it (feature `demo-data`): give --config and --collection".into()))
}

/// A directory that goes when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("forebay-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|error| Failure::Other(format!("{}: {error}", dir.display())))?;
        Ok(Self(dir))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let file = self.0.join(name);
        std::fs::write(&file, text).map_err(|error| Failure::Other(format!("{}: {error}", file.display())))?;
        Ok(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
