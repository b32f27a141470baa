//! Tests of the desk over a real store: what is answered, when, and that nothing is answered that is not kept.

use std::ops::RangeInclusive;

use bridgepoint_protocol::chain::{Link, Neighbours};
use bridgepoint_protocol::claims::{Command, Receipt};
use bridgepoint_protocol::envelope::{Kid, Kind, open, seal};
use serde_json::json;

use super::keep::MAX_CONTACTS;
use super::*;
use crate::bucket::BURST;
use crate::ingest::{Entry, Reason};
use crate::meeting::Meeting;
use crate::sample::{Box, NOW, finding, with};
use crate::store::sqlite::SqliteStore;
use crate::store::{
    ChainRow, Count, Decision, Expected, HeldEntry, Kept, PastRun, PlanRow, PresenceRow, StoreTrouble, decide,
};

mod keys;
mod plans;
mod schedules;

struct Rig {
    dir: tempfile::TempDir,
    desk: Desk<SqliteStore>,
    board: Arc<Board>,
    hub: bridgepoint_protocol::envelope::VerifyingKey,
}

fn challenger() -> Challenger {
    Challenger::new(&ring::rand::SystemRandom::new()).unwrap()
}

fn rig() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    rig_in(dir)
}

fn rig_in(dir: tempfile::TempDir) -> Rig {
    let (key, _) = crate::key::read_or_make(dir.path()).unwrap();
    let (hub, board) = (key.verifying(), Arc::new(Board::default()));
    let store = SqliteStore::open(&dir.path().join("hub.db")).unwrap();
    let desk = Desk::open(
        store,
        key,
        challenger(),
        vec!["abc".parse().unwrap()],
        board.clone(),
    )
    .unwrap();
    Rig {
        dir,
        desk,
        board,
        hub,
    }
}

fn letter(topic: &str, payload: &str) -> Letter {
    Letter {
        topic: topic.into(),
        payload: payload.into(),
        retained: false,
        received_ms: NOW,
    }
}

impl Rig {
    fn send(&mut self, topic: &str, payload: &str) -> Answer {
        self.send_at(topic, payload, NOW)
    }

    fn send_at(&mut self, topic: &str, payload: &str, now_ms: i64) -> Answer {
        let letter = Letter {
            received_ms: now_ms,
            ..letter(topic, payload)
        };
        self.desk.take(&[letter], now_ms).unwrap()
    }

    fn decide(&self, it: &Box, decision: Decision) {
        let mut other = SqliteStore::open(&self.dir.path().join("hub.db")).unwrap();
        decide(&mut other, &it.at, it.key.kid(), decision, NOW).unwrap();
    }

    /// A box that has asked, was approved, and has its receipt.
    fn enrolled(&mut self, at: &str) -> Box {
        let it = Box::new(at);
        assert!(
            self.send(&it.topic("enrol"), &it.enrolment().jws)
                .publish
                .is_empty()
        );
        self.decide(&it, Decision::Approve);
        let answer = self.desk.tick(NOW).unwrap();
        let receipts = self.receipts(&answer.publish);
        assert_eq!(
            (receipts.len(), receipts[0].seq, receipts[0].hash),
            (1, None, it.enrolment().hash)
        );
        it
    }

    fn receipts(&self, publish: &[Publish]) -> Vec<Receipt> {
        let receipts = publish.iter().filter(|p| p.topic.ends_with("/receipt"));
        receipts.map(|p| self.opened(p, Kind::Receipt)).collect()
    }

    fn commands(&self, publish: &[Publish]) -> Vec<Command> {
        let commands = publish.iter().filter(|p| p.topic.ends_with("/cmd"));
        commands.map(|p| self.opened(p, Kind::Command)).collect()
    }

    fn opened<T: serde::de::DeserializeOwned>(&self, publish: &Publish, kind: Kind) -> T {
        let hub = |kid: &Kid| (self.hub.kid() == *kid).then_some(self.hub);
        open(publish.payload.as_bytes(), &[kind], hub)
            .unwrap()
            .claims()
            .unwrap()
    }
}

#[test]
fn an_approval_outlives_an_enrolment_that_comes_before_the_next_tick() {
    let mut rig = rig();
    let it = Box::new("abc/one");
    rig.send(&it.topic("enrol"), &it.enrolment().jws);
    rig.decide(&it, Decision::Approve);
    // The box asks again at this very moment: what the desk remembers of it is a moment old.
    let answer = rig.send(&it.topic("enrol"), &it.enrolment().jws);
    assert!(
        rig.receipts(&answer.publish)
            .iter()
            .any(|r| r.hash == it.enrolment().hash)
    );
    assert_eq!(
        rig.board.room(&it.at).unwrap().enrolment,
        crate::fleet::Enrolment::Approved
    );
    let other = SqliteStore::open(&rig.dir.path().join("hub.db")).unwrap();
    let kept = other.keys().unwrap();
    assert!(kept.iter().all(|key| key.state == KeyState::Approved), "{kept:?}");
}

#[test]
fn an_approval_in_another_process_is_answered_at_the_next_tick() {
    let mut rig = rig();
    let it = Box::new("abc/one");
    let asked = rig.send(&it.topic("enrol"), &it.enrolment().jws);
    assert!(
        asked.publish.is_empty(),
        "nothing is promised before the operator has decided"
    );
    assert_eq!(
        asked.access,
        Some([it.at.clone()].into()),
        "it may hear the answer"
    );
    assert!(
        rig.send(&it.topic("enrol"), &it.enrolment().jws).access.is_none(),
        "asked again: nothing new"
    );
    let nothing = rig.desk.tick(NOW).unwrap();
    assert!(nothing.publish.is_empty() && nothing.access.is_none());

    rig.decide(&it, Decision::Approve);
    let answer = rig.desk.tick(NOW + 500).unwrap();
    let receipts = rig.receipts(&answer.publish);
    assert_eq!(
        (receipts.len(), receipts[0].seq, receipts[0].hash),
        (1, None, it.enrolment().hash)
    );
    assert!(answer.access.is_none(), "it had access already");
    assert_eq!(
        rig.board.room(&it.at).unwrap().enrolment,
        crate::fleet::Enrolment::Approved
    );
    assert!(rig.desk.tick(NOW + 1000).unwrap().publish.is_empty(), "once");
    let again = rig.send(&it.topic("enrol"), &it.enrolment().jws);
    assert_eq!(
        rig.receipts(&again.publish)[0].seq,
        None,
        "asked again: receipted at once"
    );

    rig.decide(&it, Decision::Revoke(None));
    let answer = rig.desk.tick(NOW + 1500).unwrap();
    assert_eq!((answer.publish.len(), answer.access), (0, Some([].into())));
    rig.decide(&it, Decision::Approve);
    let answer = rig.desk.tick(NOW + 2000).unwrap();
    assert_eq!(
        (answer.publish.len(), answer.access),
        (0, Some([it.at.clone()].into()))
    );
    assert_eq!(rig.desk.tick(NOW + 2900).unwrap().publish.len(), 0);
    let answer = rig.desk.tick(NOW + 3000).unwrap();
    assert_eq!(
        rig.receipts(&answer.publish)[0].seq,
        None,
        "as soon as the broker lets it hear"
    );
}

#[test]
fn letters_that_came_together_are_answered_together() {
    let mut rig = rig();
    let (mut one, mut two) = (rig.enrolled("abc/one"), rig.enrolled("abc/two"));
    let reports = [one.ready(), one.ready(), two.ready()];
    let letters = [
        letter(&one.topic("report"), &reports[0].jws),
        letter(&one.topic("report"), "rubbish"),
        letter(&one.topic("report"), &reports[1].jws),
        letter(&two.topic("report"), &reports[2].jws),
        letter(&one.topic("report"), &reports[0].jws),
    ];
    let answer = rig.desk.take(&letters, NOW).unwrap();
    let seen: Vec<_> = rig
        .receipts(&answer.publish)
        .into_iter()
        .map(|r| (r.room.to_string(), r.seq.unwrap()))
        .collect();
    let expected = [("one", 1), ("one", 2), ("two", 1), ("one", 1)].map(|(room, seq)| (room.to_owned(), seq));
    assert_eq!(seen, expected);
    assert_eq!(rig.board.room(&one.at).unwrap().refused["malformed"].n, 1);
    assert!(rig.commands(&answer.publish).is_empty());
}

#[test]
fn a_gap_is_asked_for_once_a_minute_while_the_room_is_heard() {
    let mut rig = rig();
    let mut one = rig.enrolled("abc/one");
    let entries: Vec<_> = (0..7).map(|_| one.ready()).collect();
    let topic = one.topic("report");
    assert!(rig.send(&topic, &entries[0].jws).publish.len() == 1);
    let asked = |rig: &Rig, answer: &Answer| {
        rig.commands(&answer.publish)
            .iter()
            .map(|c| (c.from.unwrap(), c.to.unwrap()))
            .collect::<Vec<_>>()
    };
    let answer = rig.send(&topic, &entries[5].jws);
    assert_eq!(asked(&rig, &answer), [(2, 5)]);
    assert_eq!(
        rig.receipts(&answer.publish)[0].seq,
        Some(6),
        "receipted all the same"
    );
    let answer = rig.send_at(&topic, &entries[6].jws, NOW + 1000);
    assert_eq!(asked(&rig, &answer), [], "just asked");
    let first = rig.desk.tick(NOW + 30_000).unwrap();
    assert_eq!(asked(&rig, &first), []);
    let second = rig.desk.tick(NOW + 95_000).unwrap();
    assert_eq!(asked(&rig, &second), [(2, 5)]);
    let ids: BTreeSet<_> = rig.commands(&second.publish).into_iter().map(|c| c.id).collect();
    assert_eq!(ids.len(), 1);
    let silent = rig.desk.tick(NOW + 20 * 60_000).unwrap();
    assert_eq!(asked(&rig, &silent), [], "nobody is there");
    // What is left of it is another gap.
    let answer = rig.send_at(&topic, &entries[1].jws, NOW + 96_000);
    assert_eq!(asked(&rig, &answer), [(3, 5)]);
    for n in [2, 3, 4] {
        rig.send_at(&topic, &entries[n].jws, NOW + 97_000);
    }
    assert_eq!(rig.board.room(&one.at).unwrap().chain.missing, 0);
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_a_gap_from_being_asked_for() {
    let mut rig = rig();
    let mut one = rig.enrolled("abc/one");
    let entries: Vec<_> = (0..3).map(|_| one.ready()).collect();
    let topic = one.topic("report");
    rig.send(&topic, &entries[0].jws);
    let asked = rig.send(&topic, &entries[2].jws);
    assert_eq!(rig.commands(&asked.publish).len(), 1);
    rig.desk.tick(NOW + 1000).unwrap();
    let before = NOW - 86_400_000;
    rig.desk.tick(before).unwrap();
    let again = rig.desk.tick(before + ASK_AGAIN_MS).unwrap();
    assert_eq!(rig.commands(&again.publish).len(), 1, "as after any minute");
}

#[test]
fn a_flood_is_answered_slowly_and_then_not_kept() {
    let mut rig = rig();
    let mut one = rig.enrolled("abc/one");
    let topic = one.topic("report");
    // The receipt of the enrolment, sent by the tick, was not the room's doing and is not counted.
    let letters: Vec<_> = (0..BURST + 3).map(|_| letter(&topic, &one.ready().jws)).collect();
    let mut at_once = 0;
    for group in letters.chunks(64) {
        at_once += rig.desk.take(group, NOW).unwrap().publish.len();
    }
    assert_eq!(at_once, usize::try_from(BURST).unwrap());
    assert_eq!(rig.desk.tick(NOW + 999).unwrap().publish.len(), 0);
    assert_eq!(rig.desk.tick(NOW + 1000).unwrap().publish.len(), 1);
    assert_eq!(rig.desk.tick(NOW + 3000).unwrap().publish.len(), 2);

    let more: Vec<_> = (0..crate::bucket::MAX_WAITING + 20)
        .map(|_| letter(&topic, &one.ready().jws))
        .collect();
    for group in more.chunks(64) {
        rig.desk.take(group, NOW).unwrap();
    }
    let row = rig.board.room(&one.at).unwrap();
    assert_eq!(row.refused["flood"].n, 23);
    assert_eq!(
        row.chain.held,
        u64::try_from(BURST + crate::bucket::MAX_WAITING).unwrap()
    );
}

#[test]
fn a_desk_that_is_opened_again_knows_everything() {
    let mut rig = rig();
    let mut one = rig.enrolled("abc/one");
    let report = one.ready();
    rig.send(&one.topic("report"), &report.jws);
    rig.send(&one.topic("report"), "rubbish");
    rig.send(
        &one.topic("state"),
        r#"{"v":1,"ts_ms":5,"state":"online","session":7,"agent":"0.1.0"}"#,
    );
    let before = rig.board.room(&one.at).unwrap();
    let Rig { dir, desk, .. } = rig;
    drop(desk);
    let mut rig = rig_in(dir);
    assert_eq!(rig.board.room(&one.at).unwrap(), before);
    assert_eq!(rig.desk.access().len(), 1);
    let answer = rig.send_at(&one.topic("report"), &report.jws, NOW + 5000);
    assert_eq!(
        rig.receipts(&answer.publish)[0].received_ms,
        NOW,
        "as it was received first"
    );
}

#[test]
fn since_when_the_verdict_is_so_survives_reports_that_say_the_same() {
    let mut rig = rig();
    let mut one = rig.enrolled("abc/one");
    let bad = json!([finding("codec.reachable", "fail", "codec.no-answer", true)]);
    for (later, findings, since) in [
        (0, None, 0),
        (60, None, 0),
        (120, Some(&bad), 120),
        (180, Some(&bad), 120),
        (240, None, 240),
    ] {
        let sealed = match findings {
            None => one.ready(),
            Some(findings) => {
                let claims = one.report("not-ready", findings);
                one.next(Kind::Report, &claims)
            }
        };
        rig.send_at(&one.topic("report"), &sealed.jws, NOW + later);
        assert_eq!(
            rig.board.room(&one.at).unwrap().result.as_ref().unwrap().since_ms,
            NOW + since,
            "after {later} ms"
        );
    }
}

#[test]
fn presence_is_kept_seldom_and_an_old_will_is_ignored() {
    let mut rig = rig();
    let one = rig.enrolled("abc/one");
    let topic = one.topic("state");
    let mut say = |word: &str, session: u64, later: i64| {
        let text =
            json!({ "v": 1, "ts_ms": 5, "state": word, "session": session, "agent": "0.1.0" }).to_string();
        rig.send_at(&topic, &text, NOW + later);
        let row = rig.board.room(&one.at).unwrap();
        let presence = row.presence.clone().unwrap();
        (
            serde_json::to_value(presence.state)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned(),
            presence.since_ms - NOW,
            row.last_seen_ms.unwrap() - NOW,
        )
    };
    assert_eq!(say("online", 7, 0), ("online".into(), 0, 0));
    assert_eq!(
        say("online", 7, 59_000),
        ("online".into(), 0, 0),
        "not worth a write"
    );
    assert_eq!(say("online", 7, 61_000), ("online".into(), 0, 61_000));
    assert_eq!(
        say("lost", 6, 62_000),
        ("online".into(), 0, 61_000),
        "the will of the connection before"
    );
    assert_eq!(
        say("lost", 7, 63_000),
        ("lost".into(), 63_000, 61_000),
        "a will is the broker's word"
    );
    assert_eq!(say("online", 8, 64_000), ("online".into(), 64_000, 64_000));
    assert_eq!(
        say("a-new-word", 8, 65_000),
        ("online".into(), 64_000, 64_000),
        "it is there, at least"
    );
}

#[test]
fn a_retained_state_is_no_sign_of_life() {
    let mut rig = rig();
    let one = rig.enrolled("abc/one");
    let text = json!({ "v": 1, "ts_ms": 5, "state": "online", "session": 7, "agent": "0.1.0" }).to_string();
    let retained = Letter {
        retained: true,
        ..letter(&one.topic("state"), &text)
    };
    rig.desk.take(&[retained], NOW).unwrap();
    let row = rig.board.room(&one.at).unwrap();
    assert!(row.presence.is_some());
    assert_eq!(row.last_seen_ms, None);
}

#[test]
fn what_an_enrolment_says_is_cleaned_and_bounded() {
    let mut rig = rig();
    let it = Box::new("abc/one");
    let contact = json!({ "role": "main", "name": "A\u{202e}B\u{1b}[31m", "phone": "09" });
    let claims = json!({
        "v": 1, "org": "abc", "room": "one", "iat": 0, "jwk": it.key.verifying().jwk(), "name": "x".repeat(5000),
        "area": "", "contacts": vec![contact; 100],
    });
    let sealed = seal(&it.key, Kind::Enrol, &claims).unwrap();
    rig.send(&it.topic("enrol"), &sealed.jws);
    let row = rig.board.room(&it.at).unwrap();
    assert!(row.name.chars().count() < 200);
    assert_eq!((row.area.as_ref(), row.contacts.len()), (None, MAX_CONTACTS));
    let name = row.contacts[0].name.clone().unwrap();
    assert!(!name.contains(['\u{202e}', '\u{1b}']), "{name:?}");
}

/// A store whose disk is full from some call on.
struct Full {
    inner: SqliteStore,
    full: std::rc::Rc<std::cell::Cell<bool>>,
    /// True while the keys cannot be read, as when another process holds the database.
    busy: std::rc::Rc<std::cell::Cell<bool>>,
}

impl Full {
    fn check(&self) -> Result<(), StoreError> {
        if self.full.get() {
            let (file, detail) = ("hub.db".into(), "database or disk is full".into());
            return Err(StoreError {
                file,
                kind: StoreTrouble::Full,
                detail,
            });
        }
        Ok(())
    }
}

impl Store for Full {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.inner.begin()
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        match self.check() {
            Ok(()) => self.inner.commit(),
            Err(e) => {
                self.inner.rollback();
                Err(e)
            }
        }
    }
    fn rollback(&mut self) {
        self.inner.rollback();
    }
    fn change_mark(&self) -> Result<i64, StoreError> {
        self.inner.change_mark()
    }
    fn keys(&self) -> Result<Vec<RoomKey>, StoreError> {
        if self.busy.get() {
            let (file, detail) = ("hub.db".into(), "database is locked".into());
            return Err(StoreError {
                file,
                kind: StoreTrouble::Locked,
                detail,
            });
        }
        self.inner.keys()
    }
    fn keys_of(&self, at: &RoomAddress) -> Result<Vec<RoomKey>, StoreError> {
        self.inner.keys_of(at)
    }
    fn put_key(&mut self, key: &RoomKey) -> Result<(), StoreError> {
        self.inner.put_key(key)
    }
    fn expected(&self) -> Result<Vec<Expected>, StoreError> {
        self.inner.expected()
    }
    fn put_expected(&mut self, expected: &Expected) -> Result<(), StoreError> {
        self.inner.put_expected(expected)
    }
    fn drop_expected(&mut self, at: &RoomAddress) -> Result<(), StoreError> {
        self.inner.drop_expected(at)
    }
    fn chain(&self, at: &RoomAddress, chain: u32) -> Result<Option<ChainRow>, StoreError> {
        self.inner.chain(at, chain)
    }
    fn held_from(&self, at: &RoomAddress, kid: &Kid, from: u64) -> Result<u64, StoreError> {
        self.inner.held_from(at, kid, from)
    }
    fn neighbours(
        &self,
        at: &RoomAddress,
        chain: u32,
        link: &Link,
        before: u64,
    ) -> Result<Neighbours, StoreError> {
        self.inner.neighbours(at, chain, link, before)
    }
    fn received_ms(&self, at: &RoomAddress, chain: u32, seq: u64) -> Result<Option<i64>, StoreError> {
        self.inner.received_ms(at, chain, seq)
    }
    fn presence(&self, at: &RoomAddress) -> Result<Option<Option<PresenceRow>>, StoreError> {
        self.inner.presence(at)
    }
    fn forks(&self, at: &RoomAddress, chain: u32) -> Result<u32, StoreError> {
        self.inner.forks(at, chain)
    }
    fn add_entry(
        &mut self,
        entry: &Entry,
        received_ms: i64,
        made_after_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        self.inner.add_entry(entry, received_ms, made_after_ms)
    }
    fn add_fork(&mut self, entry: &Entry, received_ms: i64) -> Result<(), StoreError> {
        self.inner.add_fork(entry, received_ms)
    }
    fn count(&mut self, at: Option<&RoomAddress>, why: Reason, now_ms: i64) -> Result<(), StoreError> {
        self.inner.count(at, why, now_ms)
    }
    fn put_presence(&mut self, at: &RoomAddress, presence: &PresenceRow) -> Result<(), StoreError> {
        self.inner.put_presence(at, presence)
    }
    fn put_standing(
        &mut self,
        at: &RoomAddress,
        verdict: Option<&str>,
        since_ms: i64,
    ) -> Result<(), StoreError> {
        self.inner.put_standing(at, verdict, since_ms)
    }
    fn rooms(&self) -> Result<Vec<RoomAddress>, StoreError> {
        self.inner.rooms()
    }
    fn kept(&self, at: &RoomAddress) -> Result<Option<Kept>, StoreError> {
        self.inner.kept(at)
    }
    fn missing(
        &self,
        at: &RoomAddress,
        chain: u32,
        limit: usize,
    ) -> Result<Vec<RangeInclusive<u64>>, StoreError> {
        self.inner.missing(at, chain, limit)
    }
    fn history(&self, at: &RoomAddress, limit: usize) -> Result<Vec<PastRun>, StoreError> {
        self.inner.history(at, limit)
    }
    fn entries(&self, at: &RoomAddress, kinds: &[Kind], limit: usize) -> Result<Vec<HeldEntry>, StoreError> {
        self.inner.entries(at, kinds, limit)
    }
    fn refused_elsewhere(&self) -> Result<BTreeMap<String, Count>, StoreError> {
        self.inner.refused_elsewhere()
    }
    fn meetings(&self, ending_after_ms: i64) -> Result<Vec<Meeting>, StoreError> {
        self.inner.meetings(ending_after_ms)
    }
    fn meeting(&self, id: &Name) -> Result<Option<Meeting>, StoreError> {
        self.inner.meeting(id)
    }
    fn put_meeting(&mut self, meeting: &Meeting) -> Result<(), StoreError> {
        self.inner.put_meeting(meeting)
    }
    fn plans(&self) -> Result<BTreeMap<RoomAddress, PlanRow>, StoreError> {
        self.inner.plans()
    }
    fn put_plan(&mut self, at: &RoomAddress, plan: &PlanRow) -> Result<(), StoreError> {
        self.inner.put_plan(at, plan)
    }
}

#[test]
fn a_full_disk_answers_nothing_and_loses_nothing() {
    let Rig {
        dir,
        desk,
        board,
        hub,
    } = rig();
    drop(desk);
    let full = std::rc::Rc::new(std::cell::Cell::new(false));
    let busy = std::rc::Rc::new(std::cell::Cell::new(false));
    let store = Full {
        inner: SqliteStore::open(&dir.path().join("hub.db")).unwrap(),
        full: full.clone(),
        busy: busy.clone(),
    };
    let (key, _) = crate::key::read_or_make(dir.path()).unwrap();
    let mut desk = Desk::open(
        store,
        key,
        challenger(),
        vec!["abc".parse().unwrap()],
        board.clone(),
    )
    .unwrap();
    let it = Box::new("abc/one");
    let enrol = letter(&it.topic("enrol"), &it.enrolment().jws);

    full.set(true);
    let error = desk.take(std::slice::from_ref(&enrol), NOW).unwrap_err();
    assert!(error.said().en.contains("Free some space"));
    assert!(board.room(&it.at).is_none(), "what was not kept is not shown");
    assert!(desk.tick(NOW).unwrap().access.is_none(), "and not believed");

    // What cannot be read again at once is read again later: until then nothing that was not kept is believed for good.
    busy.set(true);
    assert!(desk.take(std::slice::from_ref(&enrol), NOW).is_err());
    assert!(desk.tick(NOW).is_err(), "still unreadable");
    full.set(false);
    busy.set(false);
    assert!(
        desk.tick(NOW).unwrap().access.is_none(),
        "a key that is not kept opens nothing"
    );
    assert!(desk.take(&[enrol], NOW).unwrap().access.is_some());
    full.set(true);
    let mut other = SqliteStore::open(&dir.path().join("hub.db")).unwrap();
    decide(&mut other, &it.at, it.key.kid(), Decision::Approve, NOW).unwrap();
    assert!(desk.tick(NOW).is_err(), "an approval cannot be learnt now");
    full.set(false);
    assert_eq!(desk.tick(NOW).unwrap().publish.len(), 1, "and is not forgotten");
    let mut it = it;
    let report = letter(&it.topic("report"), &it.ready().jws);
    full.set(true);
    assert!(desk.take(std::slice::from_ref(&report), NOW).is_err());
    full.set(false);
    // The room sends it again, and then has its receipt.
    let answer = desk.take(&[report], NOW).unwrap();
    let rig_hub = |kid: &Kid| (hub.kid() == *kid).then_some(hub);
    let receipt: Receipt = open(answer.publish[0].payload.as_bytes(), &[Kind::Receipt], rig_hub)
        .unwrap()
        .claims()
        .unwrap();
    assert_eq!(receipt.seq, Some(1));
}

/// The cost of a decision is that of its room: a list of ten thousand boxes is one decision for each.
#[test]
fn a_decision_reads_the_keys_of_its_room_alone() {
    let Rig { dir, desk, board, .. } = rig();
    drop(desk);
    let it = Box::new("abc/one");
    let busy = std::rc::Rc::new(std::cell::Cell::new(false));
    let mut store = Full {
        inner: SqliteStore::open(&dir.path().join("hub.db")).unwrap(),
        full: std::rc::Rc::default(),
        busy: busy.clone(),
    };
    let expected = Expected {
        at: it.at.clone(),
        fingerprint: crate::keyring::Fingerprint::of(it.key.kid()),
        name: String::new(),
        added_ms: NOW,
    };
    store.put_expected(&expected).unwrap();
    let (key, _) = crate::key::read_or_make(dir.path()).unwrap();
    let orgs = vec!["abc".parse().unwrap()];
    let mut desk = Desk::open(store, key, challenger(), orgs, board.clone()).unwrap();
    busy.set(true);
    let enrol = letter(&it.topic("enrol"), &it.enrolment().jws);
    assert_eq!(desk.take(&[enrol], NOW).unwrap().publish.len(), 1, "its receipt");
    assert_eq!(
        board.room(&it.at).unwrap().enrolment,
        crate::fleet::Enrolment::Approved
    );
    assert_eq!(
        desk.store.keys_of(&it.at).unwrap(),
        desk.store.inner.keys().unwrap()
    );
}

#[test]
fn an_entry_that_echoes_the_challenge_was_made_after_it() {
    let mut rig = rig();
    let (mut one, mut two) = (rig.enrolled("abc/one"), rig.enrolled("abc/two"));
    let first = one.ready();
    let answer = rig.send(&one.topic("report"), &first.jws);
    let nonce = rig.receipts(&answer.publish)[0].nonce.clone().unwrap();
    for it in [&mut one, &mut two] {
        let claims = with(
            it.report("ready", &json!([])),
            &json!({ "nonce": nonce, "clk": "unsynced", "iat": 0 }),
        );
        let sealed = it.next(Kind::Report, &claims);
        rig.send_at(&it.topic("report"), &sealed.jws, NOW + 5000);
    }
    let made_after = |it: &Box| {
        let store = SqliteStore::open(&rig.dir.path().join("hub.db")).unwrap();
        store
            .history(&it.at, 9)
            .unwrap()
            .iter()
            .map(|run| run.made_after_ms)
            .collect::<Vec<_>>()
    };
    assert_eq!(made_after(&one), [Some(NOW), None]);
    assert_eq!(made_after(&two), [None], "another room's challenge says nothing");
}

#[test]
fn after_two_histories_the_operator_lets_a_box_begin_anew() {
    let mut rig = rig();
    let mut one = rig.enrolled("abc/one");
    for _ in 0..2 {
        let report = one.ready();
        rig.send(&one.topic("report"), &report.jws);
    }
    // The box has lost its logbook and kept its key.
    (one.seq, one.prev) = (0, EntryHash::ZERO);
    let claims = with(
        one.report("ready", &json!([finding("codec.reachable", "pass", "ok", true)])),
        &json!({ "run": "new" }),
    );
    let begun = one.next(Kind::Report, &claims);
    assert!(rig.send(&one.topic("report"), &begun.jws).publish.is_empty());
    assert_eq!(rig.board.room(&one.at).unwrap().chain.forks, 1);
    rig.decide(&one, Decision::Revoke(None));
    rig.desk.tick(NOW).unwrap();
    rig.decide(&one, Decision::Approve);
    rig.desk.tick(NOW).unwrap();
    let answer = rig.send(&one.topic("report"), &begun.jws);
    assert_eq!(rig.receipts(&answer.publish)[0].hash, begun.hash);
    let chain = rig.board.room(&one.at).unwrap().chain.clone();
    assert_eq!((chain.chain, chain.held, chain.forks), (2, 1, 0));
}
