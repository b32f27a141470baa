//! One connection to the codec's terminal, without its socket: bytes in, replies out.
//!
//! Login, banner, echo, and the terminal grammar: `*s` lines, `** resultId`, `** end`, an empty line,
//! `OK`; for commands the other order (empty line, `OK`, `*r` lines, `** end`). Lines end in CRLF. The JSON that a
//! session can ask for instead is in `json`.
//! A line from the client may end in CR, LF or both, and is capped.

use std::collections::BTreeSet;

use super::command::{Ask, Command};
use super::faults::CodecFault;
use super::json;
use super::tree::{Found, Tree};

/// The longest command line; a real unit's is longer, but nothing sensible is.
const LINE_CAP: usize = 8 * 1024;

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// User name.
    pub(crate) user: String,
    /// Password.
    pub(crate) password: String,
}

/// What the session needs to know of the unit at the moment of an answer.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    /// The status tree, with the faults already in it.
    pub(crate) tree: &'a Tree,
    /// The faults that are on.
    pub(crate) faults: &'a BTreeSet<CodecFault>,
    /// The unit's name, for the banner.
    pub(crate) name: &'a str,
}

/// What the session does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Sends these bytes, as one reply.
    Reply(Vec<u8>),
    /// Sends an echo: part of no reply.
    Echo(Vec<u8>),
    /// Sends a login prompt.
    Prompt(&'static str),
    /// Writes a note into the journal.
    Note(String),
    /// Closes the connection.
    Close,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    User,
    Password { user: String },
    Shell,
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    login: Option<Login>,
    phase: Phase,
    echo: bool,
    json: bool,
    line: Vec<u8>,
    too_long: bool,
    after_cr: bool,
}

impl Session {
    /// A new connection; without `login` it leads straight to the shell.
    pub(crate) fn new(login: Option<Login>) -> Self {
        Self {
            login,
            phase: Phase::Shell,
            echo: true,
            json: false,
            line: Vec::new(),
            too_long: false,
            after_cr: false,
        }
    }

    /// What the unit says before anything is asked.
    pub(crate) fn greet(&mut self, unit: &Unit<'_>) -> Vec<Act> {
        if self.login.is_some() || unit.faults.contains(&CodecFault::LoginRefused) {
            self.phase = Phase::User;
            vec![Act::Prompt("login: ")]
        } else {
            vec![Act::Reply(banner(unit))]
        }
    }

    /// What the unit does upon these bytes.
    pub(crate) fn receive(&mut self, bytes: &[u8], unit: &Unit<'_>) -> Vec<Act> {
        let mut acts = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\r' | b'\n' => {
                    self.after_cr = byte == b'\r';
                    self.end_of_line(unit, &mut acts);
                }
                _ => {
                    self.after_cr = false;
                    if self.line.len() < LINE_CAP {
                        self.line.push(byte);
                    } else {
                        self.too_long = true;
                    }
                }
            }
            if acts.last() == Some(&Act::Close) {
                break;
            }
        }
        acts
    }

    fn end_of_line(&mut self, unit: &Unit<'_>, acts: &mut Vec<Act>) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        let too_long = std::mem::take(&mut self.too_long);
        match std::mem::replace(&mut self.phase, Phase::Shell) {
            Phase::User => {
                acts.push(Act::Echo(crlf(&line)));
                acts.push(Act::Prompt("Password: "));
                self.phase = Phase::Password { user: line };
            }
            Phase::Password { user } => {
                // A password is not echoed, only its line end is.
                acts.push(Act::Echo(crlf("")));
                self.log_in(user, line, unit, acts);
            }
            Phase::Shell => {
                if self.echo {
                    acts.push(Act::Echo(crlf(&line)));
                }
                if too_long {
                    acts.push(Act::Reply(crlf("ERROR")));
                } else {
                    self.obey(&Command::parse(&line), unit, acts);
                }
            }
        }
    }

    fn log_in(&mut self, user: String, password: String, unit: &Unit<'_>, acts: &mut Vec<Act>) {
        let refused = unit.faults.contains(&CodecFault::LoginRefused);
        if !refused
            && self
                .login
                .as_ref()
                .is_none_or(|login| *login == Login { user, password })
        {
            acts.push(Act::Reply(banner(unit)));
        } else {
            self.phase = Phase::User;
            acts.push(Act::Reply(crlf("Login incorrect")));
            acts.push(Act::Prompt("login: "));
        }
    }

    fn obey(&mut self, command: &Command, unit: &Unit<'_>, acts: &mut Vec<Act>) {
        let tag = command.result_id.as_deref();
        let lines = match &command.ask {
            Ask::Nothing => return,
            Ask::Bye => {
                acts.push(Act::Close);
                return;
            }
            Ask::JsonMode => {
                // Answered by nothing at all.
                self.json = true;
                return;
            }
            Ask::Echo(on) => {
                self.echo = *on;
                vec![String::new(), "OK".to_owned()]
            }
            Ask::TerminalMode => {
                self.json = false;
                vec![String::new(), "OK".to_owned()]
            }
            in_json if self.json => {
                answer_in_json(in_json, tag, unit, acts);
                return;
            }
            Ask::Status(path) => match unit.tree.find(path) {
                Found::Leaves(leaves) => {
                    let lines = leaves.iter().map(|leaf| format!("*s {leaf}")).collect();
                    read_reply(lines, tag)
                }
                Found::NoMatch => read_reply(no_match("Status", &path.as_xpath()), tag),
            },
            // No configuration is simulated, so no path of it exists.
            Ask::ReadConfiguration(path) => read_reply(no_match("Configuration", &path.as_xpath()), tag),
            Ask::Forbidden(what) => {
                acts.push(Act::Note(format!("refused: {what}")));
                refusal(what, tag)
            }
            Ask::Unknown => vec!["ERROR".to_owned()],
        };
        let lines = if unit.faults.contains(&CodecFault::Feedback) {
            with_events(lines)
        } else {
            lines
        };
        acts.push(Act::Reply(lines.iter().flat_map(|line| crlf(line)).collect()));
    }
}

/// What is said after a login. `Last login` comes after the `OK`, as on real units.
fn banner(unit: &Unit<'_>) -> Vec<u8> {
    let lines = [
        format!("Welcome to {}", unit.name),
        "Cisco Codec Release ce 9.15.17.4 0000000 2022-12-16".to_owned(),
        "SW Release Date: 2022-12-16 00:00:00, matchbox".to_owned(),
        "*r Login successful".to_owned(),
        String::new(),
        "OK".to_owned(),
        String::new(),
        "Last login from 10.0.0.9 at 2026-01-01 07:00:00".to_owned(),
    ];
    lines.iter().flat_map(|line| crlf(line)).collect()
}

/// A reply to reading: the lines, the tag, the end, an empty line, `OK`.
fn read_reply(mut lines: Vec<String>, tag: Option<&str>) -> Vec<String> {
    lines.extend(tag.map(|tag| format!("** resultId: \"{tag}\"")));
    lines.extend(["** end".to_owned(), String::new(), "OK".to_owned()]);
    lines
}

/// The block of a path that the unit does not have. `tree` is `Status` or `Configuration`.
fn no_match(tree: &str, xpath: &str) -> Vec<String> {
    vec![
        format!("*r {tree} (status=Error): "),
        format!("*r {tree} Reason: \"No match on address expression\""),
        format!("*r {tree} XPath: \"{tree}/{xpath}\""),
    ]
}

/// A command's reply comes in the other order: empty line, `OK`, result lines, end.
fn refusal(what: &str, tag: Option<&str>) -> Vec<String> {
    let path: String = what
        .split_ascii_whitespace()
        .skip(1)
        .take_while(|word| !word.ends_with(':'))
        .map(|word| format!("/{}", word.trim_start_matches('/').replace('"', "")))
        .collect();
    let mut lines = vec![
        String::new(),
        "OK".to_owned(),
        "*r Result (status=Error): ".to_owned(),
        "*r Result Reason: \"Unknown command\"".to_owned(),
        format!("*r Result XPath: \"{path}\""),
    ];
    lines.extend(tag.map(|tag| format!("** resultId: \"{tag}\"")));
    lines.push("** end".to_owned());
    lines
}

/// The reply of a session that asked for JSON; an event before and after it, where the fault is on.
fn answer_in_json(ask: &Ask, tag: Option<&str>, unit: &Unit<'_>, acts: &mut Vec<Act>) {
    if let Ask::Forbidden(what) = ask {
        acts.push(Act::Note(format!("refused: {what}")));
    }
    let events = unit.faults.contains(&CodecFault::Feedback);
    let event = |line: &str| events.then(|| json::event(&[line.to_owned()]));
    let objects = [event(SELECTED), json::answer(ask, tag, unit.tree), event(METER)];
    let bytes = objects.iter().flatten().flat_map(json::written).collect();
    acts.push(Act::Reply(bytes));
}

/// Events that nobody asked for, as they stand after `*e `.
const SELECTED: &str = "UserInterface Presentation ExternalSource Selected SourceIdentifier: \"1\"";
const METER: &str = "Audio Input Connectors Microphone 1 VuMeter: 12";

/// Event lines after the first line, after every fourth, and before the last: also between the end of
/// a block and its `OK`.
fn with_events(lines: Vec<String>) -> Vec<String> {
    let last = lines.len().saturating_sub(1);
    let mut mixed = Vec::new();
    for (place, line) in lines.into_iter().enumerate() {
        if place == last && place > 0 {
            mixed.push(format!("*e {METER}"));
            mixed.push("** end".to_owned());
        }
        mixed.push(line);
        if place % 4 == 0 && place != last {
            mixed.push(format!("*e {SELECTED}"));
        }
    }
    mixed
}

fn crlf(line: &str) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
