//! One function for every parser of device or network bytes, and what must hold for any bytes that it is given.
//!
//! The same functions are run by libFuzzer (`tests/fuzz`, `make fuzz`) and, over the kept corpus and seeded changes of
//! it, by an ordinary test (`tests/corpus.rs`), each target in a process of its own under limits of memory and time. A
//! function takes bytes and returns; what does not hold is a panic. What a parser is and which target reads with it
//! stands in `parsers.txt`, and a test compares that with the sources.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a target says what it has found"
)]

mod claims;
mod dialects;
mod envelopes;
mod hub;
mod keys;
mod line;
mod links;
mod media;
pub mod mutate;
mod probes;
pub mod seeds;
mod tape;

/// One parser, or several that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the fuzz target and of its folder in the corpus.
    pub name: &'static str,
    /// Reads any bytes; panics when something does not hold.
    pub run: fn(&[u8]),
}

/// Longest input that a target is given, bytes: a little over the largest envelope.
pub const MAX_INPUT: usize = 68 * 1024;

/// All of them, in the order of their names.
pub const TARGETS: &[Target] = &[
    target("camera-chain", dialects::camera_chain),
    target("camera-ip", dialects::camera_ip),
    target("camera-packets", dialects::camera_packets),
    target("challenge", hub::challenge),
    target("cisco", dialects::cisco),
    target("cisco-login", dialects::cisco_login),
    target("claims", claims::claims),
    target("enrolment", envelopes::enrolment),
    target("envelope", envelopes::envelope),
    target("ingest", hub::ingest),
    target("line-client", line::client),
    target("line-control", line::control),
    target("line-figures", line::figures),
    target("line-reflector", line::reflector),
    target("line-rtp", line::rtp),
    target("link", links::link),
    target("logbook", envelopes::logbook),
    target("media-border", media::border),
    target("media-figures", media::figures),
    target("nut", dialects::nut),
    target("page", hub::page),
    target("presence", claims::presence),
    target("proof", hub::proof),
    target("rotation", envelopes::rotation),
    target("topic", claims::topic),
    target("visca", dialects::visca),
];

/// What breaks each limit, by a name of its own and in no list: so that the limits themselves are tried.
const PROBES: &[Target] = &[
    target("probe-memory", probes::memory),
    target("probe-panic", probes::panics),
    target("probe-spin", probes::spins),
];

/// The probe of that name.
#[must_use]
pub fn probe_of(name: &str) -> Option<Target> {
    PROBES.iter().find(|probe| probe.name == name).copied()
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// The target of that name.
#[must_use]
pub fn target_of(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}
