//! One command line of the xAPI, read.
//!
//! Verbs and paths are taken in any case of letters, as real units do. Only reading is carried out;
//! what would change the unit is recognised so that it can be refused by name.

use super::tree::Path;

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// An empty line.
    Nothing,
    /// `echo on` or `echo off`.
    Echo(bool),
    /// `xPreferences outputmode terminal`.
    TerminalMode,
    /// `xPreferences outputmode json`.
    JsonMode,
    /// `xStatus` with a path, empty for everything.
    Status(Path),
    /// `xConfiguration` without a value: reading.
    ReadConfiguration(Path),
    /// `bye`.
    Bye,
    /// Something that would change the unit or the room; the text is its first words.
    Forbidden(String),
    /// Not a command, or one that is not simulated.
    Unknown,
}

/// A line with its tag for correlation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// What is asked.
    pub(crate) ask: Ask,
    /// The tag of `| resultId="tag"`.
    pub(crate) result_id: Option<String>,
}

impl Command {
    /// Reads one line without its end.
    pub(crate) fn parse(line: &str) -> Self {
        let (body, result_id) = split_result_id(line.trim());
        Self {
            ask: ask(body),
            result_id,
        }
    }
}

fn ask(body: &str) -> Ask {
    let mut words = body.split_ascii_whitespace();
    let Some(verb) = words.next() else {
        return Ask::Nothing;
    };
    let rest: Vec<&str> = words.collect();
    let path = || Path::parse(&rest.join(" "));
    match verb.to_ascii_lowercase().as_str() {
        "bye" if rest.is_empty() => Ask::Bye,
        "echo" if lower(&rest) == "on" => Ask::Echo(true),
        "echo" if lower(&rest) == "off" => Ask::Echo(false),
        "xpreferences" if lower(&rest) == "outputmode terminal" => Ask::TerminalMode,
        "xpreferences" if lower(&rest) == "outputmode json" => Ask::JsonMode,
        "xstatus" => path().map_or(Ask::Unknown, Ask::Status),
        // A colon makes it a writing: that is the whole difference between reading and changing.
        "xconfiguration" if !body.contains(':') => path().map_or(Ask::Unknown, Ask::ReadConfiguration),
        "xconfiguration" | "xcommand" | "xfeedback" | "xtransaction" | "systemtools" | "log" => {
            Ask::Forbidden(
                body.split_ascii_whitespace()
                    .take(6)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        }
        _ => Ask::Unknown,
    }
}

fn lower(words: &[&str]) -> String {
    words.join(" ").to_ascii_lowercase()
}

/// Cuts `| resultId="tag"` off the end of a line.
fn split_result_id(line: &str) -> (&str, Option<String>) {
    let Some((body, tail)) = line.rsplit_once('|') else {
        return (line, None);
    };
    let Some((key, value)) = tail.split_once('=') else {
        return (line, None);
    };
    if !key.trim().eq_ignore_ascii_case("resultId") {
        return (line, None);
    }
    let tag = value.trim().trim_matches('"').to_owned();
    (body.trim_end(), Some(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Ask {
        Command::parse(line).ask
    }

    #[test]
    fn reading_is_read() {
        assert_eq!(
            asked("xStatus Audio Volume"),
            Ask::Status(Path::parse("Audio Volume").unwrap())
        );
        assert_eq!(asked("xstatus"), Ask::Status(Path::parse("").unwrap()));
        assert_eq!(asked("ECHO off"), Ask::Echo(false));
        assert_eq!(asked("echo on"), Ask::Echo(true));
        assert_eq!(asked("xPreferences outputmode terminal"), Ask::TerminalMode);
        assert_eq!(asked("xpreferences outputmode json"), Ask::JsonMode);
        assert_eq!(
            asked("xConfiguration SIP ListenPort"),
            Ask::ReadConfiguration(Path::parse("SIP ListenPort").unwrap())
        );
        assert_eq!(asked("bye"), Ask::Bye);
        assert_eq!(asked("   "), Ask::Nothing);
    }

    #[test]
    fn what_changes_something_is_told_apart() {
        for line in [
            "xCommand Dial Number: 1234",
            "xcommand Standby Deactivate",
            "xConfiguration SIP ListenPort: Off",
            "xFeedback register /Status/Audio",
            "systemtools passwd",
        ] {
            assert_eq!(asked(line), Ask::Forbidden(line.to_owned()));
        }
        for line in [
            "xPreferences outputmode xml",
            "xStatus Audio/Volume",
            "dial 1234",
            "echo",
            "bye bye",
        ] {
            assert_eq!(asked(line), Ask::Unknown, "{line}");
        }
    }

    #[test]
    fn the_tag_is_cut_off() {
        let command = Command::parse("xStatus SystemUnit State | resultId=\"a1\"");
        assert_eq!(command.result_id.as_deref(), Some("a1"));
        assert_eq!(command.ask, Ask::Status(Path::parse("SystemUnit State").unwrap()));
        assert_eq!(Command::parse("xStatus Call").result_id, None);
        assert_eq!(Command::parse("xStatus Call | something=1").result_id, None);
    }
}
