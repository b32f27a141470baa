//! A logbook file, line by line: what is in it, and whether the chain holds (contract, "Envelope and logbook").
//!
//! Pure: lines are handed in. The agent uses it over its directory, and both programs' `verify FILE` over
//! one file, so that what the box calls broken and what the province calls broken is one rule.

use serde::Deserialize;

use crate::claims::Receipt;
use crate::envelope::{EntryHash, Kid, Kind, OpenError, Opened, VerifyingKey, open};

/// Every kind of line that a logbook may hold.
const LINE_KINDS: [Kind; 5] = [Kind::Report, Kind::Event, Kind::Attest, Kind::Gap, Kind::Receipt];

/// What a line turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A numbered entry of the chain.
    Entry(Entry),
    /// The hub's receipt for one, beside the chain.
    Receipt(Receipt),
}

/// A numbered entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: Kind,
    /// Its number.
    pub seq: u64,
    /// Hash of the one before.
    pub prev: EntryHash,
    /// When it was signed, UTC seconds.
    pub iat: i64,
    /// Its hash.
    pub hash: EntryHash,
    /// The claims' exact bytes.
    pub payload: Vec<u8>,
}

/// The keys that lines are verified with.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// The box's keys: entries.
    pub agent: &'a [VerifyingKey],
    /// The hub's keys: receipts. Receipts by other keys are refused.
    pub hub: &'a [VerifyingKey],
}

/// The state of a walk over lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walk {
    /// Entries read.
    pub entries: u64,
    /// Receipts read and verified.
    pub receipts: u64,
    /// Receipts that no given key verifies. Only when no hub key is known at all.
    pub unverified_receipts: u64,
    /// Number and hash of the first entry read.
    pub first: Option<(u64, EntryHash)>,
    /// Number and hash of the newest entry.
    pub head: Option<(u64, EntryHash)>,
}

/// Where a logbook is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: LineError,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no envelope of ours, or its signature does not hold.
    #[error(transparent)]
    Envelope(#[from] OpenError),
    /// A number is missing, repeated or out of order.
    #[error("entry {found} stands where entry {expected} belongs")]
    Sequence {
        /// The number that belongs here.
        expected: u64,
        /// The number that stands here.
        found: u64,
    },
    /// It does not name the entry before it.
    #[error("entry {seq} does not follow the entry before it")]
    Prev {
        /// Its number.
        seq: u64,
    },
}

impl Walk {
    /// Continues a chain that ended with `head` (number and hash), e.g. at the end of the month before.
    #[must_use]
    pub fn after(head: Option<(u64, EntryHash)>) -> Self {
        Self {
            head,
            ..Self::default()
        }
    }

    /// Takes one line (without its line feed): verifies it and its place.
    ///
    /// # Errors
    /// [`LineError`] with what is wrong; the walk is then not to be continued.
    pub fn step(&mut self, line: &[u8], keys: Keys<'_>) -> Result<Line, LineError> {
        let opened = match open_line(line, keys) {
            Err(OpenError::UnknownKey(_)) if keys.hub.is_empty() && is_receipt(line) => {
                self.unverified_receipts += 1;
                let opened = peek(line)?;
                return Ok(Line::Receipt(opened.claims()?));
            }
            other => other?,
        };
        if opened.kind == Kind::Receipt {
            let receipt: Receipt = opened.claims()?;
            self.receipts += 1;
            return Ok(Line::Receipt(receipt));
        }
        let entry = entry_of(&opened)?;
        // After the highest number that can be written nothing follows.
        let (expected, prev) = match self.head {
            Some((u64::MAX, _)) => {
                return Err(LineError::Sequence {
                    expected: u64::MAX,
                    found: entry.seq,
                });
            }
            Some((seq, hash)) => (Some(seq + 1), Some(hash)),
            None => (None, None),
        };
        // Without a head the file may begin anywhere (a later month); number 1 has a known predecessor.
        if let Some(expected) = expected
            && expected != entry.seq
        {
            return Err(LineError::Sequence {
                expected,
                found: entry.seq,
            });
        }
        let prev = prev.or((entry.seq == 1).then_some(EntryHash::ZERO));
        if prev.is_some_and(|prev| prev != entry.prev) {
            return Err(LineError::Prev { seq: entry.seq });
        }
        self.entries += 1;
        self.first.get_or_insert((entry.seq, entry.hash));
        self.head = Some((entry.seq, entry.hash));
        Ok(Line::Entry(entry))
    }
}

/// Verifies a whole file: lines in order, empty lines at the end allowed.
///
/// # Errors
/// [`Broken`] with the exact line and what is wrong with it.
pub fn verify(text: &[u8], keys: Keys<'_>, head: Option<(u64, EntryHash)>) -> Result<Walk, Broken> {
    let mut walk = Walk::after(head);
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    if body.is_empty() {
        return Ok(walk);
    }
    for (number, line) in (1_u64..).zip(body.split(|b| *b == b'\n')) {
        walk.step(line, keys)
            .map_err(|why| Broken { line: number, why })?;
    }
    Ok(walk)
}

/// Reads a line **without verifying it**: for one's own disk, where it was verified when it was written.
///
/// # Errors
/// [`OpenError`] when it is no envelope of a logbook.
pub fn read_unverified(line: &[u8]) -> Result<Line, OpenError> {
    let opened = peek(line)?;
    if opened.kind == Kind::Receipt {
        return Ok(Line::Receipt(opened.claims()?));
    }
    Ok(Line::Entry(entry_of(&opened)?))
}

fn open_line(line: &[u8], keys: Keys<'_>) -> Result<Opened, OpenError> {
    let wanted = if is_receipt(line) { keys.hub } else { keys.agent };
    open(line, &LINE_KINDS, |kid: &Kid| {
        wanted.iter().find(|key| key.kid() == *kid).copied()
    })
}

fn is_receipt(line: &[u8]) -> bool {
    peek(line).is_ok_and(|opened| opened.kind == Kind::Receipt)
}

fn peek(line: &[u8]) -> Result<Opened, OpenError> {
    let opened = crate::envelope::peek(line)?;
    if LINE_KINDS.contains(&opened.kind) {
        Ok(opened)
    } else {
        Err(OpenError::WrongKind {
            typ: opened.kind.typ().to_owned(),
        })
    }
}

fn entry_of(opened: &Opened) -> Result<Entry, OpenError> {
    #[derive(Deserialize)]
    struct Numbered {
        v: u32,
        seq: u64,
        prev: EntryHash,
        iat: i64,
    }
    let numbered: Numbered = opened.claims()?;
    debug_assert_eq!(numbered.v, crate::WIRE_VERSION);
    Ok(Entry {
        kind: opened.kind,
        seq: numbered.seq,
        prev: numbered.prev,
        iat: numbered.iat,
        hash: opened.hash,
        payload: opened.payload.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{SigningKey, seal};
    use proptest::prelude::*;
    use serde_json::json;

    struct Book {
        agent: SigningKey,
        hub: SigningKey,
        lines: Vec<String>,
    }

    /// Six entries with a receipt after each.
    fn book() -> Book {
        let key = || {
            SigningKey::from_pkcs8(&SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap()).unwrap()
        };
        let (agent, hub) = (key(), key());
        let mut lines = vec![];
        let mut prev = EntryHash::ZERO;
        for seq in 1..=6 {
            let entry = seal(
                &agent,
                Kind::Report,
                &json!({"v":1,"seq":seq,"prev":prev,"iat":0,"n":"x".repeat(20)}),
            )
            .unwrap();
            prev = entry.hash;
            let receipt =
                json!({"v":1,"org":"abc","room":"def","iat":0,"seq":seq,"hash":prev,"received_ms":0});
            lines.push(entry.jws);
            lines.push(seal(&hub, Kind::Receipt, &receipt).unwrap().jws);
        }
        Book { agent, hub, lines }
    }

    fn check(book: &Book, lines: &[String]) -> Result<Walk, Broken> {
        let keys = Keys {
            agent: &[book.agent.verifying()],
            hub: &[book.hub.verifying()],
        };
        verify(format!("{}\n", lines.join("\n")).as_bytes(), keys, None)
    }

    #[test]
    fn a_whole_book_holds() {
        let book = book();
        let walk = check(&book, &book.lines).unwrap();
        assert_eq!((walk.entries, walk.receipts, walk.head.unwrap().0), (6, 6, 6));
        assert_eq!(
            verify(b"", Keys { agent: &[], hub: &[] }, None).unwrap(),
            Walk::default()
        );
    }

    #[test]
    fn nothing_follows_the_highest_number() {
        let mut book = book();
        let entry = |prev: EntryHash| {
            let claims = json!({"v": 1, "seq": u64::MAX, "prev": prev, "iat": 0});
            seal(&book.agent, Kind::Report, &claims).unwrap()
        };
        let first = entry(EntryHash::ZERO);
        let second = entry(first.hash);
        book.lines = vec![first.jws, second.jws];
        let broken = check(&book, &book.lines).unwrap_err();
        assert_eq!(broken.line, 2);
        assert!(matches!(broken.why, LineError::Sequence { found: u64::MAX, .. }));
    }

    #[test]
    fn cut_swapped_repeated_and_foreign_lines_are_named() {
        let book = book();
        let mut cut = book.lines.clone();
        cut.remove(4);
        assert_eq!(
            check(&book, &cut).unwrap_err(),
            Broken {
                line: 6,
                why: LineError::Sequence {
                    expected: 3,
                    found: 4
                }
            }
        );
        let mut swapped = book.lines.clone();
        swapped.swap(2, 4);
        assert_eq!(check(&book, &swapped).unwrap_err().line, 3);
        let mut repeated = book.lines.clone();
        repeated.insert(3, book.lines[2].clone());
        assert_eq!(check(&book, &repeated).unwrap_err().line, 4);
        let other = self::book();
        let mut foreign = book.lines.clone();
        foreign[6] = other.lines[6].clone();
        assert_eq!(check(&book, &foreign).unwrap_err().line, 7);
        let mut forged_receipt = book.lines.clone();
        forged_receipt[1] = other.lines[1].clone();
        assert_eq!(check(&book, &forged_receipt).unwrap_err().line, 2);
    }

    #[test]
    fn an_entry_rewritten_by_the_box_itself_breaks_the_next() {
        let book = book();
        let mut lines = book.lines.clone();
        let second = match read_unverified(lines[2].as_bytes()).unwrap() {
            Line::Entry(entry) => entry,
            Line::Receipt(_) => panic!("an entry"),
        };
        lines[2] = seal(
            &book.agent,
            Kind::Report,
            &json!({"v":1,"seq":2,"prev":second.prev,"iat":0,"n":"other"}),
        )
        .unwrap()
        .jws;
        assert_eq!(
            check(&book, &lines).unwrap_err(),
            Broken {
                line: 5,
                why: LineError::Prev { seq: 3 }
            }
        );
    }

    #[test]
    fn without_a_hub_key_receipts_are_counted_as_unverified() {
        let book = book();
        let keys = Keys {
            agent: &[book.agent.verifying()],
            hub: &[],
        };
        let walk = verify(book.lines.join("\n").as_bytes(), keys, None).unwrap();
        assert_eq!((walk.receipts, walk.unverified_receipts), (0, 6));
    }

    #[test]
    fn every_byte_of_every_line_counts() {
        let book = book();
        for (number, line) in book.lines.iter().enumerate() {
            for at in 0..line.len() {
                let mut lines = book.lines.clone();
                let mut bytes = line.clone().into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                lines[number] = String::from_utf8(bytes).unwrap();
                assert_eq!(
                    check(&book, &lines).unwrap_err().line,
                    number as u64 + 1,
                    "line {number} byte {at}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let keys = Keys { agent: &[], hub: &[] };
            let _ = verify(&bytes, keys, None);
            let _ = read_unverified(&bytes);
        }
    }
}
