//! The fleet's page, a room's and a meeting's as HTML: each one file with its style and script, readable without the
//! script.

use bridgepoint_protocol::page::{CSS, Html, MORPH};
use bridgepoint_protocol::text::{self, Lang, Params};

use super::asked::Asked;
use super::fleet::FleetView;
use super::meeting::MeetingView;
use super::room::RoomView;

mod fleet;
mod meeting;
mod room;

/// The fleet's page.
#[must_use]
pub fn fleet(view: &FleetView, nonce: &str) -> String {
    let title = ui(view.lang, "title-hub");
    document(view.lang, &title, nonce, &fleet::whole(view))
}

/// The fleet's `<main>` alone.
#[must_use]
pub fn fleet_part(view: &FleetView) -> String {
    fleet::whole(view).finish()
}

/// The lines alone, as a `<tbody>`: what a fold opens to.
#[must_use]
pub fn lines_part(view: &FleetView) -> String {
    fleet::lines_alone(view)
}

/// A room's page.
#[must_use]
pub fn room(view: &RoomView, asked: &Asked, nonce: &str) -> String {
    let title = format!("{} – {}", view.state, view.name);
    document(view.lang, &title, nonce, &room::whole(view, asked))
}

/// A room's `<main>` alone.
#[must_use]
pub fn room_part(view: &RoomView, asked: &Asked) -> String {
    room::whole(view, asked).finish()
}

/// A meeting's page.
#[must_use]
pub fn meeting(view: &MeetingView, nonce: &str) -> String {
    document(view.lang, &view.subject, nonce, &meeting::whole(view))
}

/// A meeting's `<main>` alone.
#[must_use]
pub fn meeting_part(view: &MeetingView) -> String {
    meeting::whole(view).finish()
}

fn document(lang: Lang, title: &str, nonce: &str, main: &Html) -> String {
    let mut html = Html::new();
    html.raw("<!doctype html><html").attr("lang", lang.word());
    html.raw("><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.raw("<title>")
        .text(title)
        .raw("</title><noscript><meta http-equiv=\"refresh\" content=\"60\"></noscript>");
    html.raw("<style")
        .attr("nonce", nonce)
        .raw(">")
        .raw(CSS)
        .raw(include_str!("page.css"));
    html.raw("</style></head><body>").append(main);
    html.raw("<script")
        .attr("nonce", nonce)
        .raw(">(() => {\n")
        .raw(MORPH)
        .raw(include_str!("page.js"));
    html.raw("})();</script></body></html>");
    html.finish()
}

fn other_language(html: &mut Html, lang: Lang, link: impl FnOnce(&str) -> String) {
    let word = match lang {
        Lang::Vi => "en",
        Lang::En => "vi",
    };
    html.raw("<a")
        .attr("href", &link(word))
        .attr("lang", word)
        .attr("hreflang", word)
        .raw(">");
    html.text(&ui(lang, "other-language")).raw("</a>");
}

fn ui(lang: Lang, key: &str) -> String {
    text::ui(lang, key, &Params::new())
}
