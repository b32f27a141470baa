//! A room's state in words and shapes, the same on the pages and on the command line.

use bridgepoint_protocol::claims::{ContactRole, PresenceState, Word};
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::text::{self, Contacts, Lang, Params};

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

/// A room that is out of reach while nobody needs it has as a rule been switched off: cutting power after the
/// meeting is the regulation (R44), so it is not called overdue.
fn state_key(room: &RoomState) -> &'static str {
    match room.view {
        View::Silent
            if room
                .standing
                .presence
                .as_ref()
                .is_some_and(|p| p.state == PresenceState::Lost) =>
        {
            "lost"
        }
        view => view.word(),
    }
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
