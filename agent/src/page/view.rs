//! Everything that the technician's page shows, in words: settings, the last results, what is being done and
//! `now` in, a plain [`View`] out. Pure; drawn by [`super::html`], written as JSON by `GET /api/status`.

mod delivery;
mod meeting;
mod progress;

use bridgepoint_protocol::board::Board;
use bridgepoint_protocol::check::row_of;
use bridgepoint_protocol::claims::{Contact, Duty, Finding, Meeting, Status, Verdict};
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::page::lines::{self, Again, Part, Problem, Reader};
use bridgepoint_protocol::text::{self, Contacts, Lang, Params};
use bridgepoint_protocol::verdict::{open_points, open_questions};
use serde::Serialize;

use crate::baseline::Baseline;
use crate::config::Settings;
use crate::front::Now;
use crate::logbook::BookBroken;
use crate::say::params;
use crate::schedule;
use crate::uplink::Standing;
pub(crate) use meeting::NextMeeting;
use progress::Progress;

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The room.
    pub(crate) settings: &'a Settings,
    /// Its meetings, as the province plans them.
    pub(crate) meetings: &'a [Meeting],
    /// Whom to ring: its own contacts, then the plan's.
    pub(crate) contacts: &'a [Contact],
    /// Every check of the room, with the finding of one that is never made here.
    pub(crate) planned: &'a [Planned],
    /// The last full run with the re-tests since.
    pub(crate) board: Option<&'a Board>,
    /// The newest report.
    pub(crate) newest: Option<&'a Newest>,
    /// Why the logbook cannot be read.
    pub(crate) broken: Option<&'a BookBroken>,
    /// The accepted rehearsal.
    pub(crate) baseline: Option<&'a Baseline>,
    /// What is being done.
    pub(crate) now: &'a Now,
    /// How delivery stands; `None` without a hub.
    pub(crate) standing: Option<&'a Standing>,
    /// Entries that wait for the hub's receipt.
    pub(crate) waiting: usize,
    /// The box's key, as it is read over a telephone.
    pub(crate) fingerprint: &'a str,
    /// UTC milliseconds.
    pub(crate) now_ms: i64,
    /// In which language.
    pub(crate) lang: Lang,
}

/// A check of this room.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Its id.
    pub(crate) check: String,
    /// Why it is never made here, as a finding.
    pub(crate) skipped: Option<Finding>,
}

/// The newest report.
#[derive(Debug, Clone)]
pub(crate) struct Newest {
    /// The technician on duty, as it says.
    pub(crate) duty: Option<Duty>,
    /// When the hub signed that it has it, UTC milliseconds.
    pub(crate) received_ms: Option<i64>,
}

/// Everything that the page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct View {
    /// The language's tag.
    pub(crate) lang: &'static str,
    /// The room's name.
    pub(crate) room: String,
    /// Grows with every change.
    pub(crate) version: u64,
    /// How the room stands.
    pub(crate) head: Head,
    /// The run that is being made.
    pub(crate) running: Option<Progress>,
    /// The next meeting, or the one that is on.
    pub(crate) next_meeting: Option<NextMeeting>,
    /// What is wrong, worst first.
    pub(crate) problems: Vec<Problem>,
    /// What "again what is not in order" asks.
    pub(crate) again: Option<Again>,
    /// The line in place of problems, where there are none.
    pub(crate) calm: Option<String>,
    /// The signal path.
    pub(crate) path: Vec<Part>,
    /// Who is on duty.
    pub(crate) duty: Option<Duty>,
    /// What is read to the centre over the telephone.
    pub(crate) read_aloud: Option<String>,
    /// Where the reports are.
    pub(crate) delivery: String,
    /// True when the hub has signed for all of them.
    pub(crate) delivered: bool,
    /// The accepted rehearsal.
    pub(crate) baseline: String,
    /// The box's key, as it is read over a telephone.
    pub(crate) fingerprint: String,
    /// Whom to ring.
    pub(crate) telephones: Vec<Telephone>,
}

/// How the room stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Head {
    /// A verdict's word; `running`; `idle` (in order, and no longer fresh); `none` (never checked).
    pub(crate) state: &'static str,
    /// Its shape.
    pub(crate) sign: Sign,
    /// In capitals for a verdict.
    pub(crate) label: String,
    /// The line below.
    pub(crate) line: String,
    /// False when the result is older than the profile allows.
    pub(crate) fresh: bool,
    /// When the full run ended, UTC milliseconds.
    pub(crate) measured_ms: Option<i64>,
}

/// Somebody to ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Telephone {
    /// What for: the word of the configuration.
    pub(crate) role: String,
    /// Who.
    pub(crate) name: Option<String>,
    /// The number.
    pub(crate) phone: String,
}

/// Makes the view.
pub(crate) fn view(seen: &Seen<'_>) -> View {
    let Seen {
        settings,
        lang,
        board,
        ..
    } = *seen;
    let contacts = Contacts::new(seen.contacts);
    let reader = Reader {
        lang,
        contacts: &contacts,
        now_ms: seen.now_ms,
    };
    let found = board.map_or(vec![], |b| lines::problems(reader, &b.findings, &b.must_have));
    let head = head(seen);
    let duty = seen.newest.and_then(|newest| newest.duty.clone());
    let (delivery, delivered) = delivery::line(seen, &contacts);
    View {
        lang: lang.word(),
        room: text::clean(&settings.name),
        version: seen.now.version,
        running: seen
            .now
            .running
            .as_ref()
            .map(|running| progress::of(running, meeting::why(seen, running.trigger.as_ref()), lang)),
        next_meeting: meeting::next(seen),
        again: lines::again_all(&found),
        calm: calm(lang, &head, &found),
        read_aloud: read_aloud(seen, &head, &found, duty.as_ref()),
        problems: progress::problems(seen, reader, found),
        path: progress::path(seen, reader),
        duty,
        delivery,
        delivered,
        baseline: baseline(seen),
        fingerprint: seen.fingerprint.to_owned(),
        telephones: telephones(seen.contacts),
        head,
    }
}

fn head(seen: &Seen<'_>) -> Head {
    let Seen {
        lang, board, now_ms, ..
    } = *seen;
    if let Some(broken) = seen.broken {
        let said = text::sentence(
            lang,
            "host.logbook-broken",
            &params([("line", broken.line.into())]),
            &Contacts::new(seen.contacts),
        );
        return Head {
            state: "unknown",
            sign: Sign::Unknown,
            label: text::verdict(lang, Verdict::Unknown).to_owned(),
            line: format!("{}. {}", said.label, said.act),
            fresh: false,
            measured_ms: None,
        };
    }
    let Some(board) = board else {
        return Head {
            state: "none",
            sign: Sign::None,
            label: text::ui(lang, "no-report", &Params::new()),
            line: String::new(),
            fresh: false,
            measured_ms: None,
        };
    };
    let fresh = now_ms < schedule::valid_until(seen.meetings, &seen.settings.profile, board.full_ms);
    let time = text::moment(lang, board.newest_ms, now_ms);
    let verdict = Head {
        state: board.verdict.word(),
        sign: board.verdict.into(),
        label: text::verdict(lang, board.verdict).to_owned(),
        line: {
            let mut said = params([("n", count(board).into()), ("time", time.clone().into())]);
            if let Some(at_ms) = meeting::deadline(seen) {
                said.insert("deadline".into(), text::moment(lang, at_ms, now_ms).into());
            }
            text::verdict_line(lang, board.verdict, &said)
        },
        fresh,
        measured_ms: Some(board.full_ms),
    };
    match (fresh, board.verdict) {
        (true, _) => verdict,
        // In order when it was asked last, and nobody has to do anything now: the page is calm.
        (false, Verdict::Ready) if !meeting::in_hours(seen) => {
            let (label, next) = meeting::at_rest(seen);
            let last = text::ui(
                lang,
                "last-result",
                &params([("verdict", "ready".into()), ("time", time.into())]),
            );
            Head {
                state: "idle",
                sign: Sign::None,
                label,
                line: std::iter::once(last).chain(next).collect::<Vec<_>>().join(". "),
                ..verdict
            }
        }
        (false, _) => Head {
            line: text::state_with(lang, "stale", &params([("time", time.into())])),
            ..verdict
        },
    }
}

/// How many points the line below the verdict names.
fn count(board: &Board) -> usize {
    match board.verdict {
        Verdict::Unknown => open_questions(&board.findings),
        Verdict::NotReady => board
            .findings
            .iter()
            .filter(|f| f.required && f.status() == Status::Fail)
            .count(),
        Verdict::Ready | Verdict::Degraded => open_points(&board.findings),
    }
}

fn calm(lang: Lang, head: &Head, problems: &[Problem]) -> Option<String> {
    (head.state == "ready" && problems.is_empty()).then(|| text::ui(lang, "all-passed", &Params::new()))
}

/// Only a result that still stands is read to the centre.
fn read_aloud(seen: &Seen<'_>, head: &Head, problems: &[Problem], duty: Option<&Duty>) -> Option<String> {
    if !head.fresh {
        return None;
    }
    let mut said = params([
        ("room", seen.settings.name.as_str().into()),
        ("verdict", seen.board?.verdict.word().into()),
    ]);
    if !problems.is_empty() {
        let list: Vec<&str> = problems.iter().map(|p| p.headline.as_str()).collect();
        said.extend(params([("n", problems.len().into()), ("list", list.into())]));
    }
    if let Some(duty) = duty {
        said.extend(params([
            ("duty", duty.name.as_str().into()),
            ("phone", duty.phone.as_str().into()),
        ]));
    }
    Some(text::ui(seen.lang, "read-aloud", &said))
}

fn baseline(seen: &Seen<'_>) -> String {
    match seen.baseline {
        None => text::ui(seen.lang, "baseline-none", &Params::new()),
        Some(baseline) => {
            let time = text::moment(seen.lang, baseline.accepted_ms, seen.now_ms);
            let said = params([("time", time.into()), ("by", baseline.allowed_by.as_str().into())]);
            text::ui(seen.lang, "baseline-since", &said)
        }
    }
}

fn telephones(contacts: &[Contact]) -> Vec<Telephone> {
    let role = |word: &bridgepoint_protocol::claims::Word<_>| {
        serde_json::to_value(word)
            .ok()
            .and_then(|word| word.as_str().map(text::clean))
            .unwrap_or_default()
    };
    let cleaned = |text: &Option<String>| text.as_deref().map(text::clean).filter(|text| !text.is_empty());
    let all = contacts.iter().filter_map(|contact| {
        Some(Telephone {
            role: role(&contact.role),
            name: cleaned(&contact.name).or_else(|| cleaned(&contact.title)),
            phone: cleaned(&contact.phone)?,
        })
    });
    all.collect()
}

/// The room's checks from its plan.
pub(crate) fn planned(settings: &Settings, now_ms: i64) -> Vec<Planned> {
    let plan = crate::plan::plan(settings, None);
    let mut all: Vec<Planned> = crate::plan::all_ids(settings, None)
        .into_iter()
        .filter(|id| row_of(id).is_some())
        .map(|check| Planned { check, skipped: None })
        .collect();
    for (id, reason) in &plan.skipped {
        if let Some(planned) = all.iter_mut().find(|planned| planned.check == *id) {
            planned.skipped = Some(crate::judge::not_made(id, reason, &settings.profile, now_ms));
        }
    }
    all
}
