//! How every room stands: kept rows and `now` in, [`RoomState`] out. Pure.
//!
//! In two steps, since rows change seldom and time always: [`standing`] reads the rows once, [`state`] adds the
//! clock. A result stands for [`VALIDITY_MS`] by the hub's clock; without one a room is never shown as ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use bridgepoint_protocol::chain::ChainState;
use bridgepoint_protocol::claims::{
    ClockState, Contact, Duty, Finding, PresenceState, Report, Status, Verdict,
};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::verdict::{NEUTRAL_SKIPS, open_points, open_questions, verdict};
use serde::{Serialize, Serializer};

use crate::keyring::{KeyState, RoomKey};
use crate::store::{Count, Kept, PresenceRow, Run};

/// How long a full run stands when no meeting says otherwise, milliseconds (product default).
pub const VALIDITY_MS: i64 = 120 * 60 * 1000;

/// How long a box may be out of reach before its room is shown as silent, milliseconds (product default): a
/// network that was interrupted for a moment is not to make the board flicker.
pub const LOST_GRACE_MS: i64 = 60 * 1000;

/// The hub's view of a room (contract, "MQTT"), worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// Something required is wrong.
    NotReady,
    /// Out of reach, or nothing came by the checkpoint's limit.
    Silent,
    /// Something required could not be learnt, nothing was ever reported, or the box is not approved.
    Unknown,
    /// The result is too old.
    Expired,
    /// Not switched on yet, before the checkpoint's limit.
    NotOnYet,
    /// Fit for the meeting, with something to attend to.
    Degraded,
    /// The box rests until the next checkpoint.
    Sleeping,
    /// No meeting needs it.
    NotNeeded,
    /// Everything required was measured and is right.
    Ready,
}

impl View {
    /// All of them, worst first.
    pub const ALL: [Self; 9] = [
        Self::NotReady,
        Self::Silent,
        Self::Unknown,
        Self::Expired,
        Self::NotOnYet,
        Self::Degraded,
        Self::Sleeping,
        Self::NotNeeded,
        Self::Ready,
    ];

    /// The word in JSON, which is its key among the texts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotReady => "not-ready",
            Self::Silent => "silent",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::NotOnYet => "not-on-yet",
            Self::Degraded => "degraded",
            Self::Sleeping => "sleeping",
            Self::NotNeeded => "not-needed",
            Self::Ready => "ready",
        }
    }
}

/// How a room's box stands with the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enrolment {
    /// Its key waits for the operator.
    Pending,
    /// It is the room's.
    Approved,
    /// Its key is trusted no more.
    Revoked,
}

/// What is kept of a room, read once: everything but the clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// Name, as people say it; cleaned.
    pub name: String,
    /// Area; cleaned.
    pub area: Option<String>,
    /// Whom to ring (R34).
    pub contacts: Vec<Contact>,
    /// How its box stands with the hub.
    pub enrolment: Enrolment,
    /// Fingerprint of its key: the approved one, or the one that asked last.
    pub fingerprint: Option<String>,
    /// Fingerprints of other keys that ask for this room.
    pub challengers: Vec<String>,
    /// When the enrolment was decided, or first heard, UTC milliseconds.
    pub enrolled_ms: i64,
    /// How its box said it is.
    pub presence: Option<Presence>,
    /// The box was last heard itself, or its newest entry came, UTC milliseconds.
    pub last_seen_ms: Option<i64>,
    /// What the newest full run, with re-tests since, says.
    pub result: Option<Judged>,
    /// The chain of its entries; separate from the verdict.
    pub chain: Chain,
    /// Messages that were refused, by reason.
    pub refused: BTreeMap<String, Count>,
    /// The agent's version.
    pub agent: Option<String>,
}

/// A box's own word about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// How it is.
    pub state: PresenceState,
    /// Since when, UTC milliseconds by the hub's clock.
    pub since_ms: i64,
}

/// What the newest full run, with re-tests since, says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// The verdict, computed here.
    pub verdict: Verdict,
    /// Since when it is so, UTC milliseconds by the hub's clock.
    pub since_ms: i64,
    /// When the full run was made, as far as it can be believed, UTC milliseconds by the hub's clock.
    pub measured_ms: i64,
    /// When the newest run came, UTC milliseconds.
    pub last_report_ms: i64,
    /// True when the box wrote another verdict than its findings have.
    pub verdict_differs: bool,
    /// The first of the worst findings.
    pub why: Option<Finding>,
    /// Kinds of device that must be there and are not configured.
    pub missing_kinds: Vec<String>,
    /// Failures and warnings.
    pub open_points: usize,
    /// Required checks without a result.
    pub open_questions: usize,
    /// The technician on duty (R36).
    pub duty: Option<Duty>,
    /// The full run's UUID.
    pub run: String,
    /// The meeting it was made for.
    pub meeting: Option<String>,
    /// The checkpoint, e.g. `T-90`.
    pub checkpoint: Option<String>,
}

/// A room's chain of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// How it stands; `None` before the first entry.
    pub state: Option<ChainState>,
    /// Which of the room's chains; a box that was set up anew begins the next.
    pub chain: u32,
    /// The first number held.
    pub first: Option<u64>,
    /// The last number held.
    pub last: Option<u64>,
    /// How many are held.
    pub held: u64,
    /// How many are missing.
    pub missing: u64,
    /// Entries that contradict the chain.
    pub forks: u32,
}

/// A room at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoomState {
    /// What the rows say.
    #[serde(flatten, serialize_with = "inner")]
    pub standing: Arc<Standing>,
    /// What the hub makes of it now.
    pub view: View,
    /// Since when, UTC milliseconds.
    pub since_ms: i64,
    /// When the result will be too old, UTC milliseconds; past when it is.
    pub expires_ms: Option<i64>,
}

fn inner<S: Serializer>(standing: &Arc<Standing>, serializer: S) -> Result<S::Ok, S::Error> {
    standing.as_ref().serialize(serializer)
}

/// All rooms at a moment, worst first, then by name.
#[must_use]
pub fn fleet(rooms: impl IntoIterator<Item = Arc<Standing>>, now_ms: i64) -> Vec<RoomState> {
    let mut states: Vec<RoomState> = rooms.into_iter().map(|standing| state(standing, now_ms)).collect();
    states.sort_by(|a, b| {
        (a.view, &a.standing.org, &a.standing.area, &a.standing.room).cmp(&(b.view, &b.standing.org, &b.standing.area, &b.standing.room))
    });
    states
}

/// One room at a moment.
#[must_use]
pub fn state(standing: Arc<Standing>, now_ms: i64) -> RoomState {
    let expires_ms = standing.result.as_ref().map(|r| r.measured_ms.saturating_add(VALIDITY_MS));
    let (view, since_ms) = view(&standing, now_ms);
    RoomState { standing, view, since_ms, expires_ms }
}

/// The first that holds: not approved; out of reach; resting; never reported; too old; the verdict.
fn view(standing: &Standing, now_ms: i64) -> (View, i64) {
    if standing.enrolment != Enrolment::Approved {
        return (View::Unknown, standing.enrolled_ms);
    }
    let presence = standing.presence.as_ref();
    if let Some(lost) = presence.filter(|p| p.state == PresenceState::Lost)
        && now_ms.saturating_sub(lost.since_ms) >= LOST_GRACE_MS
    {
        return (View::Silent, lost.since_ms);
    }
    let resting = presence.filter(|p| p.state == PresenceState::Sleeping).map(|p| (View::Sleeping, p.since_ms));
    let Some(result) = &standing.result else {
        return resting.unwrap_or((View::Unknown, standing.enrolled_ms));
    };
    let expires_ms = result.measured_ms.saturating_add(VALIDITY_MS);
    if now_ms >= expires_ms {
        return resting.unwrap_or((View::Expired, expires_ms));
    }
    let view = match result.verdict {
        Verdict::Ready => View::Ready,
        Verdict::Degraded => View::Degraded,
        Verdict::NotReady => View::NotReady,
        Verdict::Unknown => View::Unknown,
    };
    (view, result.since_ms)
}

/// Reads what is kept of a room.
#[must_use]
pub fn standing(kept: &Kept) -> Standing {
    let approved = kept.keys.iter().find(|k| k.state == KeyState::Approved);
    let newest = |state| kept.keys.iter().filter(|k| k.state == state).max_by_key(|k| k.last_ms);
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
        name: shown.map(|k| k.name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| kept.at.room.to_string()),
        area: shown.and_then(|k| k.area.clone()),
        contacts: shown.map(|k| k.contacts.clone()).unwrap_or_default(),
        enrolment,
        fingerprint: shown.map(|k| k.kid.fingerprint()),
        challengers: kept.keys.iter().filter(waiting).map(|k| k.kid.fingerprint()).collect(),
        enrolled_ms: shown.map_or(0, |k| k.decided_ms.unwrap_or(k.first_ms)),
        presence: kept.presence.as_ref().map(|p| Presence { state: p.state, since_ms: p.since_ms }),
        last_seen_ms: kept.last_entry_ms.max(kept.presence.as_ref().and_then(|p| p.heard_ms)),
        result,
        chain: chain(kept),
        refused: kept.refused.clone(),
        agent: agent(kept.presence.as_ref(), kept.scoped.last().or(kept.full.as_ref())),
    }
}

fn agent(presence: Option<&PresenceRow>, run: Option<&Run>) -> Option<String> {
    presence.map(|p| p.agent.clone()).or_else(|| run.map(|r| bridgepoint_protocol::text::clean(&r.report.agent)))
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
        since_ms: if unchanged { kept.verdict_ms } else { newest.received_ms },
        measured_ms: measured_ms(full),
        last_report_ms: newest.received_ms,
        verdict_differs: differs(full) || scoped.iter().any(differs),
        why: worst(&findings).cloned(),
        missing_kinds: missing_kinds(&findings, &report.must_have),
        open_points: open_points(&findings),
        open_questions: open_questions(&findings),
        duty: newest.report.duty.clone().or_else(|| report.duty.clone()),
        run: report.run.clone(),
        meeting: report.trigger.meeting.clone(),
        checkpoint: report.trigger.checkpoint.clone(),
    }
}

/// The findings of a full run with those of the re-tests since in their place. A re-test replaces only what it was
/// asked for.
#[must_use]
pub fn merged(full: &Run, scoped: &[Run]) -> Vec<Finding> {
    let mut findings = full.report.findings.clone();
    for run in scoped {
        let Some(scope) = &run.report.scope else { continue };
        for finding in run.report.findings.iter().filter(|f| scope.holds(&f.check)) {
            match findings.iter_mut().find(|f| f.check == finding.check) {
                Some(held) => *held = finding.clone(),
                None => findings.push(finding.clone()),
            }
        }
    }
    findings
}

/// When a run was made by the hub's clock, as far as it can be believed. A report that was kept for hours on a box
/// without a line is old when it comes; a clock that was never set says nothing.
#[must_use]
pub fn measured_ms(run: &Run) -> i64 {
    let Report { link, finished_ms, .. } = &run.report;
    match link.clk.or(ClockState::Unsynced) {
        ClockState::Ntp | ClockState::Rtc | ClockState::Stepped => run.received_ms.min(*finished_ms),
        ClockState::Unsynced => run.received_ms,
    }
}

/// The first of the worst findings: what a person reads first.
fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().filter_map(|f| rank(f).map(|rank| (rank, f))).min_by_key(|(rank, _)| *rank).map(|(_, f)| f)
}

fn rank(finding: &Finding) -> Option<u8> {
    match (finding.status(), finding.required) {
        (Status::Fail, true) => Some(0),
        (Status::Unknown, true) => Some(1),
        (Status::Skipped, true)
            if finding.carried_ms.is_none() && !NEUTRAL_SKIPS.contains(&finding.code.as_str()) =>
        {
            Some(1)
        }
        (Status::Fail, false) => Some(2),
        (Status::Warn, _) => Some(3),
        (Status::Unknown, false) => Some(4),
        (Status::Pass | Status::Skipped, _) => None,
    }
}

fn missing_kinds(findings: &[Finding], must_have: &[String]) -> Vec<String> {
    let there = |kind: &str| {
        findings.iter().any(|f| {
            f.check.split('.').next() == Some(kind)
                && !(f.status() == Status::Skipped && matches!(f.code.as_str(), "not-configured" | "no-device"))
        })
    };
    must_have.iter().filter(|kind| !there(kind)).cloned().collect()
}

/// Where a room is.
impl From<&Standing> for RoomAddress {
    fn from(standing: &Standing) -> Self {
        Self { org: standing.org.clone(), room: standing.room.clone() }
    }
}

#[cfg(test)]
mod tests;
