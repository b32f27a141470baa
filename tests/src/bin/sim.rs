//! `bridgepoint-sim`: a whole simulated room, for development, training and tests.
//!
//! `room F` plays the room that F describes, prints one line of JSON with the devices' addresses, and
//! runs until it is told to end (SIGTERM, Ctrl-C, `quit` on the control port).
//! `example` prints a description with every key; `faults` lists what can go wrong.
//!
//! Exit: 0 ended as told, 64 wrong usage, 70 internal error, 78 wrong description, 130 interrupted.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use bridgepoint_tests::sim::cisco::CodecFault;
use bridgepoint_tests::sim::control::Control;
use bridgepoint_tests::sim::faults::Fault;
use bridgepoint_tests::sim::line::LineFault;
use bridgepoint_tests::sim::sound::MicrophoneFault;
use bridgepoint_tests::sim::ups::UpsFault;
use bridgepoint_tests::sim::visca::CameraFault;
use bridgepoint_tests::sim::{Room, Spec, spec};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: u8 = 64;
const INTERNAL: u8 = 70;
const CONFIGURATION: u8 = 78;
const INTERRUPTED: u8 = 130;

/// A whole simulated room, with faults switched on and off while it runs.
#[derive(Parser)]
#[command(name = "bridgepoint-sim", version)]
struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Play the room that FILE describes until told to end.
    Room {
        /// The room's description (TOML); `bridgepoint-sim example` shows one.
        file: PathBuf,
        /// Where the control port listens, on loopback; port 0 takes any.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
        control: SocketAddr,
        /// Where sound files and UPS variables are written, instead of what the description says.
        #[arg(long, value_name = "DIRECTORY")]
        dir: Option<PathBuf>,
        /// End when the thread that started this program ends.
        #[arg(long)]
        with_parent: bool,
    },
    /// Print a description of a room with every key there is.
    Example,
    /// List the faults of each kind of device.
    Faults,
}

/// What went wrong, with the exit code that says whose it is.
struct Failure(u8, String);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(why) => {
            let code = if why.use_stderr() { USAGE } else { 0 };
            // Without a terminal to say it on there is nobody to tell.
            let _printed: std::io::Result<()> = why.print();
            return ExitCode::from(code);
        }
    };
    let done = match arguments.act {
        Act::Room {
            file,
            control,
            dir,
            with_parent,
        } => play(&file, control, dir, with_parent),
        Act::Example => print(spec::EXAMPLE.trim_end()).map(|()| 0),
        Act::Faults => print(faults().trim_end()).map(|()| 0),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Failure(code, why)) => {
            eprintln!("bridgepoint-sim: {why}");
            ExitCode::from(code)
        }
    }
}

fn play(
    file: &std::path::Path,
    control: SocketAddr,
    dir: Option<PathBuf>,
    with_parent: bool,
) -> Result<u8, Failure> {
    if with_parent {
        end_with_parent()?;
    }
    let mut spec = Spec::read(file).map_err(|why| Failure(CONFIGURATION, why))?;
    if dir.is_some() {
        spec.room.dir = dir;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|why| Failure(INTERNAL, format!("cannot start: {why}")))?;
    runtime.block_on(run(spec, control))
}

async fn run(spec: Spec, control: SocketAddr) -> Result<u8, Failure> {
    // Signals are caught before the addresses are printed: who reads them may end us at once.
    let cannot = |why: std::io::Error| Failure(INTERNAL, format!("cannot catch signals: {why}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let room = Room::start(spec)
        .await
        .map_err(|why| Failure(CONFIGURATION, why.to_string()))?;
    let control = Control::open(&room, control)
        .await
        .map_err(|why| Failure(USAGE, why))?;
    let mut addresses: BTreeMap<&str, &str> = room
        .addresses()
        .iter()
        .map(|(device, address)| (device.as_str(), address.as_str()))
        .collect();
    let at = control.address().to_string();
    addresses.insert("control", &at);
    let line = serde_json::to_string(&addresses)
        .map_err(|why| Failure(INTERNAL, format!("cannot write the addresses as JSON: {why}")))?;
    print(&line)?;
    let code = tokio::select! {
        _ = terminate.recv() => 0,
        _ = interrupt.recv() => INTERRUPTED,
        () = control.quit() => 0,
    };
    room.close().await;
    Ok(code)
}

/// Asks the system for SIGTERM at the parent's end.
fn end_with_parent() -> Result<(), Failure> {
    let parent = rustix::process::getppid();
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).map_err(|why| {
        Failure(
            INTERNAL,
            format!("--with-parent: cannot ask for the parent's end: {why}"),
        )
    })?;
    // It may have ended between its last act and ours; the signal then never comes.
    if rustix::process::getppid() == parent {
        Ok(())
    } else {
        Err(Failure(
            INTERNAL,
            "--with-parent: the program that started this one has ended".to_owned(),
        ))
    }
}

fn faults() -> String {
    [
        list::<CodecFault>("codec"),
        list::<CameraFault>("camera.ID"),
        list::<MicrophoneFault>("mic.ID"),
        list::<UpsFault>("ups"),
        list::<LineFault>("line"),
    ]
    .join("\n")
}

fn list<F: Fault>(device: &str) -> String {
    let rows = F::ALL
        .iter()
        .map(|fault| format!("  {:24} {}\n", fault.name(), fault.what()));
    std::iter::once(format!("{device}\n")).chain(rows).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|why| Failure(INTERNAL, format!("cannot write to standard output: {why}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent_and_the_contract_s_form_is_taken() {
        Arguments::command().debug_assert();
        let words = ["bridgepoint-sim", "room", "F.toml", "--control", "127.0.0.1:4000"];
        let Ok(Arguments {
            act:
                Act::Room {
                    file,
                    control,
                    dir,
                    with_parent,
                },
        }) = Arguments::try_parse_from(words)
        else {
            panic!("refused");
        };
        assert_eq!(
            (file, control),
            (PathBuf::from("F.toml"), "127.0.0.1:4000".parse().unwrap())
        );
        assert!(dir.is_none() && !with_parent);
    }

    #[test]
    fn the_list_of_faults_has_every_kind_of_device() {
        let list = faults();
        for line in [
            "codec\n  silent ",
            "camera.ID\n  silent ",
            "mic.ID\n  dead ",
            "ups\n  on-battery ",
        ] {
            assert!(list.contains(line), "{line:?} is not in\n{list}");
        }
    }
}
