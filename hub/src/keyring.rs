//! Which key is which room's: pure decisions over the keys that are kept.
//!
//! A room has at most one approved key, and a key at most one room. A second key for a room that has one is
//! noted as a challenger and never replaces the first by itself: an operator compares fingerprints and decides.

use std::collections::{BTreeMap, BTreeSet};

use bridgepoint_protocol::claims::Contact;
use bridgepoint_protocol::envelope::{EntryHash, Kid, VerifyingKey};
use bridgepoint_protocol::name::{Name, RoomAddress};
use serde::Serialize;

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
    /// It is the room's.
    Approved,
    /// It is trusted no more.
    Revoked,
}

impl KeyState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Revoked];

    /// The word in the database and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Revoked => "revoked",
        }
    }
}

/// What a key is to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The room's own; signs this chain.
    Approved {
        /// See [`RoomKey::chain`].
        chain: u32,
    },
    /// Asked, not decided.
    Pending,
    /// Trusted no more.
    Revoked,
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
    /// Waits for the operator.
    Pending,
    /// Waits for the operator, and the room has another key.
    Challenger,
    /// Refused: trusted no more.
    Revoked,
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

    /// What a key is to a room.
    #[must_use]
    pub fn standing(&self, at: &RoomAddress, kid: &Kid) -> Standing {
        let Some(known) = self.by_kid.get(kid) else {
            return Standing::Unknown;
        };
        match known.iter().find(|k| k.at == *at) {
            Some(key) => match key.state {
                KeyState::Approved => Standing::Approved { chain: key.chain },
                KeyState::Pending => Standing::Pending,
                KeyState::Revoked => Standing::Revoked,
            },
            None => Standing::Elsewhere,
        }
    }

    /// What becomes of an enrolment.
    #[must_use]
    pub fn request(&self, at: &RoomAddress, kid: &Kid) -> Request {
        let elsewhere = |state| {
            self.by_kid
                .get(kid)
                .is_some_and(|known| known.iter().any(|k| k.at != *at && k.state == state))
        };
        let new = match self.standing(at, kid) {
            Standing::Approved { .. } => return Request::Approved,
            Standing::Revoked => return Request::Revoked,
            Standing::Pending => false,
            Standing::Elsewhere | Standing::Unknown => true,
        };
        if elsewhere(KeyState::Approved) {
            return Request::Elsewhere;
        }
        if elsewhere(KeyState::Revoked) {
            return Request::Revoked;
        }
        if new
            && (self.waiting_for(at) >= MAX_WAITING_FOR_ROOM
                || self.waiting_in(&at.org) >= MAX_WAITING_IN_ORG)
        {
            return Request::TooMany;
        }
        if self.approved(at).is_some() {
            Request::Challenger
        } else {
            Request::Pending
        }
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

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &RoomKey> {
        self.by_kid.values().flatten()
    }

    /// Rooms that may use their own topics: those with an approved key, and those that wait for one.
    #[must_use]
    pub fn rooms_with_access(&self) -> BTreeSet<RoomAddress> {
        self.iter()
            .filter(|k| k.state != KeyState::Revoked)
            .map(|k| k.at.clone())
            .collect()
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
mod tests {
    use super::*;
    use bridgepoint_protocol::envelope::SigningKey;

    fn key() -> VerifyingKey {
        let made = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
        SigningKey::from_pkcs8(&made).unwrap().verifying()
    }

    fn entry(at: &str, key: VerifyingKey, state: KeyState) -> RoomKey {
        RoomKey {
            at: at.parse().unwrap(),
            kid: key.kid(),
            key,
            state,
            chain: u32::from(state != KeyState::Pending),
            name: String::new(),
            area: None,
            contacts: vec![],
            enrolment: EntryHash::ZERO,
            first_ms: 0,
            last_ms: 0,
            decided_ms: None,
        }
    }

    #[test]
    fn every_standing_and_every_request() {
        let (own, other, gone, new) = (key(), key(), key(), key());
        let ring = Keyring::new([
            entry("abc/one", own, KeyState::Approved),
            entry("abc/one", other, KeyState::Pending),
            entry("abc/one", gone, KeyState::Revoked),
            entry("abc/two", other, KeyState::Pending),
        ]);
        let (one, two, three) = (
            "abc/one".parse().unwrap(),
            "abc/two".parse().unwrap(),
            "abc/three".parse().unwrap(),
        );
        assert_eq!(ring.standing(&one, &own.kid()), Standing::Approved { chain: 1 });
        assert_eq!(ring.standing(&one, &other.kid()), Standing::Pending);
        assert_eq!(ring.standing(&one, &gone.kid()), Standing::Revoked);
        assert_eq!(ring.standing(&two, &own.kid()), Standing::Elsewhere);
        assert_eq!(ring.standing(&one, &new.kid()), Standing::Unknown);

        assert_eq!(ring.request(&one, &own.kid()), Request::Approved);
        assert_eq!(ring.request(&one, &other.kid()), Request::Challenger);
        assert_eq!(ring.request(&one, &new.kid()), Request::Challenger);
        assert_eq!(ring.request(&two, &other.kid()), Request::Pending);
        assert_eq!(ring.request(&three, &new.kid()), Request::Pending);
        assert_eq!(
            ring.request(&three, &other.kid()),
            Request::Pending,
            "a room whose name was corrected"
        );
        assert_eq!(
            ring.request(&three, &own.kid()),
            Request::Elsewhere,
            "a copied box"
        );
        assert_eq!(ring.request(&one, &gone.kid()), Request::Revoked);
        assert_eq!(ring.request(&three, &gone.kid()), Request::Revoked);
        assert_eq!(ring.approved(&one).unwrap().kid, own.kid());
        assert!(ring.approved(&two).is_none());
        assert_eq!(ring.rooms_with_access().len(), 2);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut ring = Keyring::default();
        for _ in 0..MAX_WAITING_FOR_ROOM {
            ring.put(entry("abc/one", key(), KeyState::Pending));
        }
        assert_eq!(
            ring.request(&"abc/one".parse().unwrap(), &key().kid()),
            Request::TooMany
        );
        let known = ring.iter().next().unwrap().kid.clone();
        assert_eq!(
            ring.request(&"abc/one".parse().unwrap(), &known),
            Request::Pending,
            "who waits already may ask again"
        );
        for n in 0..MAX_WAITING_IN_ORG - MAX_WAITING_FOR_ROOM {
            ring.put(entry(&format!("abc/room-{n}"), key(), KeyState::Pending));
        }
        assert_eq!(
            ring.request(&"abc/new".parse().unwrap(), &key().kid()),
            Request::TooMany
        );
        assert_eq!(
            ring.request(&"def/new".parse().unwrap(), &key().kid()),
            Request::Pending
        );
    }
}
