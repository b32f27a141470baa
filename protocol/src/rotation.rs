//! One key hands over to the next: a room's key inside its chain, the hub's key beside its published one.
//!
//! Both are said twice: the former key signs which key follows, and the next key signs that it follows the former. So
//! neither can name a key that nobody holds, nor a key be claimed by somebody who has heard of it. Nothing here decides
//! whether a key is trusted; it says what follows from one that is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claims::{Enrol, Event};
use crate::envelope::{
    Jwk, Kid, Kind, OpenError, SealError, Sealed, SigningKey, VerifyingKey, open, open_enrolment, peek, seal,
};

/// `kind` of the events about the box's key.
pub const KEY_EVENT: &str = "key";

/// `code` of the event by which a box's key hands over.
pub const ROTATED: &str = "key.rotated";

/// Statements that are followed from one hub key to the next.
const MAX_ROTATIONS: usize = 64;

/// The next key's enrolment, which names the key that it follows: possession, and what the hub receipts when it is tried.
///
/// # Errors
/// [`SealError`].
pub fn proof(next: &SigningKey, former: &Kid, enrol: Enrol) -> Result<Sealed, SealError> {
    let claims = Enrol {
        jwk: next.verifying().jwk(),
        former: Some(former.clone()),
        ..enrol
    };
    seal(next, Kind::Enrol, &claims)
}

/// `params` of the [`ROTATED`] event that the former key signs: the next key and its [`proof`].
#[must_use]
pub fn params(next: &VerifyingKey, proof: &Sealed) -> BTreeMap<String, Value> {
    let jwk = serde_json::to_value(next.jwk()).unwrap_or_default();
    BTreeMap::from([
        ("jwk".to_owned(), jwk),
        ("fingerprint".to_owned(), next.kid().fingerprint().into()),
        ("proof".to_owned(), proof.jws.clone().into()),
    ])
}

/// The key that follows `signer`, the key whose signature of this event holds: `None` for any other event.
///
/// # Errors
/// [`OpenError`] when the next key's own statement is missing, forged, another room's, or follows another key.
#[must_use]
pub fn successor(event: &Event, signer: &Kid) -> Option<Result<VerifyingKey, OpenError>> {
    (event.kind == KEY_EVENT && event.code == ROTATED).then(|| {
        let said = |name: &str| event.params.get(name).ok_or(OpenError::BadKey);
        let jwk: Jwk = serde_json::from_value(said("jwk")?.clone()).map_err(|_| OpenError::BadKey)?;
        let next = VerifyingKey::from_jwk(&jwk)?;
        let proof = said("proof")?.as_str().ok_or(OpenError::BadKey)?;
        let (opened, enrol) = open_enrolment(proof.as_bytes())?;
        let follows = opened.kid == next.kid()
            && enrol.former.as_ref() == Some(signer)
            && (&enrol.org, &enrol.room) == (&event.org, &event.room);
        if follows && next.kid() != *signer {
            Ok(next)
        } else {
            Err(OpenError::BadKey)
        }
    })
}

/// What the hub publishes at `_hub/key`: its public JWK, and beside it how it was reached from former keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedKey {
    /// The key.
    #[serde(flatten)]
    pub jwk: Jwk,
    /// The statements of former keys (`bp-hubkey+jws`), oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<String>,
}

/// A former hub key's word about the next one (`bp-hubkey+jws`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct HubRotation {
    v: u32,
    iat: i64,
    /// The next key.
    jwk: Jwk,
    /// The key that it follows.
    former: Kid,
    /// That key itself, for whoever knows its thumbprint only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_jwk: Option<Jwk>,
    /// The same, signed by the next key; absent in that one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

/// The statement by which a hub's key hands over to the next.
///
/// # Errors
/// [`SealError`].
pub fn hub_statement(former: &SigningKey, next: &SigningKey, iat: i64) -> Result<String, SealError> {
    let said = HubRotation {
        v: crate::WIRE_VERSION,
        iat,
        jwk: next.verifying().jwk(),
        former: former.kid().clone(),
        former_jwk: Some(former.verifying().jwk()),
        proof: None,
    };
    let proof = Some(seal(next, Kind::HubKey, &said)?.jws);
    Ok(seal(former, Kind::HubKey, &HubRotation { proof, ..said })?.jws)
}

/// The keys that a trusted hub key has handed over to, one after the other; statements that do not hold, or that begin
/// at no key reached so far, lead nowhere.
#[must_use]
pub fn reached(from: &VerifyingKey, rotations: &[String]) -> Vec<VerifyingKey> {
    let mut path = vec![*from];
    let mut seen = BTreeSet::from([from.kid()]);
    for statement in rotations.iter().take(MAX_ROTATIONS) {
        let Some(last) = path.last() else { break };
        if let Ok(next) = next_hub_key(last, statement.as_bytes())
            && seen.insert(next.kid())
        {
            path.push(next);
        }
    }
    path.remove(0);
    path
}

/// The key of this thumbprint, where one of these statements is its own: to follow them from a thumbprint that was written
/// down, with [`reached`].
#[must_use]
pub fn named(kid: &Kid, rotations: &[String]) -> Option<VerifyingKey> {
    rotations.iter().take(MAX_ROTATIONS).find_map(|statement| {
        let signed = peek(statement.as_bytes()).ok()?;
        if signed.kind != Kind::HubKey || signed.kid != *kid {
            return None;
        }
        let said: HubRotation = signed.claims().ok()?;
        let key = VerifyingKey::from_jwk(&said.former_jwk?).ok()?;
        // Whoever carries the thumbprint's key is believed to be that key, and nothing else of what stands here.
        (key.kid() == *kid).then_some(key)
    })
}

fn next_hub_key(former: &VerifyingKey, statement: &[u8]) -> Result<VerifyingKey, OpenError> {
    // Whose word it is comes first: the others' statements are skipped unread.
    if peek(statement)?.kid != former.kid() {
        return Err(OpenError::UnknownKey(former.kid()));
    }
    let said: HubRotation = by(former, statement)?;
    let next = VerifyingKey::from_jwk(&said.jwk)?;
    let proof = said.proof.ok_or(OpenError::BadKey)?;
    let proved: HubRotation = by(&next, proof.as_bytes())?;
    if proved.jwk == said.jwk && proved.former == former.kid() && said.former == former.kid() {
        Ok(next)
    } else {
        Err(OpenError::BadKey)
    }
}

fn by(key: &VerifyingKey, jws: &[u8]) -> Result<HubRotation, OpenError> {
    open(jws, &[Kind::HubKey], |kid| (*kid == key.kid()).then_some(*key))?.claims()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn enrol(room: &str) -> Enrol {
        Enrol {
            v: 1,
            org: "abc".parse().unwrap(),
            room: room.parse().unwrap(),
            iat: 0,
            jwk: SigningKey::of_seed(0).verifying().jwk(),
            former: None,
            name: "A".into(),
            area: None,
            contacts: vec![],
        }
    }

    fn event(room: &str, params: &BTreeMap<String, Value>) -> Event {
        serde_json::from_value(json!({
            "v": 1, "org": "abc", "room": room, "boot": "b", "seq": 2, "prev": "A".repeat(43), "witness": null, "nonce": null,
            "iat": 0, "mono_ms": 0, "clk": "ntp", "kind": KEY_EVENT, "code": ROTATED, "params": params, "started_ms": 0
        }))
        .unwrap()
    }

    #[test]
    fn a_room_key_hands_over_only_to_one_that_says_so_itself() {
        let (old, new, other) = (
            SigningKey::of_seed(1),
            SigningKey::of_seed(2),
            SigningKey::of_seed(3),
        );
        let good = proof(&new, old.kid(), enrol("one")).unwrap();
        let said = params(&new.verifying(), &good);
        assert_eq!(
            successor(&event("one", &said), old.kid()).unwrap().unwrap(),
            new.verifying()
        );
        let refused = |event: &Event, signer: &Kid| successor(event, signer).unwrap().is_err();
        assert!(refused(&event("one", &said), other.kid()), "follows another key");
        assert!(refused(&event("two", &said), old.kid()), "another room's");
        assert!(
            refused(&event("one", &params(&other.verifying(), &good)), old.kid()),
            "another key's proof"
        );
        let plain = seal(
            &new,
            Kind::Enrol,
            &Enrol {
                jwk: new.verifying().jwk(),
                ..enrol("one")
            },
        )
        .unwrap();
        assert!(
            refused(&event("one", &params(&new.verifying(), &plain)), old.kid()),
            "follows nothing"
        );
        assert!(refused(&event("one", &BTreeMap::new()), old.kid()));
        let mut unrelated = event("one", &said);
        unrelated.code = "ok".into();
        assert!(successor(&unrelated, old.kid()).is_none());
    }

    #[test]
    fn the_hubs_keys_are_followed_in_order_and_no_further_than_they_hold() {
        let [a, b, c, x] = [1, 2, 3, 4].map(SigningKey::of_seed);
        let ab = hub_statement(&a, &b, 0).unwrap();
        let bc = hub_statement(&b, &c, 0).unwrap();
        let bx_by_x = hub_statement(&x, &x, 0).unwrap();
        let kids = |from: &SigningKey, said: &[&String]| -> Vec<Kid> {
            let said: Vec<String> = said.iter().map(|s| (*s).clone()).collect();
            reached(&from.verifying(), &said)
                .iter()
                .map(VerifyingKey::kid)
                .collect()
        };
        assert_eq!(kids(&a, &[&ab, &bc]), [b.kid().clone(), c.kid().clone()]);
        assert_eq!(kids(&b, &[&ab, &bc]), [c.kid().clone()]);
        assert!(kids(&c, &[&ab, &bc]).is_empty());
        assert!(kids(&a, &[&bc]).is_empty(), "a link is missing");
        assert_eq!(kids(&a, &[&ab, &bx_by_x]), [b.kid().clone()]);
        // The next key has not agreed.
        let claims = HubRotation {
            v: 1,
            iat: 0,
            jwk: b.verifying().jwk(),
            former: a.kid().clone(),
            former_jwk: None,
            proof: None,
        };
        let alone = seal(&a, Kind::HubKey, &claims).unwrap().jws;
        assert!(kids(&a, &[&alone]).is_empty());
        // Who has written down a thumbprint finds the key to follow.
        let all = [ab.clone(), bc.clone()];
        assert_eq!(named(a.kid(), &all), Some(a.verifying()));
        assert_eq!(named(b.kid(), &all), Some(b.verifying()));
        assert_eq!(named(c.kid(), &all), None);
        let lie = HubRotation {
            former_jwk: Some(x.verifying().jwk()),
            ..claims
        };
        let lie = seal(&a, Kind::HubKey, &lie).unwrap().jws;
        assert_eq!(named(a.kid(), &[lie]), None, "another key's thumbprint");
        let published = PublishedKey {
            jwk: c.verifying().jwk(),
            rotations: vec![ab, bc],
        };
        let text = serde_json::to_string(&published).unwrap();
        let bare: Jwk = serde_json::from_str(&text).unwrap();
        assert_eq!(bare, published.jwk, "who knows JWKs only reads the key");
        assert_eq!(serde_json::from_str::<PublishedKey>(&text).unwrap(), published);
    }

    proptest! {
        #[test]
        fn any_text_leads_nowhere(texts in proptest::collection::vec("\\PC{0,80}", 0..4)) {
            prop_assert!(reached(&SigningKey::of_seed(1).verifying(), &texts).is_empty());
            prop_assert!(named(SigningKey::of_seed(1).kid(), &texts).is_none());
        }
    }
}
