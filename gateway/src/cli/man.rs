//! `forebay man`: the manual page, for packagers.

use clap::CommandFactory as _;

use super::{Cli, Failure, output::print_bytes};

/// Print the manual page of the program or of one of its commands
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The command
    command: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut program = Cli::command();
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::Usage(format!("there is no command `{name}`")))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|error| Failure::Other(error.to_string()))?;
    print_bytes(&page)
}
