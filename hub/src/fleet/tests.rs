//! Tests of the fleet: views by the clock, merged re-tests, what is worst, in tables.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::rows::worst;
use super::*;
use crate::keyring::KeyState;
use crate::sample::{Box, NOW, finding, with};
use crate::store::{ChainRow, Kept, PresenceRow, Run};

const MINUTE: i64 = 60_000;

/// A room with what is given, approved long ago.
fn kept(full: Option<Run>, scoped: Vec<Run>) -> Kept {
    let one = Box::new("abc/one");
    Kept {
        at: one.at.clone(),
        keys: vec![one.row(KeyState::Approved)],
        presence: None,
        chain: None,
        forks: 0,
        refused: BTreeMap::new(),
        full,
        scoped,
        checked: vec![],
        verdict: None,
        verdict_ms: 0,
        last_entry_ms: None,
    }
}

fn run(seq: u64, findings: &Value, more: &Value) -> Run {
    let one = Box::new("abc/one");
    let claims = with(one.report("ready", findings), more);
    Run {
        seq,
        received_ms: NOW,
        report: Arc::new(serde_json::from_value(claims).unwrap()),
    }
}

fn pass() -> Value {
    json!([finding("codec.reachable", "pass", "ok", true)])
}

fn present(state: PresenceState, since_ms: i64) -> PresenceRow {
    PresenceRow {
        state,
        ts_ms: 0,
        session: 1,
        agent: "0.1.0".into(),
        since_ms,
        heard_ms: Some(since_ms),
    }
}

fn view_at(kept: &Kept, now_ms: i64) -> (View, i64) {
    let state = state(Arc::new(standing(kept)), &Agenda::default(), now_ms);
    (state.view, state.since_ms)
}

#[test]
fn a_result_stands_for_two_hours() {
    let room = kept(Some(run(1, &pass(), &json!({}))), vec![]);
    for (minutes, view) in [
        (0, View::Ready),
        (119, View::Ready),
        (120, View::Expired),
        (5000, View::Expired),
    ] {
        assert_eq!(
            view_at(&room, NOW + minutes * MINUTE).0,
            view,
            "after {minutes} minutes"
        );
    }
    assert_eq!(
        view_at(&room, NOW + 200 * MINUTE).1,
        NOW + VALIDITY_MS,
        "since it was too old"
    );
    assert_eq!(
        view_at(&room, NOW - 5 * MINUTE).0,
        View::Ready,
        "the hub's clock was set back"
    );
}

#[test]
fn every_verdict_is_shown() {
    for (findings, view) in [
        (pass(), View::Ready),
        (
            json!([
                finding("codec.reachable", "pass", "ok", true),
                finding("mic.a.hum", "warn", "mic.hum", true)
            ]),
            View::Degraded,
        ),
        (
            json!([finding("codec.reachable", "fail", "codec.no-answer", true)]),
            View::NotReady,
        ),
        (
            json!([finding("codec.reachable", "unknown", "timeout", true)]),
            View::Unknown,
        ),
        (json!([]), View::Unknown),
    ] {
        assert_eq!(
            view_at(&kept(Some(run(1, &findings, &json!({}))), vec![]), NOW).0,
            view,
            "{findings}"
        );
    }
}

#[test]
fn what_a_box_says_of_itself_is_never_ready() {
    let result = || Some(run(1, &pass(), &json!({})));
    for (state, since, result, now, view) in [
        (PresenceState::Online, NOW, None, NOW, View::Unknown),
        (PresenceState::Sleeping, NOW, None, NOW, View::Sleeping),
        (PresenceState::Lost, NOW, None, NOW + LOST_GRACE_MS, View::Silent),
        (
            PresenceState::Lost,
            NOW,
            result(),
            NOW + LOST_GRACE_MS - 1,
            View::Ready,
        ),
        (
            PresenceState::Lost,
            NOW,
            result(),
            NOW + LOST_GRACE_MS,
            View::Silent,
        ),
        (
            PresenceState::Disconnected,
            NOW,
            result(),
            NOW + 10 * MINUTE,
            View::Ready,
        ),
        (
            PresenceState::Disconnected,
            NOW,
            result(),
            NOW + VALIDITY_MS,
            View::Expired,
        ),
        (
            PresenceState::Sleeping,
            NOW,
            result(),
            NOW + 10 * MINUTE,
            View::Ready,
        ),
        (
            PresenceState::Sleeping,
            NOW,
            result(),
            NOW + VALIDITY_MS,
            View::Sleeping,
        ),
        (
            PresenceState::Online,
            NOW,
            result(),
            NOW + VALIDITY_MS,
            View::Expired,
        ),
    ] {
        let mut room = kept(result, vec![]);
        room.presence = Some(present(state, since));
        assert_eq!(view_at(&room, now).0, view, "{state:?} at {now}");
    }
}

#[test]
fn a_box_that_is_not_approved_shows_nothing() {
    for state in [KeyState::Pending, KeyState::Revoked] {
        let mut room = kept(Some(run(1, &pass(), &json!({}))), vec![]);
        room.keys = vec![Box::new("abc/one").row(state)];
        assert_eq!(view_at(&room, NOW).0, View::Unknown, "{state:?}");
    }
    let (own, second) = (Box::new("abc/one"), Box::new("abc/one"));
    let mut room = kept(None, vec![]);
    room.keys = vec![own.row(KeyState::Approved), second.row(KeyState::Pending)];
    let shown = standing(&room);
    assert_eq!(shown.enrolment, Enrolment::Approved);
    assert_eq!(shown.fingerprint, Some(own.key.kid().fingerprint()));
    assert_eq!(shown.challengers, [second.key.kid().fingerprint()]);
}

#[test]
fn a_report_that_comes_late_is_as_old_as_it_is() {
    let hours = |h: i64| json!({ "finished_ms": NOW - h * 60 * MINUTE });
    for (more, clk, view) in [
        (hours(0), "ntp", View::Ready),
        (hours(3), "ntp", View::Expired),
        (hours(3), "rtc", View::Expired),
        (hours(3), "stepped", View::Expired),
        (json!({ "finished_ms": 5000 }), "unsynced", View::Ready),
        (json!({ "finished_ms": NOW + 999 * MINUTE }), "ntp", View::Ready),
        (json!({ "finished_ms": 5000 }), "a-new-word", View::Ready),
    ] {
        let more = with(more, &json!({ "clk": clk }));
        let room = kept(Some(run(1, &pass(), &more)), vec![]);
        assert_eq!(view_at(&room, NOW).0, view, "{more}");
    }
    let ahead = kept(
        Some(run(1, &pass(), &json!({ "finished_ms": NOW + 999 * MINUTE }))),
        vec![],
    );
    assert_eq!(
        view_at(&ahead, NOW + VALIDITY_MS).0,
        View::Expired,
        "a clock that is ahead buys no time"
    );
}

#[test]
fn a_re_test_replaces_its_own_findings_only() {
    let full = run(
        1,
        &json!([
            finding("codec.reachable", "pass", "ok", true),
            finding("mic.chair.howl", "fail", "mic.howl", true),
            finding("mic.left.hum", "warn", "mic.hum", true)
        ]),
        &json!({}),
    );
    let retest = |seq, status: &str| {
        let findings = json!([
            finding(
                "mic.chair.howl",
                status,
                if status == "pass" { "ok" } else { "mic.howl" },
                true
            ),
            finding("mic.chair.noise", "pass", "ok", true),
            finding("codec.reachable", "skipped", "not-selected", true),
        ]);
        run(seq, &findings, &json!({ "scope": ["mic.chair"] }))
    };
    assert_eq!(view_at(&kept(Some(full.clone()), vec![]), NOW).0, View::NotReady);
    let room = kept(Some(full.clone()), vec![retest(2, "fail"), retest(3, "pass")]);
    let merged = merged(&full, &room.scoped);
    let seen: Vec<_> = merged
        .iter()
        .map(|f| (f.check.as_str(), f.status().word()))
        .collect();
    assert_eq!(
        seen,
        [
            ("codec.reachable", "pass"),
            ("mic.chair.howl", "pass"),
            ("mic.left.hum", "warn"),
            ("mic.chair.noise", "pass")
        ]
    );
    assert_eq!(
        view_at(&room, NOW).0,
        View::Degraded,
        "the other microphone still hums"
    );
    assert_eq!(standing(&room).result.unwrap().why.unwrap().check, "mic.left.hum");
    // A re-test does not make the full run younger.
    assert_eq!(view_at(&room, NOW + VALIDITY_MS).0, View::Expired);
}

#[test]
fn the_worst_comes_first() {
    let all = [
        finding("camera.a.reachable", "unknown", "timeout", false),
        finding("mic.a.hum", "warn", "mic.hum", true),
        finding("device.a", "fail", "device.no-answer", false),
        finding("line.mcu", "skipped", "in-call", true),
        finding("codec.reachable", "fail", "codec.no-answer", true),
        finding("codec.awake", "fail", "codec.standby", true),
    ];
    let expected = [
        "codec.reachable",
        "codec.awake",
        "line.mcu",
        "device.a",
        "mic.a.hum",
        "camera.a.reachable",
    ];
    let mut left: Vec<Finding> = all
        .iter()
        .map(|f| serde_json::from_value(f.clone()).unwrap())
        .collect();
    for check in expected {
        let found = worst(&left).unwrap().check.clone();
        assert_eq!(found, check);
        left.retain(|f| f.check != found);
    }
    let quiet: Vec<Finding> = [
        finding("a.b", "pass", "ok", true),
        finding("c.d", "skipped", "no-baseline", true),
    ]
    .into_iter()
    .map(|f| serde_json::from_value(f).unwrap())
    .collect();
    assert_eq!(worst(&quiet), None);
}

#[test]
fn kinds_that_must_be_there() {
    let must = json!({ "must_have": ["codec", "camera", "power"] });
    let findings = json!([
        finding("codec.reachable", "pass", "ok", true),
        finding("power.mains", "skipped", "not-configured", true),
    ]);
    let room = kept(Some(run(1, &findings, &must)), vec![]);
    assert_eq!(standing(&room).result.unwrap().missing_kinds, ["camera", "power"]);
    assert_eq!(view_at(&room, NOW).0, View::Unknown);
}

#[test]
fn a_box_that_writes_another_verdict_is_noticed_and_not_believed() {
    let lie = run(
        1,
        &json!([finding("codec.reachable", "fail", "codec.no-answer", true)]),
        &json!({ "verdict": "ready" }),
    );
    let room = kept(Some(lie), vec![]);
    assert!(standing(&room).result.unwrap().verdict_differs);
    assert_eq!(view_at(&room, NOW).0, View::NotReady);
    let honest = kept(Some(run(1, &pass(), &json!({}))), vec![]);
    assert!(!standing(&honest).result.unwrap().verdict_differs);
}

#[test]
fn since_when_is_kept_while_the_verdict_stays() {
    let mut room = kept(Some(run(9, &pass(), &json!({}))), vec![]);
    (room.verdict, room.verdict_ms) = (Some("ready".into()), NOW - 30 * MINUTE);
    assert_eq!(view_at(&room, NOW), (View::Ready, NOW - 30 * MINUTE));
    room.verdict = Some("not-ready".into());
    assert_eq!(view_at(&room, NOW), (View::Ready, NOW));
}

#[test]
fn the_chain_is_another_matter_than_the_verdict() {
    let row = |missing| {
        Some(ChainRow {
            chain: 1,
            first: 1,
            last: 9,
            held: 9 - missing,
            missing,
        })
    };
    for (chain, forks, state) in [
        (None, 0, None),
        (row(0), 0, Some(ChainState::Complete)),
        (row(3), 0, Some(ChainState::Pending)),
        (row(3), 1, Some(ChainState::Forked)),
        (row(0), 2, Some(ChainState::Forked)),
    ] {
        let mut room = kept(Some(run(9, &pass(), &json!({}))), vec![]);
        (room.chain, room.forks) = (chain, forks);
        assert_eq!(standing(&room).chain.state, state);
        assert_eq!(view_at(&room, NOW).0, View::Ready);
    }
}

#[test]
fn the_worst_room_comes_first_and_json_is_flat() {
    let named = |name: &str, findings: &Value| {
        let mut room = kept(Some(run(1, findings, &json!({}))), vec![]);
        room.at = name.parse().unwrap();
        Arc::new(standing(&room))
    };
    let bad = json!([finding("codec.reachable", "fail", "codec.no-answer", true)]);
    let rooms = [
        named("abc/aaa", &pass()),
        named("abc/zzz", &bad),
        named("abc/bbb", &bad),
    ];
    let states = fleet(rooms, &Agenda::default(), NOW);
    let order: Vec<_> = states.iter().map(|s| s.standing.room.as_str()).collect();
    assert_eq!(order, ["bbb", "zzz", "aaa"]);
    let json = serde_json::to_value(&states[0]).unwrap();
    assert_eq!(
        (&json["org"], &json["view"], &json["enrolment"]),
        (&json!("abc"), &json!("not-ready"), &json!("approved"))
    );
    assert_eq!(json["result"]["verdict"], "not-ready");
    assert_eq!(json["expires_ms"], json!(NOW + VALIDITY_MS));
}

#[test]
fn words_are_serde_words_and_texts_have_them() {
    for view in View::ALL {
        assert_eq!(serde_json::to_value(view).unwrap(), view.word());
        for lang in bridgepoint_protocol::text::Lang::ALL {
            assert_ne!(
                bridgepoint_protocol::text::state(lang, view.word()),
                view.word(),
                "no text for {view:?}"
            );
        }
    }
}

proptest! {
    /// Whatever is kept and whatever time it is: ready only with a fresh full run that was found good.
    #[test]
    fn ready_is_never_shown_without_a_fresh_good_run(
        status in prop::sample::select(vec!["pass", "warn", "fail", "unknown", "skipped", "new-word"]),
        clk in prop::sample::select(vec!["ntp", "rtc", "stepped", "unsynced", "new-word"]),
        finished in -2 * VALIDITY_MS..2 * VALIDITY_MS,
        later in -VALIDITY_MS..3 * VALIDITY_MS,
        presence in prop::option::of(prop::sample::select(vec![PresenceState::Online, PresenceState::Lost, PresenceState::Sleeping, PresenceState::Disconnected])),
        approved in any::<bool>(),
    ) {
        let findings = json!([finding("codec.reachable", status, "x", true)]);
        let full = run(1, &findings, &json!({ "clk": clk, "finished_ms": NOW + finished }));
        let mut room = kept(Some(full), vec![]);
        room.presence = presence.map(|state| present(state, NOW));
        if !approved {
            room.keys = vec![Box::new("abc/one").row(KeyState::Pending)];
        }
        let now = NOW + later;
        if view_at(&room, now).0 == View::Ready {
            prop_assert!(approved && status == "pass" && later < VALIDITY_MS);
            prop_assert!(presence != Some(PresenceState::Lost) || later < LOST_GRACE_MS);
        }
    }
}
