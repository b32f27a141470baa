//! Sealed messages for the tests of this crate: a box with a key and a chain.

use bridgepoint_protocol::claims::Enrol;
use bridgepoint_protocol::envelope::{EntryHash, Kind, Sealed, SigningKey, seal};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::rotation;
use serde_json::{Value, json};

use crate::keyring::{KeyState, RoomKey};
use crate::meeting::Meeting;

/// The moment at which samples are made, UTC milliseconds.
pub(crate) const NOW: i64 = 1_795_000_000_000;

/// A box.
pub(crate) struct Box {
    pub(crate) at: RoomAddress,
    pub(crate) key: SigningKey,
    pub(crate) seq: u64,
    pub(crate) prev: EntryHash,
}

impl Box {
    pub(crate) fn new(at: &str) -> Self {
        Self {
            at: at.parse().unwrap(),
            key: signing_key(),
            seq: 0,
            prev: EntryHash::ZERO,
        }
    }

    pub(crate) fn topic(&self, kind: &str) -> String {
        format!("bp/1/{}/{kind}", self.at)
    }

    /// Its row in a keyring.
    pub(crate) fn row(&self, state: KeyState) -> RoomKey {
        RoomKey {
            at: self.at.clone(),
            kid: self.key.kid().clone(),
            key: self.key.verifying(),
            state,
            chain: u32::from(state != KeyState::Pending),
            from: 1,
            end: None,
            former: None,
            awaited: false,
            name: format!("Room {}", self.at.room),
            area: Some("Hạ Long".into()),
            contacts: vec![],
            enrolment: EntryHash::ZERO,
            first_ms: NOW,
            last_ms: NOW,
            decided_ms: (state != KeyState::Pending).then_some(NOW),
        }
    }

    pub(crate) fn enrolment(&self) -> Sealed {
        let claims = json!({
            "v": 1, "org": self.at.org, "room": self.at.room, "iat": NOW / 1000, "jwk": self.key.verifying().jwk(),
            "name": format!("Room {}", self.at.room), "area": "Hạ Long", "contacts": [],
        });
        seal(&self.key, Kind::Enrol, &claims).unwrap()
    }

    /// The statement of the key that is to follow this one.
    pub(crate) fn proof(&self, next: &SigningKey) -> Sealed {
        let claims = Enrol {
            v: 1,
            org: self.at.org.clone(),
            room: self.at.room.clone(),
            iat: NOW / 1000,
            jwk: next.verifying().jwk(),
            former: None,
            name: format!("Room {}", self.at.room),
            area: None,
            contacts: vec![],
        };
        rotation::proof(next, self.key.kid(), claims).unwrap()
    }

    /// The next entry: this key hands over to another. The box goes on with this one until [`Self::key`] is set.
    pub(crate) fn hands_over(&mut self, next: &SigningKey) -> Sealed {
        let params = rotation::params(&next.verifying(), &self.proof(next));
        let said = json!({ "kind": "key", "code": "key.rotated", "params": params, "started_ms": NOW });
        let claims = with(self.link(), &said);
        self.next(Kind::Event, &claims)
    }

    /// The claims of the next entry of any kind, without what is its own.
    pub(crate) fn link(&self) -> Value {
        json!({
            "v": 1, "org": self.at.org, "room": self.at.room, "boot": "0".repeat(32), "seq": self.seq + 1,
            "prev": self.prev, "witness": null, "nonce": null, "iat": NOW / 1000, "mono_ms": 1, "clk": "ntp",
        })
    }

    /// The claims of the next report.
    pub(crate) fn report(&self, verdict: &str, findings: &Value) -> Value {
        with(
            self.link(),
            &json!({
                "run": format!("run-{}", self.seq + 1), "trigger": { "kind": "manual" },
                "profile": { "id": "quang-ninh", "sha256": "0".repeat(64) }, "scope": null, "started_ms": NOW - 1000,
                "finished_ms": NOW, "verdict": verdict, "findings": findings, "agent": "0.1.0", "config": "0".repeat(64),
            }),
        )
    }

    /// Seals what comes next in its chain.
    pub(crate) fn next(&mut self, kind: Kind, claims: &Value) -> Sealed {
        let sealed = seal(&self.key, kind, claims).unwrap();
        self.seq += 1;
        self.prev = sealed.hash;
        sealed
    }

    /// The next report, with one finding that passes.
    pub(crate) fn ready(&mut self) -> Sealed {
        let claims = self.report("ready", &json!([finding("codec.reachable", "pass", "ok", true)]));
        self.next(Kind::Report, &claims)
    }
}

/// A new key.
pub(crate) fn signing_key() -> SigningKey {
    let made = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
    SigningKey::from_pkcs8(&made).unwrap()
}

/// `base` with the members of `more`.
pub(crate) fn with(mut base: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

/// One finding.
pub(crate) fn finding(check: &str, status: &str, code: &str, required: bool) -> Value {
    json!({ "check": check, "status": status, "code": code, "required": required, "at_ms": NOW, "ms": 1 })
}

/// A meeting of all rooms of `abc`, two hours long, added a week before [`NOW`].
pub(crate) fn meeting(id: &str, start_ms: i64) -> Meeting {
    let added_ms = NOW - 7 * 86_400_000;
    Meeting {
        id: Name::new(id).unwrap(),
        org: Name::new("abc").unwrap(),
        subject: format!("Giao ban {id}"),
        rooms: None,
        chair: None,
        start_ms,
        rehearsal_ms: None,
        length_min: 120,
        urgent: false,
        recording: false,
        slides: false,
        video: false,
        rate_kbps: None,
        created_ms: added_ms,
        changed_ms: added_ms,
        cancelled_ms: None,
    }
}
