//! The logbook on disk: signed entries in a chain, one a line, receipts beside them, a file a month.
//!
//! An entry is on the disk (fdatasync) before anybody hears of it. The outbox is not a second copy: it is
//! the entries that no receipt stands beside, so that nothing can be in one and not in the other.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::claims::{ClockState, EntryLink, Receipt, Witness};
use bridgepoint_protocol::envelope::{EntryHash, Kind, SealError, Sealed, SigningKey, seal};
use bridgepoint_protocol::logbook::{Line, read_unverified};
use serde::Serialize;

pub(crate) use read::{
    BookBroken, Found, Listed, each_report, last_full_report, list, runs_for, texts, verify,
};

use crate::said::{Said, Say};
use crate::state::{create_dir, sync_dir};

/// The moment of an entry, as the box knows it.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    /// Wall clock, UTC milliseconds.
    pub(crate) wall_ms: i64,
    /// Since boot, milliseconds.
    pub(crate) mono_ms: u64,
    /// The boot, 32 hex digits.
    pub(crate) boot: String,
    /// How far the wall clock can be believed, before a step is looked for.
    pub(crate) clock: ClockState,
}

/// Why an entry could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogbookError {
    /// The disk refused.
    #[error(
        "the logbook {path} cannot be written ({error}); free space on its disk or check it, nothing that stands in it is lost"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The entry cannot be sealed.
    #[error("the entry cannot be signed: {0}")]
    Seal(#[from] SealError),
    /// A line of the logbook cannot be read.
    #[error(
        "the logbook {path} is broken at line {line} ({why}); do not delete it: run \"bridgepoint-agent logbook verify\" and tell the province"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

impl Say for LogbookError {
    fn said(&self) -> Said {
        match self {
            Self::Io { path, error } => Said::new("error-logbook").on(path).because(error),
            Self::Seal(error) => Said::new("error-program").because(error),
            Self::Broken { path, line, why } => read::broken(&path.display().to_string(), *line, why),
        }
    }
}

/// An entry that the hub has not receipted yet, and where it stands.
#[derive(Debug, Clone)]
struct Waiting {
    kind: Kind,
    hash: EntryHash,
    month: String,
    offset: u64,
    length: usize,
}

/// An entry that waits for its receipt, with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its hash.
    pub(crate) hash: EntryHash,
    /// The envelope.
    pub(crate) jws: String,
}

/// The open logbook. The state directory must be locked.
#[derive(Debug)]
pub(crate) struct Logbook {
    dir: PathBuf,
    head: Option<Head>,
    month: String,
    witness: Option<Witness>,
    nonce: Option<String>,
    /// When the newest receipt that stands here was made, UTC milliseconds by the hub's clock.
    receipted_ms: Option<i64>,
    waiting: BTreeMap<u64, Waiting>,
    /// Set when a write failed: the file is cut back to its last whole line before the next one.
    doubtful: bool,
}

#[derive(Debug, Clone)]
struct Head {
    seq: u64,
    hash: EntryHash,
    moment: Option<Moment>,
}

/// When the newest entry was signed, to see a clock that jumped since.
#[derive(Debug, Clone)]
struct Moment {
    boot: String,
    wall_ms: i64,
    mono_ms: u64,
}

/// A wall clock that moved this much against the monotonic one was set by a jump.
const STEP_MS: i64 = 5_000;

impl Logbook {
    /// Opens the logbook in `dir`, creating it where it is missing. A last line that was cut off by a power
    /// cut is removed: it was never told to anybody. A damaged line with whole entries after it stays where it is:
    /// the chain goes on after the newest, and verification tells of the damage.
    ///
    /// # Errors
    /// [`LogbookError`], also when the newest entry cannot be read: a chain that nobody knows the end of is not
    /// written on.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, LogbookError> {
        create_dir(&dir).map_err(|error| LogbookError::Io {
            path: dir.clone(),
            error,
        })?;
        let mut book = Self {
            dir,
            head: None,
            month: String::new(),
            witness: None,
            nonce: None,
            receipted_ms: None,
            waiting: BTreeMap::new(),
            doubtful: false,
        };
        let mut unread = None;
        for (month, path) in read::months(&book.dir).map_err(|error| LogbookError::Io {
            path: book.dir.clone(),
            error,
        })? {
            book.load(&month, &path, &mut unread)?;
            book.month = month;
        }
        book.settle()?;
        match unread {
            // The next entry would have to name it.
            Some(newest) => Err(newest),
            None => Ok(book),
        }
    }

    /// Makes durable what was read: a program that was killed may have left lines and names that it had not synced, and from
    /// now on they are told to others.
    fn settle(&self) -> Result<(), LogbookError> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |error| LogbookError::Io { path, error }
        };
        let newest = self.path(&self.month);
        if newest.exists() {
            File::open(&newest)
                .and_then(|file| file.sync_all())
                .map_err(fault(&newest))?;
        }
        sync_dir(&self.dir).map_err(fault(&self.dir))?;
        // The logbook's own name, and the key's beside it.
        match self.dir.parent() {
            Some(state) => sync_dir(state).map_err(fault(state)),
            None => Ok(()),
        }
    }

    /// Number and hash of the newest entry.
    pub(crate) fn head(&self) -> Option<(u64, EntryHash)> {
        self.head.as_ref().map(|head| (head.seq, head.hash))
    }

    /// Signs and keeps an entry: on the disk when this returns.
    ///
    /// # Errors
    /// [`LogbookError`]; the entry is then not in the logbook and its number is not used up.
    pub(crate) fn append<C: Serialize>(
        &mut self,
        key: &SigningKey,
        kind: Kind,
        stamp: &Stamp,
        claims: impl FnOnce(EntryLink) -> C,
    ) -> Result<(u64, Sealed), LogbookError> {
        let (seq, prev) = self
            .head
            .as_ref()
            .map_or((1, EntryHash::ZERO), |head| (head.seq + 1, head.hash));
        let link = EntryLink {
            boot: stamp.boot.clone(),
            seq,
            prev,
            witness: self.witness.clone(),
            nonce: self.nonce.clone(),
            iat: stamp.wall_ms.div_euclid(1000),
            mono_ms: stamp.mono_ms,
            clk: self.clock_state(stamp).into(),
        };
        let sealed = seal(key, kind, &claims(link))?;
        let month = self.month_for(stamp.wall_ms);
        let offset = self.write_line(&month, &sealed.jws)?;
        self.head = Some(Head {
            seq,
            hash: sealed.hash,
            moment: Some(Moment {
                boot: stamp.boot.clone(),
                wall_ms: stamp.wall_ms,
                mono_ms: stamp.mono_ms,
            }),
        });
        self.waiting.insert(
            seq,
            Waiting {
                kind,
                hash: sealed.hash,
                month,
                offset,
                length: sealed.jws.len(),
            },
        );
        Ok((seq, sealed))
    }

    /// Keeps a receipt whose signature was verified. Only this takes an entry out of the outbox.
    /// Gives false when it is for no waiting entry (a repetition).
    ///
    /// # Errors
    /// [`LogbookError`]; the entry then stays in the outbox.
    pub(crate) fn receipt(&mut self, jws: &str, receipt: &Receipt) -> Result<bool, LogbookError> {
        if receipt.nonce.is_some() {
            self.nonce.clone_from(&receipt.nonce);
        }
        let Some(seq) = receipt.seq else { return Ok(false) };
        if self
            .waiting
            .get(&seq)
            .is_none_or(|waiting| waiting.hash != receipt.hash)
        {
            return Ok(false);
        }
        let month = self.month.clone();
        self.write_line(&month, jws)?;
        self.waiting.remove(&seq);
        self.witnessed(seq, receipt.hash);
        Ok(true)
    }

    /// A challenge that was kept elsewhere, and when it was issued, UTC milliseconds by the hub's clock: for the next
    /// entries, unless a receipt came after it.
    pub(crate) fn kept_challenge(&mut self, nonce: &str, issued_ms: i64) {
        if self.receipted_ms.is_none_or(|at_ms| at_ms < issued_ms) {
            self.nonce = Some(nonce.to_owned());
        }
    }

    /// The hub's latest challenge, for the next entries.
    pub(crate) fn challenge(&mut self, nonce: String) {
        self.nonce = Some(nonce);
    }

    /// How many entries wait for a receipt.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether an entry waits for its receipt.
    pub(crate) fn is_waiting(&self, seq: u64) -> bool {
        self.waiting.contains_key(&seq)
    }

    /// Numbers of the waiting entries: the newest first, for it is the one that is looked at, then the
    /// others from the oldest on.
    pub(crate) fn outbox(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.waiting.keys().copied().collect();
        if let Some(newest) = all.pop() {
            all.insert(0, newest);
        }
        all
    }

    /// A waiting entry with its text.
    ///
    /// # Errors
    /// [`LogbookError`] when its file cannot be read.
    pub(crate) fn outgoing(&self, seq: u64) -> Result<Option<Outgoing>, LogbookError> {
        let Some(waiting) = self.waiting.get(&seq) else {
            return Ok(None);
        };
        let path = self.path(&waiting.month);
        let read = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(waiting.offset))?;
            let mut text = vec![0; waiting.length];
            file.read_exact(&mut text)?;
            String::from_utf8(text).map_err(io::Error::other)
        };
        let jws = read().map_err(|error| LogbookError::Io {
            path: path.clone(),
            error,
        })?;
        Ok(Some(Outgoing {
            kind: waiting.kind,
            hash: waiting.hash,
            jws,
        }))
    }

    fn path(&self, month: &str) -> PathBuf {
        self.dir.join(format!("{month}.log"))
    }

    /// The month of an entry, never before the newest file's: a clock that went back opens no old month.
    fn month_for(&self, wall_ms: i64) -> String {
        let month = read::month_of(wall_ms);
        if month < self.month {
            self.month.clone()
        } else {
            month
        }
    }

    fn clock_state(&self, stamp: &Stamp) -> ClockState {
        let Some(moment) = self.head.as_ref().and_then(|head| head.moment.as_ref()) else {
            return stamp.clock;
        };
        if moment.boot != stamp.boot {
            return stamp.clock;
        }
        let wall = stamp.wall_ms.saturating_sub(moment.wall_ms);
        let mono = i64::try_from(stamp.mono_ms).unwrap_or(i64::MAX)
            - i64::try_from(moment.mono_ms).unwrap_or(i64::MAX);
        if wall.saturating_sub(mono).abs() > STEP_MS {
            ClockState::Stepped
        } else {
            stamp.clock
        }
    }

    fn witnessed(&mut self, seq: u64, hash: EntryHash) {
        if self.witness.as_ref().is_none_or(|witness| witness.seq < seq) {
            self.witness = Some(Witness { seq, hash });
        }
    }

    /// Writes one line at the end of a month's file and makes it durable. Gives the offset where it begins.
    fn write_line(&mut self, month: &str, jws: &str) -> Result<u64, LogbookError> {
        let path = self.path(month);
        let mut line = Vec::with_capacity(jws.len() + 1);
        line.extend_from_slice(jws.as_bytes());
        line.push(b'\n');
        let fault = |error| LogbookError::Io {
            path: path.clone(),
            error,
        };
        if self.doubtful {
            cut_torn_tail(&path).map_err(fault)?;
            self.doubtful = false;
        }
        let fresh = !path.exists();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(fault)?;
        let offset = file.metadata().map_err(fault)?.len();
        let written = file.write_all(&line).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What reached the disk is not known; after a failed sync the descriptor is not asked again.
            self.doubtful = true;
            let _cut_now_or_later = OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|f| f.set_len(offset));
            return Err(fault(error));
        }
        if fresh {
            sync_dir(&self.dir).map_err(fault)?;
        }
        if month > self.month.as_str() {
            month.clone_into(&mut self.month);
        }
        Ok(offset)
    }

    /// Reads one month. `unread` is the newest line that could not be read, while no entry has come after it.
    fn load(
        &mut self,
        month: &str,
        path: &Path,
        unread: &mut Option<LogbookError>,
    ) -> Result<(), LogbookError> {
        let fault = |error| LogbookError::Io {
            path: path.to_owned(),
            error,
        };
        let cut = cut_torn_tail(path).map_err(fault)?;
        if cut > 0 {
            tracing::warn!(file = %path.display(), bytes = cut, "the last line was cut off, by a power cut as it seems; it was removed");
        }
        let text = std::fs::read(path).map_err(fault)?;
        let mut offset = 0_u64;
        for (number, line) in (1_u64..).zip(text.split_inclusive(|b| *b == b'\n')) {
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            match read_unverified(body) {
                Ok(parsed) => {
                    if matches!(parsed, Line::Entry(_)) {
                        *unread = None;
                    }
                    self.take(month, offset, body.len(), parsed);
                }
                Err(why) => {
                    tracing::error!(file = %path.display(), line = number, %why, "a line of the logbook cannot be read");
                    *unread = Some(LogbookError::Broken {
                        path: path.to_owned(),
                        line: number,
                        why: why.to_string(),
                    });
                }
            }
            offset += line.len() as u64;
        }
        Ok(())
    }

    fn take(&mut self, month: &str, offset: u64, length: usize, line: Line) {
        match line {
            Line::Entry(entry) => {
                let moment = serde_json::from_slice::<EntryLink>(&entry.payload)
                    .ok()
                    .map(|link| Moment {
                        boot: link.boot,
                        wall_ms: link.iat.saturating_mul(1000),
                        mono_ms: link.mono_ms,
                    });
                self.head = Some(Head {
                    seq: entry.seq,
                    hash: entry.hash,
                    moment,
                });
                let waiting = Waiting {
                    kind: entry.kind,
                    hash: entry.hash,
                    month: month.to_owned(),
                    offset,
                    length,
                };
                self.waiting.insert(entry.seq, waiting);
            }
            Line::Receipt(receipt) => {
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
    }
}

/// Cuts a file back to its last whole line. Gives how many bytes were cut.
fn cut_torn_tail(path: &Path) -> io::Result<u64> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(e),
    };
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(whole as u64)?;
        file.sync_all()?;
    }
    Ok((text.len() - whole) as u64)
}
