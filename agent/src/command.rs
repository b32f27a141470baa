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
mod key;
mod records;
mod verify;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bridgepoint_hw::media::Program;
use bridgepoint_protocol::text::{Contacts, Lang};
use bridgepoint_protocol::written::WrittenError;

use crate::calendar::Calendar;
use crate::cli::{BaselineAct, Command, ConfigAct, LogbookAct, Where, exit};
use crate::config::{self, Settings};
use crate::pin::Pin;
use crate::said::{PROGRAM, Said, Say};
use crate::say;
use crate::state::StateDir;
use crate::station::Station;

/// What a command gives: the exit code, or what went wrong and its code.
type Outcome = Result<u8, Failure>;

/// Something went wrong: what to say, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    said: Said,
    code: u8,
}

// By value: the shape that `map_err` hands over.
#[allow(clippy::needless_pass_by_value)]
impl Failure {
    fn internal(why: impl Say) -> Self {
        Self {
            said: why.said(),
            code: exit::INTERNAL,
        }
    }

    fn usage(why: impl Say) -> Self {
        Self {
            said: why.said(),
            code: exit::USAGE,
        }
    }

    fn config(why: impl Say) -> Self {
        Self {
            said: why.said(),
            code: exit::CONFIG,
        }
    }
}

/// Performs a command. Gives the exit code.
pub(crate) async fn perform(command: Command) -> u8 {
    let place = command.place().cloned();
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
        Command::Logbook {
            act: LogbookAct::Export { place, from, to, out },
        } => records::logbook_export(&place, from, to, &out),
        Command::Key { act } => key::key(act).await,
        Command::Enrol { place, accept_hub } => enrol::enrol(&place, accept_hub).await,
        Command::Config {
            act: ConfigAct::Check { place },
        } => config_check(&place),
        Command::Verify { place, file, key } => verify::file(&place, &file, &key),
        // Taken care of before the runtime is started.
        Command::Media => Ok(exit::INTERNAL),
    };
    outcome.unwrap_or_else(|failure| {
        tell(place.as_ref(), &failure.said);
        failure.code
    })
}

/// Says on standard error what went wrong, in the reader's language.
pub(crate) fn tell(place: Option<&Where>, said: &Said) {
    let contacts = place
        .and_then(|place| config::load(&place.config).ok())
        .map(|settings| Contacts::new(&settings.contacts))
        .unwrap_or_default();
    let lang = place.map(lang).unwrap_or_default();
    eprintln!("{PROGRAM}: {}", said.in_words(lang, &contacts));
}

/// Prints on standard output. Whoever has read enough (`| head`) and went away is no fault of the check's; a full
/// disk behind it is, for the caller then has no result.
fn print(part: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_fmt(part).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::internal(Said::new("error-output").because(error)))
        }
        _ => Ok(()),
    }
}

fn settings(place: &Where) -> Result<Settings, Failure> {
    let mut settings = config::load(&place.config).map_err(|wrong| not_configured(place, &wrong))?;
    settings.lang = place.lang.unwrap_or(settings.lang);
    Ok(settings)
}

/// A file that cannot be read is another matter than one that says something wrong.
fn not_configured(place: &Where, wrong: &WrittenError) -> Failure {
    Failure::config(match std::fs::read(&place.config) {
        Err(error) => Said::new("error-config-file").on(&place.config).because(error),
        // Keys are named as they are written, so the place and what is wrong with it are the same in any language.
        Ok(_) => Said::new("error-config").followed_by(wrong),
    })
}

/// The language where the configuration is not needed: the wish, else the configuration's, else Vietnamese.
fn lang(place: &Where) -> Lang {
    place
        .lang
        .or_else(|| written_lang(&place.config))
        .unwrap_or_default()
}

/// The language that a configuration asks for, be the rest of it as it may.
fn written_lang(config: &Path) -> Option<Lang> {
    let written: toml::Table = std::fs::read_to_string(config).ok()?.parse().ok()?;
    written.get("room")?.get("language")?.as_str()?.parse().ok()
}

fn state(place: &Where) -> StateDir {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into);
    StateDir::new(place.state.clone()).with_credentials(credentials)
}

/// What lies around a report: the plan of meetings as it is kept, and the time.
fn around<'a>(settings: &'a Settings, place: &Where) -> say::Around<'a> {
    let state = state(place);
    let hub = Pin::load(&state).map(|pin| pin.holding()).unwrap_or_default();
    say::Around {
        settings,
        plan: Calendar::load(&state, &hub, &settings.address).plan(&hub),
        now_ms: crate::clock::wall_ms(),
    }
}

/// The program that does media work: this one, as it is run now. GStreamer's list of plug-ins is kept in the
/// state directory: a warm list starts ten times as fast as a cold one.
fn media(place: &Where) -> Result<Program, Failure> {
    let own = std::env::current_exe().map_err(|e| Failure::internal(Said::new("error-system").because(e)))?;
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
        say::config_summary(&settings, &place.config.display().to_string())
    );
    Ok(exit::OK)
}

/// The box at work, for one command or for long; says on standard error when its key is another than before.
fn open(settings: Settings, place: &Where) -> Result<Arc<Station>, Failure> {
    let station = Station::open(settings, state(place), media(place)?).map_err(Failure::internal)?;
    if let Some(lost) = &station.lost_key {
        tell(Some(place), &say::new_key(station.key().kid(), lost));
    }
    Ok(station)
}

/// What went wrong while the running agent was talked to.
// By value: the shape that `map_err` hands over.
#[allow(clippy::needless_pass_by_value)]
fn strange(error: std::io::Error) -> Failure {
    Failure::internal(Said::new("error-socket-strange").because(error))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::usage(Said::new("error-file").on(path).because(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a configuration with this text is, and the directory that it goes with.
    fn written(text: Option<&str>) -> (tempfile::TempDir, Where) {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("room.toml");
        if let Some(text) = text {
            std::fs::write(&config, text).unwrap();
        }
        let place = Where {
            config,
            state: dir.path().join("state"),
            lang: None,
        };
        (dir, place)
    }

    #[test]
    fn the_language_is_the_wish_then_the_configurations_then_vietnamese() {
        for (text, lang_of_it) in [
            (None, Lang::Vi),
            (Some("[room"), Lang::Vi),
            (Some("[room]\nlanguage = \"fr\"\n"), Lang::Vi),
            (Some("[room]\nlanguage = 1\n"), Lang::Vi),
            (Some("room = \"en\"\n"), Lang::Vi),
            (Some("[room]\nlanguage = \"en\"\nunknown = 1\n"), Lang::En),
        ] {
            let (_dir, place) = written(text);
            assert_eq!(lang(&place), lang_of_it, "{text:?}");
            for wish in Lang::ALL {
                let place = Where {
                    lang: Some(wish),
                    ..place.clone()
                };
                assert_eq!(lang(&place), wish, "{text:?}");
            }
        }
    }

    #[test]
    fn a_wrong_configuration_names_the_same_place_in_both_languages() {
        let (_dir, place) = written(Some("[room]\nnmae = \"x\"\n"));
        let failure = settings(&place).unwrap_err();
        assert_eq!(failure.code, exit::CONFIG);
        for lang in Lang::ALL {
            let text = failure.said.in_words(lang, &Contacts::default());
            let place = format!("{}:2: [room]: unknown key \"nmae\"", place.config.display());
            assert!(text.contains(&place), "{text}");
            assert!(text.contains("\"name\""), "{text}");
        }
    }

    #[test]
    fn a_configuration_that_is_not_there_is_not_called_wrong() {
        let (_dir, place) = written(None);
        let failure = settings(&place).unwrap_err();
        assert_eq!(failure.code, exit::CONFIG);
        let text = failure.said.in_words(Lang::Vi, &Contacts::default());
        assert!(text.starts_with("Không đọc được tệp cấu hình"), "{text}");
        assert!(text.contains("--config"), "{text}");
    }
}
