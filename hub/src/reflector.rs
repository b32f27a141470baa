//! The line test's other end on a UDP socket (R15). What is answered, and what not, is
//! [`bridgepoint_protocol::line::reflector`]'s; here are the socket, the clock and the log.
//!
//! It has a thread of its own, so that nothing of the hub makes its stamps late: a datagram's time is taken when it is
//! read, and an answer's just before it is written.
//!
//! * [`start`]: beside the rest of the hub, ended by [`Running::stop`].
//! * [`alone`]: `bridgepoint-hub reflector`: nothing else, until a signal comes.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bridgepoint_protocol::line::reflector::{How, Limits, News, Out, Reflector};
use bridgepoint_protocol::line::wire::{MAX_DATAGRAM, rtp};
use bridgepoint_protocol::text::Lang;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::clock;
use crate::say::{Exit, Trouble, both};

/// How long the thread waits for a datagram before it looks whether it is to end.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Wished for both buffers of the socket; the kernel gives what it allows. Bursts of many rooms at once stay in it.
const BUFFER: usize = 4 << 20;

/// After so many failures without a datagram between them the socket is given up.
const FAILURES: u32 = 1000;

/// Time for the thread to end.
const END: Duration = Duration::from_secs(5);

/// A reflector that runs.
pub struct Running {
    at: SocketAddr,
    stop: Arc<AtomicBool>,
    /// `None` once its end was heard.
    ended: Option<oneshot::Receiver<()>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Waits until it has ended by itself, which it does only when its socket fails.
    pub async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            let _ = ended.await;
        }
        self.ended = None;
    }

    /// Ends it and waits for the end.
    pub async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = tokio::time::timeout(END, self.ended()).await;
    }

    /// What a hub or a reflector of its own says when it has ended by itself.
    #[must_use]
    pub fn gone(&self) -> Trouble {
        let at = self.at;
        Trouble::internal(both(
            format!("Điểm đo ở {at} đã dừng đột ngột; xem nhật ký, kiểm tra mạng của máy rồi chạy lại."),
            format!(
                "The reflector at {at} has ended unexpectedly; see the log, check this machine's network and start it again."
            ),
        ))
    }

    /// Makes it end as a socket that fails does, without anybody having been told.
    #[cfg(test)]
    pub(crate) fn break_off(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What one machine allows: the contract's budget, and of it no more than 20 Mbit/s for one test.
#[must_use]
pub fn limits(budget_kbps: u32) -> Limits {
    let usual = Limits::default();
    Limits {
        budget_kbps,
        max_kbps: usual.max_kbps.min(budget_kbps),
        ..usual
    }
}

/// Starts a reflector. Port 0 is any free one.
///
/// # Errors
/// [`Trouble`] when the address is in use or not this machine's, or the system gives no thread or random numbers.
pub fn start(listen: SocketAddr, limits: Limits) -> Result<Running, Trouble> {
    let cannot = |e: io::Error| {
        Trouble::internal(both(
            format!(
                "Không mở được điểm đo đường truyền ở {listen} (UDP): {e}. Dừng chương trình đang dùng cổng đó, hoặc đổi [reflector] listen (lệnh reflector: --listen)."
            ),
            format!(
                "The line reflector cannot listen at {listen} (UDP): {e}. Stop the program that uses the port, or change [reflector] listen (command reflector: --listen)."
            ),
        ))
    };
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).map_err(|_| {
        Trouble::internal(both(
            "Hệ thống không cho số ngẫu nhiên.",
            "The system gives no random numbers.",
        ))
    })?;
    let socket = UdpSocket::bind(listen).map_err(cannot)?;
    socket.set_read_timeout(Some(LOOK_UP)).map_err(cannot)?;
    let at = socket.local_addr().map_err(cannot)?;
    // Less than wished for is no fault: the kernel has its own limit.
    let _ = set_socket_recv_buffer_size(&socket, BUFFER);
    let _ = set_socket_send_buffer_size(&socket, BUFFER);
    let stop = Arc::new(AtomicBool::new(false));
    let (has_ended, ended) = oneshot::channel::<()>();
    let edge = Edge {
        socket,
        reflector: Reflector::new(limits, &secret),
        stop: stop.clone(),
    };
    std::thread::Builder::new()
        .name("reflector".into())
        .spawn(move || {
            // Dropped when the thread ends, however it ends.
            let _has_ended = has_ended;
            edge.run();
        })
        .map_err(cannot)?;
    let ended = Some(ended);
    Ok(Running { at, stop, ended })
}

/// `bridgepoint-hub reflector`: runs one until a signal comes, and says where it listens.
///
/// # Errors
/// [`Trouble`] as of [`start`], and when its socket fails while it runs.
pub fn alone(
    listen: SocketAddr,
    budget_kbps: u32,
    lang: Lang,
    out: &mut impl io::Write,
) -> Result<Exit, Trouble> {
    let cannot = |e: io::Error| {
        Trouble::internal(both(
            format!("Không khởi động được: {e}."),
            format!("The program cannot be started: {e}."),
        ))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(cannot)?;
    runtime.block_on(async {
        // Before it says that it is there: whoever reads that may send a signal.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(cannot)?;
        let mut running = start(listen, limits(budget_kbps))?;
        let at = running.at();
        let said = both(
            format!("Điểm đo đường truyền: {at} (UDP), tổng tối đa {budget_kbps} kbit/s mỗi chiều. Dừng: Ctrl-C."),
            format!("Line reflector: {at} (UDP), at most {budget_kbps} kbit/s together each way. To end it: Ctrl-C."),
        );
        writeln!(out, "{}", said.in_lang(lang))
            .and_then(|()| out.flush())
            .map_err(|e| Trouble::output(&e))?;
        let exit = loop {
            tokio::select! {
                _ = interrupt.recv() => break Exit::Interrupted,
                _ = terminate.recv() => break Exit::Done,
                // A terminal that is closed does not end it, as it does not end a hub.
                _ = hangup.recv() => {}
                () = running.ended() => return Err(running.gone()),
            }
        };
        running.stop().await;
        Ok(exit)
    })
}

/// The thread's own things.
struct Edge {
    socket: UdpSocket,
    reflector: Reflector,
    stop: Arc<AtomicBool>,
}

impl Edge {
    fn run(mut self) {
        // One byte more than is taken, so that what was cut is seen to be too long.
        let mut datagram = vec![0; MAX_DATAGRAM + 1];
        let mut out = Vec::with_capacity(MAX_DATAGRAM);
        let mut failures = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let read = self.socket.recv_from(&mut datagram);
            let now_ns = clock::mono_ns();
            match read {
                Ok((len, source)) => {
                    failures = 0;
                    self.take(now_ns, source, datagram.get(..len).unwrap_or_default(), &mut out);
                }
                Err(e) if is_pause(&e) => self.reflector.tick(now_ns),
                Err(e) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(error = %e, "the reflector's socket cannot be read");
                    }
                    if failures == FAILURES {
                        tracing::error!(error = %e, "the reflector's socket cannot be read; the reflector ends");
                        break;
                    }
                }
            }
            for news in self.reflector.news() {
                tell(&news);
            }
        }
        let stats = self.reflector.stats();
        tracing::info!(
            hellos = stats.hellos,
            granted = stats.granted,
            refused = stats.refused,
            packets = stats.packets,
            replies = stats.replies,
            over_grant = stats.over_grant,
            ignored = stats.ignored,
            "the reflector ends"
        );
    }

    fn take(&mut self, now_ns: u64, source: SocketAddr, datagram: &[u8], out: &mut Vec<u8>) {
        match self.reflector.take(now_ns, source, datagram, out) {
            Out::Nothing => return,
            Out::Control => {}
            Out::Reply => rtp::stamp_reply(out, clock::mono_ns()),
        }
        // An answer that cannot be sent is lost like any other: the box counts it.
        if let Err(e) = self.socket.send_to(out, source) {
            tracing::debug!(error = %e, %source, "an answer cannot be sent");
        }
    }
}

/// Nothing came, or a signal did.
fn is_pause(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn tell(news: &News) {
    match news {
        News::Opened { room, source, grant } => {
            tracing::info!(%room, %source, kbps = grant.kbps, duration_ms = grant.duration_ms, "line test begins");
        }
        // Whoever is refused may ask again and again.
        News::Refused { room, source, reason } => {
            tracing::debug!(%room, %source, %reason, "line test refused");
        }
        News::Ended {
            room,
            source,
            how,
            sent,
            summary,
        } => {
            let how = match how {
                How::Closed => "closed",
                How::Idle => "the box went quiet",
                How::Overdue => "longer than granted",
            };
            tracing::info!(%room, %source, how, sent, received = summary.received, replied = summary.replied, "line test ends");
        }
    }
}
