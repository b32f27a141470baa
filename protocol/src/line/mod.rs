//! The line test (R15), as pure values and functions: no socket, no clock, no task.
//!
//! One stream of RTP packets, shaped like the call, goes from the room's box to the province's reflector, and each packet
//! that arrives is answered by one of the same size with the reflector's own numbers and times (after RFC 8762, STAMP).
//! So loss and jitter are known for each direction, and the round trip without the time that the reflector took.
//!
//! * [`wire`]: every datagram, byte by byte: the handshake around the test and the packets of the test.
//! * [`reflector`]: the answering side as a state machine: `take(now, source, datagram)`.
//! * [`client`]: the box's handshake and close as a state machine.
//! * [`estimate`]: from what was sent and what came back to figures.
//!
//! The sockets are in the agent and in the hub. Clocks are never compared across the two ends.

pub mod client;
pub mod estimate;
#[cfg(test)]
mod pair;
pub mod reflector;
mod token;
pub mod wire;

/// The reflector's port when nothing else is said (contract: `[reflector] listen`, `[line] reflector`).
pub const DEFAULT_PORT: u16 = 9511;

/// IPv4 and UDP headers of one packet, bytes: what the IP layer carries beyond the payload.
pub const OVERHEAD_V4: u32 = 28;

/// The same with IPv6, without extension headers.
pub const OVERHEAD_V6: u32 = 48;
