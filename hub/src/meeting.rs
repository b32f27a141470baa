//! A meeting as the hub keeps it: who takes part, when, and what of it a room is told (R7, R8, R43).
//!
//! Values only; `meeting add` makes them, the store keeps them, the desk signs them into each room's plan.

use std::collections::BTreeSet;

use bridgepoint_protocol::claims::{self, MeetingKind, Role};
use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::schedule;
use serde::Serialize;

/// A meeting that is over stays in the plans for so long, milliseconds: a box that comes late still knows what it
/// was late for.
pub const KEPT_IN_PLANS_MS: i64 = 12 * 60 * 60 * 1000;

/// A meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meeting {
    /// Its id: one in the whole hub, so that a page's address needs no more.
    pub id: Name,
    /// The organisation whose rooms take part.
    pub org: Name,
    /// Subject; cleaned.
    pub subject: String,
    /// Who takes part; `None` is every approved room of the organisation, later ones too.
    pub rooms: Option<BTreeSet<Name>>,
    /// The chair room.
    pub chair: Option<Name>,
    /// Official start, UTC milliseconds.
    pub start_ms: i64,
    /// Rehearsal, UTC milliseconds (R1).
    pub rehearsal_ms: Option<i64>,
    /// Length, minutes.
    pub length_min: u32,
    /// Called at short notice (R7).
    pub urgent: bool,
    /// Recording wanted (R8).
    pub recording: bool,
    /// Slides wanted (R8, R25).
    pub slides: bool,
    /// Video playback wanted (R8).
    pub video: bool,
    /// Call rate, kbit/s each way.
    pub rate_kbps: Option<u32>,
    /// When it was added, UTC milliseconds.
    pub created_ms: i64,
    /// When it was changed last, UTC milliseconds.
    pub changed_ms: i64,
    /// When it was cancelled, UTC milliseconds.
    pub cancelled_ms: Option<i64>,
}

impl Meeting {
    /// When it is over, UTC milliseconds.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        schedule::end(self.start_ms, self.length_min)
    }

    /// Whether a room takes part.
    #[must_use]
    pub fn concerns(&self, org: &Name, room: &Name) -> bool {
        self.org == *org && self.rooms.as_ref().is_none_or(|rooms| rooms.contains(room))
    }

    /// Whether plans still tell of it.
    #[must_use]
    pub fn is_planned(&self, now_ms: i64) -> bool {
        self.cancelled_ms.is_none() && now_ms < self.end_ms().saturating_add(KEPT_IN_PLANS_MS)
    }

    /// What `room` is told of it; `named` are the rooms that are written into it.
    #[must_use]
    pub fn told_to(&self, room: &Name, named: impl IntoIterator<Item = Name>) -> claims::Meeting {
        let role = if self.chair.as_ref() == Some(room) {
            Role::Chair
        } else {
            Role::Satellite
        };
        let kind = if self.urgent {
            MeetingKind::Urgent
        } else {
            MeetingKind::Planned
        };
        claims::Meeting {
            id: self.id.to_string(),
            subject: self.subject.clone(),
            chair: self.chair.as_ref().map(Name::to_string),
            rooms: named.into_iter().map(String::from).collect(),
            start_ms: self.start_ms,
            rehearsal_ms: self.rehearsal_ms,
            length_min: self.length_min,
            kind: kind.into(),
            role: Some(role.into()),
            recording: self.recording,
            slides: self.slides,
            video: self.video,
            rate_kbps: self.rate_kbps,
        }
    }
}
