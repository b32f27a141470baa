//! What the hub keeps: keys, entries word for word, runs, presence, counters. One trait, one file a database.
//!
//! The calls block and belong on one thread. Everything between [`Store::begin`] and [`Store::commit`] is there
//! together or not at all; a receipt is signed only after the commit.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bridgepoint_protocol::chain::Neighbours;
use bridgepoint_protocol::claims::{PresenceState, Report};
use bridgepoint_protocol::envelope::{EntryHash, Kid, Kind};
use bridgepoint_protocol::name::RoomAddress;

use crate::ingest::{Entry, Reason};
use crate::keyring::{KeyState, RoomKey};
use crate::say::{Sentence, Trouble, both};

pub mod sqlite;

/// Forks that are kept for one room as evidence; later ones are only counted.
pub const MAX_FORKS: u32 = 16;

/// A database.
pub trait Store {
    /// Begins a group of writes.
    ///
    /// # Errors
    /// [`StoreError`] as all calls here.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Ends it: everything is on disk.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the group is there.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Gives the group up.
    fn rollback(&mut self);

    /// A number that changes when another process has written.
    ///
    /// # Errors
    /// [`StoreError`].
    fn change_mark(&self) -> Result<i64, StoreError>;

    /// All keys.
    ///
    /// # Errors
    /// [`StoreError`].
    fn keys(&self) -> Result<Vec<RoomKey>, StoreError>;

    /// Keeps a key, replacing what was known of it for that room.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_key(&mut self, key: &RoomKey) -> Result<(), StoreError>;

    /// What is held around a number of a chain.
    ///
    /// # Errors
    /// [`StoreError`].
    fn neighbours(&self, at: &RoomAddress, chain: u32, seq: u64) -> Result<Neighbours, StoreError>;

    /// When a held entry came, UTC milliseconds.
    ///
    /// # Errors
    /// [`StoreError`].
    fn received_ms(&self, at: &RoomAddress, chain: u32, seq: u64) -> Result<Option<i64>, StoreError>;

    /// How a room's box said it is; the outer `None` is a room that is not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn presence(&self, at: &RoomAddress) -> Result<Option<Option<PresenceRow>>, StoreError>;

    /// Adds an entry whose number is free. `made_after_ms` is the moment of the challenge that it echoes.
    ///
    /// # Errors
    /// [`StoreError`].
    fn add_entry(
        &mut self,
        entry: &Entry,
        received_ms: i64,
        made_after_ms: Option<i64>,
    ) -> Result<(), StoreError>;

    /// How many entries are kept that contradict a chain.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forks(&self, at: &RoomAddress, chain: u32) -> Result<u32, StoreError>;

    /// Keeps an entry that contradicts the chain, up to [`MAX_FORKS`] a room.
    ///
    /// # Errors
    /// [`StoreError`].
    fn add_fork(&mut self, entry: &Entry, received_ms: i64) -> Result<(), StoreError>;

    /// Counts a refused message; `None` is one that belongs to no known room.
    ///
    /// # Errors
    /// [`StoreError`].
    fn count(&mut self, at: Option<&RoomAddress>, why: Reason, now_ms: i64) -> Result<(), StoreError>;

    /// Keeps how a box said it is. Rooms that never asked for a key are not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_presence(&mut self, at: &RoomAddress, presence: &PresenceRow) -> Result<(), StoreError>;

    /// Notes the verdict that the board shows and since when.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_standing(
        &mut self,
        at: &RoomAddress,
        verdict: Option<&str>,
        since_ms: i64,
    ) -> Result<(), StoreError>;

    /// All rooms that are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn rooms(&self) -> Result<Vec<RoomAddress>, StoreError>;

    /// Everything that is kept of one room, as the board needs it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn kept(&self, at: &RoomAddress) -> Result<Option<Kept>, StoreError>;

    /// The numbers that are missing in a chain and were not declared missing, at most `limit` ranges.
    ///
    /// # Errors
    /// [`StoreError`].
    fn missing(
        &self,
        at: &RoomAddress,
        chain: u32,
        limit: usize,
    ) -> Result<Vec<RangeInclusive<u64>>, StoreError>;

    /// The newest runs of a room, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn history(&self, at: &RoomAddress, limit: usize) -> Result<Vec<PastRun>, StoreError>;

    /// The newest entries of a room of some kinds, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn entries(&self, at: &RoomAddress, kinds: &[Kind], limit: usize) -> Result<Vec<HeldEntry>, StoreError>;

    /// Messages refused that belong to no known room.
    ///
    /// # Errors
    /// [`StoreError`].
    fn refused_elsewhere(&self) -> Result<BTreeMap<String, Count>, StoreError>;
}

/// Everything that is kept of one room.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Which.
    pub at: RoomAddress,
    /// All keys that asked for it.
    pub keys: Vec<RoomKey>,
    /// How its box said it is.
    pub presence: Option<PresenceRow>,
    /// Its current chain.
    pub chain: Option<ChainRow>,
    /// Entries that contradict that chain.
    pub forks: u32,
    /// What was refused of it.
    pub refused: BTreeMap<String, Count>,
    /// The newest full run of the current chain.
    pub full: Option<Run>,
    /// Runs with a scope after it, oldest first.
    pub scoped: Vec<Run>,
    /// The verdict that the board showed last.
    pub verdict: Option<String>,
    /// Since when, UTC milliseconds.
    pub verdict_ms: i64,
    /// The newest verified entry, UTC milliseconds by the hub's clock.
    pub last_entry_ms: Option<i64>,
}

/// One run as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number.
    pub seq: u64,
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// The claims.
    pub report: Report,
}

/// One run of the past, in short.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PastRun {
    /// Which of the room's chains.
    pub chain: u32,
    /// Its number.
    pub seq: u64,
    /// The run's UUID.
    pub run: String,
    /// When it began by the box's clock, UTC milliseconds.
    pub started_ms: i64,
    /// When it ended by the box's clock, UTC milliseconds.
    pub finished_ms: i64,
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// It was certainly made after this moment by the hub's clock, UTC milliseconds: it echoes the hub's challenge.
    pub made_after_ms: Option<i64>,
    /// The verdict that the hub computed.
    pub verdict: String,
    /// The verdict that the box wrote, when it is another.
    pub claimed: Option<String>,
    /// What it was limited to.
    pub scope: Option<Vec<String>>,
    /// What set it off.
    pub trigger: String,
    /// The checkpoint, e.g. `T-90`.
    pub checkpoint: Option<String>,
    /// The meeting.
    pub meeting: Option<String>,
}

/// One entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntry {
    /// Which of the room's chains.
    pub chain: u32,
    /// Its number.
    pub seq: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its hash.
    pub hash: EntryHash,
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// The exact text that was signed.
    pub jws: String,
}

/// One chain in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainRow {
    /// Counted for each room from 1.
    pub chain: u32,
    /// The first number held.
    pub first: u64,
    /// The last number held.
    pub last: u64,
    /// How many are held.
    pub held: u64,
    /// How many are missing and not declared missing.
    pub missing: u64,
}

/// How a box said it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceRow {
    /// How.
    pub state: PresenceState,
    /// When, by the box's clock, UTC milliseconds.
    pub ts_ms: i64,
    /// The connection's session.
    pub session: u64,
    /// The agent's version.
    pub agent: String,
    /// Since when it is so, UTC milliseconds by the hub's clock.
    pub since_ms: i64,
    /// When the box was last heard itself, UTC milliseconds by the hub's clock. A will is the broker's word.
    pub heard_ms: Option<i64>,
}

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// How many.
    pub n: u64,
    /// The last one, UTC milliseconds.
    pub last_ms: i64,
}

/// What went wrong with the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database {file}: {kind:?}: {detail}")]
pub struct StoreError {
    /// Which file.
    pub file: String,
    /// What kind of trouble.
    pub kind: StoreTrouble,
    /// What the database says.
    pub detail: String,
}

/// Kinds of trouble with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreTrouble {
    /// The disk is full.
    Full,
    /// Another process holds it for too long.
    Locked,
    /// The file is damaged or no database.
    Corrupt,
    /// It cannot be opened or written.
    Unusable,
    /// It was written by a newer version of the hub.
    Newer,
    /// Anything else.
    Other,
}

impl StoreError {
    /// In words: what to do.
    #[must_use]
    pub fn said(&self) -> Sentence {
        let Self { file, detail, .. } = self;
        match self.kind {
            StoreTrouble::Full => both(
                format!(
                    "Đĩa chứa {file} đã đầy. Giải phóng chỗ; các điểm cầu sẽ tự gửi lại, không mất báo cáo."
                ),
                format!(
                    "The disk that holds {file} is full. Free some space; rooms send again by themselves, no report is lost."
                ),
            ),
            StoreTrouble::Locked => both(
                format!(
                    "Cơ sở dữ liệu {file} đang bị chương trình khác giữ. Đóng chương trình đó rồi thử lại."
                ),
                format!("The database {file} is held by another program. Close it and try again."),
            ),
            StoreTrouble::Corrupt => both(
                format!(
                    "Tệp {file} hỏng hoặc không phải cơ sở dữ liệu của máy chủ ({detail}). Không xóa; chuyển tệp sang chỗ khác và khôi phục bản sao lưu."
                ),
                format!(
                    "{file} is damaged or no database of the hub ({detail}). Do not delete it; move it aside and restore a backup."
                ),
            ),
            StoreTrouble::Unusable => both(
                format!("Không mở hoặc ghi được {file} ({detail}). Kiểm tra quyền của tệp và thư mục."),
                format!(
                    "{file} cannot be opened or written ({detail}). Check the permissions of the file and its directory."
                ),
            ),
            StoreTrouble::Newer => both(
                format!("{file} do bản mới hơn của máy chủ ghi ({detail}). Dùng bản đó."),
                format!("{file} was written by a newer version of the hub ({detail}). Use that version."),
            ),
            StoreTrouble::Other => both(
                format!("Cơ sở dữ liệu {file} báo lỗi: {detail}."),
                format!("The database {file} reports: {detail}."),
            ),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(e: StoreError) -> Self {
        Self::internal(e.said())
    }
}

/// Decides about a key, in one group of writes: approving one revokes the room's other approved key. A key that is
/// approved again goes on with its chain, unless that has two histories: then it begins a new one.
///
/// # Errors
/// [`StoreError`].
pub fn decide<S: Store + ?Sized>(
    store: &mut S,
    at: &RoomAddress,
    kid: &Kid,
    state: KeyState,
    now_ms: i64,
) -> Result<(), StoreError> {
    store.begin()?;
    let done = decide_within(store, at, kid, state, now_ms);
    match done {
        Ok(()) => store.commit(),
        Err(e) => {
            store.rollback();
            Err(e)
        }
    }
}

fn decide_within<S: Store + ?Sized>(
    store: &mut S,
    at: &RoomAddress,
    kid: &Kid,
    state: KeyState,
    now_ms: i64,
) -> Result<(), StoreError> {
    let keys: Vec<RoomKey> = store.keys()?.into_iter().filter(|k| k.at == *at).collect();
    let next_chain = keys.iter().map(|k| k.chain).max().unwrap_or(0) + 1;
    let (wanted, others): (Vec<RoomKey>, Vec<RoomKey>) = keys.into_iter().partition(|k| k.kid == *kid);
    // First the one that goes: at no moment has a room two approved keys.
    let replaced = |k: &RoomKey| state == KeyState::Approved && k.state == KeyState::Approved;
    for mut key in others.into_iter().filter(replaced) {
        key.state = KeyState::Revoked;
        key.decided_ms = Some(now_ms);
        store.put_key(&key)?;
    }
    for mut key in wanted {
        key.state = state;
        key.decided_ms = Some(now_ms);
        if state == KeyState::Approved && (key.chain == 0 || store.forks(at, key.chain)? > 0) {
            key.chain = next_chain;
        }
        store.put_key(&key)?;
    }
    Ok(())
}

#[cfg(test)]
mod suite;
