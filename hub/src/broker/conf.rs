//! What mosquitto is told: its configuration and its access rules, as text. Pure.
//!
//! A pattern alone cannot say "a user `<org>.<room>` may use `bp/1/<org>/<room>/…`", so each room's topics are named
//! one by one. Anybody who reaches the broker may ask to be approved, and read who the hub is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use bridgepoint_protocol::envelope::MAX_ENVELOPE;
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::topic::{RoomTopic, Topic};

use crate::config::Certificates;

/// Its configuration, in its directory.
pub const CONF: &str = "mosquitto.conf";
/// Access rules of the rooms' listener.
pub const ROOMS_ACL: &str = "rooms.acl";
/// Access rules of the hub's listener.
pub const HUB_ACL: &str = "hub.acl";
/// The hub's socket.
pub const HUB_SOCKET: &str = "hub.sock";
/// The hub's user name on its socket.
pub const HUB_USER: &str = "hub";

/// The hub may do everything under `bp/1`.
pub const HUB_RULES: &str = "user hub\ntopic readwrite bp/1/#\n";

/// Largest payload, bytes: an envelope, and a little so that the hub can say itself what was too large.
pub const MAX_PAYLOAD: usize = MAX_ENVELOPE + 1024;

/// Largest packet, bytes. A larger one costs the connection, so it is well above the largest payload.
pub const MAX_PACKET: usize = 2 * MAX_ENVELOPE;

/// What the configuration depends on.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Its directory, absolute.
    pub dir: &'a Path,
    /// Where rooms connect.
    pub listen: SocketAddr,
    /// Certificates; without them `listen` is loopback.
    pub tls: Option<&'a Certificates>,
    /// Whether the hub runs as root. Mosquitto then would become another user, who cannot read the directory.
    pub as_root: bool,
}

/// The configuration.
#[must_use]
pub fn conf(files: &Files<'_>) -> String {
    let dir = files.dir.display();
    let mut text = format!(
        "# Written by bridgepoint-hub at every start; changes are lost.
per_listener_settings true
log_dest stderr
log_timestamp false
log_type error
log_type warning
log_type notice
log_type information
connection_messages false
sys_interval 0
persistence true
persistence_location {dir}/
autosave_interval 30
persistent_client_expiration 7d
message_size_limit {MAX_PAYLOAD}
max_packet_size {MAX_PACKET}
max_inflight_messages 20
max_queued_messages 1000
max_keepalive 600
"
    );
    if files.as_root {
        text.push_str("user root\n");
    }
    // Writing to a text does not fail.
    let _ = write!(
        text,
        "
# Rooms. The client id is the user name, so that no room can push another's connection out.
listener {} {}
use_username_as_clientid true
acl_file {dir}/{ROOMS_ACL}
",
        files.listen.port(),
        files.listen.ip()
    );
    match files.tls {
        Some(tls) => {
            let _ = write!(
                text,
                "allow_anonymous false
require_certificate true
use_identity_as_username true
tls_version tlsv1.3
cafile {}
certfile {}
keyfile {}
",
                tls.ca.display(),
                tls.cert.display(),
                tls.key.display()
            );
        }
        // One machine, for a demonstration or a hub and a room side by side: the user name is claimed, not proved.
        None => text.push_str("allow_anonymous true\n"),
    }
    // Last, so that its being there says that all the others are.
    let _ = write!(
        text,
        "
# The hub itself, through a socket in a directory that only its user can enter.
listener 0 {HUB_SOCKET}
allow_anonymous true
acl_file {dir}/{HUB_ACL}
"
    );
    text
}

/// The rooms' access rules.
#[must_use]
pub fn rooms_acl(rooms: &BTreeSet<RoomAddress>) -> String {
    let mut text = String::from(
        "# Written by bridgepoint-hub whenever its rooms change.
pattern write bp/1/+/+/enrol
pattern read bp/1/+/_hub/state
pattern read bp/1/+/_hub/key
",
    );
    for at in rooms {
        let _ = writeln!(text, "\nuser {}", at.mqtt_user());
        for kind in RoomTopic::ALL {
            let way = if kind.from_agent() { "write" } else { "read" };
            let _ = writeln!(text, "topic {way} {}", Topic::Room(at.clone(), kind));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_room_has_its_own_topics_and_no_others() {
        let rooms = ["abc/one", "abc/two"].map(|at| at.parse().unwrap()).into();
        let text = rooms_acl(&rooms);
        let (general, one) = text.split_once("user abc.one\n").unwrap();
        let (one, two) = one.split_once("user abc.two\n").unwrap();
        assert!(
            general
                .lines()
                .all(|l| l.is_empty() || l.starts_with('#') || l.starts_with("pattern "))
        );
        assert_eq!(
            one.trim().lines().collect::<Vec<_>>(),
            [
                "topic write bp/1/abc/one/state",
                "topic write bp/1/abc/one/readiness",
                "topic write bp/1/abc/one/report",
                "topic write bp/1/abc/one/event",
                "topic write bp/1/abc/one/enrol",
                "topic read bp/1/abc/one/receipt",
                "topic read bp/1/abc/one/plan",
                "topic read bp/1/abc/one/cmd",
            ]
        );
        assert!(!two.contains("/one/"));
    }

    #[test]
    fn beyond_this_machine_only_with_certificates() {
        let dir = Path::new("/var/lib/bridgepoint-hub/broker");
        let tls = Certificates {
            ca: "/c/ca".into(),
            cert: "/c/cert".into(),
            key: "/c/key".into(),
        };
        let listen = "0.0.0.0:8883".parse().unwrap();
        let text = conf(&Files {
            dir,
            listen,
            tls: Some(&tls),
            as_root: false,
        });
        assert!(text.contains("listener 8883 0.0.0.0\n"));
        assert!(
            text.contains("require_certificate true\nuse_identity_as_username true\ntls_version tlsv1.3\n")
        );
        assert_eq!(
            text.matches("allow_anonymous true").count(),
            1,
            "the hub's own socket only"
        );
        assert!(!text.contains("user root"));
        let text = conf(&Files {
            dir,
            listen: "127.0.0.1:1883".parse().unwrap(),
            tls: None,
            as_root: true,
        });
        assert!(text.contains("listener 1883 127.0.0.1\n") && text.contains("user root\n"));
    }
}
