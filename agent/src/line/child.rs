//! The line test in the media child: one socket, the handshake, GStreamer's packets stamped as they leave, the answers
//! stamped as they come, and figures of both.
//!
//! One thread only reads the socket, so that nothing of the sending makes an arrival late; it hands on what it read.
//! The stream never runs ahead of its rate: after a pause of this box it catches up at most a fifth faster, which stays
//! within what the reflector grants.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use bridgepoint_hw::media::border::{Asked, Refusal};
use bridgepoint_hw::media::child::{Answered, start_gstreamer};
use bridgepoint_hw::media::rtp as stream;
use bridgepoint_hw::reading::ProbeError;
use bridgepoint_protocol::line::client::{Client, State};
use bridgepoint_protocol::line::estimate::{self, Back, Sent, Trial};
use bridgepoint_protocol::line::wire::control::{Grant, Reason, Wish};
use bridgepoint_protocol::line::wire::{Family, MAX_DATAGRAM, family, rtp};
use bridgepoint_protocol::line::{OVERHEAD_V4, OVERHEAD_V6};
use bridgepoint_protocol::name::RoomAddress;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::dead::{Cut, LookOut};
use super::order::{LineTest, Measured, NoGrant, Outcome};
use super::shape::CallShape;
use super::turn::Turns;

/// How long the reflector is asked for the test, and for its counts.
const ASKING: Duration = Duration::from_secs(3);
const CLOSING: Duration = Duration::from_secs(2);

/// How long the last answers may take, and how long a silence says that there are no more.
const TAIL: Duration = Duration::from_millis(1_500);
const QUIET: Duration = Duration::from_millis(500);

/// What starting and ending this child may cost, and a stream that a busy box has held up.
const SPARE: Duration = Duration::from_secs(4);

/// So much of what has come is taken at once when the next packet is due.
const TAKEN_AT_ONCE: u32 = 64;

/// How often the reading thread looks whether it is to end.
const LOOK_UP: Duration = Duration::from_millis(100);

/// A longer pause between two packets is this box's doing, milliseconds.
const LONGEST_GAP_MS: f64 = 500.0;

/// How much faster than its rate the stream may catch up.
const CATCH_UP: f64 = 1.2;

/// So many packets in a row that the box's own network does not take end the stream.
const UNSENT: u32 = 50;

/// Wished for the socket's buffers, bytes: the whole stream fits in.
const BUFFER: usize = 4 << 20;

/// Does the work that the media child was asked for, when it is a line test.
pub(crate) fn serve(asked: Asked, clock: fn() -> Instant) -> Answered {
    if !asked.is::<LineTest>() {
        return Answered::of::<LineTest>(&Err(asked.unknown()));
    }
    let outcome = asked.work().and_then(|test: LineTest| {
        // Before the reflector is asked, so that nothing of what it grants is spent on it.
        start_gstreamer()?;
        Session::open(&test, clock)?.run(&test)
    });
    Answered::of::<LineTest>(&outcome)
}

/// What the reading thread hands on.
enum Heard {
    Back(Back),
    Control(Vec<u8>),
}

/// One test's socket and times.
struct Session {
    socket: UdpSocket,
    heard: Receiver<Heard>,
    ended: Arc<AtomicBool>,
    /// What the reading thread could not hand on.
    left: Arc<AtomicU32>,
    clock: fn() -> Instant,
    began: Instant,
    shape: CallShape,
    overhead: u32,
}

impl Session {
    fn open(test: &LineTest, clock: fn() -> Instant) -> Result<Self, Refusal> {
        let (any, overhead): (IpAddr, u32) = match test.reflector {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), OVERHEAD_V4),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), OVERHEAD_V6),
        };
        let socket = connected(any, test.reflector).map_err(|error| {
            Refusal::new(
                ProbeError::NoAnswer { waited_ms: 0 },
                &format!("there is no way to the reflector {}: {error}", test.reflector),
            )
        })?;
        let began = clock();
        let ended = Arc::new(AtomicBool::new(false));
        let element = u32::try_from(rtp::STAMP_BYTES).unwrap_or(u32::MAX);
        let shape = CallShape::of(test.rate_kbps, overhead, element);
        let left = Arc::new(AtomicU32::new(0));
        let (tell, heard) = sync_channel(most_back(shape));
        let ears = Ears {
            socket: socket.try_clone().map_err(|error| own_fault(&error))?,
            ended: Arc::clone(&ended),
            left: Arc::clone(&left),
            tell,
            clock,
            began,
        };
        std::thread::Builder::new()
            .name("line-answers".into())
            .spawn(move || ears.listen())
            .map_err(|error| own_fault(&error))?;
        Ok(Self {
            socket,
            heard,
            ended,
            left,
            clock,
            began,
            shape,
            overhead,
        })
    }

    /// Asks, streams, closes, and makes figures of it.
    fn run(&self, test: &LineTest) -> Result<Outcome, Refusal> {
        let shape = self.shape;
        let wish = Wish {
            room: RoomAddress {
                org: test.org.clone(),
                room: test.room.clone(),
            },
            kbps: test.rate_kbps,
            duration_ms: shape.duration_ms,
            packet_bytes: u16::try_from(shape.packet_bytes).unwrap_or(u16::MAX),
        };
        let (mut client, grant) = match self.granted(&wish, test.time_ms)? {
            Ok(granted) => granted,
            Err(outcome) => return Ok(outcome),
        };
        let mut flight = Flight::new(shape, self.overhead);
        self.stream(&mut flight, grant)?;
        self.tail(&mut flight);
        let sent = u32::try_from(flight.sent.len()).unwrap_or(u32::MAX);
        let state = self.finish(&mut client, sent);
        let summary = match &state {
            State::Closed(_, summary) => Some(summary),
            _ => None,
        };
        let figures = estimate::figures(&Trial {
            sent: &flight.sent,
            back: &flight.back,
            summary,
            wanted_kbps: shape.kbps(self.overhead),
            overhead: self.overhead,
            longest_gap_ms: LONGEST_GAP_MS,
        });
        Ok(Outcome::Measured(Box::new(Measured {
            figures,
            cut: flight.cut,
            overrun: self.overrun().saturating_add(self.left.load(Ordering::Relaxed)),
        })))
    }

    /// Asks until the test is granted. A reflector without room for it is asked again while there is time.
    fn granted(&self, wish: &Wish, time_ms: u64) -> Result<Result<(Client, Grant), Outcome>, Refusal> {
        let asked_ms = self.now_ms();
        let own = ASKING + TAIL + CLOSING + SPARE;
        let end_ms = time_ms.saturating_sub(u64::from(wish.duration_ms) + millis(own));
        let mut turns = Turns::new(nonce()?, end_ms);
        let mut answered = false;
        loop {
            let now_ms = self.now_ms();
            let mut client =
                Client::new(wish.clone(), nonce()?, now_ms, now_ms + millis(ASKING)).map_err(|error| {
                    Refusal::new(
                        ProbeError::Garbled,
                        &format!("the test cannot be asked for: {error}"),
                    )
                })?;
            match self.converse(&mut client) {
                State::Granted(grant)
                    if grant.kbps >= self.shape.kbps(self.overhead)
                        && grant.duration_ms >= wish.duration_ms =>
                {
                    return Ok(Ok((client, grant)));
                }
                State::Granted(_) => {
                    // Less than the call says nothing about the call.
                    self.finish(&mut client, 0);
                }
                State::Refused(refusal) => {
                    let why = no_grant(refusal.reason);
                    if why != NoGrant::NoSlot {
                        return Ok(Err(Outcome::NotGranted(why)));
                    }
                }
                _ if !answered => {
                    return Ok(Err(Outcome::Silent {
                        waited_ms: self.now_ms().saturating_sub(asked_ms),
                    }));
                }
                // It has answered before: one answer was lost.
                _ => {}
            }
            answered = true;
            let Some(at_ms) = turns.next(self.now_ms()) else {
                return Ok(Err(Outcome::NotGranted(NoGrant::NoSlot)));
            };
            self.rest(at_ms);
        }
    }

    /// Waits, and lets go what comes meanwhile.
    fn rest(&self, until_ms: u64) {
        loop {
            let left_ms = until_ms.saturating_sub(self.now_ms());
            let heard = self.heard.recv_timeout(Duration::from_millis(left_ms));
            if left_ms == 0 || matches!(heard, Err(RecvTimeoutError::Disconnected)) {
                return;
            }
        }
    }

    /// Drives the handshake until there is nothing more to wait for.
    fn converse(&self, client: &mut Client) -> State {
        loop {
            if let Some(request) = client.transmit(self.now_ms()) {
                // What is lost here is sent again.
                let _ = self.socket.send(&request);
            }
            let Some(due_ms) = client.due_ms() else {
                return client.state();
            };
            let wait = Duration::from_millis(due_ms.saturating_sub(self.now_ms()));
            match self.heard.recv_timeout(wait) {
                Ok(Heard::Control(datagram)) => {
                    // Anybody can send a datagram: what is no answer changes nothing.
                    let _ = client.receive(self.now_ms(), &datagram);
                }
                Ok(Heard::Back(_)) | Err(RecvTimeoutError::Timeout) => {}
                // The reading thread has lost its socket: nothing will come.
                Err(RecvTimeoutError::Disconnected) => return client.state(),
            }
        }
    }

    /// Asks for the reflector's counts.
    fn finish(&self, client: &mut Client, sent: u32) -> State {
        let now_ms = self.now_ms();
        client.close(now_ms, sent, now_ms + millis(CLOSING));
        self.converse(client)
    }

    fn stream(&self, flight: &mut Flight, grant: Grant) -> Result<(), Refusal> {
        let shape = stream::Shape {
            cells: flight.shape.cells,
            packets_per_s: flight.shape.packets_per_s,
            packets: flight.shape.packets(),
            ssrc: grant.session,
            element_id: rtp::PROBE_ID,
            element: rtp::BLANK.to_vec(),
        };
        let mut broken = None;
        stream::stream(&shape, |packet| {
            self.wait(flight);
            match self.send(packet, flight) {
                Ok(()) => {}
                Err(why) => {
                    broken = Some(why);
                    return ControlFlow::Break(());
                }
            }
            flight.cut = flight
                .cut
                .or_else(|| flight.look_out.look(flight.ms(self.now_ns())));
            if flight.cut.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        broken.map_or(Ok(()), Err)
    }

    /// Takes what has come, and waits for more where the next packet would be too early.
    fn wait(&self, flight: &mut Flight) {
        let mut taken_late = 0;
        while taken_late < TAKEN_AT_ONCE {
            let early = flight.earliest_ns.saturating_sub(self.now_ns());
            taken_late += u32::from(early == 0);
            match self.heard.recv_timeout(Duration::from_nanos(early)) {
                Ok(heard) => flight.take(&heard),
                Err(_) => return,
            }
        }
    }

    fn send(&self, packet: &mut [u8], flight: &mut Flight) -> Result<(), Refusal> {
        let seq = u32::try_from(flight.sent.len()).unwrap_or(u32::MAX);
        let now_ns = self.now_ns();
        rtp::stamp(packet, seq, now_ns).map_err(|error| {
            Refusal::new(
                ProbeError::Garbled,
                &format!("a packet could not be stamped: {error}"),
            )
        })?;
        let taken = match self.socket.send(packet) {
            // The error of an earlier packet is told here, and this one was not sent.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.socket.send(packet),
            other => other,
        };
        match taken {
            Ok(_) => {
                flight.unsent = 0;
                flight.note(Sent {
                    seq,
                    sent_ns: now_ns,
                    bytes: u32::try_from(packet.len()).unwrap_or(u32::MAX),
                });
            }
            Err(_) => {
                flight.unsent += 1;
                if flight.unsent >= UNSENT {
                    flight.cut = Some(Cut::Unsent);
                }
            }
        }
        Ok(())
    }

    /// Lets the last answers come.
    fn tail(&self, flight: &mut Flight) {
        let end = (self.clock)() + TAIL;
        while flight.back.len() < flight.sent.len() {
            let left = end.saturating_duration_since((self.clock)()).min(QUIET);
            match self.heard.recv_timeout(left) {
                Ok(heard) => flight.take(&heard),
                Err(_) => return,
            }
            if left.is_zero() {
                // What had come by the end counts, and nothing that goes on coming.
                self.heard
                    .try_iter()
                    .take(most_back(flight.shape))
                    .for_each(|heard| flight.take(&heard));
                return;
            }
        }
    }

    /// What the kernel has dropped of this socket's because it was not read in time.
    fn overrun(&self) -> u32 {
        let Ok(own) = self.socket.local_addr() else {
            return 0;
        };
        let table = if own.is_ipv6() {
            "/proc/net/udp6"
        } else {
            "/proc/net/udp"
        };
        // A kernel that does not tell has its answers counted as lost, as they would be without this.
        std::fs::read_to_string(table).map_or(0, |table| dropped(&table, own.port()))
    }

    fn now_ns(&self) -> u64 {
        since_ns(self.began, (self.clock)())
    }

    fn now_ms(&self) -> u64 {
        self.now_ns() / 1_000_000
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// The stream on its way.
struct Flight {
    shape: CallShape,
    /// The shortest time between two packets, nanoseconds.
    spacing_ns: u64,
    /// Before this nothing is sent.
    earliest_ns: u64,
    sent: Vec<Sent>,
    back: Vec<Back>,
    most_back: usize,
    look_out: LookOut,
    unsent: u32,
    cut: Option<Cut>,
}

impl Flight {
    fn new(shape: CallShape, overhead: u32) -> Self {
        let packets = usize::try_from(shape.packets()).unwrap_or(usize::MAX);
        let most_back = most_back(shape);
        let bits = f64::from(shape.packet_bytes + overhead) * 8.0;
        let spacing_s = bits / (f64::from(shape.kbps(overhead)) * 1000.0) / CATCH_UP;
        Self {
            shape,
            spacing_ns: u64::try_from(Duration::from_secs_f64(spacing_s).as_nanos()).unwrap_or(u64::MAX),
            earliest_ns: 0,
            sent: Vec::with_capacity(packets),
            back: Vec::with_capacity(packets),
            most_back,
            look_out: LookOut::default(),
            unsent: 0,
            cut: None,
        }
    }

    fn note(&mut self, sent: Sent) {
        self.earliest_ns = sent.sent_ns.saturating_add(self.spacing_ns);
        self.sent.push(sent);
        self.look_out.sent(self.ms(sent.sent_ns));
    }

    fn take(&mut self, heard: &Heard) {
        let Heard::Back(back) = heard else { return };
        if self.back.len() >= self.most_back {
            return;
        }
        let answered = usize::try_from(back.seq).ok().and_then(|at| self.sent.get(at));
        if let Some(sent_ns) = answered.map(|sent| sent.sent_ns) {
            self.look_out.answered(self.ms(sent_ns), self.ms(back.arrived_ns));
        }
        self.back.push(*back);
    }

    /// Milliseconds since the first packet.
    fn ms(&self, ns: u64) -> u64 {
        let first = self.sent.first().map_or(ns, |first| first.sent_ns);
        ns.saturating_sub(first) / 1_000_000
    }
}

/// The most answers that are kept: copies are counted, a flood of them is not kept.
fn most_back(shape: CallShape) -> usize {
    usize::try_from(shape.packets())
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
}

/// The reading thread.
struct Ears {
    socket: UdpSocket,
    ended: Arc<AtomicBool>,
    left: Arc<AtomicU32>,
    tell: SyncSender<Heard>,
    clock: fn() -> Instant,
    began: Instant,
}

impl Ears {
    fn listen(self) {
        // One more than the longest, so that what is longer is seen as that.
        let mut buffer = [0; MAX_DATAGRAM + 1];
        while !self.ended.load(Ordering::Relaxed) {
            // A timeout, or the word of the network that nobody listens there: the sender finds out.
            let Ok(count) = self.socket.recv(&mut buffer) else {
                continue;
            };
            let arrived_ns = since_ns(self.began, (self.clock)());
            let datagram = buffer.get(..count).unwrap_or_default();
            if let Some(heard) = heard(datagram, arrived_ns)
                && !hand_on(&self.tell, heard, &self.left)
            {
                return;
            }
        }
    }
}

/// Never waits: what finds no room is counted. False when nobody listens any more.
fn hand_on(tell: &SyncSender<Heard>, heard: Heard, left: &AtomicU32) -> bool {
    match tell.try_send(heard) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => {
            left.fetch_add(1, Ordering::Relaxed);
            true
        }
        Err(TrySendError::Disconnected(_)) => false,
    }
}

/// What a datagram of the reflector's says; nothing when it is none of the test's.
fn heard(datagram: &[u8], arrived_ns: u64) -> Option<Heard> {
    match family(datagram) {
        Family::Control => (datagram.len() <= MAX_DATAGRAM).then(|| Heard::Control(datagram.to_vec())),
        Family::Rtp => {
            let reply = rtp::parse_reply(datagram).ok()?;
            Some(Heard::Back(Back {
                seq: reply.seq,
                reflector_seq: reply.reflector_seq,
                reflector_rx_ns: reply.rx_ns,
                reflector_tx_ns: reply.tx_ns,
                arrived_ns,
            }))
        }
        Family::Foreign => None,
    }
}

/// A socket that hears the reflector and nobody else.
fn connected(any: IpAddr, reflector: SocketAddr) -> io::Result<UdpSocket> {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(reflector)?;
    socket.set_read_timeout(Some(LOOK_UP))?;
    // As much as the system allows; the stream is measured either way.
    let _ = set_socket_recv_buffer_size(&socket, BUFFER);
    let _ = set_socket_send_buffer_size(&socket, BUFFER);
    Ok(socket)
}

/// The last column of the kernel's table of UDP sockets, in the row of a local port.
fn dropped(table: &str, port: u16) -> u32 {
    let row = table.lines().skip(1).find(|line| {
        let local = line.split_ascii_whitespace().nth(1);
        let digits = local.and_then(|address| address.rsplit_once(':'));
        digits.is_some_and(|(_, digits)| u16::from_str_radix(digits, 16) == Ok(port))
    });
    row.and_then(|row| row.split_ascii_whitespace().next_back()?.parse().ok())
        .unwrap_or(0)
}

fn nonce() -> Result<u64, Refusal> {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Refusal::new(ProbeError::Garbled, "the system gives no random numbers"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn no_grant(reason: Reason) -> NoGrant {
    match reason {
        Reason::Busy | Reason::OverBudget => NoGrant::NoSlot,
        Reason::BadToken | Reason::TooFast | Reason::TooLong | Reason::TooBig | Reason::Version => {
            NoGrant::Unfit
        }
    }
}

fn own_fault(error: &io::Error) -> Refusal {
    Refusal::new(
        ProbeError::Garbled,
        &format!("the line test could not be set up on this box: {error}"),
    )
}

fn since_ns(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  512: 0100007F:1F90 0100007F:2527 01 00000000:00000000 00:00000000 00000000     0        0 48212 2 0000000000000000 17
  513: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 48213 2 0000000000000000 0
";

    #[test]
    fn the_kernels_count_of_dropped_datagrams_is_that_of_the_port() {
        assert_eq!(dropped(TABLE, 0x1F90), 17);
        assert_eq!(dropped(TABLE, 0x14E9), 0);
        assert_eq!(dropped(TABLE, 0x2527), 0);
    }

    /// A real socket that nobody reads: what does not fit in is in the kernel's count.
    #[test]
    fn what_does_not_fit_in_is_counted() {
        let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = sink.local_addr().unwrap();
        // As little as the kernel gives, whatever this machine's usual size is.
        rustix::net::sockopt::set_socket_recv_buffer_size(&sink, 1).unwrap();
        let source = UdpSocket::bind("127.0.0.1:0").unwrap();
        let table = || std::fs::read_to_string("/proc/net/udp").unwrap();
        assert_eq!(dropped(&table(), at.port()), 0);
        for _ in 0..500 {
            source.send_to(&[0; 1_000], at).unwrap();
        }
        assert!(dropped(&table(), at.port()) > 0);
    }

    #[test]
    fn what_the_sender_has_no_room_for_is_counted_and_nobody_waits() {
        let (tell, heard) = sync_channel(2);
        let left = AtomicU32::new(0);
        for _ in 0..5 {
            assert!(hand_on(&tell, Heard::Control(vec![]), &left));
        }
        assert_eq!((heard.try_iter().count(), left.load(Ordering::Relaxed)), (2, 3));
        drop(heard);
        assert!(!hand_on(&tell, Heard::Control(vec![]), &left));
    }

    #[test]
    fn only_the_reflectors_datagrams_are_heard() {
        assert!(heard(b"hello", 0).is_none());
        assert!(heard(&[], 0).is_none());
        assert!(matches!(heard(b"BPLT\x01", 0), Some(Heard::Control(_))));
        // A packet of the box's own kind is no answer.
        let probe = rtp::Probe {
            session: 1,
            seq: 2,
            sent_ns: 3,
        };
        assert!(heard(&rtp::emit_probe(probe, 200), 0).is_none());
        let mut answer = Vec::new();
        let reply = rtp::Reply {
            session: 1,
            seq: 2,
            reflector_seq: 4,
            rx_ns: 5,
            tx_ns: 6,
        };
        rtp::emit_reply(&mut answer, reply, 200);
        let Some(Heard::Back(back)) = heard(&answer, 7) else {
            panic!("an answer")
        };
        assert_eq!((back.seq, back.reflector_seq, back.arrived_ns), (2, 4, 7));
    }

    #[test]
    fn a_flood_of_answers_is_not_kept() {
        let mut flight = Flight::new(CallShape::of(64, OVERHEAD_V4, 24), OVERHEAD_V4);
        let most = flight.most_back;
        for seq in 0..1_000_000 {
            flight.take(&Heard::Back(Back {
                seq,
                reflector_seq: seq,
                reflector_rx_ns: u64::MAX,
                reflector_tx_ns: 0,
                arrived_ns: 1,
            }));
        }
        assert_eq!(flight.back.len(), most);
    }

    #[test]
    fn the_stream_catches_up_by_no_more_than_a_fifth() {
        let shape = CallShape::of(4096, OVERHEAD_V4, 24);
        let mut flight = Flight::new(shape, OVERHEAD_V4);
        let sent = Sent {
            seq: 0,
            sent_ns: 1_000_000_000,
            bytes: shape.packet_bytes,
        };
        flight.note(sent);
        let spacing_ns = f64::from(u32::try_from(flight.earliest_ns - sent.sent_ns).unwrap());
        let kbps = f64::from(shape.packet_bytes + OVERHEAD_V4) * 8.0 / (spacing_ns / 1e6);
        assert!((kbps / 4096.0 - 1.2).abs() < 0.01, "{kbps}");
    }

    proptest! {
        #[test]
        fn any_datagram_is_heard_or_not(bytes in prop::collection::vec(any::<u8>(), 0..1600), marked in any::<bool>()) {
            let mut bytes = bytes;
            if marked {
                bytes.splice(0..bytes.len().min(18), [0x90, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0, 0, 7, 2, 24]);
            }
            let _ = heard(&bytes, 0);
        }

        #[test]
        fn any_table_is_read(text in ".{0,400}", port in any::<u16>()) {
            let _ = dropped(&text, port);
        }
    }
}
