//! The box's own public keys, with which it verifies what its disk gives back: an entry that was changed there must not be
//! what the next one names, and is not sent.

use bridgepoint_protocol::envelope::{Kid, OpenError, VerifyingKey, open};
use bridgepoint_protocol::logbook::{Line, read_unverified};

use crate::key::known::Known;
use crate::state::StateDir;

/// The keys that this box signs and has signed with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    keys: Vec<(Kid, VerifyingKey)>,
    /// Not all of them are known: another key's entry may be the box's own.
    partly: bool,
}

impl Own {
    /// Those that are listed in a state directory, and the one that signs now.
    pub(crate) fn listed(state: &StateDir, now: &VerifyingKey) -> Self {
        let mut own = match Known::load(state) {
            Ok(known) => Self::all(&known.verifying()),
            Err(error) => {
                tracing::error!(%error, "entries of the box's former keys are not verified");
                Self::partly()
            }
        };
        own.add(now);
        own
    }

    /// These, and there are no others.
    pub(crate) fn all(keys: &[VerifyingKey]) -> Self {
        let mut own = Self::default();
        keys.iter().for_each(|key| own.add(key));
        own
    }

    /// None is known.
    pub(crate) fn partly() -> Self {
        Self {
            keys: Vec::new(),
            partly: true,
        }
    }

    /// One more.
    pub(super) fn add(&mut self, key: &VerifyingKey) {
        if !self.keys.iter().any(|(_, known)| known == key) {
            self.keys.push((key.kid(), *key));
        }
    }

    /// Whether this is the box's own, as far as is known.
    pub(super) fn may_have(&self, kid: &Kid) -> bool {
        self.partly || self.keys.iter().any(|(known, _)| known == kid)
    }

    /// Reads a line and verifies an entry's signature.
    ///
    /// # Errors
    /// [`OpenError`] when it is no line of a logbook, or an entry that this box has not signed so.
    pub(super) fn read(&self, line: &[u8]) -> Result<Line, OpenError> {
        let read = read_unverified(line)?;
        if let Line::Entry(entry) = &read {
            let key_of = |kid: &Kid| {
                self.keys
                    .iter()
                    .find(|(known, _)| known == kid)
                    .map(|(_, key)| *key)
            };
            match open(line, &[entry.kind], key_of) {
                Ok(_) => {}
                Err(OpenError::UnknownKey(_)) if self.partly => {}
                Err(why) => return Err(why),
            }
        }
        Ok(read)
    }
}
