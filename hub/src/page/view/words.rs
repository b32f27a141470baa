//! A room's state in words and shapes, the same on the pages and on the command line.

use bridgepoint_protocol::claims::{ContactRole, PresenceState, Word};
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::text::{self, Contacts, Lang, Params};

use crate::agenda::{NextMeeting, Part};

use crate::fleet::{Enrolment, RoomState, Standing, View};

/// The view in words.
#[must_use]
pub fn view_text(room: &RoomState, lang: Lang) -> String {
    let mut params = Params::new();
    if let Some(result) = &room.standing.result {
        params.insert("time_ms".into(), result.measured_ms.into());
    }
    text::state_with(lang, state_key(room), &params)
}

/// Why, in one sentence; empty when there is nothing to say.
#[must_use]
pub fn why_text(room: &RoomState, lang: Lang) -> String {
    let standing = &room.standing;
    match standing.enrolment {
        Enrolment::Pending => return text::state(lang, "pending"),
        Enrolment::Revoked => return text::ui(lang, "enrolment-revoked", &Params::new()),
        Enrolment::Approved => {}
    }
    // What was found at another time is no reason for this.
    match (room.view, &room.meeting) {
        (View::NotNeeded, _) => return String::new(),
        (View::NotOnYet, Some(meeting)) => return by(lang, "due-by", meeting.part.limit_ms),
        (View::Silent, Some(meeting))
            if meeting.due && !meeting.part.heard(standing) && meeting.part.late =>
        {
            return by(lang, "overdue-since", meeting.part.limit_ms);
        }
        _ => {}
    }
    let Some(result) = &standing.result else {
        return text::ui(lang, "no-report", &Params::new());
    };
    if let Some(finding) = &result.why {
        return text::headline(lang, finding, &Contacts::new(&standing.contacts));
    }
    match result.missing_kinds.first() {
        Some(kind) => {
            let params = Params::from([("kind".to_owned(), kind.as_str().into())]);
            text::ui(lang, "kind-missing", &params)
        }
        None => String::new(),
    }
}

/// Whether a room was checked for a meeting, and by when it has to be.
#[must_use]
pub fn checked_text(part: &Part, lang: Lang, now_ms: i64) -> String {
    if !part.reported {
        let key = if part.late {
            "late-for-it"
        } else {
            "not-checked-for-it"
        };
        return by(lang, key, part.limit_ms);
    }
    // A run by hand, or one that names another meeting at the same moment, has no checkpoint of this one.
    let for_it = part.checked.as_ref();
    let for_it = for_it.filter(|it| part.heard_ms.is_none_or(|ms| ms == it.measured_ms));
    let made_ms = part.heard_ms.or_else(|| for_it.map(|it| it.measured_ms));
    let mut params = Params::new();
    if let Some(ms) = made_ms {
        params.insert("time".to_owned(), text::moment(lang, ms, now_ms).into());
    }
    let checkpoint = for_it.and_then(|it| it.checkpoint.as_deref());
    let Some(checkpoint) = checkpoint else {
        return text::ui(lang, "checked-at", &params);
    };
    params.insert("checkpoint".to_owned(), text::clean(checkpoint).into());
    text::ui(lang, "checked-for-it", &params)
}

fn by(lang: Lang, key: &str, limit_ms: i64) -> String {
    text::ui(
        lang,
        key,
        &Params::from([("time_ms".to_owned(), limit_ms.into())]),
    )
}

/// A room that is out of reach while nobody needs it has as a rule been switched off: cutting power after the
/// meeting is the regulation (R44), so it is not called overdue. One with a meeting further ahead has one planned.
pub(super) fn state_key(room: &RoomState) -> &'static str {
    let presence = room.standing.presence.as_ref();
    let lost = presence.is_some_and(|p| p.state == PresenceState::Lost);
    match room.view {
        View::Silent if lost && is_due(room) => "lost-due",
        View::Silent | View::NotNeeded if lost => "lost",
        View::NotNeeded if room.meeting.is_some() => "not-yet",
        view => view.word(),
    }
}

fn is_due(room: &RoomState) -> bool {
    room.meeting.as_ref().is_some_and(|meeting| meeting.due)
}

/// How a room stands, as a shape: after the limit of a meeting that it is needed for, silence is a fault.
#[must_use]
pub(super) fn room_sign(room: &RoomState) -> Sign {
    let late = |meeting: &NextMeeting| meeting.due && meeting.part.late;
    if room.view == View::Silent && room.meeting.as_ref().is_some_and(late) {
        return Sign::Fail;
    }
    sign(room.view)
}

/// The view as a shape.
#[must_use]
pub(super) fn sign(view: View) -> Sign {
    match view {
        View::Ready => Sign::Pass,
        View::Degraded | View::NotOnYet => Sign::Warn,
        View::NotReady => Sign::Fail,
        View::Silent | View::Unknown | View::Expired => Sign::Unknown,
        View::Sleeping | View::NotNeeded => Sign::Skipped,
    }
}

/// Whom to ring about a room: who is on duty, else its main technician. Name and number.
#[must_use]
pub(super) fn duty(standing: &Standing) -> Option<(String, String)> {
    let on_duty = standing.result.as_ref().and_then(|result| result.duty.as_ref());
    if let Some(duty) = on_duty {
        return Some((text::clean(&duty.name), text::clean(&duty.phone)));
    }
    let main = |role: ContactRole| {
        standing
            .contacts
            .iter()
            .find(|c| c.role == Word::Known(role) && c.phone.is_some())
    };
    let contact = main(ContactRole::Main).or_else(|| main(ContactRole::Second))?;
    let name = contact
        .name
        .as_deref()
        .or(contact.title.as_deref())
        .unwrap_or_default();
    Some((text::clean(name), text::clean(contact.phone.as_deref()?)))
}
