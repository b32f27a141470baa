//! One key of a room after the other: what an entry that was accepted, or an operator's decision, makes of the keys.
//!
//! Pure: keys in, changed keys out, in the order in which they are to be written (at no moment has a room two approved
//! keys). The rule is the protocol's (`rotation`): the next key may sign numbers above the event's; once it has
//! signed one, the former key signs none from there on. It does not matter in which order the entries come.

use std::collections::BTreeSet;

use bridgepoint_protocol::envelope::{Kid, VerifyingKey};
use bridgepoint_protocol::name::RoomAddress;

use super::{Fingerprint, KeyState, Keyring, RoomKey};

/// What becomes of a key that the room's own has named as the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// These keys have changed.
    Changed(Vec<RoomKey>),
    /// It says what is known, or what a later word has made void.
    Nothing,
    /// It changes nothing, and somebody should look at it.
    Refused(&'static str),
}

impl Keyring {
    /// The room's key `signer` has named `next` in entry `seq`, and both statements hold. `enrolment` is what the next
    /// key itself says about the room.
    #[must_use]
    pub fn hand_over(&self, signer: &Kid, seq: u64, enrolment: RoomKey) -> Handover {
        let (at, next) = (&enrolment.at, &enrolment.kid);
        let Some(own) = self.key_at(at, signer) else {
            return Handover::Refused("the signer is not the room's key");
        };
        match own.state {
            KeyState::Approved => {}
            // It came late: the room has gone on with another key since.
            KeyState::Former => return Handover::Nothing,
            _ => return Handover::Refused("a key that is trusted no more hands over to nobody"),
        }
        if self.is_anothers(at, next) {
            return Handover::Refused("the next key is another room's");
        }
        let expected = self.expected_at(&Fingerprint::of(next));
        if expected.is_some_and(|expected| expected != at) {
            return Handover::Refused("the next key is expected for another room");
        }
        if self.is_elsewhere(at, next, |state| state == KeyState::Revoked) {
            return Handover::Refused("the next key was revoked");
        }
        let from = seq.saturating_add(1);
        let known = self.key_at(at, next);
        match known.map(|k| k.state) {
            Some(KeyState::Revoked) => return Handover::Refused("the next key was revoked"),
            Some(KeyState::Former) => return Handover::Refused("the next key has handed over before"),
            Some(KeyState::Approved) => return Handover::Nothing,
            Some(KeyState::Next) => {
                // Said twice: the first time counts.
                let earlier = known.filter(|k| k.former.as_ref() == Some(signer) && from < k.from);
                return earlier.map_or(Handover::Nothing, |k| {
                    Handover::Changed(vec![RoomKey { from, ..k.clone() }])
                });
            }
            Some(KeyState::Pending) | None => {}
        }
        let mut changed = Vec::new();
        let mut state = KeyState::Next;
        for other in self.followers(at, signer).filter(|k| k.state == KeyState::Next) {
            if other.from < from {
                // The later word counts; the earlier key was never used.
                changed.push(emptied(other));
            } else {
                state = KeyState::Former;
            }
        }
        let row = RoomKey {
            state,
            chain: own.chain,
            from,
            end: (state == KeyState::Former).then_some(from),
            former: Some(signer.clone()),
            awaited: false,
            ..known.cloned().unwrap_or(enrolment)
        };
        changed.push(row);
        Handover::Changed(changed)
    }

    /// An entry with this number, signed by this key, was accepted.
    #[must_use]
    pub fn has_signed(&self, at: &RoomAddress, kid: &Kid, seq: u64, now_ms: i64) -> Vec<RoomKey> {
        let Some(key) = self.key_at(at, kid) else {
            return vec![];
        };
        let Some(former) = key.former.as_ref().and_then(|former| self.key_at(at, former)) else {
            return vec![];
        };
        let mut changed = Vec::new();
        let lower = former.end.is_none_or(|end| seq < end);
        match former.state {
            // Also one that was revoked before this came: the box has gone over to it all the same.
            KeyState::Approved if key.state == KeyState::Next || key.state == KeyState::Revoked => changed
                .push(RoomKey {
                    state: KeyState::Former,
                    end: Some(seq),
                    decided_ms: Some(now_ms),
                    ..former.clone()
                }),
            // Before a number was written down nothing of a revoked key counts, which is less.
            KeyState::Revoked if former.end.is_none() => {}
            KeyState::Former | KeyState::Revoked if lower => changed.push(RoomKey {
                end: Some(seq),
                ..former.clone()
            }),
            _ => {}
        }
        if key.state == KeyState::Next {
            let others = self.followers(at, &former.kid);
            let others = others.filter(|k| k.state == KeyState::Next && k.kid != *kid);
            changed.extend(others.map(emptied));
            changed.push(RoomKey {
                state: KeyState::Approved,
                decided_ms: Some(now_ms),
                ..key.clone()
            });
        }
        changed
    }

    /// An operator revokes a key from a number on. Keys that it has named go with it: those that have signed nothing
    /// yet, and those that it named in an entry which is no longer believed. Of these also what was revoked from a later
    /// number on.
    #[must_use]
    pub fn revoke(&self, at: &RoomAddress, kid: &Kid, end: Option<u64>, now_ms: i64) -> Vec<RoomKey> {
        let Some(key) = self.key_at(at, kid) else {
            return vec![];
        };
        let mut changed = vec![revoked(key, end, now_ms)];
        let mut seen = BTreeSet::from([kid.clone()]);
        let mut ends = vec![(kid.clone(), end)];
        while let Some((former, end)) = ends.pop() {
            for key in self.followers(at, &former) {
                let named_in = key.from.saturating_sub(1);
                let void = key.state == KeyState::Next || end.is_some_and(|end| named_in >= end);
                if void && seen.insert(key.kid.clone()) {
                    let nothing = Some(key.from);
                    let emptied = revoked(key, nothing, now_ms);
                    if (emptied.state, emptied.end) != (key.state, key.end) {
                        changed.push(emptied);
                    }
                    ends.push((key.kid.clone(), nothing));
                }
            }
        }
        changed
    }

    fn followers<'a>(&'a self, at: &RoomAddress, former: &Kid) -> impl Iterator<Item = &'a RoomKey> {
        let former = former.clone();
        self.keys_of(at)
            .filter(move |k| k.former.as_ref() == Some(&former))
    }
}

/// A key that the next one itself has shown: what is known of it before it has asked.
#[must_use]
pub fn named(
    at: RoomAddress,
    key: VerifyingKey,
    enrolment: bridgepoint_protocol::envelope::EntryHash,
    now_ms: i64,
) -> RoomKey {
    RoomKey {
        at,
        kid: key.kid(),
        key,
        state: KeyState::Pending,
        chain: 0,
        from: 1,
        end: None,
        former: None,
        awaited: false,
        name: String::new(),
        area: None,
        contacts: vec![],
        enrolment,
        first_ms: now_ms,
        last_ms: now_ms,
        decided_ms: None,
    }
}

/// A key that was named and never used, and is not to be used.
fn emptied(key: &RoomKey) -> RoomKey {
    RoomKey {
        state: KeyState::Former,
        end: Some(key.from),
        ..key.clone()
    }
}

fn revoked(key: &RoomKey, end: Option<u64>, now_ms: i64) -> RoomKey {
    // A range never grows by a revocation.
    let end = match (end, key.end) {
        (Some(wanted), Some(had)) => Some(wanted.min(had)),
        (wanted, _) => wanted,
    };
    RoomKey {
        state: KeyState::Revoked,
        end,
        decided_ms: Some(now_ms),
        ..key.clone()
    }
}
