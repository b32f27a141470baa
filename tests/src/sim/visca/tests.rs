//! The camera through a plain UDP socket: a whole visit, and every fault of the wire.

use std::time::Duration;

use tokio::net::UdpSocket;

use super::packet::{self, datagram};
use crate::journal::Kind;
use crate::sim::clock::{Clock, Hand};
use crate::sim::{Room, Spec};

const RESET: [u8; 9] = [0x02, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x01];
const POWER: [u8; 5] = [0x81, 0x09, 0x04, 0x00, 0xFF];
const PAN_TILT: [u8; 5] = [0x81, 0x09, 0x06, 0x12, 0xFF];
const ZOOM: [u8; 5] = [0x81, 0x09, 0x04, 0x47, 0xFF];

struct Client {
    socket: UdpSocket,
    sequence: u32,
}

impl Client {
    async fn new(room: &Room) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = room.addresses()["camera.main"]
            .strip_prefix("visca+udp://")
            .unwrap()
            .to_owned();
        socket.connect(address).await.unwrap();
        Self { socket, sequence: 0 }
    }

    async fn send(&mut self, packet: &[u8]) {
        let kind = if packet[1] == 0x09 {
            packet::INQUIRY
        } else {
            packet::COMMAND
        };
        self.sequence += 1;
        self.socket
            .send(&datagram(kind, self.sequence, packet))
            .await
            .unwrap();
    }

    async fn receive(&self) -> Vec<u8> {
        let mut bytes = [0; 64];
        let count = self.socket.recv(&mut bytes).await.unwrap();
        bytes[..count].to_vec()
    }

    /// The VISCA packet that comes back.
    async fn ask(&mut self, packet: &[u8]) -> Vec<u8> {
        self.send(packet).await;
        let reply = self.receive().await;
        assert_eq!(reply[..2], [0x01, 0x11]);
        assert_eq!(reply[4..8], self.sequence.to_be_bytes());
        reply[8..].to_vec()
    }
}

async fn room(keys: &str) -> (Room, Hand) {
    let (clock, hand) = Clock::manual();
    let text = format!(
        "[room]\n[[camera]]\nid = \"main\"\n\
         presets = [{{ number = 1, pan = 1000, tilt = 0 }}]\nspeed = {{ pan = 1000, tilt = 1000, zoom = 1000 }}\n{keys}"
    );
    (
        Room::start_at(Spec::parse(&text).unwrap(), clock).await.unwrap(),
        hand,
    )
}

/// Lets the camera's task run until it has received so many datagrams.
async fn received(room: &Room, count: usize) {
    while room
        .journal()
        .iter()
        .filter(|entry| entry.kind == Kind::Received)
        .count()
        < count
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_may_have_the_cameras_port_number_only_where_the_camera_shares_it() {
    for shares in [true, false] {
        let text =
            format!("[room]\n[[camera]]\nid = \"main\"\nlisten = \"127.0.0.2:0\"\nshares_port = {shares}\n");
        let room = Room::start(Spec::parse(&text).unwrap()).await.unwrap();
        let (_, port) = room.addresses()["camera.main"].rsplit_once(':').unwrap();
        let (kind, udp) = (socket2::Type::DGRAM, socket2::Protocol::UDP);
        let client = socket2::Socket::new(socket2::Domain::IPV4, kind, Some(udp)).unwrap();
        client.set_reuse_address(true).unwrap();
        let everywhere: std::net::SocketAddr = format!("0.0.0.0:{port}").parse().unwrap();
        assert_eq!(client.bind(&everywhere.into()).is_ok(), shares);
    }
}

#[tokio::test]
async fn a_whole_visit_leaves_the_camera_where_it_was_and_no_violation() {
    let (room, hand) = room("").await;
    let mut client = Client::new(&room).await;
    client.socket.send(&RESET).await.unwrap();
    assert_eq!(
        client.receive().await,
        [0x02, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x01]
    );
    assert_eq!(client.ask(&POWER).await, [0x90, 0x50, 0x02, 0xFF]);
    let found = client.ask(&PAN_TILT).await;
    assert_eq!(found, [0x90, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF]);
    assert_eq!(client.ask(&ZOOM).await, [0x90, 0x50, 0, 0, 0, 0, 0xFF]);

    assert_eq!(
        client.ask(&[0x81, 0x01, 0x04, 0x3F, 0x02, 0x01, 0xFF]).await,
        [0x90, 0x41, 0xFF]
    );
    let recall = client.sequence;
    hand.advance(Duration::from_millis(500));
    // 500 counts, 01F4, half way.
    assert_eq!(
        client.ask(&PAN_TILT).await,
        [0x90, 0x50, 0x00, 0x01, 0x0F, 0x04, 0, 0, 0, 0, 0xFF]
    );
    hand.advance(Duration::from_millis(500));
    assert_eq!(
        client.receive().await,
        datagram(packet::REPLY, recall, &[0x90, 0x51, 0xFF])
    );
    assert_eq!(room.position("camera.main").unwrap().pan, 1000);

    let back = [&[0x81, 0x01, 0x06, 0x02, 0x18, 0x14][..], &found[2..]].concat();
    assert_eq!(client.ask(&back).await, [0x90, 0x41, 0xFF]);
    hand.advance(Duration::from_secs(1));
    assert_eq!(client.receive().await[8..], [0x90, 0x51, 0xFF]);
    assert_eq!(room.position("camera.main").unwrap().pan, 0);
    assert_eq!(room.violations(), []);
    let reported = room
        .journal()
        .into_iter()
        .filter(|entry| entry.kind == Kind::Reported)
        .count();
    assert_eq!(reported, 3);
}

#[tokio::test]
async fn storing_a_preset_is_refused_and_found_in_the_journal() {
    let (room, _hand) = room("").await;
    let mut client = Client::new(&room).await;
    assert_eq!(
        client.ask(&[0x81, 0x01, 0x04, 0x3F, 0x01, 0x01, 0xFF]).await,
        [0x90, 0x60, 0x02, 0xFF]
    );
    let whys: Vec<String> = room
        .violations()
        .into_iter()
        .map(|violation| violation.why)
        .collect();
    assert_eq!(whys, ["stores or clears a preset"]);
}

#[tokio::test]
async fn silent_receives_and_says_nothing() {
    let (room, _hand) = room("faults = [\"silent\"]").await;
    let mut client = Client::new(&room).await;
    client.send(&POWER).await;
    client.send(&POWER).await;
    // Once the second has been received, the first has been dealt with.
    received(&room, 2).await;
    room.fault("camera.main", "silent", false).unwrap();
    client.send(&POWER).await;
    assert_ne!(client.receive().await[4..8], [0, 0, 0, 1]);
}

#[tokio::test]
async fn garbage_comes_instead_of_replies_and_tells_no_position() {
    let (room, _hand) = room("faults = [\"garbage\"]").await;
    let mut client = Client::new(&room).await;
    for _ in 0..8 {
        client.send(&PAN_TILT).await;
        let reply = client.receive().await;
        assert!((1..=32).contains(&reply.len()));
        assert!(!reply.starts_with(&[0x01, 0x11]));
    }
    assert!(room.journal().iter().all(|entry| entry.kind == Kind::Received));
}

#[tokio::test]
async fn every_third_reply_is_lost() {
    let (room, _hand) = room("faults = [\"loses-replies\"]").await;
    let mut client = Client::new(&room).await;
    let mut heard = Vec::new();
    for _ in 0..7 {
        client.send(&POWER).await;
    }
    while heard.len() < 5 {
        heard.push(client.receive().await[7]);
    }
    assert_eq!(heard, [1, 2, 4, 5, 7]);
}

#[tokio::test]
async fn slow_takes_its_time_for_each_reply() {
    let (room, hand) = room("faults = [\"slow\"]").await;
    let mut client = Client::new(&room).await;
    client.send(&POWER).await;
    let mut moved_ms = 0;
    let reply = loop {
        tokio::select! {
            biased;
            reply = client.receive() => break reply,
            () = tokio::task::yield_now() => {
                hand.advance(Duration::from_millis(1));
                moved_ms += 1;
            }
        }
    };
    assert_eq!(reply[8..], [0x90, 0x50, 0x02, 0xFF]);
    assert!(moved_ms >= 30, "{moved_ms} ms");
}

#[tokio::test]
async fn faults_of_movement_are_switched_while_it_runs() {
    let (room, hand) = room("").await;
    let mut client = Client::new(&room).await;
    let recall = [0x81, 0x01, 0x04, 0x3F, 0x02, 0x01, 0xFF];
    room.fault("camera.main", "standby", true).unwrap();
    assert_eq!(client.ask(&POWER).await, [0x90, 0x50, 0x03, 0xFF]);
    assert_eq!(client.ask(&recall).await, [0x90, 0x61, 0x41, 0xFF]);
    room.fault("camera.main", "standby", false).unwrap();
    room.fault("camera.main", "preset-never-completes", true).unwrap();
    assert_eq!(client.ask(&recall).await, [0x90, 0x41, 0xFF]);
    hand.advance(Duration::from_secs(60));
    assert_eq!(room.position("camera.main").unwrap().pan, 0);
    room.fault("camera.main", "preset-never-completes", false)
        .unwrap();
    room.fault("camera.main", "preset-elsewhere", true).unwrap();
    assert_eq!(client.ask(&recall).await, [0x90, 0x41, 0xFF]);
    hand.advance(Duration::from_secs(60));
    assert_eq!(client.receive().await[8..], [0x90, 0x51, 0xFF]);
    assert_eq!(room.position("camera.main").unwrap().pan, 1200);
}
