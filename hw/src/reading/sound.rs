//! What was measured on one microphone channel. Figures only: no samples leave the media child (R27).

use serde::{Deserialize, Serialize};

/// One capture of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SoundReading {
    /// Length that was measured, milliseconds.
    pub duration_ms: u64,
    /// Samples that were measured.
    pub samples: u64,
    /// True root mean square over the whole capture, without DC, dBFS (a full-scale sine is -3.01). `None` = nothing but DC.
    pub rms_dbfs: Option<f64>,
    /// Largest sample, dBFS. `None` = digital silence.
    pub peak_dbfs: Option<f64>,
    /// Noise floor: the 10th percentile of the RMS of 50 ms windows, dBFS. `None` = digital silence in them.
    pub floor_dbfs: Option<f64>,
    /// Mean of the samples (DC offset), -1.0 to 1.0.
    pub dc: f64,
    /// Every sample is the same (digital silence or pure DC): no live converter does that.
    pub constant: bool,
    /// Share of samples that stand in runs of three or more at full scale, 0.0 to 1.0.
    pub clipped: f64,
}
