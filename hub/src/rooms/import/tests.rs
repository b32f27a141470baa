//! Tests of the import: what a list leads to, what is refused, and that a refused list changes nothing.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::sample::{Box, NOW};
use crate::store::decide;

struct Rig {
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("hub.db")
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.db()).unwrap()
    }

    fn has(&self, it: &Box, state: KeyState) {
        let mut store = self.store();
        store.put_key(&it.row(KeyState::Pending)).unwrap();
        let decision = match state {
            KeyState::Approved => Decision::Approve,
            KeyState::Revoked => Decision::Revoke(None),
            _ => return,
        };
        decide(&mut store, &it.at, it.key.kid(), decision, NOW).unwrap();
    }

    fn import(&self, text: &str) -> Result<String, Trouble> {
        let list = self.dir.path().join("list.csv");
        fs::write(&list, text).unwrap();
        let mut out = Vec::new();
        let orgs = ["abc".parse().unwrap()];
        let done = import(
            &self.db(),
            self.dir.path(),
            &list,
            Some(&orgs),
            Lang::En,
            NOW,
            &mut out,
        );
        done.map(|_| String::from_utf8(out).unwrap())
    }

    fn refused(&self, text: &str) -> String {
        let before = (self.store().keys().unwrap(), self.store().expected().unwrap());
        let trouble = self.import(text).unwrap_err();
        assert_eq!(trouble.exit, Exit::No);
        let after = (self.store().keys().unwrap(), self.store().expected().unwrap());
        assert_eq!(before, after, "nothing was changed");
        assert!(trouble.said.vi.contains("Không thay đổi gì"));
        trouble.said.en
    }
}

fn row(it: &Box) -> String {
    format!("{},{},{}\n", it.at.org, it.at.room, it.key.kid().fingerprint())
}

const HEADER: &str = "org,room,fingerprint\n";

#[test]
fn who_waits_is_approved_and_who_has_not_asked_is_expected() {
    let rig = Rig::new();
    let (waits, absent, other) = (Box::new("abc/one"), Box::new("abc/two"), Box::new("abc/two"));
    rig.has(&waits, KeyState::Pending);
    rig.has(&other, KeyState::Pending);
    let text = format!(
        "\u{feff}org;room;fingerprint;name\r\n# bảng của phòng\r\nabc;one;{};\r\n\r\nabc;two;{};UBND Hạ Long\r\n",
        waits.key.kid().fingerprint().to_lowercase(),
        absent.key.kid(),
    );
    assert!(
        rig.import(&text)
            .unwrap()
            .starts_with("1 boxes are approved now; 1 will be")
    );
    let ring = keyring(&rig.store()).unwrap();
    assert_eq!(ring.approved(&waits.at).unwrap().kid, *waits.key.kid());
    assert!(
        ring.approved(&absent.at).is_none(),
        "the one that waits there is another"
    );
    let expected = rig.store().expected().unwrap();
    assert_eq!(
        expected,
        [Expected {
            at: absent.at.clone(),
            fingerprint: Fingerprint::of(absent.key.kid()),
            name: "UBND Hạ Long".into(),
            added_ms: NOW,
        }]
    );
    let keys = rig.store().keys().unwrap();
    assert!(
        rig.import(&text)
            .unwrap()
            .starts_with("0 boxes are approved now; 0 will be")
    );
    assert_eq!(
        (rig.store().keys().unwrap(), rig.store().expected().unwrap()),
        (keys, expected)
    );
    // A fingerprint that was read wrongly is put right by the same means.
    assert!(
        rig.import(&format!("{HEADER}{}", row(&Box::new("abc/two"))))
            .is_ok()
    );
    assert_eq!(rig.store().expected().unwrap().len(), 1);
}

#[test]
fn a_list_that_cannot_be_taken_changes_nothing_and_every_line_is_named() {
    let rig = Rig::new();
    let (own, second) = (Box::new("abc/one"), Box::new("abc/one"));
    let (revoked, fresh) = (Box::new("abc/two"), Box::new("abc/three"));
    rig.has(&own, KeyState::Approved);
    rig.has(&revoked, KeyState::Revoked);
    let copied = Box::new("abc/four");
    rig.has(&copied, KeyState::Approved);
    let copy = format!("abc,five,{}\n", copied.key.kid().fingerprint());
    let said = rig.refused(&format!(
        "{HEADER}{}{}{}{copy}",
        row(&fresh),
        row(&second),
        row(&revoked)
    ));
    for word in [
        "line 3: abc/one has another approved box",
        "room approve abc/one",
        "line 4: this box was revoked",
        "line 5: this box is abc/four's",
    ] {
        assert!(said.contains(word), "{said}");
    }
    let twice = rig.refused(&format!("{HEADER}{0}{0}", row(&fresh)));
    assert!(
        twice.contains("line 3: the room abc/three is on line 2 already"),
        "{twice}"
    );
    let shared = row(&fresh).replace("three", "six");
    let twice = rig.refused(&format!("{HEADER}{}{shared}", row(&fresh)));
    assert!(twice.contains("line 3: this fingerprint is on line 2"), "{twice}");
    for (text, word) in [
        ("room,org\n", "line 1: the first line has to name the columns"),
        (
            "org,room,fingerprint,phone\n",
            "the column \"phone\" is not known",
        ),
        (
            "org,room,fingerprint\nabc,One,x\n",
            "line 2: \"abc/One\" is no room",
        ),
        (
            "org,room,fingerprint\nxyz,one,x\n",
            "line 2: the organisation xyz",
        ),
        (
            "org,room,fingerprint\nabc,one,K3NB\n",
            "line 2: \"K3NB\" is no fingerprint",
        ),
    ] {
        let said = rig.refused(text);
        assert!(said.contains(word), "{said}");
    }
    // What is expected for one room is not taken for another.
    rig.import(&format!("{HEADER}{}", row(&fresh))).unwrap();
    assert!(
        rig.refused(&format!("{HEADER}{shared}"))
            .contains("is expected for abc/three")
    );
    let absent = import(
        &rig.db(),
        rig.dir.path(),
        &rig.dir.path().join("absent.csv"),
        None,
        Lang::En,
        NOW,
        &mut Vec::new(),
    );
    assert!(
        absent
            .unwrap_err()
            .said
            .en
            .contains("absent.csv: the file cannot be read")
    );
}
