//! What the box knows of the hub: its pinned key, and whether the hub has taken the box's enrolment.

use std::io;
use std::path::PathBuf;

use bridgepoint_protocol::envelope::{Jwk, Kid, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::said::{Said, Say};
use crate::state::{self, StateDir};

const FILE: &str = "hub.json";

/// The kept facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The hub's key.
    pub(crate) key: Option<Jwk>,
    /// Our key, as far as the hub has receipted its enrolment.
    pub(crate) enrolled: Option<Kid>,
    /// Keys that a person has let go with `enrol --accept-hub`: the receipts of that time were signed with them.
    /// They verify what stands in the logbook and nothing that comes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) former: Vec<Jwk>,
}

/// Why the facts cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinError {
    /// The file cannot be read or written.
    #[error(
        "what is kept of the hub, {0}, cannot be used ({1}); check the disk and the rights of the state directory"
    )]
    Io(PathBuf, io::Error),
    /// The file is damaged.
    #[error(
        "what is kept of the hub, {0}, cannot be read ({1}); run \"bridgepoint-agent enrol --accept-hub\""
    )]
    Broken(PathBuf, String),
}

impl Say for PinError {
    fn said(&self) -> Said {
        match self {
            Self::Io(file, error) => Said::new("error-pin").on(file).because(error),
            Self::Broken(file, why) => Said::new("error-pin-broken")
                .on(file)
                .because(why)
                .run("enrol --accept-hub"),
        }
    }
}

/// What becomes of a key that the hub shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It is the pinned one.
    Known,
    /// It is the first one seen, and is pinned from now on.
    Pinned,
    /// It is another one: refused until a person accepts it.
    Strange(Kid),
    /// It is no key.
    Unreadable,
}

impl Pin {
    /// Reads the kept facts; none yet is an empty pin.
    ///
    /// # Errors
    /// [`PinError`].
    pub(crate) fn load(state: &StateDir) -> Result<Self, PinError> {
        let path = state.join(FILE);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| PinError::Broken(path, e.to_string())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(PinError::Io(path, e)),
        }
    }

    /// Keeps them.
    ///
    /// # Errors
    /// [`PinError`].
    pub(crate) fn save(&self, state: &StateDir) -> Result<(), PinError> {
        let path = state.join(FILE);
        let text =
            serde_json::to_vec_pretty(self).map_err(|e| PinError::Broken(path.clone(), e.to_string()))?;
        state::replace(&path, &text).map_err(|e| PinError::Io(path, e))
    }

    /// The pinned key.
    pub(crate) fn verifying(&self) -> Option<VerifyingKey> {
        self.key.as_ref().and_then(|jwk| VerifyingKey::from_jwk(jwk).ok())
    }

    /// The pinned key and those before it, for what stands in the logbook.
    pub(crate) fn all_verifying(&self) -> Vec<VerifyingKey> {
        let former = self.former.iter();
        let all = self.key.iter().chain(former);
        all.filter_map(|jwk| VerifyingKey::from_jwk(jwk).ok()).collect()
    }

    /// Lets the pinned key go, for the next one that is shown.
    pub(crate) fn released(self) -> Self {
        let mut former = self.former;
        if let Some(key) = self.key {
            former.retain(|before| *before != key);
            former.push(key);
        }
        Self {
            key: None,
            enrolled: None,
            former,
        }
    }

    /// Judges a key that the hub shows, by the thumbprint in the configuration, else by the first one seen.
    pub(crate) fn shown(&mut self, payload: &[u8], configured: Option<&str>) -> Shown {
        let Some((jwk, key)) = serde_json::from_slice::<Jwk>(payload)
            .ok()
            .and_then(|jwk| VerifyingKey::from_jwk(&jwk).ok().map(|key| (jwk, key)))
        else {
            return Shown::Unreadable;
        };
        let kid = key.kid();
        match (configured, self.verifying()) {
            (Some(pinned), _) if pinned != kid.as_str() => Shown::Strange(kid),
            (_, Some(pinned)) if pinned == key => Shown::Known,
            // The configuration is a person's word: it outranks what was seen first.
            (Some(_), _) | (None, None) => {
                *self = std::mem::take(self).released();
                self.key = Some(jwk);
                Shown::Pinned
            }
            (None, Some(_)) => Shown::Strange(kid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgepoint_protocol::envelope::SigningKey;

    fn jwk() -> (Vec<u8>, Kid) {
        let key =
            SigningKey::from_pkcs8(&SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap()).unwrap();
        (
            serde_json::to_vec(&key.verifying().jwk()).unwrap(),
            key.kid().clone(),
        )
    }

    #[test]
    fn the_first_key_is_pinned_and_another_is_strange() {
        let ((first, _), (second, second_kid)) = (jwk(), jwk());
        let mut pin = Pin::default();
        assert_eq!(pin.shown(&first, None), Shown::Pinned);
        assert_eq!(pin.shown(&first, None), Shown::Known);
        assert_eq!(pin.shown(&second, None), Shown::Strange(second_kid));
        assert_eq!(pin.shown(b"{}", None), Shown::Unreadable);
    }

    #[test]
    fn the_configured_key_outranks_the_first_seen() {
        let ((first, first_kid), (second, second_kid)) = (jwk(), jwk());
        let mut pin = Pin::default();
        assert_eq!(
            pin.shown(&first, Some(second_kid.as_str())),
            Shown::Strange(first_kid.clone())
        );
        assert_eq!(pin.shown(&second, Some(second_kid.as_str())), Shown::Pinned);
        assert_eq!(pin.shown(&second, Some(second_kid.as_str())), Shown::Known);
        assert_eq!(
            pin.shown(&first, Some(first_kid.as_str())),
            Shown::Pinned,
            "a person has changed the configuration"
        );
    }

    #[test]
    fn a_key_that_was_let_go_still_verifies_what_it_signed() {
        let ((first, first_kid), (second, second_kid)) = (jwk(), jwk());
        let mut pin = Pin::default();
        pin.shown(&first, None);
        let mut pin = pin.released();
        assert_eq!((pin.verifying(), pin.enrolled.as_ref()), (None, None));
        assert_eq!(pin.shown(&second, None), Shown::Pinned);
        let kids: Vec<Kid> = pin.all_verifying().iter().map(VerifyingKey::kid).collect();
        assert_eq!(kids, [second_kid.clone(), first_kid.clone()]);
        // The configuration going back to the first one keeps the second one for its receipts.
        assert_eq!(pin.shown(&first, Some(first_kid.as_str())), Shown::Pinned);
        assert!(pin.all_verifying().iter().any(|key| key.kid() == second_kid));
    }

    #[test]
    fn facts_survive_on_disk() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let mut pin = Pin::load(&state).unwrap();
        pin.shown(&jwk().0, None);
        pin.save(&state).unwrap();
        assert_eq!(Pin::load(&state).unwrap(), pin);
        std::fs::write(state.join(FILE), b"{").unwrap();
        assert!(
            Pin::load(&state)
                .unwrap_err()
                .to_string()
                .contains("--accept-hub")
        );
    }
}
