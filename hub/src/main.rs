//! The hub's program. Everything is in the library; here the exit code is handed over.

use std::process::ExitCode;

fn main() -> ExitCode {
    bridgepoint_hub::cli::run(std::env::args_os())
}
