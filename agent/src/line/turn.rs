//! When a reflector that has no room for a test is asked again: many rooms measure in the same minute, and each test is
//! over after a few seconds. Pure: the times are arguments, and chance comes from a seed.

/// Shortest and longest first pause, milliseconds. A room that is refused at the same moment as others must not come
/// back at the same moment as they.
const SHORTEST_MS: u64 = 400;
const LONGEST_MS: u64 = 2_000;

/// No pause is longer, milliseconds: a test is over after four seconds, and its place is free again.
const MOST_MS: u64 = 6_000;

/// The rounds of asking.
#[derive(Debug)]
pub(crate) struct Turns {
    seed: u64,
    longest_ms: u64,
    end_ms: u64,
}

impl Turns {
    /// Asking again makes no sense from `end_ms` on: the test itself would not be finished in time.
    pub(crate) fn new(seed: u64, end_ms: u64) -> Self {
        Self {
            seed,
            longest_ms: LONGEST_MS,
            end_ms,
        }
    }

    /// When to ask again, after a refusal at `now_ms`. `None` when there is no time left.
    pub(crate) fn next(&mut self, now_ms: u64) -> Option<u64> {
        let spread = self.longest_ms.saturating_sub(SHORTEST_MS).max(1);
        let pause_ms = SHORTEST_MS + self.chance() % spread;
        self.longest_ms = (self.longest_ms * 2).min(MOST_MS);
        Some(now_ms.saturating_add(pause_ms)).filter(|at_ms| *at_ms < self.end_ms)
    }

    /// Any number, evenly (splitmix64).
    fn chance(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// When a room that is always refused asks.
    fn asks(seed: u64, end_ms: u64) -> Vec<u64> {
        let mut turns = Turns::new(seed, end_ms);
        let mut all = vec![0];
        while let Some(at_ms) = turns.next(*all.last().unwrap()) {
            all.push(at_ms);
        }
        all
    }

    #[test]
    fn there_are_several_rounds_within_the_time_of_an_act() {
        for seed in 0..200 {
            let all = asks(seed, 28_000);
            assert!((5..=20).contains(&all.len()), "{all:?}");
        }
        assert_eq!(asks(1, 0), [0]);
    }

    #[test]
    fn rooms_that_were_refused_together_do_not_come_back_together() {
        let second: BTreeSet<u64> = (0..200).map(|seed| asks(seed, 28_000)[1]).collect();
        assert!(second.len() > 150, "{}", second.len());
    }

    proptest! {
        #[test]
        fn every_pause_is_within_its_bounds(seed: u64, now_ms: u64, end_ms: u64) {
            let mut turns = Turns::new(seed, end_ms);
            for _ in 0..50 {
                if let Some(at_ms) = turns.next(now_ms) {
                    prop_assert!(at_ms < end_ms && at_ms - now_ms >= SHORTEST_MS && at_ms - now_ms <= MOST_MS);
                }
            }
        }
    }
}
