//! The clock of an entry: its month, how far its time can be believed, and whether the clock was set since the last one.
//!
//! Pure. Within one boot the monotonic clock tells a step in either direction; across boots only that time cannot go back.

use bridgepoint_protocol::claims::ClockState;

use super::Stamp;
use super::read::month_of;

/// A wall clock that moved this much against the monotonic one was set by a jump.
const STEP_MS: i64 = 5_000;

/// When an entry was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) boot: String,
    pub(super) wall_ms: i64,
    pub(super) mono_ms: u64,
    pub(super) clk: ClockState,
}

/// A clock that was set: where it would be now, and where it is. UTC milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

/// The times of the entries that stand in the logbook.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    newest: Option<Moment>,
    /// The latest wall clock of any entry since the network last said what time it is.
    latest_ms: Option<i64>,
}

impl Times {
    /// An entry was signed.
    pub(super) fn take(&mut self, moment: Moment) {
        self.latest_ms = if moment.clk == ClockState::Ntp {
            Some(moment.wall_ms)
        } else {
            self.latest_ms.max(Some(moment.wall_ms))
        };
        self.newest = Some(moment);
    }

    /// The step of the wall clock since the newest entry, if there was one.
    pub(super) fn step(&self, stamp: &Stamp) -> Option<Step> {
        let newest = self.newest.as_ref()?;
        let (from_ms, stepped) = if newest.boot == stamp.boot {
            let passed = ms(stamp.mono_ms).saturating_sub(ms(newest.mono_ms));
            let expected = newest.wall_ms.saturating_add(passed);
            let apart = stamp.wall_ms.saturating_sub(expected).saturating_abs();
            (expected, apart > STEP_MS)
        } else {
            (newest.wall_ms, before(stamp.wall_ms, newest.wall_ms))
        };
        stepped.then_some(Step {
            from_ms,
            to_ms: stamp.wall_ms,
        })
    }

    /// How far the wall clock can be believed.
    ///
    /// One that lies before an entry that already stands here went back, by a battery that is empty for instance; only the
    /// network's word makes it right again.
    pub(super) fn state(&self, stamp: &Stamp) -> ClockState {
        let same_boot = self
            .newest
            .as_ref()
            .is_some_and(|newest| newest.boot == stamp.boot);
        let went_back = self
            .latest_ms
            .is_some_and(|latest_ms| before(stamp.wall_ms, latest_ms));
        match (self.step(stamp), stamp.clock) {
            (Some(_), ClockState::Ntp) if !same_boot => ClockState::Ntp,
            (Some(_), _) => ClockState::Stepped,
            (None, ClockState::Rtc) if went_back => ClockState::Unsynced,
            (None, clock) => clock,
        }
    }

    /// The month that an entry stands in, never before `newest`: a clock that went back opens no old month.
    pub(super) fn month(newest: &str, wall_ms: i64) -> String {
        month_of(wall_ms).max(newest.to_owned())
    }
}

fn ms(monotonic: u64) -> i64 {
    i64::try_from(monotonic).unwrap_or(i64::MAX)
}

fn before(wall_ms: i64, other_ms: i64) -> bool {
    wall_ms.saturating_add(STEP_MS) < other_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOVEMBER: i64 = 1_764_060_000_000; // 2025-11-25T08:40:00Z
    const YEAR: i64 = 365 * 86_400_000;

    fn stamp(boot: u8, wall_ms: i64, mono_ms: u64, clock: ClockState) -> Stamp {
        Stamp {
            wall_ms,
            mono_ms,
            boot: boot.to_string(),
            clock,
        }
    }

    fn after(at: &Stamp) -> Times {
        let mut times = Times::default();
        times.take(Moment {
            boot: at.boot.clone(),
            wall_ms: at.wall_ms,
            mono_ms: at.mono_ms,
            clk: at.clock,
        });
        times
    }

    #[test]
    fn a_battery_that_is_empty_is_not_believed_after_the_next_start_until_the_network_says_the_time() {
        use ClockState::{Ntp, Rtc, Stepped, Unsynced};
        let mut times = after(&stamp(1, NOVEMBER, 0, Ntp));
        // 1970 on the next boot; the second entry of that boot is consistent with the first and no better.
        let mut says = |mono_ms, wall_ms, clock| {
            let stamp = stamp(2, wall_ms, mono_ms, clock);
            let (state, step) = (times.state(&stamp), times.step(&stamp).is_some());
            times.take(Moment {
                boot: stamp.boot,
                wall_ms,
                mono_ms,
                clk: state,
            });
            (state, step)
        };
        assert_eq!(says(1_000, 1_000, Rtc), (Stepped, true));
        assert_eq!(says(2_000, 2_000, Rtc), (Unsynced, false));
        assert_eq!(says(3_000, NOVEMBER + 9_000, Ntp), (Stepped, true));
        assert_eq!(says(4_000, NOVEMBER + 10_000, Ntp), (Ntp, false));
        assert_eq!(says(5_000, NOVEMBER + 11_000, Rtc), (Rtc, false));
    }

    #[test]
    fn the_network_is_believed_against_what_stands_in_the_logbook() {
        // A clock that had been a year ahead.
        let times = after(&stamp(1, NOVEMBER + YEAR, 0, ClockState::Unsynced));
        let right = stamp(2, NOVEMBER, 0, ClockState::Ntp);
        assert_eq!(times.state(&right), ClockState::Ntp);
        assert_eq!(
            times.step(&right),
            Some(Step {
                from_ms: NOVEMBER + YEAR,
                to_ms: NOVEMBER
            })
        );
        let unproven = stamp(2, NOVEMBER, 0, ClockState::Rtc);
        assert_eq!(times.state(&unproven), ClockState::Stepped);
    }

    proptest! {
        #[test]
        fn whatever_the_clocks_do_months_never_go_back_and_no_false_time_is_called_right(
            stamps in prop::collection::vec((0_u8..3, prop_oneof![
                Just(0), Just(NOVEMBER), Just(NOVEMBER + YEAR), Just(NOVEMBER - YEAR), any::<i64>(),
                NOVEMBER..NOVEMBER + 100_000,
            ], any::<u64>(), 0_u8..3), 1..40)
        ) {
            let (mut times, mut month) = (Times::default(), String::new());
            let mut newest: Option<Moment> = None;
            for (boot, wall_ms, mono_ms, clock) in stamps {
                let clock = [ClockState::Ntp, ClockState::Rtc, ClockState::Unsynced][usize::from(clock)];
                let stamp = stamp(boot, wall_ms, mono_ms, clock);
                let (state, step) = (times.state(&stamp), times.step(&stamp));
                if clock == ClockState::Unsynced {
                    prop_assert!(matches!(state, ClockState::Unsynced | ClockState::Stepped));
                }
                if let Some(newest) = &newest {
                    let back = wall_ms < newest.wall_ms.saturating_sub(STEP_MS);
                    if newest.boot != stamp.boot && back {
                        prop_assert!(step.is_some());
                        prop_assert!(clock == ClockState::Ntp || state == ClockState::Stepped);
                    }
                    if newest.boot == stamp.boot && step.is_some() {
                        prop_assert_eq!(state, ClockState::Stepped);
                    }
                }
                let next = Times::month(&month, wall_ms);
                prop_assert!(next >= month);
                month = next;
                let moment = Moment { boot: stamp.boot, wall_ms, mono_ms, clk: state };
                times.take(moment.clone());
                newest = Some(moment);
            }
        }
    }
}
