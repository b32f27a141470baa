//! The hub's program. Everything is in the library; here the exit code is handed over.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything is read that nobody else is to know.
    bridgepoint_hub::unseen::from_now_on();
    bridgepoint_hub::cli::run(std::env::args_os())
}
