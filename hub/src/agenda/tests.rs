//! Tests of what meetings ask of a room, in tables: view by presence, result and the meeting's clock.

use bridgepoint_protocol::claims::{PresenceState, Verdict};
use proptest::prelude::*;

use super::*;
use crate::fleet::{self, Chain, Enrolment, Judged, LOST_GRACE_MS, Presence, View};
use crate::sample::{NOW, meeting};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A meeting begins at this moment; its boxes begin their check at [`T_90`], and are late at [`LIMIT`].
const START: i64 = NOW + 10 * HOUR;
const T_90: i64 = START - 90 * MINUTE;
const LIMIT: i64 = T_90 + ANSWER_MS;
const T_20: i64 = START - 20 * MINUTE;

fn room(presence: Option<PresenceState>, result: Option<Judged>, checked: Vec<Checked>) -> Standing {
    Standing {
        org: Name::new("abc").unwrap(),
        room: Name::new("one").unwrap(),
        name: "One".into(),
        area: None,
        contacts: vec![],
        enrolment: Enrolment::Approved,
        fingerprint: None,
        challengers: vec![],
        enrolled_ms: NOW - 100 * HOUR,
        presence: presence.map(|state| Presence {
            state,
            since_ms: NOW - 50 * HOUR,
        }),
        last_seen_ms: None,
        result,
        checked,
        chain: Chain {
            state: None,
            chain: 1,
            first: None,
            last: None,
            held: 0,
            missing: 0,
            forks: 0,
        },
        refused: Default::default(),
        agent: None,
    }
}

fn judged(measured_ms: i64) -> Judged {
    Judged {
        verdict: Verdict::Ready,
        since_ms: measured_ms,
        measured_ms,
        last_report_ms: measured_ms,
        verdict_differs: false,
        why: None,
        missing_kinds: vec![],
        open_points: 0,
        open_questions: 0,
        duty: None,
        run: "r".into(),
        profile: DEFAULT_PROFILE.into(),
        meeting: None,
        checkpoint: None,
    }
}

fn checked(meeting: &str, checkpoint: &str, measured_ms: i64) -> Checked {
    Checked {
        meeting: meeting.into(),
        checkpoint: Some(checkpoint.into()),
        measured_ms,
        verdict: "ready".into(),
    }
}

fn view_at(room: &Standing, agenda: &Agenda, now_ms: i64) -> (View, i64) {
    let state = fleet::state(Arc::new(room.clone()), agenda, now_ms);
    (state.view, state.since_ms)
}

#[test]
fn a_room_of_a_meeting_is_not_on_yet_until_the_limit_and_silent_after_it() {
    let agenda = Agenda::new([meeting("m-one", START)]);
    let off = [None, Some(PresenceState::Lost), Some(PresenceState::Disconnected)];
    for presence in off {
        let old = Some(judged(NOW - 30 * HOUR));
        for result in [None, old] {
            let room = room(presence, result, vec![]);
            assert_eq!(view_at(&room, &agenda, NOW).0, View::NotOnYet, "{presence:?}");
            assert_eq!(
                view_at(&room, &agenda, LIMIT - 1).0,
                View::NotOnYet,
                "{presence:?}"
            );
            assert_eq!(
                view_at(&room, &agenda, LIMIT),
                (View::Silent, LIMIT),
                "{presence:?}"
            );
            assert_eq!(view_at(&room, &agenda, START + HOUR), (View::Silent, LIMIT));
        }
    }
    for presence in [PresenceState::Online, PresenceState::Sleeping] {
        let room = room(Some(presence), None, vec![]);
        assert!(![View::NotOnYet, View::Silent].contains(&view_at(&room, &agenda, LIMIT - 1).0));
        assert_eq!(
            view_at(&room, &agenda, LIMIT),
            (View::Silent, LIMIT),
            "that the box is there is no report"
        );
    }
}

#[test]
fn what_was_heard_for_the_meeting_is_no_silence() {
    let agenda = Agenda::new([meeting("m-one", START)]);
    let at = LIMIT + 10 * MINUTE;
    let online = Some(PresenceState::Online);
    let on_time = LIMIT - 5 * MINUTE;
    for (what, room, view) in [
        (
            "the check at T-90",
            room(
                online,
                Some(judged(on_time)),
                vec![checked("m-one", "T-90", on_time)],
            ),
            View::Ready,
        ),
        (
            "a later check by hand stands beside it",
            room(
                online,
                Some(judged(at - 1)),
                vec![checked("m-one", "T-90", on_time)],
            ),
            View::Ready,
        ),
        (
            "a check by hand since T-105",
            room(online, Some(judged(on_time)), vec![]),
            View::Ready,
        ),
        (
            "a check by hand before it",
            room(online, Some(judged(T_90 - 16 * MINUTE)), vec![]),
            View::Silent,
        ),
        (
            "the trial of the day before",
            room(
                online,
                Some(judged(START - 24 * HOUR)),
                vec![checked("m-one", "T-1d", START - 24 * HOUR)],
            ),
            View::Silent,
        ),
        (
            "another meeting's check",
            room(
                online,
                Some(judged(LIMIT - 3 * HOUR)),
                vec![checked("m-two", "T-90", LIMIT - 3 * HOUR)],
            ),
            View::Silent,
        ),
        (
            "heard, and then out of reach",
            room(
                Some(PresenceState::Lost),
                Some(judged(on_time)),
                vec![checked("m-one", "T-90", on_time)],
            ),
            View::Silent,
        ),
    ] {
        assert_eq!(view_at(&room, &agenda, at).0, view, "{what}");
    }
}

#[test]
fn a_box_that_begins_at_its_moment_is_never_late() {
    let agenda = Agenda::new([meeting("m-one", START)]);
    let online = Some(PresenceState::Online);
    let waits = room(online, Some(judged(NOW)), vec![]);
    // It begins at T-90 exactly, has a minute for its run, and then sends what it found.
    for after_ms in [0, 30_000, 60_000, 90_000, ANSWER_MS - 1] {
        assert_eq!(
            view_at(&waits, &agenda, T_90 + after_ms).0,
            View::Expired,
            "{after_ms} ms after T-90"
        );
    }
    assert_eq!(view_at(&waits, &agenda, LIMIT), (View::Silent, LIMIT));
    let done = T_90 + MINUTE;
    let came = room(online, Some(judged(done)), vec![checked("m-one", "T-90", done)]);
    assert_eq!(view_at(&came, &agenda, LIMIT).0, View::Ready);
}

#[test]
fn every_checkpoint_of_the_day_is_asked_for() {
    let agenda = Agenda::new([meeting("m-one", START)]);
    let late = T_20 + ANSWER_MS;
    let at_90 = checked("m-one", "T-90", T_90 + MINUTE);
    let online = Some(PresenceState::Online);
    let by_hand = |ms: i64| room(online, Some(judged(ms)), vec![at_90.clone()]);
    let never = room(online, None, vec![]);
    for (what, it, now_ms, expected) in [
        ("T-90 came", by_hand(T_90), late - 1, ("T-90", None)),
        ("nothing came at T-20", by_hand(T_90), late, ("T-20", Some(late))),
        (
            "by hand long before T-20",
            by_hand(T_20 - SLACK_MS - 1),
            late,
            ("T-20", Some(late)),
        ),
        (
            "by hand shortly before",
            by_hand(T_20 - SLACK_MS),
            late,
            ("T-20", None),
        ),
        (
            "in its call, with what it carries",
            by_hand(T_20 + MINUTE),
            late,
            ("T-20", None),
        ),
        ("in the meeting", by_hand(T_20), START + HOUR, ("T-20", None)),
        (
            "never: since T-90",
            never.clone(),
            late + MINUTE,
            ("T-90", Some(LIMIT)),
        ),
        (
            "only at T-20",
            room(online, Some(judged(T_20)), vec![checked("m-one", "T-20", T_20)]),
            late,
            ("T-20", None),
        ),
    ] {
        let part = agenda.next(&it, now_ms).unwrap().part;
        let (view, since_ms) = view_at(&it, &agenda, now_ms);
        let silent = (view == View::Silent).then_some(since_ms);
        assert_eq!((part.checkpoint.as_str(), silent), expected, "{what}");
        assert_eq!(part.reported, expected.1.is_none(), "{what}");
    }
}

#[test]
fn one_run_answers_for_two_meetings_at_one_moment() {
    // The box makes one run and names the nearer meeting.
    let agenda = Agenda::new([meeting("m-one", START), meeting("m-two", START)]);
    let done = T_90 + MINUTE;
    let it = room(
        Some(PresenceState::Online),
        Some(judged(done)),
        vec![checked("m-one", "T-90", done)],
    );
    let states = fleet::fleet([Arc::new(it)], &agenda, LIMIT);
    for id in ["m-one", "m-two"] {
        let gathering = agenda.meeting(id).unwrap().gathering(&states, LIMIT);
        assert_eq!((gathering.reported, gathering.total), (1, 1), "{id}");
    }
}

#[test]
fn a_long_meeting_does_not_hide_the_one_within_it() {
    let long = Meeting {
        length_min: 24 * 60,
        ..meeting("m-long", START - 8 * HOUR)
    };
    let agenda = Agenda::new([long, meeting("m-within", START)]);
    let done = START - 8 * HOUR - 20 * MINUTE;
    let it = room(
        Some(PresenceState::Online),
        Some(judged(done)),
        vec![checked("m-long", "T-20", done)],
    );
    let next = |now_ms: i64| agenda.next(&it, now_ms).unwrap().id.to_string();
    assert_eq!(next(LIMIT - 1), "m-long");
    assert_eq!(next(LIMIT), "m-within");
    assert_eq!(view_at(&it, &agenda, LIMIT), (View::Silent, LIMIT));
    // On each meeting's own page the room stands as it does for that meeting.
    let states = fleet::fleet([Arc::new(it)], &agenda, LIMIT);
    for (id, view) in [("m-long", View::Expired), ("m-within", View::Silent)] {
        let gathering = agenda.meeting(id).unwrap().gathering(&states, LIMIT);
        let (room, part) = &gathering.rooms[0];
        assert_eq!((room.view, part.reported), (view, id == "m-long"), "{id}");
    }
}

#[test]
fn a_room_is_needed_for_the_rehearsal_too() {
    let agenda = Agenda::new([Meeting {
        rehearsal_ms: Some(NOW + 20 * HOUR),
        ..meeting("m-one", NOW + 50 * HOUR)
    }]);
    let it = room(Some(PresenceState::Online), None, vec![]);
    assert!(agenda.next(&it, NOW).unwrap().due);
    assert!(!agenda.next(&it, NOW - 5 * HOUR).unwrap().due);
    assert_eq!(view_at(&it, &agenda, NOW - 5 * HOUR).0, View::NotNeeded);
    assert_eq!(view_at(&it, &agenda, NOW).0, View::Unknown);
}

#[test]
fn without_a_meeting_a_box_that_is_there_is_not_needed_where_meetings_are_planned() {
    let far = Agenda::new([meeting("m-far", NOW + 25 * HOUR)]);
    let past = Agenda::new([meeting("m-past", NOW - 5 * HOUR)]);
    let elsewhere = Agenda::new([Meeting {
        org: Name::new("xyz").unwrap(),
        ..meeting("m-xyz", START)
    }]);
    let others = Agenda::new([Meeting {
        rooms: Some([Name::new("two").unwrap()].into()),
        ..meeting("m-two", START)
    }]);
    let cancelled = Agenda::new([Meeting {
        cancelled_ms: Some(NOW),
        ..meeting("m-no", START)
    }]);
    let old = || Some(judged(NOW - 30 * HOUR));
    let fresh = || Some(judged(NOW - HOUR));
    use PresenceState::{Disconnected, Lost, Online, Sleeping};
    for (agenda, presence, result, view) in [
        (&far, Some(Online), old(), View::NotNeeded),
        (&far, Some(Sleeping), None, View::NotNeeded),
        (&past, Some(Online), old(), View::NotNeeded),
        (&others, Some(Online), old(), View::NotNeeded),
        (&cancelled, Some(Online), None, View::NotNeeded),
        (&far, Some(Online), fresh(), View::Ready),
        (&far, Some(Disconnected), old(), View::NotNeeded),
        (&far, Some(Disconnected), fresh(), View::Ready),
        (&far, Some(Lost), old(), View::NotNeeded),
        (&elsewhere, Some(Lost), old(), View::Silent),
        (&far, None, None, View::Unknown),
        (&elsewhere, Some(Online), old(), View::Expired),
        (&elsewhere, Some(Sleeping), old(), View::Sleeping),
        (&elsewhere, Some(Online), None, View::Unknown),
    ] {
        let it = room(presence, result, vec![]);
        assert_eq!(view_at(&it, agenda, NOW).0, view, "{presence:?} {agenda:?}");
    }
    let mut asks = room(Some(Online), None, vec![]);
    asks.enrolment = Enrolment::Pending;
    assert_eq!(view_at(&asks, &far, NOW).0, View::Unknown);
    assert_eq!(
        view_at(&asks, &Agenda::new([meeting("m-one", START)]), LIMIT).0,
        View::Unknown
    );
}

#[test]
fn an_urgent_meeting_leaves_a_room_the_time_to_answer() {
    let start = NOW + 40 * MINUTE;
    let urgent = Meeting {
        urgent: true,
        created_ms: NOW,
        ..meeting("m-urgent", start)
    };
    let agenda = Agenda::new([urgent.clone()]);
    let room = room(None, None, vec![]);
    assert_eq!(view_at(&room, &agenda, NOW + 14 * MINUTE).0, View::NotOnYet);
    assert_eq!(view_at(&room, &agenda, NOW + 15 * MINUTE).0, View::Silent);
    let at_once = Agenda::new([Meeting {
        start_ms: NOW + 5 * MINUTE,
        ..urgent
    }]);
    assert_eq!(
        view_at(&room, &at_once, NOW + 5 * MINUTE).0,
        View::Silent,
        "never later than the start"
    );
}

#[test]
fn the_next_meeting_is_the_one_that_is_on_or_begins_first() {
    let agenda = Agenda::new([
        meeting("m-later", START + 5 * HOUR),
        Meeting {
            cancelled_ms: Some(NOW),
            ..meeting("m-no", START - HOUR)
        },
        meeting("m-first", START),
    ]);
    let it = room(
        Some(PresenceState::Online),
        None,
        vec![checked("m-first", "T-1d", NOW)],
    );
    let next = |now_ms: i64| agenda.next(&it, now_ms);
    let first = next(NOW).unwrap();
    assert_eq!(
        (first.id.as_str(), first.due, first.part.late),
        ("m-first", true, false)
    );
    assert_eq!(
        (first.part.checkpoint.as_str(), first.part.limit_ms),
        ("T-90", LIMIT)
    );
    assert!(first.part.reported, "the day before, the trial is the answer");
    assert!(!next(LIMIT).unwrap().part.reported);
    assert_eq!(next(START + 2 * HOUR - 1).unwrap().id.as_str(), "m-first");
    assert_eq!(next(START + 2 * HOUR).unwrap().id.as_str(), "m-later");
    assert_eq!(next(START + 7 * HOUR), None);
    assert!(!next(START - 25 * HOUR).unwrap().due);
    let far = Agenda::new([meeting("m-far", START)]);
    assert!(far.next(&it, START - DUE_MS).unwrap().due);
}

#[test]
fn a_meeting_gathers_its_approved_rooms_and_those_it_names() {
    let mut two = room(
        Some(PresenceState::Online),
        Some(judged(NOW)),
        vec![checked("m-one", "T-90", NOW)],
    );
    two.room = Name::new("two").unwrap();
    let mut asks = room(None, None, vec![]);
    (asks.room, asks.enrolment) = (Name::new("asks").unwrap(), Enrolment::Pending);
    let all = meeting("m-one", START);
    let named = Meeting {
        rooms: Some(["two", "asks"].map(|r| Name::new(r).unwrap()).into()),
        ..all.clone()
    };
    for (meeting, names, reported) in [(all, vec!["one", "two"], 1), (named, vec!["asks", "two"], 1)] {
        let agenda = Agenda::new([meeting.clone()]);
        let rooms = [room(None, None, vec![]), two.clone(), asks.clone()].map(Arc::new);
        let states = fleet::fleet(rooms, &agenda, NOW);
        let planned = Planned::new(meeting);
        let gathering = planned.gathering(&states, NOW);
        let mut found: Vec<_> = gathering
            .rooms
            .iter()
            .map(|(r, _)| r.standing.room.as_str())
            .collect();
        found.sort_unstable();
        assert_eq!(found, names);
        assert_eq!((gathering.total, gathering.reported), (2, reported));
        assert_eq!(planned.count(&states, NOW), (2, reported));
    }
}

proptest! {
    /// Whatever is planned, and whenever: a room is ready only with a fresh result, and never after a limit that
    /// it let pass.
    #[test]
    fn meetings_make_nothing_ready(
        starts in prop::collection::vec(-48 * HOUR..48 * HOUR, 0..4),
        measured in prop::option::of(-48 * HOUR..HOUR),
        for_it in any::<bool>(),
        presence in prop::option::of(prop::sample::select(vec![
            PresenceState::Online, PresenceState::Lost, PresenceState::Sleeping, PresenceState::Disconnected,
        ])),
    ) {
        let agenda = Agenda::new(starts.iter().enumerate().map(|(n, at)| meeting(&format!("m-{n:02}"), NOW + at)));
        let of_it = measured.filter(|_| for_it).map(|ms| checked("m-00", "T-90", NOW + ms));
        let it = room(presence, measured.map(|ms| judged(NOW + ms)), of_it.into_iter().collect());
        let (with, without) = (view_at(&it, &agenda, NOW).0, view_at(&it, &Agenda::default(), NOW).0);
        prop_assert!(with != View::Ready || without == View::Ready);
        let next = agenda.next(&it, NOW).filter(|m| m.due && m.part.late);
        if next.is_some_and(|m| !m.part.heard(&it)) {
            prop_assert_eq!(with, View::Silent);
        }
        if presence == Some(PresenceState::Lost) {
            prop_assert!(LOST_GRACE_MS > 0 && [View::Silent, View::NotOnYet, View::NotNeeded].contains(&with));
        }
    }
}
