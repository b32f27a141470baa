//! Pages for people: the fleet, one room, one meeting. This file answers; [`mod@fleet`], [`mod@room`] and
//! [`mod@meeting`] make what is shown, pure;
//! [`html`] draws it.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::response::{Html, IntoResponse as _, Response};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Pages, address};
use crate::fleet as rooms;

pub mod asked;
pub mod fleet;
pub mod html;
pub mod meeting;
pub mod next;
pub mod room;
#[cfg(test)]
mod tests;
mod words;

pub use words::{checked_text, view_text, why_text};

use asked::Asked;

/// `GET /`.
pub async fn fleet(State(shared): Pages, Query(asked): Query<Asked>) -> Response {
    let asked = asked.understood();
    let page = shared.page();
    let now_ms = (page.clock)();
    let lang = asked.lang(page.lang);
    let part = asked.part.clone();
    let agenda = page.board.agenda();
    let all = rooms::fleet(page.board.rooms(), &agenda, now_ms);
    let view = fleet::fleet(asked, lang, &all, &page.board.health(), now_ms);
    let view = view.with_meetings(&agenda, &all, now_ms);
    match part.as_deref() {
        Some("main") => Html(html::fleet_part(&view)).into_response(),
        Some("rows") => Html(html::lines_part(&view)).into_response(),
        _ => whole(|nonce| html::fleet(&view, nonce)),
    }
}

/// `GET /rooms/<org>/<room>`.
pub async fn room(
    State(shared): Pages,
    Path((org, room)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let at = match address(&org, &room) {
        Ok(at) => at,
        Err(refused) => return refused,
    };
    let asked = asked.understood();
    let page = shared.page();
    let lang = asked.lang(page.lang);
    match shared.detail(at).await {
        Ok(Some(detail)) => {
            let view = room::room(&detail, lang, (page.clock)());
            match asked.part.as_deref() {
                Some("main") => Html(html::room_part(&view, &asked)).into_response(),
                _ => whole(|nonce| html::room(&view, &asked, nonce)),
            }
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, e.said().in_lang(lang).to_owned()).into_response(),
    }
}

/// `GET /meetings/<id>`.
pub async fn meeting(State(shared): Pages, Path(id): Path<String>, Query(asked): Query<Asked>) -> Response {
    let asked = asked.understood();
    let page = shared.page();
    let now_ms = (page.clock)();
    let lang = asked.lang(page.lang);
    let agenda = page.board.agenda();
    let Some(planned) = agenda.meeting(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let all = rooms::fleet(page.board.rooms(), &agenda, now_ms);
    let part = asked.part.clone();
    let view = meeting::meeting(&planned.gathering(&all, now_ms), asked, lang, now_ms);
    match part.as_deref() {
        Some("main") => Html(html::meeting_part(&view)).into_response(),
        _ => whole(|nonce| html::meeting(&view, nonce)),
    }
}

/// A whole page, with the policy that lets its own style and script run, and nothing else.
fn whole(draw: impl FnOnce(&str) -> String) -> Response {
    let mut bytes = [0_u8; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the system gives no random numbers\n",
        )
            .into_response();
    }
    let nonce: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    let mut response = Html(draw(&nonce)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
