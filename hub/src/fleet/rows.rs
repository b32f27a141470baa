//! From kept rows to a [`Standing`]: which result counts, what is worst, how the chain is.

use std::borrow::Cow;

use bridgepoint_protocol::board::{merge, missing_kinds, stands, worst_first};
use bridgepoint_protocol::chain::ChainState;
use bridgepoint_protocol::claims::{ClockState, Finding, Report};
use bridgepoint_protocol::verdict::{open_points, open_questions, verdict};

use super::{Chain, Enrolment, Judged, Presence, Standing};
use crate::keyring::{KeyState, RoomKey};
use crate::store::{Kept, PresenceRow, Run};

/// Reads what is kept of a room.
#[must_use]
pub fn standing(kept: &Kept) -> Standing {
    let approved = kept.keys.iter().find(|k| k.state == KeyState::Approved);
    let newest = |state| {
        kept.keys
            .iter()
            .filter(|k| k.state == state)
            .max_by_key(|k| k.last_ms)
    };
    let (enrolment, shown) = match (approved, newest(KeyState::Pending), newest(KeyState::Revoked)) {
        (Some(key), _, _) => (Enrolment::Approved, Some(key)),
        (None, Some(key), _) => (Enrolment::Pending, Some(key)),
        (None, None, Some(key)) => (Enrolment::Revoked, Some(key)),
        (None, None, None) => (Enrolment::Pending, None),
    };
    let waiting = |k: &&RoomKey| k.state == KeyState::Pending && shown.is_none_or(|s| s.kid != k.kid);
    let result = kept.full.as_ref().map(|full| judged(full, &kept.scoped, kept));
    Standing {
        org: kept.at.org.clone(),
        room: kept.at.room.clone(),
        name: shown
            .map(|k| k.name.clone())
            .filter(|n| !n.is_empty())
            .unwrap_or_else(|| kept.at.room.to_string()),
        area: shown.and_then(|k| k.area.clone()),
        contacts: shown.map(|k| k.contacts.clone()).unwrap_or_default(),
        enrolment,
        fingerprint: shown.map(|k| k.kid.fingerprint()),
        challengers: kept
            .keys
            .iter()
            .filter(waiting)
            .map(|k| k.kid.fingerprint())
            .collect(),
        enrolled_ms: shown.map_or(0, |k| k.decided_ms.unwrap_or(k.first_ms)),
        presence: kept.presence.as_ref().map(|p| Presence {
            state: p.state,
            since_ms: p.since_ms,
        }),
        last_seen_ms: kept
            .last_entry_ms
            .max(kept.presence.as_ref().and_then(|p| p.heard_ms)),
        result,
        checked: kept.checked.clone(),
        chain: chain(kept),
        refused: kept.refused.clone(),
        agent: agent(kept.presence.as_ref(), kept.scoped.last().or(kept.full.as_ref())),
    }
}

fn agent(presence: Option<&PresenceRow>, run: Option<&Run>) -> Option<String> {
    presence
        .map(|p| p.agent.clone())
        .or_else(|| run.map(|r| bridgepoint_protocol::text::clean(&r.report.agent)))
}

fn chain(kept: &Kept) -> Chain {
    let row = kept.chain;
    let state = match row {
        _ if kept.forks > 0 => Some(ChainState::Forked),
        Some(row) if row.missing > 0 => Some(ChainState::Pending),
        Some(_) => Some(ChainState::Complete),
        None => None,
    };
    Chain {
        state,
        chain: row.map_or(0, |r| r.chain),
        first: row.map(|r| r.first),
        last: row.map(|r| r.last),
        held: row.map_or(0, |r| r.held),
        missing: row.map_or(0, |r| r.missing),
        forks: kept.forks,
    }
}

fn judged(full: &Run, scoped: &[Run], kept: &Kept) -> Judged {
    let findings = merged(full, scoped);
    let report = &full.report;
    let sum = verdict(&findings, &report.must_have, None);
    let newest = scoped.last().unwrap_or(full);
    let differs = |run: &Run| run.report.claimed_verdict() != run.report.recomputed_verdict();
    let unchanged = kept.verdict.as_deref() == Some(sum.word());
    Judged {
        verdict: sum,
        since_ms: if unchanged {
            kept.verdict_ms
        } else {
            newest.received_ms
        },
        measured_ms: measured_ms(report, full.received_ms),
        last_report_ms: newest.received_ms,
        verdict_differs: differs(full) || scoped.iter().any(differs),
        why: worst(&findings).cloned(),
        missing_kinds: missing_kinds(&findings, &report.must_have)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        open_points: open_points(&findings),
        open_questions: open_questions(&findings),
        duty: newest.report.duty.clone().or_else(|| report.duty.clone()),
        run: report.run.clone(),
        profile: bridgepoint_protocol::text::clean(&report.profile.id),
        meeting: report.trigger.meeting.clone(),
        checkpoint: report.trigger.checkpoint.clone(),
    }
}

/// The findings of a full run with those of the re-tests since in their place. A re-test replaces only what it was
/// asked for.
#[must_use]
pub fn merged<'a>(full: &'a Run, scoped: &[Run]) -> Cow<'a, [Finding]> {
    if scoped.is_empty() && stands(&full.report) {
        return Cow::Borrowed(&full.report.findings);
    }
    Cow::Owned(merge(&full.report, scoped.iter().map(|run| &*run.report)).findings)
}

/// When a run was made by the hub's clock, as far as it can be believed. A report that was kept for hours on a box
/// without a line is old when it comes; a clock that was never set says nothing.
#[must_use]
pub fn measured_ms(report: &Report, received_ms: i64) -> i64 {
    let Report {
        link, finished_ms, ..
    } = report;
    match link.clk.or(ClockState::Unsynced) {
        ClockState::Ntp | ClockState::Rtc | ClockState::Stepped => received_ms.min(*finished_ms),
        ClockState::Unsynced => received_ms,
    }
}

/// The first of the worst findings: what a person reads first.
pub(super) fn worst(findings: &[Finding]) -> Option<&Finding> {
    worst_first(findings).into_iter().next()
}
