//! A bad line between a box and its broker: a TCP proxy that is switched while it works. It delays, drips, cuts with a reset,
//! also in the middle of a packet, swallows everything without a word, and passes.
//!
//! What it does next depends on what it was told and on the bytes that pass, never on chance of its own.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Everything passes.
    Pass,
    /// Every piece comes this much later, each way.
    Delay(Duration),
    /// One byte after the other, with this pause, each way.
    Drip(Duration),
    /// Connections are reset (RST), also new ones.
    Cut,
    /// Each connection is reset once it has carried this many bytes from the box: in the middle of a packet or not.
    CutAt(u64),
    /// Half-open: what comes is swallowed each way, no connection ends, new ones are taken and never answered. When the line
    /// is another one again, a connection that has lost something ends with a reset.
    Swallow,
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where the box connects.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
    /// Counts switches: a connection of before knows that the line is another one.
    switched: AtomicU64,
    accepted: AtomicU64,
    broken: AtomicU64,
    over: AtomicBool,
    broker: SocketAddr,
}

/// How often a waiting connection looks whether the line was switched.
const LOOK: Duration = Duration::from_millis(10);

impl Proxy {
    /// Starts between whoever connects and the broker at `broker` (`mqtt://127.0.0.1:PORT`). Everything passes.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(broker: &str) -> Result<Self> {
        let broker = broker
            .strip_prefix("mqtt://")
            .and_then(|at| at.parse().ok())
            .with_context(|| format!("{broker} is no mqtt:// address with a number"))?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            line: Mutex::new(Line::Pass),
            switched: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            over: AtomicBool::new(false),
            broker,
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    let shared = Arc::clone(&accepting);
                    shared.accepted.fetch_add(1, Ordering::SeqCst);
                    thread::spawn(move || carry(&shared, stream));
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Where the box connects, `mqtt://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Switches the line, also under the connections that stand.
    pub fn set(&self, line: Line) {
        *self.shared.line() = line;
        self.shared.switched.fetch_add(1, Ordering::SeqCst);
    }

    /// Connections that were taken so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections that the line has broken so far.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.shared.broken.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Line {
        *self.line()
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// One connection, from the box's side.
fn carry(shared: &Arc<Shared>, room: TcpStream) {
    // A line that swallows takes the connection all the same, and the broker hears nothing of it.
    while shared.now() == Line::Swallow {
        if shared.over() {
            return;
        }
        thread::park_timeout(LOOK);
    }
    if shared.now() == Line::Cut {
        shared.broken.fetch_add(1, Ordering::SeqCst);
        reset(&room);
        return;
    }
    let Ok(broker) = TcpStream::connect(shared.broker) else {
        return;
    };
    let cut = Arc::new(AtomicBool::new(false));
    let (Ok(room_too), Ok(broker_too)) = (room.try_clone(), broker.try_clone()) else {
        return;
    };
    let up = {
        let (shared, cut) = (Arc::clone(shared), Arc::clone(&cut));
        thread::spawn(move || pump(&shared, room_too, broker_too, &cut, true))
    };
    pump(shared, broker, room, &cut, false);
    let _ended = up.join();
}

/// Moves bytes one way until that way ends or the connection is cut.
fn pump(shared: &Shared, mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool, from_room: bool) {
    let (mut carried, mut lost) = (0_u64, false);
    let mut bytes = [0_u8; 4096];
    let _short = from.set_read_timeout(Some(LOOK));
    loop {
        if cut.load(Ordering::SeqCst) || shared.over() {
            return;
        }
        let line = shared.now();
        if line == Line::Cut || (lost && line != Line::Swallow) {
            return break_off(shared, cut, &from, &to);
        }
        let most = match line {
            Line::Drip(_) => 1,
            // Switched under a connection that has carried more, it ends here.
            Line::CutAt(at) if from_room => {
                usize::try_from(at.saturating_sub(carried)).unwrap_or(bytes.len())
            }
            _ => bytes.len(),
        };
        let most = most.min(bytes.len());
        if most == 0 {
            return break_off(shared, cut, &from, &to);
        }
        let Some(room) = bytes.get_mut(..most) else { return };
        let piece = match from.read(room) {
            Ok(0) => {
                let _ended = to.shutdown(std::net::Shutdown::Write);
                return;
            }
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => {
                cut.store(true, Ordering::SeqCst);
                let _ended = to.shutdown(std::net::Shutdown::Both);
                return;
            }
        };
        carried += piece as u64;
        if let Line::Delay(pause) | Line::Drip(pause) = line {
            pass(shared, pause);
        }
        // Asked again: what was read while the line was switched belongs to the new one.
        if shared.now() == Line::Swallow {
            lost = true;
            continue;
        }
        let Some(piece) = bytes.get(..piece) else { return };
        if to.write_all(piece).is_err() {
            cut.store(true, Ordering::SeqCst);
            return;
        }
    }
}

/// Time that a piece needs on a slow line; a line that is switched lets it go.
fn pass(shared: &Shared, pause: Duration) {
    let began = shared.switched.load(Ordering::SeqCst);
    let mut left = pause;
    while !left.is_zero() && !shared.over() && shared.switched.load(Ordering::SeqCst) == began {
        let step = left.min(LOOK);
        thread::park_timeout(step);
        left -= step;
    }
}

fn break_off(shared: &Shared, cut: &AtomicBool, from: &TcpStream, to: &TcpStream) {
    if cut.swap(true, Ordering::SeqCst) {
        return;
    }
    shared.broken.fetch_add(1, Ordering::SeqCst);
    reset(from);
    reset(to);
}

/// Ends a connection with a reset: no good-bye.
fn reset(stream: &TcpStream) {
    // Both threads of the connection let go of it within a moment; the last one's close is the reset.
    let _hard = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands for a broker: gives back what comes.
    fn echo() -> Result<String> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (mut from, mut to) = (&stream, &stream);
                    std::io::copy(&mut from, &mut to)
                });
            }
        });
        Ok(format!("mqtt://{address}"))
    }

    fn connect(proxy: &Proxy) -> Result<TcpStream> {
        let stream = TcpStream::connect(proxy.address)?;
        stream.set_read_timeout(Some(super::super::PATIENCE))?;
        Ok(stream)
    }

    #[test]
    fn it_passes_drips_and_delays_what_comes() -> Result<()> {
        let proxy = Proxy::start(&echo()?)?;
        let mut stream = connect(&proxy)?;
        for line in [
            Line::Pass,
            Line::Drip(Duration::from_millis(1)),
            Line::Delay(Duration::from_millis(20)),
        ] {
            proxy.set(line);
            stream.write_all(b"hello")?;
            let mut back = [0; 5];
            stream.read_exact(&mut back)?;
            assert_eq!(&back, b"hello", "{line:?}");
        }
        assert_eq!((proxy.connections(), proxy.broken()), (1, 0));
        Ok(())
    }

    #[test]
    fn it_cuts_at_a_byte_and_at_once() -> Result<()> {
        let proxy = Proxy::start(&echo()?)?;
        proxy.set(Line::CutAt(3));
        let mut stream = connect(&proxy)?;
        stream.write_all(b"hello")?;
        let mut back = Vec::new();
        let _reset = stream.read_to_end(&mut back);
        assert!(back.len() <= 3, "{back:?}");
        proxy.set(Line::Cut);
        let mut stream = connect(&proxy)?;
        let _may_be_refused = stream.write_all(b"hello");
        back.clear();
        let _reset = stream.read_to_end(&mut back);
        assert!(back.is_empty());
        assert_eq!(proxy.broken(), 2);
        Ok(())
    }

    #[test]
    fn a_line_that_swallows_gives_nothing_back_and_does_not_end() -> Result<()> {
        let proxy = Proxy::start(&echo()?)?;
        let mut stream = connect(&proxy)?;
        stream.write_all(b"one")?;
        let mut back = [0; 3];
        stream.read_exact(&mut back)?;
        proxy.set(Line::Swallow);
        stream.write_all(b"two")?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        let nothing = stream.read(&mut back).map_err(|e| e.kind());
        assert!(
            matches!(nothing, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)),
            "{nothing:?}"
        );
        // What was swallowed is lost, and the connection with it; the next one works.
        proxy.set(Line::Pass);
        stream.set_read_timeout(Some(super::super::PATIENCE))?;
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
        let mut stream = connect(&proxy)?;
        stream.write_all(b"six")?;
        stream.read_exact(&mut back)?;
        assert_eq!((&back, proxy.broken()), (b"six", 1));
        Ok(())
    }
}
