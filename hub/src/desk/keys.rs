//! What an accepted entry makes of its room's keys: a key that signs for the first time takes over, and a key that
//! hands over names the next one.
//!
//! The entry itself is kept and receipted whatever it says about keys: it is the room's own word, and the evidence of
//! who tried what. A statement that does not hold changes no key; it is counted, said in the log and on the page.

use bridgepoint_protocol::claims::Event;
use bridgepoint_protocol::envelope::open_enrolment;
use bridgepoint_protocol::rotation;

use super::keep::says;
use super::{Desk, Owed, Work};
use crate::bucket::Turn;
use crate::ingest::{Body, Entry, Reason};
use crate::keyring::handover::{Handover, named};
use crate::keyring::{KeyState, RoomKey};
use crate::store::{Store, StoreError};

impl<S: Store> Desk<S> {
    /// Learns from an entry that was just kept.
    pub(super) fn learn_keys(
        &mut self,
        entry: &Entry,
        received_ms: i64,
        work: &mut Work,
    ) -> Result<(), StoreError> {
        let changed = self
            .keyring
            .has_signed(&entry.at, &entry.kid, entry.link.seq, received_ms);
        for key in &changed {
            if key.state == KeyState::Approved {
                tracing::info!(room = %entry.at, fingerprint = key.kid.fingerprint(), seq = entry.link.seq, "the next key signs");
            }
        }
        self.change(changed)?;
        // What a revoked key had still to send may be here now: then its room has no more to say.
        work.keys_stale |= self
            .keyring
            .key_at(&entry.at, &entry.kid)
            .is_some_and(|k| k.state == KeyState::Revoked);
        match &entry.body {
            Body::Event(event) => self.hand_over(entry, event, received_ms, work),
            _ => Ok(()),
        }
    }

    fn hand_over(
        &mut self,
        entry: &Entry,
        event: &Event,
        received_ms: i64,
        work: &mut Work,
    ) -> Result<(), StoreError> {
        let Some(named) = rotation::successor(event, &entry.kid) else {
            return Ok(());
        };
        let next = named.ok().and_then(|_| next_key(entry, event, received_ms));
        let decided = match next {
            Some(next) => self.keyring.hand_over(&entry.kid, entry.link.seq, next),
            None => Handover::Refused("the statements do not hold"),
        };
        match decided {
            Handover::Nothing => {}
            Handover::Changed(changed) => {
                for key in changed.iter().filter(|k| k.state == KeyState::Next) {
                    tracing::info!(room = %entry.at, fingerprint = key.kid.fingerprint(), seq = entry.link.seq, "the room's key names the next one");
                    // It may have asked before: the box waits for this answer, since the outbox follows it.
                    if self.keyring.key_at(&key.at, &key.kid).is_some() {
                        work.receipts.push(Owed {
                            at: key.at.clone(),
                            seq: None,
                            hash: key.enrolment,
                            received_ms: key.last_ms,
                            turn: Turn::Now,
                        });
                    }
                }
                self.change(changed)?;
            }
            Handover::Refused(why) => {
                tracing::error!(room = %entry.at, seq = entry.link.seq, why, "a key was handed over and is not taken: it changes nothing");
                self.store.count(Some(&entry.at), Reason::Rotation, received_ms)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, keys: Vec<RoomKey>) -> Result<(), StoreError> {
        for key in keys {
            self.store.put_key(&key)?;
            self.access_stale = true;
            self.keyring.put(key);
        }
        Ok(())
    }
}

/// The next key as its own statement shows it. That it holds, [`rotation::successor`] has found out.
fn next_key(entry: &Entry, event: &Event, received_ms: i64) -> Option<RoomKey> {
    let proof = event.params.get("proof")?.as_str()?;
    let (opened, claims) = open_enrolment(proof.as_bytes()).ok()?;
    let key = bridgepoint_protocol::envelope::VerifyingKey::from_jwk(&claims.jwk).ok()?;
    Some(says(
        claims,
        named(entry.at.clone(), key, opened.hash, received_ms),
    ))
}
