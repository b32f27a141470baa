//! What the box says of itself.

use super::Answer;

/// One look at the box.
#[derive(Debug, Clone, PartialEq)]
pub struct HostReading {
    /// Whether the clock is set from the network.
    pub clock: Answer<ClockReading>,
    /// The file system that holds the state directory.
    pub disk: Answer<DiskReading>,
    /// Memory.
    pub memory: Answer<MemoryReading>,
    /// Load average over one minute, divided by the number of processors.
    pub load_per_cpu: Answer<f64>,
    /// The hottest sensor.
    pub temperature: Answer<TemperatureReading>,
}

/// Where the clock's time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// Set from the network at least once since boot; `None` where no time daemon leaves word of it.
    pub synchronised: Option<bool>,
    /// A battery-backed clock is present.
    pub rtc: bool,
}

/// Disk space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiskReading {
    /// Size, bytes.
    pub total_bytes: u64,
    /// Free for us, bytes.
    pub available_bytes: u64,
}

/// Memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryReading {
    /// Size, bytes.
    pub total_bytes: u64,
    /// Available without swapping, bytes.
    pub available_bytes: u64,
}

/// One temperature sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TemperatureReading {
    /// The sensor's name.
    pub sensor: String,
    /// Degrees Celsius.
    pub celsius: f64,
}
