//! How fast one room is answered: a token bucket, pure. A backlog of [`BURST`] (or as many as the configuration says)
//! passes at once, then one message a second; what comes faster is answered later, and what would wait too long is not taken at all (the room sends it
//! again).

/// Messages that pass at once, where the configuration says nothing.
pub const BURST: i64 = 600;

/// Milliseconds for one message after that.
const MS_EACH: i64 = 1000;

/// Answers that may wait for one room. Together with the burst this bounds what one room can make the hub store.
pub const MAX_WAITING: i64 = 600;

/// One room's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The moment at which everything taken so far is paid for, UTC milliseconds.
    paid_ms: i64,
}

/// When a message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At once.
    Now,
    /// Then, UTC milliseconds.
    At(i64),
    /// Not at all: too many wait.
    Full,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            paid_ms: i64::MIN / 2,
        }
    }
}

impl Bucket {
    /// True when a whole burst would pass: such a bucket is like a new one.
    #[must_use]
    pub fn is_full(&self, now_ms: i64, burst: i64) -> bool {
        self.paid_ms <= now_ms - burst * MS_EACH
    }

    /// Takes one message; `burst` pass at once.
    pub fn take(&mut self, now_ms: i64, burst: i64) -> Turn {
        // A clock that was set back must not make a room wait for hours.
        let paid = self
            .paid_ms
            .clamp(now_ms - burst * MS_EACH, now_ms + MAX_WAITING * MS_EACH)
            + MS_EACH;
        if paid > now_ms + MAX_WAITING * MS_EACH {
            return Turn::Full;
        }
        self.paid_ms = paid;
        if paid <= now_ms { Turn::Now } else { Turn::At(paid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_passes_then_one_a_second_then_none() {
        let mut bucket = Bucket::default();
        let now = 1_764_000_000_000;
        for n in 0..BURST {
            assert_eq!(bucket.take(now, BURST), Turn::Now, "{n}");
        }
        assert_eq!(bucket.take(now, BURST), Turn::At(now + 1000));
        assert_eq!(bucket.take(now, BURST), Turn::At(now + 2000));
        for _ in 2..MAX_WAITING {
            assert!(matches!(bucket.take(now, BURST), Turn::At(_)));
        }
        assert_eq!(bucket.take(now, BURST), Turn::Full);
        assert_eq!(
            bucket.take(now + 1000, BURST),
            Turn::At(now + 1000 + MAX_WAITING * 1000),
            "one place is free again"
        );
        assert_eq!(
            bucket.take(now + 2_000_000, BURST),
            Turn::Now,
            "after a rest all is as before"
        );
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_one_a_second(steps in prop::collection::vec(0_i64..5000, 1..2000)) {
            let mut bucket = Bucket::default();
            let (start, mut now, mut taken) = (1_764_000_000_000_i64, 1_764_000_000_000_i64, 0_i64);
            for step in steps {
                now += step;
                if bucket.take(now, BURST) != Turn::Full {
                    taken += 1;
                }
                prop_assert!(taken <= BURST + MAX_WAITING + (now - start) / MS_EACH + 1);
            }
        }

        #[test]
        fn any_clock(times in prop::collection::vec(-4_000_000_000_000_i64..4_000_000_000_000, 1..50)) {
            let mut bucket = Bucket::default();
            for now in times {
                if let Turn::At(at) = bucket.take(now, BURST) {
                    prop_assert!(at - now <= MAX_WAITING * MS_EACH);
                }
            }
        }
    }
}
