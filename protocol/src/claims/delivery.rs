//! What goes to and fro around reports: receipts, commands, presence, and the agent's smaller entries.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EntryLink, Word};
use crate::envelope::EntryHash;
use crate::name::Name;

/// The hub's signed "I have it". Only this empties the agent's outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// When it was signed, UTC seconds.
    pub iat: i64,
    /// The entry's number; `None` for an approved enrolment.
    pub seq: Option<u64>,
    /// Hash of the entry, or of the enrolment.
    pub hash: EntryHash,
    /// When the hub received it, UTC milliseconds.
    pub received_ms: i64,
    /// The hub's challenge, echoed in the next entries.
    #[serde(default)]
    pub nonce: Option<String>,
}

/// Something that the hub asks for, once per `id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// When it was signed, UTC seconds.
    pub iat: i64,
    /// Its id.
    pub id: String,
    /// What is asked for.
    pub kind: Word<CommandKind>,
    /// After this it is void, UTC milliseconds.
    pub exp_ms: i64,
    /// `resend`: the first entry wanted.
    #[serde(default)]
    pub from: Option<u64>,
    /// `resend`: the last entry wanted.
    #[serde(default)]
    pub to: Option<u64>,
}

/// What the hub can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandKind {
    /// A check now.
    Check,
    /// A time for the line test.
    LineSlot,
    /// Entries `from` to `to` again.
    Resend,
}

/// Something that happened, as an entry of the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// Place in the chain.
    #[serde(flatten)]
    pub link: EntryLink,
    /// What kind of thing.
    pub kind: String,
    /// A code of [`crate::text`].
    pub code: String,
    /// Parameters of its sentence.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// The meeting it belongs to.
    #[serde(default)]
    pub meeting: Option<String>,
    /// The incident it belongs to.
    #[serde(default)]
    pub incident: Option<String>,
    /// Began, UTC milliseconds.
    pub started_ms: i64,
    /// Ended, UTC milliseconds.
    #[serde(default)]
    pub ended_ms: Option<i64>,
}

/// What a person has confirmed, as an entry of the chain (R20, R21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// Place in the chain.
    #[serde(flatten)]
    pub link: EntryLink,
    /// Who.
    pub by: String,
    /// Telephone.
    #[serde(default)]
    pub phone: Option<String>,
    /// What: check ids, or `baseline` for an accepted baseline.
    pub checks: Vec<String>,
    /// Who allowed it (R20).
    #[serde(default)]
    pub allowed_by: Option<String>,
}

/// Entries that are declared missing, as an entry of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// Place in the chain.
    #[serde(flatten)]
    pub link: EntryLink,
    /// First missing number.
    pub from: u64,
    /// Last missing number.
    pub to: u64,
    /// Why.
    pub reason: String,
}

impl Gap {
    /// The numbers that it declares missing; `None` when they are not some that come before its own.
    #[must_use]
    pub fn declared(&self) -> Option<RangeInclusive<u64>> {
        (self.from >= 1 && self.from <= self.to && self.to < self.link.seq).then_some(self.from..=self.to)
    }
}

/// The retained, unsigned `state` message: the box is there, never that the room is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Version of the wire.
    pub v: u32,
    /// When, UTC milliseconds.
    pub ts_ms: i64,
    /// How the box is.
    pub state: Word<PresenceState>,
    /// The connection's session: an old will carries an old one and is ignored.
    pub session: u64,
    /// The program's version.
    pub agent: String,
}

/// How the box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PresenceState {
    /// Starting.
    Init,
    /// Working.
    Online,
    /// Resting until the next checkpoint.
    Sleeping,
    /// Switched off in order.
    Disconnected,
    /// Gone without a word (the will).
    Lost,
}
