//! What can be wrong with a simulated camera.

use crate::sim::faults::faults;

faults! {
    /// Faults of a simulated VISCA camera.
    CameraFault {
        Silent "silent" "Receives and never answers.",
        PresetNeverCompletes "preset-never-completes" "Acknowledges a recall, then neither moves nor completes.",
        PresetElsewhere "preset-elsewhere" "Recalls land `elsewhere` counts of pan beside the stored position.",
        CompletesEarly "completes-early" "Says that a movement is complete at once, and moves on.",
        Standby "standby" "In standby: movements are not executable.",
        Garbage "garbage" "Sends random bytes instead of each reply.",
        Slow "slow" "Takes 30 ms for each reply.",
        SlowMotor "slow-motor" "Moves at a tenth of its speed.",
        LosesReplies "loses-replies" "Every third reply that it sends is lost.",
        Unread "unread" "On a stream: never reads, so that what is sent to it fills the line.",
        Hangup "hangup" "On a stream: hangs up at the first byte that it receives, each time.",
        Drip "drip" "On a stream: sends one byte a second.",
        Flood "flood" "On a stream: answers the first packet with replies that never end.",
    }
}

impl CameraFault {
    /// Whether only a camera on a stream can have it.
    #[must_use]
    pub fn is_of_streams(self) -> bool {
        matches!(self, Self::Unread | Self::Hangup | Self::Drip | Self::Flood)
    }
}
