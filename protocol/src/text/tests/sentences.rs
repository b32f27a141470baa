//! Exact texts that are no finding: verdicts, names of checks, headlines, lines of pages and commands.

use serde_json::json;

use super::{MORNING, contacts, finding, params, with};
use crate::check::{Group, Probe};
use crate::claims::{Event, Finding, Status, Verdict, Word};
use crate::text::{self, Contacts, Lang, Params};

#[test]
fn without_anybody_to_ring_the_sentence_still_stands() {
    let nobody = Contacts::default();
    let act = |lang, code| text::finding(lang, &finding("codec.ip", code), &nobody).act;
    assert_eq!(
        act(Lang::Vi, "codec.ip-differs"),
        "Không tự sửa. Báo đơn vị vận hành."
    );
    assert_eq!(
        act(Lang::En, "codec.ip-differs"),
        "Do not change it. Tell the operator."
    );
    assert_eq!(
        act(Lang::Vi, "line.mcu-down"),
        "Báo trung tâm; tại điểm cầu không cần làm gì."
    );
    assert_eq!(
        act(Lang::Vi, "host.disk-low"),
        "Báo cơ quan quản lý; không tắt hộp."
    );
    assert_eq!(
        act(Lang::En, "call.not-joined-20"),
        "Do not dial. Call the operator's operations centre at once."
    );
}

#[test]
fn a_code_from_a_newer_box_is_shown_as_it_is() {
    let newer = finding("codec.reachable", "codec.too\u{202E}-humid");
    let said = text::finding(Lang::Vi, &newer, &contacts());
    assert_eq!(said.label, "codec.too\u{FFFD}-humid");
    assert_eq!(said.act, "Đọc mã này cho VNPT khu vực.");
    let passed = Finding {
        status: Status::Pass.into(),
        ..newer.clone()
    };
    assert_eq!(text::finding(Lang::Vi, &passed, &contacts()).act, "");
    let foreign = Finding {
        status: Word::Foreign("marginal".to_owned()),
        ..newer
    };
    assert!(!text::finding(Lang::En, &foreign, &contacts()).act.is_empty());
    assert_eq!(text::check_label(Lang::Vi, "codec.smell"), "codec.smell");
    assert_eq!(text::question(Lang::Vi, "codec.smell"), None);
    assert_eq!(text::ui(Lang::Vi, "no-such-key", &Params::new()), "no-such-key");
    assert_eq!(text::state(Lang::En, "no-such-state"), "no-such-state");
}

#[test]
fn a_headline_says_which_device_it_means() {
    let headline = |lang, check, code| text::headline(lang, &finding(check, code), &Contacts::default());
    assert_eq!(
        headline(Lang::Vi, "mic.chair.hum", "mic.hum"),
        "Micro chủ tọa: có tiếng ù điện 50 Hz"
    );
    assert_eq!(
        headline(Lang::Vi, "mic.chair.howl", "mic.howl"),
        "Micro chủ tọa bị hú, rít"
    );
    assert_eq!(
        headline(Lang::En, "camera.c2.picture", "camera.black"),
        "c2 camera: the picture is black, perhaps the lens cap is on"
    );
    assert_eq!(
        headline(Lang::Vi, "power.mains", "power.on-battery"),
        "Mất điện lưới, đang chạy bằng UPS"
    );
    assert_eq!(
        headline(Lang::Vi, "host.clock", "timeout"),
        "Đồng hồ của hộp – quá thời gian cho phép"
    );
    assert_eq!(
        headline(Lang::Vi, "mic.left.howl", "ok"),
        "Micro bên trái: hú, rít – đạt"
    );
}

#[test]
fn checks_have_their_names_in_words() {
    let label = |lang, id| text::check_label(lang, id);
    assert_eq!(
        label(Lang::Vi, "mic.chair.noise"),
        "Micro chủ tọa: tiếng ồn, tiếng xì"
    );
    assert_eq!(
        label(Lang::Vi, "mic.ghe-7.noise"),
        "Micro ghe-7: tiếng ồn, tiếng xì"
    );
    assert_eq!(
        label(Lang::Vi, "camera.main.preset.2"),
        "Vị trí nhớ 2, camera chính"
    );
    let left = params(json!({"preset": "left"}));
    assert_eq!(
        text::check_label_with(Lang::Vi, "camera.main.preset.2", &left),
        "Vị trí nhớ 2 – bên trái, camera chính"
    );
    assert_eq!(
        text::check_label_with(Lang::En, "camera.main.preset.2", &left),
        "Preset 2 – left, main camera"
    );
    assert_eq!(label(Lang::En, "device.display-left"), "Device: left screen");
    assert_eq!(
        text::question(Lang::Vi, "mic.chair.hum").as_deref(),
        Some("Có ù 50 Hz không?")
    );
    assert_eq!(text::question(Lang::Vi, "line.up"), None);
}

#[test]
fn verdicts_and_the_line_below_them() {
    assert_eq!(text::verdict(Lang::Vi, Verdict::Ready), "SẴN SÀNG");
    assert_eq!(text::verdict(Lang::Vi, Verdict::Unknown), "CHƯA KIỂM TRA ĐƯỢC");
    assert_eq!(
        text::verdict_form(Lang::Vi, Verdict::Degraded),
        "Đạt, còn tồn tại"
    );
    assert_eq!(text::verdict_form(Lang::En, Verdict::NotReady), "Fail");
    assert_eq!(text::status(Lang::Vi, Status::Fail), "Lỗi");
    assert_eq!(text::status_form(Lang::Vi, Status::Fail), "Chưa đạt");
    assert_eq!(text::status_form(Lang::Vi, Status::Warn), "Lưu ý");

    let line = |verdict, json| text::verdict_line(Lang::Vi, verdict, &params(json));
    assert_eq!(
        line(Verdict::Ready, json!({"time_ms": MORNING})),
        "Đã kiểm tra lúc 07:30. Giữ nguyên thiết bị, chờ trung tâm gọi."
    );
    assert_eq!(
        line(Verdict::Degraded, json!({"n": 1, "deadline": "07:30"})),
        "Còn 1 tồn tại, nên xử lý trước 07:30."
    );
    assert_eq!(
        line(Verdict::NotReady, json!({"n": 2, "deadline_ms": MORNING})),
        "Có 2 lỗi phải xử lý trước 07:30. Làm theo từng dòng dưới đây."
    );
    assert_eq!(
        line(Verdict::NotReady, json!({"n": 2})),
        "Có 2 lỗi phải xử lý. Làm theo từng dòng dưới đây."
    );
    assert_eq!(
        line(Verdict::Unknown, json!({"n": 3})),
        "3 mục bắt buộc chưa có kết quả. Chưa kết luận là hỏng."
    );
    assert_eq!(
        line(Verdict::Unknown, json!({"n": 0})),
        "Còn mục bắt buộc chưa có kết quả. Chưa kết luận là hỏng."
    );
    assert_eq!(
        text::verdict_line(Lang::En, Verdict::NotReady, &params(json!({"n": 1}))),
        "Faults to clear: 1. Follow each line below."
    );
}

#[test]
fn states_groups_and_what_the_box_is_doing() {
    assert_eq!(text::state(Lang::Vi, "online"), "Hộp đang hoạt động");
    assert_eq!(text::state(Lang::Vi, "stale"), "Kết quả đã cũ");
    assert_eq!(
        text::state_with(Lang::Vi, "running", &params(json!({"done": 14, "total": 31}))),
        "Đang kiểm tra 14/31"
    );
    assert_eq!(
        text::state_with(Lang::Vi, "received", &params(json!({"time_ms": MORNING}))),
        "Tỉnh đã nhận lúc 07:30"
    );
    assert_eq!(text::group(Lang::Vi, Group::Line), "Đường truyền");
    assert_eq!(
        text::probe_act(Lang::Vi, Probe::Camera, Some("main")),
        "Camera chính đang quay…"
    );
    assert_eq!(
        text::probe_act(Lang::Vi, Probe::Camera, None),
        "Camera đang quay…"
    );
    assert_eq!(
        text::probe_act(Lang::En, Probe::Microphone, Some("chair")),
        "Listening to the chair microphone…"
    );
    assert_eq!(text::name(Lang::Vi, "wide"), "toàn cảnh");
    assert_eq!(text::name(Lang::Vi, "ghe-7"), "ghe-7");
}

#[test]
fn lines_of_pages_and_commands() {
    let ui = |lang, key, json| text::ui(lang, key, &params(json));
    assert_eq!(
        ui(
            Lang::Vi,
            "next-meeting",
            json!({"subject": "Giao ban tháng 11", "time": "08:00", "remaining_ms": 5_040_000})
        ),
        "Phiên họp tới: Giao ban tháng 11, 08:00, còn 1 giờ 24 phút"
    );
    assert_eq!(
        ui(
            Lang::Vi,
            "read-aloud",
            json!({"room": "Bãi Cháy", "verdict": "not-ready", "n": 2, "list": ["Micro chủ tọa bị hú, rít", "Mất gói 4,2 %"],
                   "duty": "Nguyễn Văn A", "phone": "0912 000 000"})
        ),
        "Đọc cho trung tâm: \"Bãi Cháy, chưa sẵn sàng, 2 tồn tại: Micro chủ tọa bị hú, rít, Mất gói 4,2 %. \
         Trực: Nguyễn Văn A, 0912 000 000\""
    );
    assert_eq!(
        ui(
            Lang::Vi,
            "before-meeting",
            json!({"minutes": 90, "time_ms": MORNING})
        ),
        "trước giờ họp 90 phút (07:30)"
    );
    assert_eq!(ui(Lang::Vi, "sign-telecom", json!({})), "Cán bộ đơn vị vận hành");
    assert_eq!(
        text::ui_with(Lang::Vi, "sign-telecom", &Params::new(), &contacts()),
        "Cán bộ VNPT khu vực"
    );
    assert_eq!(
        text::ui_with(
            Lang::Vi,
            "enrol-pending",
            &params(json!({"fingerprint": "ABCD-EFGH"})),
            &contacts()
        ),
        "Chờ tỉnh duyệt hộp. Đọc mã nhận dạng hộp cho Sở KH&CN: ABCD-EFGH"
    );
    assert_eq!(
        ui(Lang::Vi, "kind-missing", json!({"kind": "camera"})),
        "Chưa khai báo mục bắt buộc: camera"
    );
    assert_eq!(
        ui(Lang::Vi, "delivery-kept", json!({"n": 3})),
        "Đã lưu tại hộp, chờ gửi về tỉnh (3 báo cáo)"
    );
    assert_eq!(ui(Lang::En, "page-of", json!({})), "Page …/…");
}

#[test]
fn codes_without_a_finding() {
    let refused = text::sentence(
        Lang::Vi,
        "hub.refused",
        &params(json!({"reason": "wrong-room"})),
        &contacts(),
    );
    assert_eq!(refused.label, "Máy chủ tỉnh từ chối báo cáo (sai điểm cầu)");
    let expired = text::sentence(
        Lang::Vi,
        "hub.certificate-expired",
        &params(json!({"date_ms": MORNING})),
        &contacts(),
    );
    assert_eq!(expired.label, "Chứng thư kết nối đã hết hạn ngày 25/11/2026");
    let mut dropped: Event = serde_json::from_value(json!({
        "v": 1, "org": "quang-ninh", "room": "bai-chay", "boot": "0", "seq": 1,
        "prev": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "iat": 0, "mono_ms": 0, "clk": "ntp",
        "kind": "call", "code": "call.dropped", "started_ms": MORNING
    }))
    .unwrap();
    assert_eq!(
        text::event(Lang::Vi, &dropped, &contacts()).label,
        "Mất tín hiệu lúc 07:30"
    );
    dropped.code = "call.back".to_owned();
    dropped.ended_ms = Some(MORNING + 125_000);
    assert_eq!(
        text::event(Lang::Vi, &dropped, &contacts()).label,
        "Đã có lại tín hiệu, mất 2 phút 5 giây"
    );
}

#[test]
fn a_devices_words_are_cleaned_and_never_read_as_a_text() {
    let alarm = |text: &str| {
        let found = with("codec.diagnostics", "codec.own-alarm", json!({"alarm": text}));
        text::finding(Lang::Vi, &found, &contacts()).label
    };
    assert_eq!(
        alarm("Fan {operator} ({x})\nfailed"),
        "Thiết bị tự cảnh báo: Fan {operator} ({x}) failed"
    );
    assert_eq!(alarm("a\u{202E}b"), "Thiết bị tự cảnh báo: a\u{FFFD}b");
    assert_eq!(alarm(" \n "), "Thiết bị hội nghị tự cảnh báo");
    assert!(alarm(&"x".repeat(9000)).chars().count() < 160);
}

#[test]
fn lists_end_somewhere() {
    let long: Vec<u32> = (1..=40).collect();
    let shown = text::ui(Lang::Vi, "run-scope", &params(json!({"list": long})));
    assert_eq!(shown, "Chỉ kiểm tra: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, …");
}

#[test]
fn refusals_are_said_in_words() {
    use crate::envelope::OpenError;
    use crate::logbook::LineError;
    assert_eq!(
        text::refusal(Lang::Vi, &OpenError::Forged),
        "mã xác thực không đúng, nội dung có thể đã bị sửa"
    );
    assert_eq!(
        text::refusal(Lang::En, &OpenError::TooLarge { bytes: 70_000 }),
        "too large (70000 bytes)"
    );
    assert_eq!(
        text::refusal(Lang::Vi, &OpenError::Header("jku\u{202E}\n".to_owned())),
        "phần đầu không hợp lệ (jku\u{FFFD})"
    );
    assert_eq!(
        text::line_fault(
            Lang::Vi,
            &LineError::Sequence {
                expected: 7,
                found: 9
            }
        ),
        "đúng ra là mục 7, lại gặp mục 9"
    );
    assert_eq!(
        text::line_fault(Lang::En, &LineError::Prev { seq: 3 }),
        "entry 3 does not follow the entry before it"
    );
    assert_eq!(
        text::line_fault(Lang::En, &LineError::Envelope(OpenError::BadKey)),
        "the key cannot be used"
    );
}

#[test]
fn what_is_wrong_with_a_line_is_said_in_both_languages() {
    use crate::logbook::LineError;
    let told = |error: &LineError| [Lang::Vi, Lang::En].map(|lang| text::line_fault(lang, error));
    for (error, vi, en) in [
        (
            LineError::FormerKey { seq: 9 },
            "mục 9 dùng khóa cũ của hộp, khóa này đã được thay",
            "entry 9 is signed with a key of the box that had been replaced",
        ),
        (
            LineError::ReceiptAlone { seq: 9 },
            "biên nhận này của mục 9, nhưng phía trước không có mục đó",
            "the receipt is for entry 9, which does not stand before it",
        ),
        (
            LineError::ReceiptOther { seq: 9 },
            "biên nhận này không khớp với mục 9 trong sổ",
            "the receipt is for another entry 9 than the one that stands here",
        ),
        (
            LineError::WitnessGone { seq: 9, named: 8 },
            "mục 9 có nhắc biên nhận của mục 8, nhưng phía trước không có, có thể đã bị xóa",
            "entry 9 names the receipt for entry 8, and that is not there; it may have been removed",
        ),
        (
            LineError::WitnessOther { seq: 9, named: 8 },
            "mục 9 có nhắc mục 8, nhưng không khớp với mục 8 trong sổ",
            "entry 9 names another entry 8 than the one that stands here",
        ),
        (
            LineError::CutOff,
            "dòng cuối bị cắt ngang, có thể do mất điện lúc đang ghi",
            "the last line is cut off, perhaps by a power cut while it was written",
        ),
    ] {
        assert_eq!(told(&error), [vi, en]);
    }
}

#[test]
fn languages_have_their_words() {
    assert_eq!("vi".parse(), Ok(Lang::Vi));
    assert_eq!("en".parse(), Ok(Lang::En));
    assert_eq!(Lang::default().word(), "vi");
    let refused = "fr".parse::<Lang>().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there are no texts in the language \"fr\": use \"vi\" or \"en\""
    );
}
