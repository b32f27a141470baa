//! Every step of a change of keys, and a power cut at each.

use std::fs;
use std::path::PathBuf;

use bridgepoint_hw::media::Program;
use bridgepoint_protocol::claims::Receipt;
use bridgepoint_protocol::envelope::{Kind, open_enrolment, seal};
use bridgepoint_protocol::logbook::Walk;

use super::*;
use crate::logbook::Listed;
use crate::pin::Pin;

const SEED: &[u8] = b"the service's own";

/// A box with a state directory that can be copied at any step, and the hub as far as it matters here.
struct Desk {
    dir: tempfile::TempDir,
    hub: SigningKey,
    with_hub: bool,
}

impl Desk {
    fn new(with_hub: bool) -> Self {
        let made = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
        let desk = Self {
            dir: tempfile::tempdir().unwrap(),
            hub: SigningKey::from_pkcs8(&made).unwrap(),
            with_hub,
        };
        fs::create_dir(desk.path()).unwrap();
        let mut pin = Pin::default();
        pin.key = Some(desk.hub.verifying().jwk());
        pin.save(&desk.state()).unwrap();
        let station = desk.start();
        if with_hub {
            let mut pin = station.pin();
            pin.enrolled = Some(station.key().kid().clone());
            pin.save(&station.state).unwrap();
        }
        station.note("test", "ok", [].into()).unwrap();
        drop(station);
        desk
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn state(&self) -> StateDir {
        StateDir::new(self.path())
    }

    fn start(&self) -> Arc<Station> {
        self.try_start().unwrap()
    }

    fn try_start(&self) -> Result<Arc<Station>, crate::station::StartError> {
        let hub = if self.with_hub {
            "[hub]\nbroker = \"mqtt://127.0.0.1:1\"\n"
        } else {
            ""
        };
        let text = format!("[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n{hub}");
        let settings = crate::config::parse("room.toml", &text).unwrap();
        let media = Program {
            path: "/bin/false".into(),
            args: vec![],
            env: vec![],
        };
        Station::open(settings, self.state(), media)
    }

    /// The same files in another place: what a power cut leaves at this moment.
    fn cut(&self) -> Self {
        let copy = Self {
            dir: tempfile::tempdir().unwrap(),
            hub: SigningKey::from_pkcs8(&SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap())
                .unwrap(),
            with_hub: self.with_hub,
        };
        copy_all(&self.path(), &copy.path());
        copy
    }

    fn listed(&self) -> Vec<Listed> {
        logbook::list(&self.path().join("logbook")).unwrap().entries
    }

    /// The hub receipts every entry that waits.
    fn receipt_all(&self, station: &Station) {
        let waiting = station.book().outbox().collect::<Vec<_>>();
        for seq in waiting {
            self.receipt(station, seq);
        }
    }

    /// The hub receipts this entry.
    fn receipt(&self, station: &Station, seq: u64) {
        {
            let hash = station.book().outgoing(seq).unwrap().unwrap().hash;
            let receipt = Receipt {
                v: WIRE_VERSION,
                org: station.settings.address.org.clone(),
                room: station.settings.address.room.clone(),
                iat: 0,
                seq: Some(seq),
                hash,
                received_ms: 0,
                nonce: None,
            };
            let sealed = seal(&self.hub, Kind::Receipt, &receipt).unwrap();
            assert!(station.receipt(&sealed.jws, &receipt).unwrap());
        }
    }

    /// The hub does its part, until nothing is under way any more.
    fn finish(&self, station: &Station) {
        self.receipt_all(station);
        if let Some(trial) = station.trial() {
            station.trial_taken(trial.hash).unwrap().unwrap();
        }
    }

    /// Every line verifies with the keys that the box lists as its own.
    fn verify(&self) -> Walk {
        let own = key::known::all(&self.state()).unwrap();
        logbook::verify(&self.path().join("logbook"), (&own, &[]), None).unwrap()
    }

    /// Whether this key's document is in any file of the state directory.
    fn holds_private(&self, document: &[u8]) -> bool {
        let mut files = vec![self.path()];
        let mut found = false;
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let bytes = fs::read(&path).unwrap();
                found |= bytes.windows(document.len()).any(|part| part == document);
            }
        }
        found
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn document(desk: &Desk, file: &str) -> Vec<u8> {
    fs::read(desk.path().join(file)).unwrap()
}

#[test]
fn the_next_key_signs_only_when_the_hub_has_taken_both_halves() {
    let desk = Desk::new(true);
    let station = desk.start();
    let old = station.key().kid().clone();
    let old_document = document(&desk, key::FILE);
    assert!(station.trial().is_none());
    let keys = station.rotate_key().unwrap();
    let (next, awaited) = keys.next.clone().unwrap();
    assert_eq!((&keys.own, awaited), (&old, Awaited::Entry));
    assert!(station.trial().is_none(), "the entry is not receipted yet");
    assert_eq!(look(&desk.state()).unwrap(), keys, "whoever looks sees the same");

    // Asked again it is the same change, not another.
    assert_eq!(station.rotate_key().unwrap(), keys);
    let said: Vec<Listed> = desk.listed();
    assert_eq!(said.len(), 2);
    let event = serde_json::from_slice(&said[1].payload).unwrap();
    assert_eq!(successor(&event, &old).unwrap().unwrap().kid(), next);

    desk.receipt_all(&station);
    let trial = station.trial().unwrap();
    let (opened, claims) = open_enrolment(trial.jws.as_bytes()).unwrap();
    assert_eq!((opened.kid, claims.former), (next.clone(), Some(old.clone())));
    assert_eq!(
        event.params["proof"],
        trial.jws.as_str(),
        "the envelope of the entry itself"
    );
    assert_eq!(station.keys().next, Some((next.clone(), Awaited::Trial)));
    assert_eq!(look(&desk.state()).unwrap(), station.keys());
    // Until then everything is signed with the old key.
    station.note("test", "ok", [].into()).unwrap();
    assert_eq!(
        logbook::newest_signer(&station.logbook_dir(), &station.book().own()).unwrap(),
        Some(old.clone())
    );
    assert!(
        station.trial_taken(EntryHash::ZERO).is_none(),
        "another enrolment's receipt"
    );
    assert_eq!(station.key().kid(), &old);

    station.trial_taken(trial.hash).unwrap().unwrap();
    let done = Keys {
        own: next.clone(),
        next: None,
    };
    assert_eq!(station.keys(), done);
    assert_eq!(
        station.pin().enrolled.as_ref(),
        Some(&next),
        "the hub has taken it"
    );
    assert!(station.trial().is_none() && station.trial_taken(trial.hash).is_none());
    station.note("test", "ok", [].into()).unwrap();
    assert_eq!(
        logbook::newest_signer(&station.logbook_dir(), &station.book().own()).unwrap(),
        Some(next.clone())
    );
    drop(station);
    assert_eq!(look(&desk.state()).unwrap(), done);
    assert_eq!(desk.verify().entries, 4);
    assert!(!desk.holds_private(&old_document), "the old private half is gone");
    assert!(
        desk.holds_private(&document(&desk, key::FILE)),
        "the search finds what is there"
    );
    let again = desk.start();
    assert_eq!(again.keys(), done);
    assert_eq!(again.lost_key, None);
    assert_eq!(Pin::load(&desk.state()).unwrap().enrolled, Some(next));
}

#[test]
fn a_naming_entry_that_is_lost_is_given_up_with_the_hubs_word_and_named_again() {
    let desk = Desk::new(true);
    let station = desk.start();
    let next = station.rotate_key().unwrap().next.unwrap().0;
    let (named, _) = station.book().head().unwrap();
    station.note("test", "ok", [].into()).unwrap();
    let gap = station.declare_missing(named, named).unwrap().unwrap();
    assert!(
        station.book().is_waiting(named),
        "the hub has not said that it knows"
    );
    assert!(station.trial().is_none());
    desk.receipt(&station, gap);
    let (again, _) = station.book().head().unwrap();
    assert!(again > gap, "named again");
    assert!(!station.book().is_waiting(named) && station.book().is_waiting(again));
    assert!(station.trial().is_none(), "what was given up is no receipt");
    assert_eq!(station.keys().next, Some((next.clone(), Awaited::Entry)));
    let out = station.book().outgoing(again).unwrap().unwrap();
    let said: bridgepoint_protocol::claims::Event = bridgepoint_protocol::envelope::peek(out.jws.as_bytes())
        .unwrap()
        .claims()
        .unwrap();
    assert_eq!(said.link.witness.unwrap().seq, gap);
    desk.finish(&station);
    assert_eq!(
        station.keys(),
        Keys {
            own: next,
            next: None
        }
    );
    assert_eq!(station.book().waiting(), 0);
    drop(station);
    desk.verify();
}

#[test]
fn a_walk_that_begins_after_a_change_of_keys_knows_the_next_one_and_no_half_line() {
    let desk = Desk::new(false);
    let station = desk.start();
    // What a check is given when it begins.
    let now = Arc::clone(&station.logbook_when_asked());
    station.rotate_key().unwrap();
    station.note("test", "ok", [].into()).unwrap();
    let month = fs::read_dir(station.logbook_dir()).unwrap().next().unwrap();
    let month = month.unwrap().path();
    // A line that is being written, and the first of the next month.
    let text = fs::read(&month).unwrap();
    fs::write(&month, [&text[..], &text[..200]].concat()).unwrap();
    let now = now();
    let mut whole = now.whole.unwrap();
    assert!(
        logbook::verify(&station.logbook_dir(), (&now.agent, &now.hub), Some(&whole)).is_err(),
        "damage that was there before is damage"
    );
    fs::write(&month, &text).unwrap();
    whole = station.book().whole();
    fs::write(&month, [&text[..], &text[..200]].concat()).unwrap();
    fs::write(station.logbook_dir().join("2099-12.log"), &text[..200]).unwrap();
    let walk = logbook::verify(&station.logbook_dir(), (&now.agent, &now.hub), Some(&whole)).unwrap();
    assert_eq!(walk.entries, 3);
}

#[test]
fn without_a_hub_the_key_is_replaced_at_once() {
    let desk = Desk::new(false);
    let station = desk.start();
    let old = station.key().kid().clone();
    let keys = station.rotate_key().unwrap();
    assert!(keys.next.is_none() && keys.own != old);
    station.note("test", "ok", [].into()).unwrap();
    let second = station.rotate_key().unwrap();
    assert_ne!(second.own, keys.own, "a finished change is followed by another");
    drop(station);
    assert_eq!(desk.verify().entries, 4);
    let again = desk.start();
    assert_eq!((&again.keys(), &again.lost_key), (&second, &None));
}

/// Every moment of a change at which the power may go, as it lies on the disk then.
fn moments() -> Vec<(&'static str, Desk)> {
    let desk = Desk::new(true);
    let mut all = vec![("nothing was done", desk.cut())];
    let half = desk.cut();
    fs::write(half.path().join("key.next.pk8.new"), &SEED[..7]).unwrap();
    all.push(("the next key was half written", half));
    key::next_or_make(&desk.state()).unwrap();
    all.push(("the next key is there", desk.cut()));
    let station = desk.start();
    station.rotate_key().unwrap();
    let torn = desk.cut();
    let month = fs::read_dir(torn.path().join("logbook")).unwrap().next().unwrap();
    let month = month.unwrap().path();
    let text = fs::read(&month).unwrap();
    fs::write(&month, &text[..text.len() - 40]).unwrap();
    all.push(("the entry was half written", torn));
    all.push(("the entry is there", desk.cut()));
    desk.receipt_all(&station);
    all.push(("the entry is receipted", desk.cut()));
    let (old, next) = (
        station.key().verifying(),
        key::next(&desk.state()).unwrap().unwrap(),
    );
    let listed = desk.cut();
    let known = Known::load(&desk.state()).unwrap();
    known
        .with(&old, false)
        .with(&next.verifying(), false)
        .save(&listed.state())
        .unwrap();
    all.push(("both keys are listed", listed));
    let before = desk.cut();
    let enrolled = document(&desk, "hub.json");
    desk.finish(&station);
    let renamed = desk.cut();
    fs::write(renamed.path().join("hub.json"), enrolled).unwrap();
    all.push(("the key is replaced, the hub's word not kept", renamed));
    all.push(("all is done", desk.cut()));
    station.note("test", "ok", [].into()).unwrap();
    let lost = desk.cut();
    for file in [key::FILE, key::NEXT] {
        fs::copy(before.path().join(file), lost.path().join(file)).unwrap();
    }
    all.push(("the next key has signed, its rename did not reach the disk", lost));
    all
}

#[test]
fn a_power_cut_at_any_moment_is_gone_on_from() {
    for (moment, desk) in moments() {
        let station = desk.start();
        assert_eq!(station.lost_key, None, "{moment}");
        let begun = station.keys().own;
        station.note("test", "ok", [].into()).unwrap();
        let signer = logbook::newest_signer(&station.logbook_dir(), &station.book().own()).unwrap();
        assert_eq!(signer, Some(begun.clone()), "{moment}: it works at once");
        // What is still under way needs no new order; where nothing was begun, or all is done, there is nothing.
        let under_way = station.keys().next.map(|(next, _)| next);
        desk.finish(&station);
        let keys = station.keys();
        assert_eq!(keys.next, None, "{moment}");
        assert_eq!(Some(&keys.own), under_way.as_ref().or(Some(&begun)), "{moment}");
        station.note("test", "ok", [].into()).unwrap();
        drop(station);
        desk.verify();
        assert!(key::next(&desk.state()).unwrap().is_none(), "{moment}");
        let rotations = desk
            .listed()
            .iter()
            .filter(|entry| String::from_utf8_lossy(&entry.payload).contains(ROTATED))
            .count();
        assert!(rotations <= 1, "{moment}: said once");
        assert_eq!(desk.start().keys(), keys, "{moment}");
    }
}

#[test]
fn an_entry_with_a_key_that_was_never_the_boxs_is_damage_and_no_lost_key() {
    let desk = Desk::new(true);
    let before = desk.listed().len();
    let month = fs::read_dir(desk.path().join("logbook")).unwrap().next();
    let path = month.unwrap().unwrap().path();
    let text = fs::read_to_string(&path).unwrap();
    let newest = text.lines().last().unwrap();
    // As a changed header would name it.
    let claims: serde_json::Value = open_claims(newest);
    let odd = seal(&desk.hub, Kind::Event, &claims).unwrap();
    fs::write(&path, text.replace(newest, &odd.jws)).unwrap();
    let station = desk.start();
    assert_eq!(station.lost_key, None);
    drop(station);
    assert_eq!(desk.listed().len(), before, "nothing is said of keys");
}

fn open_claims(jws: &str) -> serde_json::Value {
    bridgepoint_protocol::envelope::peek(jws.as_bytes())
        .unwrap()
        .claims()
        .unwrap()
}

#[test]
fn a_next_key_that_is_broken_costs_the_change_only() {
    let desk = Desk::new(true);
    state_file(&desk, key::NEXT, b"garbage");
    let station = desk.start();
    assert_eq!(station.keys().next, None);
    assert!(matches!(
        station.rotate_key(),
        Err(RotateError::Key(KeyError::Broken(_)))
    ));
    assert_eq!(document(&desk, key::NEXT), b"garbage", "not replaced by itself");
    station.note("test", "ok", [].into()).unwrap();
}

fn state_file(desk: &Desk, name: &str, bytes: &[u8]) {
    crate::state::replace(&desk.path().join(name), bytes).unwrap();
}

#[test]
fn a_box_that_cannot_list_its_keys_keeps_the_one_that_it_has() {
    let desk = Desk::new(true);
    let station = desk.start();
    let old = station.key().kid().clone();
    station.rotate_key().unwrap();
    desk.receipt_all(&station);
    let trial = station.trial().unwrap();
    let list = document(&desk, "keys.json");
    fs::write(desk.path().join("keys.json"), b"{").unwrap();
    assert!(matches!(
        station.trial_taken(trial.hash),
        Some(Err(KeyError::Known(..)))
    ));
    assert_eq!(station.key().kid(), &old);
    assert_eq!(station.trial().unwrap(), trial, "it is tried again");
    fs::write(desk.path().join("keys.json"), list).unwrap();
    station.trial_taken(trial.hash).unwrap().unwrap();
    assert_ne!(station.key().kid(), &old);
}

#[test]
fn a_lost_key_is_said_once_in_the_logbook_and_what_it_signed_still_verifies() {
    let desk = Desk::new(true);
    let old = desk.start().key().kid().clone();
    fs::remove_file(desk.path().join(key::FILE)).unwrap();
    let station = desk.start();
    let new = station.key().kid().clone();
    assert_ne!(new, old);
    assert_eq!(station.lost_key.as_ref(), Some(&old));
    assert_ne!(
        station.pin().enrolled.as_ref(),
        Some(&new),
        "the operator approves again"
    );
    drop(station);
    let again = desk.start();
    assert_eq!(again.lost_key, None);
    drop(again);
    let listed = desk.listed();
    assert_eq!(listed.len(), 2, "once");
    let event: bridgepoint_protocol::claims::Event = serde_json::from_slice(&listed[1].payload).unwrap();
    assert_eq!((event.kind.as_str(), event.code.as_str()), (KEY_EVENT, NEW_KEY));
    assert_eq!(event.params["fingerprint"], new.fingerprint());
    assert_eq!(event.params["former"], old.fingerprint());
    assert_eq!(desk.verify().entries, 2);
    // A key that was made on the first start is nobody's follower.
    let fresh = Desk::new(false);
    assert_eq!(fresh.listed().len(), 1);
    assert_eq!(fresh.start().lost_key, None);
}

#[test]
fn a_key_that_the_system_hands_over_is_not_the_boxs_to_change() {
    let desk = Desk::new(false);
    let handed = desk.dir.path().join("credentials");
    fs::create_dir(&handed).unwrap();
    fs::copy(desk.path().join(key::FILE), handed.join("bridgepoint-key")).unwrap();
    let settings = crate::config::parse(
        "room.toml",
        "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n",
    );
    let media = Program {
        path: "/bin/false".into(),
        args: vec![],
        env: vec![],
    };
    let state = desk.state().with_credentials(Some(handed));
    let station = Station::open(settings.unwrap(), state, media).unwrap();
    let before = station.keys();
    assert!(matches!(station.rotate_key(), Err(RotateError::Credential)));
    assert_eq!(station.keys(), before);
    assert!(!desk.path().join(key::NEXT).exists());
    assert_eq!(desk.listed().len(), 1, "nothing was written");
}
