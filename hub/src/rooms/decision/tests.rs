//! Tests of the operator's decisions: what is withdrawn, which number is said, whose key cannot be approved.

use super::*;
use crate::keyring::Fingerprint;
use crate::sample::{Box, NOW};

struct Rig {
    dir: tempfile::TempDir,
}

/// What a command prints, or how it ends.
type Said = Result<String, Trouble>;

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rig = Self { dir };
        SqliteStore::open(&rig.db()).unwrap();
        rig
    }

    fn db(&self) -> std::path::PathBuf {
        self.dir.path().join("hub.db")
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.db()).unwrap()
    }

    fn has(&self, it: &Box, decision: Option<Decision>) {
        let mut store = self.store();
        store.put_key(&it.row(KeyState::Pending)).unwrap();
        if let Some(decision) = decision {
            decide(&mut store, &it.at, it.key.kid(), decision, NOW).unwrap();
        }
    }

    fn expects(&self, it: &Box) {
        let expected = Expected {
            at: it.at.clone(),
            fingerprint: Fingerprint::of(it.key.kid()),
            name: String::new(),
            added_ms: NOW,
        };
        self.store().put_expected(&expected).unwrap();
    }

    fn revoke(&self, it: &Box, named: bool, from: Option<u64>) -> Said {
        let mut out = Vec::new();
        let done = revoke(&self.db(), &wish(it, named, from), Lang::En, NOW, &mut out);
        done.map(|_| String::from_utf8(out).unwrap())
    }

    fn approve(&self, it: &Box) -> Said {
        let mut out = Vec::new();
        let done = approve(&self.db(), &wish(it, true, None), Lang::En, NOW, &mut out);
        done.map(|_| String::from_utf8(out).unwrap())
    }

    fn row(&self, it: &Box) -> RoomKey {
        let keys = self.store().keys().unwrap();
        keys.into_iter()
            .find(|k| k.at == it.at && k.kid == *it.key.kid())
            .unwrap()
    }
}

fn wish(it: &Box, named: bool, from: Option<u64>) -> Wish {
    Wish {
        at: it.at.clone(),
        fingerprint: named.then(|| it.key.kid().fingerprint()),
        from,
        yes: true,
    }
}

#[test]
fn a_box_that_is_expected_can_be_withdrawn() {
    for named in [false, true] {
        let rig = Rig::new();
        let it = Box::new("abc/one");
        assert!(rig.revoke(&it, named, None).is_err(), "nothing is there");
        rig.expects(&it);
        let said = rig.revoke(&it, named, None).unwrap();
        assert!(said.contains("is expected for abc/one no more"), "{said}");
        assert!(said.contains(&it.key.kid().fingerprint()), "{said}");
        assert!(rig.store().expected().unwrap().is_empty());
    }
    // Of another box that waits for the room it is not said.
    let rig = Rig::new();
    let (it, waits) = (Box::new("abc/one"), Box::new("abc/one"));
    rig.expects(&it);
    rig.has(&waits, None);
    assert!(
        rig.revoke(&waits, false, None)
            .unwrap()
            .contains("is refused for")
    );
    assert_eq!(rig.row(&waits).state, KeyState::Revoked);
    assert_eq!(rig.store().expected().unwrap().len(), 1);
    // What was refused is nothing that could be meant.
    assert!(rig.revoke(&it, false, None).unwrap().contains("is expected for"));
    assert!(rig.store().expected().unwrap().is_empty());
}

#[test]
fn a_box_that_is_expected_and_has_asked_goes_altogether() {
    let rig = Rig::new();
    let it = Box::new("abc/one");
    rig.has(&it, None);
    rig.expects(&it);
    assert!(rig.revoke(&it, true, None).unwrap().contains("is refused for"));
    assert_eq!(rig.row(&it).state, KeyState::Revoked);
    assert!(rig.store().expected().unwrap().is_empty());
}

#[test]
fn the_number_that_is_said_is_the_one_that_is_kept() {
    let rig = Rig::new();
    let it = Box::new("abc/one");
    rig.has(&it, Some(Decision::Approve));
    let said = rig.revoke(&it, true, Some(5)).unwrap();
    assert!(said.contains("from entry 5 of its logbook on"), "{said}");
    let said = rig.revoke(&it, true, Some(30)).unwrap();
    assert!(said.contains("from entry 5 of its logbook on"), "{said}");
    assert!(said.contains("is revoked from entry 5 on"), "{said}");
    assert!(!said.contains("30"), "{said}");
    assert_eq!(rig.row(&it).end, Some(5));
}

#[test]
fn a_key_that_is_another_rooms_now_is_not_approved_again() {
    let rig = Rig::new();
    let it = Box::new("abc/one");
    rig.has(&it, Some(Decision::Approve));
    rig.revoke(&it, true, None).unwrap();
    let moved = RoomKey {
        at: "abc/two".parse().unwrap(),
        ..it.row(KeyState::Approved)
    };
    rig.store().put_key(&moved).unwrap();
    let trouble = rig.approve(&it).unwrap_err();
    assert_eq!(trouble.exit, Exit::No);
    assert!(trouble.said.en.contains("another room"), "{}", trouble.said.en);
    assert_eq!(rig.row(&it).state, KeyState::Revoked);
}
