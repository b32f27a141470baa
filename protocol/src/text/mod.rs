//! Sentences for people, in Vietnamese and English, made in one place from codes and parameters (R20, R24, R34).
//!
//! The words are data: `protocol/locales/{vi,en}.toml`. Where a fault is found only its code and its figures are
//! known; what a technician reads comes from here, so that a page, a command and a form say the same.
//!
//! Nothing here fails: a code or key that this version does not know is shown as it is, a parameter that is not
//! known takes its part of the sentence with it, and foreign texts are cleaned ([`clean`]) and capped.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value as Json;

use crate::check::{Group, Places, Probe, row_of};
use crate::claims::{Event, Finding, Status, Verdict};

mod contacts;
mod figure;
mod locale;
mod parameters;
mod reason;
mod template;

pub use contacts::Contacts;
pub(crate) use figure::harmless;
pub use figure::{LONGEST_FOREIGN_TEXT, ZONE, amount, clean, clock_time, date, duration, moment, number};
pub use reason::{line_fault, refusal};

use locale::Locale;
use parameters::Source;

/// Parameters of a text, by name: texts, numbers, and times as `<name>_ms` in UTC milliseconds.
pub type Params = BTreeMap<String, Json>;

/// A language that people are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Lang {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::Vi, Self::En];

    /// Its word in configuration and on the command line, which is its tag in HTML as well.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }
}

/// A language that there are no texts in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no texts in the language \"{given}\": use \"vi\" or \"en\"")]
pub struct LangError {
    given: String,
}

impl FromStr for Lang {
    type Err = LangError;
    fn from_str(text: &str) -> Result<Self, LangError> {
        Self::ALL
            .into_iter()
            .find(|lang| lang.word() == text)
            .ok_or_else(|| LangError { given: clean(text) })
    }
}

/// What a technician reads about one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// The fact.
    pub label: String,
    /// What to do; empty where there is nothing to do.
    pub act: String,
}

/// The verdict in capitals, e.g. `SẴN SÀNG`.
#[must_use]
pub fn verdict(lang: Lang, verdict: Verdict) -> &'static str {
    word(lang, "verdict", &format!("{}/label", verdict.word())).unwrap_or(verdict.word())
}

/// The line below the verdict. Parameters: `time`, `n` (how many; 0 counts as not known), `deadline`.
#[must_use]
pub fn verdict_line(lang: Lang, verdict: Verdict, params: &Params) -> String {
    let none = Contacts::default();
    let source = Source::of_text(lang, Places::default(), params, &none);
    let nothing = params.get("n").and_then(Json::as_f64) == Some(0.0);
    fill(lang, &format!("verdict/{}/line", verdict.word()), &|name| {
        if name == "n" && nothing {
            None
        } else {
            source.get(name)
        }
    })
    .unwrap_or_default()
}

/// The verdict as forms write it, e.g. `Chưa đạt` (R33).
#[must_use]
pub fn verdict_form(lang: Lang, verdict: Verdict) -> &'static str {
    word(lang, "verdict", &format!("{}/form", verdict.word())).unwrap_or(verdict.word())
}

/// How a check stands, e.g. `Lưu ý`.
#[must_use]
pub fn status(lang: Lang, status: Status) -> &'static str {
    word(lang, "status", &format!("{}/label", status.word())).unwrap_or(status.word())
}

/// How a check stands, as forms write it (R33).
#[must_use]
pub fn status_form(lang: Lang, stands: Status) -> &'static str {
    word(lang, "status", &format!("{}/form", stands.word())).unwrap_or_else(|| status(lang, stands))
}

/// A state of a box or a room, e.g. `online`, `lost-due`, `silent`.
#[must_use]
pub fn state(lang: Lang, key: &str) -> String {
    state_with(lang, key, &Params::new())
}

/// [`state`], with its parameters: `running` has `done` and `total`, `received` has `time`, `queued` has `n`.
#[must_use]
pub fn state_with(lang: Lang, key: &str, params: &Params) -> String {
    page_text(lang, "state", key, params)
}

/// A check's name, e.g. `Micro chủ tọa: hú, rít`.
#[must_use]
pub fn check_label(lang: Lang, check_id: &str) -> String {
    check_label_with(lang, check_id, &Params::new())
}

/// [`check_label`], with what else is known: `preset` is the name of a camera's preset.
#[must_use]
pub fn check_label_with(lang: Lang, check_id: &str, params: &Params) -> String {
    let Some((row, places)) = row_of(check_id) else {
        return clean(check_id);
    };
    let none = Contacts::default();
    let source = Source::of_text(lang, places, params, &none);
    fill(lang, &format!("check/{}/label", row.pattern), &|name| {
        source.get(name)
    })
    .unwrap_or_else(|| clean(check_id))
}

/// What a check asks, for its help line; some are clear from their name.
#[must_use]
pub fn question(lang: Lang, check_id: &str) -> Option<String> {
    let (row, _) = row_of(check_id)?;
    word(lang, "check", &format!("{}/question", row.pattern)).map(str::to_owned)
}

/// What a finding says and what to do.
#[must_use]
pub fn finding(lang: Lang, finding: &Finding, contacts: &Contacts) -> Sentence {
    let source = Source::of_finding(lang, finding, contacts);
    let mut said = say(lang, &finding.code, &source);
    if !has_code(&finding.code) && !matches!(finding.status(), Status::Pass | Status::Skipped) {
        said.act = fill(lang, "ui/unknown-code-act", &|name| source.get(name)).unwrap_or_default();
    }
    said
}

/// A finding's label for a place where its check is not written beside it: a label that does not itself say
/// which device or check it means has that in front, e.g. `Micro chủ tọa: có tiếng ù điện 50 Hz`.
#[must_use]
pub fn headline(lang: Lang, finding: &Finding, contacts: &Contacts) -> String {
    let source = Source::of_finding(lang, finding, contacts);
    let label = say(lang, &finding.code, &source).label;
    // Codes without a dot are reasons that any check can have.
    if !finding.code.contains('.') {
        let check = check_label_with(lang, &finding.check, &finding.params);
        return format!("{check} – {}", template::lowered(&label));
    }
    row_of(&finding.check)
        .filter(|(_, places)| places.n.is_some() && !label_names(lang, &finding.code))
        .and_then(|(row, _)| {
            fill(lang, &format!("place/{}", row.group.word()), &|name| {
                source.get(name)
            })
        })
        .map_or_else(
            || label.clone(),
            |place| format!("{place}: {}", template::lowered(&label)),
        )
}

/// What a code says and what to do, where there is no finding: delivery, key, what happened in a call.
#[must_use]
pub fn sentence(lang: Lang, code: &str, params: &Params, contacts: &Contacts) -> Sentence {
    say(lang, code, &Source::of_code(lang, code, params, contacts))
}

/// What an event says and what to do; `{time}` is when it began and `{duration}` how long it took (R29).
#[must_use]
pub fn event(lang: Lang, event: &Event, contacts: &Contacts) -> Sentence {
    let mut params = event.params.clone();
    params
        .entry("time_ms".to_owned())
        .or_insert_with(|| event.started_ms.into());
    if let Some(ended_ms) = event.ended_ms {
        params
            .entry("duration_ms".to_owned())
            .or_insert_with(|| ended_ms.saturating_sub(event.started_ms).into());
    }
    sentence(lang, &event.code, &params, contacts)
}

/// A part of the signal path, e.g. `Đường truyền`.
#[must_use]
pub fn group(lang: Lang, group: Group) -> &'static str {
    word(lang, "group", group.word()).unwrap_or(group.word())
}

/// What the box is doing, for the line of progress, e.g. `Camera chính đang quay…`; `name` is the device's id.
#[must_use]
pub fn probe_act(lang: Lang, probe: Probe, name: Option<&str>) -> String {
    let (none, params) = (Contacts::default(), Params::new());
    let places = Places {
        n: name.map(str::to_owned),
        k: None,
    };
    let source = Source::of_text(lang, places, &params, &none);
    let key = probe_key(probe);
    fill(lang, &format!("probe/{key}"), &|name| source.get(name)).unwrap_or_else(|| key.to_owned())
}

/// A button, a heading or a line of a page or a command, by its key.
#[must_use]
pub fn ui(lang: Lang, key: &str, params: &Params) -> String {
    page_text(lang, "ui", key, params)
}

/// [`ui`], for texts that name somebody to ring.
#[must_use]
pub fn ui_with(lang: Lang, key: &str, params: &Params, contacts: &Contacts) -> String {
    let source = Source::of_text(lang, Places::default(), params, contacts);
    fill(lang, &format!("ui/{key}"), &|name| source.get(name)).unwrap_or_else(|| clean(key))
}

/// The name of a preset, a device or a setting in words where there is one, else as it is written.
#[must_use]
pub fn name(lang: Lang, given: &str) -> String {
    word(lang, "word", given).map_or_else(|| clean(given), str::to_owned)
}

/// Whether there is a sentence for `code`.
#[must_use]
pub fn has_code(code: &str) -> bool {
    Locale::of(Lang::Vi).text(&format!("code/{code}/label")).is_some()
}

fn page_text(lang: Lang, table: &str, key: &str, params: &Params) -> String {
    let none = Contacts::default();
    let source = Source::of_text(lang, Places::default(), params, &none);
    fill(lang, &format!("{table}/{key}"), &|name| source.get(name)).unwrap_or_else(|| clean(key))
}

fn say(lang: Lang, code: &str, source: &Source<'_>) -> Sentence {
    let text = |field: &str| fill(lang, &format!("code/{code}/{field}"), &|name| source.get(name));
    Sentence {
        label: text("label").unwrap_or_else(|| clean(code)),
        act: text("act").unwrap_or_default(),
    }
}

fn fill(lang: Lang, path: &str, value: &dyn Fn(&str) -> Option<template::Value>) -> Option<String> {
    Locale::of(lang).text(path).map(|text| text.fill(value))
}

/// A text without parameters.
fn word(lang: Lang, table: &str, key: &str) -> Option<&'static str> {
    Locale::of(lang)
        .text(&format!("{table}/{key}"))
        .map(locale::Text::plain)
}

/// Whether the label of `code` says by itself which device it means.
fn label_names(lang: Lang, code: &str) -> bool {
    word(lang, "code", &format!("{code}/label")).is_some_and(|label| label.contains("{name}"))
}

fn probe_key(probe: Probe) -> &'static str {
    match probe {
        Probe::Codec => "codec",
        Probe::Camera => "camera",
        Probe::Picture => "picture",
        Probe::Microphone => "microphone",
        Probe::Loop => "loop",
        Probe::Ups => "ups",
        Probe::Line => "line",
        Probe::Device => "device",
        Probe::Host => "host",
        Probe::Logbook => "logbook",
        Probe::Baseline => "baseline",
        Probe::Call => "call",
        Probe::Person => "person",
    }
}

#[cfg(test)]
mod tests;
