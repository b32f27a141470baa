//! A Cisco codec on TCP or a serial line that speaks its API as a room-series unit does:
//! lines for people, or JSON.
//!
//! * `tree`: its status paths and values; `condition`: what faults and time make of them.
//! * `command` and `session`: one connection's words, `json` those for programs; `delivery`: how the bytes leave it.
//! * Here: the sockets. On TCP several connections at once, each with its own session; on a serial line one
//!   session after the other, each begun by the goodbye of the one before.
//!
//! It only ever answers reading. `xCommand` and all that changes something is refused, and the journal
//! says so.

mod command;
mod condition;
mod delivery;
mod faults;
mod json;
mod session;
mod tree;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::condition::condition;
use self::delivery::{Delivery, Step};
pub use self::faults::CodecFault;
use self::session::{Act, Login, Session, Unit};
use self::tree::Tree;
use crate::journal::{Journal, Kind};
use crate::sim::clock::Clock;
use crate::sim::door::Door;
use crate::sim::faults::Switches;
use crate::sim::jack::Jack;
use crate::sim::random::Random;
use crate::sim::spec;

/// The device's name in the journal and on the control port.
pub const DEVICE: &str = "codec";

/// Connections at once; a further one waits in the system's queue until one ends.
const CONNECTIONS: usize = 32;

/// A running codec.
#[derive(Debug)]
pub(crate) struct Codec {
    way: Way,
    switches: Switches<CodecFault>,
    healthy: Tree,
    login: Option<Login>,
    name: String,
    disconnect_after: u64,
    seed: u64,
    clock: Clock,
    journal: Journal,
    connections: AtomicU64,
}

/// How it is reached.
#[derive(Debug)]
enum Way {
    Tcp(Door),
    Serial(Jack),
}

impl Codec {
    /// Opens the codec's port; a serial one gets its name in `dir`.
    ///
    /// # Errors
    /// A sentence that names the key of the room's file or the address that is at fault.
    pub(crate) fn open(
        spec: &spec::Codec,
        room: &spec::RoomTable,
        dir: &Path,
        clock: Clock,
        journal: Journal,
    ) -> Result<Self, String> {
        let mut healthy = Tree::codec_pro()?;
        for (path, value) in &spec.status {
            healthy
                .set(path, &value.to_string())
                .map_err(|why| format!("[codec.status]: {why}"))?;
        }
        let switches = Switches::new(&spec.faults).map_err(|why| format!("[codec] faults: {why}"))?;
        let way = match spec.transport {
            spec::CodecTransport::Tcp => Way::Tcp(Door::open_at(spec.listen).map_err(|why| {
                format!("[codec] listen = \"{}\": cannot listen there: {why}", spec.listen)
            })?),
            spec::CodecTransport::Serial => Way::Serial(
                Jack::plugged_in(&dir.join("codec.tty"))
                    .map_err(|why| format!("[codec] transport = \"serial\": no line in {dir:?}: {why}"))?,
            ),
        };
        if switches.now().contains(&CodecFault::Refuse) {
            way.shut();
        }
        let login = spec.user.clone().map(|user| Login {
            user,
            password: spec.password.clone().unwrap_or_default(),
        });
        Ok(Self {
            way,
            switches,
            healthy,
            login,
            name: room.name.clone(),
            disconnect_after: spec.disconnect_after,
            seed: room.seed,
            clock,
            journal,
            connections: AtomicU64::new(0),
        })
    }

    /// Its address as a room's configuration writes it.
    pub(crate) fn address(&self) -> String {
        let user = self.login.as_ref().map(|login| login.user.as_str());
        match &self.way {
            Way::Tcp(door) => {
                let user = user.map(|user| format!("{user}@")).unwrap_or_default();
                format!("tcp://{user}{}", door.address())
            }
            Way::Serial(jack) => {
                let user = user.map(|user| format!("&user={user}")).unwrap_or_default();
                format!("serial:{}?baud=115200{user}", jack.name().display())
            }
        }
    }

    /// Its switches, to be read.
    pub(crate) fn switches(&self) -> &Switches<CodecFault> {
        &self.switches
    }

    /// Switches a fault.
    ///
    /// # Errors
    /// When the port cannot be opened again after `refuse`.
    pub(crate) fn switch(&self, fault: CodecFault, on: bool) -> Result<(), String> {
        // The switch first: who serves the port looks at it before it plugs in again.
        let changed = self.switches.set(fault, on);
        if fault == CodecFault::Refuse && on {
            self.way.shut();
        } else if fault == CodecFault::Refuse && changed {
            self.way
                .reopen()
                .map_err(|why| format!("cannot be reached at {} again: {why}", self.address()))?;
        }
        Ok(())
    }

    /// Serves connections until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>) {
        match &self.way {
            Way::Tcp(door) => self.serve_connections(door).await,
            Way::Serial(jack) => self.serve_line(jack).await,
        }
    }

    async fn serve_line(self: &Arc<Self>, jack: &Jack) {
        let peer = jack.name().display().to_string();
        // A line that cannot be watched ends the codec: it then never answers.
        while let Ok(mut line) = jack.line().await {
            while self.connection(peer.clone()).converse(&mut line).await == Ended::Goodbye {}
            drop(line);
            if !self.switches.now().contains(&CodecFault::Refuse) && jack.plug_in().is_err() {
                return;
            }
        }
    }

    fn connection(self: &Arc<Self>, peer: String) -> Connection {
        let number = self.connections.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Connection::new(Arc::clone(self), peer, number)
    }

    async fn serve_connections(self: &Arc<Self>, door: &Door) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = door.accept(), if connections.len() < CONNECTIONS => {
                    // An error here concerns one connection that went away again, not the listener.
                    let Ok((mut stream, peer)) = accepted else { continue };
                    let mut connection = self.connection(peer.to_string());
                    // Replies leave as they are written: a test of single bytes must not wait for a full segment.
                    let _unsupported: io::Result<()> = stream.set_nodelay(true);
                    connections.spawn(async move { connection.converse(&mut stream).await });
                }
                Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    }
}

impl Way {
    fn shut(&self) {
        match self {
            Self::Tcp(door) => door.shut(),
            Self::Serial(jack) => jack.pull_out(),
        }
    }

    fn reopen(&self) -> io::Result<()> {
        match self {
            Self::Tcp(door) => door.reopen(),
            Self::Serial(jack) => jack.plug_in(),
        }
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// By the client's goodbye.
    Goodbye,
    /// The line is cut, by either side.
    Cut,
}

/// One client.
struct Connection {
    codec: Arc<Codec>,
    peer: String,
    number: u64,
    session: Session,
    delivery: Delivery,
    faults: watch::Receiver<BTreeSet<CodecFault>>,
    closing: bool,
}

impl Connection {
    fn new(codec: Arc<Codec>, peer: String, number: u64) -> Self {
        let random = Random::new(codec.seed, &format!("codec {number}"));
        Self {
            session: Session::new(codec.login.clone()),
            delivery: Delivery::new(codec.disconnect_after, random),
            faults: codec.switches.subscribe(),
            peer,
            number,
            closing: false,
            codec,
        }
    }

    /// One session. A closed or broken line simply ends it: the journal has what came before.
    async fn converse(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Ended {
        self.until_cut(stream).await.unwrap_or(Ended::Cut)
    }

    async fn until_cut(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Ended> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut received = [0_u8; 4096];
        let mut acts = self.answer(None);
        loop {
            self.perform(acts);
            acts = Vec::new();
            let faults = self.faults.borrow_and_update().clone();
            if faults.contains(&CodecFault::Refuse) {
                return Ok(Ended::Cut);
            }
            let room_to_read =
                !self.delivery.is_full() && !self.closing && !faults.contains(&CodecFault::Unread);
            let (write, wake) = match self.delivery.step(self.codec.clock.elapsed(), &faults) {
                Step::Write(bytes) => (bytes, None),
                Step::Wait(until) => (&[][..], Some(until)),
                Step::Idle if self.closing => return Ok(Ended::Goodbye),
                Step::Idle => (&[][..], None),
                Step::Close => return Ok(Ended::Cut),
            };
            let mut wrote = 0;
            tokio::select! {
                count = reader.read(&mut received), if room_to_read => {
                    let Some(bytes) = received.get(..count?).filter(|bytes| !bytes.is_empty()) else {
                        return Ok(Ended::Cut);
                    };
                    self.codec.journal.received(DEVICE, &self.peer, self.number, bytes);
                    if faults.contains(&CodecFault::Hangup) {
                        return Ok(Ended::Cut);
                    }
                    acts = self.answer(Some(bytes));
                }
                count = writer.write(write), if !write.is_empty() => wrote = count?,
                () = until(&self.codec.clock, wake) => {}
                changed = self.faults.changed() => changed.map_err(io::Error::other)?,
            }
            if wrote > 0 {
                self.delivery.wrote(wrote, self.codec.clock.elapsed());
            }
        }
    }

    /// What the session does upon `bytes`, or at the start of the connection.
    fn answer(&mut self, bytes: Option<&[u8]>) -> Vec<Act> {
        let faults = self.codec.switches.now();
        let tree = condition(&self.codec.healthy, &faults, self.codec.clock.elapsed());
        let unit = Unit {
            tree: &tree,
            faults: &faults,
            name: &self.codec.name,
        };
        match bytes {
            Some(bytes) => {
                self.delivery.commanded(&faults);
                self.session.receive(bytes, &unit)
            }
            None => self.session.greet(&unit),
        }
    }

    fn perform(&mut self, acts: Vec<Act>) {
        let now = self.codec.clock.elapsed();
        let faults = self.codec.switches.now();
        for act in acts {
            match act {
                Act::Reply(bytes) => self.delivery.reply(bytes, now, &faults),
                Act::Echo(bytes) => self.delivery.echo(bytes, now, &faults),
                Act::Prompt(prompt) => {
                    self.record(Kind::Prompt, prompt);
                    self.delivery.reply(prompt.as_bytes().to_vec(), now, &faults);
                }
                Act::Note(text) => self.record(Kind::Note, &text),
                Act::Close => self.closing = true,
            }
        }
    }

    fn record(&self, kind: Kind, text: &str) {
        self.codec
            .journal
            .record(DEVICE, &self.peer, self.number, kind, text.as_bytes());
    }
}

async fn until(clock: &Clock, moment: Option<std::time::Duration>) {
    match moment {
        Some(moment) => clock.until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
