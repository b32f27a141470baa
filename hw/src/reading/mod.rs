//! What a device said, as values with units, or why it did not say it.
//!
//! A probe never invents a default: what is not known is an [`ProbeError`], and each reason is a
//! different one, because each sends the technician somewhere else.

mod camera;
mod codec;
mod host;
mod line;
mod sound;
mod ups;

pub use camera::{
    CameraReading, CameraVersion, Position, PresetReached, PresetReading, ReturnedBy, ReturnedHome,
};
pub use codec::{
    Audio, Call, CallState, CodecCamera, CodecReading, Connector, Diagnostic, Display, H323, NetworkPort,
    Presentation, Registration, SipRegistration, Standby, Temperature, Unit,
};
pub use host::{ClockReading, DiskReading, HostReading, MemoryReading, TemperatureReading};
pub use line::{AnsweredBy, GatewayReading, Knock, KnockReading};
pub use sound::SoundReading;
pub use ups::UpsReading;

use serde::{Deserialize, Serialize};

/// Why there is no reading. Different things stay different: unknown never becomes ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ProbeError {
    /// The device says that it has no such part, or the part's driver is gone.
    #[error("the part is not present")]
    NotPresent,
    /// The device or its dialect cannot tell this.
    #[error("the device cannot tell")]
    NotSupported,
    /// Nothing came back at all: connection refused, no route, or silence until the deadline.
    #[error("no answer in {waited_ms} ms")]
    NoAnswer {
        /// How long was waited, milliseconds.
        waited_ms: u64,
    },
    /// Its name could not be looked up: nothing was asked of it, and nothing is known of it.
    #[error("the name has no address")]
    NoName,
    /// It answered, and refused: login failed, access denied.
    #[error("access refused")]
    Refused,
    /// Bytes came that the dialect cannot read, or too many of them.
    #[error("the answer could not be read")]
    Garbled,
    /// Somebody else holds the port or the device.
    #[error("in use by another program")]
    Busy,
    /// The source itself says that its figures are old.
    #[error("the figures are stale")]
    Stale,
    /// It began to answer and did not finish before the deadline.
    #[error("not finished after {waited_ms} ms")]
    TimedOut {
        /// How long was waited, milliseconds.
        waited_ms: u64,
    },
    /// The connection was closed by the other side before the answer was whole.
    #[error("the device closed the connection")]
    Closed,
    /// Stopped on purpose before it was done.
    #[error("stopped")]
    Cancelled,
}

/// One thing asked: the value, or why there is none.
pub type Answer<T> = Result<T, ProbeError>;
