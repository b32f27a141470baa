//! Follows one motion by its samples: accepted is not arrived, and complete is not still. Pure.

use std::time::{Duration, Instant};

use super::visca::Spot;

/// Equal samples in a row that count as still.
const STILL_SAMPLES: u32 = 3;

/// A camera that has moved, is still, and never says that it is done is believed after this.
const STILL_UNCONFIRMED: Duration = Duration::from_secs(2);

/// One motion.
#[derive(Debug, Clone)]
pub(super) struct Track {
    began: Instant,
    limit: Instant,
    from: Option<Spot>,
    moved: bool,
    completed: Option<Instant>,
    last: Option<Spot>,
    same: u32,
    same_since: Option<Instant>,
    blind: bool,
    /// Where it rested, and since when, when it was asked whether it is done.
    rested: Option<(Spot, Instant)>,
}

/// How a motion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    /// The camera said that it has arrived.
    pub(super) completed: bool,
    /// The position stopped changing.
    pub(super) settled: bool,
    /// It changed at all.
    pub(super) moved: bool,
    /// The last position known.
    pub(super) spot: Option<Spot>,
    /// From the beginning until it was complete and still, or until it was given up.
    pub(super) took: Duration,
}

impl Track {
    /// A motion that began at `began` from `from`, followed until `limit`.
    pub(super) fn new(began: Instant, limit: Instant, from: Option<Spot>) -> Self {
        Self {
            began,
            limit,
            from,
            moved: false,
            completed: None,
            last: None,
            same: 0,
            same_since: None,
            blind: false,
            rested: None,
        }
    }

    pub(super) fn limit(&self) -> Instant {
        self.limit
    }

    /// Gives it until `limit`.
    pub(super) fn extend(&mut self, limit: Instant) {
        self.limit = limit;
    }

    /// It stands here now.
    pub(super) fn sample(&mut self, now: Instant, spot: Spot) {
        self.moved |= self.from.or(self.last).is_some_and(|before| before != spot);
        if self.last == Some(spot) {
            self.same += 1;
        } else {
            self.last = Some(spot);
            self.same = 1;
            self.same_since = Some(now);
        }
    }

    /// The camera says that it is done.
    pub(super) fn complete(&mut self, now: Instant) {
        self.completed.get_or_insert(now);
    }

    /// The camera does not tell where it stands.
    pub(super) fn go_blind(&mut self) {
        self.blind = true;
    }

    /// True when the camera does not tell where it stands.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// True when it stands still where `at` says, done or not.
    pub(super) fn rests(&self, at: impl Fn(Spot) -> bool) -> bool {
        self.settled() && self.last.is_some_and(at)
    }

    /// True when it has been still for long enough and has not said that it is done, and was not asked again.
    pub(super) fn unconfirmed(&self, now: Instant) -> bool {
        let still_for = |since| now.saturating_duration_since(since) >= STILL_UNCONFIRMED;
        self.completed.is_none()
            && self.rested.is_none()
            && self.settled()
            && self.same_since.is_some_and(still_for)
            && now < self.limit
    }

    /// It is asked again, since its word may have been lost: whether it is still is seen anew.
    pub(super) fn ask_again(&mut self) {
        self.rested = self.last.zip(self.same_since);
        (self.last, self.same, self.same_since) = (None, 0, None);
    }

    /// The end of it, when it has come.
    pub(super) fn arrival(&self, now: Instant) -> Option<Arrival> {
        let completed = self.completed.is_some();
        let settled = self.settled();
        let still_for = self
            .same_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let at = if completed && (settled || self.blind) {
            let rested = self.rested.filter(|(spot, _)| self.last == Some(*spot));
            match rested {
                // It had been there all the time: only its word was lost.
                Some((_, since)) => since,
                None => self.completed.max(self.same_since).unwrap_or(now),
            }
        } else if self.moved && settled && still_for >= STILL_UNCONFIRMED {
            self.same_since.unwrap_or(now)
        } else if now >= self.limit {
            now
        } else {
            return None;
        };
        Some(self.ended(at))
    }

    /// The state at this moment, as an end.
    pub(super) fn ended(&self, at: Instant) -> Arrival {
        Arrival {
            completed: self.completed.is_some(),
            settled: self.settled(),
            moved: self.moved,
            spot: self.last,
            took: at.saturating_duration_since(self.began),
        }
    }

    fn settled(&self) -> bool {
        self.same >= STILL_SAMPLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(
        clippy::disallowed_methods,
        reason = "some instant to count from; only differences matter"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn spot(pan: i16) -> Spot {
        Spot {
            pan,
            tilt: 0,
            zoom: 0,
        }
    }

    fn after(begin: Instant, ms: u64) -> Instant {
        begin + Duration::from_millis(ms)
    }

    #[test]
    fn complete_is_not_still() {
        let begin = start();
        let mut track = Track::new(begin, after(begin, 8000), Some(spot(0)));
        track.complete(after(begin, 100));
        for (at, pan) in [(200, 10), (400, 20), (600, 30), (800, 30)] {
            track.sample(after(begin, at), spot(pan));
            assert_eq!(track.arrival(after(begin, at)), None);
        }
        track.sample(after(begin, 1000), spot(30));
        let arrival = track.arrival(after(begin, 1000)).unwrap();
        assert!(arrival.completed && arrival.settled && arrival.moved);
        assert_eq!(
            (arrival.spot, arrival.took),
            (Some(spot(30)), Duration::from_millis(600))
        );
    }

    #[test]
    fn still_is_not_complete() {
        let begin = start();
        let mut track = Track::new(begin, after(begin, 8000), Some(spot(0)));
        for at in 1..40 {
            track.sample(after(begin, at * 200), spot(0));
            assert_eq!(
                track.arrival(after(begin, at * 200)),
                None,
                "it never moved and was never done"
            );
        }
        let arrival = track.arrival(after(begin, 8000)).unwrap();
        assert!(!arrival.completed && arrival.settled && !arrival.moved);
        assert_eq!(arrival.took, Duration::from_secs(8));
    }

    #[test]
    fn moved_and_still_without_a_word() {
        let begin = start();
        let mut track = Track::new(begin, after(begin, 8000), Some(spot(0)));
        track.sample(after(begin, 200), spot(5));
        for at in [400, 600, 2000] {
            track.sample(after(begin, at), spot(5));
            assert_eq!(track.arrival(after(begin, at)), None);
        }
        let arrival = track.arrival(after(begin, 2200)).unwrap();
        assert!(!arrival.completed && arrival.settled && arrival.moved);
        assert_eq!(arrival.took, Duration::from_millis(200));
    }

    #[test]
    fn its_word_was_lost_and_it_had_arrived_long_before() {
        let begin = start();
        let mut track = Track::new(begin, after(begin, 8000), Some(spot(0)));
        for at in [200, 400, 600] {
            track.sample(after(begin, at), spot(5));
            assert!(!track.unconfirmed(after(begin, at)));
        }
        assert!(track.unconfirmed(after(begin, 2200)));
        track.ask_again();
        assert!(!track.unconfirmed(after(begin, 2200)), "once");
        track.complete(after(begin, 2300));
        for at in [2400, 2600] {
            track.sample(after(begin, at), spot(5));
            assert_eq!(track.arrival(after(begin, at)), None);
        }
        track.sample(after(begin, 2800), spot(5));
        let arrival = track.arrival(after(begin, 2800)).unwrap();
        assert!(arrival.completed && arrival.settled && arrival.moved);
        assert_eq!(arrival.took, Duration::from_millis(200));
    }

    #[test]
    fn without_positions_its_word_is_taken() {
        let begin = start();
        let mut track = Track::new(begin, after(begin, 8000), None);
        track.go_blind();
        track.complete(after(begin, 900));
        let arrival = track.arrival(after(begin, 950)).unwrap();
        assert!(arrival.completed && !arrival.settled);
        assert_eq!((arrival.spot, arrival.took), (None, Duration::from_millis(900)));
    }
}
