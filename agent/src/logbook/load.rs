//! Opening: every line is read once, to know the newest entry, what waits for its receipt and what cannot be read.
//!
//! Damaged lines are left as they are and stop nothing. How many numbers they may have used is guessed high: a number that
//! is declared missing though it never was costs nothing, one that is used twice is a fork.

use std::io;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::claims::{ClockState, EntryLink, Receipt};
use bridgepoint_protocol::envelope::Kind;
use bridgepoint_protocol::logbook::{Entry, Line, read_unverified};
use serde::Deserialize;

use super::lines::Lines;
use super::times::Moment;
use super::write::{FULL, OWN_EVENT, ROOM};
use super::{Head, Logbook, LogbookError, Waiting, read};
use crate::disk::Opening;

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
    pub(super) fn load(&mut self) -> Result<(), LogbookError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| LogbookError::Io { path, error }
        };
        let months = read::months_among(self.disk.list(&self.dir).map_err(at(&self.dir))?);
        let mut tail = Tail::default();
        for (place, (month, path)) in (1..).zip(&months) {
            let newest = place == months.len();
            self.load_month(month, path, newest, &mut tail)
                .map_err(at(path))?;
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
        self.leave_out_what_was_changed();
        Ok(())
    }

    pub(super) fn troubled(&mut self, path: &Path, error: &io::Error) {
        tracing::error!(file = %path.display(), %error, "the disk of the logbook fails");
        self.trouble = Some(error.to_string());
        self.owed.trouble = true;
    }

    /// A month. Of the newest the end is put right: what a power cut left of a line that was never told to anybody is
    /// removed, and what is read is made durable, for it will be told.
    ///
    /// What has no line feed was never finished. In a last line with bytes of zero not all blocks have arrived. Nobody was
    /// told of either; should a block have been lost that was there, its number is not used again. Bytes that nobody wrote
    /// are damage and stay, even without a line feed.
    fn load_month(&mut self, month: &str, path: &Path, newest: bool, tail: &mut Tail) -> io::Result<()> {
        let mut lines = match Lines::open(&*self.disk, path) {
            Ok(lines) => lines,
            Err(error) => {
                self.troubled(path, &error);
                Lines::open(&*self.disk, path)?
            }
        };
        let (mut number, mut end, mut torn_from) = (0_u64, 0, None);
        let mut ragged = false;
        while let Some(line) = lines.next() {
            number += 1;
            end = line.end();
            if newest && line.is_unfinished() {
                torn_from.get_or_insert(line.offset);
                tail.unread += if line.has_zeros() { line.numbers() } else { 0 };
                continue;
            }
            ragged = !line.ended;
            if line.has_zeros() && line.ended {
                torn_from.get_or_insert(line.offset);
            } else {
                torn_from = None;
            }
            let read = if newest {
                self.own.read(line.text)
            } else {
                read_unverified(line.text)
            };
            match read {
                Ok(Line::Entry(entry)) => {
                    if self.take_entry(month, (path, line.offset, line.text.len()), &entry) {
                        tail.unread = 0;
                    }
                }
                Ok(Line::Receipt(receipt)) => {
                    tail.receipted = tail.receipted.max(receipt.seq.unwrap_or(0));
                    self.take_receipt(&receipt);
                }
                Err(why) => {
                    tracing::error!(file = %path.display(), line = number, %why, "a line of the logbook cannot be read");
                    tail.unread += line.numbers();
                }
            }
        }
        if let Some(error) = lines.failed {
            self.troubled(path, &error);
        }
        if newest {
            // The next entry begins on a line of its own.
            self.ragged = ragged.then(|| path.to_owned());
            let whole = torn_from.unwrap_or(end);
            if let Err(error) = self.put_end_right(path, whole, end - whole) {
                // Nothing is written behind it before that was done.
                self.doubtful = Some((path.to_owned(), whole));
                self.troubled(path, &error);
            }
        }
        Ok(())
    }

    fn put_end_right(&self, path: &Path, whole: u64, torn: u64) -> io::Result<()> {
        let mut file = self.disk.open(path, Opening::There)?;
        if torn > 0 {
            file.set_length(whole)?;
            tracing::warn!(file = %path.display(), bytes = torn, "the last line was cut off, by a power cut as it seems; it was removed");
        }
        file.sync()
    }

    /// What waits from older months is verified too, before it is sent.
    fn leave_out_what_was_changed(&mut self) {
        let older = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.month != self.month);
        let older: Vec<u64> = older.map(|(seq, _)| *seq).collect();
        for seq in older {
            // One that is not read now is judged when it is sent.
            if let Ok(Some(out)) = self.outgoing(seq)
                && let Err(why) = self.own.read(out.jws.as_bytes())
            {
                tracing::error!(entry = seq, %why, "an entry of the logbook was changed and is not sent");
                self.waiting.remove(&seq);
            }
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
