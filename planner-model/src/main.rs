//! The `planner-model` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    planner_model::tool::run(std::env::args_os())
}
