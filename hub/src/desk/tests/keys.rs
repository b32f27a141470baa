//! Keys at the desk: handed over inside the chain, revoked from a number on, expected before they ask.

use bridgepoint_protocol::envelope::Sealed;

use super::*;
use crate::fleet::Enrolment;
use crate::keyring::{Fingerprint, RoomKey};
use crate::sample::signing_key;
use crate::store::Expected;

impl Rig {
    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.dir.path().join("hub.db")).unwrap()
    }

    fn key(&self, at: &RoomAddress, kid: &Kid) -> RoomKey {
        let keys = self.store().keys().unwrap();
        keys.into_iter().find(|k| k.at == *at && k.kid == *kid).unwrap()
    }

    /// The numbers that are receipted after this message; `None` is an enrolment.
    fn receipted(&mut self, topic: &str, sealed: &Sealed) -> Vec<Option<u64>> {
        let answer = self.send(topic, &sealed.jws);
        self.receipts(&answer.publish).iter().map(|r| r.seq).collect()
    }

    fn refused(&self, at: &RoomAddress, why: Reason) -> u64 {
        let room = self.board.room(at).unwrap();
        room.refused.get(why.word()).map_or(0, |count| count.n)
    }

    fn run(&self, at: &RoomAddress) -> String {
        self.board.room(at).unwrap().result.as_ref().unwrap().run.clone()
    }
}

#[test]
fn a_key_hands_over_and_late_entries_of_both_find_their_place() {
    let mut rig = rig();
    let mut it = rig.enrolled("abc/one");
    let (report, event, enrol) = (it.topic("report"), it.topic("event"), it.topic("enrol"));
    let (old, next) = (it.key.kid().clone(), signing_key());
    let first = it.ready();
    let rotated = it.hands_over(&next);
    let proof = it.proof(&next);
    let (third, fourth) = (it.ready(), it.ready());
    // The old key goes on until the next one is tried; then the next one signs.
    let former = std::mem::replace(&mut it.key, next);
    let (fifth, sixth) = (it.ready(), it.ready());
    let new = it.key.kid().clone();

    assert_eq!(rig.receipted(&report, &first), [Some(1)]);
    // It asks before the event is here: it waits like any second box, and may sign nothing.
    assert_eq!(rig.receipted(&enrol, &proof), []);
    assert_eq!(rig.board.room(&it.at).unwrap().challengers, [new.fingerprint()]);
    assert_eq!(rig.receipted(&report, &fifth), []);
    assert_eq!(rig.refused(&it.at, Reason::PendingKey), 1);
    // The event comes: it is receipted, and so is the enrolment that waited. That is the trial.
    assert_eq!(rig.receipted(&event, &rotated), [None, Some(2)]);
    assert_eq!(rig.receipted(&enrol, &proof), [None], "asked again: at once");
    assert_eq!(rig.key(&it.at, &new).state, KeyState::Next);
    let room = rig.board.room(&it.at).unwrap();
    assert_eq!(
        (room.fingerprint.as_ref().unwrap(), room.challengers.len()),
        (&old.fingerprint(), 0),
        "until it signs, the old one is the room's"
    );
    assert_eq!(
        rig.receipted(&report, &third),
        [Some(3)],
        "the old key still signs"
    );
    // The next key signs: from that number on it is the room's, on the same chain.
    assert_eq!(rig.receipted(&report, &sixth), [Some(6)]);
    let (was, is) = (rig.key(&it.at, &old), rig.key(&it.at, &new));
    assert_eq!((was.state, was.end), (KeyState::Former, Some(6)));
    assert_eq!(
        (is.state, is.chain, is.from, is.end, is.former),
        (KeyState::Approved, 1, 3, None, Some(old.clone()))
    );
    assert_eq!(rig.receipted(&report, &fourth), [Some(4)], "late, and below");
    assert_eq!(rig.receipted(&report, &fifth), [Some(5)]);
    assert_eq!(rig.key(&it.at, &old).end, Some(5), "whatever came first");
    let room = rig.board.room(&it.at).unwrap();
    assert_eq!((room.chain.held, room.chain.missing, room.chain.forks), (6, 0, 0));
    assert_eq!(room.fingerprint, Some(new.fingerprint()));
    assert_eq!(rig.run(&it.at), "run-6");

    // The old key signs no later number, and asks in vain.
    let next = std::mem::replace(&mut it.key, former);
    let seventh = it.ready();
    assert_eq!(rig.receipted(&report, &seventh), []);
    assert_eq!(rig.receipted(&enrol, &it.enrolment()), []);
    assert_eq!(rig.refused(&it.at, Reason::FormerKey), 2);
    // Nor does the new one a number from before it was named.
    (it.key, it.seq) = (next, 1);
    let second = it.ready();
    assert_eq!(rig.receipted(&report, &second), []);
    assert_eq!(rig.refused(&it.at, Reason::EarlyKey), 1);
    assert_eq!(rig.run(&it.at), "run-6");
    // Another hub process, or this one started again, knows the same.
    let kept = keyring(&rig.store()).unwrap();
    for (kid, seq, own) in [
        (&old, 4, true),
        (&old, 5, false),
        (&new, 2, false),
        (&new, 9, true),
    ] {
        let standing = kept.standing(&it.at, kid, seq);
        assert_eq!(
            matches!(standing, crate::keyring::Standing::Own { chain: 1 }),
            own,
            "{kid} {seq}"
        );
    }
}

#[test]
fn a_handing_over_that_does_not_hold_is_evidence_and_changes_no_key() {
    let mut rig = rig();
    let (mut it, other) = (rig.enrolled("abc/one"), rig.enrolled("abc/two"));
    let event = it.topic("event");
    let before = rig.store().keys().unwrap();
    // To another room's key: that room's box would have had to sign it, so it is a copied disk or a forgery.
    let params = bridgepoint_protocol::rotation::params(&other.key.verifying(), &it.proof(&other.key));
    let mut say = |rig: &mut Rig, params: serde_json::Value, seq| {
        let said = json!({ "kind": "key", "code": "key.rotated", "params": params, "started_ms": NOW });
        let claims = with(it.link(), &said);
        let sealed = it.next(Kind::Event, &claims);
        assert_eq!(rig.receipted(&event, &sealed), [Some(seq)], "it is kept");
    };
    say(&mut rig, serde_json::to_value(&params).unwrap(), 1);
    // To a key that says nothing itself; with the statement of a third one; with nothing at all.
    let mut alone = params.clone();
    alone.remove("proof");
    say(&mut rig, serde_json::to_value(&alone).unwrap(), 2);
    let third = Box::new("abc/one");
    let stranger = bridgepoint_protocol::rotation::params(&third.key.verifying(), &third.proof(&third.key));
    say(&mut rig, serde_json::to_value(&stranger).unwrap(), 3);
    say(&mut rig, json!({}), 4);
    assert_eq!(rig.store().keys().unwrap(), before);
    assert_eq!(rig.refused(&it.at, Reason::Rotation), 4);
    assert_eq!(rig.board.room(&it.at).unwrap().chain.held, 4);

    // A key that was revoked anywhere comes back by no other key's word.
    let gone = Box::new("abc/three");
    rig.send(&gone.topic("enrol"), &gone.enrolment().jws);
    rig.decide(&gone, Decision::Revoke(None));
    rig.desk.tick(NOW).unwrap();
    let back = it.hands_over(&gone.key);
    assert_eq!(rig.receipted(&event, &back), [Some(5)]);
    assert_eq!(rig.refused(&it.at, Reason::Rotation), 5);
}

#[test]
fn a_second_key_is_never_trusted_without_an_operator() {
    let mut rig = rig();
    let mut it = rig.enrolled("abc/one");
    let thief = Box::new("abc/one");
    let good = it.ready();
    rig.send(&it.topic("report"), &good.jws);
    // An enrolment that names the room's key as its former one.
    let (enrol, event, report) = (it.topic("enrol"), it.topic("event"), it.topic("report"));
    let claims_to_follow = it.proof(&thief.key);
    assert_eq!(rig.receipted(&enrol, &claims_to_follow), []);
    // A handing over that another key has signed, continuing the chain: refused unread.
    let mut forged = Box::new("abc/one");
    (forged.key, forged.seq, forged.prev) = (signing_key(), it.seq, it.prev);
    assert_eq!(rig.receipted(&event, &forged.hands_over(&thief.key)), []);
    let mut forged = Box::new("abc/one");
    (forged.seq, forged.prev) = (it.seq, it.prev);
    forged.key = thief.key;
    let self_named = forged.hands_over(&signing_key());
    assert_eq!(rig.receipted(&event, &self_named), []);
    // A list that expects it: the room has a key, and keeps it.
    let mut store = rig.store();
    let expected = Expected {
        at: it.at.clone(),
        fingerprint: Fingerprint::of(forged.key.kid()),
        name: String::new(),
        added_ms: NOW,
    };
    store.put_expected(&expected).unwrap();
    rig.desk.tick(NOW).unwrap();
    assert_eq!(rig.receipted(&enrol, &forged.enrolment()), []);
    let words = forged.ready();
    assert_eq!(rig.receipted(&report, &words), []);
    let room = rig.board.room(&it.at).unwrap();
    assert_eq!(room.fingerprint, Some(it.key.kid().fingerprint()));
    assert_eq!(
        room.challengers,
        [forged.key.kid().fingerprint()],
        "the operator sees it"
    );
    assert_eq!(rig.refused(&it.at, Reason::UnknownKey), 1);
    assert_eq!(rig.refused(&it.at, Reason::PendingKey), 2);
    assert_eq!(rig.run(&it.at), "run-1");
}

#[test]
fn an_expected_key_is_approved_when_it_asks_even_among_many() {
    let mut rig = rig();
    let it = Box::new("abc/one");
    let mut store = rig.store();
    let expected = Expected {
        at: it.at.clone(),
        fingerprint: Fingerprint::of(it.key.kid()),
        name: "A".into(),
        added_ms: NOW,
    };
    store.put_expected(&expected).unwrap();
    let answer = rig.desk.tick(NOW).unwrap();
    assert_eq!(
        answer.access,
        Some([it.at.clone()].into()),
        "it will hear the answer"
    );
    let enrol = it.topic("enrol");
    for _ in 0..crate::keyring::MAX_WAITING_FOR_ROOM {
        assert_eq!(rig.receipted(&enrol, &Box::new("abc/one").enrolment()), []);
    }
    assert_eq!(rig.receipted(&enrol, &Box::new("abc/one").enrolment()), []);
    assert_eq!(
        rig.refused(&it.at, Reason::TooManyKeys),
        1,
        "strangers fill the place"
    );
    assert_eq!(rig.receipted(&enrol, &it.enrolment()), [None]);
    let room = rig.board.room(&it.at).unwrap();
    assert_eq!(
        (room.enrolment, &room.fingerprint),
        (Enrolment::Approved, &Some(it.key.kid().fingerprint()))
    );
    assert!(store.expected().unwrap().is_empty());
    let mut it = it;
    let report = it.ready();
    assert_eq!(rig.receipted(&it.topic("report"), &report), [Some(1)]);
    assert_eq!(rig.receipted(&enrol, &it.enrolment()), [None], "asked again");
    assert!(rig.desk.tick(NOW + 500).unwrap().access.is_none());
}

#[test]
fn a_revocation_holds_from_its_number_on() {
    let mut rig = rig();
    let mut it = rig.enrolled("abc/one");
    let report = it.topic("report");
    let entries: Vec<Sealed> = (0..8).map(|_| it.ready()).collect();
    for seq in [1, 2, 3, 6] {
        assert_eq!(rig.receipted(&report, &entries[seq - 1]), [Some(seq as u64)]);
    }
    assert_eq!(rig.run(&it.at), "run-6");
    rig.decide(&it, Decision::Revoke(Some(5)));
    let answer = rig.desk.tick(NOW).unwrap();
    assert_eq!(answer.access, None, "entry 4 may still come");
    let room = rig.board.room(&it.at).unwrap();
    assert_eq!(room.enrolment, Enrolment::Revoked);
    assert_eq!(
        rig.run(&it.at),
        "run-3",
        "what was held beyond is believed no more"
    );
    assert_eq!(room.chain.held, 4, "and stays");
    let history = rig.store().history(&it.at, 9).unwrap();
    let believed: Vec<_> = history.iter().map(|run| (run.seq, run.believed)).collect();
    assert_eq!(believed, [(6, false), (3, true), (2, true), (1, true)]);
    for seq in [5, 7, 8] {
        assert_eq!(rig.receipted(&report, &entries[seq - 1]), []);
    }
    assert_eq!(
        rig.receipted(&report, &entries[5]),
        [],
        "no receipt for what is not believed"
    );
    assert_eq!(rig.refused(&it.at, Reason::RevokedKey), 4);
    let asked = |rig: &mut Rig, now_ms| {
        let answer = rig.desk.tick(now_ms).unwrap();
        rig.commands(&answer.publish)
            .iter()
            .map(|c| c.from)
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(&mut rig, NOW + 70_000), [Some(4)]);
    let answer = rig.send(&report, &entries[3].jws);
    assert_eq!(rig.receipts(&answer.publish)[0].seq, Some(4), "late, and below");
    assert_eq!(answer.access, Some([].into()), "nothing more is to come");
    assert_eq!(asked(&mut rig, NOW + 140_000), [], "and nothing is asked for");
    assert_eq!(rig.run(&it.at), "run-4");
    // Approved again, it goes on as it was.
    rig.decide(&it, Decision::Approve);
    rig.desk.tick(NOW + 1000).unwrap();
    assert_eq!(rig.run(&it.at), "run-6");
    assert_eq!(rig.receipted(&report, &entries[6]), [Some(7)]);
    // Revoked as usual: from the next number on. Nothing more is to come but what is missing.
    assert_eq!(rig.receipted(&report, &entries[4]), [Some(5)]);
    rig.decide(&it, Decision::Revoke(None));
    assert_eq!(rig.desk.tick(NOW + 2000).unwrap().access, Some([].into()));
    assert_eq!(rig.key(&it.at, it.key.kid()).end, Some(8));
    assert_eq!(rig.receipted(&report, &entries[7]), []);
    assert_eq!(rig.run(&it.at), "run-7");
}

#[test]
fn the_broker_is_closed_when_what_was_missing_has_come() {
    let mut rig = rig();
    let mut it = rig.enrolled("abc/one");
    let report = it.topic("report");
    let entries: Vec<Sealed> = (0..3).map(|_| it.ready()).collect();
    rig.send(&report, &entries[0].jws);
    rig.send(&report, &entries[2].jws);
    rig.decide(&it, Decision::Revoke(None));
    assert_eq!(rig.desk.tick(NOW).unwrap().access, None);
    let answer = rig.send(&report, &entries[1].jws);
    assert_eq!(rig.receipts(&answer.publish)[0].seq, Some(2));
    assert_eq!(answer.access, Some([].into()));
}

#[test]
fn what_a_revoked_key_has_named_goes_with_it() {
    let mut rig = rig();
    let mut it = rig.enrolled("abc/one");
    let (report, event) = (it.topic("report"), it.topic("event"));
    let (second, third) = (signing_key(), signing_key());
    let first = it.ready();
    rig.send(&report, &first.jws);
    let rotated = it.hands_over(&second);
    rig.send(&event, &rotated.jws);
    let old = std::mem::replace(&mut it.key, second);
    let report3 = it.ready();
    assert_eq!(rig.receipted(&report, &report3), [Some(3)]);
    let rotated = it.hands_over(&third);
    rig.send(&event, &rotated.jws);
    let second = std::mem::replace(&mut it.key, third);

    // The first key was stolen before it handed over at 2: what follows from that is believed no more.
    let mut store = rig.store();
    decide(&mut store, &it.at, old.kid(), Decision::Revoke(Some(2)), NOW).unwrap();
    rig.desk.tick(NOW).unwrap();
    for kid in [old.kid(), second.kid(), it.key.kid()] {
        assert_eq!(rig.key(&it.at, kid).state, KeyState::Revoked);
    }
    assert_eq!(rig.run(&it.at), "run-1");
    let later = it.ready();
    assert_eq!(rig.receipted(&report, &later), []);
    assert_eq!(rig.board.room(&it.at).unwrap().enrolment, Enrolment::Revoked);
}

#[test]
fn a_key_that_was_revoked_from_a_later_number_on_goes_with_the_one_that_named_it() {
    let mut rig = rig();
    let mut it = rig.enrolled("abc/one");
    let (report, event) = (it.topic("report"), it.topic("event"));
    let (second, third) = (signing_key(), signing_key());
    let first = it.ready();
    rig.send(&report, &first.jws);
    let rotated = it.hands_over(&second);
    rig.send(&event, &rotated.jws);
    let old = std::mem::replace(&mut it.key, second);
    let report3 = it.ready();
    rig.send(&report, &report3.jws);
    let rotated = it.hands_over(&third);
    rig.send(&event, &rotated.jws);
    let second = std::mem::replace(&mut it.key, third);
    let report5 = it.ready();
    assert_eq!(rig.receipted(&report, &report5), [Some(5)]);

    let mut store = rig.store();
    decide(&mut store, &it.at, second.kid(), Decision::Revoke(Some(9)), NOW).unwrap();
    rig.desk.tick(NOW).unwrap();
    assert_eq!(rig.run(&it.at), "run-5", "what it had named before stays");
    decide(&mut store, &it.at, old.kid(), Decision::Revoke(Some(2)), NOW).unwrap();
    rig.desk.tick(NOW).unwrap();
    let ends = [old.kid(), second.kid(), it.key.kid()].map(|kid| {
        let key = rig.key(&it.at, kid);
        (key.state, key.end)
    });
    let from = |n| (KeyState::Revoked, Some(n));
    assert_eq!(ends, [from(2), from(3), from(5)]);
    assert_eq!(rig.run(&it.at), "run-1");
    // Once more changes nothing but the moment of the first.
    let ring = keyring(&rig.store()).unwrap();
    let again = ring.revoke(&it.at, old.kid(), Some(2), NOW + 5);
    assert_eq!(again.iter().map(|k| &k.kid).collect::<Vec<_>>(), [old.kid()]);
}

/// What a key that was revoked later on has signed before comes before the decision, or after it: the ranges are the same.
#[test]
fn a_revocation_and_what_comes_late_below_it_may_come_in_either_order() {
    for late in [false, true] {
        let mut rig = rig();
        let mut it = rig.enrolled("abc/one");
        let (report, event) = (it.topic("report"), it.topic("event"));
        let next = signing_key();
        let rotated = it.hands_over(&next);
        assert_eq!(rig.receipted(&event, &rotated), [Some(1)]);
        let old = std::mem::replace(&mut it.key, next);
        let second = it.ready();
        let revoke = |rig: &mut Rig, it: &Box| {
            decide(
                &mut rig.store(),
                &it.at,
                it.key.kid(),
                Decision::Revoke(Some(3)),
                NOW,
            )
            .unwrap();
            rig.desk.tick(NOW).unwrap();
        };
        if late {
            revoke(&mut rig, &it);
        }
        assert_eq!(rig.receipted(&report, &second), [Some(2)], "below the number");
        if !late {
            revoke(&mut rig, &it);
        }
        let standing = [old.kid(), it.key.kid()].map(|kid| {
            let key = rig.key(&it.at, kid);
            (key.state, key.end)
        });
        let expected = [(KeyState::Former, Some(2)), (KeyState::Revoked, Some(3))];
        assert_eq!(standing, expected, "late: {late}");
        it.key = old;
        let third = it.ready();
        assert_eq!(rig.receipted(&report, &third), [], "the one before it is over");
    }
}

#[test]
fn of_two_keys_that_were_named_the_later_word_counts() {
    for late_first in [false, true] {
        let mut rig = rig();
        let mut it = rig.enrolled("abc/one");
        let (report, event) = (it.topic("report"), it.topic("event"));
        let (tried, kept) = (signing_key(), signing_key());
        let mut words = [it.hands_over(&tried), it.hands_over(&kept)];
        if late_first {
            words.reverse();
        }
        for word in &words {
            rig.send(&event, &word.jws);
        }
        let own = std::mem::replace(&mut it.key, tried);
        let wrong = it.ready();
        assert_eq!(rig.receipted(&report, &wrong), [], "late first: {late_first}");
        assert_eq!(rig.key(&it.at, it.key.kid()).state, KeyState::Former);
        (it.key, it.seq, it.prev) = (kept, 2, words[usize::from(!late_first)].hash);
        let right = it.ready();
        assert_eq!(rig.receipted(&report, &right), [Some(3)]);
        assert_eq!(rig.key(&it.at, own.kid()).end, Some(3));
    }
}

#[test]
fn a_hub_that_was_emptied_holds_a_chain_from_where_it_begins() {
    let mut rig = rig();
    let mut it = rig.enrolled("abc/one");
    let report = it.topic("report");
    it.seq = 29;
    let begins = it.ready();
    let answer = rig.send(&report, &begins.jws);
    assert_eq!(rig.receipts(&answer.publish)[0].seq, Some(30));
    assert!(
        rig.commands(&answer.publish).is_empty(),
        "what was before is not asked for"
    );
    let later = rig.desk.tick(NOW + 70_000).unwrap();
    assert!(rig.commands(&later.publish).is_empty());
    let chain = rig.board.room(&it.at).unwrap().chain.clone();
    assert_eq!((chain.first, chain.missing), (Some(30), 0));
    let mut shown = Vec::new();
    let file = rig.dir.path().join("hub.db");
    for (lang, said) in [
        (bridgepoint_protocol::text::Lang::En, "begins here with entry 30"),
        (bridgepoint_protocol::text::Lang::Vi, "bắt đầu từ mục 30"),
    ] {
        shown.clear();
        crate::rooms::show(&file, &it.at, false, lang, NOW, &mut shown).unwrap();
        let shown = String::from_utf8_lossy(&shown);
        assert!(shown.contains(said), "{shown}");
    }
    shown.clear();
    crate::rooms::show(
        &file,
        &it.at,
        true,
        bridgepoint_protocol::text::Lang::En,
        NOW,
        &mut shown,
    )
    .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown["chain"]["first"], 30);
}
