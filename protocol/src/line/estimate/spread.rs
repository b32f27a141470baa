//! The statistics under the figures: an interval for a share, the spread of delays, the round trip.

use serde::{Deserialize, Serialize};

/// 97.5th percentile of the normal distribution: two-sided 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Loss of one direction, with what is known about it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Packets lost; at least this many when not `exact`.
    pub lost: u32,
    /// Of so many.
    pub of: u32,
    /// The share, 0 to 1, of those counted; at least this when not `exact`.
    pub share: f64,
    /// Lower end of the 95 % interval of the share that a longer test would show.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// True when every packet was accounted for. Otherwise the interval holds everything that is possible.
    pub exact: bool,
}

/// Jitter of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// Mean of |D| over all neighbours (D of RFC 3550, section 6.4.1), ms.
    pub mean_ms: f64,
    /// RFC 3550's J after the last packet, ms: a smoothed value of about 16 packets, so it is unsteady.
    pub rfc3550_ms: f64,
    /// Packet-delay variation (RFC 5481, section 4.2): half of the packets were no later than this above the fastest, ms.
    pub pdv_p50_ms: f64,
    /// 95 of 100.
    pub pdv_p95_ms: f64,
    /// 99 of 100.
    pub pdv_p99_ms: f64,
}

/// There and back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RoundTrip {
    /// The shortest, ms.
    pub min_ms: f64,
    /// Half were no longer, ms.
    pub p50_ms: f64,
    /// 95 of 100 were no longer, ms.
    pub p95_ms: f64,
}

impl Loss {
    /// Every packet is accounted for. `None` of none.
    pub(super) fn counted(lost: u32, of: u32) -> Option<Self> {
        let (low, high) = wilson(lost, of)?;
        Some(Self {
            lost,
            of,
            share: f64::from(lost) / f64::from(of),
            low,
            high,
            exact: true,
        })
    }

    /// Somewhere between two counts, each `(lost, of)`.
    pub(super) fn between(least: (u32, u32), most: (u32, u32)) -> Option<Self> {
        let mut loss = Self::counted(least.0, least.1)?;
        let (_, high) = wilson(most.0, most.1)?;
        loss.exact = least == most;
        loss.high = loss.high.max(high);
        Some(loss)
    }
}

impl Jitter {
    /// From `(sent, arrived)` in order of arrival, each by its own clock, ns. `None` with fewer than two.
    pub(super) fn of(packets: impl Iterator<Item = (u64, u64)>) -> Option<Self> {
        let delays: Vec<i128> = packets
            .map(|(sent, arrived)| i128::from(arrived) - i128::from(sent))
            .collect();
        let (mut j, mut sum, mut pairs) = (0.0, 0.0, 0.0);
        for (before, this) in delays.iter().zip(delays.iter().skip(1)) {
            let d = ms(this - before).abs();
            j += (d - j) / 16.0;
            sum += d;
            pairs += 1.0;
        }
        let least = delays.iter().min().filter(|_| pairs > 0.0)?;
        let above = Ranked::new(delays.iter().map(|delay| delay - least));
        Some(Self {
            mean_ms: sum / pairs,
            rfc3550_ms: j,
            pdv_p50_ms: above.percentile(50)?,
            pdv_p95_ms: above.percentile(95)?,
            pdv_p99_ms: above.percentile(99)?,
        })
    }
}

impl RoundTrip {
    /// From times in ns. `None` of none.
    pub(super) fn of(times_ns: impl Iterator<Item = i128>) -> Option<Self> {
        let times = Ranked::new(times_ns);
        Some(Self {
            min_ms: times.percentile(0)?,
            p50_ms: times.percentile(50)?,
            p95_ms: times.percentile(95)?,
        })
    }
}

/// Numbers in order.
struct Ranked(Vec<i128>);

impl Ranked {
    fn new(values: impl Iterator<Item = i128>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_unstable();
        Self(values)
    }

    /// Nearest rank: the smallest value that at least `percent` of all do not exceed, as ms.
    fn percentile(&self, percent: usize) -> Option<f64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map(|ns| ms(*ns))
    }
}

/// Milliseconds of nanoseconds.
#[allow(
    clippy::cast_precision_loss,
    reason = "spans of a test are far below 2^53 ns; what another machine invents may be rounded"
)]
pub(super) fn ms(ns: i128) -> f64 {
    ns as f64 / 1e6
}

/// Wilson's score interval, 95 % (E. B. Wilson 1927): holds also where nothing or everything is lost. `None` of none.
fn wilson(lost: u32, of: u32) -> Option<(f64, f64)> {
    if of == 0 {
        return None;
    }
    let (n, p) = (f64::from(of), f64::from(lost.min(of)) / f64::from(of));
    let z2 = Z * Z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At the ends the two terms are equal, and rounding must not make them differ.
    let low = if lost == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if lost >= of { 1.0 } else { (centre + half).min(1.0) };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::{Jitter, Loss, RoundTrip, wilson};

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-5, "{a} and {b}");
    }

    /// The ends of the interval are where the share lies 1.96 standard errors of that end away: that is its definition.
    #[test]
    fn wilson_by_its_definition() {
        for (lost, of) in [(1, 3), (5, 10), (20, 977), (3000, 3257), (1, 100_000)] {
            let share = f64::from(lost) / f64::from(of);
            let (low, high) = wilson(lost, of).unwrap();
            assert!(0.0 < low && low < share && share < high && high < 1.0);
            for end in [low, high] {
                close(
                    (share - end).abs() / (end * (1.0 - end) / f64::from(of)).sqrt(),
                    1.959_964,
                );
            }
        }
        // Nothing lost of 300, everything of 10: z^2 / (n + z^2) is left of the formula.
        assert_eq!(wilson(0, 300).unwrap().0, 0.0);
        close(wilson(0, 300).unwrap().1, 3.841_459 / 303.841_459);
        close(wilson(10, 10).unwrap().0, 10.0 / 13.841_459);
        assert_eq!(wilson(10, 10).unwrap().1, 1.0);
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn a_range_is_as_wide_as_both_its_ends() {
        let range = Loss::between((10, 100), (60, 100)).unwrap();
        assert_eq!((range.lost, range.of, range.exact), (10, 100, false));
        close(range.low, wilson(10, 100).unwrap().0);
        close(range.high, wilson(60, 100).unwrap().1);
    }

    /// Worked by hand: delays 5, 5, 21, 5, 5 ms above an unknown offset; |D| = 0, 16, 16, 0.
    #[test]
    fn jitter_by_hand() {
        let ms = 1_000_000_u64;
        let packets = [5, 5, 21, 5, 5].into_iter().enumerate();
        let far = 1 << 60;
        let jitter =
            Jitter::of(packets.map(|(n, delay)| (far + n as u64 * 20 * ms, (n as u64 * 20 + delay) * ms)))
                .unwrap();
        close(jitter.mean_ms, 8.0);
        // 0; 16/16 = 1; 1 + 15/16; 1.9375 * 15/16.
        close(jitter.rfc3550_ms, 1.816_406);
        close(jitter.pdv_p50_ms, 0.0);
        close(jitter.pdv_p95_ms, 16.0);
        close(jitter.pdv_p99_ms, 16.0);
        assert_eq!(Jitter::of([(0, 0)].into_iter()), None);
    }

    #[test]
    fn round_trip_by_hand() {
        let trip = RoundTrip::of((1..=100).rev().map(|n| n * 1_000_000)).unwrap();
        close(trip.min_ms, 1.0);
        close(trip.p50_ms, 50.0);
        close(trip.p95_ms, 95.0);
        assert_eq!(RoundTrip::of(std::iter::empty()), None);
    }
}
