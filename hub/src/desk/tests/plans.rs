//! Tests of the plans: told once, again when they say something else, taken back, and with a growing revision.

use bridgepoint_protocol::claims::{Plan, Role};
use bridgepoint_protocol::name::Name;

use super::*;
use crate::meeting::KEPT_IN_PLANS_MS;
use crate::sample::meeting;

const HOUR: i64 = 3_600_000;

impl Rig {
    fn plan(&self, change: &Meeting) {
        let mut other = SqliteStore::open(&self.dir.path().join("hub.db")).unwrap();
        other.put_meeting(change).unwrap();
    }

    /// Ticks past the time that a broker needs to learn of a room, and gives the plans that were told.
    fn told(&mut self, now_ms: i64) -> Vec<Plan> {
        let mut publish = self.desk.tick(now_ms).unwrap().publish;
        publish.extend(self.desk.tick(now_ms + BROKER_LEARNS_MS).unwrap().publish);
        self.plans(&publish)
    }

    fn plans(&self, publish: &[Publish]) -> Vec<Plan> {
        let plans = publish.iter().filter(|p| p.topic.ends_with("/plan"));
        plans
            .map(|p| {
                assert!(p.retain, "who comes later finds it");
                self.opened(p, Kind::Plan)
            })
            .collect()
    }

    fn join(&self) {
        self.board.note(|health| {
            health.broker.insert(name("abc"), true);
            *health.joined.entry(name("abc")).or_default() += 1;
        });
    }

    fn again(self) -> Self {
        let Self { dir, desk, .. } = self;
        drop(desk);
        rig_in(dir)
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn a_plan_is_told_once_and_again_when_it_says_something_else() {
    let mut rig = rig();
    let (one, two) = (rig.enrolled("abc/one"), rig.enrolled("abc/two"));
    assert!(rig.told(NOW).is_empty(), "nothing to tell");
    let first = Meeting {
        chair: Some(name("one")),
        ..meeting("m-first", NOW + HOUR)
    };
    rig.plan(&first);
    let plans = rig.told(NOW);
    assert_eq!(plans.len(), 2);
    for (plan, it, role) in [(&plans[0], &one, Role::Chair), (&plans[1], &two, Role::Satellite)] {
        assert_eq!((&plan.org, &plan.room), (&it.at.org, &it.at.room));
        let told = &plan.meetings[0];
        assert_eq!(told.role, Some(role.into()));
        assert_eq!(told.chair.as_deref(), Some("one"));
        assert_eq!(told.rooms, ["one", "two"]);
        assert_eq!((told.start_ms, told.length_min), (NOW + HOUR, 120));
        let nonce = plan.nonce.as_deref().unwrap();
        assert!(
            rig.desk.challenger.issued_ms(&it.at, nonce).is_some(),
            "a challenge that the room can echo"
        );
    }
    assert!(rig.told(NOW + 5000).is_empty(), "once");
    assert!(rig.board.agenda().meeting("m-first").is_some());

    // A meeting of one room concerns that room alone.
    rig.plan(&Meeting {
        rooms: Some([name("two")].into()),
        ..meeting("m-second", NOW + 5 * HOUR)
    });
    let changed = rig.told(NOW + 10_000);
    assert_eq!(changed.len(), 1);
    assert_eq!((&changed[0].room, changed[0].meetings.len()), (&two.at.room, 2));
    assert!(changed[0].rev > plans[1].rev);

    // Cancelled: gone from the plans, not from the books.
    rig.plan(&Meeting {
        cancelled_ms: Some(NOW),
        ..first
    });
    let changed = rig.told(NOW + 15_000);
    let left: Vec<usize> = changed.iter().map(|plan| plan.meetings.len()).collect();
    assert_eq!(left, [0, 1]);
    assert!(rig.board.agenda().meeting("m-first").is_some());
}

#[test]
fn a_meeting_leaves_the_plans_half_a_day_after_its_end() {
    let mut rig = rig();
    rig.enrolled("abc/one");
    rig.plan(&meeting("m-one", NOW + HOUR));
    assert_eq!(rig.told(NOW).len(), 1);
    let gone_ms = NOW + 3 * HOUR + KEPT_IN_PLANS_MS;
    assert!(rig.told(gone_ms - 2 * BROKER_LEARNS_MS).is_empty());
    let plans = rig.told(gone_ms);
    assert_eq!((plans.len(), plans[0].meetings.len()), (1, 0));
}

#[test]
fn a_revision_grows_over_a_restart_and_over_a_clock_that_is_set_back() {
    let mut rig = rig();
    rig.enrolled("abc/one");
    rig.plan(&meeting("m-one", NOW + HOUR));
    let first = rig.told(NOW)[0].rev;
    let mut rig = rig.again();
    // The broker may have forgotten: told again, although it says the same.
    let plans = rig.told(NOW - 365 * 24 * HOUR);
    assert_eq!((plans.len(), plans[0].meetings.len()), (1, 1));
    assert!(plans[0].rev > first);
    assert!(rig.told(NOW).is_empty());
    // The broker was away and is back.
    rig.join();
    assert!(rig.told(NOW + 1).is_empty(), "its first connection is no return");
    rig.join();
    let again = rig.told(NOW + 2);
    assert!(again.len() == 1 && again[0].rev > plans[0].rev);
}

#[test]
fn a_plan_that_says_nothing_any_more_is_said_again_when_it_may_be_lost() {
    let mut rig = rig();
    rig.enrolled("abc/one");
    let it = meeting("m-one", NOW + HOUR);
    rig.plan(&it);
    rig.join();
    rig.told(NOW);
    rig.plan(&Meeting {
        cancelled_ms: Some(NOW),
        ..it
    });
    // What is told now is lost on the way.
    let lost = rig.told(NOW + 5000);
    assert_eq!((lost.len(), lost[0].meetings.len()), (1, 0));
    assert!(rig.told(NOW + 10_000).is_empty());
    rig.join();
    let again = rig.told(NOW + 15_000);
    assert_eq!((again.len(), again[0].meetings.len()), (1, 0));
    assert!(again[0].rev > lost[0].rev);
    let mut rig = rig.again();
    let anew = rig.told(NOW + 20_000);
    assert_eq!((anew.len(), anew[0].meetings.len()), (1, 0));
}

#[test]
fn a_plan_that_was_taken_back_is_taken_back_again_when_that_may_be_lost() {
    let mut rig = rig();
    let one = rig.enrolled("abc/one");
    rig.plan(&meeting("m-one", NOW + HOUR));
    rig.join();
    rig.told(NOW);
    rig.decide(&one, Decision::Revoke(None));
    let taken_back = |rig: &mut Rig, now_ms: i64| {
        let publish = rig.desk.tick(now_ms).unwrap().publish;
        let mine = publish.iter().filter(|p| p.topic == one.topic("plan"));
        mine.filter(|p| p.payload.is_empty() && p.retain).count()
    };
    assert_eq!(taken_back(&mut rig, NOW + 5000), 1);
    assert_eq!(taken_back(&mut rig, NOW + 10_000), 0);
    rig.join();
    assert_eq!(taken_back(&mut rig, NOW + 15_000), 1);
    let mut rig = rig.again();
    assert_eq!(taken_back(&mut rig, NOW + 20_000), 1);
    assert_eq!(taken_back(&mut rig, NOW + 25_000), 0);
}

#[test]
fn a_plan_that_did_not_leave_the_program_is_owed_again() {
    let mut rig = rig();
    let one = rig.enrolled("abc/one");
    rig.plan(&meeting("m-one", NOW + HOUR));
    rig.desk.tick(NOW).unwrap();
    let dropped = rig.desk.tick(NOW + BROKER_LEARNS_MS).unwrap().publish;
    assert_eq!(dropped[0].topic, one.topic("plan"));
    rig.desk.not_sent(&dropped[0]);
    assert_eq!(rig.told(NOW + 5000).len(), 1);
    assert!(rig.told(NOW + 10_000).is_empty());
}

#[test]
fn a_clock_that_is_set_back_makes_no_room_wait_for_its_plan() {
    let mut rig = rig();
    rig.enrolled("abc/one");
    rig.plan(&meeting("m-one", NOW + HOUR));
    // Owed for a moment later, and then it is an hour before that.
    assert!(rig.desk.tick(NOW).unwrap().publish.is_empty());
    assert_eq!(rig.told(NOW - HOUR).len(), 1);
}

#[test]
fn a_damaged_meeting_hides_no_other() {
    let mut rig = rig();
    rig.enrolled("abc/one");
    for id in ["m-broken", "m-sound"] {
        rig.plan(&meeting(id, NOW + HOUR));
    }
    rusqlite::Connection::open(rig.dir.path().join("hub.db"))
        .unwrap()
        .execute("UPDATE meeting SET rooms = '{' WHERE id = 'm-broken'", [])
        .unwrap();
    let plans = rig.told(NOW);
    let ids: Vec<&str> = plans[0].meetings.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids, ["m-sound"]);
}

#[test]
fn a_line_that_is_down_is_waited_for() {
    let mut rig = rig();
    rig.enrolled("abc/one");
    rig.plan(&meeting("m-one", NOW + HOUR));
    rig.board.note(|health| {
        health.broker.insert(name("abc"), false);
    });
    assert!(rig.told(NOW).is_empty());
    rig.board.note(|health| {
        health.broker.insert(name("abc"), true);
    });
    assert_eq!(rig.told(NOW).len(), 1);
}

#[test]
fn an_approved_room_is_told_and_a_revoked_ones_plan_is_taken_back() {
    let mut rig = rig();
    rig.plan(&meeting("m-one", NOW + HOUR));
    let one = Box::new("abc/one");
    rig.send(&one.topic("enrol"), &one.enrolment().jws);
    assert!(rig.told(NOW).is_empty(), "nothing for a stranger");
    rig.decide(&one, Decision::Approve);
    let at_once = rig.desk.tick(NOW).unwrap().publish;
    assert!(
        rig.plans(&at_once).is_empty(),
        "the broker learns of the room first"
    );
    let told = rig.told(NOW);
    assert_eq!(told.len(), 1);

    rig.decide(&one, Decision::Revoke(None));
    let publish = rig.desk.tick(NOW + 5000).unwrap().publish;
    let topic = one.topic("plan");
    let taken_back = publish
        .iter()
        .filter(|p| p.topic == topic && p.payload.is_empty() && p.retain);
    assert_eq!(taken_back.count(), 1);
    assert!(rig.desk.tick(NOW + 10_000).unwrap().publish.is_empty(), "once");

    rig.decide(&one, Decision::Approve);
    let again = rig.told(NOW + 15_000);
    assert!(again.len() == 1 && again[0].rev > told[0].rev);
}

#[test]
fn where_line_tests_go_is_told_to_every_room() {
    let mut rig = rig();
    rig.desk = rig.desk.with_reflector(Some("10.1.0.2:9511".into()));
    rig.enrolled("abc/one");
    let plans = rig.told(NOW);
    assert_eq!(plans[0].reflector.as_deref(), Some("10.1.0.2:9511"));
    assert!(plans[0].meetings.is_empty());
}

#[test]
fn the_largest_plan_fits_its_envelope() {
    let mut rig = rig();
    rig.enrolled("abc/one");
    let rooms: BTreeSet<Name> = (0..290)
        .map(|n| name(&format!("{n:03}-{}", "x".repeat(36))))
        .chain([name("one")])
        .collect();
    for n in 0..40 {
        rig.plan(&Meeting {
            subject: "Ộ".repeat(128),
            rooms: Some(rooms.clone()),
            ..meeting(&format!("m-{n:02}-{}", "x".repeat(35)), NOW + HOUR + n)
        });
    }
    let plans = rig.told(NOW);
    assert_eq!((plans.len(), plans[0].meetings.len()), (1, 32));
    assert_eq!(plans[0].meetings[0].rooms.len(), 291);
    assert_eq!(
        plans[0].meetings[1].rooms,
        ["one"],
        "what does not fit names the room itself"
    );
}

#[test]
fn a_full_disk_tells_no_plan_and_forgets_no_receipt() {
    let Rig {
        dir,
        desk,
        board,
        hub,
    } = rig();
    drop(desk);
    let full = std::rc::Rc::new(std::cell::Cell::new(false));
    let store = Full {
        inner: SqliteStore::open(&dir.path().join("hub.db")).unwrap(),
        full: full.clone(),
        busy: std::rc::Rc::default(),
    };
    let (key, _) = crate::key::read_or_make(dir.path()).unwrap();
    let orgs = vec!["abc".parse().unwrap()];
    let mut desk = Desk::open(store, key, challenger(), orgs, board).unwrap();
    let it = Box::new("abc/one");
    desk.take(&[letter(&it.topic("enrol"), &it.enrolment().jws)], NOW)
        .unwrap();
    let mut other = SqliteStore::open(&dir.path().join("hub.db")).unwrap();
    decide(&mut other, &it.at, it.key.kid(), Decision::Approve, NOW).unwrap();
    other.put_meeting(&meeting("m-one", NOW + HOUR)).unwrap();
    let receipts = desk.tick(NOW).unwrap().publish;
    let [receipt] = &receipts[..] else {
        panic!("one receipt: {receipts:?}");
    };
    let receipt = receipt.clone();
    full.set(true);
    // A receipt that waits for its turn goes out although no plan can be written down.
    desk.delay(NOW, vec![receipt.clone()]);
    let answer = desk.tick(NOW + BROKER_LEARNS_MS).unwrap();
    assert_eq!(answer.publish, [receipt]);
    assert!(answer.trouble.is_some());
    full.set(false);
    let publish = desk.tick(NOW + BROKER_LEARNS_MS).unwrap().publish;
    let topics: Vec<&str> = publish.iter().map(|p| p.topic.as_str()).collect();
    assert_eq!(topics, [it.topic("plan")]);
    let ours = |kid: &Kid| (hub.kid() == *kid).then_some(hub);
    assert!(open(publish[0].payload.as_bytes(), &[Kind::Plan], ours).is_ok());
}
