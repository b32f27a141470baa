//! Re-tests in the place of old findings, one row a rule.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::claims::Scope;

pub(crate) fn finding(check: &str, status: Status, code: &str, at_ms: i64) -> Finding {
    Finding {
        check: check.into(),
        status: status.into(),
        code: code.into(),
        required: true,
        value: None,
        unit: None,
        low: None,
        high: None,
        base: None,
        params: Default::default(),
        rules: vec![],
        at_ms,
        ms: 0,
        carried_ms: None,
    }
}

fn waits(check: &str, cause: &str) -> Finding {
    let mut finding = finding(check, Skipped, "depends-on", 0);
    finding.params.insert("check".into(), json!(cause));
    finding
}

fn run(scope: Option<&[&str]>, finished_ms: i64, findings: Vec<Finding>) -> Report {
    let mut report: Report = serde_json::from_value(json!({
        "v": 1, "org": "quang-ninh", "room": "bai-chay", "run": "r", "boot": "0", "seq": 1,
        "prev": "A".repeat(43), "iat": 0, "mono_ms": 0, "clk": "ntp", "trigger": { "kind": "manual" },
        "profile": { "id": "quang-ninh", "sha256": "0" }, "started_ms": 0, "finished_ms": finished_ms,
        "verdict": "unknown", "must_have": ["codec"], "findings": [], "agent": "0.1.0", "config": "0"
    }))
    .unwrap();
    report.scope = scope.map(|parts| Scope(parts.iter().map(|p| (*p).to_owned()).collect()));
    report.findings = findings;
    report
}

use Status::{Fail, Pass, Skipped, Unknown, Warn};

#[test]
fn a_full_run_stands_as_it_is_exactly_when_merging_it_alone_changes_nothing() {
    let cause = |status| finding("codec.reachable", status, "ok", 1);
    let runs = [
        vec![],
        vec![cause(Pass)],
        vec![cause(Fail), waits("codec.awake", "codec.reachable")],
        vec![cause(Unknown), waits("codec.awake", "codec.reachable")],
        vec![waits("codec.awake", "codec.reachable")],
        vec![cause(Pass), waits("codec.awake", "codec.reachable")],
        vec![waits("codec.awake", "codec.reachable"), cause(Warn)],
    ];
    for (findings, expected) in runs.into_iter().zip([true, true, true, true, true, false, false]) {
        let full = run(None, 10, findings);
        assert_eq!(stands(&full), expected, "{:?}", full.findings);
        assert_eq!(merge(&full, []).findings == full.findings, expected);
    }
}

#[test]
fn a_retest_replaces_only_what_it_was_asked_for() {
    let full = run(
        None,
        10,
        vec![
            finding("codec.reachable", Pass, "ok", 1),
            finding("mic.chair.signal", Fail, "mic.dead", 1),
            finding("mic.left.signal", Pass, "ok", 1),
        ],
    );
    assert_eq!(merge(&full, []).verdict, Verdict::NotReady);
    let later = run(
        Some(&["mic.chair"]),
        20,
        vec![
            finding("mic.chair.signal", Pass, "ok", 2),
            finding("mic.chair.level", Pass, "ok", 2),
            // What it had to ask for by the way is not its own.
            finding("codec.reachable", Fail, "codec.no-answer", 2),
        ],
    );
    let board = merge(&full, [&later]);
    let seen: Vec<_> = board
        .findings
        .iter()
        .map(|f| (f.check.as_str(), f.status(), f.at_ms))
        .collect();
    assert_eq!(
        seen,
        [
            ("codec.reachable", Pass, 1),
            ("mic.chair.signal", Pass, 2),
            ("mic.left.signal", Pass, 1),
            ("mic.chair.level", Pass, 2),
        ]
    );
    assert_eq!(
        (board.verdict, board.full_ms, board.newest_ms),
        (Verdict::Ready, 10, 20)
    );
}

#[test]
fn the_newest_retest_counts_and_a_full_run_begins_anew() {
    let codec = |status, code| vec![finding("codec.reachable", status, code, 0)];
    let full = run(None, 10, codec(Fail, "codec.no-answer"));
    let good = run(Some(&["codec"]), 20, codec(Pass, "ok"));
    let bad = run(Some(&["codec"]), 30, codec(Fail, "codec.no-answer"));
    let again = run(None, 40, codec(Pass, "ok"));
    assert_eq!(merge(&full, [&good]).verdict, Verdict::Ready);
    assert_eq!(merge(&full, [&good, &bad]).verdict, Verdict::NotReady);
    let board = merge(&full, [&good, &bad, &again]);
    assert_eq!(
        (board.verdict, board.full_ms, board.findings.len()),
        (Verdict::Ready, 40, 1)
    );
}

#[test]
fn what_waited_for_a_mended_check_is_not_good_by_that() {
    let full = run(
        None,
        10,
        vec![
            finding("codec.reachable", Fail, "codec.no-answer", 0),
            waits("codec.audio", "codec.reachable"),
        ],
    );
    assert_eq!(merge(&full, []).findings[1].status(), Skipped);
    let one = run(
        Some(&["codec.reachable"]),
        20,
        vec![finding("codec.reachable", Pass, "ok", 0)],
    );
    let board = merge(&full, [&one]);
    assert_eq!(
        (board.findings[1].status(), board.findings[1].code.as_str()),
        (Unknown, "not-selected")
    );
    assert_eq!(board.verdict, Verdict::Unknown);
    let whole = run(
        Some(&["codec"]),
        20,
        vec![
            finding("codec.reachable", Pass, "ok", 0),
            finding("codec.audio", Pass, "ok", 0),
        ],
    );
    assert_eq!(merge(&full, [&whole]).verdict, Verdict::Ready);
}

#[test]
fn worst_comes_first_and_nothing_open_is_left_out() {
    let optional = |mut f: Finding| {
        f.required = false;
        f
    };
    let mut carried = finding("h", Skipped, "in-call", 0);
    carried.carried_ms = Some(1);
    let findings = [
        finding("a", Pass, "ok", 0),
        optional(finding("b", Unknown, "stale", 0)),
        finding("c", Warn, "x", 0),
        optional(finding("d", Fail, "x", 0)),
        finding("e", Unknown, "stale", 0),
        finding("f", Fail, "x", 0),
        finding("g", Skipped, "in-call", 0),
        carried,
        finding("i", Skipped, "no-baseline", 0),
    ];
    let order: Vec<_> = worst_first(&findings).iter().map(|f| f.check.as_str()).collect();
    assert_eq!(order, ["f", "e", "g", "d", "c", "b"]);
}

#[test]
fn kinds_that_must_be_there_are_named_when_they_are_not() {
    let must = ["codec".to_owned(), "mic".to_owned(), "power".to_owned()];
    let findings = [
        finding("codec.reachable", Fail, "x", 0),
        finding("power.mains", Skipped, "not-configured", 0),
    ];
    assert_eq!(missing_kinds(&findings, &must), ["mic", "power"]);
}

fn any_findings() -> impl Strategy<Value = Vec<Finding>> {
    let ids = prop::sample::select(vec![
        "codec.reachable",
        "codec.audio",
        "mic.a.signal",
        "mic.b.signal",
        "line.loss",
    ]);
    let states = prop::sample::select(Status::ALL.to_vec());
    let codes = prop::sample::select(vec!["ok", "depends-on", "in-call", "no-baseline"]);
    prop::collection::btree_map(ids, (states, codes, any::<bool>()), 0..5).prop_map(|rows| {
        rows.into_iter()
            .map(|(id, (status, code, required))| {
                let mut f = waits(id, "codec.reachable");
                (f.status, f.code, f.required) = (status.into(), code.into(), required);
                f
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn every_check_stands_once_and_outside_the_scope_nothing_changes(full in any_findings(), later in any_findings()) {
        let full = run(None, 1, full);
        let scope = Scope(vec!["mic".into()]);
        let later = run(Some(&["mic"]), 2, later);
        let board = merge(&full, [&later]);
        let mut ids: Vec<_> = board.findings.iter().map(|f| &f.check).collect();
        ids.sort();
        let all = ids.len();
        ids.dedup();
        prop_assert_eq!(ids.len(), all);
        let without = merge(&full, []);
        let outside = |b: &Board| b.findings.iter().filter(|f| !scope.holds(&f.check)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(outside(&board), outside(&without));
        prop_assert_eq!(board.verdict, verdict(&board.findings, &full.must_have, None));
    }
}
