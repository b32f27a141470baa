//! One test at the reflector: who, what was granted, what has been counted. Its size does not depend on what is sent.

use core::net::SocketAddr;

use super::super::wire::control::{Grant, Summary, Wish};
use super::super::{OVERHEAD_V4, OVERHEAD_V6};
use super::{GRACE_NS, How, IDLE_NS, LINGER_NS, News};
use crate::name::RoomAddress;

/// Words of 64 sequences that are remembered, to tell late packets from copies.
const WORDS: u32 = 1024;

/// How far ahead of its rate a session may be: what a queue on the way has held back may come at once.
const BURST_NS: u64 = 1_000_000_000;

/// Nanoseconds for a byte at 1 kbit/s and a quarter more: 10^9 / 125 / 1.25.
const NS_PER_BYTE_AT_1_KBPS: u64 = 6_400_000;

/// A test.
pub(super) struct Session {
    pub(super) room: RoomAddress,
    pub(super) source: SocketAddr,
    pub(super) grant: Grant,
    pub(super) summary: Summary,
    /// When it ended; 0 while it runs is never looked at.
    pub(super) ended_ns: u64,
    nonce: u64,
    packet_bytes: usize,
    open: bool,
    heard_ns: u64,
    end_ns: u64,
    /// When everything answered so far would have been sent at the granted rate and a quarter more.
    paid_ns: u64,
    seen: Seen,
}

impl Session {
    pub(super) fn new(now_ns: u64, source: SocketAddr, nonce: u64, wish: &Wish, grant: Grant) -> Self {
        Self {
            room: wish.room.clone(),
            source,
            grant,
            summary: Summary::default(),
            ended_ns: 0,
            nonce,
            packet_bytes: wish.packet_bytes.into(),
            open: true,
            heard_ns: now_ns,
            end_ns: now_ns
                .saturating_add(u64::from(grant.duration_ms) * 1_000_000)
                .saturating_add(GRACE_NS),
            paid_ns: now_ns,
            seen: Seen::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn is_of(&self, source: SocketAddr, nonce: u64) -> bool {
        self.source == source && self.nonce == nonce
    }

    /// The box is there, though it has sent no packet. False when the session is over.
    pub(super) fn hear(&mut self, now_ns: u64) -> bool {
        if self.open {
            self.heard_ns = now_ns;
        }
        self.open
    }

    /// Says whether it should end, and how.
    pub(super) fn over(&self, now_ns: u64) -> Option<How> {
        if !self.open {
            None
        } else if now_ns >= self.end_ns {
            Some(How::Overdue)
        } else if now_ns.saturating_sub(self.heard_ns) >= IDLE_NS {
            Some(How::Idle)
        } else {
            None
        }
    }

    /// Ends it. Only the summary stays.
    pub(super) fn end(&mut self, now_ns: u64, how: How, sent: Option<u32>) -> News {
        self.open = false;
        self.ended_ns = now_ns;
        self.seen = Seen::default();
        News::Ended {
            room: self.room.clone(),
            source: self.source,
            how,
            sent,
            summary: self.summary,
        }
    }

    /// True when its summary is not kept any longer.
    pub(super) fn forgotten(&self, now_ns: u64) -> bool {
        !self.open && now_ns.saturating_sub(self.ended_ns) >= LINGER_NS
    }

    /// Counts a packet of `len` bytes; the number of its answer, or `None` when it is not answered.
    pub(super) fn take(&mut self, now_ns: u64, seq: u32, len: usize) -> Option<u32> {
        let counts = &mut self.summary;
        // 2^32 packets are days of test: a grant ends long before.
        let received = counts.received.checked_add(1)?;
        let arrival = self.seen.note(seq);
        match arrival {
            Arrival::First => {}
            Arrival::Late => counts.reordered += 1,
            Arrival::Copy => counts.duplicates += 1,
            Arrival::Forgotten => return None,
        }
        self.heard_ns = now_ns;
        counts.received = received;
        counts.highest = counts.highest.max(seq);
        counts.bytes = counts
            .bytes
            .saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        if received == 1 {
            counts.first_ns = now_ns;
        }
        // A copy may come long after its packet, and says nothing about the time that the packets took.
        if arrival != Arrival::Copy {
            counts.last_ns = now_ns;
        }
        if len > self.packet_bytes || !self.affords(now_ns, len) {
            self.summary.over_grant += 1;
            return None;
        }
        let number = self.summary.replied;
        self.summary.replied += 1;
        Some(number)
    }

    /// The leaky bucket of the granted rate and a quarter more, in time instead of bytes.
    fn affords(&mut self, now_ns: u64, len: usize) -> bool {
        let overhead = if self.source.ip().to_canonical().is_ipv4() {
            OVERHEAD_V4
        } else {
            OVERHEAD_V6
        };
        let bytes = u64::try_from(len)
            .unwrap_or(u64::MAX)
            .saturating_add(overhead.into());
        let cost_ns = bytes.saturating_mul(NS_PER_BYTE_AT_1_KBPS) / u64::from(self.grant.kbps.max(1));
        let paid_ns = self.paid_ns.max(now_ns).saturating_add(cost_ns);
        let affords = paid_ns.saturating_sub(now_ns) <= BURST_NS.max(cost_ns);
        if affords {
            self.paid_ns = paid_ns;
        }
        affords
    }
}

/// What a sequence is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// Higher than all.
    First,
    /// Lower than one before, and new (RFC 4737, section 3.3).
    Late,
    /// There before (RFC 5560).
    Copy,
    /// So old that it is not known any more.
    Forgotten,
}

/// The sequences seen, as bits, for the last 65,000.
#[derive(Default)]
struct Seen {
    highest: Option<u32>,
    words: Vec<u64>,
}

impl Seen {
    fn new() -> Self {
        Self {
            highest: None,
            words: vec![0; usize::try_from(WORDS).unwrap_or_default()],
        }
    }

    fn note(&mut self, seq: u32) -> Arrival {
        let (word, bit) = (seq / 64, 1_u64 << (seq % 64));
        let arrival = match self.highest {
            Some(highest) if seq <= highest => {
                if word + WORDS <= highest / 64 {
                    return Arrival::Forgotten;
                }
                Arrival::Late
            }
            before => {
                // The words between are those of sequences long past.
                let old = before.map_or(0, |highest| highest / 64);
                for skipped in (old + 1..=word)
                    .rev()
                    .take(usize::try_from(WORDS).unwrap_or_default())
                {
                    if let Some(place) = self.place(skipped) {
                        *place = 0;
                    }
                }
                self.highest = Some(seq);
                Arrival::First
            }
        };
        match self.place(word) {
            Some(place) if *place & bit != 0 => Arrival::Copy,
            Some(place) => {
                *place |= bit;
                arrival
            }
            None => Arrival::Forgotten,
        }
    }

    fn place(&mut self, word: u32) -> Option<&mut u64> {
        self.words.get_mut(usize::try_from(word % WORDS).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Arrival, Seen, WORDS};

    #[test]
    fn first_late_copy_forgotten() {
        let mut seen = Seen::new();
        for (seq, is) in [
            (0, Arrival::First),
            (0, Arrival::Copy),
            (3, Arrival::First),
            (1, Arrival::Late),
            (1, Arrival::Copy),
            (64 * WORDS - 1, Arrival::First),
            (2, Arrival::Late),
            (64 * WORDS, Arrival::First),
            (2, Arrival::Forgotten),
            (63, Arrival::Forgotten),
            (64, Arrival::Late),
            (u32::MAX, Arrival::First),
            (64 * WORDS, Arrival::Forgotten),
            (u32::MAX, Arrival::Copy),
            (u32::MAX - 1, Arrival::Late),
        ] {
            assert_eq!(seen.note(seq), is, "{seq}");
        }
    }

    proptest! {
        /// As a set of everything would say it.
        #[test]
        fn as_a_set_says(seqs in prop::collection::vec(prop_oneof![0_u32..300, 65_000_u32..66_000, any::<u32>()], 0..400)) {
            let (mut seen, mut all) = (Seen::new(), BTreeSet::new());
            for seq in seqs {
                let highest = all.last().copied();
                let new = all.insert(seq);
                let is = match (highest, new) {
                    (Some(highest), _) if seq / 64 + WORDS <= highest / 64 => Arrival::Forgotten,
                    (Some(highest), true) if seq < highest => Arrival::Late,
                    (_, true) => Arrival::First,
                    (_, false) => Arrival::Copy,
                };
                prop_assert_eq!(seen.note(seq), is);
                prop_assert_eq!(seen.words.len(), 1024);
            }
        }
    }
}
