//! What a room's page shows.

use std::sync::Arc;

use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::text::Lang;

use super::fixtures::{FINGERPRINT, NOW, detail};
use crate::fleet::Enrolment;
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
