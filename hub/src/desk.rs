//! The desk: takes in one letter after the other, keeps it, then answers.
//!
//! Everything that came together is kept in one commit; receipts are signed only after it. The desk has no clock,
//! no socket and no broker: letters and `now` in, what is to be published out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Command, CommandKind, Contact, Presence, PresenceState, Receipt};
use bridgepoint_protocol::envelope::{EntryHash, Kind, SigningKey, seal};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::text::clean;
use bridgepoint_protocol::topic::{RoomTopic, Topic};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::board::Board;
use crate::bucket::{Bucket, Turn};
use crate::fleet::{Standing, standing};
use crate::ingest::{Enrolment, Entry, Outcome, Reason, Refused, ingest};
use crate::keyring::{KeyState, Keyring, Request, RoomKey};
use crate::store::{PresenceRow, Store, StoreError};

/// Receipts that wait for their turn, over all rooms. What is beyond is not receipted now; the room sends it again.
const MAX_DELAYED: usize = 20_000;

/// Numbers that one command asks for.
const RESEND_AT_ONCE: u64 = 500;

/// The same gap is asked for again after this, milliseconds.
const ASK_AGAIN_MS: i64 = 60_000;

/// A command to send again is void after this, milliseconds.
const RESEND_EXPIRES_MS: i64 = 10 * 60_000;

/// Rooms that have not been heard for this long are not asked, milliseconds.
const HEARD_LATELY_MS: i64 = 5 * 60_000;

/// A box's word about itself that changes nothing is written down at most this often, milliseconds.
const PRESENCE_EVERY_MS: i64 = 60_000;

/// Contacts that are kept of an enrolment.
const MAX_CONTACTS: usize = 20;

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
    /// Its text.
    pub payload: String,
}

/// What follows from what was taken in.
#[derive(Debug, Default)]
pub struct Answer {
    /// To be published, in this order.
    pub publish: Vec<Publish>,
    /// Rooms that may use the broker, when that has changed.
    pub access: Option<BTreeSet<RoomAddress>>,
}

/// The desk.
pub struct Desk<S> {
    store: S,
    key: SigningKey,
    orgs: Vec<Name>,
    board: Arc<Board>,
    keyring: Keyring,
    access: BTreeSet<RoomAddress>,
    buckets: HashMap<RoomAddress, Bucket>,
    delayed: BTreeMap<(i64, u64), Publish>,
    delayed_count: u64,
    asked: HashMap<RoomAddress, Asked>,
    mark: i64,
    swept_ms: i64,
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
    pub fn open(store: S, key: SigningKey, orgs: Vec<Name>, board: Arc<Board>) -> Result<Self, StoreError> {
        let mark = store.change_mark()?;
        let keyring = Keyring::new(store.keys()?);
        let mut rows = Vec::new();
        for at in store.rooms()? {
            if let Some(kept) = store.kept(&at)? {
                rows.push(standing(&kept));
            }
        }
        board.put(rows);
        Ok(Self {
            access: keyring.rooms_with_access(),
            store,
            key,
            orgs,
            board,
            keyring,
            buckets: HashMap::new(),
            delayed: BTreeMap::new(),
            delayed_count: 0,
            asked: HashMap::new(),
            mark,
            swept_ms: 0,
        })
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
        self.store.begin()?;
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
                if let Ok(keys) = self.store.keys() {
                    self.keyring = Keyring::new(keys);
                }
                return Err(e);
            }
        };
        let mut answer = Answer::default();
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
    /// [`StoreError`].
    pub fn tick(&mut self, now_ms: i64) -> Result<Answer, StoreError> {
        let mut answer = Answer::default();
        let mark = self.store.change_mark()?;
        if mark != self.mark {
            self.learn_decisions(now_ms, &mut answer.publish)?;
            self.mark = mark;
        }
        let later = self.delayed.split_off(&(now_ms + 1, 0));
        answer.publish.extend(std::mem::replace(&mut self.delayed, later).into_values());
        if now_ms.saturating_sub(self.swept_ms) >= ASK_AGAIN_MS {
            self.swept_ms = now_ms;
            for row in self.board.rooms() {
                let lately = row.last_seen_ms.is_some_and(|seen| now_ms.saturating_sub(seen) < HEARD_LATELY_MS);
                if row.chain.missing > 0 && lately {
                    answer.publish.extend(self.ask(&row, now_ms));
                }
            }
            // A bucket that was not used for the length of a burst is full again, and need not be remembered.
            self.buckets.retain(|_, bucket| !bucket.is_full(now_ms));
        }
        answer.access = self.access_if_changed();
        Ok(answer)
    }

    fn keep(&mut self, letters: &[Letter], now_ms: i64) -> Result<(Work, Vec<Standing>), StoreError> {
        let mut work = Work::default();
        for letter in letters {
            self.keep_one(letter, &mut work)?;
        }
        let mut rows = Vec::new();
        for at in &work.touched {
            rows.extend(self.row(at, now_ms)?);
        }
        Ok((work, rows))
    }

    /// A room's row for the board; since when its verdict is what it is, is written down.
    fn row(&mut self, at: &RoomAddress, now_ms: i64) -> Result<Option<Standing>, StoreError> {
        let Some(kept) = self.store.kept(at)? else { return Ok(None) };
        let row = standing(&kept);
        let verdict = row.result.as_ref().map(|r| r.verdict.word());
        if kept.verdict.as_deref() != verdict {
            self.store.put_standing(at, verdict, row.result.as_ref().map_or(now_ms, |r| r.since_ms))?;
        }
        Ok(Some(row))
    }

    fn keep_one(&mut self, letter: &Letter, work: &mut Work) -> Result<(), StoreError> {
        let Letter { topic, payload, received_ms, .. } = letter;
        let store = &self.store;
        let outcome = ingest(topic, payload, &self.orgs, &self.keyring, |at, chain, seq| store.neighbours(at, chain, seq))?;
        match outcome {
            Outcome::Accepted(entry) => self.accept(*entry, *received_ms, work),
            Outcome::Duplicate { at, chain, seq, hash } => {
                let turn = self.turn(&at, *received_ms);
                let first_ms = self.store.received_ms(&at, chain, seq)?.unwrap_or(*received_ms);
                work.receipts.push(Owed { at, seq: Some(seq), hash, received_ms: first_ms, turn });
                Ok(())
            }
            Outcome::Fork(entry) => {
                self.store.add_fork(&entry, *received_ms)?;
                self.store.count(Some(&entry.at), Reason::Fork, *received_ms)?;
                work.forks.push((entry.at.clone(), entry.link.seq));
                work.touched.insert(entry.at);
                Ok(())
            }
            Outcome::Enrolment(enrolment) => self.enrol(*enrolment, *received_ms, work),
            Outcome::Presence(at, presence) => self.presence(at, &presence, letter, work),
            Outcome::Refused(refused) => self.refuse(&refused, *received_ms, work),
        }
    }

    fn accept(&mut self, entry: Entry, received_ms: i64, work: &mut Work) -> Result<(), StoreError> {
        let turn = self.turn(&entry.at, received_ms);
        if turn == Turn::Full {
            let detail = format!("entry {}", entry.link.seq);
            return self.refuse(&Refused { at: Some(entry.at), why: Reason::Flood, detail }, received_ms, work);
        }
        self.store.add_entry(&entry, received_ms)?;
        let (seq, hash) = (Some(entry.link.seq), entry.link.hash);
        work.touched.insert(entry.at.clone());
        work.receipts.push(Owed { at: entry.at, seq, hash, received_ms, turn });
        Ok(())
    }

    fn refuse(&mut self, refused: &Refused, now_ms: i64, work: &mut Work) -> Result<(), StoreError> {
        let Refused { at, why, detail } = refused;
        let known = at.as_ref().filter(|at| self.board.room(at).is_some() || work.touched.contains(at));
        tracing::warn!(room = at.as_ref().map(tracing::field::display), why = why.word(), detail, "refused");
        self.store.count(known, *why, now_ms)?;
        work.touched.extend(known.cloned());
        Ok(())
    }

    fn enrol(&mut self, enrolment: Enrolment, now_ms: i64, work: &mut Work) -> Result<(), StoreError> {
        let Enrolment { at, kid, key, hash, request, claims } = enrolment;
        let before = self.keyring.keys_of(&at).find(|k| k.kid == kid).cloned();
        let fresh = before.is_none();
        let row = RoomKey {
            at: at.clone(),
            state: before.as_ref().map_or(KeyState::Pending, |k| k.state),
            chain: before.as_ref().map_or(0, |k| k.chain),
            first_ms: before.as_ref().map_or(now_ms, |k| k.first_ms),
            decided_ms: before.and_then(|k| k.decided_ms),
            kid,
            key,
            name: clean(&claims.name),
            area: claims.area.as_deref().map(clean).filter(|area| !area.is_empty()),
            contacts: claims.contacts.into_iter().take(MAX_CONTACTS).map(cleaned).collect(),
            enrolment: hash,
            last_ms: now_ms,
        };
        self.store.put_key(&row)?;
        match request {
            Request::Approved => {
                let turn = self.turn(&at, now_ms);
                work.receipts.push(Owed { at: at.clone(), seq: None, hash, received_ms: now_ms, turn });
            }
            _ if fresh => {
                let second = request == Request::Challenger;
                tracing::info!(room = %at, fingerprint = row.kid.fingerprint(), second, "a box asks to be approved");
            }
            _ => {}
        }
        self.keyring.put(row);
        work.touched.insert(at);
        Ok(())
    }

    fn presence(&mut self, at: RoomAddress, said: &Presence, letter: &Letter, work: &mut Work) -> Result<(), StoreError> {
        let Some(kept) = self.store.presence(&at)? else { return Ok(()) };
        let state = said.state.or(PresenceState::Online);
        let gone = matches!(state, PresenceState::Lost | PresenceState::Disconnected);
        let now_ms = letter.received_ms;
        // The will of a connection that was given up comes after the next one has said hello.
        if gone && kept.as_ref().is_some_and(|k| k.session > said.session) {
            return Ok(());
        }
        let heard = (!letter.retained && state != PresenceState::Lost).then_some(now_ms);
        let same = kept.as_ref().filter(|k| k.state == state);
        let row = PresenceRow {
            state,
            ts_ms: said.ts_ms,
            session: said.session,
            agent: clean(&said.agent),
            since_ms: same.map_or(now_ms, |k| k.since_ms),
            heard_ms: heard.max(kept.as_ref().and_then(|k| k.heard_ms)),
        };
        let written_lately = |k: &&PresenceRow| {
            k.session == row.session && k.agent == row.agent && row.heard_ms.unwrap_or(0) - k.heard_ms.unwrap_or(0) < PRESENCE_EVERY_MS
        };
        if same.filter(written_lately).is_none() {
            self.store.put_presence(&at, &row)?;
            work.touched.insert(at);
        }
        Ok(())
    }

    fn turn(&mut self, at: &RoomAddress, now_ms: i64) -> Turn {
        self.buckets.entry(at.clone()).or_default().take(now_ms)
    }

    fn receipt(&mut self, owed: &Owed, now_ms: i64, publish: &mut Vec<Publish>) {
        let Owed { at, seq, hash, received_ms, turn } = owed;
        let claims = Receipt {
            v: WIRE_VERSION,
            org: at.org.clone(),
            room: at.room.clone(),
            iat: now_ms / 1000,
            seq: *seq,
            hash: *hash,
            received_ms: *received_ms,
            nonce: None,
        };
        let Some(message) = self.sealed(at, RoomTopic::Receipt, Kind::Receipt, &claims) else { return };
        match turn {
            Turn::Now => publish.push(message),
            Turn::At(due_ms) if self.delayed.len() < MAX_DELAYED => {
                self.delayed_count += 1;
                self.delayed.insert((*due_ms, self.delayed_count), message);
            }
            Turn::At(_) | Turn::Full => {}
        }
    }

    /// Asks for the first gap of a room's chain, unless it was asked for lately.
    /// A gap that cannot be looked up now is asked for later: what was taken in is answered all the same.
    fn ask(&mut self, row: &Standing, now_ms: i64) -> Option<Publish> {
        let (at, chain) = (&RoomAddress::from(row), row.chain.chain);
        let missing = self.store.missing(at, chain, 1).unwrap_or_else(|e| {
            tracing::warn!(room = %at, error = %e, "the missing entries cannot be looked up");
            vec![]
        });
        let gap = missing.first()?;
        let from = *gap.start();
        if let Some(asked) = self.asked.get(at)
            && (asked.chain, asked.from) == (chain, from)
            && now_ms.saturating_sub(asked.at_ms) < ASK_AGAIN_MS
        {
            return None;
        }
        self.asked.insert(at.clone(), Asked { chain, from, at_ms: now_ms });
        let claims = Command {
            v: WIRE_VERSION,
            org: at.org.clone(),
            room: at.room.clone(),
            iat: now_ms / 1000,
            id: command_id(),
            kind: CommandKind::Resend.into(),
            exp_ms: now_ms + RESEND_EXPIRES_MS,
            from: Some(from),
            to: Some(*gap.end().min(&(from.saturating_add(RESEND_AT_ONCE - 1)))),
        };
        tracing::info!(room = %at, from, to = claims.to, "asked for missing entries");
        self.sealed(at, RoomTopic::Command, Kind::Command, &claims)
    }

    fn sealed(&self, at: &RoomAddress, topic: RoomTopic, kind: Kind, claims: &impl serde::Serialize) -> Option<Publish> {
        match seal(&self.key, kind, claims) {
            Ok(sealed) => {
                let topic = Topic::Room(at.clone(), topic).to_string();
                Some(Publish { org: at.org.clone(), topic, payload: sealed.jws })
            }
            Err(e) => {
                tracing::error!(room = %at, error = %e, "a message could not be signed");
                None
            }
        }
    }

    /// Another process has written: `room approve` or `room revoke`.
    fn learn_decisions(&mut self, now_ms: i64, publish: &mut Vec<Publish>) -> Result<(), StoreError> {
        let now = Keyring::new(self.store.keys()?);
        let before = std::mem::replace(&mut self.keyring, now);
        let changed: Vec<RoomKey> =
            self.keyring.iter().filter(|key| !before.keys_of(&key.at).any(|k| k == *key)).cloned().collect();
        let mut touched = BTreeSet::new();
        for key in changed {
            let was = before.keys_of(&key.at).find(|k| k.kid == key.kid).map(|k| k.state);
            if key.state == KeyState::Approved && was != Some(KeyState::Approved) {
                tracing::info!(room = %key.at, fingerprint = key.kid.fingerprint(), "approved");
                let turn = Turn::Now;
                let owed = Owed { at: key.at.clone(), seq: None, hash: key.enrolment, received_ms: key.last_ms, turn };
                self.receipt(&owed, now_ms, publish);
            }
            if key.state == KeyState::Revoked && was != Some(KeyState::Revoked) {
                tracing::info!(room = %key.at, fingerprint = key.kid.fingerprint(), "revoked");
            }
            touched.insert(key.at);
        }
        self.store.begin()?;
        let mut rows = Vec::new();
        for at in &touched {
            match self.row(at, now_ms) {
                Ok(row) => rows.extend(row),
                Err(e) => {
                    self.store.rollback();
                    return Err(e);
                }
            }
        }
        self.store.commit()?;
        self.board.put(rows);
        Ok(())
    }

    fn access_if_changed(&mut self) -> Option<BTreeSet<RoomAddress>> {
        let now = self.keyring.rooms_with_access();
        if now == self.access {
            return None;
        }
        self.access = now.clone();
        Some(now)
    }
}

fn cleaned(contact: Contact) -> Contact {
    let text = |text: Option<String>| text.as_deref().map(clean).filter(|t| !t.is_empty());
    Contact {
        role: contact.role,
        name: text(contact.name),
        title: text(contact.title),
        phone: text(contact.phone),
        email: text(contact.email),
    }
}

/// A name that no command had before.
fn command_id() -> String {
    let mut bytes = [0_u8; 12];
    // Without random numbers nothing could have been signed either; a fixed id is then refused by the room as seen.
    let _ = SystemRandom::new().fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests;
