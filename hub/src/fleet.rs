//! How every room stands: kept rows and `now` in, [`RoomState`] out. Pure.
//!
//! In two steps, since rows change seldom and time always: [`standing`] reads the rows once, [`state`] adds the
//! clock and the meetings. A result stands for [`VALIDITY_MS`] by the hub's clock; without one a room is never shown as ready.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use bridgepoint_protocol::chain::ChainState;
use bridgepoint_protocol::claims::{Contact, Duty, Finding, PresenceState, Verdict};
use bridgepoint_protocol::name::{Name, RoomAddress};
use serde::{Serialize, Serializer};

use crate::agenda::{Agenda, NextMeeting};
use crate::store::{Checked, Count};

mod rows;

pub use rows::{measured_ms, merged, standing};

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
    /// The newest full run for each of the newest meetings; a room's JSON has the one for its next meeting.
    #[serde(skip)]
    pub checked: Vec<Checked>,
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
    /// The profile by which it was judged.
    pub profile: String,
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
    /// Its next meeting, or the one that it is in.
    pub meeting: Option<NextMeeting>,
}

fn inner<S: Serializer>(standing: &Arc<Standing>, serializer: S) -> Result<S::Ok, S::Error> {
    standing.as_ref().serialize(serializer)
}

/// All rooms at a moment, worst first, then by name.
#[must_use]
pub fn fleet(rooms: impl IntoIterator<Item = Arc<Standing>>, agenda: &Agenda, now_ms: i64) -> Vec<RoomState> {
    let mut states: Vec<RoomState> = rooms
        .into_iter()
        .map(|standing| state(standing, agenda, now_ms))
        .collect();
    states.sort_by(worst_first);
    states
}

/// The order of rooms: worst first, then by name.
#[must_use]
pub fn worst_first(a: &RoomState, b: &RoomState) -> Ordering {
    (a.view, &a.standing.org, &a.standing.area, &a.standing.room).cmp(&(
        b.view,
        &b.standing.org,
        &b.standing.area,
        &b.standing.room,
    ))
}

impl RoomState {
    /// The room as it stands for one of its meetings, be it the next one or not.
    #[must_use]
    pub fn at(&self, meeting: NextMeeting, now_ms: i64) -> Self {
        if !meeting.due {
            return self.clone();
        }
        let (view, since_ms) = for_meeting(&self.standing, &meeting, now_ms);
        Self {
            view,
            since_ms,
            meeting: Some(meeting),
            ..self.clone()
        }
    }
}

/// One room at a moment.
#[must_use]
pub fn state(standing: Arc<Standing>, agenda: &Agenda, now_ms: i64) -> RoomState {
    let expires_ms = standing
        .result
        .as_ref()
        .map(|r| r.measured_ms.saturating_add(VALIDITY_MS));
    let meeting = agenda.next(&standing, now_ms);
    let due = meeting.as_ref().filter(|meeting| meeting.due);
    let (view, since_ms) = match due {
        Some(due) => for_meeting(&standing, due, now_ms),
        None if agenda.plans_for(&standing.org) => without_meeting(&standing, now_ms),
        None => view(&standing, now_ms),
    };
    RoomState {
        standing,
        view,
        since_ms,
        expires_ms,
        meeting,
    }
}

/// With a meeting within a day: nothing heard by the limit is silence, and before it a box that is off without a
/// result is not on yet. A box that has answered stands as it always does.
fn for_meeting(standing: &Standing, meeting: &NextMeeting, now_ms: i64) -> (View, i64) {
    let (view, since_ms) = view(standing, now_ms);
    if standing.enrolment != Enrolment::Approved {
        return (view, since_ms);
    }
    let part = &meeting.part;
    if part.late && !part.heard(standing) {
        return (View::Silent, part.limit_ms);
    }
    let off = standing
        .presence
        .as_ref()
        .is_none_or(|p| matches!(p.state, PresenceState::Lost | PresenceState::Disconnected));
    let waits =
        matches!(view, View::Silent | View::Unknown | View::Expired) && !has_result(standing, view, now_ms);
    if off && waits && !part.late {
        return (View::NotOnYet, since_ms);
    }
    (view, since_ms)
}

/// A verdict that still stands; `unknown` can be one.
fn has_result(standing: &Standing, view: View, now_ms: i64) -> bool {
    view == View::Unknown
        && standing
            .result
            .as_ref()
            .is_some_and(|r| now_ms < r.measured_ms.saturating_add(VALIDITY_MS))
}

/// Without a meeting within a day, where meetings are planned here: nobody needs a result of a box that is there, or
/// of one that was heard and is off, since the mains are cut after a meeting (R44).
fn without_meeting(standing: &Standing, now_ms: i64) -> (View, i64) {
    let (view, since_ms) = view(standing, now_ms);
    let known = standing.presence.is_some();
    let idle = matches!(
        view,
        View::Silent | View::Unknown | View::Expired | View::Sleeping
    ) && !has_result(standing, view, now_ms);
    if standing.enrolment == Enrolment::Approved && known && idle {
        return (View::NotNeeded, since_ms);
    }
    (view, since_ms)
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
    let resting = presence
        .filter(|p| p.state == PresenceState::Sleeping)
        .map(|p| (View::Sleeping, p.since_ms));
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

/// Where a room is.
impl From<&Standing> for RoomAddress {
    fn from(standing: &Standing) -> Self {
        Self {
            org: standing.org.clone(),
            room: standing.room.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
