//! A simulated camera in simulated time, with one fault, and the loop that lets a talk meet it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::super::visca_ip::{Frame, Kind};
use super::super::*;

/// What is wrong with the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    NeverStirs,
    CompletesEarly,
    NeverCompletes,
    NoAck,
    RefusesPreset(u8),
    RefusesPositions,
    IgnoresPositions,
    NoInquiries,
    Standby,
    SlowBack,
    Interrupted,
    ForgetsNumbering,
    /// Nothing is said from the n-th message received on.
    MuteFrom(usize),
    /// The n-th reply is lost.
    Loses(usize),
    /// Not the camera's fault: somebody stops the talk.
    CancelledAt(Duration),
}

pub(super) struct Camera {
    framing: Framing,
    fault: Fault,
    spot: Spot,
    target: Spot,
    /// Per axis and 20 ms.
    step: i32,
    completes: Option<(u32, Instant)>,
    received: usize,
    replied: usize,
    done: Vec<(u32, Vec<u8>)>,
    expected: Option<u32>,
    recalls: usize,
    moved: bool,
    clock: Option<Instant>,
    replies: VecDeque<(Instant, Vec<u8>)>,
}

pub(super) struct Done {
    pub(super) reading: Answer<CameraReading>,
    pub(super) took: Duration,
    pub(super) requests: Vec<Request>,
}

#[allow(
    clippy::disallowed_methods,
    reason = "some instant to count from; only differences matter"
)]
pub(super) fn start() -> Instant {
    Instant::now()
}

/// A packet as the camera puts it on the wire.
pub(super) fn framed(framing: Framing, sequence: u32, packet: &[u8]) -> Vec<u8> {
    match framing {
        Framing::Ip => Frame {
            kind: Kind::Reply,
            sequence,
            payload: packet.to_vec(),
        }
        .emit(),
        Framing::Packets | Framing::Chain => packet.to_vec(),
    }
}

impl Camera {
    pub(super) fn new(framing: Framing) -> Self {
        let spot = Spot {
            pan: -100,
            tilt: 50,
            zoom: 0x200,
        };
        Self {
            framing,
            fault: Fault::None,
            spot,
            target: spot,
            step: 40,
            completes: None,
            received: 0,
            replied: 0,
            done: Vec::new(),
            expected: None,
            recalls: 0,
            moved: false,
            clock: None,
            replies: VecDeque::new(),
        }
    }

    pub(super) fn with(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    pub(super) fn preset(number: u8) -> Spot {
        let n = i16::from(number);
        Spot {
            pan: 300 * n,
            tilt: -40 * n,
            zoom: 0x100 * u16::from(number),
        }
    }

    pub(super) fn was_moved(&self) -> bool {
        self.moved
    }

    pub(super) fn recalls(&self) -> usize {
        self.recalls
    }

    fn advance(&mut self, now: Instant) {
        let mut at = self.clock.unwrap_or(now);
        while at + Duration::from_millis(20) <= now {
            at += Duration::from_millis(20);
            let step = |from: i32, to: i32| from + (to - from).clamp(-self.step, self.step);
            self.spot = Spot {
                pan: step(self.spot.pan.into(), self.target.pan.into())
                    .try_into()
                    .unwrap(),
                tilt: step(self.spot.tilt.into(), self.target.tilt.into())
                    .try_into()
                    .unwrap(),
                zoom: step(self.spot.zoom.into(), self.target.zoom.into())
                    .try_into()
                    .unwrap(),
            };
            if self.spot == self.target
                && let Some((sequence, _)) = self.completes.take()
            {
                self.say(at, sequence, &[0x90, 0x51, 0xFF]);
            }
        }
        self.clock = Some(at);
    }

    fn say(&mut self, at: Instant, sequence: u32, packet: &[u8]) {
        self.replied += 1;
        if self.fault != Fault::Loses(self.replied) {
            self.replies.push_back((
                at + Duration::from_millis(20),
                framed(self.framing, sequence, packet),
            ));
        }
    }

    /// Takes one message; gives the packet in it.
    fn hear(&mut self, now: Instant, bytes: &[u8]) -> Option<Vec<u8>> {
        self.advance(now);
        self.received += 1;
        let mute = matches!(self.fault, Fault::MuteFrom(from) if self.received > from);
        let (sequence, packet) = match self.framing {
            Framing::Packets | Framing::Chain => (0, bytes.to_vec()),
            Framing::Ip => {
                let frame = Frame::parse(bytes).expect("a frame");
                if frame.kind == Kind::Control {
                    self.done.clear();
                    self.expected = None;
                    if !mute {
                        let reply = Frame {
                            kind: Kind::ControlReply,
                            sequence: 1,
                            payload: vec![1],
                        }
                        .emit();
                        self.replies.push_back((now + Duration::from_millis(20), reply));
                    }
                    return None;
                }
                if self.fault == Fault::ForgetsNumbering && self.received == 6 {
                    let reply = Frame {
                        kind: Kind::ControlReply,
                        sequence: frame.sequence,
                        payload: vec![0x0F, 1],
                    };
                    self.replies
                        .push_back((now + Duration::from_millis(20), reply.emit()));
                    return None;
                }
                // A message that comes a second time is not done a second time.
                if let Some((_, said)) = self.done.iter().find(|(number, _)| *number == frame.sequence) {
                    let payload = if said.is_empty() {
                        vec![0x0F, 1]
                    } else {
                        said.clone()
                    };
                    let kind = if said.is_empty() {
                        Kind::ControlReply
                    } else {
                        Kind::Reply
                    };
                    let reply = Frame {
                        kind,
                        sequence: frame.sequence,
                        payload,
                    }
                    .emit();
                    if !mute {
                        self.replies.push_back((now + Duration::from_millis(20), reply));
                    }
                    return Some(frame.payload);
                }
                self.done.push((frame.sequence, Vec::new()));
                (frame.sequence, frame.payload)
            }
        };
        if !mute {
            self.obey(now, sequence, &packet);
        }
        Some(packet)
    }

    fn obey(&mut self, now: Instant, sequence: u32, packet: &[u8]) {
        let nibbles =
            |value: u16| [value >> 12, value >> 8 & 15, value >> 4 & 15, value & 15].map(|n| n as u8);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0_u16, |value, byte| value << 4 | u16::from(*byte))
        };
        let inquiries = self.fault != Fault::NoInquiries;
        match packet {
            [0x81, 0x09, 0x00, 0x02, 0xFF] => {
                self.say(now, sequence, &[0x90, 0x50, 0, 1, 5, 0x13, 3, 0, 2, 0xFF]);
            }
            [0x81, 0x09, 0x04, 0x00, 0xFF] => {
                let power = if self.fault == Fault::Standby { 3 } else { 2 };
                self.say(now, sequence, &[0x90, 0x50, power, 0xFF]);
            }
            [0x81, 0x09, 0x06, 0x12, 0xFF] if inquiries => {
                let mut said = vec![0x90, 0x50];
                said.extend(nibbles(self.spot.pan.cast_unsigned()));
                said.extend(nibbles(self.spot.tilt.cast_unsigned()));
                said.push(0xFF);
                self.say(now, sequence, &said);
            }
            [0x81, 0x09, 0x04, 0x47, 0xFF] if inquiries => {
                let mut said = vec![0x90, 0x50];
                said.extend(nibbles(self.spot.zoom));
                said.push(0xFF);
                self.say(now, sequence, &said);
            }
            [0x81, 0x01, 0x04, 0x3F, 0x02, preset, 0xFF] => {
                if self.fault == Fault::Standby || self.fault == Fault::RefusesPreset(*preset) {
                    return self.say(now, sequence, &[0x90, 0x61, 0x41, 0xFF]);
                }
                self.recalls += 1;
                self.go(now, sequence, Self::preset(*preset));
                if self.fault == Fault::Interrupted {
                    self.completes = None;
                    self.say(
                        now + Duration::from_millis(300),
                        sequence,
                        &[0x90, 0x61, 0x04, 0xFF],
                    );
                }
            }
            [0x81, 0x01, 0x06, 0x02, 0x14, 0x12, spot @ .., 0xFF] if spot.len() == 8 => match self.fault {
                Fault::RefusesPositions => self.say(now, sequence, &[0x90, 0x60, 0x02, 0xFF]),
                Fault::IgnoresPositions => self.say(now, sequence, &[0x90, 0x41, 0xFF]),
                _ => {
                    if self.fault == Fault::SlowBack {
                        self.step = 1;
                    }
                    let target = Spot {
                        pan: number(&spot[..4]).cast_signed(),
                        tilt: number(&spot[4..]).cast_signed(),
                        ..self.target
                    };
                    self.go(now, sequence, target);
                }
            },
            [0x81, 0x01, 0x04, 0x47, zoom @ .., 0xFF] if zoom.len() == 4 => {
                if self.fault == Fault::IgnoresPositions {
                    return self.say(now, sequence, &[0x90, 0x42, 0xFF]);
                }
                self.go(
                    now,
                    sequence,
                    Spot {
                        zoom: number(zoom),
                        ..self.target
                    },
                );
            }
            _ => self.say(now, sequence, &[0x90, 0x60, 0x02, 0xFF]),
        }
    }

    fn go(&mut self, now: Instant, sequence: u32, target: Spot) {
        if self.fault != Fault::NoAck {
            self.say(now, sequence, &[0x90, 0x41, 0xFF]);
        }
        if self.fault == Fault::NeverStirs {
            return;
        }
        self.moved = true;
        self.target = target;
        match self.fault {
            Fault::NeverCompletes | Fault::NoAck => {}
            Fault::CompletesEarly => self.say(now, sequence, &[0x90, 0x51, 0xFF]),
            _ => self.completes = Some((sequence, now)),
        }
    }
}

/// Lets the talk meet the camera until it has finished or its time is over.
pub(super) fn run(camera: &mut Camera, job: CameraJob, within: Duration) -> Done {
    let begin = start();
    let deadline = begin + within;
    let mut now = begin;
    let mut talk = Talk::new(camera.framing, CameraId::ONE, job, now, deadline);
    let mut cancel = match camera.fault {
        Fault::CancelledAt(after) => Some(begin + after),
        _ => None,
    };
    let mut requests = Vec::new();
    for _ in 0..20_000 {
        while let Some(bytes) = talk.transmit(now) {
            requests.extend(camera.hear(now, &bytes).as_deref().and_then(request));
        }
        if talk.finished() {
            return Done {
                reading: talk.conclude(),
                took: now - begin,
                requests,
            };
        }
        camera.advance(now);
        camera.replies.make_contiguous().sort_by_key(|(at, _)| *at);
        let reply = camera.replies.front().map(|(at, _)| *at);
        // While it moves the camera has to be looked at, so that it says in time that it has arrived.
        let step = camera.completes.map(|_| now + Duration::from_millis(20));
        let next = [reply, step, talk.timeout(), cancel]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(deadline);
        now = next.max(now);
        if now >= deadline {
            talk.interrupted(deadline, ProbeError::TimedOut { waited_ms: 0 });
            return Done {
                reading: talk.conclude(),
                took: within,
                requests,
            };
        }
        if cancel.is_some_and(|at| at <= now) {
            cancel = None;
            talk.interrupted(now, ProbeError::Cancelled);
        }
        camera.advance(now);
        while let Some((at, bytes)) = camera.replies.pop_front() {
            if at > now {
                camera.replies.push_front((at, bytes));
                break;
            }
            talk.receive(now, &bytes);
        }
        if talk.timeout().is_some_and(|at| at <= now) {
            talk.handle_timeout(now);
        }
    }
    panic!("it goes on for ever");
}

fn request(packet: &[u8]) -> Option<Request> {
    let spot = Spot {
        pan: 0,
        tilt: 0,
        zoom: 0,
    };
    match packet {
        [0x81, 0x01, 0x04, 0x3F, 0x02, preset, 0xFF] => {
            Some(Request::Recall(PresetNumber::try_from(*preset).unwrap()))
        }
        [0x81, 0x01, 0x06, 0x02, ..] => Some(Request::PanTiltBack(spot)),
        [0x81, 0x01, 0x04, 0x47, ..] => Some(Request::ZoomBack(spot)),
        _ => [
            Request::Version,
            Request::Power,
            Request::PanTiltPosition,
            Request::ZoomPosition,
        ]
        .into_iter()
        .find(|request| request.emit(CameraId::ONE) == packet),
    }
}
