//! What is kept, as values: a room with its keys and newest runs, runs of the past, entries, counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use bridgepoint_protocol::claims::{PresenceState, Report};
use bridgepoint_protocol::envelope::{EntryHash, Kind};
use bridgepoint_protocol::name::RoomAddress;
use serde::Serialize;

use crate::keyring::{Fingerprint, RoomKey};

/// Everything that is kept of one room.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Which.
    pub at: RoomAddress,
    /// All keys that asked for it.
    pub keys: Vec<RoomKey>,
    /// How its box said it is.
    pub presence: Option<PresenceRow>,
    /// Its current chain.
    pub chain: Option<ChainRow>,
    /// Entries that contradict that chain.
    pub forks: u32,
    /// What was refused of it.
    pub refused: BTreeMap<String, Count>,
    /// The newest full run of the current chain.
    pub full: Option<Run>,
    /// Runs with a scope after it, oldest first.
    pub scoped: Vec<Run>,
    /// The newest full run of the current chain for each of the newest meetings, newest first.
    pub checked: Vec<Checked>,
    /// The verdict that the board showed last.
    pub verdict: Option<String>,
    /// Since when, UTC milliseconds.
    pub verdict_ms: i64,
    /// The newest verified entry, UTC milliseconds by the hub's clock.
    pub last_entry_ms: Option<i64>,
}

/// One run as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number.
    pub seq: u64,
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// The claims.
    pub report: Arc<Report>,
}

/// The newest full run for a meeting, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The meeting, as the box wrote it.
    pub meeting: String,
    /// The checkpoint, e.g. `T-90`, as the box wrote it.
    pub checkpoint: Option<String>,
    /// When it was made, as far as it can be believed, UTC milliseconds by the hub's clock.
    pub measured_ms: i64,
    /// The verdict that the hub computed.
    pub verdict: String,
}

/// What a room was told last about its meetings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanRow {
    /// Its revision, which only grows.
    pub rev: u64,
    /// Hash of what it says; empty when the plan was taken back.
    pub content: String,
}

/// One run of the past, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastRun {
    /// Which of the room's chains.
    pub chain: u32,
    /// Its number.
    pub seq: u64,
    /// The run's UUID.
    pub run: String,
    /// When it began by the box's clock, UTC milliseconds.
    pub started_ms: i64,
    /// When it ended by the box's clock, UTC milliseconds.
    pub finished_ms: i64,
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// It was certainly made after this moment by the hub's clock, UTC milliseconds: it echoes the hub's challenge.
    pub made_after_ms: Option<i64>,
    /// The verdict that the hub computed.
    pub verdict: String,
    /// The verdict that the box wrote, when it is another.
    pub claimed: Option<String>,
    /// What it was limited to.
    pub scope: Option<Vec<String>>,
    /// What set it off.
    pub trigger: String,
    /// The checkpoint, e.g. `T-90`.
    pub checkpoint: Option<String>,
    /// The meeting.
    pub meeting: Option<String>,
    /// False when the key that signed it was revoked from an earlier number on: evidence, and no result any more.
    pub believed: bool,
}

/// A key that is approved when it asks for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// For which room.
    pub at: RoomAddress,
    /// The key's fingerprint.
    pub fingerprint: Fingerprint,
    /// The room's name, as the list says; may be empty.
    pub name: String,
    /// When it was added, UTC milliseconds.
    pub added_ms: i64,
}

/// One entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntry {
    /// Which of the room's chains.
    pub chain: u32,
    /// Its number.
    pub seq: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its hash.
    pub hash: EntryHash,
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// The exact text that was signed.
    pub jws: String,
}

/// One chain in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainRow {
    /// Counted for each room from 1.
    pub chain: u32,
    /// The first number held.
    pub first: u64,
    /// The last number held.
    pub last: u64,
    /// How many are held.
    pub held: u64,
    /// How many are missing and not declared missing.
    pub missing: u64,
}

/// How a box said it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceRow {
    /// How.
    pub state: PresenceState,
    /// When, by the box's clock, UTC milliseconds.
    pub ts_ms: i64,
    /// The connection's session.
    pub session: u64,
    /// The agent's version.
    pub agent: String,
    /// Since when it is so, UTC milliseconds by the hub's clock.
    pub since_ms: i64,
    /// When the box was last heard itself, UTC milliseconds by the hub's clock. A will is the broker's word.
    pub heard_ms: Option<i64>,
}

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many.
    pub n: u64,
    /// The last one, UTC milliseconds.
    pub last_ms: i64,
}
