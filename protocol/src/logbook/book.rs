//! Books for the tests: entries, receipts beside them, a key that hands over, numbers that are declared missing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::claims::Enrol;
use crate::envelope::{SigningKey, seal};
use crate::rotation;

/// A box that writes, and the hub that receipts.
pub(super) struct Book {
    pub(super) key: SigningKey,
    pub(super) hub: SigningKey,
    pub(super) lines: Vec<String>,
    head: (u64, EntryHash),
    witness: Option<Value>,
}

impl Book {
    /// An empty one, by fixed keys.
    pub(super) fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::of_seed(seed),
            hub: SigningKey::of_seed(200),
            lines: vec![],
            head: (0, EntryHash::ZERO),
            witness: None,
        }
    }

    /// Six entries with a receipt after each.
    pub(super) fn of_six() -> Self {
        let mut book = Self::new(1);
        for _ in 0..6 {
            book.report();
            book.receipt();
        }
        book
    }

    /// Number and hash of the newest entry.
    pub(super) fn head(&self) -> (u64, EntryHash) {
        self.head
    }

    pub(super) fn report(&mut self) {
        self.entry(Kind::Report, json!({"n": "x"}));
    }

    pub(super) fn entry(&mut self, kind: Kind, more: Value) {
        self.at(kind, self.head.0 + 1, self.head.1, more);
    }

    /// An entry of any number after any other.
    #[allow(clippy::needless_pass_by_value)] // json! makes values
    pub(super) fn at(&mut self, kind: Kind, seq: u64, prev: EntryHash, more: Value) {
        let mut claims = json!({
            "v": 1, "org": "abc", "room": "def", "boot": "b", "seq": seq, "prev": prev, "witness": self.witness,
            "nonce": null, "iat": 0, "mono_ms": 0, "clk": "ntp",
        });
        claims
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let sealed = seal(&self.key, kind, &claims).unwrap();
        self.head = (seq, sealed.hash);
        self.lines.push(sealed.jws);
    }

    /// The numbers up to `to` were never written.
    pub(super) fn gap(&mut self, to: u64) {
        let (seq, hash) = self.head;
        let gap = json!({"from": seq + 1, "to": to, "reason": "disk-full"});
        self.at(Kind::Gap, to + 1, hash, gap);
    }

    /// The hub's receipt for the newest entry, to which the next one commits.
    pub(super) fn receipt(&mut self) {
        self.receipt_for(self.head);
    }

    pub(super) fn receipt_for(&mut self, (seq, hash): (u64, EntryHash)) {
        let receipt = json!({"v":1,"org":"abc","room":"def","iat":0,"seq":seq,"hash":hash,"received_ms":0});
        self.lines
            .push(seal(&self.hub, Kind::Receipt, &receipt).unwrap().jws);
        self.witness = Some(json!({"seq": seq, "hash": hash}));
    }

    /// The key says which one follows; the next entry is signed with that one.
    pub(super) fn hand_over(&mut self, seed: u8) {
        let next = SigningKey::of_seed(seed);
        self.announce(&next);
        self.key = next;
    }

    pub(super) fn announce(&mut self, next: &SigningKey) {
        let enrol = Enrol {
            v: 1,
            org: "abc".parse().unwrap(),
            room: "def".parse().unwrap(),
            iat: 0,
            jwk: next.verifying().jwk(),
            former: None,
            name: "A".into(),
            area: None,
            contacts: vec![],
        };
        let proof = rotation::proof(next, self.key.kid(), enrol).unwrap();
        self.hand_over_by(&rotation::params(&next.verifying(), &proof));
    }

    pub(super) fn hand_over_by(&mut self, params: &BTreeMap<String, Value>) {
        let event = json!({"kind": rotation::KEY_EVENT, "code": rotation::ROTATED, "params": params, "started_ms": 0});
        self.entry(Kind::Event, event);
    }

    pub(super) fn text(&self) -> String {
        format!("{}\n", self.lines.join("\n"))
    }

    /// Walks over it with the first key of the box.
    pub(super) fn check(&self) -> Result<Walk, Broken> {
        check(&self.lines)
    }
}

/// Walks over lines with the key that begins every book, and the hub's.
pub(super) fn check(lines: &[String]) -> Result<Walk, Broken> {
    check_bytes(format!("{}\n", lines.join("\n")).as_bytes())
}

pub(super) fn check_bytes(text: &[u8]) -> Result<Walk, Broken> {
    verify(text, keys(&[first()], &[hub()]), None)
}

pub(super) fn first() -> VerifyingKey {
    SigningKey::of_seed(1).verifying()
}

pub(super) fn hub() -> VerifyingKey {
    SigningKey::of_seed(200).verifying()
}

pub(super) fn keys<'a>(agent: &'a [VerifyingKey], hub: &'a [VerifyingKey]) -> Keys<'a> {
    Keys { agent, hub }
}
