//! A profile: one regulation's times, required checks and limits, as a TOML file. No Rust knows a province.
//!
//! Each figure carries its source: a rule's number where the regulation names it, `product default` where
//! the regulation is silent and the figure is ours. Times are relative to the meeting's official start.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;

use crate::check;
use crate::claims::ProfileId;
use crate::envelope::sha256_hex;

/// The profiles that are built in: name and TOML text.
pub const BUILT_IN: &[(&str, &str)] = &[("quang-ninh", include_str!("../profiles/quang-ninh.toml"))];

/// One regulation's times, required checks and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Name, and hash of the bytes it was read from.
    pub id: ProfileId,
    /// The document it stands for.
    pub document: String,
    /// IANA name of the zone in which its days count.
    pub zone: String,
    /// How long a result stands when no checkpoint comes first, minutes.
    pub validity_min: u32,
    /// When to check, earliest first.
    pub checkpoints: Vec<Checkpoint>,
    required: BTreeMap<String, Source>,
    limits: BTreeMap<String, Limit>,
}

/// Where a figure comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Source {
    /// A rule of the regulations, `R1` to `R46`.
    Rule(u8),
    /// The document is silent; the figure is ours.
    ProductDefault,
}

/// A time before the meeting at which the room is checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Its name, e.g. `T-90`.
    pub name: String,
    /// How long before the official start.
    pub before: Before,
    /// From when on the check may already be made.
    #[serde(default)]
    pub from: Option<Before>,
    /// Where the time comes from.
    pub source: Source,
}

/// A length of time before the start, as profiles write it: `30s`, `90min`, `12h`, `1d`, `1wd` (working days).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Before {
    /// An exact length, seconds.
    Seconds(u32),
    /// Calendar days.
    Days(u16),
    /// Working days.
    WorkingDays(u16),
}

/// A passing range, and the wider range outside which a value is a fault.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Below it: a warning.
    #[serde(default)]
    pub low: Option<f64>,
    /// Above it: a warning.
    #[serde(default)]
    pub high: Option<f64>,
    /// Below it: a fault.
    #[serde(default)]
    pub fail_low: Option<f64>,
    /// Above it: a fault.
    #[serde(default)]
    pub fail_high: Option<f64>,
    /// Unit of all four.
    pub unit: String,
    /// Where they come from.
    pub source: Source,
}

/// Where a value lies in a [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// In the passing range.
    Passing,
    /// Outside it.
    Warning,
    /// Outside the wider range.
    Fault,
}

impl Limit {
    /// Where `value` lies. A value that is no number lies nowhere good.
    #[must_use]
    pub fn place(&self, value: f64) -> Within {
        let below = |bound: Option<f64>| bound.is_some_and(|bound| value < bound);
        let above = |bound: Option<f64>| bound.is_some_and(|bound| value > bound);
        if value.is_nan() || below(self.fail_low) || above(self.fail_high) {
            Within::Fault
        } else if below(self.low) || above(self.high) {
            Within::Warning
        } else {
            Within::Passing
        }
    }

    /// Lower end of the passing range.
    #[must_use]
    pub fn passing_low(&self) -> Option<f64> {
        self.low.or(self.fail_low)
    }

    /// Upper end of the passing range.
    #[must_use]
    pub fn passing_high(&self) -> Option<f64> {
        self.high.or(self.fail_high)
    }
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or not of a profile's shape.
    #[error("{0}")]
    Toml(String),
    /// It names a check that there is not.
    #[error("[{table}] names the check \"{pattern}\", which does not exist{}", nearest_hint(.nearest))]
    UnknownCheck {
        /// The table.
        table: &'static str,
        /// The pattern as written.
        pattern: String,
        /// The nearest one that exists.
        nearest: Option<String>,
    },
    /// A limit whose bounds contradict each other.
    #[error("[limits.\"{0}\"]: the bounds must be in the order fail_low, low, high, fail_high")]
    Bounds(String),
    /// The zone is unknown.
    #[error("zone \"{0}\" is no IANA time zone, e.g. \"Asia/Ho_Chi_Minh\"")]
    Zone(String),
    /// No profile of that name is built in.
    #[error("there is no built-in profile \"{given}\"; built in: {}{}", built_in_names(), nearest_hint(.nearest))]
    NotBuiltIn {
        /// The name as written.
        given: String,
        /// The nearest one that exists.
        nearest: Option<String>,
    },
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |word| format!("; did you mean \"{word}\"?"))
}

fn built_in_names() -> String {
    BUILT_IN
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AsWritten {
    id: String,
    document: String,
    zone: String,
    validity: Validity,
    #[serde(rename = "checkpoint", default)]
    checkpoints: Vec<Checkpoint>,
    required: BTreeMap<String, Source>,
    #[serde(default)]
    limits: BTreeMap<String, Limit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Validity {
    minutes: u32,
    #[serde(rename = "source")]
    _source: Source,
}

/// Limits that are not about a check's own value: `<pattern>.<figure>`.
const EXTRA_LIMITS: [&str; 2] = ["camera.N.preset.K.seconds", "line.rate"];

impl Profile {
    /// The built-in profile of that name.
    ///
    /// # Errors
    /// [`ProfileError::NotBuiltIn`] with the names that there are.
    pub fn built_in(name: &str) -> Result<Self, ProfileError> {
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::parse(text),
            None => Err(ProfileError::NotBuiltIn {
                given: name.to_owned(),
                nearest: crate::nearest::nearest(name, BUILT_IN.iter().map(|(known, _)| *known))
                    .map(str::to_owned),
            }),
        }
    }

    /// Reads a profile's TOML text.
    ///
    /// # Errors
    /// [`ProfileError`] with what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let written: AsWritten = toml::from_str(text).map_err(|e| ProfileError::Toml(e.to_string()))?;
        for pattern in written.required.keys() {
            known("required", pattern, &[])?;
        }
        for (pattern, limit) in &written.limits {
            known("limits", pattern, &EXTRA_LIMITS)?;
            let bounds = [limit.fail_low, limit.low, limit.high, limit.fail_high];
            let given: Vec<f64> = bounds.into_iter().flatten().collect();
            if given.is_empty() || !given.is_sorted() {
                return Err(ProfileError::Bounds(pattern.clone()));
            }
        }
        if jiff::tz::TimeZone::get(&written.zone).is_err() {
            return Err(ProfileError::Zone(written.zone));
        }
        Ok(Self {
            id: ProfileId {
                id: written.id,
                sha256: sha256_hex(text.as_bytes()),
            },
            document: written.document,
            zone: written.zone,
            validity_min: written.validity.minutes,
            checkpoints: written.checkpoints,
            required: written.required,
            limits: written.limits,
        })
    }

    /// Whether a check (by its full id) is required.
    #[must_use]
    pub fn requires(&self, id: &str) -> bool {
        check::row_of(id).is_some_and(|(row, _)| self.required.contains_key(row.pattern))
    }

    /// The patterns that are required, with their sources.
    pub fn required(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.required
            .iter()
            .map(|(pattern, source)| (pattern.as_str(), source))
    }

    /// The limit of a pattern, e.g. `mic.N.noise`.
    #[must_use]
    pub fn limit(&self, pattern: &str) -> Option<&Limit> {
        self.limits.get(pattern)
    }
}

fn known(table: &'static str, pattern: &str, extra: &[&str]) -> Result<(), ProfileError> {
    if check::row(pattern).is_some() || extra.contains(&pattern) {
        return Ok(());
    }
    let patterns = check::CATALOGUE
        .iter()
        .map(|row| row.pattern)
        .chain(extra.iter().copied());
    Err(ProfileError::UnknownCheck {
        table,
        pattern: pattern.to_owned(),
        nearest: crate::nearest::nearest(pattern, patterns).map(str::to_owned),
    })
}

impl TryFrom<String> for Source {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "product default" {
            return Ok(Self::ProductDefault);
        }
        text.strip_prefix('R')
            .and_then(|number| number.parse::<u8>().ok())
            .filter(|number| (1..=46).contains(number))
            .map(Self::Rule)
            .ok_or_else(|| format!("\"{text}\" is no source: a rule R1..R46, or \"product default\""))
    }
}

impl FromStr for Before {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no time before the start: 30s, 90min, 12h, 1d or 1wd");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let number: u32 = number
            .parse()
            .ok()
            .filter(|n| (1..=100_000).contains(n))
            .ok_or_else(wrong)?;
        let days = || u16::try_from(number).ok().filter(|n| *n <= 366).ok_or_else(wrong);
        match unit {
            "s" => Ok(Self::Seconds(number)),
            "min" => Ok(Self::Seconds(number * 60)),
            "h" => Ok(Self::Seconds(number * 3600)),
            "d" => Ok(Self::Days(days()?)),
            "wd" => Ok(Self::WorkingDays(days()?)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Before {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_built_in_profile_is_whole_and_called_by_its_name() {
        for (name, text) in BUILT_IN {
            let profile = Profile::parse(text).unwrap();
            assert_eq!(profile.id.id, *name);
            assert!(!profile.checkpoints.is_empty());
            assert!(profile.requires("codec.reachable"));
        }
    }

    #[test]
    fn quang_ninh_asks_what_its_document_asks() {
        let profile = Profile::built_in("quang-ninh").unwrap();
        let names: Vec<_> = profile
            .checkpoints
            .iter()
            .map(|c| (c.name.as_str(), c.before, c.source.clone()))
            .collect();
        assert_eq!(
            names,
            [
                ("T-1d", Before::Days(1), Source::Rule(1)),
                ("T-90", Before::Seconds(90 * 60), Source::Rule(2)),
                ("T-20", Before::Seconds(20 * 60), Source::Rule(6)),
            ]
        );
        assert_eq!(profile.checkpoints[1].from, Some(Before::Seconds(105 * 60)));
        let host: Vec<_> = profile
            .required()
            .filter(|(p, _)| p.starts_with("host."))
            .map(|(p, _)| p)
            .collect();
        assert_eq!(host, ["host.logbook"]);
        assert!(profile.requires("mic.chair.signal") && !profile.requires("mic.chair.level"));
        assert!(
            !profile.requires("codec.muted"),
            "muting is strict in Điện Biên only (R23)"
        );
    }

    #[test]
    fn what_is_wrong_in_a_profile_is_named() {
        let good = BUILT_IN[0].1;
        let cases = [
            (
                good.replace("\"mic.N.noise\" = \"R16\"", "\"mic.N.nois\" = \"R16\""),
                "did you mean \"mic.N.noise\"",
            ),
            (
                good.replace("before = \"90min\"", "before = \"90 minutes\""),
                "90 minutes",
            ),
            (good.replace("source = \"R2\"", "source = \"R99\""), "R99"),
            (
                good.replace("fail_high = -38.0", "fail_high = -60.0"),
                "mic.N.noise",
            ),
            (
                good.replace("Asia/Ho_Chi_Minh", "Asia/Saigon-West"),
                "Saigon-West",
            ),
            (good.replace("zone =", "zon ="), "zon"),
        ];
        for (text, expected) in cases {
            assert_ne!(text, good);
            let error = Profile::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(
            Profile::built_in("quangninh")
                .unwrap_err()
                .to_string()
                .contains("did you mean \"quang-ninh\"")
        );
    }

    #[test]
    fn a_value_is_placed() {
        let limit = Limit {
            low: None,
            high: Some(-50.0),
            fail_low: None,
            fail_high: Some(-38.0),
            unit: "dBFS".into(),
            source: Source::ProductDefault,
        };
        assert_eq!(limit.place(-50.0), Within::Passing);
        assert_eq!(limit.place(-49.9), Within::Warning);
        assert_eq!(limit.place(-37.0), Within::Fault);
        assert_eq!(limit.place(f64::NAN), Within::Fault);
        assert_eq!((limit.passing_low(), limit.passing_high()), (None, Some(-50.0)));
    }

    proptest! {
        #[test]
        fn any_text_without_panic(text in ".{0,300}") {
            let _ = Profile::parse(&text);
            let _ = text.parse::<Before>();
        }
    }
}
