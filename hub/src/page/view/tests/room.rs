//! What a room's page shows.

use std::sync::Arc;

use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::text::Lang;

use super::fixtures::{FINGERPRINT, NOW, detail};
use crate::detail::{KeyRow, RoomDetail};
use crate::fleet::Enrolment;
use crate::keyring::KeyState;
use crate::page::view::asked::Asked;
use crate::page::view::html;
use crate::page::view::room::room;

#[test]
fn a_rooms_page_has_the_findings_the_runs_the_chain_and_the_keys() {
    let view = room(&detail("UBND phường Bãi Cháy"), Lang::Vi, NOW);
    assert_eq!((view.sign, view.state.as_str()), (Sign::Fail, "Chưa sẵn sàng"));
    assert_eq!(view.line, "Micro chủ tọa bị hú, rít · từ 06:41");
    let problems: Vec<_> = view.problems.iter().map(|p| p.check.as_str()).collect();
    assert_eq!(problems, ["mic.chair.howl", "line.loss"]);
    assert_eq!(
        view.path.iter().map(|p| p.group).collect::<Vec<_>>(),
        ["codec", "mic", "line", "host"]
    );
    assert_eq!(
        (view.runs.len(), view.runs[0].said.as_str()),
        (40, "05:46 · Sẵn sàng · Theo lịch họp · T-90")
    );
    assert!(
        view.runs[4].partial && view.runs[6].sign == Sign::Fail,
        "oldest first"
    );
    let notes: Vec<_> = view
        .notes
        .iter()
        .map(|n| (n.said.as_str(), n.command.as_deref()))
        .collect();
    assert_eq!(
        notes,
        [
            (
                "Có hộp khác xin đăng ký cho điểm cầu này: ZZZZ-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567",
                Some(
                    "bridgepoint-hub room approve quang-ninh/bai-chay --fingerprint ZZZZ-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567"
                ),
            ),
            ("Kết luận hộp gửi khác kết luận máy chủ tỉnh tính lại", None),
        ]
    );
    let facts: Vec<String> = view
        .facts
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let all = facts.join("\n");
    for fact in [
        "Còn thiếu, đã yêu cầu hộp gửi lại · đang giữ 41 mục · còn thiếu 4 mục: 7–9, 12",
        FINGERPRINT,
        "đã duyệt",
        "OLDK-EFGH",
        "Đã từ chối 3 bản tin: mã xác thực không đúng: 06:44",
        "Phiên bản hộp: 0.1.0",
    ] {
        assert!(all.contains(fact), "{fact} in\n{all}");
    }
}

#[test]
fn a_box_that_waits_shows_what_to_compare_and_the_command() {
    let mut detail = detail("x");
    let standing = Arc::get_mut(&mut detail.state.standing).unwrap();
    (standing.enrolment, standing.result) = (Enrolment::Pending, None);
    standing.challengers.clear();
    detail.report = None;
    detail.findings.clear();
    let view = room(&detail, Lang::Vi, NOW);
    assert_eq!(view.notes[0].said, format!("Chờ duyệt: {FINGERPRINT}"));
    let command = format!("bridgepoint-hub room approve quang-ninh/bai-chay --fingerprint {FINGERPRINT}");
    assert_eq!(view.notes[0].command.as_deref(), Some(command.as_str()));
    assert!(view.problems.is_empty() && view.path.is_empty());
    let text = html::room(&view, &Asked::default(), "0");
    assert!(
        text.contains("Đọc đối chiếu mã qua điện thoại rồi chạy: <code>bridgepoint-hub"),
        "{text}"
    );
}

#[test]
fn a_chain_that_begins_later_and_keys_that_follow_one_another_are_told() {
    let mut detail = detail("x");
    let standing = Arc::get_mut(&mut detail.state.standing).unwrap();
    standing.chain.first = Some(30);
    let count = crate::store::Count { n: 1, last_ms: NOW };
    standing.refused.insert("rotation".into(), count);
    standing.refused.insert("revoked-key".into(), count);
    standing.refused.insert("unknown-key".into(), count);
    let mut key = |state, fingerprint: &str, from, to| {
        let key = KeyRow {
            state,
            fingerprint: fingerprint.into(),
            from,
            to,
            ..detail.keys[0].clone()
        };
        detail.keys.push(key);
    };
    key(KeyState::Former, "AAAA", 1, Some(50));
    key(KeyState::Approved, "BBBB", 51, None);
    key(KeyState::Next, "CCCC", 70, None);
    key(KeyState::Revoked, "DDDD", 1, Some(0));
    detail.history[0].believed = false;
    let view = room(&detail, Lang::Vi, NOW);
    let facts: Vec<String> = view
        .facts
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let all = facts.join("\n");
    for fact in [
        "đang giữ 41 mục từ mục 30",
        "Khóa cũ: AAAA (ký đến mục 50, ",
        "Đã duyệt: BBBB (ký từ mục 51, ",
        "Khóa tiếp theo, chưa dùng: CCCC (ký từ mục 70, ",
        "Đã thu hồi: DDDD (không ký mục nào, ",
        "Đã từ chối 1 bản tin: hộp đã bị thu hồi",
        "Đã từ chối 1 bản tin: khóa lạ",
        "Đã từ chối 1 bản tin: đổi khóa không hợp lệ",
    ] {
        assert!(all.contains(fact), "{fact} in\n{all}");
    }
    let noted = |detail: &RoomDetail| {
        let view = room(detail, Lang::Vi, NOW);
        view.notes
            .iter()
            .any(|note| note.said.starts_with("Hộp báo đổi khóa"))
    };
    assert!(noted(&detail));
    let approved = detail
        .keys
        .iter()
        .position(|k| k.state == KeyState::Approved)
        .unwrap();
    detail.keys[approved].decided_ms = Some(NOW + 1);
    assert!(!noted(&detail), "an operator has decided since");
    detail.keys[approved].decided_ms = Some(NOW - 1);
    assert!(view.runs.last().unwrap().said.ends_with("không còn được tính"));
    let english = room(&detail, Lang::En, NOW);
    assert!(
        english
            .facts
            .iter()
            .any(|(_, value)| value.contains("from entry 30 on"))
    );
}
