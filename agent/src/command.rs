//! The commands: each reads what it needs, does one thing, prints the result and gives the exit code.
//! Standard output carries the result, standard error everything else.

/// Prints a part of the result on standard output; gives the [`Failure`] up where it cannot be printed.
macro_rules! out {
    ($($part:tt)*) => { $crate::command::print(format_args!($($part)*))? };
}

/// As `out!`, a line.
macro_rules! outln {
    ($($part:tt)*) => { $crate::command::print(format_args!("{}\n", format_args!($($part)*)))? };
}

mod check;
mod daemon;
mod enrol;
mod records;
mod verify;

use std::io::Write as _;
use std::path::Path;

use bridgepoint_hw::media::Program;
use bridgepoint_protocol::text::Lang;

use crate::cli::{BaselineAct, Command, ConfigAct, KeyAct, LogbookAct, Where, exit};
use crate::config::{self, Settings};
use crate::key;
use crate::state::StateDir;

/// What a command gives: the exit code, or the sentence and the code of what went wrong.
type Outcome = Result<u8, Failure>;

/// Something went wrong: what to say, and the exit code.
pub(crate) struct Failure {
    said: String,
    code: u8,
}

// By value: the shape that `map_err` hands over.
#[allow(clippy::needless_pass_by_value)]
impl Failure {
    fn internal(said: impl ToString) -> Self {
        Self {
            said: said.to_string(),
            code: exit::INTERNAL,
        }
    }

    fn usage(said: impl ToString) -> Self {
        Self {
            said: said.to_string(),
            code: exit::USAGE,
        }
    }

    fn config(said: impl ToString) -> Self {
        Self {
            said: said.to_string(),
            code: exit::CONFIG,
        }
    }
}

/// Performs a command. Gives the exit code.
pub(crate) async fn perform(command: Command) -> u8 {
    let outcome = match command {
        Command::Check {
            place,
            only,
            json,
            meeting,
        } => check::check(&place, only, json, meeting).await,
        Command::Run { place } => daemon::run(&place).await,
        Command::Status { place, json } => records::status(&place, json),
        Command::Baseline {
            act: BaselineAct::Show { place, json },
        } => records::baseline_show(&place, json),
        Command::Baseline {
            act:
                BaselineAct::Accept {
                    place,
                    by,
                    allowed_by,
                },
        } => records::baseline_accept(&place, by, allowed_by).await,
        Command::Logbook {
            act: LogbookAct::List { place, json },
        } => records::logbook_list(&place, json),
        Command::Logbook {
            act: LogbookAct::Verify { place },
        } => verify::logbook(&place),
        Command::Key {
            act: KeyAct::Init { place },
        } => key_init(&place),
        Command::Key {
            act: KeyAct::Show { place, json },
        } => key_show(&place, json),
        Command::Enrol { place, accept_hub } => enrol::enrol(&place, accept_hub).await,
        Command::Config {
            act: ConfigAct::Check { place },
        } => config_check(&place),
        Command::Verify { place, file, key } => verify::file(&place, &file, &key),
        // Taken care of before the runtime is started.
        Command::Media => Ok(exit::INTERNAL),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("bridgepoint-agent: {}", failure.said);
        failure.code
    })
}

/// Prints on standard output. Whoever has read enough (`| head`) and went away is no fault of the check's; a full
/// disk behind it is, for the caller then has no result.
fn print(part: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_fmt(part).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::internal(format!(
            "the result cannot be written to standard output ({error}); free space where it goes, or give it another place"
        ))),
        _ => Ok(()),
    }
}

fn settings(place: &Where) -> Result<Settings, Failure> {
    let mut settings = config::load(&place.config).map_err(Failure::config)?;
    settings.lang = place.lang.unwrap_or(settings.lang);
    Ok(settings)
}

/// The language where the configuration is not needed: the wish, else the configuration's, else Vietnamese.
fn lang(place: &Where) -> Lang {
    place
        .lang
        .or_else(|| config::load(&place.config).ok().map(|settings| settings.lang))
        .unwrap_or_default()
}

fn state(place: &Where) -> StateDir {
    StateDir::new(place.state.clone())
}

/// The program that does media work: this one, as it is run now. GStreamer's list of plug-ins is kept in the
/// state directory: a warm list starts ten times as fast as a cold one.
fn media(place: &Where) -> Result<Program, Failure> {
    let own = std::env::current_exe()
        .map_err(|e| Failure::internal(format!("this program's own file cannot be found ({e})")))?;
    let registry = place.state.join("gst-registry.bin");
    Ok(Program {
        path: own,
        args: vec!["media".into()],
        env: vec![("GST_REGISTRY".into(), registry.into())],
    })
}

fn config_check(place: &Where) -> Outcome {
    let settings = settings(place)?;
    outln!(
        "{}",
        crate::say::config_summary(&settings, &place.config.display().to_string())
    );
    Ok(exit::OK)
}

fn key_init(place: &Where) -> Outcome {
    let state = state(place);
    let _lock = state.lock().map_err(Failure::internal)?;
    let key = key::load_or_make(&state).map_err(Failure::internal)?;
    outln!("{}", crate::say::fingerprint(lang(place), key.kid()));
    Ok(exit::OK)
}

fn key_show(place: &Where, json: bool) -> Outcome {
    let key = key::load(&state(place)).map_err(Failure::internal)?;
    if json {
        outln!(
            "{}",
            serde_json::to_string(&key.verifying().jwk()).map_err(Failure::internal)?
        );
    } else {
        outln!("{}", crate::say::fingerprint(lang(place), key.kid()));
        outln!("kid {}", key.kid());
    }
    Ok(exit::OK)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::usage(format!("{} cannot be read ({e})", path.display())))
}
