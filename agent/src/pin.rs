//! What the box knows of the hub: its pinned key, and whether the hub has taken the box's enrolment.

use std::io;

use bridgepoint_protocol::envelope::{Jwk, Kid, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::state::{self, StateDir};

const FILE: &str = "hub.json";

/// The kept facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The hub's key.
    pub(crate) key: Option<Jwk>,
    /// Our key, as far as the hub has receipted its enrolment.
    pub(crate) enrolled: Option<Kid>,
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
    /// Reads the kept facts; none yet is an empty pin, and so is a file that cannot be read as one.
    pub(crate) fn load(state: &StateDir) -> io::Result<Self> {
        match std::fs::read(state.join(FILE)) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| {
                io::Error::other(format!(
                    "{} cannot be read ({e}); run \"bridgepoint-agent enrol --accept-hub\"",
                    state.join(FILE).display()
                ))
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e),
        }
    }

    /// Keeps them.
    pub(crate) fn save(&self, state: &StateDir) -> io::Result<()> {
        state::replace(
            &state.join(FILE),
            &serde_json::to_vec_pretty(self).map_err(io::Error::other)?,
        )
    }

    /// The pinned key.
    pub(crate) fn verifying(&self) -> Option<VerifyingKey> {
        self.key.as_ref().and_then(|jwk| VerifyingKey::from_jwk(jwk).ok())
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
                self.key = Some(jwk);
                self.enrolled = None;
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
