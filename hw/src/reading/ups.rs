//! What an uninterruptible power supply tells.

use super::Answer;

/// One reading of a UPS. `status` is the raw set of tokens: unknown ones are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct UpsReading {
    /// Status tokens in the NUT vocabulary (`OL`, `OB`, `LB`, `RB`, `OVER`, …), in the order given.
    pub status: Vec<String>,
    /// The UPS's own alarm text.
    pub alarm: Option<String>,
    /// Battery charge, per cent.
    pub charge_percent: Answer<f64>,
    /// The charge under which the UPS itself calls it low, per cent.
    pub charge_low_percent: Answer<f64>,
    /// Time left on battery, seconds.
    pub runtime_s: Answer<f64>,
    /// Load, per cent of the rating.
    pub load_percent: Answer<f64>,
    /// Input voltage, volt.
    pub input_volt: Answer<f64>,
    /// Maker.
    pub maker: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Result of the last self-test, as the UPS writes it.
    pub test_result: Option<String>,
    /// The driver that produced the figures, e.g. `usbhid-ups`.
    pub driver: Option<String>,
}
