//! The logbook on disk: signed entries in a chain, one a line, receipts beside them, a file a month.
//!
//! An entry is on the disk (fdatasync) before anybody hears of it. The outbox is not a second copy: it is
//! the entries that no receipt stands beside, so that nothing can be in one and not in the other.
//!
//! A disk that is full, fails or has damaged lines stops no check: what cannot be kept is counted, and a signed gap entry
//! declares it before the next one. Here is what others ask for; `load` reads, `write` writes, `room` keeps the reserve,
//! `times` judges the clock.

mod export;
mod lines;
mod load;
mod missing;
mod own;
mod read;
mod room;
#[cfg(test)]
mod tests;
mod times;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bridgepoint_protocol::claims::{ClockState, EntryLink, Receipt, Witness};
use bridgepoint_protocol::envelope::{EntryHash, Kind, SealError, Sealed, SigningKey, VerifyingKey};
use bridgepoint_protocol::name::RoomAddress;
use serde::Serialize;

pub(crate) use export::{Days, ExportError, export};
pub(crate) use missing::Whole;
pub(crate) use own::Own;
pub(crate) use read::walk;
pub(crate) use read::{
    BookBroken, Found, Listed, Texts, each_report, events_of, last_full_report, list, newest_signer,
    runs_for, texts, verify,
};
pub(crate) use write::absent;

use crate::disk::{Disk, RealDisk, create_durable_dir};
use crate::said::{Said, Say};
use crate::state::StateDir;
use room::Room;
use times::Times;

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

/// What an entry weighs where there is not room for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It is evidence: of a meeting, or somebody asked for it.
    Record,
    /// It is left out first.
    Telemetry,
}

/// How the logbook stands, for the check of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// The disk is full: only records are kept.
    pub(crate) full: bool,
    /// Entries that could not be kept and that no gap entry declares yet.
    pub(crate) dropped: u64,
    /// What the disk said when it last failed otherwise, since the program was started.
    pub(crate) trouble: Option<String>,
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
    /// There is no room, and what nobody asked for is left out.
    #[error(
        "the disk of the logbook {path} is full and this result is not kept; free space on it: {dropped} results are left out so far"
    )]
    Full {
        /// The directory.
        path: PathBuf,
        /// How many entries were left out since the last one that was kept.
        dropped: u64,
    },
    /// The entry cannot be sealed.
    #[error("the entry cannot be signed: {0}")]
    Seal(#[from] SealError),
}

impl LogbookError {
    /// What was kept is damaged or gone. Where it only could not be read just now it may be read the next time.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Io { error, .. } if crate::disk::is_damage(error))
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Io { error, .. } => crate::disk::is_full(error),
            Self::Full { .. } => true,
            Self::Seal(_) => false,
        }
    }
}

impl Say for LogbookError {
    fn said(&self) -> Said {
        match self {
            Self::Io { path, error } => Said::new("error-logbook").on(path).because(error),
            Self::Full { path, dropped } => Said::new("error-logbook-full").on(path).with("n", dropped),
            Self::Seal(error) => Said::new("error-program").because(error),
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
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    address: RoomAddress,
    own: Own,
    head: Option<Head>,
    times: Times,
    month: String,
    witness: Option<Witness>,
    nonce: Option<String>,
    /// When the newest receipt that stands here was made, UTC milliseconds by the hub's clock.
    receipted_ms: Option<i64>,
    waiting: BTreeMap<u64, Waiting>,
    /// What gap entries declare: first and last number, and the gap entry's own.
    declared: Vec<(u64, u64, u64)>,
    /// What waited when the hub receipted that it is missing.
    given_up: BTreeSet<u64>,
    owed: Owed,
    room: Room,
    /// The month whose file's name is known to be durable.
    named: Option<String>,
    /// A file that a write failed on, and the length up to which it is certain.
    doubtful: Option<(PathBuf, u64)>,
    /// A file that ends in damage without a line feed.
    ragged: Option<PathBuf>,
    trouble: Option<String>,
}

/// What the next entries have to declare first.
#[derive(Debug, Clone, Default)]
struct Owed {
    /// Numbers after the newest entry that may have been used, in lines that cannot be read.
    damaged: u64,
    /// Entries that there was no room for. Nobody has seen them: their numbers follow from where they are declared.
    dropped: u64,
    /// The reserve was given away, and it is not said yet.
    full: bool,
    /// There is room again, and it is not said yet: so many entries were left out.
    room: bool,
    /// The disk failed, and it is not said yet.
    trouble: bool,
}

#[derive(Debug, Clone)]
struct Head {
    seq: u64,
    hash: EntryHash,
    /// Its file, and where its line begins and how long it is.
    path: PathBuf,
    offset: u64,
    length: usize,
}

/// How much room is kept for what must be written when the disk is full, bytes: some hundred small reports.
const RESERVE: u64 = 1 << 20;

impl Logbook {
    /// Opens the logbook of a state directory, creating it where it is missing. A last line that was cut off by a power
    /// cut is removed: it was never told to anybody. Lines that cannot be read stay where they are: the chain goes on after
    /// the newest entry that can, with numbers that were never used, and a gap entry says which were. `own` is the key
    /// that signs; the box's former ones are listed in the state directory.
    ///
    /// # Errors
    /// [`LogbookError`].
    pub(crate) fn open(
        state: &StateDir,
        address: RoomAddress,
        own: &VerifyingKey,
    ) -> Result<Self, LogbookError> {
        let room = Room::new(state.join("reserve"), RESERVE);
        let own = Own::listed(state, own);
        Self::open_on(Arc::new(RealDisk), state.join("logbook"), address, own, room)
    }

    /// [`Logbook::open`] on a disk, with this reserve.
    fn open_on(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        address: RoomAddress,
        own: Own,
        room: Room,
    ) -> Result<Self, LogbookError> {
        let unsure = match create_durable_dir(&*disk, &dir) {
            Ok(()) => None,
            // It is there: what it holds can be read, and a disk that fails stops no check.
            Err(error) if disk.list(&dir).is_ok() => Some(error),
            Err(error) => return Err(LogbookError::Io { path: dir, error }),
        };
        let mut book = Self {
            room,
            disk,
            dir,
            address,
            own,
            head: None,
            times: Times::default(),
            month: String::new(),
            witness: None,
            nonce: None,
            receipted_ms: None,
            waiting: BTreeMap::new(),
            declared: Vec::new(),
            given_up: BTreeSet::new(),
            owed: Owed::default(),
            named: None,
            doubtful: None,
            ragged: None,
            trouble: None,
        };
        if let Some(error) = unsure {
            book.troubled(&book.dir.clone(), &error);
        }
        book.load()?;
        book.look_for_room();
        Ok(book)
    }

    /// Number and hash of the newest entry.
    pub(crate) fn head(&self) -> Option<(u64, EntryHash)> {
        self.head.as_ref().map(|head| (head.seq, head.hash))
    }

    /// How it stands.
    pub(crate) fn condition(&self) -> Condition {
        Condition {
            full: self.room.is_given_away(),
            dropped: self.owed.dropped,
            trouble: self.trouble.clone(),
        }
    }

    /// Signs and keeps a record: on the disk when this returns. What has to be declared first is written before it.
    ///
    /// # Errors
    /// [`LogbookError`]; the entry is then not in the logbook.
    pub(crate) fn append<C: Serialize>(
        &mut self,
        key: &SigningKey,
        kind: Kind,
        stamp: &Stamp,
        claims: impl FnOnce(EntryLink) -> C,
    ) -> Result<(u64, Sealed), LogbookError> {
        self.append_weighed(Weight::Record, key, kind, stamp, claims)
    }

    /// As [`Logbook::append`], for what may be left out when there is little room.
    ///
    /// # Errors
    /// [`LogbookError`]; the entry is then not in the logbook. Where there was no room for it the next gap entry counts it.
    pub(crate) fn append_weighed<C: Serialize>(
        &mut self,
        weight: Weight,
        key: &SigningKey,
        kind: Kind,
        stamp: &Stamp,
        claims: impl FnOnce(EntryLink) -> C,
    ) -> Result<(u64, Sealed), LogbookError> {
        // Judged once: what is said of a step is followed by what was signed after the same step.
        let clk = self.times.state(stamp);
        let kept = self.append_in_order(weight, key, kind, (stamp, clk), claims);
        if kept.as_ref().is_err_and(LogbookError::is_full) {
            self.owed.dropped += 1;
        }
        if self.owed.full {
            self.say_full(key, (stamp, clk));
        }
        match kept {
            Err(error) if error.is_full() => Err(LogbookError::Full {
                path: self.dir.clone(),
                dropped: self.owed.dropped,
            }),
            other => other,
        }
    }

    fn append_in_order<C: Serialize>(
        &mut self,
        weight: Weight,
        key: &SigningKey,
        kind: Kind,
        at: (&Stamp, ClockState),
        claims: impl FnOnce(EntryLink) -> C,
    ) -> Result<(u64, Sealed), LogbookError> {
        self.look_for_room();
        if self.room.is_given_away() && weight == Weight::Telemetry {
            return Err(LogbookError::Full {
                path: self.dir.clone(),
                dropped: self.owed.dropped,
            });
        }
        self.say_what_is_owed(key, at)?;
        let claims = claims(self.link(at));
        self.put(key, kind, at, weight, &claims)
    }

    /// Declares numbers that cannot be read back any more. Gives the gap entry's number, be it a new one or one that
    /// declares them already; nothing for numbers that were never used.
    ///
    /// # Errors
    /// [`LogbookError`].
    pub(crate) fn declare_missing(
        &mut self,
        key: &SigningKey,
        stamp: &Stamp,
        from: u64,
        to: u64,
    ) -> Result<Option<u64>, LogbookError> {
        let head = self.head.as_ref().map_or(0, |head| head.seq);
        let (from, to) = (from.max(1), to.min(head));
        if from > to {
            return Ok(None);
        }
        if let Some(seq) = self.declares(from, to) {
            return Ok(Some(seq));
        }
        let at = (stamp, self.times.state(stamp));
        self.say_what_is_owed(key, at)?;
        self.step_away_from(key, at, to)?;
        self.put_gap(key, at, from, to, write::DAMAGED).map(Some)
    }

    /// The gap entry that declares these numbers already. One that is itself among them cannot be read any more: it
    /// answers for nothing from now on.
    fn declares(&mut self, from: u64, to: u64) -> Option<u64> {
        self.declared.retain(|(_, _, seq)| !(from..=to).contains(seq));
        let mut declared = self.declared.iter();
        let known = declared.find(|(first, last, _)| *first <= from && to <= *last);
        known.map(|(_, _, seq)| *seq)
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
        self.give_up(seq);
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

    /// The newest entry while it waits: the one that is looked at.
    pub(crate) fn live(&self) -> Option<u64> {
        let newest = self.head.as_ref().map(|head| head.seq);
        newest.filter(|seq| self.waiting.contains_key(seq))
    }

    /// Numbers of the waiting entries: the live one first, then the others from the oldest on.
    pub(crate) fn outbox(&self) -> impl Iterator<Item = u64> {
        let live = self.live();
        let others = self.waiting.keys().copied();
        live.into_iter()
            .chain(others.filter(move |seq| Some(*seq) != live))
    }

    /// The keys that what stands in the logbook is verified with.
    pub(crate) fn own(&self) -> Own {
        self.own.clone()
    }

    /// A waiting entry with its text, as it was signed.
    ///
    /// # Errors
    /// [`LogbookError`] when its file cannot be read, or does not hold it as it was written: then it
    /// [is damaged](LogbookError::is_damage).
    pub(crate) fn outgoing(&self, seq: u64) -> Result<Option<Outgoing>, LogbookError> {
        let Some(waiting) = self.waiting.get(&seq) else {
            return Ok(None);
        };
        let path = self.path(&waiting.month);
        let read = self.disk.read_at(&path, waiting.offset, waiting.length);
        let jws = read
            .and_then(|text| {
                let text = String::from_utf8(text).ok();
                let same = text.filter(|text| EntryHash::of(text) == waiting.hash);
                same.ok_or_else(|| {
                    let why = format!("entry {seq} is not read back as it was written");
                    io::Error::new(io::ErrorKind::InvalidData, why)
                })
            })
            .map_err(|error| LogbookError::Io {
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

    /// The place and the moment of the next entry.
    fn link(&self, (stamp, clk): (&Stamp, ClockState)) -> EntryLink {
        let (seq, prev) = self
            .head
            .as_ref()
            .map_or((1, EntryHash::ZERO), |head| (head.seq + 1, head.hash));
        EntryLink {
            boot: stamp.boot.clone(),
            seq,
            prev,
            witness: self.witness.clone(),
            nonce: self.nonce.clone(),
            iat: stamp.wall_ms.div_euclid(1000),
            mono_ms: stamp.mono_ms,
            clk: clk.into(),
        }
    }

    fn witnessed(&mut self, seq: u64, hash: EntryHash) {
        if self.witness.as_ref().is_none_or(|witness| witness.seq < seq) {
            self.witness = Some(Witness { seq, hash });
        }
    }
}
