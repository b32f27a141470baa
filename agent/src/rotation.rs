//! The box changes over to its next key: made, said in the logbook by the key that signs, tried at the hub, and only then
//! put in the old one's place (R38).
//!
//! How far it is stands in the files alone: the next key beside the one that signs, the entry that names it, that entry's
//! receipt. A box that is cut off at any of these goes on from there at its next start, with the key that it had.

use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::Enrol;
use bridgepoint_protocol::envelope::{EntryHash, Kid, SealError, Sealed, SigningKey, VerifyingKey};
use bridgepoint_protocol::rotation::{self as handover, KEY_EVENT, ROTATED, successor};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::key::known::Known;
use crate::key::{self, KeyError};
use crate::logbook::{self, BookBroken, LogbookError, Own};
use crate::said::{Said, Say};
use crate::state::StateDir;
use crate::station::Station;

/// `code` of the event by which a box says that its former key is lost.
pub(crate) const NEW_KEY: &str = "key.new";

/// A change that is under way.
pub(crate) struct Rotation {
    next: Arc<SigningKey>,
    told: Option<Told>,
}

/// The entry that names the next key, and the next key's own word.
struct Told {
    seq: u64,
    proof: Sealed,
}

/// What a change waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Awaited {
    /// The hub's receipt for the entry that names the next key.
    Entry,
    /// The hub's receipt for the next key's own enrolment.
    Trial,
}

/// How the box's keys stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keys {
    /// The key that signs.
    pub(crate) own: Kid,
    /// The key that will sign, and what is waited for, while a change is under way.
    pub(crate) next: Option<(Kid, Awaited)>,
}

/// Why the box cannot change over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    /// The key is not the box's own to change.
    #[error(
        "the box's key is a credential of the service; whoever administers the machine replaces it there"
    )]
    Credential,
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The logbook.
    #[error(transparent)]
    Logbook(#[from] LogbookError),
    /// The logbook cannot be read.
    #[error(transparent)]
    Broken(#[from] BookBroken),
    /// The next key's enrolment cannot be made.
    #[error("the next key's enrolment cannot be made: {0}")]
    Proof(#[from] SealError),
    /// The program itself.
    #[error("the change was broken off: {0}")]
    Broke(String),
}

impl Say for RotateError {
    fn said(&self) -> Said {
        match self {
            Self::Credential => {
                Said::new("error-key-rotate-credential").with("setting", "LoadCredential=bridgepoint-key")
            }
            Self::Key(error) => error.said(),
            Self::Logbook(error) => error.said(),
            Self::Broken(error) => error.said(),
            Self::Proof(error) => Said::new("error-program").because(error),
            Self::Broke(why) => Said::new("error-program").because(why),
        }
    }
}

/// What the box's keys are found to be when it starts.
pub(crate) struct Found {
    /// The key that signs.
    pub(crate) key: SigningKey,
    /// The key that signed the newest entry, where it is another and has not handed over to this one.
    pub(crate) lost: Option<Kid>,
}

/// Reads the key, or makes it where there is none, and finishes a change that a power cut has left half done. The state
/// directory must be locked.
///
/// # Errors
/// [`KeyError`].
pub(crate) fn find(state: &StateDir, logbook: &Path) -> Result<Found, KeyError> {
    let mut key = key::load_or_make(state)?;
    let newest =
        logbook::newest_signer(logbook, &Own::listed(state, &key.verifying())).unwrap_or_else(|error| {
            tracing::error!(%error, "whose the newest entry is cannot be read");
            None
        });
    // A next key that has signed was put in place already, and the power went before the disk had it.
    let signed_by_next = key::next(state).ok().flatten();
    if signed_by_next.is_some_and(|next| newest.as_ref() == Some(next.kid()) && next.kid() != key.kid()) {
        key::replace_by_next(state)?;
        key = key::load(state)?;
    }
    remember(state, &key.verifying(), key::is_credential(state));
    let lost = newest.filter(|signer| signer != key.kid() && !handed_over(logbook, &key.verifying()));
    Ok(Found { key, lost })
}

/// Lists the key among the box's own. A list that cannot be written is told, and costs nothing but that.
fn remember(state: &StateDir, key: &VerifyingKey, credential: bool) {
    let kept = Known::load(state).and_then(|known| {
        let with = known.clone().with(key, credential);
        if with == known { Ok(()) } else { with.save(state) }
    });
    if let Err(error) = kept {
        tracing::error!(%error, "the list of this box's own keys cannot be kept");
    }
}

/// Whether an entry of the logbook hands over to this key.
fn handed_over(logbook: &Path, key: &VerifyingKey) -> bool {
    let events = logbook::events_of(logbook, KEY_EVENT).unwrap_or_default();
    let mut events = events.iter();
    events.any(|said| successor(&said.event, &said.signer).is_some_and(|next| next == Ok(*key)))
}

/// The entry by which `own` hands over to `next`, and whether the hub has receipted it.
fn told(logbook: &Path, own: &Kid, next: &VerifyingKey) -> Result<Option<(Told, bool)>, BookBroken> {
    let events = logbook::events_of(logbook, KEY_EVENT)?;
    Ok(events.into_iter().rev().find_map(|said| {
        let names = said.signer == *own && successor(&said.event, own)? == Ok(*next);
        let jws = said.event.params.get("proof")?.as_str()?.to_owned();
        let proof = Sealed {
            hash: EntryHash::of(&jws),
            jws,
        };
        let seq = said.seq;
        names.then_some((Told { seq, proof }, said.received))
    }))
}

/// How the keys in a state directory stand, for whoever only looks.
///
/// # Errors
/// [`RotateError`].
pub(crate) fn look(state: &StateDir) -> Result<Keys, RotateError> {
    let own = key::known::current(state)?.kid();
    let next = match key::next(state)? {
        Some(next) if *next.kid() != own => {
            let received = told(&state.join("logbook"), &own, &next.verifying())?.is_some_and(|(_, r)| r);
            let awaited = if received { Awaited::Trial } else { Awaited::Entry };
            Some((next.kid().clone(), awaited))
        }
        _ => None,
    };
    Ok(Keys { own, next })
}

impl Station {
    /// Begins to change over to another key, or goes on with the change that is under way. Without a hub it is done when
    /// this returns; with one, the next key signs once the hub has taken it. Reads the logbook: not for the program's loop.
    ///
    /// # Errors
    /// [`RotateError`]; the box goes on with the key that it has.
    pub(crate) fn rotate_key(&self) -> Result<Keys, RotateError> {
        if key::is_credential(&self.state) {
            return Err(RotateError::Credential);
        }
        {
            let mut slot = self.rotation();
            if slot.is_none() {
                let next = Arc::new(key::next_or_make(&self.state)?);
                *slot = Some(Rotation { next, told: None });
            }
        }
        self.go_on()?;
        Ok(self.keys())
    }

    /// Takes up the change that was under way when the program ended.
    pub(crate) fn resume_rotation(&self) {
        if key::is_credential(&self.state) {
            return;
        }
        let resumed = key::next(&self.state).map_err(Into::into).and_then(|next| {
            *self.rotation() = next.map(|next| Rotation {
                next: Arc::new(next),
                told: None,
            });
            self.go_on()
        });
        if let Err(error) = resumed {
            tracing::error!(%error, "the change to the next key cannot go on; the box keeps the key that it has");
        }
    }

    /// Writes into the logbook that the key is another than before, where nobody has handed over to it.
    pub(crate) fn say_new_key(&self) {
        let Some(lost) = &self.lost_key else { return };
        let own = self.key().kid().fingerprint();
        tracing::warn!(fingerprint = %own, former = %lost.fingerprint(), "the key that signed before is gone; the province has to approve this one");
        let params = [("fingerprint", own), ("former", lost.fingerprint())];
        let params = params.map(|(name, value)| (name.to_owned(), value.into()));
        if let Err(error) = self.note(KEY_EVENT, NEW_KEY, params.into()) {
            tracing::error!(%error, "that the key is another cannot be written into the logbook; it is tried again at the next start");
        }
    }

    /// How the keys stand.
    pub(crate) fn keys(&self) -> Keys {
        let slot = self.rotation();
        let next = slot.as_ref().map(|rotation| {
            let awaited = match self.receipted(rotation) {
                Some(_) => Awaited::Trial,
                None => Awaited::Entry,
            };
            (rotation.next.kid().clone(), awaited)
        });
        Keys {
            own: self.key().kid().clone(),
            next,
        }
    }

    /// The next key's enrolment, once the hub has receipted the entry that names it: to be sent until it is receipted.
    pub(crate) fn trial(&self) -> Option<Sealed> {
        let slot = self.rotation();
        self.receipted(slot.as_ref()?).map(|told| told.proof.clone())
    }

    /// The hub has receipted an enrolment: where it is the next key's, that key signs from now on. `None` where it is not.
    pub(crate) fn trial_taken(&self, enrolment: EntryHash) -> Option<Result<(), KeyError>> {
        let mut slot = self.rotation();
        let told = self.receipted(slot.as_ref()?)?;
        let is_it = told.proof.hash == enrolment;
        is_it.then(|| self.complete(&mut slot))
    }

    /// Waits until no change is under way; false when one still is after `patience`.
    pub(crate) async fn wait_for_rotation(&self, patience: Duration) -> bool {
        let mut rotated = self.rotated.subscribe();
        let done = rotated.wait_for(|()| self.rotation().is_none());
        tokio::time::timeout(patience, done)
            .await
            .is_ok_and(|seen| seen.is_ok())
    }

    /// What an enrolment of this box says, with the key that signs.
    pub(crate) fn enrol_claims(&self) -> Enrol {
        let settings = &self.settings;
        Enrol {
            v: WIRE_VERSION,
            org: settings.address.org.clone(),
            room: settings.address.room.clone(),
            iat: clock::wall_ms().div_euclid(1000),
            jwk: self.key().verifying().jwk(),
            former: None,
            name: settings.name.clone(),
            area: settings.area.clone(),
            contacts: settings.contacts.clone(),
        }
    }

    /// The next step that needs nobody else: the entry where it is missing, the end where there is no hub to ask.
    fn go_on(&self) -> Result<(), RotateError> {
        let own = self.key();
        let untold = self
            .rotation()
            .as_ref()
            .filter(|rotation| rotation.told.is_none())
            .map(|rotation| rotation.next.verifying());
        // The whole logbook is read, and nothing is held meanwhile: delivery asks after the change at each of its turns.
        let standing = match untold {
            Some(next) => told(&self.logbook_dir(), own.kid(), &next)?.map(|(told, _)| told),
            None => None,
        };
        let mut slot = self.rotation();
        let Some(rotation) = slot.as_mut() else {
            return Ok(());
        };
        if rotation.told.is_none() {
            let standing = standing.filter(|told| !self.book().is_given_up(told.seq));
            rotation.told = Some(match standing {
                Some(told) => told,
                None => self.tell(&rotation.next, &own)?,
            });
        }
        if self.settings.hub.is_none() {
            self.complete(&mut slot)?;
        }
        Ok(())
    }

    /// Writes the entry by which `own` names the next key.
    fn tell(&self, next: &SigningKey, own: &SigningKey) -> Result<Told, RotateError> {
        let proof = handover::proof(next, own.kid(), self.enrol_claims())?;
        let params = handover::params(&next.verifying(), &proof);
        let (seq, _) = self.note(KEY_EVENT, ROTATED, params)?;
        Ok(Told { seq, proof })
    }

    /// The hub knows now that entries are missing for good: where the one that names the next key is among them, another
    /// names it.
    pub(crate) fn tell_again(&self) {
        let mut slot = self.rotation();
        let Some(rotation) = slot.as_mut() else { return };
        let given_up = |told: &Told| self.book().is_given_up(told.seq);
        if !rotation.told.as_ref().is_some_and(given_up) {
            return;
        }
        match self.tell(&rotation.next, &self.key()) {
            Ok(told) => rotation.told = Some(told),
            Err(error) => {
                // The next order, or the next start, tries again.
                rotation.told = None;
                tracing::error!(%error, "the next key cannot be named again; the box keeps the key that it has");
            }
        }
    }

    /// The entry that names the next key, once the hub has receipted it.
    fn receipted<'a>(&self, rotation: &'a Rotation) -> Option<&'a Told> {
        let told = rotation.told.as_ref()?;
        let book = self.book();
        (!book.is_waiting(told.seq) && !book.is_given_up(told.seq)).then_some(told)
    }

    /// Puts the next key in the place of the one that signs.
    fn complete(&self, slot: &mut Option<Rotation>) -> Result<(), KeyError> {
        let Some(rotation) = slot else { return Ok(()) };
        let (old, next) = (self.key(), Arc::clone(&rotation.next));
        // First: without it nobody could verify what the old key has signed.
        Known::load(&self.state)?
            .with(&old.verifying(), false)
            .with(&next.verifying(), false)
            .save(&self.state)?;
        {
            // No entry is made meanwhile: the old key signs none once the new one is in place.
            let _book = self.book();
            key::replace_by_next(&self.state)?;
            self.put_key(Arc::clone(&next));
        }
        *slot = None;
        let mut pin = self.pin();
        if pin.enrolled.as_ref() == Some(old.kid()) {
            pin.enrolled = Some(next.kid().clone());
            if let Err(error) = pin.save(&self.state) {
                tracing::error!(%error, "that the province has taken the new key could not be kept; it is asked again after a restart");
            }
        }
        drop(pin);
        tracing::warn!(fingerprint = %next.kid().fingerprint(), former = %old.kid().fingerprint(), "the box signs with its next key from now on");
        self.rotated.send_replace(());
        Ok(())
    }

    fn rotation(&self) -> MutexGuard<'_, Option<Rotation>> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
