//! What the page shows while a run is made: how far it is, what is known so far, and the old lines in their
//! places with the new signs, so that nothing jumps when a line arrives.

use bridgepoint_protocol::board::rank;
use bridgepoint_protocol::check::row_of;
use bridgepoint_protocol::claims::{Finding, Status};
use bridgepoint_protocol::page::Sign;
use bridgepoint_protocol::page::lines::{self, Part, Problem, Reader};
use bridgepoint_protocol::text::{self, Lang, Params};
use serde::Serialize;

use super::{Planned, Seen};
use crate::front::Running;
use crate::say::params;

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Progress {
    /// Checks done.
    pub(crate) done: usize,
    /// Checks in all; 0 before that is known.
    pub(crate) total: usize,
    /// The same in words.
    pub(crate) label: String,
    /// The present act in words.
    pub(crate) act: String,
    /// What is known so far, e.g. `12 đạt · 2 lỗi`.
    pub(crate) counts: String,
    /// Why it is made, where nobody asked for it.
    pub(crate) why: Option<String>,
}

/// How far a run is, in words.
pub(super) fn of(running: &Running, why: Option<String>, lang: Lang) -> Progress {
    let Running {
        done,
        total,
        act,
        findings,
        ..
    } = running;
    let counted = if *total == 0 {
        Params::new()
    } else {
        params([("done", (*done).into()), ("total", (*total).into())])
    };
    let counts = [Status::Pass, Status::Warn, Status::Fail, Status::Unknown]
        .into_iter()
        .map(|status| (status, findings.iter().filter(|f| f.status() == status).count()))
        .filter(|(_, n)| *n > 0)
        .map(|(status, n)| {
            format!(
                "{n} {}",
                text::ui(lang, &format!("count-{}", status.word()), &Params::new())
            )
        });
    Progress {
        done: *done,
        total: *total,
        label: text::state_with(lang, "running", &counted),
        act: act.as_ref().map_or_else(String::new, |(probe, device)| {
            text::probe_act(lang, *probe, device.as_deref())
        }),
        counts: counts.collect::<Vec<_>>().join(" · "),
        why,
    }
}

/// The problems as they stood, each with its new sign as soon as it is known. None comes or goes before the end.
pub(super) fn problems(seen: &Seen<'_>, reader: Reader<'_>, found: Vec<Problem>) -> Vec<Problem> {
    let Some(running) = &seen.now.running else {
        return found;
    };
    let asked = asked_whole(seen, running);
    found
        .into_iter()
        .map(|old| {
            let new = running.findings.iter().find(|f| f.check == old.check);
            match new {
                Some(finding) if rank(finding).is_some() => Problem {
                    again: old.again,
                    ..lines::problem(reader, finding, &running.findings)
                },
                Some(finding) => signed(old, finding.status().into(), reader.lang),
                None if asked && !old.check.is_empty() => signed(old, Sign::Running, reader.lang),
                None => old,
            }
        })
        .collect()
}

/// The signal path: the board's findings, those of the run so far in their places, and a blank line for each
/// check that has none.
pub(super) fn path(seen: &Seen<'_>, reader: Reader<'_>) -> Vec<Part> {
    let held = seen.board.map_or(&[][..], |board| &board.findings);
    let running = seen.now.running.as_ref();
    let fresh = running.map_or(&[][..], |running| &running.findings);
    let asked = running.is_some_and(|running| asked_whole(seen, running));
    let find = |all: &'_ [Finding], check: &str| all.iter().find(|f| f.check == check).cloned();
    // What the board has beyond the plan (an older configuration's device) is not hidden.
    let beyond = held
        .iter()
        .map(|f| &f.check)
        .filter(|check| !seen.planned.iter().any(|p| p.check == **check));
    let ids = seen.planned.iter().map(|p| &p.check).chain(beyond);
    let lines = ids.filter_map(|check| {
        let group = row_of(check)?.0.group;
        let planned = seen.planned.iter().find(|p| p.check == *check);
        let old = || find(held, check);
        let skipped = || planned.and_then(|p: &Planned| p.skipped.clone());
        let finding = match find(fresh, check) {
            Some(new) => Some(new),
            None if asked => skipped(),
            None => old().or_else(skipped),
        };
        Some(match finding {
            Some(finding) => (group, rank(&finding), lines::line(reader, &finding)),
            None => {
                let sign = if asked { Sign::Running } else { Sign::None };
                (group, None, lines::blank(reader.lang, check, sign))
            }
        })
    });
    lines::gather(reader.lang, lines.collect())
}

/// Whether the run asks everything. One that asks less does not say what.
fn asked_whole(seen: &Seen<'_>, running: &Running) -> bool {
    running.total == seen.planned.len()
}

fn signed(problem: Problem, sign: Sign, lang: Lang) -> Problem {
    Problem {
        sign,
        word: sign.word(lang),
        ..problem
    }
}
