//! What the box knows of the hub: its pinned key, and whether the hub has taken the box's enrolment.

use std::io;
use std::path::PathBuf;

use bridgepoint_protocol::envelope::{Jwk, Kid, VerifyingKey, peek};
use bridgepoint_protocol::rotation::{PublishedKey, named, reached};
use serde::{Deserialize, Serialize};

use crate::said::{Said, Say};
use crate::state::{self, StateDir};

const FILE: &str = "hub.json";

/// Statements of the hub's former keys that are looked at.
const MOST_FORMER: usize = 64;

/// The kept facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The hub's key.
    pub(crate) key: Option<Jwk>,
    /// Our key, as far as the hub has receipted its enrolment.
    pub(crate) enrolled: Option<Kid>,
    /// Keys before it, handed over or let go by a person with `enrol --accept-hub`: the receipts of that time were signed
    /// with them. They verify what stands in the logbook and nothing that comes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) former: Vec<Jwk>,
    /// Those of them that have handed over, each to the next and the last to the pinned one: what they have signed and
    /// the box has kept goes on to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    handed_over: Vec<Kid>,
    /// The thumbprint of the configuration under which the pinned key was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<String>,
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
    /// The pinned key has handed over to it, and it is pinned in its place from now on.
    HandedOver {
        /// The key before.
        former: Kid,
        /// The key now.
        key: Kid,
    },
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

    /// Reads the kept facts, to let the pinned key go: a damaged file has nothing to keep.
    ///
    /// # Errors
    /// [`PinError::Io`]: what stands there may be whole, and is not to be written over.
    pub(crate) fn load_to_release(state: &StateDir) -> Result<Self, PinError> {
        match Self::load(state) {
            Err(PinError::Broken(..)) => Ok(Self::default()),
            other => other,
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

    /// The pinned key and those that have handed over to it, for what is kept and was verified when it came.
    pub(crate) fn holding(&self) -> Vec<VerifyingKey> {
        let mut all = self.all_verifying();
        all.retain(|key| Some(key) == self.verifying().as_ref() || self.handed_over.contains(&key.kid()));
        all
    }

    /// Lets the pinned key go, for the next one that is shown.
    pub(crate) fn released(self) -> Self {
        Self {
            former: self.with_former(),
            ..Self::default()
        }
    }

    /// The former keys, the pinned one among them.
    fn with_former(&self) -> Vec<Jwk> {
        let mut former = self.former.clone();
        if let Some(key) = &self.key {
            former.retain(|before| before != key);
            former.push(key.clone());
        }
        former
    }

    /// Judges a key that the hub shows, by the thumbprint in the configuration, else by the first one seen; and by what
    /// that key has handed over to since.
    pub(crate) fn shown(&mut self, payload: &[u8], configured: Option<&str>) -> Shown {
        let Some((jwk, rotations)) = published(payload) else {
            return Shown::Unreadable;
        };
        let Ok(key) = VerifyingKey::from_jwk(&jwk) else {
            return Shown::Unreadable;
        };
        let pinned = self.verifying();
        let by_pinned = pinned.is_some_and(|pinned| reached(&pinned, &rotations).contains(&key));
        // The configuration is a person's word: it outranks what was seen first. Once the hub's keys were followed from
        // it, it is their last one that counts: one before it is a thief's, or an old copy's.
        let anchor = configured.filter(|_| pinned.is_none() || self.anchor.as_deref() != configured);
        let allowed = match (anchor, pinned) {
            (Some(anchor), _) => anchor == key.kid().as_str() || self.leads(anchor, &rotations, &key),
            (None, Some(pinned)) => pinned == key || by_pinned,
            (None, None) => true,
        };
        match pinned {
            _ if !allowed => Shown::Strange(key.kid()),
            Some(pinned) if pinned == key => Shown::Known,
            Some(pinned) if by_pinned => {
                // Those between the two as well, where the box was away for more than one change.
                let path = reached(&pinned, &rotations);
                let between = path.iter().take_while(|on_the_way| **on_the_way != key);
                self.former = self.with_former();
                self.handed_over.push(pinned.kid());
                for passed in between {
                    self.former.push(passed.jwk());
                    self.handed_over.push(passed.kid());
                }
                self.key = Some(jwk);
                self.anchor = configured.map(str::to_owned);
                Shown::HandedOver {
                    former: pinned.kid(),
                    key: key.kid(),
                }
            }
            _ => {
                *self = std::mem::take(self).released();
                // The receipts in the logbook may be theirs: what was kept of the hub may have been lost.
                for before in leading(&key, &rotations) {
                    let before = before.jwk();
                    if !self.former.contains(&before) {
                        self.former.push(before);
                    }
                }
                self.key = Some(jwk);
                self.anchor = configured.map(str::to_owned);
                Shown::Pinned
            }
        }
    }

    /// Whether the key of this thumbprint has handed over, step by step, to `key`.
    fn leads(&self, thumbprint: &str, rotations: &[String], key: &VerifyingKey) -> bool {
        let kid = Kid::new(thumbprint);
        let mut seen = self.all_verifying().into_iter();
        let anchor = seen
            .find(|seen| seen.kid() == kid)
            .or_else(|| named(&kid, rotations));
        anchor.is_some_and(|anchor| reached(&anchor, rotations).contains(key))
    }
}

/// The keys that have handed over, step by step, to `key`.
fn leading(key: &VerifyingKey, rotations: &[String]) -> Vec<VerifyingKey> {
    let mut found: Vec<VerifyingKey> = vec![];
    for statement in rotations.iter().take(MOST_FORMER) {
        let Ok(signed) = peek(statement.as_bytes()) else {
            continue;
        };
        if found.iter().any(|former| former.kid() == signed.kid) {
            continue;
        }
        let Some(former) = named(&signed.kid, rotations) else {
            continue;
        };
        let path = reached(&former, rotations);
        if path.contains(key) {
            found.push(former);
            found.extend(path.into_iter().take_while(|on_the_way| on_the_way != key));
        }
    }
    found
}

/// The key that a message shows, and how it was reached; who knows of no rotations shows the key alone.
fn published(payload: &[u8]) -> Option<(Jwk, Vec<String>)> {
    match serde_json::from_slice::<PublishedKey>(payload) {
        Ok(shown) => Some((shown.jwk, shown.rotations)),
        Err(_) => serde_json::from_slice(payload).ok().map(|jwk| (jwk, vec![])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgepoint_protocol::envelope::SigningKey;
    use bridgepoint_protocol::rotation::hub_statement;
    use proptest::prelude::*;

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
    fn a_box_that_has_lost_what_it_knew_takes_the_former_keys_from_the_hub() {
        let [a, b, c, x] = keys();
        let mut pin = Pin::default();
        let shown = PublishedKey {
            jwk: c.verifying().jwk(),
            rotations: vec![
                hub_statement(&a, &b, 0).unwrap(),
                hub_statement(&b, &c, 0).unwrap(),
                hub_statement(&x, &a, 0).unwrap(),
            ],
        };
        let shown = serde_json::to_vec(&shown).unwrap();
        assert_eq!(pin.shown(&shown, None), Shown::Pinned);
        let mut known = kids(&pin.all_verifying());
        known.sort();
        let mut wanted = [&a, &b, &c].map(|key| key.kid().clone());
        wanted.sort();
        assert_eq!(known, wanted, "and no key that has not handed over to it");
        assert_eq!(
            kids(&pin.holding()),
            [c.kid().clone()],
            "what they sign counts no more"
        );
        assert_eq!(pin.shown(&shown, None), Shown::Known);
    }

    #[test]
    fn only_a_damaged_file_is_written_over_when_the_key_is_let_go() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        std::fs::write(state.join(FILE), b"{").unwrap();
        assert_eq!(Pin::load_to_release(&state).unwrap(), Pin::default());
        std::fs::remove_file(state.join(FILE)).unwrap();
        std::fs::create_dir(state.join(FILE)).unwrap();
        assert!(matches!(Pin::load_to_release(&state), Err(PinError::Io(..))));
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

    fn keys<const N: usize>() -> [SigningKey; N] {
        std::array::from_fn(|_| {
            let made = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
            SigningKey::from_pkcs8(&made).unwrap()
        })
    }

    /// What a hub shows that has gone from each of these keys to the next.
    fn shows(path: &[&SigningKey]) -> Vec<u8> {
        let statement = |pair: &[&SigningKey]| hub_statement(pair[0], pair[1], 0).unwrap();
        let shown = PublishedKey {
            jwk: path.last().unwrap().verifying().jwk(),
            rotations: path.windows(2).map(statement).collect(),
        };
        serde_json::to_vec(&shown).unwrap()
    }

    fn kids(keys: &[VerifyingKey]) -> Vec<Kid> {
        keys.iter().map(VerifyingKey::kid).collect()
    }

    #[test]
    fn the_pinned_key_hands_over_and_there_is_no_way_back() {
        let [a, b, c, x] = keys();
        let mut pin = Pin {
            enrolled: Some(Kid::new("own")),
            ..Pin::default()
        };
        pin.shown(&shows(&[&a]), None);
        pin.enrolled = Some(Kid::new("own"));
        let handed = pin.shown(&shows(&[&a, &b]), None);
        let (former, key) = (a.kid().clone(), b.kid().clone());
        assert_eq!(handed, Shown::HandedOver { former, key });
        assert_eq!(pin.verifying(), Some(b.verifying()));
        assert_eq!(
            pin.enrolled,
            Some(Kid::new("own")),
            "the hub is the same, and has our key"
        );
        assert_eq!(kids(&pin.all_verifying()), [b.kid().clone(), a.kid().clone()]);
        assert_eq!(kids(&pin.holding()), [b.kid().clone(), a.kid().clone()]);
        assert_eq!(pin.shown(&shows(&[&a, &b]), None), Shown::Known);
        // The former key shown again, and what it could say now: a thief's.
        let strange = |key: &SigningKey| Shown::Strange(key.kid().clone());
        assert_eq!(pin.clone().shown(&shows(&[&a]), None), strange(&a));
        assert_eq!(pin.clone().shown(&shows(&[&a, &x]), None), strange(&x));
        assert_eq!(pin.clone().shown(&shows(&[&x, &c]), None), strange(&c));
        // A person lets it go: what was handed over no longer holds, and goes on to verify the logbook.
        let released = pin.released();
        assert!(released.holding().is_empty());
        assert_eq!(released.all_verifying().len(), 2);
    }

    #[test]
    fn a_box_that_was_away_for_two_changes_follows_both() {
        let [a, b, c] = keys();
        let mut pin = Pin::default();
        pin.shown(&shows(&[&a]), None);
        let handed = pin.shown(&shows(&[&a, &b, &c]), None);
        let (former, key) = (a.kid().clone(), c.kid().clone());
        assert_eq!(handed, Shown::HandedOver { former, key });
        assert_eq!(
            kids(&pin.all_verifying()),
            [c.kid().clone(), a.kid().clone(), b.kid().clone()],
            "receipts of the time between are verified too"
        );
        assert_eq!(pin.holding().len(), 3);
    }

    #[test]
    fn the_configured_key_is_an_anchor() {
        let [a, b, c, x] = keys();
        let configured = Some(a.kid().as_str());
        let strange = |key: &SigningKey| Shown::Strange(key.kid().clone());
        // A fresh box, a thumbprint that was written down before the hub's key changed.
        let mut pin = Pin::default();
        assert_eq!(pin.shown(&shows(&[&x]), configured), strange(&x));
        assert_eq!(pin.shown(&shows(&[&x, &b]), configured), strange(&b));
        assert_eq!(pin.shown(&shows(&[&a, &b]), configured), Shown::Pinned);
        assert_eq!(pin.shown(&shows(&[&a, &b]), configured), Shown::Known);
        // The configured one is a former one now.
        assert_eq!(pin.shown(&shows(&[&a]), configured), strange(&a));
        assert_eq!(pin.shown(&shows(&[&a, &x]), configured), strange(&x));
        let (former, key) = (b.kid().clone(), c.kid().clone());
        assert_eq!(
            pin.shown(&shows(&[&a, &b, &c]), configured),
            Shown::HandedOver { former, key }
        );
        // A person has changed the configuration: that counts again.
        assert_eq!(pin.shown(&shows(&[&x]), Some(x.kid().as_str())), Shown::Pinned);
        // A box from before there were anchors, with the configured key pinned.
        let mut pin = Pin::default();
        pin.shown(&shows(&[&a]), None);
        assert_eq!(pin.shown(&shows(&[&a]), configured), Shown::Known);
        let (former, key) = (a.kid().clone(), b.kid().clone());
        assert_eq!(
            pin.shown(&shows(&[&a, &b]), configured),
            Shown::HandedOver { former, key }
        );
    }

    proptest! {
        #[test]
        fn whatever_is_shown_changes_nothing_that_is_pinned(
            payload in proptest::collection::vec(any::<u8>(), 0..300),
            statements in proptest::collection::vec("\\PC{0,60}", 0..4),
        ) {
            let (first, _) = jwk();
            let mut pin = Pin::default();
            pin.shown(&first, None);
            let before = pin.clone();
            pin.shown(&payload, None);
            let (other, kid) = jwk();
            let jwk: Jwk = serde_json::from_slice(&other).unwrap();
            let shown = serde_json::to_vec(&PublishedKey { jwk, rotations: statements }).unwrap();
            prop_assert_eq!(pin.shown(&shown, None), Shown::Strange(kid));
            prop_assert_eq!(pin, before);
        }
    }
}
