//! Languages of pan-tilt-zoom cameras, and what they are asked to do: visit presets and come back.
//!
//! * [`job`](CameraJob): what is to be done, with bounded numbers.
//! * [`visca`]: packets; [`visca_ip`]: the header that carries them over UDP.
//! * `carrier`: one request at a time, its replies, asking again.
//! * `track`: when a motion has ended.
//! * [`Talk`]: the conversation.

mod carrier;
mod job;
mod model;
mod talk;
mod track;
pub mod visca;
pub mod visca_ip;

pub use carrier::Framing;
pub use job::{CameraJob, PresetNumber, PresetNumberError};
pub use model::{CameraModel, MODELS};
pub use talk::Talk;
