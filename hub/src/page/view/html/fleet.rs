//! The fleet: numbers, search, the table with its folds, paging.

use bridgepoint_protocol::page::{Html, Sign, draw};
use bridgepoint_protocol::text::{self, Lang, Params};

use super::super::asked::Asked;
use super::super::fleet::{Bucket, FleetView, Fold, Line, Row};
use super::{other_language, ui};

pub(super) fn whole(view: &FleetView) -> Html {
    let FleetView { asked, lang, .. } = view;
    let lang = *lang;
    let mut html = Html::new();
    let title = ui(lang, "title-hub");
    html.raw("<main id=\"main\" data-live=\"all\"")
        .attr("data-title", &title)
        .raw("><header><h1>")
        .text(&title);
    html.raw("</h1>");
    other_language(&mut html, lang, |word| {
        asked.link(|asked| asked.lang = Some(word.to_owned()))
    });
    html.raw("</header>");
    for trouble in &view.troubles {
        html.raw("<p class=\"note\" role=\"alert\">")
            .text(trouble)
            .raw("</p>");
    }
    next(&mut html, view);
    numbers(&mut html, &view.buckets, |bucket| {
        asked.link(|asked| only(asked, bucket))
    });
    html.raw("<div class=\"bar\"><p id=\"sum\">")
        .text(&view.sum)
        .raw("</p>");
    html.raw("<p id=\"news\" role=\"status\"><button type=\"button\" id=\"sort\" hidden>");
    html.text(&ui(lang, "rows-changed")).raw("</button></p>");
    search(&mut html, asked, lang);
    html.raw("</div>");
    if let Some(about) = &view.about {
        let back = asked.link(|asked| (asked.area, asked.cause, asked.page) = (None, None, None));
        html.raw("<p class=\"about\"><b>")
            .text(about)
            .raw("</b> <a")
            .attr("href", &back)
            .raw(">");
        html.text(&ui(lang, "back-to-fleet")).raw("</a></p>");
    }
    table(&mut html, view);
    pages(&mut html, lang, view.page, view.pages, |n| {
        asked.link(|asked| asked.page = Some(n.to_string()))
    });
    html.raw("</main>");
    html
}

pub(super) fn lines_alone(view: &FleetView) -> String {
    let mut html = Html::new();
    html.raw("<table><tbody>");
    lines(&mut html, view);
    if view.pages > 1 {
        let all = view.asked.link(|asked| asked.page = Some("2".to_owned()));
        html.raw("<tr><td colspan=\"7\"><a")
            .attr("href", &all)
            .raw(">")
            .text(&ui(view.lang, "next-page"));
        html.raw("</a></td></tr>");
    }
    html.raw("</tbody></table>");
    html.finish()
}

fn next(html: &mut Html, view: &FleetView) {
    if view.next.is_empty() {
        return;
    }
    html.raw("<section id=\"next\">");
    for meeting in &view.next {
        html.raw("<p><a")
            .attr("href", &meeting_link(&meeting.id, &view.asked))
            .raw(">")
            .text(&meeting.label)
            .raw("</a> <span>")
            .text(&meeting.sum)
            .raw("</span></p>");
    }
    html.raw("</section>");
}

/// What is asked, with this number as its filter.
pub(super) fn only(asked: &mut Asked, bucket: &Bucket) {
    asked.view = (!bucket.key.is_empty()).then(|| bucket.key.to_owned());
    (asked.page, asked.cause) = (None, None);
}

pub(super) fn numbers(html: &mut Html, buckets: &[Bucket], link: impl Fn(&Bucket) -> String) {
    html.raw("<nav class=\"nums\" id=\"nums\">");
    for bucket in buckets {
        let link = link(bucket);
        html.raw("<a")
            .attr("class", bucket.sign.class())
            .attr("href", &link);
        if bucket.chosen {
            html.attr("aria-current", "true");
        }
        html.raw("><b>").text(&bucket.n.to_string()).raw("</b> <span>");
        if bucket.sign != Sign::None {
            draw::shape(html, bucket.sign);
        }
        html.text(&bucket.label).raw("</span></a>");
    }
    html.raw("</nav>");
}

fn search(html: &mut Html, asked: &Asked, lang: Lang) {
    let label = ui(lang, "search-room");
    html.raw("<form role=\"search\" action=\"/\">");
    for (name, value) in [
        ("view", &asked.view),
        ("org", &asked.org),
        ("area", &asked.area),
        ("lang", &asked.lang),
    ] {
        if let Some(value) = value {
            html.raw("<input type=\"hidden\"")
                .attr("name", name)
                .attr("value", value)
                .raw(">");
        }
    }
    html.raw("<input type=\"search\" name=\"q\" id=\"q\" maxlength=\"100\"")
        .attr("aria-label", &label);
    html.attr("placeholder", &label)
        .attr("value", asked.q.as_deref().unwrap_or_default())
        .raw("><button>");
    html.text(&label).raw("</button></form>");
}

fn table(html: &mut Html, view: &FleetView) {
    if view.lines.is_empty() {
        let nothing = if view.buckets.last().is_some_and(|all| all.n == 0) {
            "no-rooms"
        } else {
            "filter-all"
        };
        html.raw("<p class=\"dim\">");
        if nothing == "no-rooms" {
            html.text(&ui(view.lang, nothing));
        } else {
            html.raw("0 · <a").attr(
                "href",
                &Asked {
                    lang: view.asked.lang.clone(),
                    ..Asked::default()
                }
                .link(|_| {}),
            );
            html.raw(">").text(&ui(view.lang, nothing)).raw("</a>");
        }
        html.raw("</p>");
        return;
    }
    html.raw("<table id=\"rooms\"><thead><tr>");
    for key in [
        "head-room",
        "head-area",
        "head-state",
        "head-why",
        "head-since",
        "head-duty",
        "head-last-contact",
    ] {
        html.raw("<th scope=\"col\">")
            .text(&ui(view.lang, key))
            .raw("</th>");
    }
    html.raw("</tr></thead><tbody id=\"rows\">");
    lines(html, view);
    html.raw("</tbody></table>");
}

fn lines(html: &mut Html, view: &FleetView) {
    for line in &view.lines {
        match line {
            Line::Room(row) => room_row(html, row, view),
            Line::Fold(fold) => fold_row(html, fold, view),
        }
    }
}

fn room_row(html: &mut Html, row: &Row, view: &FleetView) {
    begin_row(html, row, &view.asked);
    html.raw("</td><td")
        .attr("data-h", &ui(view.lang, "head-since"))
        .raw(">");
    html.text(&row.since);
    end_row(html, row, view.lang);
}

/// A room's line up to why it stands as it does, with that cell still open.
pub(super) fn begin_row(html: &mut Html, row: &Row, asked: &Asked) {
    html.raw("<tr")
        .attr("id", &row.at)
        .raw("><th scope=\"row\"><a")
        .attr("href", &room_link(&row.at, asked))
        .raw(">")
        .text(&row.name)
        .raw("</a></th><td>")
        .text(&row.area)
        .raw("</td><td>");
    draw::sign(html, row.sign, &row.state);
    html.raw("</td><td>").text(&row.why);
}

/// The rest of a room's line: who is on duty, and when it was heard last.
pub(super) fn end_row(html: &mut Html, row: &Row, lang: Lang) {
    html.raw("</td><td>");
    if let Some((name, phone)) = &row.duty {
        html.text(name).raw(" ");
        draw::tel(html, phone);
    }
    html.raw("</td><td")
        .attr("data-h", &ui(lang, "head-last-contact"))
        .raw(">")
        .text(&row.seen)
        .raw("</td></tr>");
}

/// Without the script the line leads to its rooms; with it they open below.
fn fold_row(html: &mut Html, fold: &Fold, view: &FleetView) {
    let link = view.asked.link(|asked| {
        (asked.area, asked.cause, asked.page) = (Some(fold.area.clone()), Some(fold.cause.clone()), None);
    });
    html.raw("<tr class=\"fold\"").attr("id", &link);
    html.raw("><th scope=\"row\" colspan=\"7\">");
    draw::shape(html, fold.sign);
    html.raw("<a class=\"open\"")
        .attr("href", &link)
        .raw(">")
        .text(&fold.label)
        .raw("</a> <small>")
        .text(&fold.state);
    html.raw("</small></th></tr>");
}

/// Links to the other pages; `to` makes one.
pub(super) fn pages(html: &mut Html, lang: Lang, page: usize, pages: usize, to: impl Fn(usize) -> String) {
    if pages < 2 {
        return;
    }
    html.raw("<nav class=\"pages\">");
    if page > 1 {
        html.raw("<a rel=\"prev\"")
            .attr("href", &to(page - 1))
            .raw(">")
            .text(&ui(lang, "previous-page"))
            .raw("</a>");
    }
    let params = Params::from([
        ("page".to_owned(), page.into()),
        ("pages".to_owned(), pages.into()),
    ]);
    html.raw("<span>")
        .text(&text::ui(lang, "page-of", &params))
        .raw("</span>");
    if page < pages {
        html.raw("<a rel=\"next\"")
            .attr("href", &to(page + 1))
            .raw(">")
            .text(&ui(lang, "next-page"))
            .raw("</a>");
    }
    html.raw("</nav>");
}

/// A meeting's page.
pub(super) fn meeting_link(id: &str, asked: &Asked) -> String {
    match &asked.lang {
        Some(lang) => format!("/meetings/{id}?lang={lang}"),
        None => format!("/meetings/{id}"),
    }
}

pub(super) fn room_link(at: &str, asked: &Asked) -> String {
    match &asked.lang {
        Some(lang) => format!("/rooms/{at}?lang={lang}"),
        None => format!("/rooms/{at}"),
    }
}
