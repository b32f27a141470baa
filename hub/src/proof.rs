//! `verify FILE`: one signed message or a month of a logbook, against the keys that were approved here.
//!
//! The rule is the protocol's own (`logbook`), so that the box and the province call the same files whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use bridgepoint_protocol::envelope::{Kid, Kind, MAX_ENVELOPE, VerifyingKey, open, open_enrolment, peek};
use bridgepoint_protocol::logbook::{Keys, Line, Walk};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::text::{self, Lang};
use serde::Deserialize;

use crate::keyring::{KeyState, RoomKey};
use crate::say::{Exit, Sentence, Trouble, both};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;

/// What was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proved {
    /// A logbook file, or a single entry.
    Logbook {
        /// Whose.
        at: RoomAddress,
        /// What was walked over.
        walk: Box<Walk>,
    },
    /// A single message of another kind.
    Single(Kind),
}

/// Why it is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproved {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: Sentence,
}

/// Verifies a file and prints what was found.
///
/// # Errors
/// [`Trouble`]; exit 1 with the line when it does not hold.
pub fn verify(
    file: &Path,
    store: &Path,
    hub: &[VerifyingKey],
    lang: Lang,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let shown = file.display();
    let unreadable = |e: &std::io::Error| {
        Trouble::no(both(
            format!("Không đọc được {shown}: {e}."),
            format!("{shown} cannot be read: {e}."),
        ))
    };
    let keys = if store.exists() {
        SqliteStore::open_existing(store)?.keys()?
    } else {
        vec![]
    };
    let opened = File::open(file).map_err(|e| unreadable(&e))?;
    let proved = prove(BufReader::new(opened), &keys, hub).map_err(|e| unreadable(&e))?;
    let proved = proved.map_err(|Unproved { line, why }| {
        Trouble::no(both(
            format!("{shown}, dòng {line}: {}.", why.vi),
            format!("{shown}, line {line}: {}.", why.en),
        ))
    })?;
    writeln!(out, "{}", said(&proved).in_lang(lang)).map_err(|e| Trouble::output(&e))?;
    Ok(Exit::Done)
}

/// Verifies lines: one message, or a logbook.
///
/// # Errors
/// Those of reading; the inner error is the first line that does not hold.
pub fn prove(
    mut lines: impl BufRead,
    keys: &[RoomKey],
    hub: &[VerifyingKey],
) -> std::io::Result<Result<Proved, Unproved>> {
    let mut book: Option<Book<'_>> = None;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        number += 1;
        line.clear();
        // A line that is longer than any message is cut here and refused as too large.
        let limit = u64::try_from(MAX_ENVELOPE + 2).unwrap_or(u64::MAX);
        if std::io::Read::take(&mut lines, limit).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let first = number == 1;
        let done = match &mut book {
            _ if first && is_single_kind(text) => {
                return Ok(single(text, keys, hub).map_err(|why| Unproved { line: 1, why }));
            }
            Some(book) => book.step(&line),
            None => Book::open(text, keys, hub).and_then(|mut opened| {
                let done = opened.step(&line);
                book = Some(opened);
                done
            }),
        };
        if let Err(why) = done {
            return Ok(Err(Unproved { line: number, why }));
        }
    }
    Ok(match book {
        Some(Book { at, walk, .. }) => Ok(Proved::Logbook {
            at,
            walk: Box::new(walk),
        }),
        None => Err(Unproved {
            line: 1,
            why: both("tệp rỗng", "the file is empty"),
        }),
    })
}

/// A logbook that is being walked over.
struct Book<'a> {
    at: RoomAddress,
    keys: &'a [RoomKey],
    agent: Vec<VerifyingKey>,
    hub: Vec<VerifyingKey>,
    walk: Walk,
}

impl<'a> Book<'a> {
    /// Whose logbook it is, is said by the key of its first line.
    fn open(line: &[u8], keys: &'a [RoomKey], hub: &[VerifyingKey]) -> Result<Self, Sentence> {
        let opened = peek(line).map_err(|e| envelope(&e))?;
        let at = if opened.kind == Kind::Receipt {
            // A file may begin with the receipt of the month before; the claims name the room, its key is checked
            // with the first entry.
            whose(&opened.payload)?
        } else {
            known(&opened.kid, keys)?.at.clone()
        };
        let agent = keys
            .iter()
            .filter(|k| k.at == at && k.chain > 0)
            .map(|k| k.key)
            .collect();
        Ok(Self {
            at,
            keys,
            agent,
            hub: hub.to_vec(),
            walk: Walk::default(),
        })
    }

    /// Takes a line with its line feed.
    fn step(&mut self, line: &[u8]) -> Result<(), Sentence> {
        let keys = Keys {
            agent: &self.agent,
            hub: &self.hub,
        };
        let found = self
            .walk
            .step_in_file(line, keys)
            .map_err(|e| both(text::line_fault(Lang::Vi, &e), text::line_fault(Lang::En, &e)))?;
        let at = match found {
            Line::Entry(entry) => {
                self.may_sign(line, entry.seq)?;
                whose(&entry.payload)?
            }
            Line::Receipt(receipt) => RoomAddress {
                org: receipt.org,
                room: receipt.room,
            },
        };
        if at == self.at {
            Ok(())
        } else {
            Err(both(
                format!("dòng này của {at}, không phải của {}", self.at),
                format!("this line is {at}'s, not {}'s", self.at),
            ))
        }
    }

    /// Whether the key that has signed this line may sign this number, as far as it is known here. A key that only the
    /// book itself has led to is followed by the book's own rule.
    fn may_sign(&self, line: &[u8], seq: u64) -> Result<(), Sentence> {
        let kid = peek(line.strip_suffix(b"\n").unwrap_or(line))
            .map_err(|e| envelope(&e))?
            .kid;
        let mut rows = self.keys.iter().filter(|k| k.at == self.at && k.kid == kid);
        rows.find_map(|key| beyond(key, seq)).map_or(Ok(()), Err)
    }
}

/// Why a key's entry does not count, though its signature holds; `None` when nothing that is kept of the key says so.
fn beyond(key: &RoomKey, seq: u64) -> Option<Sentence> {
    let fingerprint = key.kid.fingerprint();
    if key.state == KeyState::Revoked && key.chain == 0 {
        return Some(refused(&key.kid));
    }
    // Revoked before numbers were written down: what it had signed until then cannot be told from the rest.
    if key.chain == 0 || key.signs(seq) {
        return None;
    }
    Some(match key.end.filter(|end| *end <= seq) {
        Some(end) if key.state == KeyState::Revoked => both(
            format!("mục {seq} do khóa {fingerprint} ký, khóa này đã bị thu hồi từ mục {end}"),
            format!("entry {seq} is signed by the key {fingerprint}, which is revoked from entry {end} on"),
        ),
        Some(end) => both(
            format!("mục {seq} do khóa {fingerprint} ký, khóa này đã bàn giao trước mục {end}"),
            format!(
                "entry {seq} is signed by the key {fingerprint}, which had handed over before entry {end}"
            ),
        ),
        None => both(
            format!(
                "mục {seq} do khóa {fingerprint} ký, khóa này chỉ được dùng từ mục {}",
                key.from
            ),
            format!(
                "entry {seq} is signed by the key {fingerprint}, which signs from entry {} on",
                key.from
            ),
        ),
    })
}

/// A key that an operator did not want.
fn refused(kid: &Kid) -> Sentence {
    let fingerprint = kid.fingerprint();
    both(
        format!("khóa {fingerprint} đã bị từ chối ở máy chủ này"),
        format!("the key {fingerprint} was refused here"),
    )
}

/// Kinds that are no line of a logbook.
fn is_single_kind(line: &[u8]) -> bool {
    peek(line).is_ok_and(|opened| {
        matches!(
            opened.kind,
            Kind::Enrol | Kind::Plan | Kind::Command | Kind::Line | Kind::HubKey
        )
    })
}

fn single(line: &[u8], keys: &[RoomKey], hub: &[VerifyingKey]) -> Result<Proved, Sentence> {
    let kind = peek(line).map_err(|e| envelope(&e))?.kind;
    let kid = if kind == Kind::Enrol {
        let (opened, _) = open_enrolment(line).map_err(|e| envelope(&e))?;
        known(&opened.kid, keys)?.kid.clone()
    } else {
        open(line, &[kind], |kid| {
            hub.iter().find(|key| key.kid() == *kid).copied()
        })
        .map_err(|e| envelope(&e))?
        .kid
    };
    tracing::debug!(%kid, "verified");
    Ok(Proved::Single(kind))
}

/// A key that was approved here, now or once.
fn known<'a>(kid: &Kid, keys: &'a [RoomKey]) -> Result<&'a RoomKey, Sentence> {
    let of_kid = || keys.iter().filter(|k| k.kid == *kid);
    // One that an operator only refused was never trusted: it has no chain.
    let approved = || of_kid().filter(|k| k.chain > 0);
    approved()
        .find(|k| k.state != KeyState::Revoked)
        .or_else(|| approved().next())
        .ok_or_else(|| {
            if of_kid().any(|k| k.state == KeyState::Revoked) {
                refused(kid)
            } else if of_kid().next().is_some() {
                both(
                    format!("khóa {} đang chờ duyệt", kid.fingerprint()),
                    format!("the key {} waits to be approved", kid.fingerprint()),
                )
            } else {
                both(
                    format!("khóa {kid} không có ở máy chủ này"),
                    format!("the key {kid} is not known here"),
                )
            }
        })
}

fn whose(payload: &[u8]) -> Result<RoomAddress, Sentence> {
    #[derive(Deserialize)]
    struct Whose {
        org: Name,
        room: Name,
    }
    let whose: Whose = serde_json::from_slice(payload).map_err(|e| {
        both(
            format!("không ghi điểm cầu ({e})"),
            format!("it names no room ({e})"),
        )
    })?;
    Ok(RoomAddress {
        org: whose.org,
        room: whose.room,
    })
}

fn envelope(e: &bridgepoint_protocol::envelope::OpenError) -> Sentence {
    both(text::refusal(Lang::Vi, e), text::refusal(Lang::En, e))
}

fn said(proved: &Proved) -> Sentence {
    match proved {
        Proved::Single(kind) => both(format!("Hợp lệ: {}", kind.typ()), format!("Good: {}", kind.typ())),
        Proved::Logbook { at, walk } => {
            let (first, last) = (walk.first.map_or(0, |f| f.0), walk.head.map_or(0, |h| h.0));
            let head = walk.head.map(|h| h.1.to_string()).unwrap_or_default();
            let Walk {
                entries,
                receipts,
                unverified_receipts: open,
                declared,
                ..
            } = &**walk;
            let mut said = both(
                format!(
                    "Hợp lệ: {at}, {entries} mục ({first}–{last}), {receipts} biên nhận. Mã mục cuối: {head}"
                ),
                format!(
                    "Good: {at}, {entries} entries ({first} to {last}), {receipts} receipts. Hash of the last: {head}"
                ),
            );
            if *declared > 0 {
                said.vi += &format!("\nHộp đã khai {declared} mục bị mất; chỗ đó ghi rõ trong sổ.");
                said.en +=
                    &format!("\n{declared} entries are declared missing by the box itself, in the book.");
            }
            if *open > 0 {
                said.vi +=
                    &format!("\n{open} biên nhận chưa xác minh được: thư mục này không có khóa của máy chủ.");
                said.en +=
                    &format!("\n{open} receipts are not verified: this directory has no key of the hub.");
            }
            said
        }
    }
}

#[cfg(test)]
mod tests;
