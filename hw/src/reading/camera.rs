//! What a pan-tilt-zoom camera answers and where it stands.

use super::Answer;

/// One pass over a camera: who it is, where it stood, each preset tried, and the way back.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraReading {
    /// Vendor and model, as the camera gives them.
    pub version: Answer<CameraVersion>,
    /// True when the camera is on, false in standby.
    pub power_on: Answer<bool>,
    /// Where it stood before anything was moved.
    pub found: Answer<Position>,
    /// The presets tried, in the order asked.
    pub presets: Vec<PresetReading>,
    /// Whether it was put back; `None` when nothing was moved.
    pub returned: Option<Answer<ReturnedHome>>,
}

/// Vendor and model codes (VISCA `CAM_VersionInq`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraVersion {
    /// Vendor code, e.g. 0x0001 Sony.
    pub vendor: u16,
    /// Model code.
    pub model: u16,
    /// ROM version.
    pub rom: u16,
}

/// A position in the camera's own counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Pan, counts, right positive.
    pub pan: i32,
    /// Tilt, counts, up positive.
    pub tilt: i32,
    /// Zoom, counts from wide.
    pub zoom: i32,
}

/// One preset that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetReading {
    /// The preset's number, as on the wire.
    pub number: u8,
    /// What came of it.
    pub outcome: Answer<PresetReached>,
}

/// A recall that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresetReached {
    /// The camera said that it has arrived.
    pub completed: bool,
    /// The position stopped changing.
    pub settled: bool,
    /// Where it stood at the end.
    pub position: Option<Position>,
    /// From the recall until it was complete and still, milliseconds.
    pub took_ms: u64,
}

/// How the camera was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnedHome {
    /// Where it stands now.
    pub position: Position,
    /// How.
    pub by: ReturnedBy,
    /// True when it stands where it was found, within the tolerance given.
    pub at_found: bool,
}

/// The act that put it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnedBy {
    /// The position it was found at.
    FoundPosition,
    /// The configured home preset.
    HomePreset(u8),
}
