//! What the fleet's page shows, in tables.

use bridgepoint_protocol::claims::Verdict;
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::text::Lang;

use super::fixtures::{NOW, finding, gone, judged, names, province, q, ready, seen, standing, states, wrong};
use crate::board::Health;
use crate::fleet::{Enrolment, Standing, View};
use crate::page::view::asked::{Asked, plain};
use crate::page::view::fleet::{LINES, Line, fleet};
use crate::page::view::words;

#[test]
fn numbers_count_everything_and_what_has_no_result_is_never_ready() {
    let view = seen(Asked::default(), &province());
    let counts: Vec<_> = view
        .buckets
        .iter()
        .map(|b| (b.key, b.sign, b.label.as_str(), b.n, b.chosen))
        .collect();
    assert_eq!(
        counts,
        [
            ("ready", Sign::Pass, "sẵn sàng", 170, false),
            ("degraded", Sign::Warn, "lưu ý", 1, false),
            ("not-ready", Sign::Fail, "chưa sẵn sàng", 15, false),
            ("no-result", Sign::Unknown, "chưa có kết quả", 3, false),
            ("", Sign::None, "tất cả", 189, true),
        ]
    );
    assert_eq!(
        counts[..4].iter().map(|b| b.3).sum::<usize>(),
        189,
        "the numbers are the whole"
    );
    assert_eq!(view.sum, "189 điểm cầu, 186 đã báo, 2 im lặng từ 06:10");
    let filtered = seen(
        Asked {
            view: Some("ready".into()),
            ..Asked::default()
        },
        &province(),
    );
    assert_eq!(filtered.matches, 170);
    assert_eq!(
        filtered.buckets.iter().map(|b| b.n).collect::<Vec<_>>(),
        [170, 1, 15, 3, 189],
        "filters do not change numbers"
    );
    assert!(filtered.buckets[0].chosen && !filtered.buckets[4].chosen);
}

#[test]
fn every_view_has_its_place_and_only_a_fault_is_red() {
    for view in View::ALL {
        let sign = words::sign(view);
        assert_eq!(sign == Sign::Fail, view == View::NotReady, "{view:?}");
        assert_eq!(sign == Sign::Pass, view == View::Ready, "{view:?}");
    }
}

#[test]
fn worst_comes_first_and_the_same_cause_in_one_area_is_one_line() {
    let view = seen(Asked::default(), &province());
    assert_eq!(
        names(&view)[..6],
        [
            "quang-ninh/cam-pha".to_owned(),
            "14 điểm cầu Hạ Long: Router thông, không thông về tỉnh".to_owned(),
            "quang-ninh/co-to".to_owned(),
            "quang-ninh/van-don".to_owned(),
            "quang-ninh/mong-cai".to_owned(),
            "quang-ninh/uong-bi".to_owned(),
        ]
    );
    let Line::Fold(fold) = &view.lines[1] else {
        panic!("{:?}", view.lines[1])
    };
    let opened = seen(
        Asked {
            area: Some(fold.area.clone()),
            cause: Some(fold.cause.clone()),
            ..Asked::default()
        },
        &province(),
    );
    assert_eq!((opened.matches, opened.lines.len()), (14, 14));
    assert!(
        opened
            .lines
            .iter()
            .all(|line| matches!(line, Line::Room(row) if row.sign == Sign::Fail))
    );
    assert_eq!(
        opened.about.as_deref(),
        Some("14 điểm cầu Hạ Long: Router thông, không thông về tỉnh")
    );
}

#[test]
fn two_rooms_two_causes_and_two_areas_do_not_fold() {
    let at = |n: usize| format!("abc/room-{n}");
    let table = [
        (
            vec![wrong(&at(1), "x", "line.loss"), wrong(&at(2), "x", "line.loss")],
            2,
        ),
        (
            vec![
                wrong(&at(1), "x", "line.loss"),
                wrong(&at(2), "x", "line.loss"),
                wrong(&at(3), "x", "line.mcu-down"),
            ],
            3,
        ),
        (
            vec![
                wrong(&at(1), "x", "line.loss"),
                wrong(&at(2), "x", "line.loss"),
                wrong(&at(3), "y", "line.loss"),
            ],
            3,
        ),
        (
            vec![
                wrong(&at(1), "x", "line.loss"),
                wrong(&at(2), "x", "line.loss"),
                wrong(&at(3), "x", "line.loss"),
            ],
            1,
        ),
        (vec![ready(&at(1)), ready(&at(2)), ready(&at(3))], 3),
        (vec![gone(&at(1)), gone(&at(2)), gone(&at(3))], 1),
    ];
    for (case, (all, lines)) in table.into_iter().enumerate() {
        assert_eq!(seen(Asked::default(), &states(all)).lines.len(), lines, "{case}");
    }
    let no_area = (1..5).map(|n| Standing {
        area: None,
        ..wrong(&at(n), "x", "line.loss")
    });
    assert_eq!(
        seen(Asked::default(), &states(no_area)).lines.len(),
        4,
        "without an area nobody knows what is near"
    );
}

#[test]
fn a_fold_names_no_figure_of_one_room() {
    let all = (1..5).map(|n| {
        let mut why = finding("line.loss", "fail", "line.loss");
        (why.value, why.unit) = (Some(4.2), Some("%".into()));
        standing(
            &format!("abc/room-{n}"),
            "x",
            "Hạ Long",
            Some(judged(Verdict::NotReady, Some(why))),
        )
    });
    assert_eq!(
        names(&seen(Asked::default(), &states(all))),
        ["4 điểm cầu Hạ Long: Đường truyền mất gói"]
    );
}

#[test]
fn rooms_are_found_without_signs_above_the_letters() {
    let all = province();
    for (text, found) in [
        ("bai chay", 15),
        (" BÃI CHÁY ", 15),
        ("uong bi", 1),
        ("co-to", 1),
        ("cẩm phả", 1),
        ("zzz", 0),
        ("", 189),
    ] {
        assert_eq!(seen(q(text), &all).matches, found, "{text}");
    }
    assert_eq!(plain("Đường Trường Sa, ẢO"), "duong truong sa, ao");
    assert_eq!(plain("a\u{301}"), "a", "letters that come apart as well");
}

#[test]
fn the_server_pages() {
    let all = states((0..11_000).map(|n| ready(&format!("abc/room-{n}"))));
    let at = |page: &str| {
        seen(
            Asked {
                page: Some(page.into()),
                ..Asked::default()
            },
            &all,
        )
    };
    assert_eq!(
        (at("1").lines.len(), at("1").pages, at("1").page),
        (LINES, 220, 1)
    );
    assert_eq!(at("220").lines.len(), 50);
    for odd in ["0", "-1", "x", "", "99999999999999999999"] {
        assert_eq!(at(odd).page, 1, "{odd}");
    }
    assert_eq!(at("500").page, 220, "past the end is the last");
    assert_ne!(at("1").lines, at("2").lines);
}

#[test]
fn links_carry_what_is_asked() {
    let asked = Asked {
        q: Some("bãi & cháy?".into()),
        lang: Some("en".into()),
        part: Some("main".into()),
        ..Asked::default()
    };
    assert_eq!(asked.link(|_| {}), "/?q=b%C3%A3i%20%26%20ch%C3%A1y%3F&lang=en");
    assert_eq!(asked.link(|asked| (asked.q, asked.lang) = (None, None)), "/");
    let odd = Asked {
        lang: Some("\"><x>".into()),
        ..Asked::default()
    };
    assert_eq!(odd.understood(), Asked::default());
}

#[test]
fn what_is_wrong_with_the_hub_itself_is_said() {
    let mut health = Health {
        store: Some(crate::say::both("đĩa đầy", "disk full")),
        ..Health::default()
    };
    health.broker.insert("quang-ninh".parse().unwrap(), false);
    health.broker.insert("bac-giang".parse().unwrap(), true);
    let view = fleet(Asked::default(), Lang::Vi, &[], &health, NOW);
    assert_eq!(
        view.troubles,
        [
            "đĩa đầy",
            "Máy chủ tỉnh chưa nối được với nơi nhận tin của quang-ninh"
        ]
    );
}

#[test]
fn a_room_says_why_and_whom_to_ring() {
    let rows = |standing: Standing| match seen(Asked::default(), &states([standing])).lines.remove(0) {
        Line::Room(row) => row,
        Line::Fold(fold) => panic!("{fold:?}"),
    };
    let row = rows(wrong("abc/one", "x", "line.hub-down"));
    assert_eq!(
        (row.state.as_str(), row.why.as_str(), row.since.as_str()),
        ("Chưa sẵn sàng", "Router thông, không thông về tỉnh", "06:41")
    );
    assert_eq!(row.duty, Some(("Nguyễn Văn A".into(), "0912 345 678".into())));
    let row = rows(gone("abc/one"));
    assert_eq!(
        (row.sign, row.state.as_str()),
        (Sign::Unknown, "Không liên lạc được (có thể đã ngắt điện)")
    );
    let mut asks = standing("abc/one", "x", "y", None);
    asks.enrolment = Enrolment::Pending;
    assert_eq!(rows(asks).why, "Chờ tỉnh duyệt hộp");
    assert_eq!(
        rows(standing("abc/one", "x", "y", None)).why,
        "Chưa kiểm tra lần nào"
    );
    let mut missing = judged(Verdict::Unknown, None);
    missing.missing_kinds = vec!["codec".into()];
    assert_eq!(
        rows(standing("abc/one", "x", "y", Some(missing))).why,
        "Chưa khai báo mục bắt buộc: thiết bị hội nghị"
    );
}
