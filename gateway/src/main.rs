//! The `forebay` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    forebay::cli::run(std::env::args_os())
}
