//! The meeting's clock: at which moments a room is checked before a meeting, and when it is its time at all.
//!
//! Pure: a profile and a meeting's start go in, UTC milliseconds come out. Days are counted in the profile's
//! zone: `1d` is the same wall time on the day before, be that day 23 or 25 hours long, and `1wd` counts
//! Mondays to Fridays. Public holidays are not known here: they differ from year to year by decree.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::profile::{Before, Profile};

/// Checkpoints at least this long before the start belong to the preparation, not to the meeting's own hours:
/// the trial of the day before (R1) needs no box that stays awake until the meeting.
const OWN_HOURS_S: u32 = 12 * 3600;

/// When a meeting's own hours begin in a profile whose checkpoints do not say: T-105, as in R2.
const OWN_HOURS_DEFAULT: Before = Before::Seconds(105 * 60);

/// One checkpoint of one meeting, on the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The checkpoint's name, e.g. `T-90`.
    pub name: String,
    /// From when on the check may already be made, UTC milliseconds; `None` where the profile does not say.
    pub from_ms: Option<i64>,
    /// When the check is made, and after which its absence is silence, UTC milliseconds.
    pub limit_ms: i64,
}

/// The hours of a meeting: from its first checkpoint of the day to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its beginning, UTC milliseconds.
    pub from_ms: i64,
    /// Its end, UTC milliseconds; no longer part of it.
    pub until_ms: i64,
}

impl Window {
    /// Whether a moment (UTC milliseconds) lies in it.
    #[must_use]
    pub fn holds(&self, at_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms)
    }
}

/// The moments of a profile's checkpoints for a meeting that starts at `start_ms` (UTC milliseconds),
/// earliest first.
#[must_use]
pub fn moments(profile: &Profile, start_ms: i64) -> Vec<Moment> {
    let zone = zone_of(profile);
    let mut moments: Vec<Moment> = profile
        .checkpoints
        .iter()
        .map(|checkpoint| Moment {
            name: checkpoint.name.clone(),
            from_ms: checkpoint.from.map(|from| moment(&zone, start_ms, from)),
            limit_ms: moment(&zone, start_ms, checkpoint.before),
        })
        .collect();
    moments.sort_by_key(|moment| moment.limit_ms);
    moments
}

/// The hours of a meeting that starts at `start_ms` (UTC milliseconds) and lasts `length_min` minutes. They begin
/// with the earliest checkpoint that is less than half a day ahead, from when on it may be made.
#[must_use]
pub fn window(profile: &Profile, start_ms: i64, length_min: u32) -> Window {
    let zone = zone_of(profile);
    let from_ms = profile
        .checkpoints
        .iter()
        .filter(|checkpoint| matches!(checkpoint.before, Before::Seconds(s) if s < OWN_HOURS_S))
        .map(|checkpoint| moment(&zone, start_ms, checkpoint.from.unwrap_or(checkpoint.before)))
        .min()
        .unwrap_or_else(|| moment(&zone, start_ms, OWN_HOURS_DEFAULT));
    Window {
        from_ms,
        until_ms: end(start_ms, length_min),
    }
}

/// When a meeting is over, UTC milliseconds.
#[must_use]
pub fn end(start_ms: i64, length_min: u32) -> i64 {
    start_ms.saturating_add(i64::from(length_min) * 60_000)
}

/// The moment that lies `before` a start (UTC milliseconds), days counted in `zone`.
#[must_use]
pub fn moment(zone: &TimeZone, start_ms: i64, before: Before) -> i64 {
    match before {
        Before::Seconds(seconds) => start_ms.saturating_sub(i64::from(seconds) * 1000),
        Before::Days(days) => days_earlier(zone, start_ms, i64::from(days)),
        Before::WorkingDays(days) => days_earlier(zone, start_ms, in_calendar_days(zone, start_ms, days)),
    }
}

/// The same wall time `days` earlier. Where that time does not exist (clocks went forward), the moment just as
/// long after the gap's beginning. A start beyond the calendar's years is counted in days of 24 hours.
fn days_earlier(zone: &TimeZone, start_ms: i64, days: i64) -> i64 {
    Timestamp::from_millisecond(start_ms)
        .ok()
        .and_then(|start| start.to_zoned(zone.clone()).checked_sub(days.days()).ok())
        .map_or_else(
            || start_ms.saturating_sub(days * 86_400_000),
            |earlier| earlier.timestamp().as_millisecond(),
        )
}

/// How many calendar days lie between a start and the `days`-th working day before it.
fn in_calendar_days(zone: &TimeZone, start_ms: i64, days: u16) -> i64 {
    let mut weekday = Timestamp::from_millisecond(start_ms)
        .map_or(Weekday::Monday, |start| start.to_zoned(zone.clone()).weekday());
    let (mut left, mut calendar) = (days, 0);
    while left > 0 {
        weekday = weekday.previous();
        calendar += 1;
        if !matches!(weekday, Weekday::Saturday | Weekday::Sunday) {
            left -= 1;
        }
    }
    calendar
}

/// The profile's zone. [`Profile::parse`] has looked it up already, so that UTC is never the answer.
fn zone_of(profile: &Profile) -> TimeZone {
    TimeZone::get(&profile.zone).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quang_ninh() -> Profile {
        Profile::built_in("quang-ninh").unwrap()
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn named(moments: &[Moment]) -> Vec<(&str, Option<i64>, i64)> {
        moments
            .iter()
            .map(|m| (m.name.as_str(), m.from_ms, m.limit_ms))
            .collect()
    }

    #[test]
    fn quang_ninh_checks_the_day_before_at_t_90_and_at_t_20() {
        let moments = moments(&quang_ninh(), at("2026-11-25T08:00:00+07:00"));
        assert_eq!(
            named(&moments),
            [
                ("T-1d", None, at("2026-11-24T08:00:00+07:00")),
                (
                    "T-90",
                    Some(at("2026-11-25T06:15:00+07:00")),
                    at("2026-11-25T06:30:00+07:00")
                ),
                ("T-20", None, at("2026-11-25T07:40:00+07:00")),
            ]
        );
    }

    #[test]
    fn moments_come_in_the_order_of_the_clock_and_not_of_the_file() {
        let mut profile = quang_ninh();
        profile.checkpoints.reverse();
        let start = at("2026-11-25T08:00:00+07:00");
        assert_eq!(moments(&profile, start), moments(&quang_ninh(), start));
    }

    #[test]
    fn a_day_before_is_the_same_wall_time_where_clocks_change() {
        let berlin = zone("Europe/Berlin");
        // The night of 28 to 29 March 2026 loses an hour, that of 24 to 25 October gains one.
        let spring = moment(&berlin, at("2026-03-29T08:00:00+02:00"), Before::Days(1));
        assert_eq!(spring, at("2026-03-28T08:00:00+01:00"));
        let autumn = moment(&berlin, at("2026-10-25T08:00:00+01:00"), Before::Days(1));
        assert_eq!(autumn, at("2026-10-24T08:00:00+02:00"));
        // 02:30 does not exist on 29 March.
        let gap = moment(&berlin, at("2026-03-30T02:30:00+02:00"), Before::Days(1));
        assert_eq!(gap, at("2026-03-29T03:30:00+02:00"));
        // Hours are hours.
        let hours = moment(
            &berlin,
            at("2026-03-29T08:00:00+02:00"),
            Before::Seconds(12 * 3600),
        );
        assert_eq!(hours, at("2026-03-28T19:00:00+01:00"));
    }

    #[test]
    fn working_days_leave_out_saturday_and_sunday() {
        let hanoi = zone("Asia/Ho_Chi_Minh");
        for (start, days, expected) in [
            ("2026-11-25T08:00:00+07:00", 1, "2026-11-24T08:00:00+07:00"), // Wednesday
            ("2026-11-23T08:00:00+07:00", 1, "2026-11-20T08:00:00+07:00"), // Monday
            ("2026-11-22T08:00:00+07:00", 1, "2026-11-20T08:00:00+07:00"), // Sunday
            ("2026-11-21T08:00:00+07:00", 1, "2026-11-20T08:00:00+07:00"), // Saturday
            ("2026-11-24T08:00:00+07:00", 3, "2026-11-19T08:00:00+07:00"), // Tuesday
            ("2026-11-25T08:00:00+07:00", 5, "2026-11-18T08:00:00+07:00"),
            // Monday morning in the room is still Sunday in UTC.
            ("2026-11-23T06:00:00+07:00", 1, "2026-11-20T06:00:00+07:00"),
        ] {
            assert_eq!(
                moment(&hanoi, at(start), Before::WorkingDays(days)),
                at(expected),
                "{days} before {start}"
            );
        }
    }

    #[test]
    fn a_meetings_hours_are_from_t_105_to_its_end() {
        let start = at("2026-11-25T08:00:00+07:00");
        let hours = window(&quang_ninh(), start, 120);
        assert_eq!(hours.from_ms, at("2026-11-25T06:15:00+07:00"));
        assert_eq!(hours.until_ms, at("2026-11-25T10:00:00+07:00"));
        assert!(!hours.holds(hours.from_ms - 1) && hours.holds(hours.from_ms));
        assert!(hours.holds(hours.until_ms - 1) && !hours.holds(hours.until_ms));
        // Past midnight they begin on the day before.
        let early = at("2026-11-25T00:30:00+07:00");
        assert_eq!(
            window(&quang_ninh(), early, 60).from_ms,
            at("2026-11-24T22:45:00+07:00")
        );
    }

    #[test]
    fn a_profile_that_checks_only_the_day_before_still_has_hours() {
        let mut profile = quang_ninh();
        profile.checkpoints.retain(|checkpoint| checkpoint.name == "T-1d");
        let start = at("2026-11-25T08:00:00+07:00");
        assert_eq!(
            window(&profile, start, 60).from_ms,
            at("2026-11-25T06:15:00+07:00")
        );
    }

    proptest! {
        #[test]
        fn any_start_has_its_moments_before_it(start_ms in any::<i64>(), length_min in any::<u32>()) {
            let mut profile = quang_ninh();
            for checkpoint in &mut profile.checkpoints {
                if checkpoint.before == Before::Days(1) {
                    checkpoint.before = Before::WorkingDays(366);
                }
            }
            let moments = moments(&profile, start_ms);
            prop_assert_eq!(moments.len(), 3);
            prop_assert!(moments.is_sorted_by_key(|moment| moment.limit_ms));
            prop_assert!(moments.iter().all(|moment| moment.limit_ms <= start_ms));
            let hours = window(&profile, start_ms, length_min);
            prop_assert!(hours.from_ms <= start_ms && start_ms <= hours.until_ms);
        }

        #[test]
        fn a_working_day_before_is_a_working_day(day in 0_i64..20_000, days in 1_u16..30) {
            let hanoi = zone("Asia/Ho_Chi_Minh");
            let start_ms = day * 86_400_000;
            let moment = moment(&hanoi, start_ms, Before::WorkingDays(days));
            let weekday = Timestamp::from_millisecond(moment).unwrap().to_zoned(hanoi).weekday();
            prop_assert!(!matches!(weekday, Weekday::Saturday | Weekday::Sunday));
            prop_assert!((start_ms - moment) / 86_400_000 >= i64::from(days));
        }
    }
}
