//! What the hub keeps: keys, entries word for word, runs, presence, counters. One trait, one file a database.
//!
//! The calls block and belong on one thread. Everything between [`Store::begin`] and [`Store::commit`] is there
//! together or not at all; a receipt is signed only after the commit.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bridgepoint_protocol::chain::{Link, Neighbours};
use bridgepoint_protocol::envelope::{Kid, Kind};
use bridgepoint_protocol::name::{Name, RoomAddress};

use crate::ingest::{Entry, Reason};
use crate::keyring::{KeyState, Keyring, RoomKey};
use crate::meeting::Meeting;

mod error;
mod rows;
pub mod sqlite;

pub use error::{StoreError, StoreTrouble};
pub use rows::{ChainRow, Checked, Count, Expected, HeldEntry, Kept, PastRun, PlanRow, PresenceRow, Run};

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

    /// The keys that asked for one room.
    ///
    /// # Errors
    /// [`StoreError`].
    fn keys_of(&self, at: &RoomAddress) -> Result<Vec<RoomKey>, StoreError>;

    /// Keeps a key, replacing what was known of it for that room.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_key(&mut self, key: &RoomKey) -> Result<(), StoreError>;

    /// Keys that are expected and have not asked yet.
    ///
    /// # Errors
    /// [`StoreError`].
    fn expected(&self) -> Result<Vec<Expected>, StoreError>;

    /// Expects a key for a room, instead of the one that was expected there.
    ///
    /// # Errors
    /// [`StoreError`]; also when the key is expected for another room.
    fn put_expected(&mut self, expected: &Expected) -> Result<(), StoreError>;

    /// Expects no key for a room any more.
    ///
    /// # Errors
    /// [`StoreError`].
    fn drop_expected(&mut self, at: &RoomAddress) -> Result<(), StoreError>;

    /// A chain in short; `None` before its first entry.
    ///
    /// # Errors
    /// [`StoreError`].
    fn chain(&self, at: &RoomAddress, chain: u32) -> Result<Option<ChainRow>, StoreError>;

    /// How many entries of a key are held from a number on.
    ///
    /// # Errors
    /// [`StoreError`].
    fn held_from(&self, at: &RoomAddress, kid: &Kid, from: u64) -> Result<u64, StoreError>;

    /// What is held around an entry of a chain, which need not be held itself. `before`: the number of the entry that it
    /// follows (`chain::follows`).
    ///
    /// # Errors
    /// [`StoreError`].
    fn neighbours(
        &self,
        at: &RoomAddress,
        chain: u32,
        link: &Link,
        before: u64,
    ) -> Result<Neighbours, StoreError>;

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

    /// Keeps an entry that contradicts the chain, up to [`MAX_FORKS`] a chain.
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

    /// Meetings that end after a moment (UTC milliseconds), also cancelled ones, soonest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn meetings(&self, ending_after_ms: i64) -> Result<Vec<Meeting>, StoreError>;

    /// One meeting.
    ///
    /// # Errors
    /// [`StoreError`].
    fn meeting(&self, id: &Name) -> Result<Option<Meeting>, StoreError>;

    /// Keeps a meeting, replacing what was known of it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_meeting(&mut self, meeting: &Meeting) -> Result<(), StoreError>;

    /// What rooms were told last.
    ///
    /// # Errors
    /// [`StoreError`].
    fn plans(&self) -> Result<BTreeMap<RoomAddress, PlanRow>, StoreError>;

    /// Keeps what a room is told. A revision never falls: a lower one leaves the greater. Rooms that never asked
    /// for a key are not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_plan(&mut self, at: &RoomAddress, plan: &PlanRow) -> Result<(), StoreError>;
}

/// What an operator decides about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is the room's, instead of the one that was.
    Approve,
    /// It is trusted no more, from this number on; `None` is the number after the newest that is held.
    Revoke(Option<u64>),
}

/// The keyring as it is kept.
///
/// # Errors
/// [`StoreError`].
pub fn keyring<S: Store + ?Sized>(store: &S) -> Result<Keyring, StoreError> {
    let expected = store.expected()?.into_iter().map(|e| (e.at, e.fingerprint));
    Ok(Keyring::new(store.keys()?).expecting(expected))
}

/// The number from which on a key is revoked when nobody says another: the one after the newest that is held of its
/// chain. `None` for a key that was never the room's.
///
/// # Errors
/// [`StoreError`].
pub fn next_number<S: Store + ?Sized>(store: &S, key: &RoomKey) -> Result<Option<u64>, StoreError> {
    if key.chain == 0 {
        return Ok(None);
    }
    let last = store.chain(&key.at, key.chain)?.map_or(0, |row| row.last);
    Ok(Some(last.saturating_add(1)))
}

/// Decides about a key, in one group of writes: approving one revokes the room's other key, from the number on that
/// comes next. A key that is approved again goes on with its chain, unless that has two histories: then it begins a
/// new one.
///
/// # Errors
/// [`StoreError`].
pub fn decide<S: Store + ?Sized>(
    store: &mut S,
    at: &RoomAddress,
    kid: &Kid,
    decision: Decision,
    now_ms: i64,
) -> Result<(), StoreError> {
    store.begin()?;
    let done = decide_within(store, at, kid, decision, now_ms);
    match done {
        Ok(()) => store.commit(),
        Err(e) => {
            store.rollback();
            Err(e)
        }
    }
}

/// As [`decide`], within a group of writes that is open.
///
/// # Errors
/// [`StoreError`].
pub fn decide_within<S: Store + ?Sized>(
    store: &mut S,
    at: &RoomAddress,
    kid: &Kid,
    decision: Decision,
    now_ms: i64,
) -> Result<(), StoreError> {
    // Of this room alone: a list of boxes is one group of many decisions.
    let ring = Keyring::new(store.keys_of(at)?);
    let Some(key) = ring.key_at(at, kid).cloned() else {
        return Ok(());
    };
    match decision {
        Decision::Approve => {
            let next_chain = ring.keys_of(at).map(|k| k.chain).max().unwrap_or(0) + 1;
            // First the one that goes: at no moment has a room two approved keys.
            if let Some(other) = ring.approved(at).filter(|k| k.kid != *kid) {
                let end = next_number(store, other)?;
                for changed in ring.revoke(at, &other.kid, end, now_ms) {
                    if changed.kid != *kid {
                        store.put_key(&changed)?;
                    }
                }
            }
            // It is trusted anew whatever it has handed over before; those keys follow it no more.
            for other in ring.keys_of(at).filter(|k| k.former.as_ref() == Some(kid)) {
                if let Some(now) = store.keys_of(at)?.into_iter().find(|k| k.kid == other.kid) {
                    store.put_key(&RoomKey { former: None, ..now })?;
                }
            }
            let anew = key.chain == 0 || store.forks(at, key.chain)? > 0;
            store.put_key(&RoomKey {
                state: KeyState::Approved,
                chain: if anew { next_chain } else { key.chain },
                from: if anew { 1 } else { key.from },
                end: None,
                // From now on it is trusted by the operator's word, not by another key's.
                former: None,
                decided_ms: Some(now_ms),
                ..key
            })?;
            store.drop_expected(at)
        }
        Decision::Revoke(from) => {
            let end = match from {
                Some(from) if key.chain > 0 => Some(from),
                _ => next_number(store, &key)?,
            };
            for changed in ring.revoke(at, kid, end, now_ms) {
                store.put_key(&changed)?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod suite;
