//! One meeting as its page shows it: its clock, how many of its rooms have reported for it, and the rooms, worst
//! first, each with its check for this meeting and whom to ring. Pure.

use bridgepoint_protocol::text::{self, Lang, Params};

use super::asked::Asked;
use super::fleet::{Bucket, LINES, Row, buckets, matches, row};
use super::next::whole_minutes;
use super::words::checked_text;
use crate::agenda::Gathering;
use crate::fleet::RoomState;
use crate::meeting::Meeting;

/// Everything that the page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct MeetingView {
    /// What was asked.
    pub asked: Asked,
    /// The language.
    pub lang: Lang,
    /// Its id.
    pub id: String,
    /// Its subject.
    pub subject: String,
    /// Its clock: how long until it begins, that it is on, over or cancelled.
    pub clock: String,
    /// How many of its rooms have reported for it, and how many are late.
    pub sum: String,
    /// Name and value: when, how long, the chair, what is wanted, the checkpoint.
    pub facts: Vec<(String, String)>,
    /// The numbers that are filters.
    pub buckets: Vec<Bucket>,
    /// The rooms of this page.
    pub rooms: Vec<RoomLine>,
    /// This page, from 1.
    pub page: usize,
    /// How many pages.
    pub pages: usize,
}

/// A room of the meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomLine {
    /// The room.
    pub row: Row,
    /// Whether it was checked for this meeting.
    pub checked: String,
}

/// Makes the view.
#[must_use]
pub fn meeting(gathering: &Gathering, asked: Asked, lang: Lang, now_ms: i64) -> MeetingView {
    let all: Vec<&RoomState> = gathering.rooms.iter().map(|(room, _)| room).collect();
    let wanted = matches(&asked);
    let matching: Vec<_> = gathering.rooms.iter().filter(|(room, _)| wanted(&room)).collect();
    let pages = matching.len().div_ceil(LINES).max(1);
    let page = asked.page().min(pages);
    let rooms = matching
        .iter()
        .skip((page - 1) * LINES)
        .take(LINES)
        .map(|(room, part)| RoomLine {
            row: row(room, lang, now_ms),
            checked: checked_text(part, lang, now_ms),
        })
        .collect();
    drop(wanted);
    MeetingView {
        lang,
        id: gathering.meeting.id.to_string(),
        subject: gathering.meeting.subject.clone(),
        clock: clock(&gathering.meeting, lang, now_ms),
        sum: sum(gathering, lang, now_ms),
        facts: facts(gathering, lang, now_ms),
        buckets: buckets(&asked, &all, lang),
        rooms,
        page,
        pages,
        asked,
    }
}

fn clock(meeting: &Meeting, lang: Lang, now_ms: i64) -> String {
    let at = |key: &str, ms: i64| say(lang, key, [("time", text::moment(lang, ms, now_ms))]);
    if let Some(cancelled_ms) = meeting.cancelled_ms {
        return at("meeting-cancelled", cancelled_ms);
    }
    if meeting.end_ms() <= now_ms {
        return at("meeting-over", meeting.end_ms());
    }
    let left_ms = meeting.start_ms - now_ms;
    if left_ms <= 0 {
        return say(
            lang,
            "in-session",
            [("time", text::moment(lang, meeting.start_ms, now_ms))],
        );
    }
    let remaining = text::duration(lang, whole_minutes(left_ms));
    say(lang, "meeting-left", [("remaining", remaining)])
}

/// `188/190 điểm cầu đã báo cho phiên này, 2 điểm cầu quá hạn 06:30 chưa báo`.
fn sum(gathering: &Gathering, lang: Lang, now_ms: i64) -> String {
    let Gathering { total, reported, .. } = gathering;
    let mut sum = say(
        lang,
        "meeting-reported",
        [("n", reported.to_string()), ("total", total.to_string())],
    );
    let late = gathering
        .rooms
        .iter()
        .filter(|(_, part)| part.late && !part.reported);
    let late: Vec<i64> = late.map(|(_, part)| part.limit_ms).collect();
    if let Some(first_ms) = late.iter().min() {
        let time = text::moment(lang, *first_ms, now_ms);
        sum.push_str(", ");
        sum.push_str(&say(
            lang,
            "meeting-late",
            [("n", late.len().to_string()), ("time", time)],
        ));
    }
    sum
}

fn facts(gathering: &Gathering, lang: Lang, now_ms: i64) -> Vec<(String, String)> {
    let meeting = &gathering.meeting;
    let moment = |ms: i64| text::moment(lang, ms, now_ms);
    let word = |key: &str| say(lang, key, []);
    let length = say(
        lang,
        "meeting-length",
        [("minutes", meeting.length_min.to_string())],
    );
    let kind = if meeting.urgent {
        "kind-urgent"
    } else {
        "kind-planned"
    };
    let limit = say(
        lang,
        "meeting-limit",
        [
            ("checkpoint", gathering.checkpoint.clone()),
            ("time", moment(gathering.limit_ms)),
        ],
    );
    let mut facts = vec![
        (
            word("meeting-start"),
            format!("{} · {length}", moment(meeting.start_ms)),
        ),
        (word("meeting-kind"), word(kind)),
        (word("head-checked"), limit),
    ];
    facts.extend(meeting.rehearsal_ms.map(|ms| (word("rehearsal"), moment(ms))));
    if let Some(chair) = &meeting.chair {
        let named = gathering
            .rooms
            .iter()
            .find(|(room, _)| room.standing.room == *chair);
        let name = named.map_or_else(|| chair.to_string(), |(room, _)| room.standing.name.clone());
        facts.push((word("role-chair"), name));
    }
    let wanted = [
        (meeting.recording, "wanted-recording"),
        (meeting.slides, "wanted-slides"),
        (meeting.video, "wanted-video"),
    ];
    let mut wanted: Vec<String> = wanted
        .iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, key)| word(key))
        .collect();
    wanted.extend(meeting.rate_kbps.map(|rate| format!("{rate} kbit/s")));
    if !wanted.is_empty() {
        facts.push((word("meeting-wanted"), wanted.join(", ")));
    }
    facts
}

fn say<const N: usize>(lang: Lang, key: &str, params: [(&str, String); N]) -> String {
    let params: Params = params
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    text::ui(lang, key, &params)
}
