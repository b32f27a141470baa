//! The line test: its datagrams, both ends as state machines that hear anything at all, and the figures made of what
//! another machine says.

use std::net::SocketAddr;

use bridgepoint_protocol::line::OVERHEAD_V4;
use bridgepoint_protocol::line::client::{Client, State};
use bridgepoint_protocol::line::estimate::{Back, Figures, Sent, Trial, Way, figures as work_out};
use bridgepoint_protocol::line::reflector::{Limits, Out, Reflector};
use bridgepoint_protocol::line::wire::control::{Answer, REQUEST_BYTES, Request, Summary, Token, Wish};
use bridgepoint_protocol::line::wire::rtp::{self, Probe};
use bridgepoint_protocol::line::wire::{Family, MAX_DATAGRAM, family};

use crate::keys::room;
use crate::tape::{Step, steps};

/// One datagram of the handshake, both ways.
pub(crate) fn control(data: &[u8]) {
    let request = Request::parse(data);
    let answer = Answer::parse(data);
    assert!(request.is_err() || answer.is_err(), "no datagram goes both ways");
    if let Ok(request) = request {
        assert_eq!(family(data), Family::Control);
        let written = request.emit();
        assert_eq!(written.len(), REQUEST_BYTES);
        assert_eq!(Request::parse(&written), Ok(request));
    }
    if let Ok(answer) = answer {
        assert_eq!(family(data), Family::Control);
        let written = answer.emit();
        assert!(
            written.len() <= REQUEST_BYTES,
            "an answer is not longer than its question"
        );
        assert_eq!(Answer::parse(&written), Ok(answer));
    }
}

/// One packet of the stream, both ways.
pub(crate) fn rtp(data: &[u8]) {
    let data = &data[..data.len().min(2 * MAX_DATAGRAM)];
    let (probe, reply) = (rtp::parse_probe(data), rtp::parse_reply(data));
    assert!(
        probe.is_err() || reply.is_err(),
        "what was reflected is not reflected again"
    );
    for session in [probe.map(|p| p.session).ok(), reply.map(|r| r.session).ok()]
        .into_iter()
        .flatten()
    {
        assert_eq!(family(data), Family::Rtp);
        let mut other = data.to_vec();
        rtp::set_session(&mut other, !session).expect("it is RTP");
        assert_eq!(other.len(), data.len());
        let again = rtp::parse_probe(&other)
            .map(|p| p.session)
            .or(rtp::parse_reply(&other).map(|r| r.session));
        assert_eq!(again, Ok(!session));
    }
    if let Ok(probe) = probe {
        let written = rtp::emit_probe(probe, data.len());
        assert_eq!(rtp::parse_probe(&written), Ok(probe));
        assert!((rtp::LEAST_PACKET..=MAX_DATAGRAM).contains(&written.len()));
    }
    let mut stamped = data.to_vec();
    match rtp::stamp(&mut stamped, 7, 9) {
        Ok(()) => {
            let read = rtp::parse_probe(&stamped).expect("it was stamped");
            assert_eq!((read.seq, read.sent_ns), (7, 9));
        }
        Err(_) => assert_eq!(stamped, data, "what cannot be stamped is left as it is"),
    }
    // Of any length: it only writes where there is room.
    rtp::stamp_reply(&mut stamped, 3);
    assert_eq!(stamped.len(), data.len());
}

/// Small limits, so that an input reaches each of them.
const LIMITS: Limits = Limits {
    budget_kbps: 10_000,
    max_kbps: 5_000,
    max_duration_ms: 15_000,
    max_packet_bytes: 1472,
    max_sessions: 3,
};

/// A reflector that hears a row of datagrams. The steps: `10` to `17` is who sends from now on; `20`, `21`, `22` send
/// HELLO, OPEN with the last token, CLOSE of the last session; `23` a packet of it; any other lets time pass.
pub(crate) fn reflector(data: &[u8]) {
    let mut room = Heard {
        reflector: Reflector::new(LIMITS, &[7; 32]),
        now_ns: 1,
        source: source(0),
        token: Token::default(),
        session: 0,
        seq: 0,
    };
    for step in steps(data) {
        match step {
            Step::Bytes(bytes) => room.takes(&bytes),
            Step::Act(who @ 0x10..=0x17) => room.source = source(who),
            Step::Act(0x20) => room.takes(&hello().emit()),
            Step::Act(0x21) => room.takes(&open(room.token).emit()),
            Step::Act(0x22) => room.takes(
                &Request::Close {
                    nonce: NONCE,
                    session: room.session,
                    sent: room.seq,
                }
                .emit(),
            ),
            Step::Act(0x23) => {
                room.seq = room.seq.wrapping_add(1);
                let probe = Probe {
                    session: room.session,
                    seq: room.seq,
                    sent_ns: room.now_ns,
                };
                room.takes(&rtp::emit_probe(probe, 600));
            }
            Step::Act(time) => room.now_ns += u64::from(time) * 40_000_000,
        }
    }
    assert!(
        room.reflector.news().count() <= 256,
        "the news are kept without end"
    );
}

const NONCE: u64 = 0x0102_0304_0506_0708;

fn source(who: u8) -> SocketAddr {
    // Two rooms behind one address, others elsewhere, one that cannot be answered.
    let at = match who & 7 {
        0 => "10.1.0.5:40000",
        1 => "10.1.0.5:40001",
        2 => "[::ffff:10.1.0.5]:40000",
        3 => "10.1.0.6:40000",
        4 => "[2001:db8::7]:40000",
        5 => "10.1.0.8:40000",
        6 => "224.0.0.1:40000",
        _ => "10.1.0.9:0",
    };
    at.parse().expect("an address")
}

fn hello() -> Request {
    Request::Hello {
        nonce: NONCE,
        room: room(),
    }
}

fn open(token: Token) -> Request {
    let wish = wish();
    Request::Open {
        nonce: NONCE,
        token,
        wish,
    }
}

fn wish() -> Wish {
    Wish {
        room: room(),
        kbps: 4096,
        duration_ms: 3_500,
        packet_bytes: 1200,
    }
}

struct Heard {
    reflector: Reflector,
    now_ns: u64,
    source: SocketAddr,
    token: Token,
    session: u32,
    seq: u32,
}

impl Heard {
    fn takes(&mut self, datagram: &[u8]) {
        self.now_ns += 1_000_000;
        let mut out = Vec::new();
        let made = self.reflector.take(self.now_ns, self.source, datagram, &mut out);
        assert!(self.reflector.running() <= LIMITS.max_sessions);
        if made == Out::Nothing {
            assert!(out.is_empty());
            return;
        }
        let to = self.source;
        assert!(to.port() != 0 && !to.ip().is_multicast(), "{to} was answered");
        assert!(out.len() <= datagram.len(), "more comes back than was sent");
        match made {
            Out::Reply => {
                let reply = rtp::parse_reply(&out).expect("an answer is one");
                assert_eq!(
                    Ok(reply.session),
                    rtp::parse_probe(datagram).map(|probe| probe.session)
                );
            }
            _ => match Answer::parse(&out).expect("an answer is one") {
                Answer::Token { token, .. } => self.token = token,
                Answer::Grant { grant, .. } => self.session = grant.session,
                Answer::Refused { .. } | Answer::Summary { .. } => {}
            },
        }
        let mut again = Vec::new();
        let second = self.reflector.take(self.now_ns, self.source, &out, &mut again);
        assert_eq!(
            second,
            Out::Nothing,
            "a reflector answers what a reflector has made"
        );
    }
}

/// A box that hears anything from its reflector. The steps: `20` closes the test, `21` answers as a reflector with the
/// box's own nonce what follows in the next piece, any other lets time pass.
pub(crate) fn client(data: &[u8]) {
    const DEADLINE_MS: u64 = 5_000;
    let mut client = Client::new(wish(), NONCE, 0, DEADLINE_MS).expect("a wish");
    let (mut now_ms, mut sent, mut bad_tokens, mut closed) = (0_u64, 0_usize, 0_usize, false);
    let tape = steps(data);
    for step in &tape {
        match step {
            Step::Bytes(bytes) => {
                let before = client.state();
                match client.receive(now_ms, bytes) {
                    Ok(_) => bad_tokens += 1,
                    Err(_) => assert!(
                        client.state() == before || now_ms >= DEADLINE_MS,
                        "bytes that are no answer"
                    ),
                }
            }
            Step::Act(0x20) => {
                client.close(now_ms, 9, now_ms + DEADLINE_MS);
                closed = true;
            }
            Step::Act(time) => now_ms += u64::from(*time),
        }
        if let State::Granted(grant) | State::Closing(grant) | State::Closed(grant, _) = client.state() {
            let wish = wish();
            assert!(
                (1..=wish.kbps).contains(&grant.kbps) && (1..=wish.duration_ms).contains(&grant.duration_ms)
            );
        }
        while let Some(datagram) = client.transmit(now_ms) {
            assert!(Request::parse(&datagram).is_ok());
            sent += 1;
            // At each answer once, and each 200 ms; the deadlines are absolute.
            let most = 4 + tape.len() + usize::try_from(2 * DEADLINE_MS / 200).unwrap_or(0);
            assert!(sent <= most, "{sent} requests after {bad_tokens} answers");
        }
    }
    let end = now_ms + 2 * DEADLINE_MS;
    while client.transmit(end).is_some() {
        sent += 1;
        assert!(sent <= 10_000, "it asks after its deadline");
    }
    let open = matches!(client.state(), State::Asking | State::Closing(_));
    assert!(
        !open,
        "a deadline has passed and it still waits (closed: {closed})"
    );
}

/// The figures of a test whose answers say anything: each record of 29 bytes is one answer, the first 53 bytes are the
/// reflector's counts.
pub(crate) fn figures(data: &[u8]) {
    let mut fields = Fields(data);
    let summary = Summary {
        received: fields.u32(),
        duplicates: fields.u32(),
        reordered: fields.u32(),
        replied: fields.u32(),
        over_grant: fields.u32(),
        highest: fields.u32(),
        bytes: fields.u64(),
        first_ns: fields.u64(),
        last_ns: fields.u64(),
    };
    let told = fields.u8();
    let sent: Vec<Sent> = (0..200)
        .map(|seq| Sent {
            seq,
            sent_ns: 1_000_000_000 + u64::from(seq) * 2_347_418,
            bytes: 1172,
        })
        .collect();
    let mut back = Vec::new();
    while !fields.0.is_empty() && back.len() < 512 {
        // One answer in two is nearly possible, so that the figures are made of something.
        let near = fields.u8();
        let mut answer = Back {
            seq: fields.u32(),
            reflector_seq: fields.u32(),
            reflector_rx_ns: fields.u64(),
            reflector_tx_ns: fields.u64(),
            arrived_ns: fields.u64(),
        };
        if near & 1 == 1 {
            answer.seq %= 256;
            answer.reflector_seq %= 256;
            answer.reflector_tx_ns = answer.reflector_rx_ns.saturating_add(u64::from(near));
            answer.arrived_ns =
                1_000_000_000 + u64::from(answer.seq) * 2_347_418 + answer.arrived_ns % 1_000_000_000;
        }
        back.push(answer);
    }
    let trial = Trial {
        sent: &sent,
        back: &back,
        summary: (told & 1 == 1).then_some(&summary),
        wanted_kbps: 4096,
        overhead: OVERHEAD_V4,
        longest_gap_ms: 100.0,
    };
    believable(&work_out(&trial));
}

fn believable(figures: &Figures) {
    let positive = |value: f64| assert!(value.is_finite() && value >= 0.0, "{figures:?}");
    let way = |way: &Way| {
        if let Some(loss) = way.loss {
            for share in [loss.share, loss.low, loss.high] {
                assert!((0.0..=1.0).contains(&share), "{figures:?}");
            }
            assert!(loss.lost <= loss.of, "{figures:?}");
        }
        if let Some(jitter) = way.jitter {
            [
                jitter.mean_ms,
                jitter.rfc3550_ms,
                jitter.pdv_p95_ms,
                jitter.pdv_p99_ms,
            ]
            .into_iter()
            .for_each(positive);
        }
        [way.offered_kbps, way.delivered_kbps]
            .into_iter()
            .flatten()
            .for_each(positive);
    };
    way(&figures.up);
    way(&figures.down);
    positive(figures.gap_ms);
    if let Some(trip) = figures.round_trip {
        [trip.min_ms, trip.p50_ms, trip.p95_ms]
            .into_iter()
            .for_each(positive);
    }
    assert!(
        figures.back <= figures.sent,
        "more answers than questions: {figures:?}"
    );
}

/// Numbers out of an input; zeros behind its end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (now, later) = self.0.split_at(self.0.len().min(N));
        out[..now.len()].copy_from_slice(now);
        self.0 = later;
        out
    }

    fn u8(&mut self) -> u8 {
        self.bytes::<1>()[0]
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }
}
