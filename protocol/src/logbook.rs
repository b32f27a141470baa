//! A logbook file, line by line: what is in it, and whether the chain holds (contract, "Envelope and logbook").
//!
//! Pure: lines are handed in. The agent uses it over its directory, and both programs' `verify FILE` over
//! one file, so that what the box calls broken and what the province calls broken is one rule: [`Walk`].

use serde::Deserialize;

use crate::claims::{Gap, Receipt, Witness};
use crate::envelope::{EntryHash, Kind, OpenError, Opened, VerifyingKey, peek};

#[cfg(test)]
mod book;
#[cfg(test)]
mod changes;
mod signers;
#[cfg(test)]
mod tests;
mod walk;

pub use walk::{LineError, Walk};

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
    /// The box's keys: entries. From these on, the keys are followed that they hand over to.
    pub agent: &'a [VerifyingKey],
    /// The hub's keys: receipts. Receipts by other keys are refused.
    pub hub: &'a [VerifyingKey],
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

/// Verifies a whole file: lines in order, each with its line feed; at the last one it may be missing.
///
/// # Errors
/// [`Broken`] with the exact line and what is wrong with it.
pub fn verify(text: &[u8], keys: Keys<'_>, head: Option<(u64, EntryHash)>) -> Result<Walk, Broken> {
    let mut walk = Walk::after(head);
    for (number, line) in (1_u64..).zip(text.split_inclusive(|b| *b == b'\n')) {
        walk.step_in_file(line, keys)
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
    match opened.kind {
        Kind::Receipt => Ok(Line::Receipt(opened.claims()?)),
        kind if Kind::NUMBERED.contains(&kind) => Ok(Line::Entry(entry_of(opened)?.0)),
        kind => Err(stranger(kind)),
    }
}

/// A kind that no line of a logbook has.
fn stranger(kind: Kind) -> OpenError {
    OpenError::WrongKind {
        typ: kind.typ().to_owned(),
    }
}

/// The entry, and which receipted entry it commits to.
fn entry_of(opened: Opened) -> Result<(Entry, Option<Witness>), OpenError> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
        prev: EntryHash,
        iat: i64,
        #[serde(default)]
        witness: Option<Witness>,
    }
    let numbered: Numbered = opened.claims()?;
    let entry = Entry {
        kind: opened.kind,
        seq: numbered.seq,
        prev: numbered.prev,
        iat: numbered.iat,
        hash: opened.hash,
        payload: opened.payload,
    };
    Ok((entry, numbered.witness))
}

/// What a gap entry declares missing, when it says so of numbers before its own.
fn declared(entry: &Entry) -> Option<std::ops::RangeInclusive<u64>> {
    let gap: Gap = serde_json::from_slice(&entry.payload).ok()?;
    gap.declared()
}
