//! The desk: takes in one letter after the other, keeps it, then answers.
//!
//! Everything that came together is kept in one commit; receipts are signed only after it. The desk has no clock,
//! no socket and no broker: letters and `now` in, what is to be published out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bridgepoint_protocol::envelope::{EntryHash, SigningKey};
use bridgepoint_protocol::name::{Name, RoomAddress};

use crate::board::Board;
use crate::bucket::{BURST, Bucket, Turn};
use crate::challenge::Challenger;
use crate::desk::plan::Plans;
use crate::fleet::{Standing, standing};
use crate::keyring::{KeyState, Keyring, RoomKey};
use crate::store::{Store, StoreError, keyring};

mod answer;
mod keep;
mod keys;
mod plan;

/// The same gap is asked for again after this, milliseconds.
const ASK_AGAIN_MS: i64 = 60_000;

/// The broker knows its new rules after this, milliseconds.
const BROKER_LEARNS_MS: i64 = 1000;

/// Rooms that have not been heard for this long are not asked, milliseconds.
const HEARD_LATELY_MS: i64 = 5 * 60_000;

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// True when the broker had kept it from before.
    pub retained: bool,
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
}

/// What the desk is handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A message.
    Letter(Letter),
    /// It is that time, UTC milliseconds.
    Tick(i64),
}

/// A message to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Whose broker connection it goes through.
    pub org: Name,
    /// Its topic.
    pub topic: String,
    /// Its text; an empty one that is retained takes back what the broker keeps.
    pub payload: String,
    /// The broker keeps it for who comes later.
    pub retain: bool,
}

/// What follows from what was taken in.
#[derive(Debug, Default)]
pub struct Answer {
    /// To be published, in this order.
    pub publish: Vec<Publish>,
    /// Rooms that may use the broker, when that has changed.
    pub access: Option<BTreeSet<RoomAddress>>,
    /// Why rooms that are owed a plan have to wait for it.
    pub trouble: Option<StoreError>,
}

/// The desk.
pub struct Desk<S> {
    store: S,
    key: SigningKey,
    challenger: Challenger,
    orgs: Vec<Name>,
    board: Arc<Board>,
    keyring: Keyring,
    access: BTreeSet<RoomAddress>,
    /// True when the keyring has changed since `access` was read from it.
    access_stale: bool,
    buckets: HashMap<RoomAddress, Bucket>,
    burst: i64,
    delayed: BTreeMap<(i64, u64), Publish>,
    delayed_count: u64,
    asked: HashMap<RoomAddress, Asked>,
    mark: i64,
    swept_ms: i64,
    plans: Plans,
}

/// The gap that a room was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    chain: u32,
    from: u64,
    at_ms: i64,
}

/// What one group of letters leads to, once it is kept.
#[derive(Default)]
struct Work {
    receipts: Vec<Owed>,
    touched: BTreeSet<RoomAddress>,
    forks: Vec<(RoomAddress, u64)>,
    /// True when keys have changed in a way that only the store knows whole.
    keys_stale: bool,
}

/// A receipt that is owed.
struct Owed {
    at: RoomAddress,
    seq: Option<u64>,
    hash: EntryHash,
    received_ms: i64,
    turn: Turn,
}

impl<S: Store> Desk<S> {
    /// Opens the desk over what is kept, and fills the board.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(
        store: S,
        key: SigningKey,
        challenger: Challenger,
        orgs: Vec<Name>,
        board: Arc<Board>,
    ) -> Result<Self, StoreError> {
        let mark = store.change_mark()?;
        let keyring = keyring(&store)?;
        let mut rows = Vec::new();
        for at in store.rooms()? {
            if let Some(kept) = store.kept(&at)? {
                rows.push(standing(&kept));
            }
        }
        board.put(rows);
        let plans = Plans::open(&store)?;
        Ok(Self {
            access: keyring.rooms_with_access(),
            access_stale: false,
            store,
            key,
            challenger,
            orgs,
            board,
            keyring,
            buckets: HashMap::new(),
            burst: BURST,
            delayed: BTreeMap::new(),
            delayed_count: 0,
            asked: HashMap::new(),
            mark,
            swept_ms: 0,
            plans,
        })
    }

    /// Takes this many messages of one room at once, before it takes one a second.
    #[must_use]
    pub fn with_burst(mut self, burst: u32) -> Self {
        self.burst = i64::from(burst);
        self
    }

    /// Rooms that may use the broker.
    #[must_use]
    pub fn access(&self) -> &BTreeSet<RoomAddress> {
        &self.access
    }

    /// Takes in what came together.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing of it is kept and nothing is answered; the rooms send it again.
    pub fn take(&mut self, letters: &[Letter], now_ms: i64) -> Result<Answer, StoreError> {
        self.begin_knowing_all(now_ms)?;
        let kept = self.keep(letters, now_ms);
        let committed = match kept {
            Ok(done) => self.store.commit().map(|()| done),
            Err(e) => {
                self.store.rollback();
                Err(e)
            }
        };
        let (work, rows) = match committed {
            Ok(done) => done,
            Err(e) => {
                // What was learnt in this group is not true: read again what is.
                self.read_keys();
                return Err(e);
            }
        };
        if work.keys_stale {
            self.read_keys();
        }
        let mut answer = Answer {
            publish: Vec::with_capacity(work.receipts.len()),
            ..Answer::default()
        };
        for owed in &work.receipts {
            self.receipt(owed, now_ms, &mut answer.publish);
        }
        for row in rows.iter().filter(|row| row.chain.missing > 0) {
            answer.publish.extend(self.ask(row, now_ms));
        }
        for (at, seq) in work.forks {
            tracing::error!(room = %at, seq, "two histories: this entry contradicts what is held; it is kept as evidence");
        }
        self.board.put(rows);
        answer.access = self.access_if_changed();
        Ok(answer)
    }

    /// Looks what else has happened: a decision in another process, receipts whose turn has come, gaps that stay.
    ///
    /// # Errors
    /// [`StoreError`]: what others have decided cannot be read. A plan that cannot be told is [`Answer::trouble`].
    pub fn tick(&mut self, now_ms: i64) -> Result<Answer, StoreError> {
        let mut answer = Answer::default();
        self.learn_news(now_ms, &mut answer.publish)?;
        // Nothing else waits for a plan that cannot be written down.
        answer.trouble = self.tell_plans(now_ms, &mut answer.publish).err();
        let later = self.delayed.split_off(&(now_ms + 1, 0));
        answer
            .publish
            .extend(std::mem::replace(&mut self.delayed, later).into_values());
        self.swept_ms = self.swept_ms.min(now_ms);
        if now_ms.saturating_sub(self.swept_ms) >= ASK_AGAIN_MS {
            self.swept_ms = now_ms;
            for row in self.board.rooms() {
                let lately = row
                    .last_seen_ms
                    .is_some_and(|seen| now_ms.saturating_sub(seen) < HEARD_LATELY_MS);
                if row.chain.missing > 0 && lately {
                    answer.publish.extend(self.ask(&row, now_ms));
                }
            }
            // A bucket that was not used for the length of a burst is full again, and need not be remembered.
            self.buckets
                .retain(|_, bucket| !bucket.is_full(now_ms, self.burst));
        }
        answer.access = self.access_if_changed();
        Ok(answer)
    }

    fn delay(&mut self, due_ms: i64, messages: Vec<Publish>) {
        for message in messages {
            self.delayed_count += 1;
            self.delayed.insert((due_ms, self.delayed_count), message);
        }
    }

    /// Opens a transaction in which this process knows every decision of another: a repeated enrolment would
    /// else write over an approval what is remembered here. Receipts that follow go out with the next tick.
    fn begin_knowing_all(&mut self, now_ms: i64) -> Result<(), StoreError> {
        loop {
            let mut publish = Vec::new();
            self.learn_news(now_ms, &mut publish)?;
            self.delay(now_ms, publish);
            self.store.begin()?;
            // From here on nobody else can write; whoever did since the look above is heard first.
            match self.store.change_mark() {
                Ok(mark) if mark == self.mark => return Ok(()),
                Ok(_) => self.store.rollback(),
                Err(e) => {
                    self.store.rollback();
                    return Err(e);
                }
            }
        }
    }

    /// Learns what another process has written since this was asked last, if anything.
    fn learn_news(&mut self, now_ms: i64, publish: &mut Vec<Publish>) -> Result<(), StoreError> {
        let mark = self.store.change_mark()?;
        if mark != self.mark {
            self.learn_decisions(now_ms, publish)?;
            self.plans.unread = true;
            self.mark = mark;
        }
        Ok(())
    }

    /// Another process has written: `room approve` or `room revoke`. Only when all of it is read is it believed, so
    /// that a database that fails now is asked again and no approval goes without its receipt.
    fn learn_decisions(&mut self, now_ms: i64, publish: &mut Vec<Publish>) -> Result<(), StoreError> {
        let ring = keyring(&self.store)?;
        let unchanged = |key: &&RoomKey| self.keyring.keys_of(&key.at).any(|k| k == *key);
        let changed: Vec<RoomKey> = ring.iter().filter(|key| !unchanged(key)).cloned().collect();
        let rows = self.rows_now(changed.iter().map(|key| &key.at).collect(), now_ms)?;
        let before = std::mem::replace(&mut self.keyring, ring);
        self.access_stale = true;
        for key in changed {
            let was = before
                .keys_of(&key.at)
                .find(|k| k.kid == key.kid)
                .map(|k| k.state);
            let (room, fingerprint) = (tracing::field::display(&key.at), key.kid.fingerprint());
            match key.state {
                KeyState::Approved if was != Some(KeyState::Approved) => {
                    tracing::info!(room, fingerprint, "approved");
                    // A room that the broker keeps out until it is told could not hear the receipt now.
                    let hears = self.access.contains(&key.at);
                    let turn = if hears {
                        Turn::Now
                    } else {
                        Turn::At(now_ms + BROKER_LEARNS_MS)
                    };
                    let (seq, hash, received_ms) = (None, key.enrolment, key.last_ms);
                    self.receipt(
                        &Owed {
                            at: key.at,
                            seq,
                            hash,
                            received_ms,
                            turn,
                        },
                        now_ms,
                        publish,
                    );
                }
                KeyState::Revoked if was != Some(KeyState::Revoked) => {
                    tracing::info!(room, fingerprint, "revoked");
                }
                _ => {}
            }
        }
        self.board.put(rows);
        Ok(())
    }

    /// Reads the keys as they are kept; when that fails now, before the next letter is taken.
    fn read_keys(&mut self) {
        self.access_stale = true;
        match keyring(&self.store) {
            Ok(ring) => self.keyring = ring,
            Err(e) => {
                tracing::warn!(error = %e, "the keys cannot be read; they are read again");
                self.mark = i64::MIN;
            }
        }
    }

    fn rows_now(&mut self, rooms: BTreeSet<&RoomAddress>, now_ms: i64) -> Result<Vec<Standing>, StoreError> {
        self.store.begin()?;
        let read: Result<Vec<_>, _> = rooms.into_iter().map(|at| self.row(at, now_ms)).collect();
        match read {
            Ok(rows) => self.store.commit().map(|()| rows.into_iter().flatten().collect()),
            Err(e) => {
                self.store.rollback();
                Err(e)
            }
        }
    }

    fn access_if_changed(&mut self) -> Option<BTreeSet<RoomAddress>> {
        if !std::mem::take(&mut self.access_stale) {
            return None;
        }
        let now = self.keyring.rooms_with_access();
        if now == self.access {
            return None;
        }
        self.access = now.clone();
        Some(now)
    }
}

#[cfg(test)]
mod tests;
