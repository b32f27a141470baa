//! What the room's agent and the province's hub say to each other, as pure values and functions.
//!
//! No socket, file, task or clock lives here: `now` and bytes are arguments. The agent and the hub
//! share this crate, so the verdict that a room signs is the one that the hub recomputes.
//!
//! * [`check`]: the catalogue: every question, its rules, the probe that feeds it, its deadline.
//! * [`claims`]: what is signed: reports, enrolments, receipts, plans, commands, events.
//! * [`verdict`]: the sum of the findings.
//! * [`profile`]: one regulation's times, required checks and limits, a TOML file.
//! * [`schedule`]: a profile's checkpoints on a meeting's clock.
//! * [`envelope`]: compact JWS with Ed25519: seal and open.
//! * [`rotation`]: one key hands over to the next.
//! * [`chain`] and [`logbook`]: the order of signed entries, at the hub and on disk.
//! * [`mod@line`]: the line test: its datagrams, both ends as state machines, its figures.
//! * [`topic`]: MQTT topics, both ways.
//! * [`text`]: sentences for people, in Vietnamese and English.
//! * [`board`]: a full run with the re-tests since in their place.
//! * [`page`]: what the box's page and the province's page have in common.

pub mod board;
pub mod chain;
pub mod check;
pub mod claims;
pub mod envelope;
pub mod line;
pub mod logbook;
pub mod name;
pub mod nearest;
pub mod page;
pub mod profile;
pub mod rotation;
pub mod schedule;
pub mod text;
pub mod topic;
pub mod verdict;
pub mod written;

/// Version of the wire: the `v` of every claim set and the number in every topic.
///
/// Optional fields are added without changing it; a changed meaning is a new number.
pub const WIRE_VERSION: u32 = 1;
