//! Meetings and the hub's plan of them (R7, R8, R43).

use serde::{Deserialize, Serialize};

use super::{Contact, Word};
use crate::name::Name;

/// The hub's plan for one room, signed by the hub and retained. A lower `rev` is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// When it was signed, UTC seconds.
    pub iat: i64,
    /// Revision, growing.
    pub rev: u64,
    /// When it was issued, UTC milliseconds.
    pub issued_ms: i64,
    /// Where the line test goes, `host:port`.
    #[serde(default)]
    pub reflector: Option<String>,
    /// Whom to ring, beside the room's own.
    #[serde(default)]
    pub contacts: Vec<Contact>,
    /// The meetings.
    #[serde(default)]
    pub meetings: Vec<Meeting>,
    /// The hub's challenge, echoed in the next entries.
    #[serde(default)]
    pub nonce: Option<String>,
}

/// One meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// Its id, unique in the organisation.
    pub id: String,
    /// Subject.
    pub subject: String,
    /// The chair room.
    #[serde(default)]
    pub chair: Option<String>,
    /// All rooms.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// Official start, UTC milliseconds.
    pub start_ms: i64,
    /// Rehearsal, UTC milliseconds (R1).
    #[serde(default)]
    pub rehearsal_ms: Option<i64>,
    /// Length, minutes.
    pub length_min: u32,
    /// Planned or urgent (R7).
    pub kind: Word<MeetingKind>,
    /// What this room is in it.
    #[serde(default)]
    pub role: Option<Word<Role>>,
    /// Recording wanted (R8).
    #[serde(default)]
    pub recording: bool,
    /// Slides wanted (R8, R25).
    #[serde(default)]
    pub slides: bool,
    /// Video playback wanted (R8).
    #[serde(default)]
    pub video: bool,
    /// Call rate, kbit/s each way.
    #[serde(default)]
    pub rate_kbps: Option<u32>,
}

/// Planned, or called at short notice (R7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeetingKind {
    /// Announced ahead.
    Planned,
    /// Called at short notice.
    Urgent,
}

/// What a room is in a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It leads.
    Chair,
    /// It follows.
    Satellite,
}
