//! What the page says of meetings: the next one, by when a fault has to be cleared, and why a run is made.

use bridgepoint_protocol::claims::{Meeting, Trigger, TriggerKind};
use bridgepoint_protocol::schedule::{end, moments};
use bridgepoint_protocol::text::{self, Params};
use serde::Serialize;

use super::Seen;
use crate::say::{self, params};
use crate::schedule;

/// The next meeting, or the one that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NextMeeting {
    /// Its id.
    pub(crate) id: String,
    /// Its official start, UTC milliseconds.
    pub(crate) start_ms: i64,
    /// Its end, UTC milliseconds.
    pub(crate) end_ms: i64,
    /// The next check for it, UTC milliseconds.
    pub(crate) next_check_ms: Option<i64>,
    /// All of it in a line.
    pub(crate) label: String,
}

/// A day, and longer checkpoints are said in days.
const DAY_MIN: i64 = 24 * 60;

/// The next meeting in a line.
pub(super) fn next(seen: &Seen<'_>) -> Option<NextMeeting> {
    let meeting = schedule::next_meeting(seen.meetings, seen.now_ms)?;
    let checks = moments(&seen.settings.profile, meeting.start_ms);
    Some(NextMeeting {
        id: text::clean(&meeting.id),
        start_ms: meeting.start_ms,
        end_ms: end(meeting.start_ms, meeting.length_min),
        next_check_ms: checks
            .iter()
            .map(|check| check.limit_ms)
            .find(|at| *at > seen.now_ms),
        label: say::meeting(meeting, seen.now_ms, seen.lang),
    })
}

/// By when what is wrong has to be cleared, UTC milliseconds.
pub(super) fn deadline(seen: &Seen<'_>) -> Option<i64> {
    schedule::deadline_after(seen.meetings, &seen.settings.profile, seen.now_ms)
}

/// Whether a meeting is in its hours.
pub(super) fn in_hours(seen: &Seen<'_>) -> bool {
    seen.meetings.iter().any(|meeting| {
        let profile = &seen.settings.profile;
        bridgepoint_protocol::schedule::window(profile, meeting.start_ms, meeting.length_min)
            .holds(seen.now_ms)
    })
}

/// Why a run is made, where the clock has started it, e.g. `Kiểm tra theo lịch, trước giờ họp 90 phút (06:30)`.
pub(super) fn why(seen: &Seen<'_>, trigger: Option<&Trigger>) -> Option<String> {
    let trigger = trigger?;
    let meeting = seen
        .meetings
        .iter()
        .find(|meeting| Some(&meeting.id) == trigger.meeting.as_ref())?;
    let moment = moment_in_words(seen, meeting, trigger.checkpoint.as_deref()?)?;
    let key = match trigger.kind.or(TriggerKind::Schedule) {
        TriggerKind::Boot => "why-late",
        _ => "why-scheduled",
    };
    Some(text::ui(seen.lang, key, &params([("moment", moment.into())])))
}

fn moment_in_words(seen: &Seen<'_>, meeting: &Meeting, checkpoint: &str) -> Option<String> {
    let moment = moments(&seen.settings.profile, meeting.start_ms)
        .into_iter()
        .find(|moment| moment.name == checkpoint)?;
    let minutes = meeting.start_ms.saturating_sub(moment.limit_ms) / 60_000;
    let mut said = params([(
        "time",
        text::moment(seen.lang, moment.limit_ms, seen.now_ms).into(),
    )]);
    if minutes < DAY_MIN {
        said.insert("minutes".into(), minutes.into());
    } else {
        said.insert("days".into(), (minutes / DAY_MIN).into());
    }
    Some(text::ui(seen.lang, "before-meeting", &said))
}

/// The line of a box at rest.
pub(super) fn at_rest(seen: &Seen<'_>) -> (String, Option<String>) {
    let next = schedule::look_ahead(seen.meetings, &seen.settings.profile, seen.now_ms);
    let label = match schedule::next_meeting(seen.meetings, seen.now_ms) {
        Some(_) => text::state(seen.lang, "sleeping"),
        None => text::ui(seen.lang, "no-meeting", &Params::new()),
    };
    let line = next.map(|at_ms| {
        let time = text::moment(seen.lang, at_ms, seen.now_ms);
        text::ui(seen.lang, "next-check", &params([("time", time.into())]))
    });
    (label, line)
}
