//! Pan-tilt-zoom cameras that speak VISCA: on UDP in Sony's framing, on TCP and serial lines bare.
//!
//! * `packet`: bytes; `model`: codes and ranges; `motion`: positions from elapsed time; `camera`: what
//!   it answers and when it completes.
//! * `datagrams`: the UDP socket; `chain`: a stream and the cameras on it.
//! * Here: what all have, and the faults that concern single replies.

mod camera;
mod chain;
mod datagrams;
mod faults;
mod model;
mod motion;
mod packet;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::camera::{Camera, Outgoing};
use self::chain::Chain;
use self::datagrams::Datagrams;
pub use self::faults::CameraFault;
pub use self::model::Model;
pub use self::motion::Position;
use crate::journal::Journal;
use crate::sim::clock::Clock;
use crate::sim::faults::{Fault as _, Row, Switches};
use crate::sim::random::Random;
use crate::sim::spec;

/// Time for each reply under `slow`.
const SLOW: Duration = Duration::from_millis(30);

/// Of how many replies `loses-replies` loses one.
const LOSES_EVERY: u64 = 3;

/// Replies that may wait under `slow`; a client that asks faster than that loses them, as on UDP.
const WAITING_CAP: usize = 256;

/// What the cameras of a room share.
#[derive(Debug, Clone)]
pub(crate) struct Setting<'a> {
    /// The room's table.
    pub(crate) room: &'a spec::RoomTable,
    /// Where serial lines get their names.
    pub(crate) dir: &'a Path,
    /// The room's clock.
    pub(crate) clock: Clock,
    /// The room's journal.
    pub(crate) journal: Journal,
}

/// A camera, whatever carries its words.
#[derive(Debug)]
pub(crate) struct ViscaCamera {
    /// Its name in the journal and on the control port.
    device: String,
    /// As a room's configuration writes it.
    address: String,
    on_stream: bool,
    switches: Switches<CameraFault>,
    /// Tells who serves it that a switch has changed.
    switched: Arc<Notify>,
    camera: Mutex<Camera>,
}

/// What serves one camera, or several on one line.
pub(crate) enum Server {
    /// A UDP socket.
    Datagrams(Datagrams),
    /// A stream.
    Chain(Chain),
}

/// Opens the cameras of a room.
///
/// # Errors
/// A sentence that names the key of the room's file or the address that is at fault.
pub(crate) async fn open(
    cameras: &[spec::Camera],
    setting: &Setting<'_>,
) -> Result<(Vec<Arc<ViscaCamera>>, Vec<Server>), String> {
    let mut opened = Vec::new();
    let mut servers = Vec::new();
    let mut lines: BTreeMap<&str, Vec<&spec::Camera>> = BTreeMap::new();
    for spec in cameras {
        match spec.transport {
            spec::CameraTransport::Udp => {
                let server = Datagrams::open(spec, setting).await?;
                opened.push(Arc::clone(server.camera()));
                servers.push(Server::Datagrams(server));
            }
            spec::CameraTransport::Tcp => {
                let server = Chain::on_tcp(spec, setting)?;
                opened.extend(server.cameras().cloned());
                servers.push(Server::Chain(server));
            }
            spec::CameraTransport::Serial => lines.entry(spec.line()).or_default().push(spec),
        }
    }
    for (line, specs) in lines {
        let server = Chain::on_line(line, &specs, setting)?;
        opened.extend(server.cameras().cloned());
        servers.push(Server::Chain(server));
    }
    Ok((opened, servers))
}

impl Server {
    /// Serves until it is dropped.
    pub(crate) async fn serve(self) {
        match self {
            Self::Datagrams(server) => server.serve().await,
            Self::Chain(server) => server.serve().await,
        }
    }
}

impl ViscaCamera {
    fn new(spec: &spec::Camera, address: String, switched: Arc<Notify>) -> Result<Self, String> {
        let wrong = |why| format!("[[camera]] {}: faults: {why}", spec.id);
        let camera = Self {
            device: format!("camera.{}", spec.id),
            address,
            on_stream: spec.transport != spec::CameraTransport::Udp,
            switches: Switches::new(&spec.faults).map_err(wrong)?,
            switched,
            camera: Mutex::new(Camera::new(spec)),
        };
        for fault in camera.switches.now() {
            camera.has(fault).map_err(wrong)?;
        }
        Ok(camera)
    }

    /// `camera.<id>`
    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    /// Its address as a room's configuration writes it.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Its switches, to be read.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = self.switches.rows();
        rows.retain(|row| CameraFault::named(row.fault).is_ok_and(|fault| self.has(fault).is_ok()));
        rows
    }

    /// Switches a fault.
    ///
    /// # Errors
    /// When a camera that is reached so cannot have it.
    pub(crate) fn switch(&self, fault: CameraFault, on: bool) -> Result<(), String> {
        self.has(fault)?;
        self.switches.set(fault, on);
        self.switched.notify_one();
        Ok(())
    }

    /// Where it stands now.
    pub(crate) fn position(&self, now: Duration) -> Position {
        self.camera().position(now)
    }

    fn has(&self, fault: CameraFault) -> Result<(), String> {
        if fault.is_of_streams() && !self.on_stream {
            return Err(format!(
                "{} is a fault of streams: transport = \"tcp\" or \"serial\"",
                fault.name()
            ));
        }
        Ok(())
    }

    fn camera(&self) -> MutexGuard<'_, Camera> {
        self.camera.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of replies on their way out.
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
