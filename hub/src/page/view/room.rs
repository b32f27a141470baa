//! One room as its page shows it: the findings as on the box, the last runs as a strip of shapes, the chain, the
//! key and what was refused. Pure.

use bridgepoint_protocol::chain::ChainState;
use bridgepoint_protocol::claims::{Trigger, TriggerKind, Verdict};
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::page::lines::{self, Part, Problem, Reader};
use bridgepoint_protocol::text::{self, Contacts, Lang, Params};

use super::next::next_text;
use super::words::{checked_text, duty, room_sign, view_text, why_text};
use crate::detail::{KeyRow, RoomDetail};
use crate::fleet::{Enrolment, Standing};
use crate::ingest::Reason;
use crate::keyring::KeyState;
use crate::store::PastRun;

/// Events and confirmations that are shown.
const NEWEST: usize = 12;

/// Everything that the page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomView {
    /// The language.
    pub lang: Lang,
    /// `org/room`.
    pub at: String,
    /// Its name.
    pub name: String,
    /// Its area.
    pub area: Option<String>,
    /// Its shape.
    pub sign: Sign,
    /// How it stands.
    pub state: String,
    /// Why, and since when.
    pub line: String,
    /// Its next meeting.
    pub next: Option<NextOfRoom>,
    /// What an operator has to look into: a key that waits, a chain that is split, a verdict that differs.
    pub notes: Vec<Note>,
    /// What is wrong, worst first.
    pub problems: Vec<Problem>,
    /// The signal path.
    pub path: Vec<Part>,
    /// The last runs, oldest first.
    pub runs: Vec<PastLine>,
    /// What happened and who confirmed what, newest first.
    pub events: Vec<String>,
    /// Name and value, e.g. the chain's state.
    pub facts: Vec<(String, String)>,
    /// Whom to ring: name and number.
    pub duty: Option<(String, String)>,
}

/// A room's next meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextOfRoom {
    /// Its id.
    pub id: String,
    /// Which, and its clock.
    pub label: String,
    /// Whether the room was checked for it.
    pub checked: String,
}

/// Something that an operator has to look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is.
    pub said: String,
    /// A command that deals with it.
    pub command: Option<String>,
}

/// One run of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastLine {
    /// Its verdict's shape.
    pub sign: Sign,
    /// True when only some checks were made.
    pub partial: bool,
    /// When, how, why.
    pub said: String,
}

/// Makes the view.
#[must_use]
pub fn room(detail: &RoomDetail, lang: Lang, now_ms: i64) -> RoomView {
    let standing = &detail.state.standing;
    let contacts = Contacts::new(&standing.contacts);
    let reader = Reader {
        lang,
        contacts: &contacts,
        now_ms,
    };
    let must_have = detail.report.as_ref().map_or(&[][..], |report| &report.must_have);
    RoomView {
        lang,
        at: format!("{}/{}", standing.org, standing.room),
        name: standing.name.clone(),
        area: standing.area.clone(),
        sign: room_sign(&detail.state),
        state: view_text(&detail.state, lang),
        line: line(detail, lang, now_ms),
        next: next(detail, lang, now_ms),
        notes: notes(detail, &contacts, lang),
        problems: if detail.report.is_some() {
            lines::problems(reader, &detail.findings, must_have)
        } else {
            vec![]
        },
        path: lines::parts(reader, &detail.findings),
        runs: detail
            .history
            .iter()
            .rev()
            .map(|run| past(run, lang, now_ms))
            .collect(),
        events: events(detail, &contacts, lang, now_ms),
        facts: facts(detail, lang, now_ms),
        duty: duty(standing),
    }
}

fn line(detail: &RoomDetail, lang: Lang, now_ms: i64) -> String {
    let why = why_text(&detail.state, lang);
    let since = say(
        lang,
        "since",
        [("time", text::moment(lang, detail.state.since_ms, now_ms))],
    );
    if why.is_empty() {
        since
    } else {
        format!("{why} · {since}")
    }
}

fn next(detail: &RoomDetail, lang: Lang, now_ms: i64) -> Option<NextOfRoom> {
    let meeting = detail.state.meeting.as_ref()?;
    Some(NextOfRoom {
        id: meeting.id.to_string(),
        label: next_text(&meeting.subject, meeting.start_ms, lang, now_ms),
        checked: checked_text(&meeting.part, lang, now_ms),
    })
}

fn notes(detail: &RoomDetail, contacts: &Contacts, lang: Lang) -> Vec<Note> {
    let standing = &detail.state.standing;
    let mut notes = Vec::new();
    let approve = |fingerprint: &str| {
        format!(
            "bridgepoint-hub room approve {}/{} --fingerprint {fingerprint}",
            standing.org, standing.room
        )
    };
    if let (Enrolment::Pending, Some(fingerprint)) = (standing.enrolment, &standing.fingerprint) {
        notes.push(Note {
            said: format!("{}: {fingerprint}", say(lang, "enrolment-pending", [])),
            command: Some(approve(fingerprint)),
        });
    }
    for fingerprint in &standing.challengers {
        notes.push(Note {
            said: say(lang, "challenger", [("fingerprint", fingerprint.clone())]),
            command: Some(approve(fingerprint)),
        });
    }
    if standing.chain.state == Some(ChainState::Forked) {
        let said = format!(
            "{}: {}",
            say(lang, "chain", []),
            text::ui_with(lang, "chain-forked", &Params::new(), contacts)
        );
        notes.push(Note { said, command: None });
    }
    // Who has decided about the room's key since has seen it.
    let decided = |key: &&KeyRow| key.state == KeyState::Approved;
    let decided_ms = detail.keys.iter().find(decided).and_then(|key| key.decided_ms);
    let refused = standing.refused.get(Reason::Rotation.word());
    if refused.is_some_and(|count| decided_ms.is_none_or(|decided| decided < count.last_ms)) {
        notes.push(Note {
            said: say(lang, "rotation-refused", []),
            command: None,
        });
    }
    if standing
        .result
        .as_ref()
        .is_some_and(|result| result.verdict_differs)
    {
        notes.push(Note {
            said: say(lang, "verdict-differs", []),
            command: None,
        });
    }
    notes
}

fn facts(detail: &RoomDetail, lang: Lang, now_ms: i64) -> Vec<(String, String)> {
    let standing = &detail.state.standing;
    let mut facts = Vec::new();
    let mut fact = |key: &str, value: String| facts.push((say(lang, key, []), value));
    let moment = |ms| text::moment(lang, ms, now_ms);
    fact(
        "head-last-contact",
        standing
            .last_seen_ms
            .map_or_else(|| say(lang, "never", []), moment),
    );
    if let Some(fingerprint) = &standing.fingerprint {
        let key = match standing.enrolment {
            Enrolment::Pending => "enrolment-pending",
            Enrolment::Approved => "enrolment-approved",
            Enrolment::Revoked => "enrolment-revoked",
        };
        fact(
            "fingerprint",
            format!(
                "{fingerprint} ({}, {})",
                lower(&say(lang, key, [])),
                moment(standing.enrolled_ms)
            ),
        );
    }
    let shown = standing.fingerprint.as_deref();
    for key in &detail.keys {
        let range = key.range().map(|range| format!("{}, ", range.in_lang(lang)));
        let name = match key.state {
            KeyState::Next => "key-next",
            KeyState::Former => "key-former",
            KeyState::Revoked if Some(key.fingerprint.as_str()) != shown || range.is_some() => {
                "enrolment-revoked"
            }
            // It is above with its day; from which number on it signs is said when it took over.
            KeyState::Approved if range.is_some() => "enrolment-approved",
            KeyState::Approved | KeyState::Revoked | KeyState::Pending => continue,
        };
        let when = moment(key.decided_ms.unwrap_or(key.first_ms));
        fact(
            name,
            format!("{} ({}{when})", key.fingerprint, range.unwrap_or_default()),
        );
    }
    if let Some(chain) = chain(standing, &detail.missing, lang) {
        fact("chain", chain);
    }
    if let Some(version) = &standing.agent {
        facts.push((
            say(lang, "box-version", [("version", version.clone())]),
            String::new(),
        ));
    }
    for (word, count) in &standing.refused {
        let known = Reason::ALL.into_iter().find(|reason| reason.word() == word);
        let reason = known.map_or_else(
            || text::clean(word),
            |reason| reason.said().in_lang(lang).to_owned(),
        );
        let said = say(
            lang,
            "refused-count",
            [("n", count.n.to_string()), ("reason", reason)],
        );
        facts.push((said, moment(count.last_ms)));
    }
    facts
}

fn chain(standing: &Standing, missing: &[(u64, u64)], lang: Lang) -> Option<String> {
    let state = standing.chain.state?;
    let key = match state {
        ChainState::Complete => "chain-complete",
        ChainState::Pending => "chain-pending",
        ChainState::Forked => "chain-forked",
    };
    let mut said = format!(
        "{} · {}",
        say(lang, key, []),
        say(lang, "entries-held", [("n", standing.chain.held.to_string())])
    );
    if let Some(first) = standing.chain.first.filter(|first| *first > 1) {
        said = format!("{said} {}", say(lang, "chain-begins", [("n", first.to_string())]));
    }
    if standing.chain.missing > 0 {
        let range = |(from, to): &(u64, u64)| {
            if from == to {
                from.to_string()
            } else {
                format!("{from}–{to}")
            }
        };
        let list: Vec<String> = missing.iter().map(range).collect();
        let of_them = [
            ("n", standing.chain.missing.to_string()),
            ("list", list.join(", ")),
        ];
        said = format!("{said} · {}", say(lang, "entries-missing", of_them));
    }
    Some(said)
}

fn past(run: &PastRun, lang: Lang, now_ms: i64) -> PastLine {
    let verdict = Verdict::ALL
        .iter()
        .copied()
        .find(|v| v.word() == run.verdict)
        .unwrap_or(Verdict::Unknown);
    let trigger: Option<Trigger> = serde_json::from_value(serde_json::json!({ "kind": run.trigger })).ok();
    let kind = trigger.map(|trigger| match trigger.kind.or(TriggerKind::Manual) {
        TriggerKind::Schedule => "trigger-schedule",
        TriggerKind::Manual => "trigger-manual",
        TriggerKind::Hub => "trigger-hub",
        TriggerKind::Boot => "trigger-boot",
        TriggerKind::SwitchOn => "trigger-switch-on",
        TriggerKind::Retest => "trigger-retest",
    });
    let mut said = vec![
        text::moment(lang, run.finished_ms, now_ms),
        text::state(lang, verdict.word()),
    ];
    said.extend(kind.map(|key| say(lang, key, [])));
    said.extend(run.scope.as_ref().map(|scope| text::clean(&scope.join(", "))));
    said.extend(run.checkpoint.as_deref().map(text::clean));
    said.extend((!run.believed).then(|| say(lang, "run-not-counted", [])));
    PastLine {
        sign: verdict.into(),
        partial: run.scope.is_some(),
        said: said.join(" · "),
    }
}

fn events(detail: &RoomDetail, contacts: &Contacts, lang: Lang, now_ms: i64) -> Vec<String> {
    let mut all: Vec<(i64, String)> = Vec::new();
    for past in &detail.events {
        all.push((past.received_ms, text::event(lang, &past.event, contacts).label));
    }
    for past in &detail.attests {
        let attest = &past.attest;
        let said = if attest.checks.iter().any(|check| check == "baseline") {
            let by = attest.allowed_by.as_deref().unwrap_or(&attest.by);
            say(
                lang,
                "baseline-accepted",
                [
                    ("by", by.to_owned()),
                    ("time", text::moment(lang, past.received_ms, now_ms)),
                ],
            )
        } else {
            let list: Vec<String> = attest
                .checks
                .iter()
                .map(|check| text::check_label(lang, check))
                .collect();
            say(
                lang,
                "attest-done",
                [("by", attest.by.clone()), ("list", list.join(", "))],
            )
        };
        all.push((past.received_ms, said));
    }
    all.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
    all.truncate(NEWEST);
    all.into_iter()
        .map(|(ms, said)| format!("{} · {said}", text::moment(lang, ms, now_ms)))
        .collect()
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn say<const N: usize>(lang: Lang, key: &str, params: [(&str, String); N]) -> String {
    let params: Params = params
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    text::ui(lang, key, &params)
}
