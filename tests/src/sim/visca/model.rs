//! The camera models that are simulated: their codes, their ranges, their presets.

use serde::Deserialize;

use super::motion::Position;

/// A camera model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Sony SRG-300H: 51.2 counts a degree, presets 0 to 15.
    #[default]
    #[serde(rename = "srg-300h")]
    Srg300h,
    /// Sony BRC-X400: the same range, presets 0 to 99.
    #[serde(rename = "brc-x400")]
    BrcX400,
    /// PTZOptics: 14.4 counts a degree, presets 0 to 89; higher numbers are special functions.
    Ptzoptics,
}

impl Model {
    /// The body of the answer to `CAM_VersionInq`: vendor, model, ROM, sockets.
    #[must_use]
    pub fn version(self) -> [u8; 7] {
        match self {
            Self::Srg300h => [0x00, 0x01, 0x05, 0x13, 0x01, 0x00, 0x02],
            Self::BrcX400 => [0x00, 0x01, 0x05, 0x1C, 0x02, 0x10, 0x02],
            // The fields mean other things there; these are bytes of that shape.
            Self::Ptzoptics => [0x00, 0x20, 0x05, 0x10, 0x20, 0x09, 0x02],
        }
    }

    /// The highest preset.
    #[must_use]
    pub fn last_preset(self) -> u8 {
        match self {
            Self::Srg300h => 15,
            Self::BrcX400 => 99,
            Self::Ptzoptics => 89,
        }
    }

    /// Whether the camera can stand there.
    #[must_use]
    pub fn reaches(self, position: Position) -> bool {
        let (pan, tilt) = match self {
            Self::Srg300h | Self::BrcX400 => (-0x2200..=0x2200, -0x400..=0x1200),
            Self::Ptzoptics => (-0x990..=0x990, -0x1B0..=0x510),
        };
        pan.contains(&position.pan) && tilt.contains(&position.tilt) && (0..=0x7AC0).contains(&position.zoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_are_those_of_the_data_sheets() {
        let at = |pan: u16, tilt: u16| Position {
            pan: i32::from(pan as i16),
            tilt: i32::from(tilt as i16),
            zoom: 0,
        };
        assert!(Model::Srg300h.reaches(at(0xDE00, 0xFC00)) && Model::Srg300h.reaches(at(0x2200, 0x1200)));
        assert!(!Model::Srg300h.reaches(at(0x2201, 0)) && !Model::Srg300h.reaches(at(0, 0xFBFF)));
        assert!(Model::Ptzoptics.reaches(at(0xF670, 0xFE50)) && Model::Ptzoptics.reaches(at(0x0990, 0x0510)));
        assert!(!Model::Ptzoptics.reaches(at(0xF66F, 0)));
    }
}
