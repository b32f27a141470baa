//! Findings as HTML, the same on the box's page and on the province's page of a room.
//!
//! Elements that live on when a line arrives have an `id`, so that the page can put the new state in their place
//! without losing what is open, where the keyboard is or what is being read.

use super::lines::{Again, Line, Part, Problem};
use super::{Html, Sign};
use crate::text::{self, Lang, Params};

/// A shape and its word. The word is for everybody; the shape is not read aloud.
pub fn sign(html: &mut Html, sign: Sign, word: &str) {
    html.raw("<span class=\"s\">");
    shape(html, sign);
    html.raw("<span>").text(word).raw("</span></span>");
}

/// A shape alone, where the word stands elsewhere.
pub fn shape(html: &mut Html, sign: Sign) {
    html.raw("<i aria-hidden=\"true\"")
        .attr("class", sign.class())
        .raw(">")
        .raw(sign.shape())
        .raw("</i>");
}

/// What is wrong, worst first. With `buttons` each has its own re-test.
pub fn problems(html: &mut Html, lang: Lang, problems: &[Problem], buttons: bool) {
    if problems.is_empty() {
        return;
    }
    html.raw("<ul class=\"bad\">");
    for (at, problem) in problems.iter().enumerate() {
        html.raw("<li")
            .attr("id", &format!("p-{}", key(problem, at)))
            .attr("class", problem.sign.class())
            .raw(">");
        html.raw("<div><h3>");
        shape(html, problem.sign);
        html.text(&problem.headline)
            .raw(" <small>")
            .text(&problem.word)
            .raw("</small></h3>");
        act(html, problem);
        html.raw("</div>");
        if let Some(again) = problem.again.as_ref().filter(|_| buttons) {
            let label = text::ui(lang, "retest-one", &Params::new());
            button(
                html,
                &format!("r-{}", key(problem, at)),
                &label,
                again,
                Some(&problem.headline),
            );
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
}

/// A button that asks for a check. What it asks for stands in it; the page's script sends it.
pub fn button(html: &mut Html, id: &str, label: &str, again: &Again, about: Option<&str>) {
    let only = match again {
        Again::Whole => "null".to_owned(),
        Again::Only(parts) => serde_json::to_string(parts).unwrap_or_default(),
    };
    html.raw("<button type=\"button\"")
        .attr("id", id)
        .attr("data-only", &only);
    if let Some(about) = about {
        html.attr("aria-label", &format!("{label}: {about}"));
    }
    html.raw(">").text(label).raw("</button>");
}

/// The signal path: its parts in order, each opening to all its checks.
pub fn path(html: &mut Html, lang: Lang, parts: &[Part]) {
    html.raw("<div class=\"path\">");
    for part in parts {
        html.raw("<details")
            .attr("id", &format!("g-{}", part.group))
            .attr("class", part.sign.class());
        html.raw("><summary><b>").text(part.label).raw("</b> ");
        sign(html, part.sign, &part.word);
        html.raw("</summary>");
        table(html, lang, part);
        html.raw("</details>");
    }
    html.raw("</div>");
}

fn table(html: &mut Html, lang: Lang, part: &Part) {
    let heads = ["head-check", "head-value", "head-limit", "head-base", "head-time"]
        .map(|key| text::ui(lang, key, &Params::new()));
    html.raw("<div class=\"sheet\"><table><caption>")
        .text(part.label)
        .raw("</caption><thead><tr>");
    for head in &heads {
        html.raw("<th scope=\"col\">").text(head).raw("</th>");
    }
    html.raw("</tr></thead><tbody>");
    for line in &part.lines {
        html.raw("<tr><th scope=\"row\">");
        shape(html, line.sign);
        html.text(&line.label).raw("<small>").text(&line.word);
        if let Some(says) = &line.says {
            html.raw(" – ").text(says);
        }
        html.raw("</small></th>");
        for (head, cell) in heads.iter().skip(1).zip(cells(line)) {
            match cell {
                // On a narrow page the heading stands before each figure.
                Some(text) => html
                    .raw("<td")
                    .attr("data-h", head)
                    .raw(">")
                    .text(text)
                    .raw("</td>"),
                None => html.raw("<td></td>"),
            };
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>");
}

fn cells(line: &Line) -> [Option<&str>; 4] {
    [&line.value, &line.limit, &line.base, &line.time].map(Option::as_deref)
}

fn act(html: &mut Html, problem: &Problem) {
    let Problem { act, ring, .. } = problem;
    let split = ring
        .as_ref()
        .filter(|r| r.in_act)
        .and_then(|r| Some((r, act.split_once(r.phone.as_str())?)));
    if act.is_empty() && ring.is_none() {
        return;
    }
    html.raw("<p>");
    match split {
        Some((ring, (before, after))) => {
            html.text(before);
            tel(html, &ring.phone);
            html.text(after);
        }
        None => {
            html.text(act);
            if let Some(ring) = ring {
                html.raw(" <span class=\"ring\"><span aria-hidden=\"true\">☎</span> ");
                if let Some(who) = &ring.who {
                    html.text(who).raw(" ");
                }
                tel(html, &ring.phone);
                html.raw("</span>");
            }
        }
    }
    html.raw("</p>");
}

/// A telephone number that a telephone can dial.
pub fn tel(html: &mut Html, phone: &str) {
    let dialled: String = phone
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '+')
        .collect();
    html.raw("<a class=\"tel\"")
        .attr("href", &format!("tel:{dialled}"))
        .raw(">")
        .text(phone)
        .raw("</a>");
}

/// The same problem keeps its key while it lasts.
fn key(problem: &Problem, at: usize) -> String {
    if problem.check.is_empty() {
        format!("kind-{at}")
    } else {
        problem.check.clone()
    }
}
