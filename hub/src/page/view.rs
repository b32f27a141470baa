//! Pages for people: the fleet, and one room. Plain tables, readable without anything but a browser.

use std::fmt::Write as _;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use bridgepoint_protocol::text::{self, Contacts, Lang};

use super::json::{Fleet, Wanted};
use super::{Pages, address};
use crate::detail::RoomDetail;
use crate::fleet::{self, RoomState};

/// `GET /`.
pub async fn fleet(State(shared): Pages, Query(wanted): Query<Wanted>) -> Html<String> {
    let page = shared.page();
    let now_ms = (page.clock)();
    let lang = lang(wanted.lang.as_deref(), page.lang);
    Html(fleet_page(
        &wanted
            .bounded()
            .of(fleet::fleet(page.board.rooms(), now_ms), now_ms),
        lang,
    ))
}

/// `GET /rooms/<org>/<room>`.
pub async fn room(
    State(shared): Pages,
    Path((org, room)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let at = match address(&org, &room) {
        Ok(at) => at,
        Err(refused) => return refused,
    };
    let page = shared.page();
    match shared.detail(at).await {
        Ok(Some(detail)) => {
            let lang = lang(wanted.lang.as_deref(), page.lang);
            Html(room_page(&detail, lang, (page.clock)())).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(e) => (
            StatusCode::SERVICE_UNAVAILABLE,
            e.said().in_lang(page.lang).to_owned(),
        )
            .into_response(),
    }
}

fn lang(asked: Option<&str>, otherwise: Lang) -> Lang {
    asked.and_then(|word| word.parse().ok()).unwrap_or(otherwise)
}

/// The fleet as a table.
#[must_use]
pub fn fleet_page(fleet: &Fleet, lang: Lang) -> String {
    let mut rows = String::new();
    for room in &fleet.rooms {
        let s = &room.standing;
        // Writing to a text does not fail.
        let _ = writeln!(
            rows,
            "<tr><td><a href=\"/rooms/{}/{}\">{}</a><td>{}<td>{}<td>{}<td>{}",
            s.org,
            s.room,
            escape(&s.name),
            escape(s.area.as_deref().unwrap_or("")),
            escape(&view_text(room, lang)),
            escape(&why_text(room, lang)),
            escape(&text::moment(lang, room.since_ms, fleet.now_ms)),
        );
    }
    document(lang, "bridgepoint", &format!("<table>\n{rows}</table>"))
}

/// One room as a table of its findings.
#[must_use]
pub fn room_page(detail: &RoomDetail, lang: Lang, now_ms: i64) -> String {
    let s = &detail.state.standing;
    let contacts = Contacts::new(&s.contacts);
    let mut body = format!(
        "<h1>{}</h1>\n<p>{} · {}</p>\n<p>{}</p>\n<table>\n",
        escape(&s.name),
        escape(&view_text(&detail.state, lang)),
        escape(&text::moment(lang, detail.state.since_ms, now_ms)),
        escape(s.fingerprint.as_deref().unwrap_or("")),
    );
    for finding in &detail.findings {
        let said = text::finding(lang, finding, &contacts);
        let _ = writeln!(
            body,
            "<tr><td>{}<td>{}<td>{}<td>{}",
            escape(&text::check_label_with(lang, &finding.check, &finding.params)),
            escape(text::status(lang, finding.status())),
            escape(&said.label),
            escape(&said.act),
        );
    }
    body.push_str("</table>");
    document(lang, &s.name, &body)
}

/// The view in words.
#[must_use]
pub fn view_text(room: &RoomState, lang: Lang) -> String {
    let mut params = text::Params::new();
    if let Some(result) = &room.standing.result {
        params.insert("time_ms".into(), result.measured_ms.into());
    }
    text::state_with(lang, room.view.word(), &params)
}

/// Why, in one sentence; empty when there is nothing to say.
#[must_use]
pub fn why_text(room: &RoomState, lang: Lang) -> String {
    if room.standing.enrolment == fleet::Enrolment::Pending {
        return text::state(lang, "pending");
    }
    let contacts = Contacts::new(&room.standing.contacts);
    let why = room.standing.result.as_ref().and_then(|r| r.why.as_ref());
    why.map(|finding| text::headline(lang, finding, &contacts))
        .unwrap_or_default()
}

fn document(lang: Lang, title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{}</title>\n{body}\n</html>\n",
        lang.word(),
        escape(title)
    )
}

/// Text as HTML text or attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
