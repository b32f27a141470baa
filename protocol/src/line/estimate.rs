//! From what the box sent and what came back to figures (R15): pure arithmetic, no clock of one end against the other's.
//!
//! * Loss (RFC 7680) of each direction: the reflector counts what arrived, and numbers what it answers. Without its summary
//!   the packets whose fate nobody told are counted both ways: such a loss is a range, never a small number.
//! * Delivered rate: bits of the IP layer (RFC 9097, section 6) in the time that it took to send them or to get them,
//!   whichever is longer.
//! * Jitter: D and J of RFC 3550 (section 6.4.1), and packet-delay variation (RFC 5481, section 4.2).
//! * Reordering (RFC 4737, section 3.3) and duplicates (RFC 5560).
//! * Round trip (RFC 2681) less the time that the reflector took (RFC 8762, section 4.3).
//!
//! An answer that cannot be true (a packet never sent, a time before its cause) is left out and counted as nonsense.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::wire::control::Summary;

mod spread;

pub use spread::{Jitter, Loss, RoundTrip};

/// A box that sent less than this share of what was wanted has not measured the line.
pub const SENDER_SHARE: f64 = 0.95;

/// Reordering is taken to reach no further than this many packets, where only the answers' numbers tell what arrived.
const REORDER_REACH: u32 = 64;

/// A packet that the box has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its number, from 0.
    pub seq: u32,
    /// When, ns by the box's clock.
    pub sent_ns: u64,
    /// Bytes of UDP payload.
    pub bytes: u32,
}

/// An answer that has come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// The number of the packet that it answers.
    pub seq: u32,
    /// Its own number, from 0.
    pub reflector_seq: u32,
    /// When the packet had arrived, ns by the reflector's clock.
    pub reflector_rx_ns: u64,
    /// When the answer was sent, ns by the reflector's clock.
    pub reflector_tx_ns: u64,
    /// When the answer arrived, ns by the box's clock.
    pub arrived_ns: u64,
}

/// One test as the box has recorded it. The order of the records means nothing.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// What was sent.
    pub sent: &'a [Sent],
    /// What came back.
    pub back: &'a [Back],
    /// The reflector's counts, when its summary has come.
    pub summary: Option<&'a Summary>,
    /// Rate that was to be sent, kbit/s at the IP layer.
    pub wanted_kbps: u32,
    /// IP and UDP headers of one packet, bytes: [`super::OVERHEAD_V4`] or [`super::OVERHEAD_V6`].
    pub overhead: u32,
    /// A pause between two packets that is longer is the box's, not the line's, ms.
    pub longest_gap_ms: f64,
}

/// What a test says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Packets sent.
    pub sent: u32,
    /// Different packets that have arrived at the reflector. `None` without its summary.
    pub received: Option<u32>,
    /// Answers that the reflector has sent. `None` without its summary.
    pub replied: Option<u32>,
    /// Different answers that have come back.
    pub back: u32,
    /// From the box to the reflector.
    pub up: Way,
    /// From the reflector to the box. It was offered only what the other direction had carried.
    pub down: Way,
    /// There and back, without the time that the reflector took.
    pub round_trip: Option<RoundTrip>,
    /// The box did not keep pace (`line.box-slow`): nothing here says anything about the line.
    pub sender_slow: bool,
    /// Longest pause between two packets sent, ms.
    pub gap_ms: f64,
    /// Packets that the reflector did not answer since they were faster or longer than granted.
    pub over_grant: u32,
    /// Answers that were left out since they cannot be true.
    pub nonsense: u32,
}

/// One direction.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Way {
    /// Loss; `None` when nothing at all is known about it.
    pub loss: Option<Loss>,
    /// What was put on the line, kbit/s at the IP layer.
    pub offered_kbps: Option<f64>,
    /// What has arrived, kbit/s at the IP layer, without duplicates. `None` where a missing summary leaves it open.
    pub delivered_kbps: Option<f64>,
    /// Jitter; `None` with fewer than two packets.
    pub jitter: Option<Jitter>,
    /// Packets that arrived after a later one. `None` without the summary that says it.
    pub reordered: Option<u32>,
    /// Copies. `None` without the summary that says it.
    pub duplicates: Option<u32>,
}

/// Works out the figures of a test.
#[must_use]
pub fn figures(trial: &Trial<'_>) -> Figures {
    let sent: BTreeMap<u32, Sent> = trial.sent.iter().map(|sent| (sent.seq, *sent)).collect();
    let heard = Heard::sort(&sent, trial);
    let pace = Pace::of(&sent, trial);
    let summary = trial.summary.map(|summary| plausible(summary, count(sent.len())));
    let summary = summary.as_ref();
    let received = summary.map(|s| s.received.saturating_sub(s.duplicates));
    Figures {
        sent: count(sent.len()),
        received,
        replied: summary.map(|s| s.replied),
        back: count(heard.answers.len()),
        up: up(&sent, &heard, summary, &pace, trial),
        down: down(&sent, &heard, summary, trial),
        round_trip: RoundTrip::of(heard.answers.iter().map(|back| {
            let whole = ns_between(at(&sent, back.seq), back.arrived_ns);
            whole - ns_between(back.reflector_rx_ns, back.reflector_tx_ns)
        })),
        sender_slow: pace.gap_ms > trial.longest_gap_ms
            || pace.kbps.unwrap_or(0.0) < SENDER_SHARE * f64::from(trial.wanted_kbps),
        gap_ms: pace.gap_ms,
        over_grant: summary.map_or(0, |s| s.over_grant),
        nonsense: heard.nonsense,
    }
}

/// The answers, in the order of their arrival, each once.
struct Heard {
    answers: Vec<Back>,
    copies: u32,
    late: u32,
    nonsense: u32,
}

impl Heard {
    fn sort(sent: &BTreeMap<u32, Sent>, trial: &Trial<'_>) -> Self {
        let mut in_order = trial.back.to_vec();
        in_order.sort_by_key(|back| (back.arrived_ns, back.reflector_seq));
        let mut heard = Self {
            answers: Vec::with_capacity(in_order.len()),
            copies: 0,
            late: 0,
            nonsense: 0,
        };
        let mut first: BTreeMap<u32, u32> = BTreeMap::new();
        for back in in_order {
            let possible = sent
                .get(&back.seq)
                .is_some_and(|sent| is_possible(sent, &back, trial.summary));
            match first.get(&back.reflector_seq) {
                _ if !possible => heard.nonsense += 1,
                Some(seq) if *seq == back.seq => heard.copies += 1,
                Some(_) => heard.nonsense += 1,
                None => {
                    if first
                        .last_key_value()
                        .is_some_and(|(highest, _)| *highest > back.reflector_seq)
                    {
                        heard.late += 1;
                    }
                    first.insert(back.reflector_seq, back.seq);
                    heard.answers.push(back);
                }
            }
        }
        heard
    }

    /// Different packets of the box that are known to have arrived.
    fn packets(&self) -> BTreeSet<u32> {
        self.answers.iter().map(|back| back.seq).collect()
    }

    /// The answer with the highest number.
    fn newest(&self) -> Option<&Back> {
        self.answers.iter().max_by_key(|back| back.reflector_seq)
    }

    /// Packets without an answer that may have arrived, and been answered, after everything that is known.
    fn untold(&self, sent: &BTreeMap<u32, Sent>) -> u32 {
        let from = self
            .newest()
            .map_or(0, |back| back.seq.saturating_sub(REORDER_REACH));
        let known = self.packets();
        count(sent.range(from..).filter(|(seq, _)| !known.contains(seq)).count())
    }
}

fn is_possible(sent: &Sent, back: &Back, summary: Option<&Summary>) -> bool {
    let whole = ns_between(sent.sent_ns, back.arrived_ns);
    let dwell = ns_between(back.reflector_rx_ns, back.reflector_tx_ns);
    let numbered = summary.is_none_or(|summary| back.reflector_seq < summary.replied);
    (0..=whole).contains(&dwell) && numbered
}

/// A summary is what another machine says: it cannot count more than there was.
fn plausible(said: &Summary, sent: u32) -> Summary {
    let duplicates = said.duplicates.min(said.received);
    let replied = said.replied.min(said.received);
    let distinct = (said.received - duplicates).min(sent);
    Summary {
        received: distinct.saturating_add(duplicates),
        duplicates,
        replied,
        ..*said
    }
}

/// How the box has sent.
struct Pace {
    span_ms: Option<f64>,
    kbps: Option<f64>,
    gap_ms: f64,
}

impl Pace {
    fn of(sent: &BTreeMap<u32, Sent>, trial: &Trial<'_>) -> Self {
        let mut times: Vec<u64> = sent.values().map(|sent| sent.sent_ns).collect();
        times.sort_unstable();
        let gap_ms = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(a, b)| spread::ms(ns_between(*a, *b)))
            .fold(0.0, f64::max);
        let span_ms = stretch(times.first(), times.last(), count(times.len()));
        let bits = sent.values().map(|sent| ip_bits(sent.bytes, trial)).sum::<f64>();
        Self {
            span_ms,
            kbps: rate(bits, span_ms),
            gap_ms,
        }
    }
}

fn up(
    sent: &BTreeMap<u32, Sent>,
    heard: &Heard,
    summary: Option<&Summary>,
    pace: &Pace,
    trial: &Trial<'_>,
) -> Way {
    let n = count(sent.len());
    let loss = match summary {
        Some(s) => Loss::counted(n.saturating_sub(s.received - s.duplicates), n),
        // Without the reflector's counts: an answer proves its packet; a number that is missing among the answers is a
        // packet, or a copy of one; and nobody knows what came after the newest answer.
        None => heard.newest().and_then(|newest| {
            let proven = count(heard.packets().len());
            let numbers = newest.reflector_seq.saturating_add(1);
            let unheard = numbers.saturating_sub(count(heard.answers.len()));
            let most = proven.saturating_add(unheard).saturating_add(heard.untold(sent));
            Loss::between((n.saturating_sub(most), n), (n.saturating_sub(proven), n))
        }),
    };
    let delivered_kbps = summary.and_then(|s| {
        let span_ms = longest(
            pace.span_ms,
            stretch(Some(&s.first_ns), Some(&s.last_ns), s.highest.saturating_add(1)),
        );
        let distinct = f64::from(s.received - s.duplicates);
        let all = f64::from(s.received).max(1.0);
        let bits = (int(s.bytes) + f64::from(trial.overhead) * all) * 8.0;
        rate(bits * distinct / all, span_ms)
            .filter(|_| s.received > 0)
            .or(Some(0.0).filter(|_| n > 0))
    });
    let mut by_arrival: Vec<&Back> = heard.answers.iter().collect();
    by_arrival.sort_by_key(|back| back.reflector_seq);
    let mut known = BTreeSet::new();
    by_arrival.retain(|back| known.insert(back.seq));
    Way {
        loss,
        offered_kbps: pace.kbps,
        delivered_kbps,
        jitter: Jitter::of(
            by_arrival
                .iter()
                .map(|back| (at(sent, back.seq), back.reflector_rx_ns)),
        ),
        reordered: summary.map(|s| s.reordered),
        duplicates: summary.map(|s| s.duplicates),
    }
}

fn down(sent: &BTreeMap<u32, Sent>, heard: &Heard, summary: Option<&Summary>, trial: &Trial<'_>) -> Way {
    let back = count(heard.answers.len());
    let loss = match summary {
        Some(s) => Loss::counted(s.replied.saturating_sub(back), s.replied),
        None => heard.newest().and_then(|newest| {
            let least = newest.reflector_seq.saturating_add(1);
            let most = least.saturating_add(heard.untold(sent));
            Loss::between(
                (least.saturating_sub(back), least),
                (most.saturating_sub(back), most),
            )
        }),
    };
    let bits: f64 = heard
        .answers
        .iter()
        .filter_map(|back| sent.get(&back.seq))
        .map(|sent| ip_bits(sent.bytes, trial))
        .sum();
    // What was made of a copy may come long after everything else, and says nothing about the time that it took.
    let mut known = BTreeSet::new();
    let mut firsts: Vec<&Back> = heard.answers.iter().collect();
    firsts.sort_by_key(|back| back.reflector_seq);
    firsts.retain(|back| known.insert(back.seq));
    let numbers = || firsts.iter().map(|back| back.reflector_seq);
    let slots = match (numbers().min(), numbers().max()) {
        (Some(first), Some(last)) => (last - first).saturating_add(1),
        _ => 0,
    };
    let times = |of: fn(&Back) -> u64| {
        let times = || firsts.iter().map(|back| of(back));
        let (first, last) = (times().min(), times().max());
        stretch(first.as_ref(), last.as_ref(), slots)
    };
    let sent_ms = longest(
        times(|back| back.reflector_tx_ns),
        summary.and_then(|s| stretch(Some(&s.first_ns), Some(&s.last_ns), s.received)),
    );
    let span_ms = longest(sent_ms, times(|back| back.arrived_ns));
    let offered = summary.and_then(|s| {
        let mean = if back > 0 {
            bits / f64::from(back)
        } else {
            // Nothing has come back: an answer is as large as the packet that it answers.
            let all: f64 = sent.values().map(|sent| ip_bits(sent.bytes, trial)).sum();
            all / f64::from(count(sent.len()).max(1))
        };
        rate(mean * f64::from(s.replied), sent_ms)
    });
    Way {
        loss,
        offered_kbps: offered,
        delivered_kbps: summary
            .filter(|s| s.replied > 0)
            .and_then(|_| if back == 0 { Some(0.0) } else { rate(bits, span_ms) }),
        jitter: Jitter::of(
            heard
                .answers
                .iter()
                .map(|back| (back.reflector_tx_ns, back.arrived_ns)),
        ),
        reordered: Some(heard.late),
        duplicates: Some(heard.copies),
    }
}

fn at(sent: &BTreeMap<u32, Sent>, seq: u32) -> u64 {
    sent.get(&seq).map_or(0, |sent| sent.sent_ns)
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Nanoseconds from one time to another of the same clock.
fn ns_between(from: u64, to: u64) -> i128 {
    i128::from(to) - i128::from(from)
}

fn ip_bits(bytes: u32, trial: &Trial<'_>) -> f64 {
    (f64::from(bytes) + f64::from(trial.overhead)) * 8.0
}

#[allow(
    clippy::cast_precision_loss,
    reason = "bytes of one test are far below 2^53; a larger number is another machine's lie"
)]
fn int(bytes: u64) -> f64 {
    bytes as f64
}

/// Milliseconds that `slots` packets took, when the first and the last began at these times: the last one's own time is
/// counted as the mean of the others'. `None` when it says nothing about a rate.
fn stretch(first: Option<&u64>, last: Option<&u64>, slots: u32) -> Option<f64> {
    let span = spread::ms(ns_between(*first?, *last?));
    (slots > 1 && span > 0.0).then(|| span * f64::from(slots) / f64::from(slots - 1))
}

fn longest(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (one, other) => one.or(other),
    }
}

/// Bits in a millisecond are kbit/s.
fn rate(bits: f64, span_ms: Option<f64>) -> Option<f64> {
    span_ms.map(|span_ms| bits / span_ms)
}

#[cfg(test)]
mod tests;
