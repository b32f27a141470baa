//! The reviewed list of everything that the agent may send to a device (rules R24 to R28).
//!
//! Written apart from the drivers: a driver that learns to send something new fails here until a
//! person has looked at it and added it. [`violations`] reads a journal and names whatever goes
//! beyond the list, from the whole of what was received: a line is judged whole, a datagram is judged
//! whole, and what cannot be judged (a full journal, an unknown device) is a violation too.

mod cisco;
mod visca;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::journal::{Entry, Kind, hex, printable};

/// Something that should not have been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// When the device received it (its last part), milliseconds since the room was started.
    pub t_ms: u64,
    /// The device.
    pub device: String,
    /// Who sent it.
    pub peer: String,
    /// What was sent: text for a terminal, hexadecimal for a camera.
    pub sent: String,
    /// Why it is not allowed.
    pub why: String,
}

/// Everything in a journal that goes beyond the list, in the order of devices and then of time.
#[must_use]
pub fn violations(entries: &[Entry]) -> Vec<Violation> {
    let mut of_device: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        of_device.entry(&entry.device).or_default().push(entry);
    }
    let mut found = Vec::new();
    for (device, entries) in of_device {
        match device {
            "codec" => found.extend(cisco::violations(&entries)),
            _ if device.starts_with("camera.") => found.extend(visca::violations(&entries)),
            _ => found.extend(entries.iter().filter_map(|entry| unjudged(entry))),
        }
    }
    found
}

/// No list covers this device, or the journal itself is not whole.
fn unjudged(entry: &Entry) -> Option<Violation> {
    match entry.kind {
        Kind::Overflow => Some(violation(
            entry,
            printable(&entry.bytes),
            "the journal is not whole",
        )),
        Kind::Received => Some(violation(
            entry,
            printable(&entry.bytes),
            "no list covers this device",
        )),
        Kind::Reported | Kind::Prompt | Kind::Note => None,
    }
}

fn violation(entry: &Entry, sent: String, why: &str) -> Violation {
    Violation {
        t_ms: entry.t_ms,
        device: entry.device.clone(),
        peer: entry.peer.clone(),
        sent,
        why: why.to_owned(),
    }
}

fn datagram_violation(entry: &Entry, why: &str) -> Violation {
    violation(entry, hex(&entry.bytes), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(device: &str, kind: Kind, bytes: &[u8]) -> Entry {
        Entry {
            t_ms: 7,
            device: device.to_owned(),
            peer: "127.0.0.1:4000".to_owned(),
            connection: 1,
            kind,
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn an_empty_journal_has_none() {
        assert!(violations(&[]).is_empty());
    }

    #[test]
    fn what_cannot_be_judged_is_not_passed() {
        let found = violations(&[
            entry("lamp", Kind::Received, b"on\n"),
            entry("lamp", Kind::Note, b"a note is no sending"),
            entry(
                "journal",
                Kind::Overflow,
                b"journal full: 3 more entries with 9 bytes were not kept",
            ),
        ]);
        let whys: Vec<&str> = found.iter().map(|violation| violation.why.as_str()).collect();
        assert_eq!(whys, ["the journal is not whole", "no list covers this device"]);
    }

    #[test]
    fn devices_are_judged_by_their_own_lists() {
        let found = violations(&[
            entry("codec", Kind::Received, b"xCommand Standby Deactivate\r\n"),
            entry("camera.main", Kind::Received, b"xStatus Audio\r\n"),
            entry("codec", Kind::Received, b"xStatus Audio\r\n"),
        ]);
        let sent: Vec<&str> = found.iter().map(|violation| violation.sent.as_str()).collect();
        assert_eq!(
            sent,
            [
                "78 53 74 61 74 75 73 20 41 75 64 69 6F 0D 0A",
                "xCommand Standby Deactivate"
            ]
        );
    }
}
