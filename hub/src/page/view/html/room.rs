//! One room: how it stands, what an operator has to look into, findings, the strip of runs, facts.

use bridgepoint_protocol::page::{Html, draw};
use bridgepoint_protocol::text::{self, Lang, Params};

use super::super::asked::Asked;
use super::super::room::{Note, PastLine, RoomView};
use super::fleet::meeting_link;
use super::{other_language, ui};

pub(super) fn whole(view: &RoomView, asked: &Asked) -> Html {
    let lang = view.lang;
    let mut html = Html::new();
    html.raw("<main id=\"main\"").attr("data-live", &view.at);
    html.attr("data-title", &format!("{} – {}", view.state, view.name))
        .raw("><header><p><a");
    html.attr(
        "href",
        &Asked {
            lang: asked.lang.clone(),
            ..Asked::default()
        }
        .link(|_| {}),
    )
    .raw(">");
    html.text(&ui(lang, "back-to-fleet")).raw("</a></p>");
    other_language(&mut html, lang, |word| format!("/rooms/{}?lang={word}", view.at));
    html.raw("</header><h1>").text(&view.name);
    if let Some(area) = &view.area {
        html.raw(" <small>").text(area).raw("</small>");
    }
    html.raw("</h1><section id=\"v\"")
        .attr("class", view.sign.class())
        .raw("><h2>");
    draw::shape(&mut html, view.sign);
    html.text(&view.state)
        .raw("</h2><p>")
        .text(&view.line)
        .raw("</p>");
    if let Some((name, phone)) = &view.duty {
        html.raw("<p>")
            .text(&ui(lang, "duty-officer"))
            .raw(": ")
            .text(name)
            .raw(" ");
        draw::tel(&mut html, phone);
        html.raw("</p>");
    }
    html.raw("</section>");
    if let Some(next) = &view.next {
        html.raw("<section id=\"next\"><p><a")
            .attr("href", &meeting_link(&next.id, asked))
            .raw(">")
            .text(&next.label)
            .raw("</a> <span>")
            .text(&next.checked)
            .raw("</span></p></section>");
    }
    for note in &view.notes {
        note_line(&mut html, note, lang);
    }
    html.raw("<section id=\"bad\"")
        .attr("aria-label", &ui(lang, "open-points"))
        .raw(">");
    draw::problems(&mut html, lang, &view.problems, false);
    html.raw("</section><section")
        .attr("aria-label", &ui(lang, "what-is-measured"))
        .raw(">");
    draw::path(&mut html, lang, &view.path);
    html.raw("</section>");
    runs(&mut html, &view.runs, lang);
    if !view.events.is_empty() {
        html.raw("<ul class=\"events\">");
        for event in &view.events {
            html.raw("<li>").text(event).raw("</li>");
        }
        html.raw("</ul>");
    }
    html.raw("<dl>");
    for (name, value) in &view.facts {
        html.raw("<div><dt>")
            .text(name)
            .raw("</dt><dd>")
            .text(value)
            .raw("</dd></div>");
    }
    html.raw("</dl></main>");
    html
}

fn note_line(html: &mut Html, note: &Note, lang: Lang) {
    html.raw("<p class=\"note\" role=\"alert\">").text(&note.said);
    if let Some(command) = &note.command {
        let said = text::ui(lang, "approve-command", &Params::new());
        let said = said.trim_end_matches(['…', ' ']);
        html.raw("<br>")
            .text(said)
            .raw(" <code>")
            .text(command)
            .raw("</code>");
    }
    html.raw("</p>");
}

fn runs(html: &mut Html, runs: &[PastLine], lang: Lang) {
    if runs.is_empty() {
        return;
    }
    html.raw("<section><h2 class=\"h\">")
        .text(&ui(lang, "last-runs"))
        .raw("</h2><ol class=\"runs\">");
    for run in runs {
        html.raw("<li")
            .attr("title", &run.said)
            .attr("class", if run.partial { "part" } else { "full" })
            .raw(">");
        draw::shape(html, run.sign);
        html.raw("<span class=\"sr\">")
            .text(&run.said)
            .raw("</span></li>");
    }
    html.raw("</ol>");
    if let Some(newest) = runs.last() {
        html.raw("<p class=\"dim\">").text(&newest.said).raw("</p>");
    }
    html.raw("</section>");
}
