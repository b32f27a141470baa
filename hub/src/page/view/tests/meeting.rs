//! A meeting's page, and where the next meeting is shown elsewhere.

use std::sync::Arc;

use bridgepoint_protocol::claims::{PresenceState, Verdict};
use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::text::Lang;
use proptest::prelude::*;

use super::fixtures::{MINUTE, NOW, detail, finding, gone, judged, ready, standing, wrong};
use crate::agenda::{Agenda, Gathering, Planned};
use crate::board::Health;
use crate::fleet::{self as rooms, Presence, RoomState, Standing, View};
use crate::meeting::Meeting;
use crate::page::view::asked::Asked;
use crate::page::view::fleet::{FleetView, LINES, cause, fleet};
use crate::page::view::html;
use crate::page::view::meeting::{MeetingView, meeting};
use crate::page::view::room::room;
use crate::page::view::words::{room_sign, view_text, why_text};
use crate::store::Checked;

/// 25/11/2026 08:00, of all rooms: its T-90 was a quarter of an hour ago.
fn briefing() -> Meeting {
    Meeting {
        id: Name::new("m-2026-11-25-01").unwrap(),
        org: Name::new("quang-ninh").unwrap(),
        subject: "Giao ban tháng 11".into(),
        rehearsal_ms: Some(NOW - 1000 * MINUTE),
        chair: Some(Name::new("hong-gai").unwrap()),
        slides: true,
        rate_kbps: Some(4096),
        ..crate::sample::meeting("m-any", NOW + 75 * MINUTE)
    }
}

fn checked(mut standing: Standing, checkpoint: &str, ago_ms: i64) -> Standing {
    standing.checked = vec![Checked {
        meeting: "m-2026-11-25-01".into(),
        checkpoint: Some(checkpoint.into()),
        measured_ms: NOW - ago_ms,
        verdict: "ready".into(),
    }];
    standing
}

/// Rooms on the morning of the briefing: most have reported, some are off, some are wrong.
fn morning() -> Vec<Standing> {
    let mut all: Vec<Standing> = (0..60)
        .map(|n| checked(ready(&format!("quang-ninh/xa-{n:03}")), "T-90", 16 * MINUTE))
        .collect();
    all.push(checked(
        wrong("quang-ninh/cam-pha", "Cẩm Phả", "line.mcu-down"),
        "T-90",
        20 * MINUTE,
    ));
    let warn = finding("power.runtime", "warn", "power.runtime-short");
    let low = judged(Verdict::Degraded, Some(warn));
    all.push(checked(
        standing(
            "quang-ninh/hong-gai",
            "UBND phường Hồng Gai",
            "Hạ Long",
            Some(low),
        ),
        "T-90",
        16 * MINUTE,
    ));
    let mut off = standing("quang-ninh/co-to", "UBND đặc khu Cô Tô", "Cô Tô", None);
    off.presence = Some(Presence {
        state: PresenceState::Disconnected,
        since_ms: NOW - 900 * MINUTE,
    });
    all.push(checked(off, "T-1d", 1460 * MINUTE));
    all.push(gone("quang-ninh/van-don"));
    all
}

fn states(all: Vec<Standing>, agenda: &Agenda, now_ms: i64) -> Vec<RoomState> {
    rooms::fleet(all.into_iter().map(Arc::new), agenda, now_ms)
}

fn gathered(of: &Meeting, all: Vec<Standing>, now_ms: i64) -> Gathering {
    let rooms = states(all, &Agenda::new([of.clone()]), now_ms);
    Planned::new(of.clone()).gathering(&rooms, now_ms)
}

fn seen(of: &Meeting, all: Vec<Standing>, asked: Asked, now_ms: i64) -> MeetingView {
    meeting(&gathered(of, all, now_ms), asked, Lang::Vi, now_ms)
}

fn top(asked: Asked, agenda: &Agenda, all: &[RoomState]) -> FleetView {
    fleet(asked, Lang::Vi, all, &Health::default(), NOW).with_meetings(agenda, all, NOW)
}

#[test]
fn the_worst_room_comes_first_with_its_check_for_this_meeting() {
    let view = seen(&briefing(), morning(), Asked::default(), NOW);
    assert_eq!(view.clock, "Còn 1 giờ 15 phút");
    assert_eq!(
        view.sum,
        "63/64 điểm cầu đã báo cho phiên này, 1 điểm cầu quá hạn 06:33 chưa báo"
    );
    let line = |at: &str| view.rooms.iter().find(|line| line.row.at.ends_with(at)).unwrap();
    assert_eq!(view.rooms[0].row.at, "quang-ninh/cam-pha");
    assert_eq!(
        line("cam-pha").checked,
        "đã kiểm tra cho phiên này (T-90 lúc 06:25)"
    );
    assert_eq!(
        line("co-to").checked,
        "quá hạn 06:33, chưa kiểm tra cho phiên này"
    );
    assert_eq!(line("co-to").row.state, "Quá giờ, chưa có kết quả");
    assert_eq!(line("co-to").row.why, "Chưa nhận được kết quả, hạn là 06:33");
    assert_eq!(line("co-to").row.sign, Sign::Fail);
    assert_eq!(line("van-don").row.state, "Mất liên lạc với hộp");
    assert_eq!(line("cam-pha").row.duty.as_ref().unwrap().1, "0912 345 678");
    let facts: Vec<(&str, &str)> = view.facts.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        facts,
        [
            ("Giờ họp chính thức", "08:00 · 120 phút"),
            ("Loại phiên họp", "Phiên họp chính thức"),
            ("Kiểm tra cho phiên này", "T-90, trước 06:33"),
            ("Tổng duyệt", "14:05 ngày 24/11/2026"),
            ("Điểm cầu chủ tọa", "UBND phường Hồng Gai"),
            ("Yêu cầu", "trình chiếu, 4096 kbit/s"),
        ]
    );
    assert_eq!((view.rooms.len(), view.page, view.pages), (LINES, 1, 2));
    let second = Asked {
        page: Some("2".into()),
        ..Asked::default()
    };
    assert_eq!(seen(&briefing(), morning(), second, NOW).rooms.len(), 64 - LINES);
    let only = Asked {
        view: Some("not-ready".into()),
        ..Asked::default()
    };
    assert_eq!(seen(&briefing(), morning(), only, NOW).rooms.len(), 1);
}

#[test]
fn a_meetings_clock_says_when_it_is_on_over_or_cancelled() {
    let clock = |of: &Meeting, now_ms: i64| seen(of, vec![], Asked::default(), now_ms).clock;
    let it = briefing();
    assert_eq!(clock(&it, it.start_ms - 1), "Còn 0 giây");
    assert_eq!(clock(&it, it.start_ms - 90_500), "Còn 1 phút");
    assert_eq!(clock(&it, it.start_ms), "Đang họp, từ 08:00");
    assert_eq!(clock(&it, it.end_ms()), "Đã kết thúc lúc 10:00");
    let cancelled = Meeting {
        cancelled_ms: Some(NOW),
        ..it
    };
    assert_eq!(clock(&cancelled, NOW), "Phiên họp này đã hủy lúc 06:45");
}

#[test]
fn the_next_meeting_stands_above_the_fleet_and_on_a_rooms_page() {
    let later = |id: &str, hours: i64| Meeting {
        org: Name::new("quang-ninh").unwrap(),
        ..crate::sample::meeting(id, NOW + hours * 60 * MINUTE)
    };
    let agenda = Agenda::new([later("m-far", 30), briefing(), later("m-today", 9)]);
    let all = states(morning(), &agenda, NOW);
    let view = top(Asked::default(), &agenda, &all);
    let next: Vec<_> = view
        .next
        .iter()
        .map(|line| (line.id.as_str(), line.label.as_str()))
        .collect();
    assert_eq!(
        next,
        [
            (
                "m-2026-11-25-01",
                "Phiên họp tới: Giao ban tháng 11, 08:00, còn 1 giờ 15 phút"
            ),
            ("m-today", "Phiên họp tới: Giao ban m-today, 15:45, còn 9 giờ"),
        ]
    );
    assert_eq!(view.next[0].sum, "63/64 điểm cầu đã báo cho phiên này");
    let far = Agenda::new([later("m-far", 30), later("m-farther", 31)]);
    assert_eq!(
        top(Asked::default(), &far, &all).next.len(),
        1,
        "the next one, however far"
    );
    let elsewhere = Asked {
        org: Some("abc".into()),
        ..Asked::default()
    };
    assert!(top(elsewhere, &agenda, &all).next.is_empty());

    let mut of_room = detail("UBND phường Bãi Cháy");
    of_room.state = rooms::state(of_room.state.standing.clone(), &agenda, NOW);
    let next = room(&of_room, Lang::Vi, NOW).next.unwrap();
    assert_eq!(
        (next.id.as_str(), next.checked.as_str()),
        ("m-2026-11-25-01", "đã kiểm tra cho phiên này lúc 06:40")
    );
}

#[test]
fn what_a_meeting_makes_of_a_room_is_said() {
    let agenda = Agenda::new([briefing()]);
    let before = NOW - 60 * MINUTE;
    let mut off = gone("quang-ninh/co-to");
    off.result = None;
    let state = |standing: &Standing, agenda: &Agenda, now_ms: i64| {
        rooms::state(Arc::new(standing.clone()), agenda, now_ms)
    };
    let waits = state(&off, &agenda, NOW - 34 * MINUTE);
    assert_eq!((waits.view, room_sign(&waits)), (View::NotOnYet, Sign::Warn));
    assert_eq!(view_text(&waits, Lang::Vi), "Chưa bật thiết bị");
    assert_eq!(why_text(&waits, Lang::Vi), "Cần có kết quả trước 06:33");
    let late = state(&off, &agenda, NOW);
    assert_eq!((late.view, room_sign(&late)), (View::Silent, Sign::Fail));
    assert_eq!(view_text(&late, Lang::Vi), "Mất liên lạc với hộp");
    let calm = state(&off, &Agenda::default(), NOW);
    assert_eq!((calm.view, room_sign(&calm)), (View::Silent, Sign::Unknown));
    assert_eq!(
        view_text(&calm, Lang::Vi),
        "Không liên lạc được (có thể đã ngắt điện)"
    );
    assert_ne!(cause(&late), cause(&calm), "they do not fold together");

    let far = Agenda::new([Meeting {
        start_ms: NOW + 3000 * MINUTE,
        ..briefing()
    }]);
    let old = Standing {
        result: Some(judged(
            Verdict::NotReady,
            Some(finding("mic.a.howl", "fail", "mic.howl")),
        )),
        ..ready("quang-ninh/xa-001")
    };
    let idle = state(&old, &far, before + 1000 * MINUTE);
    assert_eq!((idle.view, room_sign(&idle)), (View::NotNeeded, Sign::Skipped));
    assert_eq!(why_text(&idle, Lang::Vi), "", "an old fault is no reason");
    assert_eq!(
        view_text(&idle, Lang::Vi),
        "Chưa đến giờ kiểm tra",
        "a meeting is planned"
    );
    let over = Agenda::new([Meeting {
        start_ms: NOW - 3000 * MINUTE,
        rehearsal_ms: None,
        ..briefing()
    }]);
    let idle = state(&old, &over, before + 1000 * MINUTE);
    assert_eq!(view_text(&idle, Lang::Vi), "Không có lịch họp");
    let cut = state(&off, &over, NOW);
    assert_eq!((cut.view, room_sign(&cut)), (View::NotNeeded, Sign::Skipped));
    assert_eq!(
        view_text(&cut, Lang::Vi),
        "Không liên lạc được (có thể đã ngắt điện)"
    );
}

#[test]
fn meeting_pages_stay_small_and_ask_nothing_from_elsewhere() {
    let many: Vec<Standing> = (0..300)
        .map(|n| {
            checked(
                wrong(
                    &format!("quang-ninh/phuong-{n:03}"),
                    &format!("Khu vực {n}"),
                    "line.loss",
                ),
                "T-90",
                0,
            )
        })
        .collect();
    let agenda = Agenda::new([briefing()]);
    for lang in Lang::ALL {
        for (name, all) in [
            ("meeting", morning()),
            ("meeting-many", many.clone()),
            ("meeting-none", vec![]),
        ] {
            let gathering = gathered(&briefing(), all.clone(), NOW);
            let text = html::meeting(
                &meeting(&gathering, Asked::default(), lang, NOW),
                "0123456789abcdef",
            );
            assert!(text.len() < 60_000, "{name}: {} bytes", text.len());
            for foreign in [
                "http://", "https://", "<img", "<link", "url(", "style=", "onclick",
            ] {
                assert!(!text.contains(foreign), "{name}: {foreign}");
            }
            super::drawn::leave(&format!("{name}-{}", lang.word()), &text);
            let rooms = states(all, &agenda, NOW);
            let view = fleet(Asked::default(), lang, &rooms, &Health::default(), NOW)
                .with_meetings(&agenda, &rooms, NOW);
            super::drawn::leave(
                &format!("fleet-{name}-{}", lang.word()),
                &html::fleet(&view, "0123456789abcdef"),
            );
        }
        let mut of_room = detail("UBND phường Bãi Cháy");
        of_room.state = rooms::state(of_room.state.standing.clone(), &agenda, NOW);
        let text = html::room(&room(&of_room, lang, NOW), &Asked::default(), "0123456789abcdef");
        assert!(text.contains("href=\"/meetings/m-2026-11-25-01\""));
        super::drawn::leave(&format!("room-meeting-{}", lang.word()), &text);
    }
}

#[test]
fn links_stay_at_the_meeting_and_keep_the_language() {
    let asked = Asked {
        lang: Some("en".into()),
        ..Asked::default()
    };
    let view = meeting(&gathered(&briefing(), morning(), NOW), asked, Lang::En, NOW);
    let text = html::meeting(&view, "n");
    for link in [
        "href=\"/meetings/m-2026-11-25-01?view=not-ready&amp;lang=en\"",
        "href=\"/meetings/m-2026-11-25-01?page=2&amp;lang=en\"",
        "href=\"/meetings/m-2026-11-25-01?lang=vi\"",
        "href=\"/rooms/quang-ninh/cam-pha?lang=en\"",
        "href=\"/?lang=en\"",
    ] {
        assert!(text.contains(link), "{link}");
    }
}

proptest! {
    #[test]
    fn any_subject_stays_text(text in "<script>|\"'><img src=x>|\\PC{0,60}|.{0,60}", page in ".{0,8}", view in ".{0,12}") {
        let it = Meeting { subject: text.clone(), ..briefing() };
        let mut odd = checked(ready("quang-ninh/xa-001"), &text, 0);
        odd.name.clone_from(&text);
        let asked = Asked { page: Some(page), view: Some(view), ..Asked::default() };
        let agenda = Agenda::new([it.clone()]);
        let all = states(vec![odd.clone()], &agenda, NOW);
        for html in [
            html::meeting(&seen(&it, vec![odd], asked.clone(), NOW), "n"),
            html::fleet(&top(asked, &agenda, &all), "n"),
        ] {
            prop_assert_eq!(html.matches("<script").count(), 1);
            prop_assert_eq!(html.matches("<img").count(), 0);
            prop_assert!(!html.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
