//! What may be sent to a Cisco codec: whole lines, matched from the first to the last byte.
//!
//! Reading the status of named subtrees, two settings of the session itself, and the goodbye. Nothing
//! that begins with `xCommand`, and no `xConfiguration` at all, for a colon in it is all that parts
//! reading from writing.

use std::collections::BTreeMap;

use super::{Violation, violation};
use crate::journal::{Entry, Kind, printable};

/// Whole lines that are allowed as they stand. The empty line wakes a serial console.
const LINES: [&str; 4] = ["", "echo off", "xPreferences outputmode terminal", "bye"];

/// First words of the status paths that may be read. `Camera` is what older software calls `Cameras`.
const STATUS_ROOTS: [&str; 16] = [
    "Audio",
    "Call",
    "Camera",
    "Cameras",
    "Conference",
    "Diagnostics",
    "H323",
    "MediaChannels",
    "Network",
    "NetworkServices",
    "Peripherals",
    "SIP",
    "Standby",
    "SystemUnit",
    "Time",
    "Video",
];

/// The longest tag and the longest user name or password.
const WORD_CAP: usize = 64;

/// The state of one connection while its entries are read in order.
#[derive(Default)]
struct Connection<'a> {
    line: Vec<u8>,
    after_cr: bool,
    lines: Vec<(&'a Entry, Vec<u8>)>,
    prompts: usize,
    last: Option<&'a Entry>,
}

/// What goes beyond the list, of one codec's entries.
pub(super) fn violations(entries: &[&Entry]) -> Vec<Violation> {
    let mut connections: BTreeMap<(&str, u64), Connection<'_>> = BTreeMap::new();
    for entry in entries {
        let connection = connections
            .entry((entry.peer.as_str(), entry.connection))
            .or_default();
        match entry.kind {
            Kind::Received => connection.receive(entry),
            Kind::Prompt => connection.prompts = connection.prompts.saturating_add(1),
            Kind::Reported | Kind::Note | Kind::Overflow => {}
        }
    }
    let mut found: Vec<Violation> = connections.values().flat_map(Connection::violations).collect();
    found.sort_by_key(|violation| violation.t_ms);
    found
}

impl<'a> Connection<'a> {
    fn receive(&mut self, entry: &'a Entry) {
        self.last = Some(entry);
        for &byte in &entry.bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\r' | b'\n' => {
                    self.after_cr = byte == b'\r';
                    self.lines.push((entry, std::mem::take(&mut self.line)));
                }
                _ => {
                    self.after_cr = false;
                    self.line.push(byte);
                }
            }
        }
    }

    fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (place, (entry, line)) in self.lines.iter().enumerate() {
            // Logging in is the first thing on a connection: each prompt that was shown takes one line.
            let why = if place < self.prompts {
                not_a_login_word(line)
            } else {
                not_allowed(line)
            };
            found.extend(why.map(|why| violation(entry, printable(line), why)));
        }
        // A line that was cut off is carried out by nobody, but it shows what was on its way.
        if let Some(entry) = self.last.filter(|_| !self.line.is_empty())
            && !(self.lines.len() < self.prompts && not_a_login_word(&self.line).is_none())
            && !could_become_allowed(&self.line)
        {
            found.push(violation(
                entry,
                printable(&self.line),
                "an unfinished line that no allowed line begins with",
            ));
        }
        found
    }
}

/// Why a whole line is not allowed.
fn not_allowed(line: &[u8]) -> Option<&'static str> {
    let Ok(line) = std::str::from_utf8(line) else {
        return Some("not text");
    };
    if LINES.contains(&line) || is_status(line) {
        return None;
    }
    let verb = line
        .split_ascii_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    Some(match verb.as_str() {
        "xcommand" => "a command: it acts on the unit or the room",
        "xconfiguration" => "a configuration line: one colon more and it writes",
        "xfeedback" | "xtransaction" | "systemtools" | "log" => "changes the unit or the session",
        _ => "not on the list",
    })
}

/// `xStatus <path>` with a known first word, words and numbers parted by single spaces, and
/// `| resultId="…"` or nothing after it.
fn is_status(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("xStatus ") else {
        return false;
    };
    let (path, tag) = match rest.split_once(" | ") {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    is_path(path) && tag.is_none_or(is_tag)
}

fn is_path(path: &str) -> bool {
    let mut words = path.split(' ');
    words.next().is_some_and(|root| STATUS_ROOTS.contains(&root))
        && words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_tag(tag: &str) -> bool {
    tag.strip_prefix("resultId=\"")
        .and_then(|tag| tag.strip_suffix('"'))
        .is_some_and(|tag| {
            (1..=WORD_CAP).contains(&tag.len())
                && tag
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
}

/// A user name or password is one short line of printable characters and begins like no verb.
fn not_a_login_word(line: &[u8]) -> Option<&'static str> {
    let verb = line.get(..2).unwrap_or_default().to_ascii_lowercase();
    if verb == b"xc" || verb == b"xs" && line.contains(&b' ') {
        return Some("a command where a login was asked for");
    }
    let fits = line.len() <= WORD_CAP && line.iter().all(|byte| (0x20..0x7F).contains(byte));
    (!fits).then_some("not a user name or password")
}

/// Whether a line could still begin like this.
fn could_become_allowed(start: &[u8]) -> bool {
    let Ok(start) = std::str::from_utf8(start) else {
        return false;
    };
    if LINES.iter().any(|line| line.starts_with(start)) {
        return true;
    }
    match start.strip_prefix("xStatus ") {
        None => "xStatus ".starts_with(start),
        Some(rest) => {
            let (path, tag) = rest.split_once('|').unwrap_or((rest, ""));
            let mut words = path.trim_end().split(' ');
            let root = words.next().unwrap_or_default();
            let root_fits = STATUS_ROOTS.contains(&root)
                || (!rest.contains(' ') && STATUS_ROOTS.iter().any(|known| known.starts_with(root)));
            root_fits
                && words.all(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
                && tag
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b" =\"-_.".contains(&byte))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(connection: u64, kind: Kind, bytes: &[u8]) -> Entry {
        Entry {
            t_ms: 0,
            device: "codec".to_owned(),
            peer: "127.0.0.1:4000".to_owned(),
            connection,
            kind,
            bytes: bytes.to_vec(),
        }
    }

    fn sent(chunks: &[&str]) -> Vec<String> {
        let entries: Vec<Entry> = chunks
            .iter()
            .map(|chunk| entry(1, Kind::Received, chunk.as_bytes()))
            .collect();
        let entries: Vec<&Entry> = entries.iter().collect();
        violations(&entries)
            .into_iter()
            .map(|violation| violation.sent)
            .collect()
    }

    #[test]
    fn the_lines_of_a_check_are_allowed() {
        let session = [
            "\r\n",
            "echo off\r\n",
            "xPreferences outputmode terminal\r\n",
            "xStatus SystemUnit\r\n",
            "xStatus SystemUnit State | resultId=\"a1\"\r\n",
            "xStatus Network 1 IPv4 | resultId=\"bp-2\"\r\n",
            "xStatus Camera 1 Position\r\n",
            "bye\r\n",
        ];
        assert!(sent(&session).is_empty());
    }

    #[test]
    fn each_forbidden_family_is_caught() {
        for line in [
            "xCommand Dial Number: 1234",
            "xCommand Standby Deactivate",
            "xcommand camera preset activate presetid: 1",
            "xConfiguration SIP ListenPort: Off",
            "xConfiguration SIP ListenPort",
            "xFeedback register /Status/Audio",
            "xPreferences outputmode json",
            "xGetxml /Status/Audio",
            "xTransaction begin",
            "systemtools passwd",
            "log collect",
            "echo on",
            "help",
            "xStatus",
            "xstatus Audio",
            "xStatus Provisioning",
            "xStatus Security",
            "xStatus Audio  Volume",
            "xStatus Audio Volume ",
            " xStatus Audio",
            "xStatus Audio Volume | resultId=\"\"",
            "xStatus Audio Volume | resultId=\"a\" xCommand Boot",
            "xStatus Audio Volume: 50",
            "xStatus /Audio/Volume",
            "bye bye",
        ] {
            assert_eq!(sent(&[line, "\r\n"]), [line], "{line:?} passes");
        }
    }

    #[test]
    fn lines_are_judged_whole_however_they_arrive() {
        assert_eq!(
            sent(&["xComm", "and Dial\rxStatus Audio\n\r", "\nbye\r\n"]),
            ["xCommand Dial"]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_caught() {
        let telnet = entry(1, Kind::Received, b"\xFF\xFC\x18\r\n");
        assert_eq!(violations(&[&telnet])[0].why, "not text");
    }

    #[test]
    fn a_login_is_as_many_lines_as_were_asked_for() {
        let entries = [
            entry(1, Kind::Prompt, b"login: "),
            entry(1, Kind::Received, b"probe\r\nsecret pass\r\necho off\r\n"),
            entry(1, Kind::Prompt, b"Password: "),
            entry(1, Kind::Received, b"probe\r\n"),
        ];
        let entries: Vec<&Entry> = entries.iter().collect();
        let found: Vec<String> = violations(&entries)
            .into_iter()
            .map(|violation| violation.sent)
            .collect();
        assert_eq!(found, ["probe"], "a third line is no login any more");
        // On another connection nothing was asked for.
        let other = entry(2, Kind::Received, b"probe\r\n");
        assert_eq!(violations(&[&other]).len(), 1);
    }

    #[test]
    fn a_command_where_a_login_was_asked_for_is_caught() {
        let entries = [
            entry(1, Kind::Prompt, b"login: "),
            entry(1, Kind::Received, b"xCommand Dial Number: 1\r\n"),
        ];
        let entries: Vec<&Entry> = entries.iter().collect();
        assert_eq!(
            violations(&entries)[0].why,
            "a command where a login was asked for"
        );
    }

    #[test]
    fn an_unfinished_line_is_judged_by_what_it_could_become() {
        for start in [
            "xSta",
            "xStatus Sys",
            "xStatus SystemUnit Sta",
            "xStatus Audio Volume | resultId=\"",
            "by",
        ] {
            assert!(sent(&[start]).is_empty(), "{start:?}");
        }
        for start in [
            "xC",
            "xCommand",
            "xStatus Sec",
            "xStatus Audio Volume: ",
            "xStatus Audio /",
        ] {
            assert_eq!(sent(&[start]), [start], "{start:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_split_are_judged_alike(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..200,
        ) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let (whole, head, tail) =
                (entry(1, Kind::Received, &bytes), entry(1, Kind::Received, head), entry(1, Kind::Received, tail));
            let sent = |entries: &[&Entry]| -> Vec<(String, String)> {
                violations(entries).into_iter().map(|violation| (violation.sent, violation.why)).collect()
            };
            prop_assert_eq!(sent(&[&whole]), sent(&[&head, &tail]));
        }

        #[test]
        fn every_start_of_an_allowed_line_could_become_it(
            root in 0_usize..STATUS_ROOTS.len(),
            path in "( [A-Za-z0-9]{1,8}){0,4}",
            cut in 0_usize..80,
        ) {
            let line = format!("xStatus {}{path} | resultId=\"a1\"", STATUS_ROOTS[root]);
            prop_assert!(is_status(&line));
            prop_assert!(could_become_allowed(&line.as_bytes()[..cut.min(line.len())]));
        }
    }
}
