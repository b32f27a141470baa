//! What one direction of a line does to a datagram: whether it is lost, and when it goes on. Pure, and seeded: the same
//! datagrams at the same times have the same fate.

use std::collections::BTreeSet;
use std::time::Duration;

use super::LineFault;
use crate::sim::random::Random;

/// Share of datagrams that the loss faults lose.
const LOSS: f64 = 0.05;

/// Longest delay of `jitter`.
const JITTER_S: f64 = 0.120;

/// Each way of `far`.
const FAR: Duration = Duration::from_millis(200);

/// The queue of `narrow`.
const QUEUE: Duration = Duration::from_millis(100);

/// IPv4 and UDP headers, bytes: a line carries them too.
const HEADERS: usize = 28;

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    random: Random,
    /// Until when a narrow line is busy with what it has taken.
    busy_until: Duration,
}

impl Way {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            busy_until: Duration::ZERO,
        }
    }

    /// When a datagram of `bytes` that comes `now` goes on; `None` when it is lost.
    pub(super) fn take(
        &mut self,
        now: Duration,
        bytes: usize,
        down: bool,
        faults: &BTreeSet<LineFault>,
        narrow_kbps: u32,
    ) -> Option<Duration> {
        let own = if down {
            LineFault::Loss5Down
        } else {
            LineFault::Loss5Up
        };
        let lossy = faults.contains(&LineFault::Loss5) || faults.contains(&own);
        if faults.contains(&LineFault::Dead) || (lossy && self.random.unit() < LOSS) {
            return None;
        }
        let mut at = now;
        if faults.contains(&LineFault::Narrow) {
            let start = self.busy_until.max(now);
            if start - now > QUEUE {
                return None;
            }
            let bits = u32::try_from((bytes + HEADERS) * 8).unwrap_or(u32::MAX);
            let takes = f64::from(bits) / (f64::from(narrow_kbps.max(1)) * 1000.0);
            self.busy_until = start + Duration::from_secs_f64(takes);
            at = self.busy_until;
        }
        if faults.contains(&LineFault::Jitter) {
            at += Duration::from_secs_f64(self.random.between(0.0, JITTER_S));
        }
        if faults.contains(&LineFault::Far) {
            at += FAR;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u32 = 10_000;

    /// The fates of packets of 1172 bytes, one each 2 ms (4.8 Mbit/s).
    fn fates(fault: LineFault, down: bool) -> Vec<Option<Duration>> {
        let mut way = Way::new(Random::new(7, "way"));
        (0..PACKETS)
            .map(|n| {
                let now = Duration::from_millis(2) * n;
                let at = way.take(now, 1172, down, &BTreeSet::from([fault]), 2400)?;
                Some(at - now)
            })
            .collect()
    }

    fn lost(fates: &[Option<Duration>]) -> usize {
        fates.iter().filter(|fate| fate.is_none()).count()
    }

    #[test]
    fn a_healthy_line_carries_everything_at_once() {
        let mut way = Way::new(Random::new(7, "way"));
        let now = Duration::from_secs(3);
        assert_eq!(way.take(now, 1172, false, &BTreeSet::new(), 1), Some(now));
    }

    #[test]
    fn loss_is_of_its_share_and_of_its_direction_and_seeded() {
        let both = fates(LineFault::Loss5, false);
        assert!((430..570).contains(&lost(&both)), "{}", lost(&both));
        assert_eq!(both, fates(LineFault::Loss5, false));
        assert_eq!(lost(&fates(LineFault::Loss5Up, true)), 0);
        assert_eq!(lost(&fates(LineFault::Loss5Down, false)), 0);
        assert!(lost(&fates(LineFault::Loss5Down, true)) > 400);
        assert_eq!(lost(&fates(LineFault::Dead, true)), 10_000);
    }

    #[test]
    fn a_narrow_line_fills_its_queue_and_then_carries_its_rate() {
        let fates = fates(LineFault::Narrow, false);
        // Half of 4.8 Mbit/s; what fits in the queue besides is a hundredth of this.
        assert!((4_900..5_010).contains(&lost(&fates)), "{}", lost(&fates));
        let longest = fates.iter().flatten().max().unwrap();
        assert!((100..=106).contains(&longest.as_millis()), "{longest:?}");
    }

    #[test]
    fn jitter_and_distance_lose_nothing() {
        let jitter = fates(LineFault::Jitter, false);
        assert_eq!(lost(&jitter), 0);
        assert!(jitter.iter().flatten().all(|delay| delay.as_millis() < 120));
        assert!(jitter.iter().flatten().any(|delay| delay.as_millis() > 110));
        assert!(fates(LineFault::Far, true).iter().all(|fate| *fate == Some(FAR)));
    }
}
