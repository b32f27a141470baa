//! The locale files: readable, the same keys and parameters in both, nothing missing that the program can say.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{CATALOGUE, Group, Probe};
use crate::claims::{PresenceState, Status, Verdict};
use crate::text::locale::Locale;
use crate::text::template::Template;
use crate::text::{
    Contacts, Lang, Params, check_label, group, has_code, probe_act, question, sentence, state,
};
use crate::verdict::NEUTRAL_SKIPS;

/// Checks whose name says all.
const WITHOUT_QUESTION: [&str; 16] = [
    "line.up",
    "line.down",
    "line.loss",
    "line.jitter",
    "line.rtt",
    "line.mtu",
    "line.marking",
    "host.clock",
    "host.disk",
    "host.memory",
    "host.load",
    "host.temperature",
    "baseline.changed",
    "call.quality",
    "room.temperature",
    "room.humidity",
];

/// The codes of the agreed list, as they may stand in a report.
const AGREED: &str = "
    codec.no-answer codec.login-refused codec.host-key-changed codec.standby codec.ip-differs codec.not-registered
    codec.setting-differs codec.own-alarm codec.hot codec.display-missing codec.layout-differs codec.audio-missing
    codec.volume-low codec.mic-open codec.in-call codec.sharing
    camera.no-answer camera.preset-not-reached camera.preset-moved camera.preset-slow camera.not-home
    camera.no-signal camera.black camera.frozen camera.blurred camera.dark camera.bright
    mic.dead mic.maybe-off mic.quiet mic.loud mic.hiss mic.hum mic.howl mic.clipping mic.differs
    audio.speaker-silent audio.mic-deaf audio.loop-low
    power.on-battery power.battery-low power.runtime-short power.replace-battery power.overload power.not-protected
    power.no-data power.no-ups
    line.gateway-down line.hub-down line.mcu-down line.up-low line.down-low line.loss line.loss-unclear line.jitter line.rtt-high
    line.mtu-small line.marking-lost line.box-slow line.no-slot
    device.no-answer device.lamp host.clock-unsynced host.disk-low host.hot host.unclean-off host.logbook-broken
    host.logbook-write host.logbook-full host.logbook-room host.logbook-degraded host.clock-stepped
    key.new key.rotated
    baseline.changed baseline.none baseline.replaced
    call.not-joined-30 call.not-joined-20 call.dropped call.back call.flapping call.quality-low call.eta-wanted
    after.still-on after.cap-off
    hub.away hub.not-approved hub.refused hub.certificate-expired
    no-answer refused garbled busy stale timeout cancelled
    not-configured not-supported in-call quiet-hours speaker-tracking no-baseline depends-on not-attested
    ok no-device no-speech not-selected no-time closed no-name not-present ended-early call-unknown
    codec.volume-muted camera.standby power.alarm host.memory-low host.load-high room.attest-no";

fn locale(lang: Lang) -> Locale {
    Locale::check(lang).unwrap_or_else(|error| panic!("{}.toml: {error}", lang.word()))
}

#[test]
fn both_locales_have_the_same_keys() {
    let keys = |lang| locale(lang).all().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(Lang::Vi), keys(Lang::En));
    assert!(keys(Lang::Vi).len() > 400, "the files are not whole");
}

#[test]
fn both_locales_have_the_same_parameters_variant_by_variant() {
    let shape = |lang| -> BTreeMap<String, Vec<BTreeSet<String>>> {
        locale(lang)
            .all()
            .iter()
            .map(|(path, text)| {
                let names = |t: &Template| {
                    t.parameters()
                        .into_iter()
                        .map(|(name, _)| name.to_owned())
                        .collect()
                };
                (path.clone(), text.variants().iter().map(names).collect())
            })
            .collect()
    };
    let (vi, en) = (shape(Lang::Vi), shape(Lang::En));
    for (path, variants) in &vi {
        // The two languages may tie a parameter to different parts of one sentence, never to different ones.
        assert_eq!(Some(variants), en.get(path), "{path}");
    }
}

#[test]
fn every_finding_has_a_variant_that_needs_nothing_but_contacts() {
    let fallback = ["operator", "centre", "power", "authority", "escalation"];
    for lang in Lang::ALL {
        for (path, text) in locale(lang).all() {
            let needs = |template: &Template| {
                template
                    .parameters()
                    .into_iter()
                    .any(|(name, bare)| bare && !fallback.contains(&name) && !Template::is_optional(name))
            };
            let barest = text.variants().last().unwrap();
            if !path.starts_with("ui/") && !path.starts_with("reason/") {
                assert!(
                    !needs(barest),
                    "{}: {path} has no variant without parameters",
                    lang.word()
                );
            }
            for (before, after) in text.variants().iter().zip(text.variants().iter().skip(1)) {
                assert!(
                    needs(before),
                    "{}: {path}: {after:?} can never be reached",
                    lang.word()
                );
            }
        }
    }
}

#[test]
fn no_text_has_a_brace_that_is_no_parameter() {
    for lang in Lang::ALL {
        for (path, text) in locale(lang).all() {
            for template in text.variants() {
                let shown = template.fill_anyway(&|_| None);
                assert!(!shown.contains(['{', '}']), "{}: {path}: {shown}", lang.word());
                assert!(
                    !shown.contains("  ") && shown.trim() == shown,
                    "{}: {path}: {shown:?}",
                    lang.word()
                );
            }
        }
    }
}

#[test]
fn every_check_has_a_name_and_its_question() {
    let silent: BTreeSet<&str> = WITHOUT_QUESTION.into_iter().collect();
    for lang in Lang::ALL {
        for check in CATALOGUE {
            let id = check.id(Some("chair"), Some(2));
            let label = check_label(lang, &id);
            assert!(label != id && !label.contains('…'), "{id}: {label}");
            assert_eq!(
                question(lang, &id).is_none(),
                silent.contains(check.pattern),
                "{id}"
            );
        }
        let rows: BTreeSet<_> = CATALOGUE.iter().map(|row| row.pattern).collect();
        for path in locale(lang).all().keys() {
            if let Some(rest) = path.strip_prefix("check/") {
                let pattern = rest.split('/').next().unwrap();
                assert!(
                    rows.contains(pattern),
                    "{pattern} is in {}.toml and in no row",
                    lang.word()
                );
            }
        }
    }
}

#[test]
fn every_code_has_its_sentence() {
    for code in AGREED.split_whitespace().chain(NEUTRAL_SKIPS) {
        assert!(has_code(code), "{code}");
        for lang in Lang::ALL {
            let said = sentence(lang, code, &Params::new(), &Contacts::default());
            assert!(
                said.label != code && !said.label.contains('…') && !said.act.contains('…'),
                "{code}: {said:?}"
            );
        }
    }
    let agreed: BTreeSet<&str> = AGREED.split_whitespace().collect();
    for path in locale(Lang::Vi).all().keys() {
        if let Some(code) = path
            .strip_prefix("code/")
            .and_then(|rest| rest.strip_suffix("/label"))
        {
            assert!(
                agreed.contains(code),
                "{code} is in the locale and not in this list"
            );
        }
    }
    for unknown in [
        "",
        "codec",
        "codec.no-answer/label",
        "ok/label",
        "Codec.no-answer",
    ] {
        assert!(!has_code(unknown), "{unknown}");
    }
}

#[test]
fn every_word_of_the_wire_has_its_text() {
    for lang in Lang::ALL {
        let texts = locale(lang);
        let has = |path: String| assert!(texts.text(&path).is_some(), "{}: {path}", lang.word());
        for verdict in Verdict::ALL {
            for field in ["label", "line", "form"] {
                has(format!("verdict/{}/{field}", verdict.word()));
            }
            has(format!("state/{}", verdict.word()));
        }
        for status in Status::ALL {
            has(format!("status/{}/label", status.word()));
            has(format!("ui/count-{}", status.word()));
        }
        for presence in [
            PresenceState::Init,
            PresenceState::Online,
            PresenceState::Sleeping,
            PresenceState::Disconnected,
            PresenceState::Lost,
        ] {
            let key = serde_json::to_value(presence).unwrap();
            has(format!("state/{}", key.as_str().unwrap()));
        }
        for part in Group::ALL {
            assert_ne!(group(lang, part), part.word());
        }
        for view in [
            "expired",
            "silent",
            "sleeping",
            "not-needed",
            "not-yet",
            "not-on-yet",
            "lost-due",
            "pending",
            "overdue",
        ] {
            assert_ne!(state(lang, view), view);
        }
        for probe in [
            Probe::Codec,
            Probe::Camera,
            Probe::Picture,
            Probe::Microphone,
            Probe::Loop,
            Probe::Ups,
            Probe::Line,
            Probe::Device,
            Probe::Host,
            Probe::Logbook,
            Probe::Baseline,
            Probe::Call,
            Probe::Person,
        ] {
            for name in [None, Some("chair")] {
                let act = probe_act(lang, probe, name);
                assert!(act.ends_with('…') && act.matches('…').count() == 1, "{act}");
            }
        }
    }
}
