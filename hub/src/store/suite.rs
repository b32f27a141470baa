//! The suite that every store passes. A further database is one more line in [`stores`].

use std::collections::BTreeMap;

use bridgepoint_protocol::chain::{Link, Neighbours};
use bridgepoint_protocol::claims::PresenceState;
use bridgepoint_protocol::envelope::{EntryHash, seal};
use proptest::prelude::*;
use serde_json::json;

use super::sqlite::SqliteStore;
use super::*;
use crate::ingest::{Outcome, ingest};
use crate::keyring::{Fingerprint, Keyring};
use crate::sample::{Box, NOW, finding, meeting, with};

/// Opens the same database again and again.
type Open = std::boxed::Box<dyn Fn() -> std::boxed::Box<dyn Store>>;

/// Every kind of store, each with nothing in it.
fn stores() -> Vec<(tempfile::TempDir, Open)> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    vec![(
        dir,
        std::boxed::Box::new(move || std::boxed::Box::new(SqliteStore::open(&file).unwrap())),
    )]
}

/// A box whose key is approved in the store.
fn approved(store: &mut dyn Store, at: &str) -> Box {
    let it = Box::new(at);
    store.put_key(&it.row(KeyState::Pending)).unwrap();
    decide(store, &it.at, it.key.kid(), Decision::Approve, NOW).unwrap();
    it
}

/// What ingest makes of a message, given the store.
fn taken(store: &dyn Store, it: &Box, topic: &str, jws: &str) -> Outcome {
    let ring = Keyring::new(store.keys().unwrap());
    let orgs = [it.at.org.clone()];
    ingest(
        &it.topic(topic),
        jws.as_bytes(),
        &orgs,
        &ring,
        |at, chain, link, before| store.neighbours(at, chain, link, before),
    )
    .unwrap()
}

fn add(store: &mut dyn Store, it: &Box, topic: &str, jws: &str, received_ms: i64) {
    match taken(store, it, topic, jws) {
        Outcome::Accepted(entry) => store.add_entry(&entry, received_ms, None).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_and_decisions() {
    for (_dir, open) in stores() {
        let mut store = open();
        let (first, second, elsewhere) = (Box::new("abc/one"), Box::new("abc/one"), Box::new("abc/two"));
        for it in [&first, &second, &elsewhere] {
            store.put_key(&it.row(KeyState::Pending)).unwrap();
        }
        decide(
            &mut *store,
            &first.at,
            first.key.kid(),
            Decision::Approve,
            NOW + 1,
        )
        .unwrap();
        decide(
            &mut *store,
            &second.at,
            second.key.kid(),
            Decision::Approve,
            NOW + 2,
        )
        .unwrap();
        let ring = Keyring::new(open().keys().unwrap());
        let of = |it: &Box| {
            ring.keys_of(&it.at)
                .find(|k| k.kid == *it.key.kid())
                .unwrap()
                .clone()
        };
        assert_eq!((of(&first).state, of(&first).chain), (KeyState::Revoked, 1));
        assert_eq!((of(&second).state, of(&second).chain), (KeyState::Approved, 2));
        assert_eq!(of(&second).decided_ms, Some(NOW + 2));
        assert_eq!(
            of(&elsewhere),
            elsewhere.row(KeyState::Pending),
            "as it was written"
        );
        // Approved again after a mistake: the same chain goes on.
        decide(
            &mut *store,
            &first.at,
            first.key.kid(),
            Decision::Approve,
            NOW + 3,
        )
        .unwrap();
        assert_eq!(
            Keyring::new(store.keys().unwrap())
                .approved(&first.at)
                .unwrap()
                .chain,
            1
        );
        // One key for two rooms cannot be written.
        let mut copied = second.row(KeyState::Approved);
        copied.at = elsewhere.at.clone();
        store.put_key(&copied).unwrap();
        let mut again = copied.clone();
        again.at = "abc/three".parse().unwrap();
        assert!(store.put_key(&again).is_err());
        assert_eq!(store.rooms().unwrap().len(), 3);
    }
}

#[test]
fn meetings_come_back_as_they_were_kept() {
    for (_dir, open) in stores() {
        let mut store = open();
        let hour = 3_600_000;
        let named = |list: &[&str]| Some(list.iter().map(|room| Name::new(room).unwrap()).collect());
        let full = Meeting {
            rooms: named(&["one", "two"]),
            chair: Some(Name::new("two").unwrap()),
            rehearsal_ms: Some(NOW),
            urgent: true,
            recording: true,
            slides: true,
            video: true,
            rate_kbps: Some(4096),
            ..meeting("m-full", NOW + 5 * hour)
        };
        let (bare, over) = (meeting("m-bare", NOW + hour), meeting("m-over", NOW - 2 * hour));
        for it in [&full, &bare, &over] {
            store.put_meeting(it).unwrap();
        }
        let again = open();
        assert_eq!(again.meeting(&full.id).unwrap().as_ref(), Some(&full));
        assert_eq!(again.meeting(&Name::new("m-none").unwrap()).unwrap(), None);
        assert_eq!(again.meetings(NOW).unwrap(), [bare.clone(), full.clone()]);
        assert_eq!(
            again.meetings(NOW - 1).unwrap(),
            [over, bare.clone(), full.clone()]
        );
        assert_eq!(
            again.meetings(NOW + 3 * hour).unwrap().as_slice(),
            std::slice::from_ref(&full),
            "what ends at that moment is over"
        );
        let mark = store.change_mark().unwrap();
        let cancelled = Meeting {
            cancelled_ms: Some(NOW),
            changed_ms: NOW,
            ..full
        };
        open().put_meeting(&cancelled).unwrap();
        assert_ne!(store.change_mark().unwrap(), mark, "the hub that runs learns it");
        assert_eq!(store.meetings(NOW).unwrap(), [bare, cancelled]);
    }
}

#[test]
fn a_plans_revision_never_falls() {
    for (_dir, open) in stores() {
        let mut store = open();
        let one = approved(&mut *store, "abc/one");
        let row = |rev: u64, content: &str| PlanRow {
            rev,
            content: content.into(),
        };
        assert!(store.plans().unwrap().is_empty());
        store.put_plan(&one.at, &row(7, "a")).unwrap();
        store.put_plan(&one.at, &row(3, "b")).unwrap();
        let nobody: RoomAddress = "abc/nobody".parse().unwrap();
        store.put_plan(&nobody, &row(1, "c")).unwrap();
        let kept = open().plans().unwrap();
        assert_eq!(kept, [(one.at.clone(), row(7, "b"))].into());
    }
}

#[test]
fn the_newest_full_run_for_each_meeting_is_found() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let mut send = |meeting: Option<&str>, checkpoint: &str, more: serde_json::Value| {
            let claims = one.report("ready", &json!([finding("codec.reachable", "pass", "ok", true)]));
            let trigger = json!({ "kind": "schedule", "meeting": meeting, "checkpoint": checkpoint });
            let claims = with(with(claims, &json!({ "trigger": trigger })), &more);
            let sealed = one.next(Kind::Report, &claims);
            add(&mut *store, &one, "report", &sealed.jws, NOW + 5);
        };
        send(Some("m-one"), "T-1d", json!({ "finished_ms": NOW - 9 }));
        send(
            Some("m-two"),
            "T-90",
            json!({ "finished_ms": 7, "clk": "unsynced" }),
        );
        send(Some("m-one"), "T-90", json!({ "finished_ms": NOW - 5 }));
        send(Some("m-one"), "T-20", json!({ "scope": ["mic"] }));
        send(None, "", json!({}));
        let kept = open().kept(&"abc/one".parse().unwrap()).unwrap().unwrap();
        let checked = |meeting: &str, checkpoint: &str, measured_ms: i64| Checked {
            meeting: meeting.into(),
            checkpoint: Some(checkpoint.into()),
            measured_ms,
            verdict: "ready".into(),
        };
        assert_eq!(
            kept.checked,
            [
                checked("m-one", "T-90", NOW - 5),
                // A clock that was never set says nothing: when it came counts.
                checked("m-two", "T-90", NOW + 5),
            ]
        );
    }
}

#[test]
fn entries_are_kept_word_for_word_and_found_by_their_neighbours() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let entries: Vec<_> = (0..4).map(|_| one.ready()).collect();
        add(&mut *store, &one, "report", &entries[0].jws, NOW);
        add(&mut *store, &one, "report", &entries[3].jws, NOW + 3);
        assert_eq!(store.missing(&one.at, 1, 9).unwrap(), [2..=3]);
        let third = Link {
            seq: 3,
            prev: entries[1].hash,
            hash: entries[2].hash,
        };
        let around = store.neighbours(&one.at, 1, &third, 2).unwrap();
        let expected = Neighbours {
            same: None,
            before: None,
            after_prev: Some(entries[2].hash),
            below: Some(1),
        };
        assert_eq!(around, expected);
        add(&mut *store, &one, "report", &entries[2].jws, NOW + 4);
        add(&mut *store, &one, "report", &entries[1].jws, NOW + 5);
        assert!(matches!(
            taken(&*store, &one, "report", &entries[1].jws),
            Outcome::Duplicate { seq: 2, .. }
        ));
        assert_eq!(store.received_ms(&one.at, 1, 2).unwrap(), Some(NOW + 5));
        assert_eq!(store.received_ms(&one.at, 1, 5).unwrap(), None);
        let kept = open().kept(&one.at).unwrap().unwrap();
        assert_eq!(
            kept.chain,
            Some(ChainRow {
                chain: 1,
                first: 1,
                last: 4,
                held: 4,
                missing: 0
            })
        );
        assert_eq!((kept.full.unwrap().seq, kept.last_entry_ms), (4, Some(NOW + 5)));
        let held = store.entries(&one.at, &[Kind::Report], 2).unwrap();
        let words: Vec<_> = held.iter().map(|e| e.jws.as_str()).collect();
        assert_eq!(words, [&entries[3].jws, &entries[2].jws]);
        assert!(store.entries(&one.at, &[Kind::Event], 9).unwrap().is_empty());
        assert!(store.kept(&"abc/none".parse().unwrap()).unwrap().is_none());
    }
}

#[test]
fn a_declared_gap_is_not_missing() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let first = one.ready();
        add(&mut *store, &one, "report", &first.jws, NOW);
        one.seq = 9;
        let gap = with(one.link(), &json!({ "from": 2, "to": 7, "reason": "disk" }));
        let gap = one.next(Kind::Gap, &gap);
        add(&mut *store, &one, "event", &gap.jws, NOW);
        assert_eq!(store.missing(&one.at, 1, 9).unwrap(), [8..=9]);
        assert_eq!(store.kept(&one.at).unwrap().unwrap().chain.unwrap().missing, 2);
        // Numbers from its own on are not missing yet: declaring them hides nothing.
        let gap = with(
            one.link(),
            &json!({ "from": 12, "to": 1_u64 << 61, "reason": "disk" }),
        );
        let gap = one.next(Kind::Gap, &gap);
        add(&mut *store, &one, "event", &gap.jws, NOW);
        one.seq = 19;
        let later = one.ready();
        add(&mut *store, &one, "report", &later.jws, NOW);
        assert_eq!(store.missing(&one.at, 1, 9).unwrap(), [8..=9, 12..=19]);
        assert_eq!(store.kept(&one.at).unwrap().unwrap().chain.unwrap().missing, 10);
    }
}

/// Entry 9 declares 5..8, so it follows 4: whatever else comes late between them is judged by that.
#[test]
fn what_comes_late_around_a_gap_entry_is_judged_by_the_entry_that_it_follows() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let entries: Vec<_> = (0..8).map(|_| one.ready()).collect();
        for n in [1, 2, 3] {
            add(&mut *store, &one, "report", &entries[n - 1].jws, NOW);
        }
        (one.seq, one.prev) = (8, entries[3].hash);
        let claims = with(one.link(), &json!({ "from": 5, "to": 8, "reason": "disk-full" }));
        let gap = one.next(Kind::Gap, &claims);
        add(&mut *store, &one, "event", &gap.jws, NOW);
        // Another 4, which follows 3 as well: the gap entry does not follow it.
        one.seq = 3;
        one.prev = entries[2].hash;
        let claims = with(one.report("ready", &json!([])), &json!({ "run": "another" }));
        let other = seal(&one.key, Kind::Report, &claims).unwrap();
        assert!(matches!(
            taken(&*store, &one, "report", &other.jws),
            Outcome::Fork(_)
        ));
        add(&mut *store, &one, "report", &entries[3].jws, NOW);
        // What the box had lost and the hub is sent all the same: the gap entry does not follow these.
        for n in [8, 5, 6, 7] {
            add(&mut *store, &one, "report", &entries[n - 1].jws, NOW);
        }
    }
}

#[test]
fn of_two_that_follow_an_entry_the_one_that_names_another_counts() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let entries: Vec<_> = (0..5).map(|_| one.ready()).collect();
        (one.seq, one.prev) = (8, EntryHash::of("another fourth"));
        let claims = with(one.link(), &json!({ "from": 5, "to": 8, "reason": "disk-full" }));
        let gap = one.next(Kind::Gap, &claims);
        add(&mut *store, &one, "report", &entries[4].jws, NOW);
        add(&mut *store, &one, "event", &gap.jws, NOW);
        // The fifth follows this one, the gap entry another.
        assert!(matches!(
            taken(&*store, &one, "report", &entries[3].jws),
            Outcome::Fork(_)
        ));
    }
}

#[test]
fn the_newest_full_run_and_what_was_re_tested_since() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let scoped = |one: &mut Box, store: &mut dyn Store| {
            let claims = with(
                one.report("ready", &json!([finding("mic.a.hum", "pass", "ok", true)])),
                &json!({ "scope": ["mic"] }),
            );
            let sealed = one.next(Kind::Report, &claims);
            add(store, one, "report", &sealed.jws, NOW);
        };
        scoped(&mut one, &mut *store);
        assert!(store.kept(&one.at).unwrap().unwrap().full.is_none());
        for _ in 0..2 {
            let full = one.ready();
            add(&mut *store, &one, "report", &full.jws, NOW);
        }
        scoped(&mut one, &mut *store);
        scoped(&mut one, &mut *store);
        let kept = store.kept(&one.at).unwrap().unwrap();
        assert_eq!(kept.full.unwrap().seq, 3);
        assert_eq!(kept.scoped.iter().map(|r| r.seq).collect::<Vec<_>>(), [4, 5]);
        let history = store.history(&one.at, 3).unwrap();
        assert_eq!(
            history
                .iter()
                .map(|r| (r.seq, r.scope.is_some()))
                .collect::<Vec<_>>(),
            [(5, true), (4, true), (3, false)]
        );
        assert_eq!(
            (
                history[2].verdict.as_str(),
                &history[2].claimed,
                history[2].trigger.as_str()
            ),
            ("ready", &None, "manual")
        );
    }
}

#[test]
fn what_a_key_has_signed_beyond_its_end_is_held_and_is_no_result() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        for checkpoint in ["T-1d", "T-90", "T-20"] {
            let trigger = json!({ "kind": "schedule", "meeting": "m-one", "checkpoint": checkpoint });
            let findings = json!([finding("codec.reachable", "pass", "ok", true)]);
            let claims = with(one.report("ready", &findings), &json!({ "trigger": trigger }));
            let sealed = one.next(Kind::Report, &claims);
            add(&mut *store, &one, "report", &sealed.jws, NOW);
        }
        let kid = one.key.kid().clone();
        let newest = |store: &dyn Store| {
            let kept = store.kept(&one.at).unwrap().unwrap();
            let checkpoint = kept.checked.first().and_then(|run| run.checkpoint.clone());
            (checkpoint, kept.full.map(|run| run.seq), kept.chain.unwrap().held)
        };
        assert_eq!(newest(&*store), (Some("T-20".into()), Some(3), 3));
        assert_eq!(store.held_from(&one.at, &kid, 2).unwrap(), 2);
        decide(&mut *store, &one.at, &kid, Decision::Revoke(Some(3)), NOW).unwrap();
        assert_eq!(newest(&*store), (Some("T-90".into()), Some(2), 3));
        // From an earlier number on, and never from a later one again.
        decide(&mut *store, &one.at, &kid, Decision::Revoke(Some(2)), NOW).unwrap();
        decide(&mut *store, &one.at, &kid, Decision::Revoke(Some(9)), NOW).unwrap();
        assert_eq!(newest(&*store), (Some("T-1d".into()), Some(1), 3));
        decide(&mut *store, &one.at, &kid, Decision::Revoke(Some(1)), NOW).unwrap();
        assert_eq!(newest(&*store), (None, None, 3));
        let history = store.history(&one.at, 9).unwrap();
        assert!(history.len() == 3 && history.iter().all(|run| !run.believed));
        assert_eq!(
            store.entries(&one.at, &[Kind::Report], 9).unwrap().len(),
            3,
            "the evidence stays"
        );
    }
}

#[test]
fn keys_and_what_is_expected_come_back_as_they_were_kept() {
    for (_dir, open) in stores() {
        let mut store = open();
        let (own, next) = (Box::new("abc/one"), Box::new("abc/one"));
        let rows = [
            RoomKey {
                end: Some(7),
                ..own.row(KeyState::Former)
            },
            RoomKey {
                from: 7,
                former: Some(own.key.kid().clone()),
                ..next.row(KeyState::Next)
            },
        ];
        for row in &rows {
            store.put_key(row).unwrap();
        }
        let kept = open().keys().unwrap();
        assert!(
            kept.len() == 2 && rows.iter().all(|row| kept.contains(row)),
            "{kept:?}"
        );
        // A key that is one room's next cannot be written for another.
        let elsewhere = RoomKey {
            at: "abc/two".parse().unwrap(),
            ..next.row(KeyState::Next)
        };
        assert!(store.put_key(&elsewhere).is_err());

        let expected = |at: &str, it: &Box| Expected {
            at: at.parse().unwrap(),
            fingerprint: Fingerprint::of(it.key.kid()),
            name: "A".into(),
            added_ms: NOW,
        };
        store.put_expected(&expected("abc/two", &own)).unwrap();
        assert!(
            store.put_expected(&expected("abc/three", &own)).is_err(),
            "one room a key"
        );
        store.put_expected(&expected("abc/two", &next)).unwrap();
        assert_eq!(open().expected().unwrap(), [expected("abc/two", &next)]);
        let ring = keyring(&*store).unwrap();
        let two: RoomAddress = "abc/two".parse().unwrap();
        assert_eq!(ring.expected_at(&Fingerprint::of(next.key.kid())), Some(&two));
        store.drop_expected(&two).unwrap();
        assert!(open().expected().unwrap().is_empty());
    }
}

#[test]
fn forks_are_kept_up_to_a_bound() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let good = one.ready();
        add(&mut *store, &one, "report", &good.jws, NOW);
        for n in 0..MAX_FORKS + 5 {
            one.seq = 0;
            one.prev = EntryHash::ZERO;
            let claims = with(
                one.report("ready", &json!([])),
                &json!({ "run": format!("other-{n}") }),
            );
            let other = seal(&one.key, Kind::Report, &claims).unwrap();
            match taken(&*store, &one, "report", &other.jws) {
                Outcome::Fork(entry) => store.add_fork(&entry, NOW).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(store.kept(&one.at).unwrap().unwrap().forks, MAX_FORKS);

        // Another chain of the room has a bound of its own: its first contradiction is seen.
        let mut second = approved(&mut *store, "abc/one");
        let good = second.ready();
        add(&mut *store, &second, "report", &good.jws, NOW);
        (second.seq, second.prev) = (0, EntryHash::ZERO);
        let claims = with(second.report("ready", &json!([])), &json!({ "run": "other" }));
        let other = seal(&second.key, Kind::Report, &claims).unwrap();
        match taken(&*store, &second, "report", &other.jws) {
            Outcome::Fork(entry) => store.add_fork(&entry, NOW).unwrap(),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.forks(&one.at, 2).unwrap(), 1);
    }
}

#[test]
fn counters_presence_and_standing() {
    for (_dir, open) in stores() {
        let mut store = open();
        let one = approved(&mut *store, "abc/one");
        let nobody = "abc/nobody".parse().unwrap();
        store.count(Some(&one.at), Reason::Forged, NOW).unwrap();
        store.count(Some(&one.at), Reason::Forged, NOW + 1).unwrap();
        store.count(Some(&nobody), Reason::Forged, NOW).unwrap();
        store.count(None, Reason::Topic, NOW).unwrap();
        let row = PresenceRow {
            state: PresenceState::Online,
            ts_ms: 5,
            session: 7,
            agent: "0.1.0".into(),
            since_ms: NOW,
            heard_ms: None,
        };
        store.put_presence(&one.at, &row).unwrap();
        store.put_presence(&nobody, &row).unwrap();
        store.put_standing(&one.at, Some("ready"), NOW + 2).unwrap();
        let kept = open().kept(&one.at).unwrap().unwrap();
        assert_eq!(
            kept.refused,
            BTreeMap::from([(
                "forged".to_owned(),
                Count {
                    n: 2,
                    last_ms: NOW + 1
                }
            )])
        );
        assert_eq!(store.presence(&one.at).unwrap(), Some(Some(row)));
        assert_eq!(
            store.presence(&nobody).unwrap(),
            None,
            "who never asked is not kept"
        );
        assert_eq!(
            (kept.verdict.as_deref(), kept.verdict_ms),
            (Some("ready"), NOW + 2)
        );
        assert_eq!(store.refused_elsewhere().unwrap().len(), 2);
        assert_eq!(store.rooms().unwrap(), std::slice::from_ref(&one.at));
    }
}

#[test]
fn a_group_is_there_together_or_not_at_all() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mut one = approved(&mut *store, "abc/one");
        let report = one.ready();
        store.begin().unwrap();
        add(&mut *store, &one, "report", &report.jws, NOW);
        store.count(Some(&one.at), Reason::Forged, NOW).unwrap();
        store.rollback();
        store.rollback();
        let kept = store.kept(&one.at).unwrap().unwrap();
        assert!(kept.full.is_none() && kept.chain.is_none() && kept.refused.is_empty());
        store.begin().unwrap();
        add(&mut *store, &one, "report", &report.jws, NOW);
        assert!(
            open().kept(&one.at).unwrap().unwrap().full.is_none(),
            "nobody else sees half of it"
        );
        store.commit().unwrap();
        assert!(open().kept(&one.at).unwrap().unwrap().full.is_some());
    }
}

#[test]
fn what_another_process_writes_is_noticed() {
    for (_dir, open) in stores() {
        let mut store = open();
        let mark = store.change_mark().unwrap();
        let one = approved(&mut *store, "abc/one");
        assert_eq!(store.change_mark().unwrap(), mark, "one's own writing is no news");
        decide(&mut *open(), &one.at, one.key.kid(), Decision::Revoke(None), NOW).unwrap();
        assert_ne!(store.change_mark().unwrap(), mark);
    }
}

#[test]
fn a_broken_or_newer_file_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    std::fs::write(&file, "rubbish ".repeat(1000)).unwrap();
    let broken = SqliteStore::open(&file).unwrap_err();
    assert_eq!(broken.kind, StoreTrouble::Corrupt);
    assert!(broken.said().en.contains("restore a backup"));
    assert!(
        std::fs::read(&file).unwrap().starts_with(b"rubbish"),
        "it is left as it is"
    );

    let newer = dir.path().join("newer.db");
    drop(SqliteStore::open(&newer).unwrap());
    let raw = rusqlite::Connection::open(&newer).unwrap();
    raw.pragma_update(None, "user_version", 999).unwrap();
    assert_eq!(SqliteStore::open(&newer).unwrap_err().kind, StoreTrouble::Newer);

    let absent = SqliteStore::open_existing(&dir.path().join("absent.db")).unwrap_err();
    assert_eq!(absent.kind, StoreTrouble::Unusable);
    assert!(!dir.path().join("absent.db").exists());
    assert_eq!(
        SqliteStore::open(&dir.path().join("no/such/dir/hub.db"))
            .unwrap_err()
            .kind,
        StoreTrouble::Unusable
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In whatever order a chain comes in, its summary is that of its numbers. The gap entry declares numbers further back: one
    /// that stands directly after what it declares follows another entry, and these all stand in their places.
    #[test]
    fn a_chain_in_any_order(order in Just((0..14_usize).collect::<Vec<_>>()).prop_shuffle(), take in 0..14_usize, gap in (1_u64..13, 1_u64..13)) {
        for (_dir, open) in stores() {
            let mut store = open();
            let mut one = approved(&mut *store, "abc/one");
            let mut entries: Vec<_> = (0..13).map(|_| ("report", one.ready())).collect();
            let claims = with(one.link(), &json!({ "from": gap.0, "to": gap.1, "reason": "disk" }));
            entries.push(("event", one.next(Kind::Gap, &claims)));
            let mut held = std::collections::BTreeSet::new();
            for n in order.iter().take(take) {
                add(&mut *store, &one, entries[*n].0, &entries[*n].1.jws, NOW);
                held.insert(*n as u64 + 1);
                let (first, last) = (*held.first().unwrap(), *held.last().unwrap());
                let declared = |n: &u64| held.contains(&14) && gap.0 <= *n && *n <= gap.1;
                let open: Vec<u64> = (first..=last).filter(|n| !held.contains(n) && !declared(n)).collect();
                let row = ChainRow { chain: 1, first, last, held: held.len() as u64, missing: open.len() as u64 };
                prop_assert_eq!(store.kept(&one.at).unwrap().unwrap().chain, Some(row));
                let named: Vec<u64> = store.missing(&one.at, 1, 99).unwrap().into_iter().flatten().collect();
                prop_assert_eq!(named, open);
            }
        }
    }
}
