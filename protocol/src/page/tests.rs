//! Texts stay texts, colours can be read, and findings become the right lines.

use proptest::prelude::*;
use serde_json::json;

use super::lines::{Again, Problem, Reader, again_all, parts, problems};
use super::*;
use crate::claims::{Contact, ContactRole, Finding, Status};
use crate::text::{Contacts, Lang};

fn finding(check: &str, status: Status, code: &str) -> Finding {
    serde_json::from_value(json!({
        "check": check, "status": status.word(), "code": code, "required": true, "at_ms": 1_795_563_660_000_i64
    }))
    .unwrap()
}

fn waits(check: &str, cause: &str) -> Finding {
    let mut finding = finding(check, Status::Skipped, "depends-on");
    finding.params.insert("check".into(), json!(cause));
    finding
}

fn contacts() -> Contacts {
    let contact = |role: ContactRole, name: &str, phone: &str| Contact {
        role: role.into(),
        name: Some(name.into()),
        title: None,
        phone: Some(phone.into()),
        email: None,
    };
    Contacts::new(&[
        contact(ContactRole::Operator, "VNPT khu vực", "02033 825 547"),
        contact(ContactRole::Centre, "Trung tâm", "0203 111"),
        contact(ContactRole::PowerCompany, "Điện lực", "19006769"),
    ])
}

fn reader(contacts: &Contacts) -> Reader<'_> {
    Reader {
        lang: Lang::Vi,
        contacts,
        now_ms: 1_795_563_720_000,
    }
}

fn drawn(problems: &[Problem], parts: &[lines::Part]) -> String {
    let mut html = Html::new();
    draw::problems(&mut html, Lang::Vi, problems, true);
    draw::path(&mut html, Lang::Vi, parts);
    html.finish()
}

#[test]
fn a_text_is_never_markup() {
    let mut html = Html::new();
    html.raw("<p")
        .attr("title", "\"><script>'&")
        .raw(">")
        .text("<b>\u{202E}a\u{0}\nb</b>")
        .raw("</p>");
    assert_eq!(
        html.finish(),
        "<p title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">&lt;b&gt;\u{FFFD}a\u{FFFD} b&lt;/b&gt;</p>"
    );
}

#[test]
fn a_text_has_an_end() {
    let mut html = Html::new();
    html.text(&"đ".repeat(10_000));
    let text = html.finish();
    assert_eq!(
        (text.chars().count(), text.chars().last()),
        (LONGEST_TEXT + 1, Some('…'))
    );
}

#[test]
fn every_sign_has_its_own_shape_and_word() {
    let all = [
        Sign::Pass,
        Sign::Warn,
        Sign::Fail,
        Sign::Unknown,
        Sign::Skipped,
        Sign::Running,
        Sign::None,
    ];
    let shapes: std::collections::BTreeSet<_> = all.iter().map(|sign| sign.shape()).collect();
    assert_eq!(shapes.len(), all.len());
    for lang in Lang::ALL {
        let words: std::collections::BTreeSet<_> = all.iter().map(|sign| sign.word(lang)).collect();
        assert_eq!(words.len(), all.len());
    }
}

/// Relative luminance of `#rrggbb` or `#rgb` (WCAG 2).
fn luminance(colour: &str) -> f64 {
    let digits = colour.trim_start_matches('#');
    let wide: String = if digits.len() == 3 {
        digits.chars().flat_map(|c| [c, c]).collect()
    } else {
        digits.to_owned()
    };
    let channel = |at: usize| {
        let c = f64::from(u8::from_str_radix(&wide[at..at + 2], 16).unwrap()) / 255.0;
        if c <= 0.03928 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

#[test]
fn every_text_can_be_read_on_every_ground() {
    let roots: Vec<&str> = CSS
        .split(":root{")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        .collect();
    assert_eq!(roots.len(), 2, "light and dark");
    for root in roots {
        let colour = |name: &str| {
            let at = root
                .find(&format!("--{name}:#"))
                .unwrap_or_else(|| panic!("--{name} in {root}"));
            let value = root[at..]
                .split(':')
                .nth(1)
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .trim();
            luminance(value)
        };
        let contrast = |a: &str, b: &str| {
            let (a, b) = (colour(a), colour(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        for ground in ["bg", "failbg", "warnbg", "greybg", "passbg"] {
            for text in ["ink", "dim", "link"] {
                assert!(
                    contrast(text, ground) >= 7.0,
                    "{text} on {ground}: {}",
                    contrast(text, ground)
                );
            }
        }
        assert!(contrast("on", "link") >= 7.0);
        for (shape, ground) in [
            ("pass", "passbg"),
            ("warn", "warnbg"),
            ("fail", "failbg"),
            ("grey", "greybg"),
        ] {
            assert!(contrast(shape, ground) >= 3.0, "the shape {shape} on {ground}");
        }
    }
}

#[test]
fn a_retest_asks_the_whole_device_and_what_waits_for_it() {
    let findings = [
        finding("mic.chair.howl", Status::Fail, "mic.howl"),
        finding("codec.reachable", Status::Fail, "codec.no-answer"),
        waits("codec.audio", "codec.reachable"),
        waits("camera.main.preset.1", "codec.reachable"),
        finding("baseline.changed", Status::Warn, "baseline.changed"),
        finding("room.light", Status::Fail, "room.attest-no"),
    ];
    let contacts = contacts();
    let problems = problems(reader(&contacts), &findings, &[]);
    let again: Vec<_> = problems
        .iter()
        .map(|p| (p.check.as_str(), p.again.clone()))
        .collect();
    let only = |parts: &[&str]| Some(Again::Only(parts.iter().map(|p| (*p).to_owned()).collect()));
    assert_eq!(
        again,
        [
            ("mic.chair.howl", only(&["mic.chair"])),
            ("codec.reachable", only(&["codec", "camera.main"])),
            ("room.light", None),
            ("baseline.changed", Some(Again::Whole)),
        ]
    );
    assert_eq!(again_all(&problems), only(&["mic.chair", "codec", "camera.main"]));
    assert_eq!(again_all(&problems[3..]), Some(Again::Whole));
    assert_eq!(again_all(&problems[2..3]), None);
}

#[test]
fn everybody_knows_whom_to_ring() {
    let contacts = contacts();
    let ring = |check: &str, code: &str| {
        let all = [finding(check, Status::Fail, code)];
        problems(reader(&contacts), &all, &[])[0].ring.clone().unwrap()
    };
    let operator = ring("codec.ip", "codec.ip-differs");
    assert_eq!(
        (operator.phone.as_str(), operator.in_act),
        ("02033 825 547", true)
    );
    let power = ring("power.mains", "power.on-battery");
    assert_eq!((power.phone.as_str(), power.in_act), ("19006769", true));
    let lens = ring("camera.main.picture", "camera.black");
    assert_eq!((lens.phone.as_str(), lens.in_act), ("02033 825 547", false));
    assert_eq!(
        ring("call.connected", "call.flapping").phone,
        "02033 825 547",
        "the number that the act names"
    );
    let nobody = Contacts::default();
    assert_eq!(
        problems(reader(&nobody), &[finding("codec.ip", Status::Fail, "x")], &[])[0].ring,
        None
    );
}

#[test]
fn a_kind_that_must_be_there_and_is_not_stands_behind_the_faults() {
    let contacts = contacts();
    let findings = [
        finding("codec.reachable", Status::Skipped, "not-configured"),
        finding("mic.a.signal", Status::Fail, "mic.dead"),
        finding("power.mains", Status::Warn, "power.alarm"),
    ];
    let problems = problems(reader(&contacts), &findings, &["codec".into()]);
    let said: Vec<_> = problems.iter().map(|p| (p.sign, p.headline.as_str())).collect();
    assert_eq!(said[0].0, Sign::Fail);
    assert_eq!(
        said[1],
        (Sign::Unknown, "Chưa khai báo mục bắt buộc: thiết bị hội nghị")
    );
    assert_eq!(said[2].0, Sign::Warn);
}

#[test]
fn parts_stand_in_the_order_of_the_path_with_their_worst_sign() {
    let contacts = contacts();
    let mut busy = finding("camera.main.preset.1", Status::Skipped, "in-call");
    busy.required = true;
    let mut noise = finding("mic.b.noise", Status::Pass, "ok");
    (noise.value, noise.high, noise.base, noise.unit) =
        (Some(-63.2), Some(-50.0), Some(-62.8), Some("dBFS".into()));
    let findings = [
        finding("host.disk", Status::Pass, "ok"),
        finding("mic.a.signal", Status::Warn, "mic.maybe-off"),
        finding("mic.b.signal", Status::Fail, "mic.dead"),
        finding("mic.a.noise", Status::Pass, "ok"),
        noise,
        finding("audio.loop", Status::Skipped, "not-configured"),
        finding("camera.main.reachable", Status::Pass, "ok"),
        busy,
    ];
    let parts = parts(reader(&contacts), &findings);
    let seen: Vec<_> = parts.iter().map(|p| (p.group, p.sign)).collect();
    assert_eq!(
        seen,
        [
            ("camera", Sign::Unknown),
            ("mic", Sign::Fail),
            ("audio", Sign::Skipped),
            ("host", Sign::Pass)
        ],
        "a required check that was not asked counts as unknown"
    );
    let mics: Vec<_> = parts[1].lines.iter().map(|l| l.check.as_str()).collect();
    assert_eq!(
        mics,
        ["mic.a.signal", "mic.a.noise", "mic.b.signal", "mic.b.noise"],
        "a device's lines stand together"
    );
    let noise = &parts[1].lines[3];
    assert_eq!(
        (
            noise.value.as_deref(),
            noise.limit.as_deref(),
            noise.base.as_deref(),
            noise.time.as_deref()
        ),
        (
            Some("-63,2 dBFS"),
            Some("đến -50 dBFS"),
            Some("-62,8 dBFS"),
            Some("06:41")
        )
    );
    assert_eq!(parts[2].lines[0].time, None, "what was not asked has no time");
}

#[test]
fn a_number_can_be_dialled_from_within_the_act() {
    let contacts = contacts();
    let text = drawn(
        &problems(
            reader(&contacts),
            &[finding("codec.ip", Status::Fail, "codec.ip-differs")],
            &[],
        ),
        &[],
    );
    assert!(
        text.contains("(<a class=\"tel\" href=\"tel:02033825547\">02033 825 547</a>)"),
        "{text}"
    );
    assert_eq!(text.matches("tel:").count(), 1, "{text}");
    assert!(text.contains("data-only=\"[&quot;codec&quot;]\""), "{text}");
}

proptest! {
    #[test]
    fn any_text_is_escaped_and_bounded(text in "\\PC{0,200}|.{0,2000}|[<>&\"']{0,50}") {
        let mut html = Html::new();
        html.text(&text);
        let out = html.finish();
        prop_assert!(!out.contains(['<', '>', '"', '\'']));
        prop_assert!(!out.chars().any(char::is_control));
        prop_assert!(out.len() <= (LONGEST_TEXT + 1) * 6);
    }

    #[test]
    fn any_finding_is_drawn_without_its_markup(
        check in "mic\\.[a-z]{1,9}\\.noise|.{0,40}|<script>",
        code in "mic\\.hum|<img src=x>|.{0,30}",
        unit in proptest::option::of("dBFS|<b>|.{0,20}"),
        param in "<script>alert\\(1\\)</script>|.{0,300}",
        value in proptest::option::of(any::<f64>()),
        which in 0..Status::ALL.len(),
        at_ms in any::<i64>(),
    ) {
        let mut odd = finding("x", Status::ALL[which], "x");
        (odd.check, odd.code, odd.unit, odd.value, odd.at_ms) = (check, code, unit, value, at_ms);
        for key in ["alarm", "name", "peer", "check", "preset"] {
            odd.params.insert(key.into(), param.clone().into());
        }
        let contacts = contacts();
        let reader = reader(&contacts);
        let text = drawn(&problems(reader, &[odd.clone()], &["<kind>".into()]), &parts(reader, &[odd]));
        for markup in ["<script", "<img", "<kind", "<b>\u{FFFD}"] {
            prop_assert!(!text.contains(markup), "{}", text);
        }
        prop_assert!(text.len() < 30_000);
    }
}
