//! When a stream is broken off: a sender that hears that the line does not carry it stops, as RFC 8083 asks of every
//! sender of RTP. Pure: the times are arguments.
//!
//! Two signs: no answer at all for three periods, or more than 30 % lost for more than a second. Answers are given
//! three quarters of a second to come, which is more than a call could bear.

use serde::{Deserialize, Serialize};

/// One look-out period, milliseconds.
const PERIOD_MS: u64 = 500;

/// Periods without any answer after which the line is taken for dead (RFC 8083, section 4.1: RTCP timeout).
const SILENT_PERIODS: u64 = 3;

/// Length of a slice of the stream, milliseconds; five of them are more than a second.
const SLICE_MS: u64 = 250;
const SLICES: u64 = 5;

/// How long an answer may take and still count, milliseconds.
const PATIENCE_MS: u64 = 750;

/// More than this share lost is not carried (RFC 8083 asks to stop where media are unusable).
const LOST_PERCENT: u64 = 30;

/// Fewer packets than this prove nothing.
const LEAST: u64 = 10;

/// The most slices that are kept: the longest stream and more.
const KEPT: usize = 200;

/// Why a stream ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cut {
    /// Nothing came back any more.
    Silent,
    /// Far too much was lost.
    Lossy,
    /// The box's own network took no packets any more.
    Unsent,
}

impl Cut {
    /// Its word in reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Lossy => "lossy",
            Self::Unsent => "unsent",
        }
    }
}

/// Watches a stream. Times are milliseconds since its first packet.
#[derive(Debug, Default)]
pub(crate) struct LookOut {
    /// Sent and answered, by when the packet was sent.
    slices: Vec<(u64, u64)>,
    sent: u64,
    last_answer_ms: u64,
}

impl LookOut {
    /// A packet was sent.
    pub(crate) fn sent(&mut self, at_ms: u64) {
        self.sent += 1;
        if let Some((sent, _)) = self.slice(at_ms) {
            *sent += 1;
        }
    }

    /// The answer to a packet that was sent at `sent_ms` came.
    pub(crate) fn answered(&mut self, sent_ms: u64, at_ms: u64) {
        self.last_answer_ms = self.last_answer_ms.max(at_ms);
        if let Some((_, answered)) = self.slice(sent_ms) {
            *answered += 1;
        }
    }

    /// Whether the stream has to end now.
    pub(crate) fn look(&self, now_ms: u64) -> Option<Cut> {
        if self.sent < LEAST {
            return None;
        }
        if now_ms.saturating_sub(self.last_answer_ms) >= SILENT_PERIODS * PERIOD_MS {
            return Some(Cut::Silent);
        }
        // The newest slice whose last packet has had its time.
        let end = now_ms.checked_sub(PATIENCE_MS)? / SLICE_MS;
        let first = end.checked_sub(SLICES)?;
        let slices = self
            .slices
            .get(usize::try_from(first).ok()?..usize::try_from(end).ok()?)?;
        let (sent, answered) = slices.iter().fold((0, 0), |(sent, answered), slice| {
            (sent + slice.0, answered + slice.1)
        });
        let worst = slices
            .iter()
            .all(|(sent, answered)| *sent > 0 && lost_too_much(*sent, *answered));
        (sent >= LEAST && worst && lost_too_much(sent, answered)).then_some(Cut::Lossy)
    }

    fn slice(&mut self, at_ms: u64) -> Option<&mut (u64, u64)> {
        let at = usize::try_from(at_ms / SLICE_MS).ok().filter(|at| *at < KEPT)?;
        if self.slices.len() <= at {
            self.slices.resize(at + 1, (0, 0));
        }
        self.slices.get_mut(at)
    }
}

fn lost_too_much(sent: u64, answered: u64) -> bool {
    sent.saturating_sub(answered) * 100 > sent * LOST_PERCENT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet each 10 ms, answered after `delay_ms` unless `lost`; gives when the stream was broken off.
    fn play(ms: u64, delay_ms: u64, lost: impl Fn(u64) -> bool) -> Option<(u64, Cut)> {
        let mut look_out = LookOut::default();
        for now in (0..ms).step_by(10) {
            look_out.sent(now);
            if now >= delay_ms && !lost(now - delay_ms) {
                look_out.answered(now - delay_ms, now);
            }
            if let Some(cut) = look_out.look(now) {
                return Some((now, cut));
            }
        }
        None
    }

    #[test]
    fn a_line_that_carries_the_stream_is_never_broken_off() {
        assert_eq!(play(10_000, 40, |_| false), None);
        assert_eq!(play(10_000, 700, |_| false), None);
        // A quarter lost is bad and is measured to the end; so is a second of nothing.
        assert_eq!(play(10_000, 40, |at| at % 40 == 0), None);
        assert_eq!(play(10_000, 40, |at| (3_000..4_000).contains(&at)), None);
    }

    #[test]
    fn silence_ends_it_after_three_periods_and_heavy_loss_after_more_than_a_second() {
        assert_eq!(play(10_000, 40, |_| true), Some((1_500, Cut::Silent)));
        assert_eq!(play(10_000, 40, |at| at > 2_000), Some((3_540, Cut::Silent)));
        let (at, cut) = play(10_000, 40, |at| at % 20 == 0).unwrap();
        assert_eq!((at, cut), (2_000, Cut::Lossy));
    }

    #[test]
    fn a_few_packets_prove_nothing() {
        let mut look_out = LookOut::default();
        look_out.sent(0);
        assert_eq!(look_out.look(60_000), None);
    }

    proptest! {
        #[test]
        fn any_times_are_taken(times in prop::collection::vec((any::<bool>(), any::<u64>(), any::<u64>()), 0..100)) {
            let mut look_out = LookOut::default();
            for (sent, a, b) in times {
                if sent { look_out.sent(a) } else { look_out.answered(a, b) }
                let _ = look_out.look(b);
                prop_assert!(look_out.slices.len() <= KEPT);
            }
        }
    }
}
