//! Which key is which room's, and for which numbers of its chain: pure decisions over the keys that are kept.
//!
//! A room has at most one approved key, and a key at most one room. A second key for a room that has one is
//! noted as a challenger and never replaces the first by itself: an operator compares fingerprints and decides. Only
//! the room's own key can name the next one, inside the chain ([`handover`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use bridgepoint_protocol::claims::Contact;
use bridgepoint_protocol::envelope::{EntryHash, Kid, VerifyingKey};
use bridgepoint_protocol::name::{Name, RoomAddress};
use serde::Serialize;

mod fingerprint;
pub mod handover;

pub use fingerprint::Fingerprint;

/// Keys that may wait for a decision in one organisation. What is beyond is refused: anybody who reaches the
/// broker can ask, and what they ask for is kept.
pub const MAX_WAITING_IN_ORG: usize = 1000;

/// Keys that may wait for a decision for one room.
pub const MAX_WAITING_FOR_ROOM: usize = 4;

/// One key that asked for one room, and what was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomKey {
    /// The room it asked for.
    pub at: RoomAddress,
    /// Its id.
    pub kid: Kid,
    /// The key.
    pub key: VerifyingKey,
    /// What was decided.
    pub state: KeyState,
    /// The chain of entries that it signs, counted for each room from 1; 0 before the first approval. A box that
    /// was set up anew begins a new one.
    pub chain: u32,
    /// The first number that it may sign: 1, or the one after the event by which another key handed over to it.
    pub from: u64,
    /// It signs no entry with this number or more: revoked from there on, or handed over.
    pub end: Option<u64>,
    /// The key that handed over to it, when one did.
    pub former: Option<Kid>,
    /// True when entries that it may have signed are still to come: a room whose key was revoked has to be able to
    /// send them. Worked out by the store, not kept.
    pub awaited: bool,
    /// The room's name, as the enrolment says.
    pub name: String,
    /// The room's area, as the enrolment says.
    pub area: Option<String>,
    /// Whom to ring, as the enrolment says (R34).
    pub contacts: Vec<Contact>,
    /// Hash of the newest enrolment.
    pub enrolment: EntryHash,
    /// First heard, UTC milliseconds.
    pub first_ms: i64,
    /// The newest enrolment, UTC milliseconds.
    pub last_ms: i64,
    /// When it was decided, UTC milliseconds.
    pub decided_ms: Option<i64>,
}

/// What was decided about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Nothing yet.
    Pending,
    /// The room's own key has named it as the next one; it has signed nothing yet.
    Next,
    /// It is the room's.
    Approved,
    /// It was the room's until it handed over; entries of then may still come.
    Former,
    /// An operator trusts it no more.
    Revoked,
}

impl KeyState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Next,
        Self::Approved,
        Self::Former,
        Self::Revoked,
    ];

    /// The word in the database and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Next => "next",
            Self::Approved => "approved",
            Self::Former => "former",
            Self::Revoked => "revoked",
        }
    }

    /// True for a key that speaks for its room, now or at its next word.
    #[must_use]
    pub fn is_the_rooms(self) -> bool {
        matches!(self, Self::Approved | Self::Next)
    }
}

impl RoomKey {
    /// True when an entry with this number is one that the key may sign.
    #[must_use]
    pub fn signs(&self, seq: u64) -> bool {
        self.from <= seq && self.end.is_none_or(|end| seq < end)
    }
}

/// What a key is to a room, asked for one number of its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The room's own for this number; signs this chain.
    Own {
        /// See [`RoomKey::chain`].
        chain: u32,
    },
    /// Asked, not decided.
    Pending,
    /// Trusted no more from this number on, or altogether.
    Revoked,
    /// It had handed over before this number.
    Former,
    /// It was handed over to after this number.
    Early,
    /// Another room's.
    Elsewhere,
    /// Never heard of.
    Unknown,
}

/// What becomes of a request to trust a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// The room's own key already: receipt it.
    Approved,
    /// The key that an operator expects for this room: approve it, then receipt it.
    Expected,
    /// Waits for the operator.
    Pending,
    /// Waits for the operator, and the room has another key.
    Challenger,
    /// Refused: trusted no more.
    Revoked,
    /// Refused: it has handed over to another.
    Former,
    /// Refused: another room's.
    Elsewhere,
    /// Refused: too many wait already.
    TooMany,
}

/// All keys that are kept.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    by_kid: BTreeMap<Kid, Vec<RoomKey>>,
    by_room: BTreeMap<RoomAddress, BTreeSet<Kid>>,
    expected: BTreeMap<RoomAddress, Fingerprint>,
}

impl Keyring {
    /// From what is kept.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = RoomKey>) -> Self {
        let mut ring = Self::default();
        for key in keys {
            ring.put(key);
        }
        ring
    }

    /// The same, with the keys that are expected before they have asked.
    #[must_use]
    pub fn expecting(mut self, expected: impl IntoIterator<Item = (RoomAddress, Fingerprint)>) -> Self {
        self.expected.extend(expected);
        self
    }

    /// What was expected for a room has come, or is expected no more.
    pub fn forget_expected(&mut self, at: &RoomAddress) {
        self.expected.remove(at);
    }

    /// The room for which a key is expected.
    #[must_use]
    pub fn expected_at(&self, fingerprint: &Fingerprint) -> Option<&RoomAddress> {
        self.expected
            .iter()
            .find_map(|(at, expected)| (expected == fingerprint).then_some(at))
    }

    /// Adds a key, or replaces what was known of it.
    pub fn put(&mut self, key: RoomKey) {
        self.by_room
            .entry(key.at.clone())
            .or_default()
            .insert(key.kid.clone());
        let known = self.by_kid.entry(key.kid.clone()).or_default();
        known.retain(|k| k.at != key.at);
        known.push(key);
    }

    /// The key that an id stands for, whatever was decided about it: who signed is one question, whether that
    /// counts is the next ([`Self::standing`]).
    #[must_use]
    pub fn key_of(&self, kid: &Kid) -> Option<VerifyingKey> {
        self.by_kid.get(kid)?.first().map(|k| k.key)
    }

    /// What a key is to a room, for the entry with this number.
    #[must_use]
    pub fn standing(&self, at: &RoomAddress, kid: &Kid, seq: u64) -> Standing {
        let Some(known) = self.by_kid.get(kid) else {
            return Standing::Unknown;
        };
        let Some(key) = known.iter().find(|k| k.at == *at) else {
            return Standing::Elsewhere;
        };
        let own = Standing::Own { chain: key.chain };
        match key.state {
            KeyState::Pending => Standing::Pending,
            // Revoked before numbers were written down, or never trusted: then nothing of it counts.
            KeyState::Revoked if key.chain == 0 || key.end.is_none() => Standing::Revoked,
            _ if seq < key.from => Standing::Early,
            KeyState::Revoked if !key.signs(seq) => Standing::Revoked,
            _ if key.signs(seq) => own,
            _ => Standing::Former,
        }
    }

    /// What becomes of an enrolment. That it names a former key changes nothing: the former key has to say so itself.
    #[must_use]
    pub fn request(&self, at: &RoomAddress, kid: &Kid) -> Request {
        let here = self.key_at(at, kid).map(|k| k.state);
        match here {
            Some(KeyState::Approved | KeyState::Next) => return Request::Approved,
            Some(KeyState::Revoked) => return Request::Revoked,
            Some(KeyState::Former) => return Request::Former,
            Some(KeyState::Pending) | None => {}
        }
        if self.is_anothers(at, kid) {
            return Request::Elsewhere;
        }
        if self.is_elsewhere(at, kid, |state| state == KeyState::Revoked) {
            return Request::Revoked;
        }
        let trusted = self.approved(at).is_some();
        if !trusted && self.expected.get(at).is_some_and(|expected| expected.is_of(kid)) {
            return Request::Expected;
        }
        if here.is_none()
            && (self.waiting_for(at) >= MAX_WAITING_FOR_ROOM
                || self.waiting_in(&at.org) >= MAX_WAITING_IN_ORG)
        {
            return Request::TooMany;
        }
        if trusted {
            Request::Challenger
        } else {
            Request::Pending
        }
    }

    /// A key as one room has it.
    #[must_use]
    pub fn key_at(&self, at: &RoomAddress, kid: &Kid) -> Option<&RoomKey> {
        self.by_kid.get(kid)?.iter().find(|k| k.at == *at)
    }

    /// True when the key is another room's, or was until it handed over: it cannot be this one's.
    #[must_use]
    pub fn is_anothers(&self, at: &RoomAddress, kid: &Kid) -> bool {
        self.is_elsewhere(at, kid, |state| state.is_the_rooms() || state == KeyState::Former)
    }

    /// True when another room has the key in such a state.
    fn is_elsewhere(&self, at: &RoomAddress, kid: &Kid, state: impl Fn(KeyState) -> bool) -> bool {
        self.by_kid
            .get(kid)
            .is_some_and(|known| known.iter().any(|k| k.at != *at && state(k.state)))
    }

    /// The room's own key.
    #[must_use]
    pub fn approved(&self, at: &RoomAddress) -> Option<&RoomKey> {
        self.keys_of(at).find(|k| k.state == KeyState::Approved)
    }

    /// All keys that asked for a room.
    pub fn keys_of<'a>(&'a self, at: &RoomAddress) -> impl Iterator<Item = &'a RoomKey> {
        let at = at.clone();
        self.by_room
            .get(&at)
            .into_iter()
            .flatten()
            .filter_map(move |kid| {
                self.by_kid
                    .get(kid)
                    .and_then(|known| known.iter().find(|k| k.at == at))
            })
    }

    /// The first of these numbers of a chain that would be taken from one of the room's keys.
    #[must_use]
    pub fn first_wanted(&self, at: &RoomAddress, chain: u32, numbers: &RangeInclusive<u64>) -> Option<u64> {
        self.keys_of(at)
            .filter(|k| k.chain == chain && k.state != KeyState::Pending)
            .map(|k| (k, k.from.max(*numbers.start())))
            .filter(|(k, seq)| {
                numbers.contains(seq) && matches!(self.standing(at, &k.kid, *seq), Standing::Own { .. })
            })
            .map(|(_, seq)| seq)
            .min()
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &RoomKey> {
        self.by_kid.values().flatten()
    }

    /// Rooms that may use their own topics: those with an approved key, those that wait for one or are expected, and
    /// those whose revoked key has signed entries that are still to come.
    #[must_use]
    pub fn rooms_with_access(&self) -> BTreeSet<RoomAddress> {
        let known = self.iter().filter(|k| match k.state {
            KeyState::Pending | KeyState::Next | KeyState::Approved => true,
            KeyState::Former => false,
            KeyState::Revoked => k.awaited,
        });
        let known = known.map(|k| &k.at);
        known.chain(self.expected.keys()).cloned().collect()
    }

    fn waiting_for(&self, at: &RoomAddress) -> usize {
        self.keys_of(at).filter(|k| k.state == KeyState::Pending).count()
    }

    fn waiting_in(&self, org: &Name) -> usize {
        self.iter()
            .filter(|k| k.at.org == *org && k.state == KeyState::Pending)
            .count()
    }
}

#[cfg(test)]
mod tests;
