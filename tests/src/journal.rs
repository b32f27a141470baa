//! The journal of a simulated room: every byte that any device received, in order.
//!
//! It is the witness for "the agent changes nothing" (rules R24 to R28): [`crate::allowed`] reads it
//! and names whatever was sent beyond the reviewed list. To judge that, it also keeps the positions
//! that cameras reported and the login prompts that were shown.
//! It is capped; what was dropped is said by one overflow entry at the end, never left out in silence.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::sim::clock::Clock;

/// Bytes kept at most. A full check of a room is about 2 kB, so this is hundreds of them.
pub const CAP_BYTES: usize = 8 * 1024 * 1024;

/// Entries kept at most; a flood of empty datagrams must not grow the journal either.
pub const CAP_ENTRIES: usize = 100_000;

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Bytes that the device received.
    Received,
    /// A position that a camera reported, as the VISCA packet that left it.
    Reported,
    /// A login prompt that the device showed: the next line belongs to it.
    Prompt,
    /// What the simulator has to say about it, e.g. that it refused a command.
    Note,
    /// The journal was full: this many bytes and entries more were received and not kept.
    Overflow,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since the room was started.
    pub t_ms: u64,
    /// The device, e.g. `codec` or `camera.main`.
    pub device: String,
    /// The other side's address.
    pub peer: String,
    /// Number of the connection, from 1, or of the session on a serial line; 0 where there are none (UDP).
    pub connection: u64,
    /// What is recorded.
    pub kind: Kind,
    /// The bytes, or the text of a note.
    pub bytes: Vec<u8>,
}

/// An entry as the control port prints it.
#[derive(Serialize)]
struct Line<'a> {
    t_ms: u64,
    device: &'a str,
    peer: &'a str,
    connection: u64,
    kind: Kind,
    hex: String,
    text: String,
}

impl Entry {
    /// The entry as one line of JSON: `t_ms device peer connection kind hex text`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let line = Line {
            t_ms: self.t_ms,
            device: &self.device,
            peer: &self.peer,
            connection: self.connection,
            kind: self.kind,
            hex: hex(&self.bytes),
            text: printable(&self.bytes),
        };
        // Strings and numbers always serialise; an empty object would show at once if they did not.
        serde_json::to_string(&line).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// Bytes in hexadecimal, pairs parted by spaces.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(" ")
}

/// Bytes as text with escapes for all that is not printable ASCII.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    bytes
        .escape_ascii()
        .to_string()
        .replace("\\\"", "\"")
        .replace("\\'", "'")
}

/// Where the simulated devices write; clones share one journal.
#[derive(Debug, Clone)]
pub struct Journal {
    clock: Clock,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<Entry>,
    bytes: usize,
    dropped_entries: u64,
    dropped_bytes: u64,
    dropped_at_ms: u64,
}

impl Journal {
    /// An empty journal, dated by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            kept: Arc::default(),
        }
    }

    /// Everything so far, in order, with the overflow marker last where there was one.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let kept = self.lock();
        let mut entries = kept.entries.clone();
        if kept.dropped_entries > 0 {
            entries.push(Entry {
                t_ms: kept.dropped_at_ms,
                device: "journal".to_owned(),
                peer: String::new(),
                connection: 0,
                kind: Kind::Overflow,
                bytes: format!(
                    "journal full: {} more entries with {} bytes were not kept",
                    kept.dropped_entries, kept.dropped_bytes
                )
                .into_bytes(),
            });
        }
        entries
    }

    /// Bytes that `device` received from `peer`.
    pub fn received(&self, device: &str, peer: &str, connection: u64, bytes: &[u8]) {
        self.push(device, peer, connection, Kind::Received, bytes);
    }

    /// Another entry than received bytes.
    pub fn record(&self, device: &str, peer: &str, connection: u64, kind: Kind, bytes: &[u8]) {
        self.push(device, peer, connection, kind, bytes);
    }

    fn push(&self, device: &str, peer: &str, connection: u64, kind: Kind, bytes: &[u8]) {
        let t_ms = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut kept = self.lock();
        // Once full it stays full: an entry kept after a dropped one would hide the hole between them.
        if kept.dropped_entries > 0
            || kept.entries.len() >= CAP_ENTRIES
            || kept.bytes.saturating_add(bytes.len()) > CAP_BYTES
        {
            if kept.dropped_entries == 0 {
                kept.dropped_at_ms = t_ms;
            }
            kept.dropped_entries = kept.dropped_entries.saturating_add(1);
            kept.dropped_bytes = kept.dropped_bytes.saturating_add(bytes.len() as u64);
            return;
        }
        kept.bytes = kept.bytes.saturating_add(bytes.len());
        kept.entries.push(Entry {
            t_ms,
            device: device.to_owned(),
            peer: peer.to_owned(),
            connection,
            kind,
            bytes: bytes.to_vec(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere must not take the witness away.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_keep_their_order_and_time() {
        let (clock, hand) = Clock::manual();
        let journal = Journal::new(clock);
        journal.received("codec", "127.0.0.1:4000", 1, b"xStatus\r\n");
        hand.advance(Duration::from_millis(250));
        journal.received("camera.main", "127.0.0.1:4001", 0, &[0x81, 0xFF]);
        let entries = journal.entries();
        let seen: Vec<(u64, &str)> = entries.iter().map(|e| (e.t_ms, e.device.as_str())).collect();
        assert_eq!(seen, [(0, "codec"), (250, "camera.main")]);
    }

    #[test]
    fn an_entry_prints_as_one_line_of_json() {
        let (clock, _hand) = Clock::manual();
        let journal = Journal::new(clock);
        journal.received("codec", "127.0.0.1:4000", 3, b"a | resultId=\"1\"\r\n\xFF");
        let lines: Vec<String> = journal.entries().iter().map(Entry::to_json).collect();
        assert_eq!(
            lines,
            [concat!(
                r#"{"t_ms":0,"device":"codec","peer":"127.0.0.1:4000","connection":3,"kind":"received","#,
                r#""hex":"61 20 7C 20 72 65 73 75 6C 74 49 64 3D 22 31 22 0D 0A FF","#,
                r#""text":"a | resultId=\"1\"\\r\\n\\xff"}"#
            )]
        );
    }

    #[test]
    fn a_full_journal_says_what_it_dropped_and_stays_full() {
        let (clock, hand) = Clock::manual();
        let journal = Journal::new(clock);
        journal.received("codec", "p", 1, &vec![b'x'; CAP_BYTES]);
        hand.advance(Duration::from_millis(10));
        journal.received("codec", "p", 1, b"0123456789");
        hand.advance(Duration::from_millis(10));
        journal.received("codec", "p", 1, b"");
        let entries = journal.entries();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].kind, Kind::Overflow);
        assert_eq!(entries[1].t_ms, 10);
        assert_eq!(
            String::from_utf8_lossy(&entries[1].bytes),
            "journal full: 2 more entries with 10 bytes were not kept"
        );
    }
}
