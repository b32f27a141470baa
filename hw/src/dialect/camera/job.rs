//! What a camera is asked to do: visit presets, and be put back where it stood (R13, R19).

use std::fmt;
use std::time::Duration;

/// The number of a preset, as on the wire: 0 to 89.
///
/// On widespread cameras 90 to 99 and 255 are no presets but switches (95 opens a menu on the screen),
/// so they cannot be represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresetNumber(u8);

impl PresetNumber {
    /// The highest number that is a preset on every camera known.
    pub const MAX: u8 = 89;

    /// The highest number that every VISCA camera has; above it, few do.
    pub const COMMON_MAX: u8 = 15;

    /// The number on the wire.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// True when only some cameras have it (above [`Self::COMMON_MAX`]): worth a question at configuration.
    #[must_use]
    pub fn is_uncommon(self) -> bool {
        self.0 > Self::COMMON_MAX
    }
}

/// A number that is no preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "preset {given} cannot be used: presets are 0 to 89; higher numbers open menus or switch functions on many cameras"
)]
pub struct PresetNumberError {
    given: u8,
}

impl TryFrom<u8> for PresetNumber {
    type Error = PresetNumberError;

    fn try_from(given: u8) -> Result<Self, PresetNumberError> {
        if given <= Self::MAX {
            Ok(Self(given))
        } else {
            Err(PresetNumberError { given })
        }
    }
}

impl fmt::Display for PresetNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One pass over a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraJob {
    /// The presets to visit, in this order. Empty: only ask who and where it is, move nothing.
    pub presets: Vec<PresetNumber>,
    /// Recalled when the camera cannot be put back where it was found; absent = the first of `presets`.
    pub home: Option<PresetNumber>,
    /// How far pan and tilt may be from where they were found and still count as there, counts.
    pub tolerance: i32,
    /// How long one preset may take from its recall until it is complete and still.
    pub preset_limit: Duration,
    /// How long the way back may take; kept free before the deadline.
    pub return_within: Duration,
}

impl CameraJob {
    /// A pass over `presets` with the usual limits: 8 s a preset, 8 s for the way back, 26 counts
    /// (half a degree on a Sony camera).
    #[must_use]
    pub fn visiting(presets: Vec<PresetNumber>) -> Self {
        Self {
            presets,
            home: None,
            tolerance: 26,
            preset_limit: Duration::from_secs(8),
            return_within: Duration::from_secs(8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menu_numbers_are_no_presets() {
        for given in 0..=89 {
            assert_eq!(PresetNumber::try_from(given).unwrap().get(), given);
        }
        for given in 90..=255 {
            let text = PresetNumber::try_from(given).unwrap_err().to_string();
            assert!(
                text.contains(&given.to_string()) && text.contains("0 to 89"),
                "{text}"
            );
        }
    }
}
