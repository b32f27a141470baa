//! The client's side of the Network UPS Tools protocol (RFC 9271), reading only.
//!
//! One question, `LIST VAR <ups>`, then `LOGOUT`. It never logs in: a `LOGIN` would count this box as a
//! load that the server waits for at a shutdown, and `FSD` cannot be taken back.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::Conversation;
use super::super::lines::{Line, Lines};
use crate::address::UpsName;
use crate::reading::{Answer, ProbeError, UpsReading};

/// A variable's line is a name and a short value; the server itself allows 512 bytes.
const LINE_CAP_BYTES: usize = 1024;

/// A driver gives some dozens of variables, the richest a few hundred.
const VARIABLES_MAX: usize = 1000;

/// Everything that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// All variables of one UPS.
    ListVar(UpsName),
    /// The end.
    Logout,
}

impl Request {
    /// The bytes on the wire.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::ListVar(ups) => format!("LIST VAR {ups}\n"),
            Self::Logout => "LOGOUT\n".to_owned(),
        }
        .into_bytes()
    }
}

/// One talk with a NUT server about one UPS.
#[derive(Debug)]
pub struct Talk {
    ups: UpsName,
    started: Instant,
    to_send: Option<Request>,
    lines: Lines,
    listing: Listing,
    variables: BTreeMap<String, String>,
    heard: Heard,
    outcome: Option<Result<(), ProbeError>>,
}

/// How far the server's list has come.
#[derive(Debug, PartialEq, Eq)]
enum Listing {
    Awaited,
    Open,
}

/// What has come at all, for the reason when nothing comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Nothing,
    Bytes,
    UnreadableLine,
}

impl Talk {
    /// Begins at `now`.
    #[must_use]
    pub fn new(ups: UpsName, now: Instant) -> Self {
        Self {
            to_send: Some(Request::ListVar(ups.clone())),
            ups,
            started: now,
            lines: Lines::new(LINE_CAP_BYTES),
            listing: Listing::Awaited,
            variables: BTreeMap::new(),
            heard: Heard::Nothing,
            outcome: None,
        }
    }

    fn take(&mut self, line: &str) {
        let Some(words) = words(line) else {
            return self.heard = Heard::UnreadableLine;
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (words.as_slice(), &self.listing) {
            ([], _) => {}
            (["ERR", code, ..], _) => self.end(Err(refusal(code))),
            (["BEGIN", "LIST", "VAR", ups], Listing::Awaited) if *ups == self.ups.as_str() => {
                self.listing = Listing::Open;
            }
            (["VAR", ups, name, value], Listing::Open) if *ups == self.ups.as_str() => {
                self.variables.insert((*name).to_owned(), (*value).to_owned());
                if self.variables.len() > VARIABLES_MAX {
                    self.end(Err(ProbeError::Garbled));
                }
            }
            (["END", "LIST", "VAR", ups], Listing::Open) if *ups == self.ups.as_str() => self.end(Ok(())),
            _ => self.heard = Heard::UnreadableLine,
        }
    }

    fn end(&mut self, outcome: Result<(), ProbeError>) {
        self.outcome = Some(outcome);
        self.to_send = Some(Request::Logout);
    }
}

impl Conversation for Talk {
    type Reading = Answer<UpsReading>;

    fn receive(&mut self, _now: Instant, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.heard = self.heard.max(Heard::Bytes);
        }
        for byte in bytes {
            if self.outcome.is_some() {
                return;
            }
            match self.lines.push(*byte) {
                Some(Line::Text(line)) => self.take(&line),
                Some(Line::TooLong) => self.heard = Heard::UnreadableLine,
                None => {}
            }
        }
    }

    fn transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        self.to_send.take().map(|request| request.emit())
    }

    fn timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn finished(&self) -> bool {
        self.outcome.is_some() && self.to_send.is_none()
    }

    fn interrupted(&mut self, now: Instant, why: ProbeError) {
        if self.outcome.is_some() {
            return;
        }
        let waited_ms = now.saturating_duration_since(self.started).as_millis();
        let waited_ms = u64::try_from(waited_ms).unwrap_or(u64::MAX);
        let why = match (why, self.heard) {
            (ProbeError::TimedOut { .. }, Heard::Nothing) => ProbeError::NoAnswer { waited_ms },
            // Half a list is no list, but lines of something that is no UPS server are something else.
            (ProbeError::TimedOut { .. } | ProbeError::Closed, Heard::UnreadableLine)
                if self.listing == Listing::Awaited =>
            {
                ProbeError::Garbled
            }
            (ProbeError::TimedOut { .. }, _) => ProbeError::TimedOut { waited_ms },
            (why, _) => why,
        };
        self.end(Err(why));
    }

    fn conclude(self) -> Answer<UpsReading> {
        match self.outcome {
            Some(Ok(())) => reading(&self.variables),
            Some(Err(why)) => Err(why),
            None => Err(ProbeError::Cancelled),
        }
    }
}

/// What a server's refusal means for a reader.
///
/// * the server does not know this UPS, or its driver is dead: the part is not present;
/// * the driver runs and its figures are old: stale;
/// * any word about users and passwords: refused;
/// * it does not know the question: not supported.
fn refusal(code: &str) -> ProbeError {
    match code {
        "UNKNOWN-UPS" | "DRIVER-NOT-CONNECTED" => ProbeError::NotPresent,
        "DATA-STALE" => ProbeError::Stale,
        "ACCESS-DENIED" | "USERNAME-REQUIRED" | "PASSWORD-REQUIRED" | "INVALID-USERNAME"
        | "INVALID-PASSWORD" => ProbeError::Refused,
        "UNKNOWN-COMMAND"
        | "INVALID-ARGUMENT"
        | "VAR-NOT-SUPPORTED"
        | "FEATURE-NOT-SUPPORTED"
        | "FEATURE-NOT-CONFIGURED" => ProbeError::NotSupported,
        _ => ProbeError::Garbled,
    }
}

/// Makes the reading. `WAIT` in the status means that the server has only just begun to ask the driver:
/// that is not yet known, so it is stale.
fn reading(variables: &BTreeMap<String, String>) -> Answer<UpsReading> {
    let text = |name: &str| {
        variables
            .get(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    let first = |names: [&str; 2]| names.into_iter().find_map(text);
    let figure = |name: &str, plausible: fn(f64) -> bool| match text(name) {
        None => Err(ProbeError::NotSupported),
        Some(value) => number(&value).ok_or(ProbeError::Garbled).and_then(|value| {
            if plausible(value) {
                Ok(value)
            } else {
                Err(ProbeError::NotSupported)
            }
        }),
    };
    let percent = |value: f64| (0.0..=100.0).contains(&value);

    let status: Vec<String> = text("ups.status")
        .ok_or(ProbeError::NotSupported)?
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if status.iter().any(|token| token == "WAIT") {
        return Err(ProbeError::Stale);
    }
    let charge_percent = figure("battery.charge", percent);
    let full = charge_percent == Ok(100.0);
    // Drivers that cannot tell write 0, -1 or 65535. An empty battery's 0 is believed, a full one's is not.
    let runtime_s =
        figure("battery.runtime", |seconds| (0.0..65535.0).contains(&seconds)).and_then(|seconds| {
            if seconds == 0.0 && full {
                Err(ProbeError::NotSupported)
            } else {
                Ok(seconds)
            }
        });
    Ok(UpsReading {
        status,
        alarm: text("ups.alarm"),
        charge_percent,
        charge_low_percent: figure("battery.charge.low", percent),
        runtime_s,
        load_percent: figure("ups.load", |percent| (0.0..=500.0).contains(&percent)),
        input_volt: figure("input.voltage", |volt| (0.0..=1000.0).contains(&volt)),
        maker: first(["device.mfr", "ups.mfr"]),
        model: first(["device.model", "ups.model"]),
        serial: first(["device.serial", "ups.serial"]),
        test_result: text("ups.test.result"),
        driver: text("driver.name"),
    })
}

/// A NUT number: digits with a `.`, perhaps a sign, leading zeros allowed, no exponent.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().any(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The words of one line: blanks separate, double quotes hold together, `\` takes the next character as it is.
/// `None` when a quote does not end, or the line holds what cannot stand in one.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            ' ' | '\t' if !quoted => words.extend(word.take()),
            '\u{fffd}' => return None,
            character if character.is_control() && character != '\t' => return None,
            character => word.get_or_insert_default().push(character),
        }
    }
    if quoted {
        return None;
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests;
