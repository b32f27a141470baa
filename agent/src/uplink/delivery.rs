//! What to offer to the hub now, and when next: pure, with the time passed in.
//!
//! The newest entry first, for somebody is looking at it; then the others from the oldest on, a window of them
//! at a time. What gets no receipt is offered again after 30 s, then after twice as long, to five minutes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many entries may be on their way without a receipt.
const WINDOW: usize = 16;

/// First pause before an entry is offered again.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Pause between enrolments: doubled from the first to the last.
const FIRST_ENROL_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_ENROL_PAUSE: Duration = Duration::from_secs(30);

/// The book-keeping of what was offered.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    offered: BTreeMap<u64, Offer>,
    enrol: Option<Offer>,
    enrol_not_before: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Offer {
    at: Instant,
    pause: Duration,
}

impl Offer {
    fn due(self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= self.pause
    }

    fn left(self, now: Instant) -> Duration {
        self.pause.saturating_sub(now.saturating_duration_since(self.at))
    }
}

impl Delivery {
    /// A fresh connection, or a hub that has come back: everything may be offered at once.
    pub(crate) fn connected(&mut self) {
        self.offered.clear();
        self.enrol = None;
        self.enrol_not_before = None;
    }

    /// Which of the `outbox` (in the order in which it is to be offered) are due.
    pub(crate) fn due(&mut self, outbox: &[u64], now: Instant) -> Vec<u64> {
        self.offered.retain(|seq, _| outbox.contains(seq));
        let on_the_way = self.offered.values().filter(|offer| !offer.due(now)).count();
        let due = outbox
            .iter()
            .copied()
            .filter(|seq| self.offered.get(seq).is_none_or(|offer| offer.due(now)));
        due.take(WINDOW.saturating_sub(on_the_way)).collect()
    }

    /// An entry was offered.
    pub(crate) fn sent(&mut self, seq: u64, now: Instant) {
        let pause = self
            .offered
            .get(&seq)
            .map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        self.offered.insert(seq, Offer { at: now, pause });
    }

    /// An entry was receipted.
    pub(crate) fn receipted(&mut self, seq: u64) {
        self.offered.remove(&seq);
    }

    /// Whether the enrolment is to be sent now.
    pub(crate) fn enrol_due(&self, now: Instant) -> bool {
        self.enrol_not_before.is_none_or(|at| now >= at) && self.enrol.is_none_or(|offer| offer.due(now))
    }

    /// The enrolment was sent.
    pub(crate) fn enrolment_sent(&mut self, now: Instant) {
        let pause = self.enrol.map_or(FIRST_ENROL_PAUSE, |before| {
            (before.pause * 2).min(LONGEST_ENROL_PAUSE)
        });
        self.enrol = Some(Offer { at: now, pause });
        self.enrol_not_before = None;
    }

    /// Something changed at the hub: the enrolment is sent again, not before `pause` from now.
    pub(crate) fn enrol_again_after(&mut self, now: Instant, pause: Duration) {
        let sooner = self.enrol.is_none_or(|offer| offer.left(now) > pause);
        if sooner {
            self.enrol = self.enrol.map(|offer| Offer {
                at: now,
                pause: offer.pause.min(pause),
            });
            self.enrol_not_before = now.checked_add(pause);
        }
    }

    /// How long until something may be due.
    pub(crate) fn next_due(&self, now: Instant, enrolled: bool) -> Duration {
        let longest = LONGEST_PAUSE;
        if !enrolled {
            let wait = self.enrol.map_or(Duration::ZERO, |offer| offer.left(now));
            let not_before = self
                .enrol_not_before
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            return wait.max(not_before).clamp(Duration::from_millis(200), longest);
        }
        self.offered
            .values()
            .map(|offer| offer.left(now))
            .min()
            .unwrap_or(longest)
            .max(Duration::from_secs(1))
    }
}

/// Pause before the next attempt to connect: 1 s doubled to 5 min, spread by up to a quarter so that two
/// hundred boxes do not come back in one second.
pub(crate) fn reconnect_after(failures: u32, seed: u64) -> Duration {
    let base = Duration::from_secs(1 << failures.saturating_sub(1).min(9)).min(LONGEST_PAUSE);
    let spread = u32::try_from(seed % 250).unwrap_or_default();
    base + base * spread / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        crate::clock::instant()
    }

    #[test]
    fn the_newest_goes_first_and_no_more_than_a_window() {
        let (mut delivery, now) = (Delivery::default(), start());
        let outbox: Vec<u64> = std::iter::once(100).chain(1..=99).collect();
        let first = delivery.due(&outbox, now);
        assert_eq!(first, std::iter::once(100).chain(1..=15).collect::<Vec<_>>());
        for seq in first {
            delivery.sent(seq, now);
        }
        assert!(delivery.due(&outbox, now).is_empty(), "the window is full");
        delivery.receipted(100);
        let outbox: Vec<u64> = (1..=99).collect();
        assert_eq!(delivery.due(&outbox, now), [16]);
    }

    #[test]
    fn what_gets_no_receipt_is_offered_again_later_and_later() {
        let (mut delivery, start) = (Delivery::default(), start());
        let mut now = start;
        let mut pauses = vec![];
        for _ in 0..6 {
            assert_eq!(delivery.due(&[1], now), [1]);
            delivery.sent(1, now);
            let pause = delivery.next_due(now, true);
            pauses.push(pause.as_secs());
            assert!(
                delivery
                    .due(&[1], now + pause - Duration::from_millis(1))
                    .is_empty()
            );
            now += pause;
        }
        assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
        delivery.connected();
        assert_eq!(delivery.due(&[1], now), [1], "at once on a fresh connection");
    }

    #[test]
    fn an_enrolment_is_repeated_until_it_is_taken() {
        let (mut delivery, now) = (Delivery::default(), start());
        assert!(delivery.enrol_due(now));
        delivery.enrolment_sent(now);
        assert!(!delivery.enrol_due(now + Duration::from_secs(1)));
        assert!(delivery.enrol_due(now + Duration::from_secs(2)));
        delivery.enrolment_sent(now + Duration::from_secs(2));
        assert!(!delivery.enrol_due(now + Duration::from_secs(5)));
        delivery.enrol_again_after(now + Duration::from_secs(3), Duration::ZERO);
        assert!(
            delivery.enrol_due(now + Duration::from_secs(3)),
            "the hub has shown its key"
        );
    }

    #[test]
    fn reconnection_backs_off_and_is_spread() {
        assert_eq!(reconnect_after(0, 0), Duration::from_secs(1));
        assert_eq!(reconnect_after(4, 0), Duration::from_secs(8));
        assert_eq!(reconnect_after(50, 0), Duration::from_secs(300));
        assert!(
            reconnect_after(50, 249) > Duration::from_secs(360)
                && reconnect_after(50, 249) < Duration::from_secs(376)
        );
    }
}
