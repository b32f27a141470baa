//! The walk over a logbook's lines: signature, number, predecessor, receipt, and what each entry commits to.
//!
//! What it keeps is bounded: number and hash of each entry, and whether a receipt stood beside it.

use serde::Deserialize;

use super::signers::Signers;
use super::{Entry, Keys, Line, declared, entry_of, stranger};
use crate::claims::{Event, Receipt, Witness};
use crate::envelope::{EntryHash, Kind, OpenError, Unopened, VerifyingKey, peek};
use crate::rotation;

/// The state of a walk over lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walk {
    /// Entries read.
    pub entries: u64,
    /// Receipts read and verified.
    pub receipts: u64,
    /// Receipts that no given key verifies. Only when no hub key is known at all.
    pub unverified_receipts: u64,
    /// Numbers that gap entries have declared missing where they would stand.
    pub declared: u64,
    /// Number and hash of the first entry read.
    pub first: Option<(u64, EntryHash)>,
    /// Number and hash of the newest entry.
    pub head: Option<(u64, EntryHash)>,
    /// What was passed, in ascending order of the numbers.
    passed: Vec<Passed>,
    signers: Box<Signers>,
}

/// An entry that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Passed {
    seq: u64,
    hash: EntryHash,
    /// Whether a receipt for it stood beside it.
    receipted: bool,
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
    /// It is signed by a key that has handed over to one that has signed since.
    #[error("entry {seq} is signed by a key that had been replaced")]
    FormerKey {
        /// Its number.
        seq: u64,
    },
    /// A receipt for an entry that does not stand before it.
    #[error("the receipt is for entry {seq}, which does not stand before it")]
    ReceiptAlone {
        /// The entry's number.
        seq: u64,
    },
    /// A receipt for another text than the entry's.
    #[error("the receipt is not for the entry {seq} that stands here")]
    ReceiptOther {
        /// The entry's number.
        seq: u64,
    },
    /// It commits to a receipt that is not there.
    #[error("entry {seq} names the receipt for entry {named}, which does not stand before it")]
    WitnessGone {
        /// Its number.
        seq: u64,
        /// The number of the receipted entry.
        named: u64,
    },
    /// It commits to another text than the entry's.
    #[error("entry {seq} names another entry {named} than the one that stands here")]
    WitnessOther {
        /// Its number.
        seq: u64,
        /// The number of the receipted entry.
        named: u64,
    },
    /// The file ends in the middle of a line.
    #[error("the line is cut off (a power cut while it was written)")]
    CutOff,
}

/// Where a number stands in what was passed.
enum Place {
    /// Before the first that is known: nothing can be said of it.
    Before,
    /// There.
    Here(usize),
    /// Not there, though others around it are.
    Nowhere,
}

impl Walk {
    /// Continues a chain that ended with `head` (number and hash), e.g. at the end of the month before.
    #[must_use]
    pub fn after(head: Option<(u64, EntryHash)>) -> Self {
        let passed = head.map(|(seq, hash)| Passed {
            seq,
            hash,
            // Its receipt may stand in what was read before.
            receipted: true,
        });
        Self {
            head,
            passed: passed.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes one line (without its line feed): verifies it and its place.
    ///
    /// # Errors
    /// [`LineError`] with what is wrong; the walk is then not to be continued.
    pub fn step(&mut self, line: &[u8], keys: Keys<'_>) -> Result<Line, LineError> {
        let unopened = Unopened::read(line)?;
        match unopened.kind() {
            Kind::Receipt => self.receipt(line, unopened, keys.hub).map(Line::Receipt),
            kind if Kind::NUMBERED.contains(&kind) => self.entry(unopened, keys.agent).map(Line::Entry),
            kind => Err(stranger(kind).into()),
        }
    }

    /// Takes one line of a file as it stands there. Only the last one can lack its line feed; when that one does not
    /// hold, it is because it was cut off.
    ///
    /// # Errors
    /// As [`Self::step`], and [`LineError::CutOff`].
    pub fn step_in_file(&mut self, line: &[u8], keys: Keys<'_>) -> Result<Line, LineError> {
        if let Some(whole) = line.strip_suffix(b"\n") {
            return self.step(whole, keys);
        }
        self.step(line, keys).map_err(|why| match why {
            LineError::Envelope(OpenError::Malformed | OpenError::Forged) => LineError::CutOff,
            other => other,
        })
    }

    fn receipt(
        &mut self,
        line: &[u8],
        unopened: Unopened<'_>,
        hub: &[VerifyingKey],
    ) -> Result<Receipt, LineError> {
        let verified = !hub.is_empty();
        let opened = if verified {
            let key = hub.iter().find(|key| key.kid() == *unopened.kid());
            let key = *key.ok_or_else(|| OpenError::UnknownKey(unopened.kid().clone()))?;
            unopened.open(&key)?
        } else {
            peek(line)?
        };
        let receipt: Receipt = opened.claims()?;
        let Some(seq) = receipt.seq else {
            return Err(OpenError::Claims("this receipt is for no entry".into()).into());
        };
        match self.place(seq) {
            Place::Before => {}
            Place::Here(at) => match self.passed.get_mut(at) {
                Some(passed) if passed.hash == receipt.hash => passed.receipted = true,
                _ => return Err(LineError::ReceiptOther { seq }),
            },
            Place::Nowhere => return Err(LineError::ReceiptAlone { seq }),
        }
        if verified {
            self.receipts += 1;
        } else {
            self.unverified_receipts += 1;
        }
        Ok(receipt)
    }

    fn entry(&mut self, unopened: Unopened<'_>, anchors: &[VerifyingKey]) -> Result<Entry, LineError> {
        let kid = unopened.kid().clone();
        let key = self.signers.key(&kid, anchors);
        let key = key.ok_or_else(|| OpenError::UnknownKey(kid.clone()))?;
        let (entry, witness) = entry_of(unopened.open(&key)?)?;
        let skipped = self.follows(&entry)?;
        if self.signers.has_gone(&kid) {
            return Err(LineError::FormerKey { seq: entry.seq });
        }
        if let Some(witness) = witness {
            self.commits(entry.seq, &witness)?;
        }
        self.signers.signed(&kid, key);
        if let Some(event) = handover(&entry) {
            self.signers.heard(&event, &kid);
        }
        self.entries += 1;
        self.declared += skipped;
        self.first.get_or_insert((entry.seq, entry.hash));
        self.head = Some((entry.seq, entry.hash));
        self.passed.push(Passed {
            seq: entry.seq,
            hash: entry.hash,
            receipted: false,
        });
        Ok(entry)
    }

    /// Whether the entry stands where it belongs; the numbers that it declares missing before it.
    fn follows(&self, entry: &Entry) -> Result<u64, LineError> {
        let seq = entry.seq;
        let declared = (entry.kind == Kind::Gap).then(|| declared(entry)).flatten();
        // A gap entry that stands directly after what it declares follows the last one that is there.
        let before = crate::chain::follows(seq, declared.as_ref());
        let prev = match self.head {
            Some((head, hash)) if head == before => Some(hash),
            Some((head, _)) => {
                return Err(LineError::Sequence {
                    expected: head.saturating_add(1),
                    found: seq,
                });
            }
            // The file may begin anywhere (a later month); what follows nothing says so.
            None => (before == 0).then_some(EntryHash::ZERO),
        };
        if seq == 0 || prev.is_some_and(|prev| prev != entry.prev) {
            return Err(LineError::Prev { seq });
        }
        Ok(seq - before - 1)
    }

    /// Whether what the entry commits to stands before it, with its receipt.
    fn commits(&self, seq: u64, witness: &Witness) -> Result<(), LineError> {
        let named = witness.seq;
        match self.place(named) {
            Place::Before => Ok(()),
            Place::Nowhere => Err(LineError::WitnessGone { seq, named }),
            Place::Here(at) => match self.passed.get(at) {
                Some(passed) if passed.hash != witness.hash => Err(LineError::WitnessOther { seq, named }),
                Some(passed) if passed.receipted => Ok(()),
                _ => Err(LineError::WitnessGone { seq, named }),
            },
        }
    }

    fn place(&self, seq: u64) -> Place {
        if self.passed.first().is_none_or(|first| seq < first.seq) {
            return Place::Before;
        }
        self.passed
            .binary_search_by_key(&seq, |passed| passed.seq)
            .map_or(Place::Nowhere, Place::Here)
    }
}

/// The event, when it is one by which the box's key hands over.
fn handover(entry: &Entry) -> Option<Event> {
    #[derive(Deserialize)]
    struct Coded {
        kind: String,
        code: String,
    }
    if entry.kind != Kind::Event {
        return None;
    }
    let coded: Coded = serde_json::from_slice(&entry.payload).ok()?;
    (coded.kind == rotation::KEY_EVENT && coded.code == rotation::ROTATED)
        .then(|| serde_json::from_slice(&entry.payload).ok())
        .flatten()
}
