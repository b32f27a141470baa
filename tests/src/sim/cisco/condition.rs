//! The codec's condition at a moment: the healthy tree, changed by time and by the faults that are on.
//!
//! Each state fault changes every leaf that a real unit would change with it, so that a reader who
//! looks at another leaf than expected is not told that all is well.

use std::collections::BTreeSet;
use std::time::Duration;

use super::faults::CodecFault;
use super::tree::Tree;

/// Seconds the unit had been up when the room was started.
const UP_BEFORE_S: u64 = 37_224;

/// The tree as it stands `elapsed` after the start with these faults on.
pub(crate) fn condition(healthy: &Tree, faults: &BTreeSet<CodecFault>, elapsed: Duration) -> Tree {
    let mut tree = healthy.clone();
    tree.literal("SystemUnit Uptime", UP_BEFORE_S.saturating_add(elapsed.as_secs()));
    let mut alarms = Alarms::default();
    for fault in faults {
        match fault {
            CodecFault::Standby => {
                tree.literal("Standby State", "Standby");
                tree.literal("SystemUnit State System", "Sleeping");
            }
            CodecFault::Halfwake => tree.literal("Standby State", "Halfwake"),
            CodecFault::DisplayMissing => second_display_away(&mut tree, &mut alarms),
            CodecFault::InCall => in_call(&mut tree),
            CodecFault::Sharing => sharing(&mut tree, faults.contains(&CodecFault::InCall)),
            CodecFault::NotRegistered => not_registered(&mut tree, &mut alarms),
            CodecFault::Hot => {
                tree.literal("SystemUnit Hardware Monitoring Temperature Status", "High");
                alarms.raise(
                    &mut tree,
                    "Warning",
                    "TemperatureCheck",
                    "The temperature of the unit is high.",
                );
            }
            CodecFault::Alarm => alarms.raise(
                &mut tree,
                "Error",
                "ECReferenceDelay",
                "The echo canceller cannot follow the delay of the loudspeakers.",
            ),
            CodecFault::MicUnplugged => {
                tree.literal(
                    "Audio Input Connectors Microphone 1 ConnectionStatus",
                    "NotConnected",
                );
                tree.literal("Audio Input Connectors Microphone 1 EcReferenceDelay", 0);
            }
            CodecFault::VolumeLow => {
                tree.literal("Audio Volume", 5);
                tree.literal("Audio VolumeInternal", 5);
            }
            // These change how it answers, not what.
            CodecFault::Silent
            | CodecFault::Refuse
            | CodecFault::Drip
            | CodecFault::HalfLine
            | CodecFault::Garbage
            | CodecFault::Flood
            | CodecFault::Disconnect
            | CodecFault::Slow
            | CodecFault::Feedback
            | CodecFault::LoginRefused
            | CodecFault::Unread
            | CodecFault::Hangup => {}
        }
    }
    tree
}

/// The unit's own list of messages, which numbers itself.
#[derive(Default)]
struct Alarms {
    raised: u32,
}

impl Alarms {
    fn raise(&mut self, tree: &mut Tree, level: &str, kind: &str, description: &str) {
        self.raised = self.raised.saturating_add(1);
        let message = format!("Diagnostics Message {}", self.raised);
        tree.text(&format!("{message} Description"), description);
        tree.literal(&format!("{message} Level"), level);
        tree.text(&format!("{message} References"), "");
        tree.literal(&format!("{message} Type"), kind);
    }
}

fn second_display_away(tree: &mut Tree, alarms: &mut Alarms) {
    tree.literal("Video Output Connector 2 Connected", "False");
    tree.text("Video Output Connector 2 ConnectedDevice Name", "");
    tree.text("Video Output Connector 2 ConnectedDevice PreferredFormat", "");
    tree.literal("Video Output Connector 2 ConnectedDevice ScreenSize", 0);
    alarms.raise(
        tree,
        "Warning",
        "MissingDisplay",
        "A display that was connected is missing.",
    );
}

fn in_call(tree: &mut Tree) {
    tree.literal("SystemUnit State NumberOfActiveCalls", 1);
    tree.literal("SystemUnit State System", "InCall");
    tree.literal("Call 1 AnswerState", "Answered");
    tree.literal("Call 1 CallType", "Video");
    tree.text("Call 1 CallbackNumber", "h323:centre@video.example");
    tree.literal("Call 1 DeviceType", "MCU");
    tree.literal("Call 1 Direction", "Incoming");
    tree.text("Call 1 DisplayName", "centre");
    tree.literal("Call 1 Duration", 312);
    tree.text("Call 1 Encryption Type", "None");
    tree.literal("Call 1 FacilityServiceId", 0);
    tree.literal("Call 1 HoldReason", "None");
    tree.literal("Call 1 PlacedOnHold", "False");
    tree.literal("Call 1 Protocol", "H323");
    tree.literal("Call 1 ReceiveCallRate", 4096);
    tree.text("Call 1 RemoteNumber", "centre@video.example");
    tree.literal("Call 1 Status", "Connected");
    tree.literal("Call 1 TransmitCallRate", 4096);
    tree.literal("Conference ActiveSpeaker CallId", 1);
    for (channel, direction, kind) in [
        (1, "Incoming", "Audio"),
        (2, "Outgoing", "Audio"),
        (3, "Incoming", "Video"),
        (4, "Outgoing", "Video"),
    ] {
        let path = format!("MediaChannels Call 1 Channel {channel}");
        tree.literal(&format!("{path} Direction"), direction);
        tree.literal(&format!("{path} Netstat Jitter"), 3);
        tree.literal(&format!("{path} Netstat LastIntervalLost"), 0);
        tree.literal(&format!("{path} Netstat LastIntervalReceived"), 148);
        tree.literal(&format!("{path} Netstat Loss"), 2);
        tree.literal(&format!("{path} Netstat MaxJitter"), 11);
        tree.literal(&format!("{path} Netstat Packets"), 15_600);
        tree.literal(&format!("{path} Type"), kind);
    }
}

fn sharing(tree: &mut Tree, in_call: bool) {
    tree.literal(
        "Conference Presentation Mode",
        if in_call { "Sending" } else { "Off" },
    );
    tree.literal(
        "Conference Presentation LocalInstance 1 SendingMode",
        if in_call { "LocalRemote" } else { "LocalOnly" },
    );
    tree.literal("Conference Presentation LocalInstance 1 Source", 2);
    if in_call {
        tree.literal("Conference Presentation CallId", 1);
    }
    tree.literal("Video Input Connector 2 Connected", "True");
    tree.literal("Video Input Connector 2 SignalState", "OK");
}

fn not_registered(tree: &mut Tree, alarms: &mut Alarms) {
    tree.literal("SIP Registration 1 Status", "Failed");
    tree.text("SIP Registration 1 Reason", "Failed to connect");
    tree.literal("SIP Proxy 1 Status", "Timeout");
    tree.literal("H323 Gatekeeper Status", "Rejected");
    tree.text("H323 Gatekeeper Reason", "No answer from the gatekeeper");
    alarms.raise(
        tree,
        "Error",
        "H323GatekeeperStatus",
        "The unit is not registered with the gatekeeper.",
    );
    alarms.raise(
        tree,
        "Error",
        "SIPProfileRegistration",
        "The unit is not registered with the SIP proxy.",
    );
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Found, Path};
    use super::*;
    use crate::sim::faults::Fault;

    fn leaf(tree: &Tree, path: &str) -> Option<String> {
        match tree.find(&Path::parse(path).unwrap()) {
            Found::Leaves(leaves) if leaves.len() == 1 => {
                leaves[0].split_once(": ").map(|(_, value)| value.to_owned())
            }
            _ => None,
        }
    }

    fn with(faults: &[CodecFault]) -> Tree {
        let faults = faults.iter().copied().collect();
        condition(&Tree::codec_pro().unwrap(), &faults, Duration::from_secs(60))
    }

    #[test]
    fn each_state_fault_shows_in_its_leaf() {
        let rows = [
            (CodecFault::Standby, "Standby State", "Off", "Standby"),
            (CodecFault::Halfwake, "Standby State", "Off", "Halfwake"),
            (
                CodecFault::DisplayMissing,
                "Video Output Connector 2 Connected",
                "True",
                "False",
            ),
            (
                CodecFault::InCall,
                "SystemUnit State NumberOfActiveCalls",
                "0",
                "1",
            ),
            (
                CodecFault::NotRegistered,
                "SIP Registration 1 Status",
                "Registered",
                "Failed",
            ),
            (
                CodecFault::NotRegistered,
                "H323 Gatekeeper Status",
                "Registered",
                "Rejected",
            ),
            (
                CodecFault::Hot,
                "SystemUnit Hardware Monitoring Temperature Status",
                "Normal",
                "High",
            ),
            (
                CodecFault::MicUnplugged,
                "Audio Input Connectors Microphone 1 ConnectionStatus",
                "Connected",
                "NotConnected",
            ),
            (CodecFault::VolumeLow, "Audio Volume", "50", "5"),
        ];
        for (fault, path, well, ill) in rows {
            assert_eq!(leaf(&with(&[]), path).as_deref(), Some(well), "{path}");
            assert_eq!(leaf(&with(&[fault]), path).as_deref(), Some(ill), "{path}");
        }
    }

    #[test]
    fn sharing_in_the_room_is_not_yet_sending() {
        let alone = with(&[CodecFault::Sharing]);
        assert_eq!(
            leaf(&alone, "Conference Presentation Mode").as_deref(),
            Some("Off")
        );
        assert_eq!(
            leaf(&alone, "Conference Presentation LocalInstance 1 SendingMode").as_deref(),
            Some("LocalOnly")
        );
        let called = with(&[CodecFault::Sharing, CodecFault::InCall]);
        assert_eq!(
            leaf(&called, "Conference Presentation Mode").as_deref(),
            Some("Sending")
        );
        assert_eq!(leaf(&called, "Call 1 Status").as_deref(), Some("Connected"));
    }

    #[test]
    fn several_alarms_are_numbered() {
        let tree = with(&[CodecFault::Alarm, CodecFault::Hot]);
        assert_eq!(
            leaf(&tree, "Diagnostics Message 1 Type").as_deref(),
            Some("TemperatureCheck")
        );
        assert_eq!(
            leaf(&tree, "Diagnostics Message 2 Type").as_deref(),
            Some("ECReferenceDelay")
        );
        assert_eq!(
            leaf(&tree, "Diagnostics Message 2 Level").as_deref(),
            Some("Error")
        );
    }

    #[test]
    fn the_uptime_runs() {
        assert_eq!(leaf(&with(&[]), "SystemUnit Uptime").as_deref(), Some("37284"));
    }

    #[test]
    fn faults_only_touch_paths_that_they_name() {
        // A mistyped path would add a leaf instead of changing one.
        let additions = [
            "Call ",
            "Conference Presentation LocalInstance ",
            "Diagnostics ",
            "MediaChannels ",
        ];
        let all = with(CodecFault::ALL);
        let healthy = Tree::codec_pro().unwrap();
        let Found::Leaves(leaves) = all.find(&Path::parse("").unwrap()) else {
            panic!("empty tree")
        };
        for line in leaves {
            let (path, _) = line.split_once(": ").unwrap();
            let known = leaf(&healthy, path).is_some();
            assert!(
                known || additions.iter().any(|start| path.starts_with(start)),
                "{path} is new"
            );
        }
    }
}
