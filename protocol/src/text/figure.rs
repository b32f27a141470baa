//! Figures, times and foreign texts as people read them: decimal comma or point, the clock of Việt Nam,
//! no control characters.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::Lang;

/// The longest text of a device or a configuration that is shown, characters.
pub const LONGEST_FOREIGN_TEXT: usize = 128;

/// The zone in which all times are shown.
pub const ZONE: &str = "Asia/Ho_Chi_Minh";

/// The time of day of `ms` (UTC milliseconds) in [`ZONE`], e.g. `07:30`; `–` for a time outside the calendar.
#[must_use]
pub fn clock_time(_lang: Lang, ms: i64) -> String {
    local(ms, "%H:%M")
}

/// The day of `ms` (UTC milliseconds) in [`ZONE`], e.g. `25/11/2026`; `–` for a time outside the calendar.
#[must_use]
pub fn date(_lang: Lang, ms: i64) -> String {
    local(ms, "%d/%m/%Y")
}

/// The time of `ms` (UTC milliseconds): only the clock when it is the same day as `now_ms`, else with its day.
#[must_use]
pub fn moment(lang: Lang, ms: i64, now_ms: i64) -> String {
    let (clock, day) = (clock_time(lang, ms), date(lang, ms));
    if day == date(lang, now_ms) {
        return clock;
    }
    match lang {
        Lang::Vi => format!("{clock} ngày {day}"),
        Lang::En => format!("{clock} on {day}"),
    }
}

/// A length of time, in its two largest units, e.g. `1 giờ 24 phút`, `2 min 5 s`. Below zero counts as zero.
#[must_use]
pub fn duration(lang: Lang, ms: i64) -> String {
    let (day, hour, minute, second) = match lang {
        Lang::Vi => ("ngày", "giờ", "phút", "giây"),
        Lang::En => ("d", "h", "min", "s"),
    };
    let seconds = ms.max(0) / 1000;
    let (large, large_unit, small, small_unit) = match seconds {
        0..60 => return format!("{seconds} {second}"),
        60..3600 => (seconds / 60, minute, seconds % 60, second),
        3600..86400 => (seconds / 3600, hour, seconds % 3600 / 60, minute),
        _ => (seconds / 86400, day, seconds % 86400 / 3600, hour),
    };
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// A figure with at most one decimal: `4,2` in Vietnamese, `4.2` in English; `–` for what is no number.
#[must_use]
pub fn number(lang: Lang, value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    // Beyond this a float has no decimals left, and a row of 300 digits tells nobody anything.
    let text = if value.abs() < 1e15 {
        format!("{value:.1}")
    } else {
        format!("{value:.1e}")
    };
    let text = match text.strip_suffix(".0") {
        Some("-0") => "0",
        Some(whole) => whole,
        None => &text,
    };
    match lang {
        Lang::Vi => text.replace('.', ","),
        Lang::En => text.to_owned(),
    }
}

/// A figure with its unit as people write it, e.g. `-63,2 dBFS`, `25 phút`, `2.5°`; units as in findings.
#[must_use]
pub fn amount(lang: Lang, value: f64, unit: Option<&str>) -> String {
    let figure = number(lang, value);
    match (unit, lang) {
        (None | Some(""), _) => figure,
        (Some("deg"), _) => format!("{figure}°"),
        (Some("min"), Lang::Vi) => format!("{figure} phút"),
        (Some("s"), Lang::Vi) => format!("{figure} giây"),
        (Some("bytes"), Lang::Vi) => format!("{figure} byte"),
        (Some("kbit/s"), _) if value.abs() >= 1000.0 => format!("{} Mbit/s", number(lang, value / 1000.0)),
        (Some(unit), _) => format!("{figure} {}", clean(unit)),
    }
}

/// A text from a device, a configuration or the network, made fit to be shown: white space that breaks lines
/// becomes a space, other control, bidirectional and invisible characters become `\u{FFFD}`, and what is longer
/// than [`LONGEST_FOREIGN_TEXT`] ends in `…`.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut shown: String = text
        .trim()
        .chars()
        .take(LONGEST_FOREIGN_TEXT)
        .map(harmless)
        .collect();
    if text.trim().chars().nth(LONGEST_FOREIGN_TEXT).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// What stands for a character that could turn a line around, hide in it or break it.
pub(crate) fn harmless(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        // Bidirectional marks, embeddings, overrides and isolates; zero-width characters; tags.
        '\u{61C}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn local(ms: i64, format: &str) -> String {
    static ZONE_RULES: OnceLock<TimeZone> = OnceLock::new();
    // Việt Nam has kept +07 without summer time since 1975, so the offset alone is right as well.
    let zone = ZONE_RULES
        .get_or_init(|| TimeZone::get(ZONE).unwrap_or_else(|_| TimeZone::fixed(Offset::constant(7))));
    Timestamp::from_millisecond(ms).map_or_else(
        |_| "–".to_owned(),
        |time| time.to_zoned(zone.clone()).strftime(format).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 25/11/2026 07:30 in Việt Nam.
    const MORNING: i64 = 1_795_566_600_000;

    #[test]
    fn numbers_as_each_language_writes_them() {
        let table = [
            (4.2, "4,2", "4.2"),
            (4.0, "4", "4"),
            (-63.25, "-63,2", "-63.2"),
            (-0.04, "0", "0"),
            (4096.0, "4096", "4096"),
            (99.96, "100", "100"),
            (1e20, "1,0e20", "1.0e20"),
            (f64::NAN, "–", "–"),
            (f64::NEG_INFINITY, "–", "–"),
        ];
        for (value, vi, en) in table {
            assert_eq!(
                (number(Lang::Vi, value).as_str(), number(Lang::En, value).as_str()),
                (vi, en)
            );
        }
    }

    #[test]
    fn amounts_have_the_unit_that_people_say() {
        let table = [
            (-63.2, "dBFS", "-63,2 dBFS", "-63.2 dBFS"),
            (25.0, "min", "25 phút", "25 min"),
            (2.5, "deg", "2,5°", "2.5°"),
            (3200.0, "kbit/s", "3,2 Mbit/s", "3.2 Mbit/s"),
            (640.0, "kbit/s", "640 kbit/s", "640 kbit/s"),
            (1.0, "", "1", "1"),
            (1.0, "a\u{202E}b", "1 a\u{FFFD}b", "1 a\u{FFFD}b"),
        ];
        for (value, unit, vi, en) in table {
            assert_eq!(amount(Lang::Vi, value, Some(unit)), vi);
            assert_eq!(amount(Lang::En, value, Some(unit)), en);
        }
        assert_eq!(amount(Lang::Vi, 7.0, None), "7");
    }

    #[test]
    fn times_are_those_of_viet_nam() {
        assert_eq!(clock_time(Lang::Vi, MORNING), "07:30");
        assert_eq!(date(Lang::En, MORNING), "25/11/2026");
        // 18:00 UTC is the next day already.
        assert_eq!(date(Lang::Vi, MORNING + 17 * 3_600_000 + 1_800_000), "26/11/2026");
        assert_eq!(moment(Lang::Vi, MORNING, MORNING + 60_000), "07:30");
        assert_eq!(
            moment(Lang::Vi, MORNING, MORNING - 86_400_000),
            "07:30 ngày 25/11/2026"
        );
        assert_eq!(
            moment(Lang::En, MORNING, MORNING - 86_400_000),
            "07:30 on 25/11/2026"
        );
        assert_eq!(clock_time(Lang::Vi, i64::MAX), "–");
        assert_eq!(date(Lang::Vi, i64::MIN), "–");
    }

    #[test]
    fn lengths_of_time_in_two_units() {
        let table = [
            (5_040_000, "1 giờ 24 phút", "1 h 24 min"),
            (125_999, "2 phút 5 giây", "2 min 5 s"),
            (120_000, "2 phút", "2 min"),
            (900, "0 giây", "0 s"),
            (-5, "0 giây", "0 s"),
            (90_000_000, "1 ngày 1 giờ", "1 d 1 h"),
        ];
        for (ms, vi, en) in table {
            assert_eq!(
                (duration(Lang::Vi, ms).as_str(), duration(Lang::En, ms).as_str()),
                (vi, en)
            );
        }
    }

    #[test]
    fn a_foreign_text_cannot_turn_the_line_around_or_flood_it() {
        assert_eq!(clean("  Micro\r\n1\t"), "Micro  1");
        assert_eq!(
            clean("a\u{202E}b\u{0}\u{1B}[31m"),
            "a\u{FFFD}b\u{FFFD}\u{FFFD}[31m"
        );
        assert_eq!(clean("Phòng họp Bãi Cháy"), "Phòng họp Bãi Cháy");
        let long = clean(&"đ".repeat(4000));
        assert_eq!(
            (long.chars().count(), long.chars().last()),
            (LONGEST_FOREIGN_TEXT, Some('…'))
        );
        assert_eq!(
            clean(&"x".repeat(LONGEST_FOREIGN_TEXT)),
            "x".repeat(LONGEST_FOREIGN_TEXT)
        );
    }

    proptest! {
        #[test]
        fn any_figure_time_and_text_can_be_shown(value in any::<f64>(), ms in any::<i64>(), text in "\\PC{0,300}|.{0,300}") {
            for lang in Lang::ALL {
                prop_assert!(number(lang, value).len() < 32);
                prop_assert!(!amount(lang, value, Some(&text)).chars().any(char::is_control));
                prop_assert!(!moment(lang, ms, ms).is_empty() && !duration(lang, ms).is_empty());
            }
            let shown = clean(&text);
            prop_assert!(shown.chars().count() <= LONGEST_FOREIGN_TEXT);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
