//! The camera itself, without its socket: datagrams in, datagrams out, time as an argument.
//!
//! Sequence numbers are kept for each client: RESET clears them, a number that is not higher than the
//! last one is answered `0F 01` and not carried out (so a resend of something done is told so).
//! Two sockets: a movement holds one from its acknowledgement to its completion; a third is refused
//! as buffer full. A movement that is overtaken by another on the same axes completes when the axes
//! stand still; one that hangs by a fault gives its socket to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::faults::CameraFault;
use super::model::Model;
use super::motion::{Motion, Position};
use super::packet::{self, Datagram, Request};
use crate::sim::spec;

/// VISCA error codes.
const MESSAGE_LENGTH: u8 = 0x01;
const SYNTAX: u8 = 0x02;
const BUFFER_FULL: u8 = 0x03;
const CANCELLED: u8 = 0x04;
const NO_SOCKET: u8 = 0x05;
const NOT_EXECUTABLE: u8 = 0x41;

/// Clients whose sequence numbers are kept; the one that was silent longest is forgotten first.
const CLIENTS: usize = 32;

/// How much slower the fault `slow-motor` is.
const SLOW_MOTOR: u32 = 10;

/// A datagram on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// To whom, as [`Camera::receive`] was told.
    pub(crate) peer: String,
    /// The whole datagram.
    pub(crate) bytes: Vec<u8>,
    /// Whether it tells a position.
    pub(crate) position: bool,
}

/// Which axes a movement uses, and so when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    PanTilt,
    Zoom,
    All,
    /// By fault: never.
    Never,
}

/// A movement under way.
#[derive(Debug, Clone)]
struct Job {
    peer: String,
    sequence: u32,
    socket: u8,
    until: Until,
}

/// What is kept for each client.
#[derive(Debug, Clone, Copy)]
struct Client {
    last: Option<u32>,
    heard: Duration,
}

/// A camera.
#[derive(Debug)]
pub(crate) struct Camera {
    model: Model,
    presets: BTreeMap<u8, Position>,
    elsewhere: i32,
    motion: Motion,
    jobs: Vec<Job>,
    clients: BTreeMap<String, Client>,
}

impl Camera {
    /// A camera as the room's file describes it.
    pub(crate) fn new(spec: &spec::Camera) -> Self {
        let presets = spec.presets.iter().map(|preset| {
            (
                preset.number,
                Position {
                    pan: preset.pan,
                    tilt: preset.tilt,
                    zoom: preset.zoom,
                },
            )
        });
        Self {
            model: spec.model,
            presets: presets.collect(),
            elsewhere: spec.elsewhere,
            motion: Motion::standing(spec.found, spec.speed),
            jobs: Vec::new(),
            clients: BTreeMap::new(),
        }
    }

    /// Where it stands.
    pub(crate) fn position(&self, now: Duration) -> Position {
        self.motion.at(now)
    }

    /// When the next movement completes.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.jobs.iter().filter_map(|job| self.done_at(job.until)).min()
    }

    /// The completions that are due.
    pub(crate) fn completions(&mut self, now: Duration) -> Vec<Outgoing> {
        let (done, running): (Vec<Job>, Vec<Job>) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|job| self.done_at(job.until).is_some_and(|at| at <= now));
        self.jobs = running;
        done.into_iter()
            .map(|job| reply(&job.peer, job.sequence, &packet::complete(job.socket)))
            .collect()
    }

    /// What the camera answers to a datagram.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        peer: &str,
        now: Duration,
        faults: &BTreeSet<CameraFault>,
    ) -> Vec<Outgoing> {
        let Some(datagram) = Datagram::parse(bytes) else {
            return Vec::new();
        };
        let sequence = datagram.sequence;
        match datagram.kind {
            packet::CONTROL if datagram.payload == [0x01] => {
                self.client(peer, now).last = None;
                return vec![control(peer, sequence, &[0x01])];
            }
            // Some clients send inquiries as commands; real cameras take both.
            packet::COMMAND | packet::INQUIRY => {}
            _ => return vec![control(peer, sequence, &[0x0F, 0x02])],
        }
        let client = self.client(peer, now);
        if client.last.is_some_and(|last| sequence <= last) {
            return vec![control(peer, sequence, &[0x0F, 0x01])];
        }
        client.last = Some(sequence);
        if !datagram.has_its_length() {
            return vec![reply(peer, sequence, &packet::error(0, MESSAGE_LENGTH))];
        }
        match Request::parse(datagram.payload) {
            Some(request) => self.carry_out(request, peer, sequence, now, faults),
            None => vec![reply(peer, sequence, &packet::error(0, SYNTAX))],
        }
    }

    fn carry_out(
        &mut self,
        request: Request,
        peer: &str,
        sequence: u32,
        now: Duration,
        faults: &BTreeSet<CameraFault>,
    ) -> Vec<Outgoing> {
        let standby = faults.contains(&CameraFault::Standby);
        let answered = |body: Vec<u8>, position: bool| {
            vec![Outgoing {
                position,
                ..reply(peer, sequence, &body)
            }]
        };
        match request {
            Request::Version => answered(packet::answer(&self.model.version()), false),
            Request::Power => answered(packet::answer(&[if standby { 0x03 } else { 0x02 }]), false),
            Request::PanTiltPosition => answered(packet::pan_tilt_answer(self.motion.at(now)), true),
            Request::ZoomPosition => answered(packet::zoom_answer(self.motion.at(now)), true),
            Request::PanTiltStatus => {
                // Initialised, and moving or done.
                let moving = self.motion.pan_tilt_arrives() > now;
                answered(packet::answer(&[if moving { 0x24 } else { 0x28 }, 0x00]), false)
            }
            Request::InterfaceClear => {
                self.jobs.clear();
                answered(packet::answer(&[]), false)
            }
            Request::Cancel(socket) => self.cancel(socket, peer, sequence, now),
            Request::Recall(_) | Request::PanTiltTo { .. } | Request::Home | Request::ZoomTo(_) => {
                self.start(request, peer, sequence, now, faults)
            }
            Request::Unknown => answered(packet::error(0, SYNTAX), false),
        }
    }

    /// Starts a movement, or refuses it.
    fn start(
        &mut self,
        request: Request,
        peer: &str,
        sequence: u32,
        now: Duration,
        faults: &BTreeSet<CameraFault>,
    ) -> Vec<Outgoing> {
        let refused = |socket: u8, code: u8| vec![reply(peer, sequence, &packet::error(socket, code))];
        self.jobs.retain(|job| job.until != Until::Never);
        let mut outgoing = self.completions(now);
        let Some(socket) = (1..=2).find(|socket| self.jobs.iter().all(|job| job.socket != *socket)) else {
            return refused(0, BUFFER_FULL);
        };
        let hangs = faults.contains(&CameraFault::PresetNeverCompletes);
        let here = self.motion.at(now);
        let (target, until) = match request {
            Request::Recall(number) => match self.presets.get(&number) {
                Some(_) if hangs => (here, Until::Never),
                Some(stored) => (self.landing(*stored, faults), Until::All),
                None => return refused(socket, NOT_EXECUTABLE),
            },
            Request::PanTiltTo { pan, tilt } => (
                Position {
                    pan,
                    tilt,
                    zoom: here.zoom,
                },
                Until::PanTilt,
            ),
            Request::Home => (
                Position {
                    pan: 0,
                    tilt: 0,
                    zoom: here.zoom,
                },
                Until::PanTilt,
            ),
            Request::ZoomTo(zoom) => (Position { zoom, ..here }, Until::Zoom),
            _ => return refused(0, SYNTAX),
        };
        if faults.contains(&CameraFault::Standby) || !self.model.reaches(target) {
            return refused(socket, NOT_EXECUTABLE);
        }
        let slower = if faults.contains(&CameraFault::SlowMotor) {
            SLOW_MOTOR
        } else {
            1
        };
        if matches!(until, Until::PanTilt | Until::All) {
            self.motion.drive_pan_tilt(target.pan, target.tilt, now, slower);
        }
        if matches!(until, Until::Zoom | Until::All) {
            self.motion.drive_zoom(target.zoom, now, slower);
        }
        outgoing.push(reply(peer, sequence, &packet::acknowledge(socket)));
        if faults.contains(&CameraFault::CompletesEarly) && until != Until::Never {
            outgoing.push(reply(peer, sequence, &packet::complete(socket)));
        } else {
            self.jobs.push(Job {
                peer: peer.to_owned(),
                sequence,
                socket,
                until,
            });
            outgoing.extend(self.completions(now));
        }
        outgoing
    }

    fn cancel(&mut self, socket: u8, peer: &str, sequence: u32, now: Duration) -> Vec<Outgoing> {
        let before = self.jobs.len();
        self.jobs.retain(|job| job.socket != socket);
        let code = if self.jobs.len() < before {
            CANCELLED
        } else {
            NO_SOCKET
        };
        if code == CANCELLED {
            self.motion.stop(now);
        }
        vec![reply(peer, sequence, &packet::error(socket, code))]
    }

    /// Where a recall of `stored` ends.
    fn landing(&self, stored: Position, faults: &BTreeSet<CameraFault>) -> Position {
        if !faults.contains(&CameraFault::PresetElsewhere) {
            return stored;
        }
        let beside = Position {
            pan: stored.pan.saturating_add(self.elsewhere),
            ..stored
        };
        let other_side = Position {
            pan: stored.pan.saturating_sub(self.elsewhere),
            ..stored
        };
        if self.model.reaches(beside) {
            beside
        } else {
            other_side
        }
    }

    fn done_at(&self, until: Until) -> Option<Duration> {
        match until {
            Until::PanTilt => Some(self.motion.pan_tilt_arrives()),
            Until::Zoom => Some(self.motion.zoom_arrives()),
            Until::All => Some(self.motion.pan_tilt_arrives().max(self.motion.zoom_arrives())),
            Until::Never => None,
        }
    }

    fn client(&mut self, peer: &str, now: Duration) -> &mut Client {
        if !self.clients.contains_key(peer) && self.clients.len() >= CLIENTS {
            let oldest = self
                .clients
                .iter()
                .min_by_key(|(_, client)| client.heard)
                .map(|(peer, _)| peer.clone());
            if let Some(oldest) = oldest {
                self.clients.remove(&oldest);
            }
        }
        let client = self.clients.entry(peer.to_owned()).or_insert(Client {
            last: None,
            heard: now,
        });
        client.heard = now;
        client
    }
}

fn reply(peer: &str, sequence: u32, packet: &[u8]) -> Outgoing {
    Outgoing {
        peer: peer.to_owned(),
        bytes: packet::datagram(packet::REPLY, sequence, packet),
        position: false,
    }
}

fn control(peer: &str, sequence: u32, payload: &[u8]) -> Outgoing {
    Outgoing {
        peer: peer.to_owned(),
        bytes: packet::datagram(packet::CONTROL_REPLY, sequence, payload),
        position: false,
    }
}

#[cfg(test)]
#[path = "camera_tests.rs"]
mod tests;
