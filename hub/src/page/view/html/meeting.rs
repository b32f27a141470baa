//! One meeting: its clock, its facts, the numbers of its rooms, and the rooms.

use bridgepoint_protocol::page::Html;
use bridgepoint_protocol::text::Lang;

use super::super::asked::Asked;
use super::super::meeting::{MeetingView, RoomLine};
use super::fleet::{begin_row, end_row, numbers, only, pages};
use super::{other_language, ui};

pub(super) fn whole(view: &MeetingView) -> Html {
    let MeetingView { asked, lang, .. } = view;
    let lang = *lang;
    // The same questions as the fleet's, at this meeting's address.
    let link = |change: &dyn Fn(&mut Asked)| {
        let link = asked.link(change);
        format!("/meetings/{}{}", view.id, link.trim_start_matches('/'))
    };
    let mut html = Html::new();
    html.raw("<main id=\"main\" data-live=\"all\"")
        .attr("data-title", &view.subject)
        .raw("><header><p><a");
    let fleet = Asked {
        lang: asked.lang.clone(),
        ..Asked::default()
    };
    html.attr("href", &fleet.link(|_| {}))
        .raw(">")
        .text(&ui(lang, "back-to-fleet"))
        .raw("</a></p>");
    other_language(&mut html, lang, |word| {
        link(&|asked: &mut Asked| asked.lang = Some(word.to_owned()))
    });
    html.raw("</header><h1>")
        .text(&view.subject)
        .raw("</h1><section id=\"next\"><p><b>")
        .text(&view.clock)
        .raw("</b> <span id=\"sum\">")
        .text(&view.sum)
        .raw("</span></p></section><dl class=\"few\">");
    for (name, value) in &view.facts {
        html.raw("<div><dt>")
            .text(name)
            .raw("</dt><dd>")
            .text(value)
            .raw("</dd></div>");
    }
    html.raw("</dl>");
    numbers(&mut html, &view.buckets, |bucket| {
        link(&|asked: &mut Asked| only(asked, bucket))
    });
    html.raw("<p id=\"news\" role=\"status\"><button type=\"button\" id=\"sort\" hidden>")
        .text(&ui(lang, "rows-changed"))
        .raw("</button></p>");
    table(&mut html, view, lang);
    pages(&mut html, lang, view.page, view.pages, |n| {
        link(&|asked: &mut Asked| asked.page = Some(n.to_string()))
    });
    html.raw("</main>");
    html
}

fn table(html: &mut Html, view: &MeetingView, lang: Lang) {
    if view.rooms.is_empty() {
        return;
    }
    html.raw("<table id=\"rooms\"><thead><tr>");
    for key in [
        "head-room",
        "head-area",
        "head-state",
        "head-why",
        "head-checked",
        "head-duty",
        "head-last-contact",
    ] {
        html.raw("<th scope=\"col\">").text(&ui(lang, key)).raw("</th>");
    }
    html.raw("</tr></thead><tbody id=\"rows\">");
    for line in &view.rooms {
        room(html, line, view, lang);
    }
    html.raw("</tbody></table>");
}

fn room(html: &mut Html, line: &RoomLine, view: &MeetingView, lang: Lang) {
    let RoomLine { row, checked } = line;
    begin_row(html, row, &view.asked);
    html.raw("</td><td>").text(checked);
    end_row(html, row, lang);
}
