//! A pan-tilt-zoom camera on UDP that speaks VISCA in Sony's framing.
//!
//! * `packet`: bytes; `model`: codes and ranges; `motion`: positions from elapsed time; `camera`: what
//!   it answers and when it completes.
//! * Here: the socket, and the faults that concern the wire.

mod camera;
mod faults;
mod model;
mod motion;
mod packet;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;

use self::camera::{Camera, Outgoing};
pub use self::faults::CameraFault;
pub use self::model::Model;
pub use self::motion::Position;
use crate::journal::{Journal, Kind};
use crate::sim::clock::Clock;
use crate::sim::faults::Switches;
use crate::sim::random::Random;
use crate::sim::spec;

/// Time for each reply under `slow`.
const SLOW: Duration = Duration::from_millis(30);

/// Of how many datagrams `loses-replies` loses one.
const LOSES_EVERY: u64 = 3;

/// Replies that may wait under `slow`; a client that asks faster than that loses them, as on UDP.
const WAITING_CAP: usize = 256;

/// A running camera.
#[derive(Debug)]
pub(crate) struct ViscaCamera {
    /// Its name in the journal and on the control port.
    device: String,
    socket: UdpSocket,
    address: SocketAddr,
    switches: Switches<CameraFault>,
    camera: Mutex<Camera>,
    clock: Clock,
    journal: Journal,
    seed: u64,
}

impl ViscaCamera {
    /// Opens the camera's port.
    ///
    /// # Errors
    /// A sentence that names the key of the room's file or the address that is at fault.
    pub(crate) async fn open(
        spec: &spec::Camera,
        room: &spec::RoomTable,
        clock: Clock,
        journal: Journal,
    ) -> Result<Self, String> {
        let table = format!("[[camera]] {}", spec.id);
        let switches = Switches::new(&spec.faults).map_err(|why| format!("{table}: faults: {why}"))?;
        let cannot = |why: io::Error| {
            format!(
                "{table}: listen = \"{}\": cannot listen there: {why}",
                spec.listen
            )
        };
        let socket = UdpSocket::bind(spec.listen).await.map_err(cannot)?;
        let address = socket.local_addr().map_err(cannot)?;
        if spec.shares_port {
            // Once the port is this camera's, so that no other one can be given it as a free port.
            SockRef::from(&socket).set_reuse_address(true).map_err(cannot)?;
        }
        Ok(Self {
            device: format!("camera.{}", spec.id),
            socket,
            address,
            switches,
            camera: Mutex::new(Camera::new(spec)),
            clock,
            journal,
            seed: room.seed,
        })
    }

    /// `camera.<id>`
    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    /// Its address as a room's configuration writes it.
    pub(crate) fn address(&self) -> String {
        format!("visca+udp://{}", self.address)
    }

    /// Its switches.
    pub(crate) fn switches(&self) -> &Switches<CameraFault> {
        &self.switches
    }

    /// Where it stands now.
    pub(crate) fn position(&self) -> Position {
        self.camera().position(self.clock.elapsed())
    }

    /// Serves datagrams until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>) {
        let mut wire = Wire::new(Random::new(self.seed, &self.device));
        let mut received = [0_u8; 2048];
        loop {
            let due = self.camera().due();
            tokio::select! {
                datagram = self.socket.recv_from(&mut received) => {
                    // An error on UDP tells of an earlier datagram that found nobody.
                    let Ok((length, peer)) = datagram else { continue };
                    let bytes = received.get(..length).unwrap_or_default();
                    let peer = peer.to_string();
                    self.journal.received(&self.device, &peer, 0, bytes);
                    let faults = self.switches.now();
                    let now = self.clock.elapsed();
                    let outgoing = self.camera().receive(bytes, &peer, now, &faults);
                    wire.take(outgoing, now, &faults);
                }
                () = until(&self.clock, due) => {
                    let now = self.clock.elapsed();
                    let outgoing = self.camera().completions(now);
                    wire.take(outgoing, now, &self.switches.now());
                }
                () = until(&self.clock, wire.due()) => {}
            }
            while let Some(outgoing) = wire.next(self.clock.elapsed()) {
                self.send(&outgoing).await;
            }
        }
    }

    async fn send(&self, outgoing: &Outgoing) {
        if outgoing.position {
            self.journal
                .record(&self.device, &outgoing.peer, 0, Kind::Reported, &outgoing.bytes);
        }
        if let Ok(peer) = outgoing.peer.parse::<SocketAddr>() {
            // A client that has gone is no business of the camera's.
            let _sent: io::Result<usize> = self.socket.send_to(&outgoing.bytes, peer).await;
        }
    }

    fn camera(&self) -> MutexGuard<'_, Camera> {
        self.camera.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of datagrams on their way out.
#[derive(Debug)]
struct Wire {
    waiting: VecDeque<(Duration, Outgoing)>,
    sent: u64,
    random: Random,
}

impl Wire {
    fn new(random: Random) -> Self {
        Self {
            waiting: VecDeque::new(),
            sent: 0,
            random,
        }
    }

    fn take(&mut self, outgoing: Vec<Outgoing>, now: Duration, faults: &BTreeSet<CameraFault>) {
        if faults.contains(&CameraFault::Silent) {
            return;
        }
        for mut one in outgoing {
            self.sent = self.sent.wrapping_add(1);
            let lost = faults.contains(&CameraFault::LosesReplies) && self.sent.is_multiple_of(LOSES_EVERY);
            if lost || self.waiting.len() >= WAITING_CAP {
                continue;
            }
            if faults.contains(&CameraFault::Garbage) {
                let length = 1 + self.random.next_u64() % 32;
                one.bytes = self.random.bytes(usize::try_from(length).unwrap_or(1));
                one.position = false;
            }
            let from = if faults.contains(&CameraFault::Slow) {
                now.saturating_add(SLOW)
            } else {
                now
            };
            self.waiting.push_back((from, one));
        }
    }

    fn due(&self) -> Option<Duration> {
        self.waiting.front().map(|(from, _)| *from)
    }

    fn next(&mut self, now: Duration) -> Option<Outgoing> {
        if self.due()? > now {
            return None;
        }
        self.waiting.pop_front().map(|(_, outgoing)| outgoing)
    }
}

async fn until(clock: &Clock, moment: Option<Duration>) {
    match moment {
        Some(moment) => clock.until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
