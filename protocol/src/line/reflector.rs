//! The answering side as a state machine: a datagram, its source and `now` in; at most one datagram to that source out.
//!
//! It promises (tests hold it to each):
//! * It answers only the address that asked, one datagram for one, never with more bytes than came.
//! * It keeps nothing for an address that has not shown a token, and for proven ones no more than [`Limits::max_sessions`]
//!   sessions of a fixed size.
//! * It never answers what a reflector made, so that two of them cannot be set on each other (RFC 6849, section 10).
//! * It returns numbers, times and a length; the payload is its own.
//! * A session is answered within its grant (rate, length of packets, duration) and ends by itself.
//!
//! `now_ns` is any clock that never goes back. Nothing is sent unasked. The caller fills in the time of sending with
//! [`super::wire::rtp::stamp_reply`] at the last moment, when [`Out::Reply`] says so.

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, VecDeque};

use super::token::Mint;
use super::wire::control::{self, Answer, Grant, Reason, Refusal, Request, Token, Wish};
use super::wire::rtp::{self, Reply};
use super::wire::{Family, MAX_DATAGRAM, WireError, family};

mod session;
mod told;

use session::Session;
pub use told::{How, News, Stats};

/// A session that sends nothing for this long is over, ns.
pub const IDLE_NS: u64 = 2_000_000_000;

/// How much longer than granted a session may last, ns.
pub const GRACE_NS: u64 = 3_000_000_000;

/// How long the summary of a session that is over can be asked for, ns.
pub const LINGER_NS: u64 = 10_000_000_000;

/// How often sessions are looked through for those that are over, ns.
const SWEEP_NS: u64 = 100_000_000;

/// News that are kept for the log; older ones go first.
const NEWS: usize = 256;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rate of all tests together, kbit/s at the IP layer, each way.
    pub budget_kbps: u32,
    /// Rate of one test, kbit/s at the IP layer.
    pub max_kbps: u32,
    /// Duration of one test, ms.
    pub max_duration_ms: u32,
    /// Longest packet, bytes of UDP payload.
    pub max_packet_bytes: u16,
    /// Tests at one time. One room and one IP address never have two: they would measure each other.
    pub max_sessions: usize,
}

impl Default for Limits {
    /// 100 Mbit/s together, 20 Mbit/s and 15 s each, Ethernet's packets, 64 tests.
    fn default() -> Self {
        Self {
            budget_kbps: 100_000,
            max_kbps: 20_000,
            max_duration_ms: 15_000,
            max_packet_bytes: 1472,
            max_sessions: 64,
        }
    }
}

/// What is to be sent back to the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Out {
    /// Nothing.
    Nothing,
    /// `out` as it is.
    Control,
    /// `out`, once [`super::wire::rtp::stamp_reply`] has filled in the time.
    Reply,
}

/// The reflector.
pub struct Reflector {
    limits: Limits,
    mint: Mint,
    sessions: BTreeMap<u32, Session>,
    made: u64,
    sweep_ns: u64,
    news: VecDeque<News>,
    stats: Stats,
}

impl Reflector {
    /// A reflector with a secret of random bytes.
    #[must_use]
    pub fn new(limits: Limits, secret: &[u8; 32]) -> Self {
        Self {
            limits,
            mint: Mint::new(secret),
            sessions: BTreeMap::new(),
            made: 0,
            sweep_ns: 0,
            news: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Takes one datagram. `out` is overwritten; what is in it goes to `source` and nowhere else.
    pub fn take(&mut self, now_ns: u64, source: SocketAddr, datagram: &[u8], out: &mut Vec<u8>) -> Out {
        out.clear();
        self.tick(now_ns);
        let made = if !answerable(source) || datagram.len() > MAX_DATAGRAM {
            Out::Nothing
        } else {
            match family(datagram) {
                Family::Rtp => self.reflect(now_ns, source, datagram, out),
                Family::Control => match self.answer(now_ns, source, datagram) {
                    Some(answer) => {
                        *out = answer.emit();
                        Out::Control
                    }
                    None => Out::Nothing,
                },
                Family::Foreign => Out::Nothing,
            }
        };
        if made == Out::Nothing {
            self.stats.ignored += 1;
            out.clear();
        }
        made
    }

    /// Ends what is over. [`Reflector::take`] does it too; this is for when nothing comes.
    pub fn tick(&mut self, now_ns: u64) {
        if now_ns < self.sweep_ns {
            return;
        }
        self.sweep_ns = now_ns.saturating_add(SWEEP_NS);
        for session in self.sessions.values_mut() {
            if let Some(how) = session.over(now_ns) {
                note(&mut self.news, session.end(now_ns, how, None));
            }
        }
        self.sessions.retain(|_, session| !session.forgotten(now_ns));
    }

    /// What has happened since the last call, oldest first.
    pub fn news(&mut self) -> impl Iterator<Item = News> + '_ {
        self.news.drain(..)
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Tests that are running.
    #[must_use]
    pub fn running(&self) -> usize {
        self.open().count()
    }

    fn open(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().filter(|session| session.is_open())
    }

    fn answer(&mut self, now_ns: u64, source: SocketAddr, datagram: &[u8]) -> Option<Answer> {
        match Request::parse(datagram) {
            Ok(Request::Hello { nonce, room }) => {
                self.stats.hellos += 1;
                let token = self.mint.token(now_ns, source, nonce, &room);
                Some(Answer::Token { nonce, token })
            }
            Ok(Request::Open { nonce, token, wish }) => self.grant(now_ns, source, nonce, &token, &wish),
            Ok(Request::Close { nonce, session, sent }) => self.close(now_ns, source, nonce, session, sent),
            Err(WireError::Version { .. }) => {
                control::any_nonce(datagram).map(|nonce| self.refuse(nonce, Reason::Version))
            }
            Err(_) => None,
        }
    }

    fn grant(
        &mut self,
        now_ns: u64,
        source: SocketAddr,
        nonce: u64,
        token: &Token,
        wish: &Wish,
    ) -> Option<Answer> {
        if !self.mint.honours(token, now_ns, source, nonce, &wish.room) {
            return Some(self.refuse(nonce, Reason::BadToken));
        }
        // The first answer may have been lost: the same question has the same answer.
        let before = self
            .sessions
            .values_mut()
            .find(|session| session.is_of(source, nonce));
        if let Some(before) = before {
            return before.hear(now_ns).then_some(Answer::Grant {
                nonce,
                grant: before.grant,
            });
        }
        if let Some(reason) = self.why_not(source, wish) {
            note(
                &mut self.news,
                News::Refused {
                    room: wish.room.clone(),
                    source,
                    reason,
                },
            );
            return Some(self.refuse(nonce, reason));
        }
        let grant = Grant {
            session: self.new_id(),
            kbps: wish.kbps,
            duration_ms: wish.duration_ms,
        };
        self.make_room();
        self.sessions
            .insert(grant.session, Session::new(now_ns, source, nonce, wish, grant));
        self.stats.granted += 1;
        note(
            &mut self.news,
            News::Opened {
                room: wish.room.clone(),
                source,
                grant,
            },
        );
        Some(Answer::Grant { nonce, grant })
    }

    fn why_not(&self, source: SocketAddr, wish: &Wish) -> Option<Reason> {
        let limits = &self.limits;
        let in_use: u64 = self.open().map(|session| u64::from(session.grant.kbps)).sum();
        let same = |session: &Session| session.room == wish.room || same_ip(session.source, source);
        if wish.packet_bytes > limits.max_packet_bytes {
            Some(Reason::TooBig)
        } else if wish.kbps > limits.max_kbps {
            Some(Reason::TooFast)
        } else if wish.duration_ms > limits.max_duration_ms {
            Some(Reason::TooLong)
        } else if self.open().any(same) || self.running() >= limits.max_sessions {
            Some(Reason::Busy)
        } else if in_use + u64::from(wish.kbps) > u64::from(limits.budget_kbps) {
            Some(Reason::OverBudget)
        } else {
            None
        }
    }

    fn refuse(&mut self, nonce: u64, reason: Reason) -> Answer {
        self.stats.refused += 1;
        Answer::Refused {
            nonce,
            refusal: Refusal {
                reason,
                max_kbps: self.limits.max_kbps,
                max_duration_ms: self.limits.max_duration_ms,
            },
        }
    }

    fn close(&mut self, now_ns: u64, source: SocketAddr, nonce: u64, id: u32, sent: u32) -> Option<Answer> {
        let session = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.is_of(source, nonce))?;
        if session.is_open() {
            note(&mut self.news, session.end(now_ns, How::Closed, Some(sent)));
        }
        Some(Answer::Summary {
            nonce,
            session: id,
            summary: session.summary,
        })
    }

    fn reflect(&mut self, now_ns: u64, source: SocketAddr, packet: &[u8], out: &mut Vec<u8>) -> Out {
        let Ok(probe) = rtp::parse_probe(packet) else {
            return Out::Nothing;
        };
        let Some(session) = self
            .sessions
            .get_mut(&probe.session)
            .filter(|session| session.source == source && session.is_open())
        else {
            return Out::Nothing;
        };
        if let Some(how) = session.over(now_ns) {
            note(&mut self.news, session.end(now_ns, how, None));
            return Out::Nothing;
        }
        let before = session.summary.received;
        let answered = session.take(now_ns, probe.seq, packet.len());
        self.stats.packets += u64::from(session.summary.received.saturating_sub(before));
        let Some(reflector_seq) = answered else {
            self.stats.over_grant += u64::from(session.summary.received.saturating_sub(before));
            return Out::Nothing;
        };
        self.stats.replies += 1;
        let reply = Reply {
            session: probe.session,
            seq: probe.seq,
            reflector_seq,
            rx_ns: now_ns,
            tx_ns: now_ns,
        };
        rtp::emit_reply(out, reply, packet.len());
        Out::Reply
    }

    /// An id that no session has.
    fn new_id(&mut self) -> u32 {
        loop {
            let id = self.mint.session(self.made);
            self.made = self.made.wrapping_add(1);
            if id != 0 && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// Sessions that are over give way to new ones, oldest first.
    fn make_room(&mut self) {
        let over = self.sessions.iter().filter(|(_, session)| !session.is_open());
        if over.clone().count() >= self.limits.max_sessions.max(1) {
            let oldest = over
                .min_by_key(|(_, session)| session.ended_ns)
                .map(|(id, _)| *id);
            if let Some(id) = oldest {
                self.sessions.remove(&id);
            }
        }
    }
}

fn note(news: &mut VecDeque<News>, item: News) {
    if news.len() >= NEWS {
        news.pop_front();
    }
    news.push_back(item);
}

/// An address to which something can be sent, and only one.
fn answerable(source: SocketAddr) -> bool {
    let ip = source.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    source.port() != 0 && !ip.is_multicast() && !ip.is_unspecified() && !broadcast
}

fn same_ip(a: SocketAddr, b: SocketAddr) -> bool {
    a.ip().to_canonical() == b.ip().to_canonical()
}

#[cfg(test)]
mod tests;
