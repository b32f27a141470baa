//! Every clause of the verdict, one row each.

use proptest::prelude::*;

use super::*;
use crate::claims::Word;

fn f(check: &str, status: Status, code: &str, required: bool) -> Finding {
    Finding {
        check: check.into(),
        status: status.into(),
        code: code.into(),
        required,
        value: None,
        unit: None,
        low: None,
        high: None,
        base: None,
        params: Default::default(),
        rules: vec![],
        at_ms: 0,
        ms: 0,
        carried_ms: None,
    }
}

fn carried(mut finding: Finding) -> Finding {
    finding.carried_ms = Some(1);
    finding
}

#[test]
fn every_clause() {
    use Status::{Fail, Pass, Skipped, Unknown, Warn};
    let codec = || f("codec.reachable", Pass, "ok", true);
    let must = vec!["codec".to_owned()];
    let none: Vec<String> = vec![];
    let foreign = Finding {
        status: Word::Foreign("marginal".into()),
        ..f("mic.a.signal", Pass, "ok", true)
    };
    let rows: Vec<(&str, Vec<Finding>, &[String], Verdict)> = vec![
        ("all required pass", vec![codec()], &must, Verdict::Ready),
        (
            "required fail",
            vec![codec(), f("mic.a.signal", Fail, "mic.dead", true)],
            &must,
            Verdict::NotReady,
        ),
        (
            "fail outranks unknown",
            vec![
                codec(),
                f("mic.a.signal", Fail, "mic.dead", true),
                f("power.mains", Unknown, "stale", true),
            ],
            &must,
            Verdict::NotReady,
        ),
        (
            "required unknown",
            vec![codec(), f("power.mains", Unknown, "stale", true)],
            &must,
            Verdict::Unknown,
        ),
        (
            "unknown outranks warn",
            vec![
                codec(),
                f("power.mains", Unknown, "stale", true),
                f("codec.audio", Warn, "codec.volume-low", true),
            ],
            &must,
            Verdict::Unknown,
        ),
        (
            "a word from a newer version is unknown",
            vec![codec(), foreign],
            &must,
            Verdict::Unknown,
        ),
        (
            "must-have kind absent",
            vec![f("mic.a.signal", Pass, "ok", true)],
            &must,
            Verdict::Unknown,
        ),
        (
            "must-have kind not configured",
            vec![
                f("mic.a.signal", Pass, "ok", true),
                f("codec.reachable", Skipped, "not-configured", true),
            ],
            &must,
            Verdict::Unknown,
        ),
        (
            "must-have empty",
            vec![f("mic.a.signal", Pass, "ok", true)],
            &none,
            Verdict::Ready,
        ),
        (
            "only the box measured",
            vec![f("host.logbook", Pass, "ok", true)],
            &none,
            Verdict::Unknown,
        ),
        ("nothing at all", vec![], &none, Verdict::Unknown),
        (
            "nothing required measured",
            vec![
                f("codec.reachable", Pass, "ok", false),
                f("host.logbook", Pass, "ok", true),
            ],
            &must,
            Verdict::Unknown,
        ),
        (
            "required warn",
            vec![codec(), f("codec.audio", Warn, "codec.volume-low", true)],
            &must,
            Verdict::Degraded,
        ),
        (
            "other warn",
            vec![codec(), f("host.disk", Warn, "host.disk-low", false)],
            &must,
            Verdict::Degraded,
        ),
        (
            "other fail",
            vec![codec(), f("host.disk", Fail, "host.disk-low", false)],
            &must,
            Verdict::Degraded,
        ),
        (
            "other unknown",
            vec![codec(), f("host.clock", Unknown, "no-answer", false)],
            &must,
            Verdict::Degraded,
        ),
        (
            "required skip that is not neutral",
            vec![codec(), f("camera.a.preset.1", Skipped, "in-call", true)],
            &must,
            Verdict::Unknown,
        ),
        (
            "the same, carried",
            vec![codec(), carried(f("camera.a.preset.1", Skipped, "in-call", true))],
            &must,
            Verdict::Ready,
        ),
        (
            "only a carried check measured",
            vec![carried(f("codec.reachable", Skipped, "in-call", true))],
            &must,
            Verdict::Ready,
        ),
        (
            "other skip that is not neutral",
            vec![codec(), f("audio.loop", Skipped, "quiet-hours", false)],
            &must,
            Verdict::Ready,
        ),
    ];
    for (name, findings, must, expected) in rows {
        assert_eq!(verdict(&findings, must, None), expected, "{name}");
    }
    for code in NEUTRAL_SKIPS {
        let findings = [codec(), f("mic.a.level", Skipped, code, true)];
        assert_eq!(verdict(&findings, &must, None), Verdict::Ready, "{code}");
        assert_eq!(
            verdict(&[f("mic.a.level", Skipped, code, true)], &none, None),
            Verdict::Unknown,
            "{code} alone"
        );
    }
}

#[test]
fn a_scope_asks_for_its_own_kinds_only() {
    let must = vec!["codec".to_owned()];
    let mic = [f("mic.a.signal", Status::Pass, "ok", true)];
    assert_eq!(
        verdict(&mic, &must, Some(&Scope(vec!["mic".into()]))),
        Verdict::Ready
    );
    assert_eq!(
        verdict(
            &mic,
            &must,
            Some(&Scope(vec!["mic".into(), "codec.display".into()]))
        ),
        Verdict::Unknown
    );
}

#[test]
fn points_and_questions_are_counted_as_the_lines_below_the_verdict_say() {
    let findings = [
        f("mic.a.signal", Status::Fail, "mic.dead", true),
        f("codec.audio", Status::Warn, "codec.volume-low", false),
        f("power.mains", Status::Unknown, "stale", true),
        f("host.clock", Status::Unknown, "no-answer", false),
    ];
    assert_eq!(open_points(&findings), 2);
    assert_eq!(open_questions(&findings), 1);
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let codes = prop::sample::select(vec![
        "ok",
        "in-call",
        "no-baseline",
        "stale",
        "depends-on",
        "mic.dead",
    ]);
    let checks = prop::sample::select(vec![
        "codec.reachable",
        "mic.a.signal",
        "host.disk",
        "power.mains",
    ]);
    (
        checks,
        prop::sample::select(Status::ALL.to_vec()),
        codes,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(check, status, code, required, carry)| {
            let finding = f(check, status, code, required);
            if carry { carried(finding) } else { finding }
        })
}

proptest! {
    /// Unknown never becomes ready, and no order or repetition changes the sum.
    #[test]
    fn ready_needs_everything_required(mut findings in prop::collection::vec(any_finding(), 0..12)) {
        let must = vec!["codec".to_owned()];
        let sum = verdict(&findings, &must, None);
        if sum == Verdict::Ready {
            prop_assert!(findings.iter().all(|f| !f.required || !matches!(f.status(), Status::Fail | Status::Unknown)));
            prop_assert!(findings.iter().any(|f| f.required && !f.check.starts_with("host.")));
        }
        findings.reverse();
        prop_assert_eq!(verdict(&findings, &must, None), sum);
        let mut worse = findings.clone();
        worse.push(f("mic.a.signal", Status::Unknown, "stale", true));
        prop_assert!(matches!(verdict(&worse, &must, None), Verdict::Unknown | Verdict::NotReady));
    }
}
