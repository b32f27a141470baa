//! The technician's page as HTML: one file with its style and script, readable without the script, and its
//! `<main>` alone for the script that puts a new state in the old one's place.

use bridgepoint_protocol::page::lines::Again;
use bridgepoint_protocol::page::{CSS, Html, MORPH, Sign, draw};
use bridgepoint_protocol::text::{self, Lang, Params};

use super::view::View;

/// What a page needs beside its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Allows this page's style and script, and no other (content security policy).
    pub(crate) nonce: &'a str,
    /// Lets this page's script ask for changes.
    pub(crate) token: &'a str,
    /// This run of the program: a page of an earlier one loads itself anew.
    pub(crate) instance: &'a str,
}

/// The whole page.
pub(crate) fn page(view: &View, lang: Lang, frame: Frame<'_>) -> String {
    let mut html = Html::new();
    html.raw("<!doctype html><html").attr("lang", lang.word());
    html.raw("><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.raw("<meta name=\"token\"").attr("content", frame.token);
    html.raw("><meta name=\"instance\"")
        .attr("content", frame.instance);
    html.raw("><title>").text(&title(view)).raw("</title>");
    html.raw("<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript><style")
        .attr("nonce", frame.nonce);
    html.raw(">")
        .raw(CSS)
        .raw(include_str!("page.css"))
        .raw("</style></head><body>");
    html.raw("<p id=\"lost\" class=\"note\" role=\"status\" hidden>")
        .text(&ui(lang, "contact-lost"));
    html.raw("</p><p id=\"note\" class=\"note\" role=\"alert\"")
        .attr("data-old", &ui(lang, "page-too-old"));
    html.raw(" hidden></p>");
    html.append(&body(view, lang));
    html.raw("<script")
        .attr("nonce", frame.nonce)
        .raw(">")
        .raw(MORPH)
        .raw(include_str!("page.js"))
        .raw("</script></body></html>");
    html.finish()
}

/// Its `<main>` alone.
pub(crate) fn main_part(view: &View, lang: Lang) -> String {
    body(view, lang).finish()
}

fn body(view: &View, lang: Lang) -> Html {
    let mut html = Html::new();
    html.raw("<main id=\"main\"")
        .attr("data-title", &title(view))
        .raw(">");
    header(&mut html, view, lang);
    head(&mut html, view, lang);
    html.raw("<section id=\"bad\"")
        .attr("aria-label", &ui(lang, "open-points"))
        .raw(">");
    draw::problems(&mut html, lang, &view.problems, true);
    if let Some(calm) = &view.calm {
        html.raw("<p class=\"dim\">").text(calm).raw("</p>");
    }
    html.raw("</section><section")
        .attr("aria-label", &ui(lang, "what-is-measured"))
        .raw(">");
    draw::path(&mut html, lang, &view.path);
    html.raw("</section>");
    footer(&mut html, view, lang);
    html.raw("</main>");
    html
}

fn header(html: &mut Html, view: &View, lang: Lang) {
    let (word, href) = match lang {
        Lang::Vi => ("en", "/?lang=en"),
        Lang::En => ("vi", "/?lang=vi"),
    };
    html.raw("<header><p class=\"room\">")
        .text(&view.room)
        .raw("</p>");
    if let Some(meeting) = &view.next_meeting {
        html.raw("<p>").text(&meeting.label).raw("</p>");
    }
    html.raw("<a")
        .attr("href", href)
        .attr("lang", word)
        .attr("hreflang", word)
        .raw(">");
    html.text(&ui(lang, "other-language")).raw("</a></header>");
}

/// The verdict, or how far the run is; with the buttons. The words for the screen reader are apart, so that it
/// does not read every step of a run.
fn head(html: &mut Html, view: &View, lang: Lang) {
    let head = &view.head;
    let (sign, label, line) = match &view.running {
        Some(running) => (Sign::Running, running.label.as_str(), running.act.as_str()),
        None => (head.sign, head.label.as_str(), head.line.as_str()),
    };
    let calm = view.running.is_none() && matches!(head.state, "idle" | "none");
    let old = view.running.is_none() && !head.fresh;
    html.raw("<section id=\"v\"").attr("class", sign.class());
    if calm || old {
        html.attr("data-mood", if calm { "calm" } else { "old" });
    }
    html.raw("><h1>");
    draw::shape(html, sign);
    html.text(label)
        .raw("</h1><div class=\"row\"><div class=\"line\"><p>")
        .text(line)
        .raw("</p>");
    if let Some(running) = &view.running {
        let counts = Some(&running.counts).filter(|counts| !counts.is_empty());
        let said: Vec<&str> = running.why.iter().chain(counts).map(String::as_str).collect();
        html.raw("<p class=\"dim\">").text(&said.join(" · ")).raw("</p>");
    }
    html.raw("</div><div class=\"acts js\">");
    buttons(html, view, lang);
    html.raw("</div></div>");
    match &view.running {
        Some(running) if running.total > 0 => {
            html.raw("<progress id=\"bar\"")
                .attr("aria-label", &running.label);
            html.attr("max", &running.total.to_string())
                .attr("value", &running.done.to_string())
                .raw("></progress>");
        }
        Some(running) => {
            html.raw("<progress id=\"bar\"")
                .attr("aria-label", &running.label)
                .raw("></progress>");
        }
        None => {
            html.raw("<progress id=\"bar\" class=\"still\" value=\"0\" aria-hidden=\"true\"></progress>");
        }
    }
    let spoken = match &view.running {
        Some(_) => text::state(lang, "running"),
        None if line.is_empty() => label.to_owned(),
        None => format!("{label}. {line}"),
    };
    html.raw("<p class=\"sr\" id=\"live\" role=\"status\" aria-live=\"polite\">")
        .text(&spoken)
        .raw("</p></section>");
}

fn buttons(html: &mut Html, view: &View, lang: Lang) {
    if let Some(again) = &view.again {
        draw::button(html, "again", &ui(lang, "retest-failed"), again, None);
    }
    draw::button(html, "now", &ui(lang, "check-now"), &Again::Whole, None);
}

fn footer(html: &mut Html, view: &View, lang: Lang) {
    html.raw("<footer>");
    if let Some(said) = &view.read_aloud {
        html.raw("<p class=\"aloud\">").text(said).raw("</p>");
    }
    html.raw("<div class=\"cols\"><p>");
    match &view.duty {
        Some(duty) => {
            html.text(&ui(lang, "duty-officer"))
                .raw(": ")
                .text(&duty.name)
                .raw(", ");
            draw::tel(html, &duty.phone);
        }
        None => {
            html.text(&ui(lang, "duty-none"));
        }
    }
    html.raw("</p><p>").text(&view.delivery);
    if view.delivered {
        html.raw(" <span class=\"pass\"><i aria-hidden=\"true\">✓</i></span>");
    }
    html.raw("</p><p>")
        .text(&ui(lang, "no-content-kept"))
        .raw(".</p><p>")
        .text(&ui(lang, "fingerprint"));
    html.raw(": <span class=\"code\">")
        .text(&view.fingerprint)
        .raw("</span></p>");
    if !view.telephones.is_empty() {
        html.raw("<p>");
        for telephone in &view.telephones {
            html.raw("<span class=\"ring\"><span aria-hidden=\"true\">☎</span> ");
            html.text(telephone.name.as_deref().unwrap_or_default()).raw(" ");
            draw::tel(html, &telephone.phone);
            html.raw("</span> ");
        }
        html.raw("</p>");
    }
    html.raw("<div><p>").text(&view.baseline).raw("</p>");
    accept(html, view, lang);
    html.raw("</div></div></footer>");
}

/// Accepting a rehearsal asks for two names (R20). There is something to accept after a full run only.
fn accept(html: &mut Html, view: &View, lang: Lang) {
    if view.head.measured_ms.is_none() {
        return;
    }
    html.raw("<details id=\"base\" class=\"js\"><summary>")
        .text(&ui(lang, "accept-baseline"))
        .raw("</summary>");
    html.raw("<form id=\"accept\">");
    for (name, key) in [("by", "full-name"), ("allowed_by", "allowed-by")] {
        html.raw("<label>").text(&ui(lang, key));
        html.raw("<input required maxlength=\"100\" autocomplete=\"off\"")
            .attr("id", name)
            .attr("name", name);
        html.raw("></label>");
    }
    html.raw("<button>")
        .text(&ui(lang, "save"))
        .raw("</button></form></details>");
}

fn title(view: &View) -> String {
    let label = view
        .running
        .as_ref()
        .map_or(view.head.label.as_str(), |running| running.label.as_str());
    format!("{label} – {}", view.room)
}

fn ui(lang: Lang, key: &str) -> String {
    text::ui(lang, key, &Params::new())
}
