//! `planner-model sweep`: every candidate of every query, several times, through a running gateway.
//!
//! - [`queries`]: what is asked;
//! - [`safety`]: whether this gateway may be used for it;
//! - [`state`]: what the cache holds before a group, and how it is made so;
//! - [`report`]: the gateway's explanation of a run, as a record of the log;
//! - [`group`]: the candidates of one query under one state, interleaved;
//! - [`journal`]: what is done already.

mod group;
mod journal;
mod queries;
mod report;
mod run;
mod safety;
mod state;

use std::{num::NonZeroUsize, path::PathBuf};

use super::Failure;
use state::State;

/// Run every candidate plan of every query through a gateway, and log what each took
///
/// Candidates of a query run one after the other in random order, several times. A sweep that was interrupted goes on
/// where it was when it is started again with the same options. It slows the gateway down and, for cache states other
/// than cold, purges its cache.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7700")]
    url: String,
    /// Address of its admin listener
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7701")]
    admin_url: String,
    /// File that holds the bearer token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    source: queries::Source,
    /// Folder for the log and for what is needed to go on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Runs of each candidate, after one to warm up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repetitions: u32,
    /// What the cache holds: nothing, the reached ids, a ranked list, both
    #[arg(long, value_enum, value_delimiter = ',', default_value = "cold,reach,list,both")]
    states: Vec<State>,
    /// Time after which a run is cut off
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    deadline_ms: u64,
    /// Queries at a time; more than one only with `--states cold`
    #[arg(long, default_value = "1")]
    concurrency: NonZeroUsize,
    /// Decides the order of candidates
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sweep although the gateway may serve others, or share its cache with gateways that do
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.concurrency.get() > 1 && args.states.iter().any(|state| *state != State::Cold) {
        return Err(Failure::Usage(
            "with several queries at a time only `--states cold` works: others need the cache for themselves".into(),
        ));
    }
    let token = match &args.token_file {
        Some(file) => Some(std::fs::read_to_string(file).map_err(Failure::of_file(file))?.trim().to_owned()),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
    runtime.block_on(run::run(args, token.as_deref()))
}
