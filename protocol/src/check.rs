//! The catalogue of checks, as data: every question's id, rules, group, and the probe that feeds it; and of
//! probes: deadline and what they take of the room.
//!
//! One probe (a conversation with one device) feeds several checks. In an id `N` stands for a name from the
//! room's configuration and `K` for a preset's number. Ids are stable: they are on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One row: a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The id with its placeholders, e.g. `mic.N.noise`.
    pub pattern: &'static str,
    /// Which rules of the regulations it answers to.
    pub rules: &'static [&'static str],
    /// The part of the signal path that it belongs to.
    pub group: Group,
    /// The act that feeds it.
    pub probe: Probe,
}

/// Parts of the signal path, in the order in which the page draws them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The conferencing appliance.
    Codec,
    /// Cameras.
    Camera,
    /// Microphones.
    Microphone,
    /// Loudspeakers and the loop to the microphones.
    Speaker,
    /// Mains and UPS.
    Power,
    /// The line.
    Line,
    /// Anything else that must answer.
    Device,
    /// The box itself.
    Host,
    /// Differences from the accepted rehearsal.
    Baseline,
    /// The call.
    Call,
    /// What only a person can say.
    Room,
}

impl Group {
    /// All groups, in the order of the signal path.
    pub const ALL: [Self; 11] = [
        Self::Codec,
        Self::Camera,
        Self::Microphone,
        Self::Speaker,
        Self::Power,
        Self::Line,
        Self::Device,
        Self::Host,
        Self::Baseline,
        Self::Call,
        Self::Room,
    ];

    /// First word of its checks' ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Camera => "camera",
            Self::Microphone => "mic",
            Self::Speaker => "audio",
            Self::Power => "power",
            Self::Line => "line",
            Self::Device => "device",
            Self::Host => "host",
            Self::Baseline => "baseline",
            Self::Call => "call",
            Self::Room => "room",
        }
    }
}

/// The acts. Each is one conversation with one device, or one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Ask the codec.
    Codec,
    /// Ask a camera, move it through its presets, put it back.
    Camera,
    /// Ask a camera's picture.
    Picture,
    /// Listen to a microphone.
    Microphone,
    /// Play a tone and listen.
    Loop,
    /// Ask the UPS.
    Ups,
    /// Measure the line.
    Line,
    /// Knock at a device.
    Device,
    /// Look at the box.
    Host,
    /// Walk the logbook.
    Logbook,
    /// Compare with the accepted rehearsal.
    Baseline,
    /// Watch the call.
    Call,
    /// What a person has confirmed.
    Person,
}

/// What a probe takes of the room besides its own device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The air, together with others that only listen.
    AirShared,
    /// The air, alone: it moves, or makes a noise.
    AirAlone,
    /// The line, together with others that use little of it.
    WireShared,
    /// The line, alone: it loads it.
    WireAlone,
}

impl Probe {
    /// How long one such act may take, milliseconds. An absolute end: what is not known by then is unknown.
    #[must_use]
    pub fn deadline_ms(self) -> u64 {
        match self {
            Self::Codec => 15_000,
            // A camera walks through all its presets and back.
            Self::Camera => 45_000,
            Self::Picture | Self::Microphone => 12_000,
            Self::Loop => 15_000,
            Self::Line => 40_000,
            Self::Ups | Self::Device | Self::Host | Self::Baseline | Self::Call | Self::Person => 5_000,
            // A year of entries on a weak processor.
            Self::Logbook => 20_000,
        }
    }

    /// What it takes of the room.
    #[must_use]
    pub fn takes(self) -> &'static [Take] {
        match self {
            // A camera's motor is heard by the microphones near it.
            Self::Camera | Self::Loop => &[Take::AirAlone],
            Self::Microphone => &[Take::AirShared],
            Self::Picture => &[Take::WireShared],
            Self::Line => &[Take::WireAlone],
            Self::Codec
            | Self::Ups
            | Self::Device
            | Self::Host
            | Self::Logbook
            | Self::Baseline
            | Self::Call
            | Self::Person => &[],
        }
    }
}

macro_rules! catalogue {
    ($($pattern:literal $group:ident $probe:ident [$($rule:literal)*];)*) => {
        &[$(Check { pattern: $pattern, rules: &[$($rule),*], group: Group::$group, probe: Probe::$probe }),*]
    };
}

/// Every check there is, in the order in which people read them.
pub const CATALOGUE: &[Check] = catalogue! {
    "codec.reachable" Codec Codec ["R10"];
    "codec.awake" Codec Codec ["R10"];
    "codec.ip" Codec Codec ["R10"];
    "codec.registration" Codec Codec ["R10" "R14"];
    "codec.parameters" Codec Codec ["R14" "R20"];
    "codec.diagnostics" Codec Codec ["R10"];
    "codec.temperature" Codec Codec ["R10"];
    "codec.display" Codec Codec ["R11" "R19"];
    "codec.audio" Codec Codec ["R12"];
    "codec.muted" Codec Codec ["R23"];
    "codec.idle" Codec Codec ["R24" "R25"];
    "camera.N.reachable" Camera Camera ["R13" "R19"];
    "camera.N.preset.K" Camera Camera ["R13" "R19"];
    "camera.N.home" Camera Camera ["R13" "R19"];
    "camera.N.picture" Camera Picture ["R13" "R21" "R22"];
    "mic.N.signal" Microphone Microphone ["R16"];
    "mic.N.level" Microphone Microphone ["R16"];
    "mic.N.noise" Microphone Microphone ["R16"];
    "mic.N.hum" Microphone Microphone ["R16"];
    "mic.N.howl" Microphone Microphone ["R16"];
    "mic.N.clipping" Microphone Microphone ["R16"];
    "mic.N.baseline" Microphone Microphone ["R17"];
    "audio.loop" Speaker Loop ["R12" "R16"];
    "power.mains" Power Ups ["R18"];
    "power.battery" Power Ups ["R18"];
    "power.runtime" Power Ups ["R18"];
    "power.health" Power Ups ["R18"];
    "power.protected" Power Ups ["R18"];
    "line.gateway" Line Line ["R15"];
    "line.mcu" Line Line ["R15"];
    "line.reflector" Line Line ["R15"];
    "line.up" Line Line ["R15"];
    "line.down" Line Line ["R15"];
    "line.loss" Line Line ["R15"];
    "line.jitter" Line Line ["R15"];
    "line.rtt" Line Line ["R15"];
    "line.mtu" Line Line ["R15"];
    "line.marking" Line Line ["R15"];
    "device.N" Device Device ["R19"];
    "host.clock" Host Host ["R37" "R39"];
    "host.disk" Host Host ["R37" "R39"];
    "host.memory" Host Host ["R37" "R39"];
    "host.load" Host Host ["R37" "R39"];
    "host.temperature" Host Host ["R37" "R39"];
    "host.logbook" Host Logbook ["R31" "R37"];
    "baseline.changed" Baseline Baseline ["R17" "R19" "R20"];
    "call.connected" Call Call ["R5" "R6"];
    "call.quality" Call Call ["R29"];
    "room.light" Room Person ["R21"];
    "room.temperature" Room Person ["R21"];
    "room.humidity" Room Person ["R21"];
    "room.backdrop" Room Person ["R21"];
    "room.seats" Room Person ["R21"];
    "room.fire" Room Person ["R21"];
    "room.seen" Room Person ["R16" "R21"];
    "room.heard" Room Person ["R16" "R21"];
    "room.duty" Room Person ["R36"];
};

/// The names that stand for `N` and `K` in one id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The device's id from the configuration.
    pub n: Option<String>,
    /// The preset's number.
    pub k: Option<u16>,
}

impl Check {
    /// The id with its placeholders filled in.
    #[must_use]
    pub fn id(&self, n: Option<&str>, k: Option<u16>) -> String {
        let mut id = String::with_capacity(self.pattern.len() + 16);
        for (i, part) in self.pattern.split('.').enumerate() {
            if i > 0 {
                id.push('.');
            }
            match (part, n, k) {
                ("N", Some(n), _) => id.push_str(n),
                ("K", _, Some(k)) => id.push_str(&k.to_string()),
                _ => id.push_str(part),
            }
        }
        id
    }

    /// Reads an id against this row.
    #[must_use]
    pub fn places(&self, id: &str) -> Option<Places> {
        let mut places = Places::default();
        let (mut pattern, mut given) = (self.pattern.split('.'), id.split('.'));
        loop {
            match (pattern.next(), given.next()) {
                (None, None) => return Some(places),
                (Some("N"), Some(name)) if is_device_id(name) => places.n = Some(name.to_owned()),
                (Some("K"), Some(number)) => places.k = Some(number.parse().ok()?),
                (Some(a), Some(b)) if a == b && a != "N" => {}
                _ => return None,
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pattern)
    }
}

/// The row of an id.
#[must_use]
pub fn row_of(id: &str) -> Option<(&'static Check, Places)> {
    CATALOGUE
        .iter()
        .find_map(|row| row.places(id).map(|places| (row, places)))
}

/// The row of a pattern as it stands in the catalogue.
#[must_use]
pub fn row(pattern: &str) -> Option<&'static Check> {
    CATALOGUE.iter().find(|row| row.pattern == pattern)
}

/// Ids that a configuration may give a device: `a-z`, `0-9`, `-`, up to 40 characters.
#[must_use]
pub fn is_device_id(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_distinct_and_begin_with_their_group() {
        let patterns: std::collections::BTreeSet<_> = CATALOGUE.iter().map(|c| c.pattern).collect();
        assert_eq!(patterns.len(), CATALOGUE.len());
        for check in CATALOGUE {
            assert!(check.pattern.starts_with(check.group.word()), "{check}");
            assert!(!check.rules.is_empty(), "{check} answers to no rule");
        }
    }

    #[test]
    fn every_group_is_in_the_list() {
        for check in CATALOGUE {
            assert!(Group::ALL.contains(&check.group));
        }
    }

    #[test]
    fn ids_find_their_rows() {
        let (row, places) = row_of("camera.main.preset.2").unwrap();
        assert_eq!(
            (row.pattern, places.n.as_deref(), places.k),
            ("camera.N.preset.K", Some("main"), Some(2))
        );
        assert_eq!(row_of("mic.chair.noise").unwrap().0.pattern, "mic.N.noise");
        assert_eq!(row_of("device.display-left").unwrap().0.pattern, "device.N");
        for bad in [
            "mic.Chair.noise",
            "mic..noise",
            "camera.main.preset.x",
            "codec",
            "codec.reachable.x",
            "",
            "mic.N.noise",
        ] {
            assert!(row_of(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_id_made_from_a_row_finds_that_row(which in 0..CATALOGUE.len(), n in "[a-z0-9][a-z0-9-]{0,20}", k in 0_u16..300) {
            let row = &CATALOGUE[which];
            let id = row.id(Some(&n), Some(k));
            prop_assert!(row.places(&id).is_some(), "{}", id);
            prop_assert_eq!(row_of(&id).unwrap().0.pattern, row.pattern);
        }

        #[test]
        fn any_text_without_panic(text in ".{0,100}") {
            let _ = row_of(&text);
        }
    }
}
