//! How it is drawn: hostile texts stay texts, pages stay small, nothing comes from elsewhere.

use bridgepoint_protocol::check::Probe;
use bridgepoint_protocol::claims::{Duty, Status};
use bridgepoint_protocol::text::Lang;
use serde_json::json;

use super::fixtures::{Case, With as _, broken, figure, finding, healthy};
use crate::front::Running;
use crate::page::html::{Frame, main_part, page};
use crate::page::view::Newest;
use crate::uplink::{Standing, Why};

const FRAME: Frame<'static> = Frame {
    nonce: "0123456789abcdef",
    token: "t0ken",
    instance: "i",
};

fn cases() -> Vec<(&'static str, Case)> {
    let mut running = broken();
    running.now.version = 3;
    running.now.running = Some(Running {
        done: 14,
        total: running.planned.len(),
        act: Some((Probe::Camera, Some("main".into()))),
        findings: vec![
            figure("mic.chair.howl", Status::Pass, "ok", 0.0, "", (None, None)),
            finding("codec.reachable", Status::Pass, "ok", json!({})),
            finding(
                "codec.display",
                Status::Fail,
                "codec.display-missing",
                json!({ "value": 1, "expected": 2 }),
            ),
        ],
        trigger: None,
    });
    let mut idle = healthy();
    idle.now_ms += 86_400_000;
    let degraded = Case::checked([figure(
        "codec.audio",
        Status::Warn,
        "codec.volume-low",
        20.0,
        "%",
        (None, None),
    )]);
    let mut unknown = Case::checked([finding("power.mains", Status::Unknown, "stale", json!({}))]);
    unknown.standing = Some(Standing::NotApproved);
    vec![
        ("healthy", healthy()),
        ("degraded", degraded),
        ("unknown", unknown),
        ("broken", broken()),
        ("running", running),
        ("idle", idle),
        ("never", Case::new()),
    ]
}

/// With `OUT_HTML` set to a directory the pages are left there to be looked at.
#[test]
fn every_page_is_small_and_asks_nothing_from_elsewhere() {
    for (name, mut case) in cases() {
        for lang in Lang::ALL {
            case.lang = lang;
            let text = page(&case.view(), lang, FRAME);
            assert!(text.len() < 60_000, "{name}: {} bytes", text.len());
            assert!(text.starts_with(&format!("<!doctype html><html lang=\"{}\">", lang.word())));
            for foreign in [
                "http://", "https://", "//cdn", "<img", "<link", "url(", "style=", "onclick",
            ] {
                assert!(!text.contains(foreign), "{name}: {foreign}");
            }
            assert!(
                text.contains(&main_part(&case.view(), lang)),
                "the part is what stands in the page"
            );
            if let Some(dir) = std::env::var_os("OUT_HTML") {
                std::fs::write(
                    std::path::Path::new(&dir).join(format!("{name}-{}.html", lang.word())),
                    text,
                )
                .unwrap();
            }
        }
    }
}

#[test]
fn hostile_names_are_texts() {
    let hostile = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</title></style><b>",
        "\u{202E}gnorw",
        "a\u{0}\u{1B}[31m\nb",
        &"Ω".repeat(10_000),
    ];
    let clean = page(&healthy().view(), Lang::Vi, FRAME);
    for text in hostile {
        let mut case = Case::checked([
            finding(
                "codec.diagnostics",
                Status::Warn,
                "codec.own-alarm",
                json!({ "alarm": text }),
            ),
            finding(
                "codec.idle",
                Status::Fail,
                "codec.in-call",
                json!({ "peer": text }),
            ),
            finding("mic.chair.noise", Status::Warn, text, json!({ "name": text })),
            figure(
                "power.runtime",
                Status::Warn,
                "power.runtime-short",
                1.0,
                text,
                (Some(2.0), None),
            ),
            finding(text, Status::Fail, "codec.own-alarm", json!({ "alarm": text })),
        ]);
        case.settings.name = text.to_owned();
        for contact in &mut case.settings.contacts {
            contact.name = Some(text.to_owned());
            contact.phone = Some(text.to_owned());
        }
        case.standing = Some(Standing::Refused {
            why: Why::Broker(135),
        });
        let duty = Duty {
            name: text.to_owned(),
            phone: text.to_owned(),
        };
        case.newest = Some(Newest {
            duty: Some(duty),
            received_ms: None,
        });
        let shown = page(&case.view(), Lang::Vi, FRAME);
        for tag in ["<script", "<img", "<b>", "</title>", "</style>"] {
            let own = clean.matches(tag).count() + if tag == "<b>" { extra_parts(&case) } else { 0 };
            assert_eq!(shown.matches(tag).count(), own, "{tag} of {text:?}");
        }
        assert!(!shown.contains(['\u{202E}', '\u{0}', '\u{1B}']), "{text:?}");
        assert!(shown.len() < 60_000, "{} bytes", shown.len());
    }
}

/// Headings of parts that the healthy room has not.
fn extra_parts(case: &Case) -> usize {
    case.view().path.len() - healthy().view().path.len()
}

#[test]
fn forty_faults_fit_into_a_page() {
    let case = Case::new();
    let ids: Vec<String> = case.planned.iter().map(|planned| planned.check.clone()).collect();
    assert!(ids.len() >= 40, "{}", ids.len());
    let wrong = ids.iter().take(40).map(|check| {
        figure(
            check,
            Status::Fail,
            "codec.own-alarm",
            -1234.5,
            "kbit/s",
            (Some(-10.0), Some(20.0)),
        )
        .param("alarm", "A device that has quite a lot to say about itself")
    });
    let case = Case::checked(wrong);
    assert_eq!(case.view().problems.len(), 40);
    let text = page(&case.view(), Lang::Vi, FRAME);
    assert!(text.len() < 60_000, "{} bytes", text.len());
}

#[test]
fn the_page_can_be_heard_and_used_without_a_mouse() {
    let view = broken().view();
    let text = page(&view, Lang::Vi, FRAME);
    assert_eq!(text.matches("aria-live=\"polite\"").count(), 1);
    assert!(text.contains(
        "<p class=\"sr\" id=\"live\" role=\"status\" aria-live=\"polite\">CHƯA SẴN SÀNG. Có 2 lỗi"
    ));
    assert_eq!(text.matches("<h1>").count(), 1);
    let buttons = text.matches("<button type=\"button\"").count();
    assert_eq!(
        buttons,
        2 + view.problems.iter().filter(|p| p.again.is_some()).count()
    );
    let ids: Vec<&str> = text
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "an id stands once: {ids:?}");
    assert!(text.contains("<noscript>") && text.contains("<html lang=\"vi\">"));
}
