//! `bridgepoint-agent`: the program on a room's box. It asks every device how it is, judges the answers by the
//! room's profile, signs the result, keeps it in the logbook and delivers it until the hub has signed for it.
//!
//! This file only wires. The chain, one function an arrow:
//! meetings + now ─[`schedule`]→ due ─┐
//! settings ─[`plan`]→ acts ─[`run`]→ observations ─[`judge`]→ findings ─verdict→ report
//! ─[`station`]→ envelope ─[`logbook`]→ disk ─[`uplink`]→ MQTT.

mod baseline;
mod calendar;
mod carry;
mod cli;
mod clock;
mod command;
mod config;
mod disk;
mod front;
mod judge;
mod key;
mod life;
mod line;
mod logbook;
mod page;
mod pin;
mod plan;
mod rotation;
mod run;
mod said;
mod say;
mod schedule;
mod socket;
mod state;
mod station;
#[cfg(test)]
mod tellings;
mod unseen;
mod uplink;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Before anything is read that nobody else is to know.
    unseen::from_now_on();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // Where even this cannot be printed there is nobody to tell.
            let _printed = error.print();
            return ExitCode::from(if wrong { cli::exit::USAGE } else { cli::exit::OK });
        }
    };
    if matches!(cli.command, cli::Command::Media) {
        // Before anything else is started: this process does one thing and ends.
        return bridgepoint_hw::media::child::serve(|asked| line::child::serve(asked, clock::instant));
    }
    let filter = EnvFilter::try_from_env("BRIDGEPOINT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            command::tell(
                cli.command.place(),
                &said::Said::new("error-system").because(error),
            );
            return ExitCode::from(cli::exit::INTERNAL);
        }
    };
    let code = runtime.block_on(command::perform(cli.command));
    // A device that hangs in a system call is left to itself.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    ExitCode::from(code)
}
