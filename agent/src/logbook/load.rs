//! Opening: every line is read once, to know the newest entry, what waits for its receipt and what cannot be read.
//!
//! Damaged lines are left as they are and stop nothing. How many numbers they may have used is guessed high: a number that
//! is declared missing though it never was costs nothing, one that is used twice is a fork.

use std::io;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::claims::{ClockState, EntryLink, Receipt};
use bridgepoint_protocol::envelope::{Kind, OpenError, VerifyingKey, open};
use bridgepoint_protocol::logbook::{Entry, Line, read_unverified};
use serde::Deserialize;

use super::times::Moment;
use super::write::{FULL, OWN_EVENT, ROOM};
use super::{Head, Logbook, LogbookError, Waiting, read};
use crate::disk::Opening;

/// A disk is read in pieces of this size where it does not give a whole file.
const PIECE: usize = 4096;
/// What stands for a piece that cannot be read: no envelope has it, and it ends no line.
const UNREAD: u8 = 0xff;
/// No entry is shorter.
const SHORTEST_ENTRY: usize = 300;

/// What was met after the newest entry that can be read.
#[derive(Debug, Default)]
struct Tail {
    /// Numbers that unreadable lines may have used.
    unread: u64,
    /// The greatest number that a receipt names.
    receipted: u64,
}

impl Logbook {
    /// Reads everything. Of the newest month the box's own signatures are verified: an entry that was changed on the disk must
    /// not be what the next one names.
    pub(super) fn load(&mut self, own: &VerifyingKey) -> Result<(), LogbookError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| LogbookError::Io { path, error }
        };
        let months = read::months_among(self.disk.list(&self.dir).map_err(at(&self.dir))?);
        let mut tail = Tail::default();
        for (place, (month, path)) in (1..).zip(&months) {
            let newest = place == months.len();
            let (text, unfinished) = self.text_of(path, newest).map_err(at(path))?;
            self.take_text(month, path, &text, own_of(newest, own), &mut tail);
            tail.unread += unfinished;
            month.clone_into(&mut self.month);
        }
        // An earlier life of the program may have ended before it had made the newest name durable.
        if !months.is_empty() {
            match self.disk.sync_dir(&self.dir) {
                Ok(()) => self.named = Some(self.month.clone()),
                Err(error) => self.troubled(&self.dir.clone(), &error),
            }
        }
        if !self.month.is_empty() {
            self.room.has_it(self.path(&self.month));
        }
        let head = self.head.as_ref().map_or(0, |head| head.seq);
        self.owed.damaged = tail.unread.max(tail.receipted.saturating_sub(head));
        Ok(())
    }

    pub(super) fn troubled(&mut self, path: &Path, error: &io::Error) {
        tracing::error!(file = %path.display(), %error, "the disk of the logbook fails");
        self.trouble = Some(error.to_string());
        self.owed.trouble = true;
    }

    /// The text of a month. Of the newest the end is put right first: what a power cut left of a line that was never told
    /// to anybody is removed, and what is read is made durable, for it will be told. With it the numbers that what was removed
    /// may have used.
    fn text_of(&mut self, path: &Path, newest: bool) -> io::Result<(Vec<u8>, u64)> {
        let mut text = match self.disk.read(path) {
            Ok(text) => text,
            Err(error) => {
                self.troubled(path, &error);
                self.salvage(path)?
            }
        };
        if !newest {
            return Ok((text, 0));
        }
        let (mut whole, used) = whole_lines(&text);
        let torn = text.len() - whole;
        text.truncate(whole);
        if !text.is_empty() && !text.ends_with(b"\n") {
            // Damage at the very end stays, and the next entry begins on a line of its own.
            self.disk.open(path, Opening::There)?.append(b"\n")?;
            text.push(b'\n');
            whole += 1;
        }
        if let Err(error) = self.put_end_right(path, whole as u64, torn) {
            // Nothing is written behind it before that was done.
            self.doubtful = Some((path.to_owned(), whole as u64));
            self.troubled(path, &error);
        }
        Ok((text, used))
    }

    fn put_end_right(&self, path: &Path, whole: u64, torn: usize) -> io::Result<()> {
        let mut file = self.disk.open(path, Opening::There)?;
        if torn > 0 {
            file.set_length(whole)?;
            tracing::warn!(file = %path.display(), bytes = torn, "the last line was cut off, by a power cut as it seems; it was removed");
        }
        file.sync()
    }

    /// What can be read of a file that is not read as a whole.
    fn salvage(&self, path: &Path) -> io::Result<Vec<u8>> {
        let length = self.disk.open(path, Opening::There)?.length()?;
        let mut text = Vec::new();
        let mut offset = 0;
        while offset < length {
            let size = usize::try_from(length - offset).map_or(PIECE, |rest| rest.min(PIECE));
            match self.disk.read_at(path, offset, size) {
                Ok(piece) => text.extend(piece),
                Err(_) => text.resize(text.len() + size, UNREAD),
            }
            offset += size as u64;
        }
        Ok(text)
    }

    fn take_text(
        &mut self,
        month: &str,
        path: &Path,
        text: &[u8],
        own: Option<&VerifyingKey>,
        tail: &mut Tail,
    ) {
        let mut offset = 0_u64;
        for (number, line) in (1_u64..).zip(text.split_inclusive(|b| *b == b'\n')) {
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            match read_own(body, own) {
                Ok(Line::Entry(entry)) => {
                    if self.take_entry(month, (path, offset, body.len()), &entry) {
                        tail.unread = 0;
                    }
                }
                Ok(Line::Receipt(receipt)) => {
                    tail.receipted = tail.receipted.max(receipt.seq.unwrap_or(0));
                    self.take_receipt(&receipt);
                }
                Err(why) => {
                    tracing::error!(file = %path.display(), line = number, %why, "a line of the logbook cannot be read");
                    tail.unread += numbers_in(body);
                }
            }
            offset += line.len() as u64;
        }
    }

    /// False when it does not come after the newest one: an old line in a new place.
    fn take_entry(
        &mut self,
        month: &str,
        (path, offset, length): (&Path, u64, usize),
        entry: &Entry,
    ) -> bool {
        if self.head.as_ref().is_some_and(|head| entry.seq <= head.seq) {
            tracing::error!(file = %path.display(), seq = entry.seq, "an entry of the logbook stands where it does not belong");
            return false;
        }
        if let Ok(link) = serde_json::from_slice::<EntryLink>(&entry.payload) {
            self.times.take(Moment {
                boot: link.boot,
                wall_ms: link.iat.saturating_mul(1000),
                mono_ms: link.mono_ms,
                clk: link.clk.or(ClockState::Unsynced),
            });
        }
        self.take_what_it_says(entry);
        self.head = Some(Head {
            seq: entry.seq,
            hash: entry.hash,
            path: PathBuf::from(path),
            offset,
            length,
        });
        self.waiting.insert(
            entry.seq,
            Waiting {
                kind: entry.kind,
                hash: entry.hash,
                month: month.to_owned(),
                offset,
                length,
            },
        );
        true
    }

    /// Gaps and what the logbook said of itself.
    fn take_what_it_says(&mut self, entry: &Entry) {
        #[derive(Deserialize)]
        struct Declared {
            from: u64,
            to: u64,
        }
        #[derive(Deserialize)]
        struct Own {
            kind: String,
            code: String,
        }
        match entry.kind {
            Kind::Gap => {
                if let Ok(gap) = serde_json::from_slice::<Declared>(&entry.payload) {
                    self.declared.push((gap.from, gap.to, entry.seq));
                }
            }
            Kind::Event => match serde_json::from_slice::<Own>(&entry.payload) {
                Ok(own) if own.kind == OWN_EVENT && own.code == FULL => self.room.was_given_away(),
                Ok(own) if own.kind == OWN_EVENT && own.code == ROOM => self.room.was_made_again(),
                _ => {}
            },
            _ => {}
        }
    }

    fn take_receipt(&mut self, receipt: &Receipt) {
        if receipt.nonce.is_some() {
            self.nonce.clone_from(&receipt.nonce);
            self.receipted_ms = self.receipted_ms.max(Some(receipt.received_ms));
        }
        if let Some(seq) = receipt.seq
            && self
                .waiting
                .get(&seq)
                .is_some_and(|waiting| waiting.hash == receipt.hash)
        {
            self.waiting.remove(&seq);
            self.witnessed(seq, receipt.hash);
        }
    }
}

fn own_of(newest: bool, own: &VerifyingKey) -> Option<&VerifyingKey> {
    newest.then_some(own)
}

/// A line; with `own` the signature of an entry that this key has signed is verified too.
fn read_own(line: &[u8], own: Option<&VerifyingKey>) -> Result<Line, OpenError> {
    let read = read_unverified(line)?;
    if let (Line::Entry(entry), Some(own)) = (&read, own) {
        let kid = own.kid();
        match open(line, &[entry.kind], |said| (*said == kid).then_some(*own)) {
            // Signed by a key that the box had before.
            Ok(_) | Err(OpenError::UnknownKey(_)) => {}
            Err(why) => return Err(why),
        }
    }
    Ok(read)
}

/// How much of a file's text is whole lines, and how many numbers the lines that are left out may have used.
///
/// What has no line feed was never finished. In a last line with bytes of zero not all blocks have arrived. Nobody was told of
/// either; should a block have been lost that was there, its number is not used again. Bytes that nobody wrote are damage
/// and stay, even without a line feed.
fn whole_lines(text: &[u8]) -> (usize, u64) {
    let mut whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let mut used = 0;
    let rest = text.get(whole..).unwrap_or_default();
    if rest.iter().any(|b| *b != 0 && !b.is_ascii_graphic()) {
        return (text.len(), 0);
    }
    if rest.contains(&0) {
        used += numbers_in(rest);
    }
    while let Some(body) = text.get(..whole.saturating_sub(1)).filter(|_| whole > 0) {
        let begin = body.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = body.get(begin..).unwrap_or_default();
        if !line.contains(&0) {
            break;
        }
        used += numbers_in(line);
        whole = begin;
    }
    (whole, used)
}

/// How many entries a line that cannot be read may have been: the line feed between two may be what is damaged.
fn numbers_in(line: &[u8]) -> u64 {
    let dots = line.iter().filter(|b| **b == b'.').count();
    let strange = line.iter().filter(|b| !b.is_ascii_graphic()).count();
    (dots.div_ceil(2) + strange / SHORTEST_ENTRY).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_never_finished_is_left_out() {
        assert_eq!(whole_lines(b"a.b.c\nd.e"), (6, 0));
        assert_eq!(whole_lines(b"a.b.c\nd\0\0\n"), (6, 1));
        assert_eq!(whole_lines(b"a.b.c\nd\0\0\nx"), (6, 1));
        assert_eq!(whole_lines(b"\0\n"), (0, 1));
        assert_eq!(whole_lines(b"a.b.c\nd?e\n"), (10, 0), "damage stays where it is");
        assert_eq!(whole_lines(b"a.b.c\nd\0"), (6, 1));
        assert_eq!(whole_lines(b"a.b.c\nd\xff"), (8, 0), "and so does this");
        assert_eq!(whole_lines(b""), (0, 0));
    }

    #[test]
    fn two_lines_that_have_grown_together_have_used_two_numbers() {
        assert_eq!(numbers_in(b"aa.bb.cc?aa.bb.cc"), 2);
        assert_eq!(numbers_in(b"?"), 1);
        assert_eq!(numbers_in(&[UNREAD; 4096]), 13);
    }

    proptest! {
        #[test]
        fn any_text_is_cut_at_a_line(text in prop::collection::vec(prop_oneof![Just(b'\n'), Just(0), any::<u8>()], 0..200)) {
            let (whole, _) = whole_lines(&text);
            prop_assert!(whole == 0 || whole == text.len() || text[whole - 1] == b'\n');
        }
    }
}
