//! Carries bytes for a conversation, with an absolute deadline and a byte cap.
//!
//! A [`Link`] is one open socket or serial line; [`tcp`], [`udp`] and [`serial()`] open one; [`converse`] drives a
//! dialect over it.
//! Everything here ends at the edge's deadline: connecting, reading, and writing to a device that has
//! stopped reading. Nothing is retried here: a dialect that wants to ask again does so itself.

mod drive;
mod echo;
mod knock;
mod open;
mod serial;

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::UdpSocket;
use tokio::sync::watch;

pub use drive::converse;
pub(crate) use echo::echoes;
pub use knock::knock;
pub use open::{addresses, connect_time, tcp, udp};
pub use serial::serial;

/// Where a probe has to end: when, after how many bytes, or when somebody says stop.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Tells the time; the program's own clock.
    pub clock: fn() -> Instant,
    /// The moment at which everything ends.
    pub deadline: Instant,
    /// The most bytes that are taken from the device; more is [`crate::reading::ProbeError::Garbled`].
    pub cap_bytes: usize,
    /// Becomes true when the probe must stop. A dropped sender means that nobody will ask.
    pub cancel: watch::Receiver<bool>,
}

impl Edge {
    /// The time left, zero when there is none.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since((self.clock)())
    }

    /// True when somebody has said stop.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        *self.cancel.borrow()
    }
}

/// What a byte stream must be able to do: a TCP stream, later an SSH channel, in tests a pipe in memory.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One open link to a device.
pub struct Link(Kind);

enum Kind {
    Stream(ReadHalf<Box<dyn Stream>>, WriteHalf<Box<dyn Stream>>),
    Datagram(Datagram),
}

impl Link {
    /// A link over any byte stream that is open already.
    #[must_use]
    pub fn stream(stream: Box<dyn Stream>) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self(Kind::Stream(read, write))
    }

    /// A link of datagrams to one device.
    fn datagram(datagram: Datagram) -> Self {
        Self(Kind::Datagram(datagram))
    }

    fn is_datagram(&self) -> bool {
        matches!(self.0, Kind::Datagram(_))
    }

    /// Both directions, usable at the same time.
    fn split(&mut self) -> (Receiving<'_>, Sending<'_>) {
        match &mut self.0 {
            Kind::Stream(read, write) => (Receiving::Stream(read), Sending::Stream(write)),
            Kind::Datagram(datagram) => (Receiving::Datagram(datagram), Sending::Datagram(datagram)),
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Kind::Stream(..) => "Link::Stream",
            Kind::Datagram(..) => "Link::Datagram",
        })
    }
}

/// A socket that talks to one host. Some cameras answer from another port than they were asked at, so
/// the host is what counts.
struct Datagram {
    socket: UdpSocket,
    peer: std::net::SocketAddr,
}

/// What came from the device.
enum Received {
    /// So many bytes stand in the buffer.
    Bytes(usize),
    /// The device closed the stream.
    End,
    /// A datagram of somebody else.
    Foreign,
}

enum Receiving<'a> {
    Stream(&'a mut ReadHalf<Box<dyn Stream>>),
    Datagram(&'a Datagram),
}

impl Receiving<'_> {
    /// Waits for bytes. Nothing is lost when the wait is given up.
    async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        match self {
            Self::Stream(read) => Ok(match read.read(buffer).await? {
                0 => Received::End,
                count => Received::Bytes(count),
            }),
            Self::Datagram(link) => {
                let (count, from) = link.socket.recv_from(buffer).await?;
                let same = canonical(from.ip()) == canonical(link.peer.ip());
                Ok(if same {
                    Received::Bytes(count)
                } else {
                    Received::Foreign
                })
            }
        }
    }
}

enum Sending<'a> {
    Stream(&'a mut WriteHalf<Box<dyn Stream>>),
    Datagram(&'a Datagram),
}

impl Sending<'_> {
    /// Sends what fits; gives how much it was. Nothing is sent twice when the wait is given up.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(write) => write.write(bytes).await,
            Self::Datagram(link) => link.socket.send_to(bytes, link.peer).await,
        }
    }

    /// Says that no more will come, so that what was sent last is not lost.
    async fn close(&mut self) {
        if let Self::Stream(write) = self {
            // The device may be gone already: then there is nobody to tell.
            let _gone = write.shutdown().await;
        }
    }
}

fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
pub(crate) mod testing {
    //! An edge for tests that use real sockets.

    use super::*;

    #[allow(
        clippy::disallowed_methods,
        reason = "a test that uses real sockets is a program of its own"
    )]
    fn clock() -> Instant {
        Instant::now()
    }

    /// An edge `within` from now, and the sender that stops it.
    pub(crate) fn edge(within: Duration, cap_bytes: usize) -> (Edge, watch::Sender<bool>) {
        let (sender, cancel) = watch::channel(false);
        (
            Edge {
                clock,
                deadline: clock() + within,
                cap_bytes,
                cancel,
            },
            sender,
        )
    }

    /// The clock of a paused runtime: it moves only when every task waits.
    #[allow(
        clippy::disallowed_methods,
        reason = "the paused clock of the test's own runtime"
    )]
    fn paused_clock() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// As [`edge`], for a runtime with paused time.
    pub(crate) fn paused_edge(within: Duration, cap_bytes: usize) -> (Edge, watch::Sender<bool>) {
        let (sender, cancel) = watch::channel(false);
        (
            Edge {
                clock: paused_clock,
                deadline: paused_clock() + within,
                cap_bytes,
                cancel,
            },
            sender,
        )
    }
}
