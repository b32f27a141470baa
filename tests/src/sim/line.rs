//! The line from a room to the province: a relay between the box and the real reflector, and the MCU's signalling port.
//!
//! * [`way`]: what one direction does to a datagram (pure). * Here: the sockets.
//!
//! The relay knows nothing of what it carries: it loses, delays and drops datagrams as a line does. The MCU's port takes
//! connections and writes into the journal how many bytes came: a box that asks whether it is there sends none.

mod way;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::way::Way;
use super::clock::Clock;
use super::door::Door;
use super::faults::{Switches, faults};
use super::random::Random;
use super::spec;
use crate::journal::{Journal, Kind};

/// The device's name in the journal and on the control port.
pub const DEVICE: &str = "line";

/// Boxes that use the line at once; the datagrams of a further one are lost.
const BOXES: usize = 16;

/// Datagrams on their way at once; more are lost.
const ON_THE_WAY: usize = 8192;

/// Connections to the MCU at once, and bytes that are read of one: it speaks to nobody.
const CALLS: usize = 16;
const CALL_BYTES: u64 = 64 * 1024;

/// Wished for each socket's buffer, bytes: seconds of a fast call.
const BUFFER: usize = 4 << 20;

faults! {
    /// Faults of the line.
    LineFault {
        Dead "dead" "Carries nothing to the reflector or back.",
        Loss5 "loss-5" "Loses 5 % of all datagrams each way, at random.",
        Loss5Up "loss-5-up" "Loses 5 % of the datagrams to the reflector.",
        Loss5Down "loss-5-down" "Loses 5 % of the datagrams from the reflector.",
        Jitter "jitter" "Delays each datagram by up to 120 ms, at random, so that they overtake each other.",
        Narrow "narrow" "Carries `narrow_kbps` each way with a queue of 100 ms, and drops what does not fit in.",
        Far "far" "Takes 200 ms each way.",
        McuShut "mcu-shut" "Nothing listens on the MCU's signalling port.",
    }
}

/// The running line.
#[derive(Debug)]
pub(crate) struct Line {
    socket: UdpSocket,
    address: SocketAddr,
    upstream: Option<SocketAddr>,
    mcu: Door,
    narrow_kbps: u32,
    seed: u64,
    switches: Switches<LineFault>,
    clock: Clock,
    journal: Journal,
    calls: AtomicU64,
}

impl Line {
    /// Opens the line's ports.
    ///
    /// # Errors
    /// A sentence that names the key of the room's file or the address that is at fault.
    pub(crate) async fn open(
        spec: &spec::Line,
        room: &spec::RoomTable,
        clock: Clock,
        journal: Journal,
    ) -> Result<Self, String> {
        let cannot = |key: &str, at: SocketAddr, why: io::Error| {
            format!("[line] {key} = \"{at}\": cannot listen there: {why}")
        };
        let switches = Switches::new(&spec.faults).map_err(|why| format!("[line] faults: {why}"))?;
        let socket = UdpSocket::bind(spec.listen)
            .await
            .map_err(|why| cannot("listen", spec.listen, why))?;
        roomy(&socket);
        let address = socket
            .local_addr()
            .map_err(|why| cannot("listen", spec.listen, why))?;
        let mcu = Door::open_at(spec.mcu).map_err(|why| cannot("mcu", spec.mcu, why))?;
        if switches.now().contains(&LineFault::McuShut) {
            mcu.shut();
        }
        Ok(Self {
            socket,
            address,
            upstream: spec.upstream,
            mcu,
            narrow_kbps: spec.narrow_kbps,
            seed: room.seed,
            switches,
            clock,
            journal,
            calls: AtomicU64::new(0),
        })
    }

    /// Where the box finds the reflector, and where the MCU.
    pub(crate) fn addresses(&self) -> [(String, String); 2] {
        [
            (format!("{DEVICE}.reflector"), self.address.to_string()),
            (format!("{DEVICE}.mcu"), self.mcu.address().to_string()),
        ]
    }

    /// Its switches, to be read.
    pub(crate) fn switches(&self) -> &Switches<LineFault> {
        &self.switches
    }

    /// Switches a fault.
    ///
    /// # Errors
    /// When the MCU's port cannot be opened again.
    pub(crate) fn switch(&self, fault: LineFault, on: bool) -> Result<(), String> {
        self.switches.set(fault, on);
        match (fault, on) {
            (LineFault::McuShut, true) => self.mcu.shut(),
            (LineFault::McuShut, false) => self
                .mcu
                .reopen()
                .map_err(|why| format!("cannot listen at {} again: {why}", self.mcu.address()))?,
            _ => {}
        }
        Ok(())
    }

    /// Serves both ports until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>) {
        tokio::join!(self.answer_calls(), self.carry());
    }

    /// The MCU's port: what comes is written down, and nothing is answered.
    async fn answer_calls(&self) {
        let mut calls = JoinSet::new();
        loop {
            while calls.len() >= CALLS {
                calls.join_next().await;
            }
            // A connection that was broken off before it was taken is none.
            let Ok((stream, peer)) = self.mcu.accept().await else {
                continue;
            };
            let connection = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            let journal = self.journal.clone();
            calls.spawn(async move { listen(stream, peer, connection, &journal).await });
            while calls.try_join_next().is_some() {}
        }
    }

    async fn carry(&self) {
        let mut up = Way::new(Random::new(self.seed, "line up"));
        let mut down = Way::new(Random::new(self.seed, "line down"));
        let mut boxes: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
        let mut readers = JoinSet::new();
        let (tell, mut back) = mpsc::channel(256);
        let mut waiting: BTreeMap<(Duration, u64), (Where, Vec<u8>)> = BTreeMap::new();
        let mut number = 0_u64;
        let mut received = vec![0_u8; 2048];
        loop {
            let due = waiting.first_key_value().map(|((at, _), _)| *at);
            let (way, to, bytes) = tokio::select! {
                datagram = self.socket.recv_from(&mut received) => {
                    // An error on UDP tells of an earlier datagram that found nobody.
                    let Ok((length, from)) = datagram else { continue };
                    let Some(socket) = self.toward(from, &mut boxes, &mut readers, &tell).await else { continue };
                    (&mut up, Where::Up(socket), received.get(..length).unwrap_or_default().to_vec())
                }
                Some((to, bytes)) = back.recv() => (&mut down, Where::Down(to), bytes),
                () = until(&self.clock, due) => {
                    let now = self.clock.elapsed();
                    while waiting.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
                        if let Some((_, (to, bytes))) = waiting.pop_first() {
                            self.send(&to, &bytes).await;
                        }
                    }
                    continue;
                }
            };
            let now = self.clock.elapsed();
            let heading_down = matches!(to, Where::Down(_));
            match way.take(
                now,
                bytes.len(),
                heading_down,
                &self.switches.now(),
                self.narrow_kbps,
            ) {
                Some(at) if at <= now => self.send(&to, &bytes).await,
                Some(at) if waiting.len() < ON_THE_WAY => {
                    number += 1;
                    waiting.insert((at, number), (to, bytes));
                }
                _ => {}
            }
        }
    }

    /// The socket by which one box's datagrams go to the reflector; made when it is first heard of.
    async fn toward(
        &self,
        from: SocketAddr,
        boxes: &mut BTreeMap<SocketAddr, Arc<UdpSocket>>,
        readers: &mut JoinSet<()>,
        tell: &mpsc::Sender<(SocketAddr, Vec<u8>)>,
    ) -> Option<Arc<UdpSocket>> {
        if let Some(known) = boxes.get(&from) {
            return Some(Arc::clone(known));
        }
        let upstream = self.upstream?;
        if boxes.len() >= BOXES {
            // Boxes take a new port for each test: those from before are gone.
            boxes.clear();
            readers.abort_all();
        }
        let any = SocketAddr::new(self.address.ip(), 0);
        let socket = Arc::new(UdpSocket::bind(any).await.ok()?);
        socket.connect(upstream).await.ok()?;
        roomy(&socket);
        let (reader, tell) = (Arc::clone(&socket), tell.clone());
        readers.spawn(async move {
            let mut received = vec![0_u8; 2048];
            loop {
                if let Ok(length) = reader.recv(&mut received).await {
                    let bytes = received.get(..length).unwrap_or_default().to_vec();
                    if tell.send((from, bytes)).await.is_err() {
                        return;
                    }
                }
            }
        });
        boxes.insert(from, Arc::clone(&socket));
        Some(socket)
    }

    async fn send(&self, to: &Where, bytes: &[u8]) {
        // Whoever has gone is no business of the line's.
        let _sent: io::Result<usize> = match to {
            Where::Up(socket) => socket.send(bytes).await,
            Where::Down(peer) => self.socket.send_to(bytes, *peer).await,
        };
    }
}

/// A line loses what its faults say, and nothing because this program was not scheduled for a while. Whoever may not have
/// more than the system's limit has that.
fn roomy(socket: &UdpSocket) {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
    if set_socket_recv_buffer_size_force(socket, BUFFER).is_err() {
        let _as_much_as_there_is = set_socket_recv_buffer_size(socket, BUFFER);
    }
}

/// Where a datagram is heading.
#[derive(Debug)]
enum Where {
    Up(Arc<UdpSocket>),
    Down(SocketAddr),
}

async fn listen(mut stream: TcpStream, peer: SocketAddr, connection: u64, journal: &Journal) {
    let peer = peer.to_string();
    let mut bytes = Vec::new();
    // What was read before an error is in `bytes` too.
    let _ended = (&mut stream).take(CALL_BYTES).read_to_end(&mut bytes).await;
    if !bytes.is_empty() {
        journal.received(DEVICE, &peer, connection, &bytes);
    }
    let note = format!("a connection to the MCU ended after {} bytes", bytes.len());
    journal.record(DEVICE, &peer, connection, Kind::Note, note.as_bytes());
}

async fn until(clock: &Clock, moment: Option<Duration>) {
    match moment {
        Some(moment) => clock.until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
