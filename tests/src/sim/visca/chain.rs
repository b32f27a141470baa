//! Cameras on a byte stream: one on TCP, up to seven one behind the other on a serial line.
//!
//! Each takes the packets with its number. The journal has what came on the line under the name of its first
//! camera; each packet's first byte says which one was meant. One client at a time: on a serial line there
//! is no other way, and on TCP such cameras serve few more.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use super::camera::Outgoing;
use super::faults::CameraFault;
use super::packet::{self, PACKET_CAP};
use super::{Setting, ViscaCamera, Wire, until};
use crate::journal::{Journal, Kind};
use crate::sim::clock::Clock;
use crate::sim::door::Door;
use crate::sim::jack::Jack;
use crate::sim::random::Random;
use crate::sim::spec;

/// Time for each byte under `drip`.
const DRIP: Duration = Duration::from_secs(1);

/// Bytes that may wait for a client that does not read; beyond it no more packets are read.
const BACKLOG_CAP: usize = 64 * 1024;

/// A stream and the cameras on it.
pub(crate) struct Chain {
    place: Place,
    cameras: Vec<(u8, Arc<ViscaCamera>)>,
    switched: Arc<Notify>,
    clock: Clock,
    journal: Journal,
    seed: u64,
}

enum Place {
    Tcp(Door),
    Serial(Jack),
}

impl Chain {
    /// A camera on a TCP port.
    ///
    /// # Errors
    /// A sentence that names the key of the room's file or the address that is at fault.
    pub(super) fn on_tcp(spec: &spec::Camera, setting: &Setting<'_>) -> Result<Self, String> {
        let door = Door::open_at(spec.listen).map_err(|why| {
            format!(
                "[[camera]] {}: listen = \"{}\": cannot listen there: {why}",
                spec.id, spec.listen
            )
        })?;
        let address = format!("visca+tcp://{}", door.address());
        Self::new(Place::Tcp(door), &[spec], setting, |_| address.clone())
    }

    /// Cameras on a serial line.
    ///
    /// # Errors
    /// As for [`Self::on_tcp`].
    pub(super) fn on_line(
        line: &str,
        specs: &[&spec::Camera],
        setting: &Setting<'_>,
    ) -> Result<Self, String> {
        let name = setting.dir.join(format!("line-{line}.tty"));
        let jack = Jack::plugged_in(&name)
            .map_err(|why| format!("[[camera]] line = {line:?}: cannot plug in {name:?}: {why}"))?;
        Self::new(Place::Serial(jack), specs, setting, |spec| {
            format!("visca+serial:{}?baud=9600&id={}", name.display(), spec.address)
        })
    }

    fn new(
        place: Place,
        specs: &[&spec::Camera],
        setting: &Setting<'_>,
        address: impl Fn(&spec::Camera) -> String,
    ) -> Result<Self, String> {
        let switched: Arc<Notify> = Arc::default();
        let cameras = specs
            .iter()
            .map(|spec| {
                let camera = ViscaCamera::new(spec, address(spec), Arc::clone(&switched))?;
                Ok((spec.address, Arc::new(camera)))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            place,
            cameras,
            switched,
            clock: setting.clock.clone(),
            journal: setting.journal.clone(),
            seed: setting.room.seed,
        })
    }

    /// Its cameras.
    pub(super) fn cameras(&self) -> impl Iterator<Item = &Arc<ViscaCamera>> {
        self.cameras.iter().map(|(_, camera)| camera)
    }

    /// Serves clients until it is dropped.
    pub(super) async fn serve(self) {
        let mut number = 0_u64;
        loop {
            number = number.saturating_add(1);
            match &self.place {
                Place::Tcp(door) => {
                    // An error here concerns one connection that went away again, not the listener.
                    let Ok((mut stream, peer)) = door.accept().await else {
                        continue;
                    };
                    let _unsupported: io::Result<()> = stream.set_nodelay(true);
                    let _cut = self.talk(peer.to_string(), number).until_cut(&mut stream).await;
                }
                Place::Serial(jack) => {
                    // A line that cannot be watched ends the cameras: they then never answer.
                    let Ok(mut line) = jack.line().await else { return };
                    let peer = jack.name().display().to_string();
                    let _cut = self.talk(peer, number).until_cut(&mut line).await;
                    drop(line);
                    if jack.plug_in().is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn talk(&self, peer: String, number: u64) -> Talk<'_> {
        let wire = |camera: &ViscaCamera| Wire::new(Random::new(self.seed, camera.device()));
        Talk {
            wires: self.cameras().map(|camera| wire(camera)).collect(),
            chain: self,
            peer,
            number,
            packet: Vec::new(),
            sequence: 0,
            out: VecDeque::new(),
            next_drip: Duration::ZERO,
            flooded_by: None,
        }
    }
}

/// One client, or all that comes over a serial line until it is cut.
struct Talk<'a> {
    chain: &'a Chain,
    peer: String,
    number: u64,
    /// What has come of the next packet.
    packet: Vec<u8>,
    /// Bare packets have no numbers; the cameras want rising ones.
    sequence: u32,
    wires: Vec<Wire>,
    out: VecDeque<u8>,
    next_drip: Duration,
    /// The flood of a camera, once it was spoken to.
    flooded_by: Option<[u8; 4]>,
}

impl Talk<'_> {
    /// Ends when either side cuts the line.
    async fn until_cut(mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let clock = &self.chain.clock;
        let mut received = [0_u8; 1024];
        loop {
            self.deliver();
            let faults = self.faults();
            let room_to_read = self.out.len() < BACKLOG_CAP && !faults.contains(&CameraFault::Unread);
            let flood = self.flooded_by.filter(|_| faults.contains(&CameraFault::Flood));
            let dripping = faults.contains(&CameraFault::Drip);
            let wait = (dripping && self.next_drip > clock.elapsed() && !self.out.is_empty())
                .then_some(self.next_drip);
            let (ready, _) = self.out.as_slices();
            let write = match (&flood, wait) {
                (Some(flood), _) => &flood[..],
                (None, Some(_)) => &[],
                (None, None) if dripping => ready.get(..1).unwrap_or_default(),
                (None, None) => ready,
            };
            let mut wrote = 0;
            tokio::select! {
                count = reader.read(&mut received), if room_to_read => {
                    let Some(bytes) = received.get(..count?).filter(|bytes| !bytes.is_empty()) else {
                        return Ok(());
                    };
                    self.chain.journal.received(self.device(), &self.peer, self.number, bytes);
                    if faults.contains(&CameraFault::Hangup) {
                        return Ok(());
                    }
                    self.receive(bytes);
                }
                count = writer.write(write), if !write.is_empty() => wrote = count?,
                () = until(clock, wait) => {}
                () = until(clock, self.due()) => self.complete(),
                () = self.chain.switched.notified() => {}
            }
            if wrote > 0 && flood.is_none() {
                self.out.drain(..wrote.min(self.out.len()));
                self.next_drip = clock.elapsed().saturating_add(DRIP);
            }
        }
    }

    /// The faults that any camera of the line has: on a line one is enough.
    fn faults(&self) -> BTreeSet<CameraFault> {
        self.chain
            .cameras()
            .flat_map(|camera| camera.switches.now())
            .collect()
    }

    /// Under whose name the line stands in the journal.
    fn device(&self) -> &str {
        self.chain
            .cameras()
            .next()
            .map_or("camera", |camera| camera.device())
    }

    fn receive(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // What is too long for a packet is none: its end only ends it.
            if self.packet.len() <= PACKET_CAP {
                self.packet.push(byte);
            }
            if byte == 0xFF {
                let packet = std::mem::take(&mut self.packet);
                if packet.len() <= PACKET_CAP {
                    self.carry_out(&packet);
                }
            }
        }
    }

    fn carry_out(&mut self, packet: &[u8]) {
        let now = self.chain.clock.elapsed();
        for ((address, camera), wire) in self.chain.cameras.iter().zip(&mut self.wires) {
            self.sequence = self.sequence.saturating_add(1);
            let Some(datagram) = packet::inward(*address, self.sequence, packet) else {
                continue;
            };
            let faults = camera.switches.now();
            if faults.contains(&CameraFault::Flood) {
                self.flooded_by = Some([(address + 8) << 4, 0x50, 0x00, 0xFF]);
            }
            let outgoing = camera.camera().receive(&datagram, &self.peer, now, &faults);
            wire.take(outgoing, now, &faults);
        }
    }

    /// When a camera completes something, or a slow reply may leave.
    fn due(&self) -> Option<Duration> {
        let cameras = self.chain.cameras().filter_map(|camera| camera.camera().due());
        cameras.chain(self.wires.iter().filter_map(Wire::due)).min()
    }

    fn complete(&mut self) {
        let now = self.chain.clock.elapsed();
        for ((_, camera), wire) in self.chain.cameras.iter().zip(&mut self.wires) {
            let outgoing = camera.camera().completions(now);
            wire.take(outgoing, now, &camera.switches.now());
        }
    }

    /// Replies that may leave, behind what waits already. Those to a client that has gone stay with it.
    fn deliver(&mut self) {
        let now = self.chain.clock.elapsed();
        for ((address, camera), wire) in self.chain.cameras.iter().zip(&mut self.wires) {
            while let Some(Outgoing {
                peer,
                bytes,
                position,
            }) = wire.next(now)
            {
                if peer != self.peer {
                    continue;
                }
                let bytes = packet::outward(*address, &bytes);
                if position {
                    let line = self.chain.cameras().next().unwrap_or(camera).device();
                    self.chain
                        .journal
                        .record(line, &self.peer, self.number, Kind::Reported, &bytes);
                }
                self.out.extend(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests;
