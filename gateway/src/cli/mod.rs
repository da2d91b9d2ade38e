//! The command line: one file a subcommand, each with its `Args` and a `run`.
//!
//! Exit codes are those of `sysexits.h`, see [`Failure`]: 64 for usage, 69 for data or a gateway that cannot be reached,
//! 78 for the configuration, 1 for everything else.

mod bench;
mod cache;
mod check;
pub mod client;
mod completions;
#[cfg(feature = "demo-data")]
mod demo;
mod explain;
mod failure;
mod input;
mod load;
mod man;
mod output;
mod query;
mod serve;
mod target;
mod workload;

use std::{ffi::OsString, process::ExitCode, sync::LazyLock};

use clap::{Parser, Subcommand};
pub use failure::Failure;

/// The version with the commit, where the build knew it (`GIT_SHA`), and the build profile.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    match option_env!("GIT_SHA") {
        Some(commit) => format!("{} ({commit}, {profile})", env!("CARGO_PKG_VERSION")),
        None => format!("{} ({profile})", env!("CARGO_PKG_VERSION")),
    }
});

/// A query and cache gateway for hybrid vector and graph retrieval.
#[derive(Debug, Parser)]
#[command(name = "forebay", version = VERSION.as_str(), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "demo-data")]
    Demo(demo::Args),
    Serve(serve::Args),
    Check(check::Args),
    Load(load::Args),
    Query(query::Args),
    Explain(explain::Args),
    Cache(cache::Args),
    Workload(workload::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
}

/// Runs the program with these arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; nothing can be done about a closed terminal.
            let _ = error.print();
            return if error.use_stderr() { Failure::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let result = match cli.command {
        #[cfg(feature = "demo-data")]
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Workload(args) => workload::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.code().into()
        }
    }
}
