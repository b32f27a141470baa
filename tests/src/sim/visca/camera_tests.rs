//! The camera datagram by datagram, on a clock that only the test moves.

use proptest::prelude::*;

use super::*;
use crate::sim::spec::{Preset, Speed};

const RESET: [u8; 9] = [0x02, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x01];

struct Bench {
    camera: Camera,
    faults: BTreeSet<CameraFault>,
    sequence: u32,
}

impl Bench {
    fn new(faults: &[CameraFault]) -> Self {
        let spec = spec::Camera {
            transport: spec::CameraTransport::default(),
            line: None,
            address: 1,
            id: "main".to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            shares_port: false,
            model: Model::Srg300h,
            found: Position {
                pan: 100,
                tilt: -100,
                zoom: 0,
            },
            presets: vec![
                Preset {
                    number: 1,
                    pan: 1100,
                    tilt: 0,
                    zoom: 2000,
                },
                Preset {
                    number: 2,
                    pan: 0x2200,
                    tilt: 0,
                    zoom: 0,
                },
            ],
            speed: Speed {
                pan: 1000,
                tilt: 1000,
                zoom: 1000,
            },
            elsewhere: 200,
            faults: Vec::new(),
        };
        Self {
            camera: Camera::new(&spec),
            faults: faults.iter().copied().collect(),
            sequence: 0,
        }
    }

    /// The VISCA packets that come back for one that is sent with the next sequence number.
    fn send(&mut self, packet: &[u8], at_ms: u64) -> Vec<Vec<u8>> {
        let kind = if packet.get(1) == Some(&0x09) {
            packet::INQUIRY
        } else {
            packet::COMMAND
        };
        self.sequence += 1;
        let datagram = packet::datagram(kind, self.sequence, packet);
        self.raw(&datagram, at_ms)
            .into_iter()
            .map(|bytes| bytes[8..].to_vec())
            .collect()
    }

    fn raw(&mut self, datagram: &[u8], at_ms: u64) -> Vec<Vec<u8>> {
        let outgoing = self.camera.receive(datagram, "p", ms(at_ms), &self.faults);
        outgoing.into_iter().map(|outgoing| outgoing.bytes).collect()
    }

    fn completions(&mut self, at_ms: u64) -> Vec<Vec<u8>> {
        self.camera
            .completions(ms(at_ms))
            .into_iter()
            .map(|outgoing| outgoing.bytes)
            .collect()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn recall(number: u8) -> [u8; 7] {
    [0x81, 0x01, 0x04, 0x3F, 0x02, number, 0xFF]
}

const ACK_1: [u8; 3] = [0x90, 0x41, 0xFF];
const DONE_1: [u8; 3] = [0x90, 0x51, 0xFF];

#[test]
fn reset_clears_the_sequence_and_is_answered_as_the_reference_says() {
    let mut bench = Bench::new(&[]);
    let reply = [0x02, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x01];
    assert_eq!(bench.raw(&RESET, 0), [reply]);
    bench.sequence = 700;
    bench.send(&[0x81, 0x09, 0x04, 0x00, 0xFF], 0);
    bench.raw(&RESET, 0);
    bench.sequence = 0;
    assert_eq!(
        bench.send(&[0x81, 0x09, 0x04, 0x00, 0xFF], 0),
        [[0x90, 0x50, 0x02, 0xFF]]
    );
}

#[test]
fn inquiries_are_answered_in_either_type() {
    let mut bench = Bench::new(&[]);
    assert_eq!(
        bench.send(&[0x81, 0x09, 0x00, 0x02, 0xFF], 0),
        [[0x90, 0x50, 0x00, 0x01, 0x05, 0x13, 0x01, 0x00, 0x02, 0xFF]]
    );
    let position = [0x90, 0x50, 0x00, 0x00, 0x06, 0x04, 0x0F, 0x0F, 0x09, 0x0C, 0xFF];
    assert_eq!(bench.send(&[0x81, 0x09, 0x06, 0x12, 0xFF], 0), [position]);
    let as_command = packet::datagram(packet::COMMAND, 9, &[0x81, 0x09, 0x06, 0x12, 0xFF]);
    assert_eq!(bench.raw(&as_command, 0)[0][8..], position);
    bench.sequence = 9;
    assert_eq!(
        bench.send(&[0x81, 0x09, 0x04, 0x47, 0xFF], 0),
        [[0x90, 0x50, 0x00, 0x00, 0x00, 0x00, 0xFF]]
    );
}

#[test]
fn a_recall_is_acknowledged_driven_and_completed_with_its_own_sequence() {
    let mut bench = Bench::new(&[]);
    bench.sequence = 0x0A0B_0C0C;
    assert_eq!(bench.send(&recall(1), 0), [ACK_1]);
    // Zoom has the longest way: 2000 counts at 1000 a second.
    assert_eq!(bench.camera.due(), Some(ms(2000)));
    assert_eq!(
        bench.camera.position(ms(500)),
        Position {
            pan: 600,
            tilt: 0,
            zoom: 500
        }
    );
    assert!(bench.completions(1999).is_empty());
    assert_eq!(
        bench.completions(2000),
        [[0x01, 0x11, 0x00, 0x03, 0x0A, 0x0B, 0x0C, 0x0D, 0x90, 0x51, 0xFF]]
    );
    assert_eq!(
        bench.camera.position(ms(2000)),
        Position {
            pan: 1100,
            tilt: 0,
            zoom: 2000
        }
    );
    assert_eq!(bench.camera.due(), None);
}

#[test]
fn pan_tilt_and_zoom_go_back_in_two_sockets_and_a_third_finds_them_full() {
    let mut bench = Bench::new(&[]);
    let back = [
        0x81, 0x01, 0x06, 0x02, 0x18, 0x14, 0x00, 0x03, 0x0E, 0x08, 0x00, 0x00, 0x00, 0x00, 0xFF,
    ];
    assert_eq!(bench.send(&back, 0), [ACK_1]);
    assert_eq!(
        bench.send(&[0x81, 0x01, 0x04, 0x47, 0x00, 0x06, 0x04, 0x00, 0xFF], 0),
        [[0x90, 0x42, 0xFF]]
    );
    assert_eq!(bench.send(&recall(1), 0), [[0x90, 0x60, 0x03, 0xFF]]);
    assert_eq!(bench.completions(900)[0][8..], DONE_1);
    assert_eq!(bench.completions(1600)[0][8..], [0x90, 0x52, 0xFF]);
    assert_eq!(
        bench.camera.position(ms(1600)),
        Position {
            pan: 1000,
            tilt: 0,
            zoom: 1600
        }
    );
}

#[test]
fn home_is_straight_ahead_and_leaves_the_zoom() {
    let mut bench = Bench::new(&[]);
    bench.send(&recall(1), 0);
    bench.completions(5000);
    assert_eq!(bench.send(&[0x81, 0x01, 0x06, 0x04, 0xFF], 5000), [ACK_1]);
    assert_eq!(bench.completions(10_000)[0][8..], DONE_1);
    assert_eq!(
        bench.camera.position(ms(10_000)),
        Position {
            pan: 0,
            tilt: 0,
            zoom: 2000
        }
    );
}

#[test]
fn a_camera_that_is_there_already_completes_at_once() {
    let mut bench = Bench::new(&[]);
    bench.send(&recall(1), 0);
    bench.completions(5000);
    assert_eq!(bench.send(&recall(1), 5000), [ACK_1, DONE_1]);
}

#[test]
fn what_it_cannot_do_is_said_in_its_errors() {
    let mut bench = Bench::new(&[]);
    let syntax = vec![vec![0x90, 0x60, 0x02, 0xFF]];
    assert_eq!(bench.send(&[0x81, 0x01, 0x04, 0x3F, 0x01, 0x01, 0xFF], 0), syntax);
    assert_eq!(bench.send(&[0x81, 0x01, 0x04, 0x3F, 0x02, 0x01], 0), syntax);
    // Preset 9 is not stored; pan 0x3000 is out of range.
    let not_executable = vec![vec![0x90, 0x61, 0x41, 0xFF]];
    assert_eq!(bench.send(&recall(9), 0), not_executable);
    let beyond = [
        0x81, 0x01, 0x06, 0x02, 0x01, 0x01, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF,
    ];
    assert_eq!(bench.send(&beyond, 0), not_executable);
    // The header says 16, the packet has 5.
    let mut wrong = packet::datagram(packet::INQUIRY, 500, &[0x81, 0x09, 0x04, 0x00, 0xFF]);
    wrong[3] = 16;
    assert_eq!(bench.raw(&wrong, 0)[0][8..], [0x90, 0x60, 0x01, 0xFF]);
    // A header type that a camera does not take.
    let wrong = packet::datagram(packet::REPLY, 501, &[0x81, 0x09, 0x04, 0x00, 0xFF]);
    assert_eq!(
        bench.raw(&wrong, 0),
        [[0x02, 0x01, 0x00, 0x02, 0x00, 0x00, 0x01, 0xF5, 0x0F, 0x02]]
    );
    assert!(bench.raw(&[0x01, 0x10, 0x00], 0).is_empty());
}

#[test]
fn a_sequence_number_that_does_not_rise_is_abnormal_and_not_carried_out() {
    let mut bench = Bench::new(&[]);
    let first = packet::datagram(packet::COMMAND, 7, &recall(1));
    assert_eq!(bench.raw(&first, 0)[0][8..], ACK_1);
    assert_eq!(
        bench.raw(&first, 10),
        [[0x02, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x07, 0x0F, 0x01]]
    );
    let earlier = packet::datagram(packet::COMMAND, 6, &recall(2));
    assert_eq!(
        bench.raw(&earlier, 20),
        [[0x02, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x06, 0x0F, 0x01]]
    );
    assert_eq!(bench.completions(2000).len(), 1);
    // Another client has its own numbers.
    let other = bench.camera.receive(
        &packet::datagram(packet::INQUIRY, 1, &[0x81, 0x09, 0x04, 0x00, 0xFF]),
        "q",
        ms(0),
        &bench.faults,
    );
    assert_eq!(other[0].bytes[8..], [0x90, 0x50, 0x02, 0xFF]);
}

#[test]
fn a_cancelled_movement_stops_where_it_is() {
    let mut bench = Bench::new(&[]);
    bench.send(&recall(1), 0);
    assert_eq!(bench.send(&[0x81, 0x21, 0xFF], 500), [[0x90, 0x61, 0x04, 0xFF]]);
    assert_eq!(bench.send(&[0x81, 0x21, 0xFF], 600), [[0x90, 0x61, 0x05, 0xFF]]);
    assert_eq!(
        bench.camera.position(ms(9000)),
        Position {
            pan: 600,
            tilt: 0,
            zoom: 500
        }
    );
}

#[test]
fn a_preset_that_never_completes_neither_moves_and_blocks_nothing_else() {
    let mut bench = Bench::new(&[CameraFault::PresetNeverCompletes]);
    for _ in 0..4 {
        assert_eq!(bench.send(&recall(1), 0), [ACK_1]);
    }
    assert!(bench.completions(60_000).is_empty());
    assert_eq!(
        bench.camera.position(ms(60_000)),
        Position {
            pan: 100,
            tilt: -100,
            zoom: 0
        }
    );
}

#[test]
fn a_preset_that_lands_elsewhere_completes_beside_its_place() {
    let mut bench = Bench::new(&[CameraFault::PresetElsewhere]);
    bench.send(&recall(1), 0);
    assert_eq!(bench.completions(10_000).len(), 1);
    assert_eq!(bench.camera.position(ms(10_000)).pan, 1300);
    // At the end of the range it misses to the other side.
    bench.send(&recall(2), 10_000);
    assert_eq!(bench.camera.position(ms(60_000)).pan, 0x2200 - 200);
}

#[test]
fn a_camera_that_completes_early_is_still_moving() {
    let mut bench = Bench::new(&[CameraFault::CompletesEarly]);
    assert_eq!(bench.send(&recall(1), 0), [ACK_1, DONE_1]);
    assert_eq!(bench.camera.position(ms(500)).pan, 600);
    assert_eq!(bench.camera.position(ms(2000)).pan, 1100);
}

#[test]
fn a_camera_in_standby_says_so_and_does_not_move() {
    let mut bench = Bench::new(&[CameraFault::Standby]);
    assert_eq!(
        bench.send(&[0x81, 0x09, 0x04, 0x00, 0xFF], 0),
        [[0x90, 0x50, 0x03, 0xFF]]
    );
    assert_eq!(bench.send(&recall(1), 0), [[0x90, 0x61, 0x41, 0xFF]]);
}

#[test]
fn a_slow_motor_takes_ten_times_as_long() {
    let mut bench = Bench::new(&[CameraFault::SlowMotor]);
    bench.send(&recall(1), 0);
    assert_eq!(bench.camera.due(), Some(ms(20_000)));
}

proptest! {
    #[test]
    fn any_datagrams_leave_a_camera_that_still_answers(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..32), 0..40),
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..18), 0..40),
    ) {
        let mut bench = Bench::new(&[]);
        for (place, datagram) in datagrams.iter().enumerate() {
            bench.camera.receive(datagram, &format!("peer {place}"), ms(place as u64), &bench.faults);
        }
        for payload in &payloads {
            bench.send(payload, 100);
        }
        prop_assert!(bench.camera.clients.len() <= CLIENTS);
        prop_assert!(bench.camera.jobs.len() <= 2);
        let power = bench.send(&[0x81, 0x09, 0x04, 0x00, 0xFF], 200);
        prop_assert_eq!(power, vec![vec![0x90, 0x50, 0x02, 0xFF]]);
    }
}
