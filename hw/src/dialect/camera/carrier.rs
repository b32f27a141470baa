//! One request at a time to a camera, over IP framing or bare packets: numbering, asking again, and
//! telling which reply belongs to what.
//!
//! Over IP a reply carries its request's number and a lost datagram is sent again with the same number.
//! Bare packets have no numbers: there the shape of the answer and the slot of the command decide, and
//! an act is never sent twice.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::visca::{
    CameraId, END, Fault, Inquired, PACKET_MAX_BYTES, Reply, Request, Unreadable, of_another, parse,
};
use super::visca_ip::{ControlReply, Frame, Kind};
use crate::reading::ProbeError;

/// How packets are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// With the header of VISCA over IP, one packet a datagram.
    Ip,
    /// Bare packets on a stream that is the camera's own.
    Packets,
    /// Bare packets on a serial line, where other cameras may be heard too.
    Chain,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The numbering begins anew. Over IP only.
    Reset,
    /// A packet.
    Request(Request),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The numbering has begun anew.
    Reset,
    /// The act is accepted, not done.
    Accepted,
    /// Every act that was accepted is done.
    Completed,
    /// The question is answered.
    Answer(Inquired),
    /// What was asked is refused, or was not answered at all.
    Failed(ProbeError),
    /// An act that was accepted came to nothing.
    MotionFailed(ProbeError),
}

/// How often something is sent, and how long each time is waited.
struct Patience {
    sends: u8,
    wait: Duration,
}

impl Patience {
    fn of(framing: Framing, asked: Asked) -> Self {
        let inquiry = matches!(asked, Asked::Request(request) if request.is_inquiry());
        match (framing, inquiry) {
            (Framing::Ip, _) => Self {
                sends: 3,
                wait: Duration::from_millis(500),
            },
            (Framing::Packets | Framing::Chain, true) => Self {
                sends: 2,
                wait: Duration::from_millis(750),
            },
            (Framing::Packets | Framing::Chain, false) => Self {
                sends: 1,
                wait: Duration::from_millis(1500),
            },
        }
    }
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    sequence: u32,
    message: Vec<u8>,
    since: Instant,
    until: Instant,
    sent: u8,
    renumbered: bool,
}

/// An act that was accepted and is not done.
#[derive(Debug)]
struct Motion {
    sequence: u32,
    socket: u8,
}

#[derive(Debug)]
pub(super) struct Carrier {
    framing: Framing,
    camera: CameraId,
    sequence: u32,
    partial: Vec<u8>,
    too_long: bool,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    waiting: Option<Waiting>,
    motions: Vec<Motion>,
    heard_reply: bool,
    heard_garbage: bool,
}

impl Carrier {
    pub(super) fn new(framing: Framing, camera: CameraId) -> Self {
        Self {
            framing,
            camera,
            // The reset carries number 1.
            sequence: 1,
            partial: Vec::new(),
            too_long: false,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            waiting: None,
            motions: Vec::new(),
            heard_reply: false,
            heard_garbage: false,
        }
    }

    /// True once a reply of a camera has come.
    pub(super) fn heard_reply(&self) -> bool {
        self.heard_reply
    }

    /// True once bytes have come that no camera says.
    pub(super) fn heard_garbage(&self) -> bool {
        self.heard_garbage
    }

    /// Asks; what was asked before and has no reply yet is forgotten.
    pub(super) fn ask(&mut self, now: Instant, asked: Asked) {
        let (sequence, message) = self.message(asked);
        self.outbox.push_back(message.clone());
        let until = now + Patience::of(self.framing, asked).wait;
        self.waiting = Some(Waiting {
            asked,
            sequence,
            message,
            since: now,
            until,
            sent: 1,
            renumbered: false,
        });
    }

    /// Forgets what was asked and what moves: replies to it mean nothing any more.
    pub(super) fn forget(&mut self) {
        self.waiting = None;
        self.motions.clear();
    }

    /// Forgets everything, what is still to be sent too.
    pub(super) fn end(&mut self) {
        self.forget();
        self.outbox.clear();
    }

    pub(super) fn transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    pub(super) fn has_to_send(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.until)
    }

    /// Sends again what has no reply, or gives it up.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let Some(waiting) = self.waiting.as_mut().filter(|waiting| waiting.until <= now) else {
            return;
        };
        let patience = Patience::of(self.framing, waiting.asked);
        if waiting.sent < patience.sends {
            waiting.sent += 1;
            waiting.until = now + patience.wait;
            self.outbox.push_back(waiting.message.clone());
        } else {
            let waited = now.saturating_duration_since(waiting.since).as_millis();
            self.fail(ProbeError::NoAnswer {
                waited_ms: u64::try_from(waited).unwrap_or(u64::MAX),
            });
        }
    }

    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8]) {
        match self.framing {
            Framing::Ip => self.datagram(now, bytes),
            Framing::Packets | Framing::Chain => self.piece(bytes),
        }
    }

    fn message(&mut self, asked: Asked) -> (u32, Vec<u8>) {
        let request = match asked {
            Asked::Reset => {
                self.sequence = 1;
                return (1, Frame::reset().emit());
            }
            Asked::Request(request) => request,
        };
        let payload = request.emit(self.camera);
        if self.framing != Framing::Ip {
            return (0, payload);
        }
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        let kind = if request.is_inquiry() {
            Kind::Inquiry
        } else {
            Kind::Command
        };
        (
            self.sequence,
            Frame {
                kind,
                sequence: self.sequence,
                payload,
            }
            .emit(),
        )
    }

    fn datagram(&mut self, now: Instant, datagram: &[u8]) {
        let Some(frame) = Frame::parse(datagram) else {
            return self.heard_garbage = true;
        };
        match frame.kind {
            Kind::Reply => match parse(self.camera, &frame.payload) {
                Ok(reply) => self.reply(Some(frame.sequence), &reply),
                Err(Unreadable) => self.heard_garbage = true,
            },
            Kind::ControlReply => match ControlReply::parse(&frame.payload) {
                Some(reply) => self.control(now, reply),
                None => self.heard_garbage = true,
            },
            Kind::Command | Kind::Inquiry | Kind::DeviceSetting | Kind::Control => self.heard_garbage = true,
        }
    }

    fn piece(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if !self.too_long {
                self.partial.push(*byte);
            }
            if *byte == END {
                let packet = std::mem::take(&mut self.partial);
                match parse(self.camera, &packet) {
                    Ok(reply) if !self.too_long => self.reply(None, &reply),
                    // Neither an answer of ours nor a reason to call the line unreadable.
                    Err(Unreadable) if self.framing == Framing::Chain && of_another(self.camera, &packet) => {
                    }
                    _ => self.heard_garbage = true,
                }
                self.too_long = false;
            } else if self.partial.len() >= PACKET_MAX_BYTES {
                self.too_long = true;
                self.heard_garbage = true;
                self.partial.clear();
            }
        }
    }

    fn control(&mut self, now: Instant, reply: ControlReply) {
        self.heard_reply = true;
        let Some(waiting) = &self.waiting else { return };
        let (asked, sequence, sent, renumbered) =
            (waiting.asked, waiting.sequence, waiting.sent, waiting.renumbered);
        let Asked::Request(request) = asked else {
            if reply == ControlReply::Reset {
                self.waiting = None;
                self.events.push_back(Event::Reset);
            }
            return;
        };
        match reply {
            ControlReply::Reset => {}
            ControlReply::WrongKind => self.fail(ProbeError::NotSupported),
            // The first copy came through and its reply was lost: an act is being done, a question is
            // asked anew.
            ControlReply::WrongSequence if sent > 1 && !request.is_inquiry() => {
                self.accept(sequence, 0);
            }
            ControlReply::WrongSequence if renumbered => self.fail(ProbeError::Garbled),
            ControlReply::WrongSequence => {
                if sent == 1 {
                    self.sequence = 1;
                    self.outbox.push_back(Frame::reset().emit());
                }
                let (sequence, message) = self.message(asked);
                self.outbox.push_back(message.clone());
                let until = now + Patience::of(self.framing, asked).wait;
                if let Some(waiting) = &mut self.waiting {
                    waiting.sequence = sequence;
                    waiting.message = message;
                    waiting.until = until;
                    waiting.renumbered = true;
                }
            }
        }
    }

    fn reply(&mut self, sequence: Option<u32>, reply: &Reply) {
        self.heard_reply = true;
        let ours = self
            .waiting
            .as_ref()
            .is_some_and(|waiting| sequence.is_none_or(|it| it == waiting.sequence));
        let request = match self.waiting.as_ref().map(|waiting| waiting.asked) {
            Some(Asked::Request(request)) if ours => Some(request),
            _ => None,
        };
        let act = request.is_some_and(|request| !request.is_inquiry());
        match reply {
            Reply::NetworkChange => {}
            Reply::Ack { socket } if act => self.accept_waiting(*socket),
            Reply::Ack { .. } => {}
            Reply::Completed { socket } => self.completed(sequence, *socket, act),
            Reply::Answer(answer) => match request {
                Some(request) if answer.answers(request) => {
                    self.waiting = None;
                    self.events.push_back(Event::Answer(*answer));
                }
                // With a number it answers this question, and wrongly; without, it may be a late one.
                Some(request) if sequence.is_some() && request.is_inquiry() => self.fail(ProbeError::Garbled),
                _ => {}
            },
            Reply::OtherAnswer if request.is_some() && !act => self.fail(ProbeError::Garbled),
            Reply::OtherAnswer => {}
            Reply::Fault { socket, fault } => self.fault(sequence, *socket, *fault, request.is_some()),
        }
    }

    fn completed(&mut self, sequence: Option<u32>, socket: u8, act_waits: bool) {
        if !self.end_motion(sequence, socket) {
            if !act_waits {
                return;
            }
            // Done without having been acknowledged, or the acknowledgement was lost.
            self.accept_waiting(socket);
            self.end_motion(sequence, socket);
        }
        if self.motions.is_empty() {
            self.events.push_back(Event::Completed);
        }
    }

    /// Some cameras give several acts the same slot, or free slot 0.
    fn end_motion(&mut self, sequence: Option<u32>, socket: u8) -> bool {
        let at = self.motions.iter().position(|motion| match sequence {
            Some(sequence) => motion.sequence == sequence,
            None => motion.socket == socket || socket == 0 || motion.socket == 0,
        });
        at.map(|at| self.motions.remove(at)).is_some()
    }

    fn fault(&mut self, sequence: Option<u32>, socket: u8, fault: Fault, asked: bool) {
        let why = match fault {
            Fault::Length | Fault::Syntax => ProbeError::NotSupported,
            Fault::BufferFull | Fault::Cancelled => ProbeError::Busy,
            Fault::NotExecutable => ProbeError::Refused,
            Fault::NoSocket | Fault::Other(_) => ProbeError::Garbled,
        };
        // Over IP the number says whose fault it is. Else the slot does: an inquiry has none, and only
        // something that runs can be stopped.
        let runs = socket != 0 && self.motions.iter().any(|motion| motion.socket == socket);
        let of_motion = match sequence {
            Some(_) => !asked,
            None => {
                !asked || matches!(fault, Fault::Cancelled | Fault::NoSocket) || runs && self.inquiry_waits()
            }
        };
        if !of_motion {
            self.fail(why);
        } else if self.end_motion(sequence, socket) {
            self.motions.clear();
            self.events.push_back(Event::MotionFailed(why));
        }
    }

    fn inquiry_waits(&self) -> bool {
        matches!(self.waiting.as_ref().map(|waiting| waiting.asked), Some(Asked::Request(request)) if request.is_inquiry())
    }

    fn accept_waiting(&mut self, socket: u8) {
        if let Some(waiting) = &self.waiting {
            self.accept(waiting.sequence, socket);
        }
    }

    fn accept(&mut self, sequence: u32, socket: u8) {
        self.waiting = None;
        self.motions.push(Motion { sequence, socket });
        self.events.push_back(Event::Accepted);
    }

    fn fail(&mut self, why: ProbeError) {
        self.waiting = None;
        self.events.push_back(Event::Failed(why));
    }
}
