//! What the page shows for each way in which a room can stand.

use bridgepoint_protocol::board::merge;
use bridgepoint_protocol::check::Probe;
use bridgepoint_protocol::claims::{Duty, Finding, Scope, Status};
use bridgepoint_protocol::envelope::SigningKey;
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::page::lines::Again;
use bridgepoint_protocol::text::Lang;
use serde_json::json;

use super::fixtures::{Case, FINGERPRINT, MEASURED, broken, figure, finding, healthy, report};
use crate::baseline::Baseline;
use crate::front::Running;
use crate::logbook::BookBroken;
use crate::page::view::{Newest, Seen, view};
use crate::uplink::{Reason, Standing, Why};

#[test]
fn the_head_says_how_the_room_stands_now() {
    let hours = |n: i64| n * 3_600_000;
    let warned = || {
        Case::checked([figure(
            "codec.audio",
            Status::Warn,
            "codec.volume-low",
            20.0,
            "%",
            (None, None),
        )])
    };
    let table: [(&str, Case, i64, &str, Sign, &str, &str); 8] = [
        (
            "never checked",
            Case::new(),
            0,
            "none",
            Sign::None,
            "Chưa kiểm tra lần nào",
            "",
        ),
        (
            "in order",
            healthy(),
            0,
            "ready",
            Sign::Pass,
            "SẴN SÀNG",
            "Đã kiểm tra lúc 06:41. Giữ nguyên thiết bị, chờ trung tâm gọi.",
        ),
        (
            "fit",
            warned(),
            0,
            "degraded",
            Sign::Warn,
            "HỌP ĐƯỢC, CẦN LƯU Ý",
            "Còn 1 tồn tại, nên xử lý sớm.",
        ),
        (
            "wrong",
            broken(),
            0,
            "not-ready",
            Sign::Fail,
            "CHƯA SẴN SÀNG",
            "Có 2 lỗi phải xử lý. Làm theo từng dòng dưới đây.",
        ),
        (
            "not learnt",
            Case::checked([finding("power.mains", Status::Unknown, "stale", json!({}))]),
            0,
            "unknown",
            Sign::Unknown,
            "CHƯA KIỂM TRA ĐƯỢC",
            "1 mục bắt buộc chưa có kết quả. Chưa kết luận là hỏng.",
        ),
        (
            "in order yesterday",
            healthy(),
            hours(24),
            "idle",
            Sign::None,
            "Không có lịch họp",
            "Kết quả gần nhất: sẵn sàng lúc 06:41 ngày 25/11/2026",
        ),
        (
            "wrong, three hours ago",
            broken(),
            hours(3),
            "not-ready",
            Sign::Fail,
            "CHƯA SẴN SÀNG",
            "Kết quả đã cũ (lúc 06:41)",
        ),
        (
            "a clock that went back",
            healthy(),
            -hours(48),
            "ready",
            Sign::Pass,
            "SẴN SÀNG",
            "Đã kiểm tra lúc 06:41 ngày 25/11/2026. Giữ nguyên thiết bị, chờ trung tâm gọi.",
        ),
    ];
    for (what, mut case, later, state, sign, label, line) in table {
        case.now_ms += later;
        let head = case.view().head;
        assert_eq!(
            (head.state, head.sign, head.label.as_str(), head.line.as_str()),
            (state, sign, label, line),
            "{what}"
        );
    }
}

#[test]
fn an_old_result_is_never_read_out_as_if_it_stood() {
    let mut case = healthy();
    assert_eq!(
        case.view().read_aloud.unwrap(),
        "Đọc cho trung tâm: \"UBND phường Bãi Cháy, sẵn sàng\""
    );
    assert_eq!(case.view().calm.as_deref(), Some("Không có tồn tại"));
    case.now_ms = MEASURED + 120 * 60_000;
    assert_eq!(
        (case.view().read_aloud, case.view().calm, case.view().head.fresh),
        (None, None, false)
    );
}

#[test]
fn what_is_read_to_the_centre_names_points_and_duty() {
    let mut case = Case::checked([finding("mic.chair.howl", Status::Fail, "mic.howl", json!({}))]);
    let duty = Duty {
        name: "Nguyễn Văn A".into(),
        phone: "0912 345 678".into(),
    };
    case.newest = Some(Newest {
        duty: Some(duty.clone()),
        received_ms: None,
    });
    let view = case.view();
    assert_eq!(
        view.read_aloud.unwrap(),
        "Đọc cho trung tâm: \"UBND phường Bãi Cháy, chưa sẵn sàng, 1 tồn tại: Micro chủ tọa bị hú, rít. \
         Trực: Nguyễn Văn A, 0912 345 678\""
    );
    assert_eq!(view.duty, Some(duty));
}

#[test]
fn problems_come_worst_first_each_with_its_retest() {
    let view = broken().view();
    let seen: Vec<_> = view.problems.iter().map(|p| (p.sign, p.check.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Sign::Fail, "mic.chair.howl"),
            (Sign::Fail, "line.loss"),
            (Sign::Unknown, "camera.main.reachable"),
            (Sign::Warn, "codec.audio"),
            (Sign::Warn, "mic.left.noise"),
            (Sign::Warn, "power.runtime"),
        ]
    );
    let only = |parts: &[&str]| Some(Again::Only(parts.iter().map(|p| (*p).to_owned()).collect()));
    assert_eq!(view.problems[2].again, only(&["camera.main"]));
    assert_eq!(
        view.again,
        only(&["mic.chair", "line", "camera.main", "codec", "mic.left", "power"])
    );
    assert!(
        view.problems
            .iter()
            .all(|p| p.ring.is_some() && !p.act.is_empty())
    );
    let signs: Vec<_> = view.path.iter().map(|part| (part.group, part.sign)).collect();
    assert_eq!(
        signs,
        [
            ("codec", Sign::Warn),
            ("camera", Sign::Unknown),
            ("mic", Sign::Fail),
            ("audio", Sign::Skipped),
            ("power", Sign::Warn),
            ("line", Sign::Fail),
            ("host", Sign::Pass),
            ("baseline", Sign::Pass),
        ]
    );
}

#[test]
fn delivered_is_said_only_on_the_hubs_receipt() {
    let key =
        SigningKey::from_pkcs8(&SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap()).unwrap();
    let strange = format!(
        "Máy chủ tỉnh có mã khác mã đã ghi nhận ({}). Chưa gửi gì.",
        key.kid().fingerprint()
    );
    let table: [(Option<Standing>, usize, bool, &str); 11] = [
        (None, 1, false, "Chưa khai báo máy chủ tỉnh, báo cáo lưu tại hộp"),
        (Some(Standing::Online), 0, true, "Đã gửi về tỉnh lúc 06:41"),
        (Some(Standing::Online), 1, false, "Đang gửi về tỉnh…"),
        (
            Some(Standing::Connecting),
            2,
            false,
            "Đã lưu tại hộp, chờ gửi về tỉnh (2 báo cáo)",
        ),
        (Some(Standing::Connecting), 0, true, "Đã gửi về tỉnh lúc 06:41"),
        (
            Some(Standing::Away { why: "x".into() }),
            1,
            false,
            "Chưa liên lạc được với máy chủ tỉnh (127.0.0.1:1883), báo cáo đã lưu tại hộp",
        ),
        (
            Some(Standing::Away { why: "x".into() }),
            0,
            true,
            "Đã gửi về tỉnh lúc 06:41",
        ),
        (Some(Standing::NotApproved), 0, false, FINGERPRINT),
        (
            Some(Standing::Refused {
                why: Why::Broker(135),
            }),
            0,
            false,
            "Máy chủ tỉnh từ chối báo cáo (hộp này chưa được cấp quyền, mã 135)",
        ),
        (
            Some(Standing::TurnedAway { reason: Reason(142) }),
            1,
            false,
            "Máy chủ tỉnh không cho hộp này kết nối (một hộp khác đang kết nối bằng mã phòng này, mã 142)",
        ),
        (
            Some(Standing::StrangeHub {
                kid: key.kid().clone(),
            }),
            0,
            false,
            &strange,
        ),
    ];
    for (standing, waiting, delivered, said) in table {
        let mut case = healthy();
        (case.standing, case.waiting) = (standing.clone(), waiting);
        let view = case.view();
        assert_eq!(view.delivered, delivered, "{standing:?}");
        assert!(view.delivery.contains(said), "{standing:?}: {}", view.delivery);
    }
}

fn run(done: usize, total: usize, findings: Vec<Finding>) -> Option<Running> {
    Some(Running {
        done,
        total,
        act: Some((Probe::Camera, Some("main".into()))),
        findings,
        trigger: None,
    })
}

#[test]
fn while_a_run_is_made_lines_keep_their_places() {
    let mut case = broken();
    let before: Vec<_> = case.view().problems.iter().map(|p| p.check.clone()).collect();
    let rows = |case: &Case| -> Vec<String> {
        case.view()
            .path
            .iter()
            .flat_map(|p| p.lines.iter().map(|l| l.check.clone()))
            .collect()
    };
    let lines = rows(&case);
    let total = case.planned.len();
    let found = vec![
        figure("mic.chair.howl", Status::Pass, "ok", 0.0, "", (None, None)),
        figure(
            "line.loss",
            Status::Warn,
            "line.loss",
            1.4,
            "%",
            (None, Some(1.0)),
        ),
        finding("codec.display", Status::Fail, "codec.display-missing", json!({})),
    ];
    case.now.running = run(3, total, found);
    let view = case.view();
    let progress = view.running.as_ref().unwrap();
    assert_eq!(
        (
            progress.label.as_str(),
            progress.act.as_str(),
            progress.counts.as_str()
        ),
        (
            format!("Đang kiểm tra 3/{total}").as_str(),
            "Camera chính đang quay…",
            "1 đạt · 1 lưu ý · 1 lỗi"
        )
    );
    assert_eq!(
        view.problems.iter().map(|p| p.check.clone()).collect::<Vec<_>>(),
        before,
        "none comes, none goes"
    );
    let signs: Vec<_> = view.problems.iter().map(|p| p.sign).collect();
    assert_eq!(
        signs,
        [
            Sign::Pass,
            Sign::Warn,
            Sign::Running,
            Sign::Running,
            Sign::Running,
            Sign::Running
        ]
    );
    assert_eq!(rows(&case), lines);
    let part = |group: &str| view.path.iter().find(|p| p.group == group).unwrap();
    assert_eq!(
        (part("codec").sign, part("camera").sign, part("audio").sign),
        (Sign::Fail, Sign::Running, Sign::Skipped)
    );
}

#[test]
fn a_retest_leaves_what_it_does_not_ask_as_it_was() {
    let mut case = broken();
    case.now.running = run(
        1,
        4,
        vec![figure(
            "mic.chair.howl",
            Status::Pass,
            "ok",
            0.0,
            "",
            (None, None),
        )],
    );
    let view = case.view();
    let signs: Vec<_> = view.problems.iter().map(|p| p.sign).collect();
    assert_eq!(
        signs,
        [
            Sign::Pass,
            Sign::Fail,
            Sign::Unknown,
            Sign::Warn,
            Sign::Warn,
            Sign::Warn
        ]
    );
    assert!(view.path.iter().all(|part| part.sign != Sign::Running));
}

#[test]
fn the_first_run_fills_the_lines_from_nothing() {
    let mut case = Case::new();
    assert!(
        case.view()
            .path
            .iter()
            .all(|p| matches!(p.sign, Sign::None | Sign::Skipped))
    );
    case.now.running = run(
        1,
        case.planned.len(),
        vec![finding("codec.reachable", Status::Pass, "ok", json!({}))],
    );
    let view = case.view();
    assert_eq!(view.path[0].lines[0].sign, Sign::Pass);
    assert_eq!(
        (view.path[0].sign, view.path[1].sign),
        (Sign::Running, Sign::Running)
    );
    case.now.running = Some(Running::default());
    assert_eq!(
        case.view().running.unwrap().label,
        "Đang kiểm tra",
        "before it is known how many there are"
    );
}

#[test]
fn a_retest_that_mends_turns_the_verdict() {
    let mut case = Case::checked([finding("mic.chair.howl", Status::Fail, "mic.howl", json!({}))]);
    let mut again = report(vec![finding("mic.chair.howl", Status::Pass, "ok", json!({}))]);
    (again.scope, again.finished_ms) = (Some(Scope(vec!["mic.chair".into()])), MEASURED + 60_000);
    case.board = Some(merge(&report(case.board.unwrap().findings), [&again]));
    let view = case.view();
    assert_eq!((view.head.state, view.problems.len()), ("ready", 0));
    assert!(view.head.line.contains("06:42"), "{}", view.head.line);
}

#[test]
fn a_logbook_that_cannot_be_read_is_not_hidden() {
    let case = healthy();
    let broken = BookBroken {
        file: "2026-11.log".into(),
        line: 7,
        why: "x".into(),
    };
    let baseline = Baseline {
        run: "r".into(),
        measured_ms: MEASURED,
        accepted_ms: MEASURED,
        by: "A".into(),
        allowed_by: "VNPT khu vực".into(),
        findings: vec![],
    };
    let view = view(&Seen {
        settings: &case.settings,
        meetings: &[],
        contacts: &case.settings.contacts,
        planned: &case.planned,
        board: None,
        newest: None,
        broken: Some(&broken),
        baseline: Some(&baseline),
        now: &case.now,
        standing: None,
        waiting: 0,
        fingerprint: FINGERPRINT,
        now_ms: case.now_ms,
        lang: Lang::Vi,
    });
    assert_eq!(view.head.state, "unknown");
    assert!(
        view.head.line.starts_with("Sổ nhật ký hỏng ở dòng 7."),
        "{}",
        view.head.line
    );
    assert_eq!(
        view.baseline,
        "Mốc chuẩn lưu lúc 06:41 (người cho phép: VNPT khu vực)"
    );
}

#[test]
fn both_languages_say_all_of_it() {
    for mut case in [healthy(), broken(), Case::new()] {
        case.lang = Lang::En;
        let json = serde_json::to_string(&case.view()).unwrap();
        for vietnamese in ["Chưa", "Đạt", "Lỗi", "Kiểm tra"] {
            assert!(!json.contains(vietnamese), "{vietnamese} in {json}");
        }
    }
}
