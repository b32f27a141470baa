//! The public halves of the keys that this box signs or has signed with (`keys.json`): what stands in its logbook is
//! verified with them. Nothing in here is secret, and nothing in here signs.

use std::io;

use bridgepoint_protocol::envelope::{Jwk, Kid, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::KeyError;
use crate::state::{self, StateDir};

const FILE: &str = "keys.json";

/// The box's public keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// All of them, the oldest first.
    #[serde(default, deserialize_with = "own")]
    keys: Vec<Jwk>,
    /// The one that the service manager has handed over, where it was the last that signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<Kid>,
}

/// The keys of a list, or those of an export's key set that are a box's: it may be put in the list's place.
fn own<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Jwk>, D::Error> {
    #[derive(Deserialize)]
    struct Listed {
        #[serde(flatten)]
        jwk: Jwk,
        of: Option<String>,
    }
    let listed = Vec::<Listed>::deserialize(from)?.into_iter();
    let own = listed.filter(|key| key.of.as_deref().is_none_or(|of| of == "box"));
    Ok(own.map(|key| key.jwk).collect())
}

impl Known {
    /// Reads the list; none yet is an empty one.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn load(state: &StateDir) -> Result<Self, KeyError> {
        let path = state.join(FILE);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| KeyError::Known(path, e.to_string())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(KeyError::Io(path, e)),
        }
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn save(&self, state: &StateDir) -> Result<(), KeyError> {
        let path = state.join(FILE);
        let text =
            serde_json::to_vec_pretty(self).map_err(|e| KeyError::Known(path.clone(), e.to_string()))?;
        state::replace(&path, &text).map_err(|e| KeyError::Io(path, e))
    }

    /// With the key that signs now; `credential` tells whether the service manager has handed it over.
    pub(crate) fn with(mut self, key: &VerifyingKey, credential: bool) -> Self {
        let jwk = key.jwk();
        if !self.keys.contains(&jwk) {
            self.keys.push(jwk);
        }
        self.credential = credential.then(|| key.kid());
        self
    }

    /// The keys.
    pub(crate) fn verifying(&self) -> Vec<VerifyingKey> {
        let keys = self.keys.iter();
        keys.filter_map(|jwk| VerifyingKey::from_jwk(jwk).ok()).collect()
    }
}

/// Every public key of this box: those that are listed, and the one of its key file.
///
/// # Errors
/// [`KeyError`], when there is no key at all or the list is damaged.
pub(crate) fn all(state: &StateDir) -> Result<Vec<VerifyingKey>, KeyError> {
    let known = Known::load(state)?;
    match super::load(state) {
        Ok(own) => Ok(known.with(&own.verifying(), false).verifying()),
        // Public halves are enough here.
        Err(KeyError::Elsewhere(_)) => Ok(known.verifying()),
        Err(error) => Err(error),
    }
}

/// The public half of the key that signs.
///
/// # Errors
/// [`KeyError`], as of [`super::load`].
pub(crate) fn current(state: &StateDir) -> Result<VerifyingKey, KeyError> {
    match super::load(state) {
        Err(elsewhere @ KeyError::Elsewhere(_)) => {
            let known = Known::load(state)?;
            let mut keys = known.verifying().into_iter();
            keys.find(|key| Some(key.kid()) == known.credential)
                .ok_or(elsewhere)
        }
        own => own.map(|key| key.verifying()),
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

    #[test]
    fn every_key_is_listed_once_and_survives() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let (one, two) = (key(), key());
        let known = Known::load(&state).unwrap();
        let known = known.with(&one, false).with(&two, true).with(&one, false);
        assert_eq!(known.verifying(), [one, two]);
        known.save(&state).unwrap();
        assert_eq!(Known::load(&state).unwrap(), known);
        let text = std::fs::read_to_string(state.join(FILE)).unwrap();
        assert!(!text.contains("\"d\""), "no private half: {text}");
    }

    #[test]
    fn an_exports_key_set_in_its_place_gives_the_boxs_keys_back() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let own = super::super::load_or_make(&state).unwrap().verifying();
        let (former, hub) = (key(), key());
        let one = |key: &VerifyingKey, of: &str| {
            let mut jwk = serde_json::to_value(key.jwk()).unwrap();
            jwk["kid"] = key.kid().to_string().into();
            jwk["alg"] = "EdDSA".into();
            jwk["of"] = of.into();
            jwk
        };
        let set = serde_json::json!({ "keys": [one(&former, "box"), one(&own, "box"), one(&hub, "hub")] });
        std::fs::write(state.join(FILE), set.to_string()).unwrap();
        assert_eq!(
            all(&state).unwrap(),
            [former, own],
            "the hub's key signs no entry"
        );
        Known::load(&state).unwrap().save(&state).unwrap();
        assert_eq!(all(&state).unwrap(), [former, own]);
    }

    #[test]
    fn a_damaged_list_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        std::fs::write(state.join(FILE), b"{").unwrap();
        let why = Known::load(&state).unwrap_err().to_string();
        assert!(
            why.contains(FILE) && why.contains("copy") && why.contains(".keys.json"),
            "{why}"
        );
    }

    #[test]
    fn the_services_key_is_shown_to_a_command_that_has_not_got_it() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let own = super::super::load_or_make(&state).unwrap().verifying();
        let served = key();
        let known = Known::default().with(&own, false).with(&served, true);
        known.save(&state).unwrap();
        assert_eq!(current(&state).unwrap(), served);
        assert_eq!(all(&state).unwrap(), [own, served]);
        known.with(&own, false).save(&state).unwrap();
        assert_eq!(current(&state).unwrap(), own);
    }
}
