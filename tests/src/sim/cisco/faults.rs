//! What can be wrong with the simulated codec: how it answers, and what it answers.

use crate::sim::faults::faults;

faults! {
    /// Faults of the simulated Cisco codec.
    CodecFault {
        Silent "silent" "Accepts connections and never answers.",
        Refuse "refuse" "The port is closed, or gone where it is a serial one, and open connections are cut: switched off or unplugged.",
        Drip "drip" "Sends one byte a second.",
        HalfLine "half-line" "Stops for ever in the middle of the first line of an answer.",
        Garbage "garbage" "Sends random bytes instead of its banner and answers.",
        Flood "flood" "Answers the first command with lines that never end.",
        Unread "unread" "Never reads: what is sent to it fills the line.",
        Hangup "hangup" "Hangs up at the first byte that it receives, each time.",
        Disconnect "disconnect" "Closes each connection after `disconnect_after` bytes were sent on it.",
        Slow "slow" "Takes 30 ms for each reply.",
        Feedback "feedback" "Mixes event lines (`*e`) into its replies.",
        LoginRefused "login-refused" "Asks for a login and refuses every one.",
        Standby "standby" "Asleep.",
        Halfwake "halfwake" "Half awake.",
        DisplayMissing "display-missing" "The second screen is not connected.",
        InCall "in-call" "In a call with the centre.",
        Sharing "sharing" "Shares content.",
        NotRegistered "not-registered" "Registered neither with SIP nor with the H.323 gatekeeper.",
        Hot "hot" "Temperature High.",
        Alarm "alarm" "One diagnostic message of level Error.",
        MicUnplugged "mic-unplugged" "Microphone 1 is not connected.",
        VolumeLow "volume-low" "Loudspeaker volume 5.",
    }
}
