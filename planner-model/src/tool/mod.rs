//! The `planner-model` command: one file or folder a subcommand, each with its `Args` and a `run`.

mod client;
mod compare;
mod drift;
mod evaluate;
mod export;
mod failure;
mod inspect;
mod logs;
mod output;
mod promote;
mod report;
mod settings;
mod sweep;
mod tables;
mod train;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
pub use client::ClientError;
pub use failure::Failure;

/// Measure plans, train latency models for Forebay's planner, and see what they are worth.
#[derive(Debug, Parser)]
#[command(name = "planner-model", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sweep(sweep::Args),
    Train(train::Args),
    Evaluate(evaluate::Args),
    Inspect(inspect::Args),
    Compare(compare::Args),
    Drift(drift::Args),
    Report(report::Args),
    Export(export::Args),
    Promote(promote::Promote),
    Rollback(promote::Rollback),
}

/// Runs the program with these arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; nothing can be done about a closed terminal.
            let _ = error.print();
            return if error.use_stderr() { 64.into() } else { ExitCode::SUCCESS };
        }
    };
    let result = match &cli.command {
        Command::Sweep(args) => sweep::run(args),
        Command::Train(args) => train::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Drift(args) => drift::run(args),
        Command::Report(args) => report::run(args),
        Command::Export(args) => export::run(args),
        Command::Promote(args) => promote::promote(args),
        Command::Rollback(args) => promote::rollback(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::BrokenPipe) {
                output::note(&format!("error: {failure}"));
            }
            failure.code()
        }
    }
}
