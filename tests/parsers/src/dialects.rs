//! Each device language as a talk that is played a tape: it ends, what it keeps is bounded by what came, it reads the
//! same however the bytes were split, and it sends nothing beyond the reviewed list.

use std::fmt::Debug;
use std::time::Instant;

use bridgepoint_hw::address::UpsAddress;
use bridgepoint_hw::dialect::Conversation;
use bridgepoint_hw::dialect::camera::visca::{CameraId, END, PACKET_MAX_BYTES, Reply, of_another, parse};
use bridgepoint_hw::dialect::camera::visca_ip::{ControlReply, Frame, HEADER_BYTES};
use bridgepoint_hw::dialect::camera::{self, CameraJob, Framing, PresetNumber};
use bridgepoint_hw::dialect::codec::cisco;
use bridgepoint_hw::dialect::ups::nut;
use bridgepoint_hw::probe::{Login, Secret};
use bridgepoint_tests::allowed::violations;
use bridgepoint_tests::journal::{Entry, Kind};

use crate::tape::{Event, Step, play, steps};

const USER: &str = "probe";
const PASSWORD: &str = "s3cret";

/// A codec whose console asks for nobody.
pub(crate) fn cisco(data: &[u8]) {
    let tape = steps(data);
    let (reading, events) = play(|now, _| cisco::Talk::new(None, now), &tape);
    nothing_of_nothing(&tape, reading.is_ok());
    bounded(data, &reading);
    assert_allowed("codec", 1, &events, &[]);
    same_in_any_pieces(&tape, None, |now, _| cisco::Talk::new(None, now));
}

/// A codec that is logged in to: the password goes out at most once, behind our own name.
pub(crate) fn cisco_login(data: &[u8]) {
    let tape = steps(data);
    let talk = |now| {
        let login = Login {
            user: USER.to_owned(),
            password: Secret::new(PASSWORD.to_owned()),
        };
        cisco::Talk::new(Some(login), now)
    };
    let (reading, events) = play(|now, _| talk(now), &tape);
    nothing_of_nothing(&tape, reading.is_ok());
    bounded(data, &reading);
    let (name, word) = (format!("{USER}\r\n"), format!("{PASSWORD}\r\n"));
    let sent: Vec<&[u8]> = sent(&events).collect();
    let words: Vec<usize> = (0..sent.len())
        .filter(|at| sent[*at] == word.as_bytes())
        .collect();
    assert!(words.len() <= 1, "the password was sent {} times", words.len());
    if let Some(at) = words.first() {
        assert!(
            sent[..*at].contains(&name.as_bytes()),
            "the password was sent before a name"
        );
    }
    assert_allowed("codec", 1, &events, &[name.as_bytes(), word.as_bytes()]);
    same_in_any_pieces(&tape, None, |now, _| talk(now));
}

/// A NUT server.
pub(crate) fn nut(data: &[u8]) {
    let Ok(UpsAddress::Nut { ups, .. }) = "nut://127.0.0.1/room".parse() else {
        panic!("the address of the test is none")
    };
    let tape = steps(data);
    let (reading, events) = play(|now, _| nut::Talk::new(ups.clone(), now), &tape);
    nothing_of_nothing(&tape, reading.is_ok());
    bounded(data, &reading);
    let sent: Vec<&[u8]> = sent(&events).collect();
    let allowed: [&[u8]; 2] = [b"LIST VAR room\n", b"LOGOUT\n"];
    assert!(allowed.starts_with(&sent), "{sent:?} was sent");
    if let Ok(ups) = &reading {
        let percent = |value: &Result<f64, _>| value.as_ref().is_ok_and(|p| !(0.0..=100.0).contains(p));
        assert!(!percent(&ups.charge_percent), "{ups:?}");
        assert!(ups.runtime_s.as_ref().is_ok_and(|s| s.is_finite()) || ups.runtime_s.is_err());
    }
    same_in_any_pieces(&tape, None, |now, _| nut::Talk::new(ups.clone(), now));
}

/// A camera that is asked over IP, a datagram a piece.
pub(crate) fn camera_ip(data: &[u8]) {
    let tape = steps(data);
    let (reading, events) = play(|now, end| camera_talk(Framing::Ip, 1, now, end), &tape);
    nothing_of_nothing(&tape, reading.is_ok());
    bounded(data, &reading);
    assert_allowed("camera.main", 0, &events, &[]);
}

/// A camera on a stream of its own.
pub(crate) fn camera_packets(data: &[u8]) {
    camera_stream(Framing::Packets, 1, data);
}

/// The third camera of a serial line.
pub(crate) fn camera_chain(data: &[u8]) {
    camera_stream(Framing::Chain, 3, data);
}

fn camera_stream(framing: Framing, number: u8, data: &[u8]) {
    let tape = steps(data);
    let talk = |now, end| camera_talk(framing, number, now, end);
    let (reading, events) = play(talk, &tape);
    nothing_of_nothing(&tape, reading.is_ok());
    bounded(data, &reading);
    assert_allowed("camera.main", 1, &events, &[]);
    same_in_any_pieces(&tape, Some(END), talk);
}

fn camera_talk(framing: Framing, number: u8, now: Instant, deadline: Instant) -> camera::Talk {
    let preset = |number| PresetNumber::try_from(number).expect("a preset");
    let job = CameraJob {
        home: Some(preset(2)),
        ..CameraJob::visiting(vec![preset(1), preset(5)])
    };
    let camera = CameraId::new(number).expect("a camera of a line");
    camera::Talk::new(framing, camera, job, now, deadline)
}

/// One packet, one datagram.
pub(crate) fn visca(data: &[u8]) {
    if let Some(frame) = Frame::parse(data) {
        assert_eq!(frame.emit(), data, "a datagram is its parts and nothing else");
        assert!((1..=PACKET_MAX_BYTES).contains(&frame.payload.len()));
        let _whatever_it_says = ControlReply::parse(&frame.payload);
        packet(&frame.payload);
    }
    packet(data);
}

fn packet(packet: &[u8]) {
    let cameras = || (1..=7).filter_map(CameraId::new);
    let mut read_by = 0;
    for camera in cameras() {
        let Ok(reply) = parse(camera, packet) else {
            continue;
        };
        assert!((3..=PACKET_MAX_BYTES).contains(&packet.len()) && packet.last() == Some(&0xFF));
        if reply != Reply::NetworkChange {
            read_by += 1;
            assert!(!of_another(camera, packet), "one camera's is not another's");
        }
    }
    assert!(read_by <= 1, "a packet is one camera's");
}

fn sent(events: &[Event]) -> impl Iterator<Item = &[u8]> {
    events.iter().filter_map(|event| match event {
        Event::Sent(bytes) => Some(bytes.as_slice()),
        Event::Came(_) => None,
    })
}

/// Who has heard nothing has learnt nothing.
fn nothing_of_nothing(tape: &[Step], learnt: bool) {
    let silent = !tape.iter().any(|step| matches!(step, Step::Bytes(_)));
    assert!(!(silent && learnt), "a reading of a device that said nothing");
}

/// What is kept of a talk: the fixed part of a reading, and what was said in it.
fn bounded(data: &[u8], reading: &impl Debug) {
    let held = format!("{reading:?}").len();
    assert!(
        held <= 16 * 1024 + 32 * data.len(),
        "{held} bytes are kept of {}",
        data.len()
    );
}

/// Everything that was sent is on the list, `besides` apart.
fn assert_allowed(device: &str, connection: u64, events: &[Event], besides: &[&[u8]]) {
    let mut entries = Vec::new();
    let mut packet = Vec::new();
    let mut note = |kind, bytes: &[u8]| {
        entries.push(Entry {
            t_ms: 0,
            device: device.to_owned(),
            peer: "127.0.0.1:4000".to_owned(),
            connection,
            kind,
            bytes: bytes.to_vec(),
        });
    };
    for event in events {
        match event {
            Event::Sent(bytes) if besides.contains(&bytes.as_slice()) => {}
            Event::Sent(bytes) => note(Kind::Received, bytes),
            Event::Came(bytes) if connection == 0 => {
                let mut datagram = bytes.clone();
                plain_answer(datagram.get_mut(HEADER_BYTES..).unwrap_or_default());
                note(Kind::Reported, &datagram);
            }
            Event::Came(_) if device == "codec" => {}
            Event::Came(bytes) => {
                for byte in bytes {
                    packet.push(*byte);
                    if *byte == END {
                        plain_answer(&mut packet);
                        note(Kind::Reported, &packet);
                        packet.clear();
                    }
                }
            }
        }
    }
    let found = violations(&entries);
    assert!(found.is_empty(), "{:?}", found.first());
}

/// Cameras may name a slot in an answer, and the driver does not mind; the list knows answers without one.
fn plain_answer(packet: &mut [u8]) {
    if let Some(kind @ 0x50..=0x5F) = packet.get_mut(1) {
        *kind = 0x50;
    }
}

/// A stream has no pieces of its own: what came together may come byte by byte. `end` ends what can only be said as a
/// whole: what comes behind it, before anything was asked again, may answer the next question or none.
fn same_in_any_pieces<C: Conversation>(tape: &[Step], end: Option<u8>, talk: impl Fn(Instant, Instant) -> C)
where
    C::Reading: Debug + PartialEq,
{
    let came: Vec<u8> = tape
        .iter()
        .flat_map(|step| match step {
            Step::Bytes(bytes) => bytes.as_slice(),
            Step::Act(_) => &[],
        })
        .copied()
        .take(4096)
        .collect();
    let pieces = |pieces: &mut dyn Iterator<Item = &[u8]>| -> Vec<Step> {
        pieces.map(|piece| Step::Bytes(piece.to_vec())).collect()
    };
    let large = pieces(&mut came.split_inclusive(|byte| Some(*byte) == end));
    let small = pieces(&mut came.chunks(1));
    let (together, _) = play(&talk, &large);
    let (apart, _) = play(&talk, &small);
    assert_eq!(together, apart, "in pieces it is read otherwise");
}
