//! For tests: a box and a reflector with a line between them that loses, copies, delays and narrows by a seed, and that
//! keeps count of what it really did. Both ends have clocks of their own.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, State};
use super::estimate::{Back, Sent, Trial};
use super::reflector::{Limits, Out, Reflector};
use super::wire::control::{Summary, Wish};
use super::wire::rtp::{self, Probe};
use super::wire::{Family, family};
use super::{OVERHEAD_V4, wire};

const MS: u64 = 1_000_000;

/// Bytes of every packet of the test.
pub(super) const PACKET: usize = 1172;

/// What the line does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) loss_up: f64,
    pub(super) loss_down: f64,
    /// Share of datagrams that arrive twice, each way.
    pub(super) copies: f64,
    /// One way.
    pub(super) delay_ms: f64,
    /// Added at random, evenly, so that what was sent later can come first.
    pub(super) jitter_ms: f64,
    /// Bottleneck with a queue of 100 ms, kbit/s at the IP layer.
    pub(super) narrow_up: Option<f64>,
    pub(super) narrow_down: Option<f64>,
    /// Nothing passes after this time of the test, ms.
    pub(super) dead_after_ms: Option<u64>,
    /// The reflector's clock, compared with the box's.
    pub(super) offset_ns: u64,
    /// How long the reflector keeps a packet.
    pub(super) dwell_ns: u64,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            loss_up: 0.0,
            loss_down: 0.0,
            copies: 0.0,
            delay_ms: 10.0,
            jitter_ms: 0.0,
            narrow_up: None,
            narrow_down: None,
            dead_after_ms: None,
            offset_ns: 1 << 50,
            dwell_ns: 250_000,
        }
    }
}

/// What really happened to the packets of the test.
#[derive(Debug, Default, Clone)]
pub(super) struct Truth {
    /// Sequences in the order of their arrival at the reflector.
    pub(super) up: Vec<u32>,
    pub(super) replies: u32,
    /// The reflector's numbers in the order of their arrival at the box.
    pub(super) down: Vec<u32>,
    /// Delay of each arrival, ns.
    pub(super) up_ns: Vec<u64>,
    pub(super) down_ns: Vec<u64>,
}

/// Different ones, copies, and those that came after a higher one: by looking at everything before each.
pub(super) fn counts(order: &[u32]) -> (u32, u32, u32) {
    let (mut seen, mut copies, mut late) = (BTreeSet::new(), 0, 0);
    for n in order {
        let after_higher = seen.range(n + 1..).next().is_some();
        match seen.insert(*n) {
            true if after_higher => late += 1,
            true => {}
            false => copies += 1,
        }
    }
    (u32::try_from(seen.len()).unwrap(), copies, late)
}

#[derive(Clone, Copy)]
enum End {
    Reflector,
    Box,
}

struct Flight {
    to: End,
    bytes: Vec<u8>,
    since_ns: u64,
}

pub(super) struct Pair {
    pub(super) client: Client,
    pub(super) reflector: Reflector,
    pub(super) truth: Truth,
    pub(super) sent: Vec<Sent>,
    pub(super) back: Vec<Back>,
    pub(super) kbps: u32,
    line: Line,
    seed: u64,
    now_ns: u64,
    began_ns: Option<u64>,
    flights: BTreeMap<(u64, u64), Flight>,
    launched: u64,
    free_ns: [u64; 2],
}

impl Pair {
    pub(super) fn new(seed: u64, line: Line, kbps: u32) -> Self {
        let wish = Wish {
            room: "abc/room".parse().unwrap(),
            kbps,
            duration_ms: 15_000,
            packet_bytes: 1172,
        };
        let now_ns = 5_000 * MS;
        Self {
            client: Client::new(wish, seed, now_ns / MS, now_ns / MS + 10_000).unwrap(),
            reflector: Reflector::new(Limits::default(), &[1; 32]),
            truth: Truth::default(),
            sent: vec![],
            back: vec![],
            kbps,
            line,
            seed,
            now_ns,
            began_ns: None,
            flights: BTreeMap::new(),
            launched: 0,
            free_ns: [0; 2],
        }
    }

    /// Asks until there is an answer, or silence.
    pub(super) fn handshake(&mut self, limit_ms: u64) {
        let end_ns = self.now_ns + limit_ms * MS;
        while matches!(self.client.state(), State::Asking | State::Closing(_)) && self.now_ns <= end_ns {
            if let Some(request) = self.client.transmit(self.now_ns / MS) {
                self.launch(End::Reflector, &request);
            }
            let due_ns = self.client.due_ms().map_or(end_ns, |due| due * MS);
            self.until(due_ns.max(self.now_ns + MS), |pair| {
                matches!(pair.client.state(), State::Asking | State::Closing(_))
            });
        }
    }

    /// Sends packets at the pair's rate, waits until everything has landed, and closes.
    pub(super) fn test(&mut self, packets: u32) {
        let State::Granted(grant) = self.client.state() else {
            panic!("{:?}", self.client.state())
        };
        // Stray copies of the handshake are not to meet the test's counts.
        self.until(self.now_ns + 500 * MS, |_| true);
        self.began_ns = Some(self.now_ns);
        let start_ns = self.now_ns;
        let spacing_ns = (PACKET as u64 + 28) * 8 * MS / u64::from(self.kbps);
        for seq in 0..packets {
            self.until(start_ns + u64::from(seq) * spacing_ns, |_| true);
            let mut packet = rtp::emit_probe(
                Probe {
                    session: grant.session,
                    seq: 0,
                    sent_ns: 0,
                },
                PACKET,
            );
            rtp::stamp(&mut packet, seq, self.now_ns).unwrap();
            self.sent.push(Sent {
                seq,
                sent_ns: self.now_ns,
                bytes: u32::try_from(PACKET).unwrap(),
            });
            self.launch(End::Reflector, &packet);
        }
        self.until(self.now_ns + 1000 * MS, |_| true);
        self.client
            .close(self.now_ns / MS, packets, self.now_ns / MS + 5000);
        self.handshake(5000);
    }

    pub(super) fn summary(&self) -> Option<Summary> {
        match self.client.state() {
            State::Closed(_, summary) => Some(summary),
            _ => None,
        }
    }

    pub(super) fn trial<'a>(&'a self, summary: Option<&'a Summary>) -> Trial<'a> {
        Trial {
            sent: &self.sent,
            back: &self.back,
            summary,
            wanted_kbps: self.kbps,
            overhead: OVERHEAD_V4,
            longest_gap_ms: 100.0,
        }
    }

    /// Lets everything happen that happens until then, as long as it is of interest.
    fn until(&mut self, end_ns: u64, go_on: impl Fn(&Self) -> bool) {
        while let Some(first) = self.flights.first_entry().filter(|first| first.key().0 <= end_ns) {
            let (at_ns, _) = *first.key();
            let flight = first.remove();
            self.now_ns = self.now_ns.max(at_ns);
            self.land(&flight);
            if !go_on(self) {
                return;
            }
        }
        self.now_ns = self.now_ns.max(end_ns);
    }

    fn land(&mut self, flight: &Flight) {
        let delay_ns = self.now_ns - flight.since_ns;
        let packet = family(&flight.bytes) == Family::Rtp;
        match flight.to {
            End::Reflector => {
                if packet {
                    self.truth.up.push(rtp::parse_probe(&flight.bytes).unwrap().seq);
                    self.truth.up_ns.push(delay_ns);
                }
                let there_ns = self.now_ns + self.line.offset_ns;
                let mut out = vec![];
                let source: SocketAddr = "10.0.0.5:4000".parse().unwrap();
                match self.reflector.take(there_ns, source, &flight.bytes, &mut out) {
                    Out::Nothing => return,
                    Out::Control => {}
                    Out::Reply => {
                        rtp::stamp_reply(&mut out, there_ns + self.line.dwell_ns);
                        self.truth.replies += 1;
                    }
                }
                assert!(out.len() <= wire::MAX_DATAGRAM);
                let now_ns = self.now_ns;
                self.now_ns += if packet { self.line.dwell_ns } else { 0 };
                self.launch(End::Box, &out);
                self.now_ns = now_ns;
            }
            End::Box if packet => {
                let reply = rtp::parse_reply(&flight.bytes).unwrap();
                self.truth.down.push(reply.reflector_seq);
                self.truth.down_ns.push(delay_ns);
                self.back.push(Back {
                    seq: reply.seq,
                    reflector_seq: reply.reflector_seq,
                    reflector_rx_ns: reply.rx_ns,
                    reflector_tx_ns: reply.tx_ns,
                    arrived_ns: self.now_ns,
                });
            }
            End::Box => {
                let _ = self.client.receive(self.now_ns / MS, &flight.bytes);
            }
        }
    }

    fn launch(&mut self, to: End, bytes: &[u8]) {
        let (loss, narrow, way) = match to {
            End::Reflector => (self.line.loss_up, self.line.narrow_up, 0),
            End::Box => (self.line.loss_down, self.line.narrow_down, 1),
        };
        let dead = self.line.dead_after_ms.zip(self.began_ns);
        let mut at_ns = self.now_ns;
        if let Some(kbps) = narrow {
            let free_ns = self.free_ns[way].max(at_ns);
            if free_ns - at_ns > 100 * MS {
                return;
            }
            at_ns = free_ns + ((bytes.len() + 28) as f64 * 8.0 * 1e6 / kbps) as u64;
            self.free_ns[way] = at_ns;
        }
        let copies = if self.chance() < self.line.copies { 2 } else { 1 };
        for _ in 0..copies {
            let lost = self.chance() < loss;
            let delay_ms = self.line.delay_ms + self.chance() * self.line.jitter_ms;
            if lost || dead.is_some_and(|(after, began)| self.now_ns >= began + after * MS) {
                continue;
            }
            self.launched += 1;
            self.flights.insert(
                (at_ns + (delay_ms * 1e6) as u64, self.launched),
                Flight {
                    to,
                    bytes: bytes.to_vec(),
                    since_ns: self.now_ns,
                },
            );
        }
    }

    /// Evenly from 0 to 1 (splitmix64).
    fn chance(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
