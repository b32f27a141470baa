//! Where the value of a parameter comes from, and how it reads in a sentence.
//!
//! In this order: the finding's own parameters; its figures (`value`, the limit that was crossed, the
//! baseline); the names in its check's id; the contacts. `{x}` is also found as the time `x_ms`.

use serde_json::Value as Json;

use super::figure::{clean, clock_time, date, duration, number};
use super::template::{Kind, Value};
use super::{Contacts, Lang, Params, check_label, name as name_in_words, status, word};
use crate::check::{Places, row_of};
use crate::claims::{Finding, Status};

/// All that a sentence can draw on.
pub(super) struct Source<'a> {
    lang: Lang,
    code: &'a str,
    params: &'a Params,
    finding: Option<&'a Finding>,
    places: Places,
    /// Only a finding's sentence calls a preset by its number when its name is not known.
    preset_by_number: bool,
    contacts: &'a Contacts,
}

impl<'a> Source<'a> {
    /// Of a sentence about a code.
    pub(super) fn of_code(lang: Lang, code: &'a str, params: &'a Params, contacts: &'a Contacts) -> Self {
        Self {
            lang,
            code,
            params,
            finding: None,
            places: Places::default(),
            preset_by_number: true,
            contacts,
        }
    }

    /// Of a sentence about a finding.
    pub(super) fn of_finding(lang: Lang, finding: &'a Finding, contacts: &'a Contacts) -> Self {
        let places = row_of(&finding.check)
            .map(|(_, places)| places)
            .unwrap_or_default();
        Self {
            finding: Some(finding),
            places,
            ..Self::of_code(lang, &finding.code, &finding.params, contacts)
        }
    }

    /// Of a text that names a place of the configuration, or stands on a page.
    pub(super) fn of_text(lang: Lang, places: Places, params: &'a Params, contacts: &'a Contacts) -> Self {
        Self {
            places,
            preset_by_number: false,
            ..Self::of_code(lang, "", params, contacts)
        }
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.params
            .get(name)
            .and_then(|value| self.given(name, value))
            .or_else(|| self.time(name))
            .or_else(|| self.figure(name))
            .or_else(|| self.place(name))
            .or_else(|| self.contacts.value(self.lang, name))
    }

    fn given(&self, name: &str, value: &Json) -> Option<Value> {
        match value {
            Json::Null | Json::Object(_) => None,
            Json::Bool(on) => self.word(if *on { "true" } else { "false" }),
            Json::Number(figure) => Some(exact(self.json_number(figure))),
            Json::String(text) => self.text(name, text),
            Json::Array(items) => {
                let flat = items.iter().filter(|item| !item.is_array());
                let mut texts: Vec<String> = flat
                    .filter_map(|item| Some(self.given(name, item)?.text))
                    .collect();
                if texts.len() > LONGEST_LIST {
                    texts.truncate(LONGEST_LIST);
                    texts.push("…".to_owned());
                }
                (!texts.is_empty()).then(|| exact(texts.join(", ")))
            }
        }
    }

    /// Whole numbers digit by digit: a sequence number must not lose its last digits in a float.
    fn json_number(&self, figure: &serde_json::Number) -> String {
        if figure.is_i64() || figure.is_u64() {
            return figure.to_string();
        }
        number(self.lang, figure.as_f64().unwrap_or(f64::NAN))
    }

    fn text(&self, name: &str, text: &str) -> Option<Value> {
        let own = match name {
            "device" | "setting" | "preset" | "name" | "direction" => self.word(text),
            "what" => self
                .word(text)
                .or_else(|| self.heading_of_check(text))
                .or_else(|| self.part_of(text)),
            "reason" => word(self.lang, "reason", text)
                .filter(|text| !text.contains('{'))
                .map(in_words),
            "kind" => word(self.lang, "group", text)
                .map(heading)
                .or_else(|| self.word(text)),
            "value" | "expected" | "base" if matches!(text, "true" | "false" | "none") => self.word(text),
            "check" => self.heading_of_check(text),
            "status" => Status::ALL
                .iter()
                .find(|s| s.word() == text)
                .map(|s| heading(status(self.lang, *s))),
            "verdict" => word(self.lang, "state", text).map(heading),
            _ => None,
        };
        own.or_else(|| Some(clean(text)).filter(|text| !text.is_empty()).map(exact))
    }

    fn word(&self, key: &str) -> Option<Value> {
        word(self.lang, "word", key).map(in_words)
    }

    /// `camera.main software` and the like: what has changed, and of which device.
    fn part_of(&self, text: &str) -> Option<Value> {
        let (device, what) = text.rsplit_once(' ')?;
        let what = word(self.lang, "word", what)?;
        let (kind, id) = device
            .split_once('.')
            .map_or((device, None), |(kind, id)| (kind, Some(id)));
        let kind_in_words = word(self.lang, "word", kind)?;
        // The checks of cameras, microphones and devices have the device's id next; the others have none.
        let id = id
            .filter(|_| matches!(kind, "camera" | "mic" | "device"))
            .map(|id| name_in_words(self.lang, id));
        Some(in_words(&match id {
            None => format!("{what} ({kind_in_words})"),
            Some(id) => format!("{what} ({kind_in_words} {id})"),
        }))
    }

    fn heading_of_check(&self, id: &str) -> Option<Value> {
        row_of(id).map(|_| heading(&check_label(self.lang, id)))
    }

    /// `{time}` from `time_ms` and so on: a day for `{date}`, a length for `{duration}`, else a time of day.
    fn time(&self, name: &str) -> Option<Value> {
        let carried = self.finding.and_then(|finding| finding.carried_ms);
        if let (Some(ms), "time", "in-call") = (carried, name, self.code) {
            return Some(exact(clock_time(self.lang, ms)));
        }
        // Only a pass is ever carried.
        if carried.is_some() && name == "status" {
            return Some(heading(status(self.lang, Status::Pass)));
        }
        let ms = self.params.get(&format!("{name}_ms"))?.as_i64()?;
        Some(exact(match name {
            "date" => date(self.lang, ms),
            "duration" | "remaining" => duration(self.lang, ms),
            _ => clock_time(self.lang, ms),
        }))
    }

    fn figure(&self, name: &str) -> Option<Value> {
        if name == "value"
            && let Some(waited_ms) = self.params.get("waited_ms").and_then(Json::as_f64)
        {
            return Some(exact(number(self.lang, waited_ms / 1000.0)));
        }
        let finding = self.finding?;
        let figure = match name {
            "value" => finding.value,
            "limit" => crossed(finding),
            "expected" => crossed(finding).or(finding.base),
            "base" => finding.base,
            _ => None,
        }?;
        let shown = figure * self.scale(finding.unit.as_deref());
        let shown = if SIZE_ONLY.contains(&self.code) {
            shown.abs()
        } else {
            shown
        };
        shown.is_finite().then(|| exact(number(self.lang, shown)))
    }

    /// From the finding's unit to the one that the sentence names.
    fn scale(&self, unit: Option<&str>) -> f64 {
        SHOWN_IN
            .iter()
            .find(|(code, from, _)| *code == self.code && Some(*from) == unit)
            .map_or(1.0, |(_, _, factor)| *factor)
    }

    fn place(&self, name: &str) -> Option<Value> {
        match name {
            "name" => self.places.n.as_deref().and_then(|n| self.text("name", n)),
            "K" => self.places.k.map(|k| exact(k.to_string())),
            "preset" if self.preset_by_number => self.places.k.map(|k| exact(k.to_string())),
            _ => None,
        }
    }
}

/// Sentences that name another unit than the finding's: code, the finding's unit, factor.
const SHOWN_IN: &[(&str, &str, f64)] = &[
    ("line.up-low", "kbit/s", 0.001),
    ("line.down-low", "kbit/s", 0.001),
    ("camera.preset-slow", "ms", 0.001),
    ("no-answer", "ms", 0.001),
    ("power.runtime-short", "s", 1.0 / 60.0),
];

/// Sentences whose words already say the direction ("quieter by", "away by").
const SIZE_ONLY: &[&str] = &["audio.loop-low", "camera.preset-moved"];

/// The bound of the passing range that the value has crossed; the only one there is, when none is crossed.
fn crossed(finding: &Finding) -> Option<f64> {
    match (finding.value, finding.low, finding.high) {
        (Some(value), Some(low), _) if value < low => Some(low),
        (Some(value), _, Some(high)) if value > high => Some(high),
        (_, low, high) => low.or(high),
    }
}

/// More items than these in one sentence are nobody's reading.
const LONGEST_LIST: usize = 12;

fn exact(text: String) -> Value {
    Value {
        text,
        kind: Kind::Exact,
    }
}

fn heading(text: &str) -> Value {
    Value {
        text: text.to_owned(),
        kind: Kind::Heading,
    }
}

fn in_words(text: &str) -> Value {
    Value {
        text: text.to_owned(),
        kind: Kind::Word,
    }
}
