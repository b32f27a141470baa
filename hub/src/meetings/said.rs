//! A meeting in words for the command line: one line of a list, and all that is known of it.

use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::text::{self, Lang};

use crate::agenda::{ANSWER_MS, Gathering, Planned};
use crate::meeting::Meeting;
use crate::say::both;

/// Rooms that are named one by one where a meeting's rooms are told in a line.
const NAMED: usize = 8;

/// `m-2026-11-25-01  08:00 ngày 25/11/2026  Giao ban tháng 11  188/190 điểm cầu đã báo`.
pub(super) fn line(gathering: &Gathering, lang: Lang, now_ms: i64) -> String {
    let Gathering {
        meeting,
        total,
        reported,
        ..
    } = gathering;
    let when = text::moment(lang, meeting.start_ms, now_ms);
    let state = if meeting.cancelled_ms.is_some() {
        both("đã hủy", "cancelled")
    } else if gathering.end_ms <= now_ms {
        both("đã kết thúc", "over")
    } else {
        both(
            format!("{reported}/{total} điểm cầu đã báo"),
            format!("{reported} of {total} rooms have reported"),
        )
    };
    format!(
        "{}  {when}  {}  {}",
        meeting.id,
        meeting.subject,
        state.in_lang(lang)
    )
}

/// When, how long, who, what is wanted, and when the rooms are checked.
pub(super) fn described(meeting: &Meeting, lang: Lang, now_ms: i64) -> Vec<String> {
    let moment = |ms: i64| text::moment(lang, ms, now_ms);
    let (start, length) = (moment(meeting.start_ms), meeting.length_min);
    let rooms = match &meeting.rooms {
        None => both(
            "tất cả điểm cầu đã duyệt".to_owned(),
            "all approved rooms".to_owned(),
        ),
        Some(rooms) => both(
            format!("{} điểm cầu ({})", rooms.len(), some_of(rooms.iter())),
            format!("{} rooms ({})", rooms.len(), some_of(rooms.iter())),
        ),
    };
    let (subject, org) = (&meeting.subject, &meeting.org);
    let mut said = vec![both(
        format!("{subject}: {start}, {length} phút, {org}, {}", rooms.vi),
        format!("{subject}: {start}, {length} min, {org}, {}", rooms.en),
    )];
    if let Some(chair) = &meeting.chair {
        said.push(both(
            format!("Điểm cầu chủ tọa: {chair}"),
            format!("Chair room: {chair}"),
        ));
    }
    if let Some(rehearsal_ms) = meeting.rehearsal_ms {
        let when = moment(rehearsal_ms);
        said.push(both(format!("Tổng duyệt: {when}"), format!("Rehearsal: {when}")));
    }
    let wanted = [
        (meeting.urgent, both("họp đột xuất", "called at short notice")),
        (meeting.recording, both("ghi hình", "recording")),
        (meeting.slides, both("trình chiếu", "slides")),
        (meeting.video, both("phát video", "video")),
    ];
    let wanted: Vec<_> = wanted.into_iter().filter(|(wanted, _)| *wanted).collect();
    if !wanted.is_empty() {
        let list = |lang: Lang| {
            let words: Vec<&str> = wanted.iter().map(|(_, word)| word.in_lang(lang)).collect();
            words.join(", ")
        };
        said.push(both(
            format!("Yêu cầu: {}", list(Lang::Vi)),
            format!("Wanted: {}", list(Lang::En)),
        ));
    }
    if let Some(rate) = meeting.rate_kbps {
        said.push(both(
            format!("Tốc độ mỗi chiều: {rate} kbit/s"),
            format!("Rate each way: {rate} kbit/s"),
        ));
    }
    for checkpoint in Planned::new(meeting.clone()).moments(None) {
        let (name, begins) = (&checkpoint.name, moment(checkpoint.limit_ms));
        let by = moment(checkpoint.limit_ms.saturating_add(ANSWER_MS));
        said.push(match checkpoint.from_ms.map(moment) {
            Some(from) => both(
                format!("Kiểm tra {name}: hộp bắt đầu lúc {begins}, tỉnh cần có kết quả trước {by} (bấm kiểm tra bằng tay từ {from} cũng được tính)"),
                format!("Check {name}: the box begins at {begins}, its result is expected before {by} (one by hand from {from} on counts too)"),
            ),
            None => both(
                format!("Kiểm tra {name}: hộp bắt đầu lúc {begins}, tỉnh cần có kết quả trước {by}"),
                format!("Check {name}: the box begins at {begins}, its result is expected before {by}"),
            ),
        });
    }
    said.iter().map(|line| line.in_lang(lang).to_owned()).collect()
}

pub(super) fn some_of<'a>(names: impl ExactSizeIterator<Item = &'a Name>) -> String {
    let n = names.len();
    let mut list: Vec<&str> = names.take(NAMED).map(Name::as_str).collect();
    if n > NAMED {
        list.push("…");
    }
    list.join(", ")
}
