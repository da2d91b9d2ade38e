//! The `forebay` binary.

use std::process::ExitCode;

// What a cache lets go has to reach the system: glibc's allocator keeps nearly all of it for itself.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    forebay::cli::run(std::env::args_os())
}
