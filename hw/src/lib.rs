//! Everything that touches a device, and nothing that judges one.
//!
//! * [`reading`]: what can be learnt from a device, as values; a missing reading is a value too.
//! * [`address`]: the one address each device has in the configuration, parsed.
//! * [`dialect`]: device languages as sans-I/O conversations: bytes in, bytes out, `now` passed in.
//! * [`link`]: carries bytes for a conversation, with an absolute deadline and a byte cap.
//! * [`media`]: GStreamer, always in a child process; only numbers come back.
//! * [`host`]: the box itself.
//! * [`probe`]: the acts: one asynchronous function a kind of device, from address to reading.
//!
//! This crate does not know the reports, profiles or texts of bridgepoint.

pub mod address;
pub mod dialect;
pub mod host;
pub mod link;
pub mod media;
pub mod probe;
pub mod reading;
