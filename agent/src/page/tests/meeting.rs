//! What the page says of meetings: before, in and after their hours.

use bridgepoint_protocol::claims::{Contact, Meeting, Trigger, TriggerKind};
use bridgepoint_protocol::text::Lang;
use serde_json::json;

use super::fixtures::{Case, MEASURED, NOW, broken, healthy};
use crate::front::Running;
use crate::page::html::main_part;

const MIN: i64 = 60_000;
const HOUR: i64 = 60 * MIN;

/// 08:00 on the day of the fixtures, whose check was made at 06:41.
const START: i64 = MEASURED + 79 * MIN;

fn meeting(start_ms: i64) -> Meeting {
    serde_json::from_value(json!({
        "id": "m-1", "subject": "Giao ban tháng 11", "start_ms": start_ms, "length_min": 120,
        "kind": "planned"
    }))
    .unwrap()
}

fn with(mut case: Case, start_ms: i64) -> Case {
    case.meetings = vec![meeting(start_ms)];
    case
}

#[test]
fn the_next_meeting_stands_at_the_top_with_what_is_left() {
    let mut case = with(healthy(), START);
    let next = case.view().next_meeting.unwrap();
    assert_eq!(
        next.label,
        "Phiên họp tới: Giao ban tháng 11, 08:00, còn 1 giờ 15 phút"
    );
    assert_eq!((next.start_ms, next.end_ms), (START, START + 2 * HOUR));
    assert_eq!(next.next_check_ms, Some(START - 20 * MIN));
    assert!(main_part(&case.view(), case.lang).contains("<p>Phiên họp tới: Giao ban tháng 11, 08:00"));
    case.lang = Lang::En;
    assert_eq!(
        case.view().next_meeting.unwrap().label,
        "Next meeting: Giao ban tháng 11, 08:00, in 1 h 15 min"
    );
    case.lang = Lang::Vi;
    // A whole minute says the same.
    case.now_ms = START - 90 * MIN + 59_999;
    let label = |case: &Case| case.view().next_meeting.map(|next| next.label);
    assert!(label(&case).unwrap().ends_with("còn 1 giờ 30 phút"));
    case.now_ms = START;
    assert_eq!(
        label(&case).as_deref(),
        Some("Đang trong giờ họp: Giao ban tháng 11, đến 10:00")
    );
    case.now_ms = START + 2 * HOUR;
    assert_eq!(label(&case), None);
    case.now_ms = NOW - 24 * HOUR;
    assert!(
        label(&case)
            .unwrap()
            .contains("08:00 ngày 25/11/2026, còn 1 ngày 1 giờ")
    );
}

#[test]
fn a_fault_has_a_time_by_which_it_has_to_be_cleared() {
    let mut case = with(broken(), START);
    let line = |case: &Case| case.view().head.line;
    assert_eq!(
        line(&case),
        "Có 2 lỗi phải xử lý trước 07:40. Làm theo từng dòng dưới đây.",
        "the next check"
    );
    // Twenty minutes before the start the start itself is next.
    let finished = |case: &mut Case, at_ms| {
        case.now_ms = at_ms;
        if let Some(board) = &mut case.board {
            (board.full_ms, board.newest_ms) = (at_ms, at_ms);
        }
    };
    finished(&mut case, START - 19 * MIN);
    assert!(line(&case).contains("trước 08:00"), "{}", line(&case));
    // What no meeting waits for has none.
    finished(&mut case, START + 3 * HOUR);
    assert_eq!(line(&case), "Có 2 lỗi phải xử lý. Làm theo từng dòng dưới đây.");
}

#[test]
fn a_result_is_old_at_the_next_checkpoint() {
    let mut case = with(healthy(), START);
    assert!(case.view().head.fresh);
    case.now_ms = START - 20 * MIN;
    let head = case.view().head;
    assert!(!head.fresh, "it is asked again now");
    assert_eq!(
        (head.state, head.line.as_str()),
        ("ready", "Kết quả đã cũ (lúc 06:41)"),
        "in a meeting's hours an old result is no reason to be calm"
    );
}

#[test]
fn a_box_at_rest_says_when_it_checks_next() {
    let mut case = with(healthy(), START + 24 * HOUR);
    case.now_ms = NOW + 3 * HOUR;
    let head = case.view().head;
    assert_eq!(head.state, "idle");
    assert_eq!(head.label, "Đang nghỉ, chưa đến giờ kiểm tra");
    assert_eq!(
        head.line,
        "Kết quả gần nhất: sẵn sàng lúc 06:41. Kiểm tra lần tới lúc 06:30 ngày 26/11/2026"
    );
    case.meetings.clear();
    let head = case.view().head;
    assert_eq!(head.label, "Không có lịch họp");
    assert_eq!(head.line, "Kết quả gần nhất: sẵn sàng lúc 06:41");
}

#[test]
fn a_run_that_the_clock_has_started_says_why() {
    let mut case = with(healthy(), START);
    case.now_ms = START - 90 * MIN;
    let mut why = |kind: TriggerKind, meeting: &str, checkpoint: Option<&str>| {
        case.now.running = Some(Running {
            total: 3,
            trigger: Some(Trigger {
                kind: kind.into(),
                meeting: Some(meeting.into()),
                checkpoint: checkpoint.map(str::to_owned),
            }),
            ..Running::default()
        });
        let html = main_part(&case.view(), case.lang);
        let why = case.view().running.and_then(|running| running.why);
        assert!(why.as_ref().is_none_or(|why| html.contains(why.as_str())));
        why
    };
    for (kind, checkpoint, said) in [
        (
            TriggerKind::Schedule,
            "T-90",
            "Kiểm tra theo lịch, trước giờ họp 90 phút (06:30)",
        ),
        (
            TriggerKind::Boot,
            "T-20",
            "Hộp bật muộn nên kiểm tra ngay, trước giờ họp 20 phút (07:40)",
        ),
        (
            TriggerKind::Schedule,
            "T-1d",
            "Kiểm tra theo lịch, trước giờ họp 1 ngày (08:00 ngày 24/11/2026)",
        ),
    ] {
        assert_eq!(why(kind, "m-1", Some(checkpoint)).as_deref(), Some(said));
    }
    assert_eq!(why(TriggerKind::Manual, "m-1", None), None);
    assert_eq!(
        why(TriggerKind::Schedule, "m-9", Some("T-90")),
        None,
        "cancelled meanwhile"
    );
}

#[test]
fn a_meetings_subject_is_text_and_nothing_else() {
    let mut case = with(healthy(), START);
    case.meetings[0].subject = format!("<img src=x>\u{202e}{}", "a".repeat(10_000));
    let html = main_part(&case.view(), case.lang);
    assert!(!html.contains("<img") && !html.contains('\u{202e}'));
    assert!(!html.contains(&"a".repeat(200)), "it is capped");
}

#[test]
fn the_plans_contacts_are_rung_after_the_rooms_own() {
    let mut case = broken();
    let planned: Contact =
        serde_json::from_value(json!({ "role": "authority", "name": "Sở KH&CN", "phone": "0203 1" }))
            .unwrap();
    case.settings.contacts.push(planned);
    let phones: Vec<String> = case.view().telephones.into_iter().map(|t| t.phone).collect();
    assert_eq!(phones.last().map(String::as_str), Some("0203 1"));
    assert_eq!(phones.len(), 3);
}
