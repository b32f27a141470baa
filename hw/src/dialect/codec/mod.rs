//! Languages of conferencing appliances, and the one table of them.
//!
//! Adding a vendor is one file here, one row in [`DRIVERS`] and its transcripts.

pub mod cisco;

use std::fmt;
use std::str::FromStr;

/// The languages that the configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodecDriver {
    /// Cisco xAPI: TC, CE and RoomOS.
    Cisco,
    /// Poly and Polycom: the command line of HDX and Group.
    Poly,
    /// Huawei TE and Box.
    Huawei,
    /// Yealink VC.
    Yealink,
    /// Any codec, by SIP OPTIONS only.
    Sip,
}

/// One row of the table of drivers.
#[derive(Debug, Clone, Copy)]
pub struct DriverRow {
    /// The driver.
    pub driver: CodecDriver,
    /// Its word in the configuration.
    pub word: &'static str,
    /// What it speaks to, for people.
    pub speaks_to: &'static str,
    /// False when the word is known and the language is not built: a probe says `NotSupported`.
    pub implemented: bool,
}

/// All drivers, in the order in which they are offered.
pub const DRIVERS: &[DriverRow] = &[
    DriverRow {
        driver: CodecDriver::Cisco,
        word: "cisco",
        speaks_to: "Cisco TC, CE and RoomOS",
        implemented: true,
    },
    DriverRow {
        driver: CodecDriver::Poly,
        word: "poly",
        speaks_to: "Poly HDX and Group",
        implemented: false,
    },
    DriverRow {
        driver: CodecDriver::Huawei,
        word: "huawei",
        speaks_to: "Huawei TE and Box",
        implemented: false,
    },
    DriverRow {
        driver: CodecDriver::Yealink,
        word: "yealink",
        speaks_to: "Yealink VC",
        implemented: false,
    },
    DriverRow {
        driver: CodecDriver::Sip,
        word: "sip",
        speaks_to: "any codec, by SIP OPTIONS",
        implemented: false,
    },
];

impl CodecDriver {
    /// Its word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        DRIVERS
            .iter()
            .find(|row| row.driver == self)
            .map_or("", |row| row.word)
    }
}

impl fmt::Display for CodecDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverError {
    given: String,
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown codec driver \"{}\"", self.given)?;
        let nearest = DRIVERS
            .iter()
            .min_by_key(|row| strsim::damerau_levenshtein(&self.given, row.word));
        if let Some(row) = nearest.filter(|row| strsim::damerau_levenshtein(&self.given, row.word) <= 2) {
            write!(f, " (did you mean \"{}\"?)", row.word)?;
        }
        let words: Vec<&str> = DRIVERS.iter().map(|row| row.word).collect();
        write!(f, "; known: {}", words.join(", "))
    }
}

impl std::error::Error for DriverError {}

impl FromStr for CodecDriver {
    type Err = DriverError;

    fn from_str(given: &str) -> Result<Self, DriverError> {
        DRIVERS
            .iter()
            .find(|row| row.word == given)
            .map(|row| row.driver)
            .ok_or_else(|| DriverError {
                given: given.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_its_driver() {
        for row in DRIVERS {
            assert_eq!(row.word.parse(), Ok(row.driver));
            assert_eq!(row.driver.to_string(), row.word);
        }
    }

    #[test]
    fn an_unknown_word_is_told_the_nearest() {
        let text = "cisko".parse::<CodecDriver>().unwrap_err().to_string();
        assert!(
            text.contains("did you mean \"cisco\"") && text.contains("yealink"),
            "{text}"
        );
        let text = "tandberg".parse::<CodecDriver>().unwrap_err().to_string();
        assert!(!text.contains("did you mean"), "{text}");
    }
}
