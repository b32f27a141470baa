//! Names that are parts of topics, certificates and file names: `[a-z0-9-]{3,40}`, nothing else.
//!
//! The narrow alphabet is what keeps one room from addressing another's topics: `+`, `#`, `/`, `.`
//! and white space cannot be written (promise P18).

use std::fmt;

use serde::{Deserialize, Serialize};

/// An organisation's or a room's name: 3 to 40 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is no name: 3 to 40 of the characters a-z, 0-9 and - are allowed")]
pub struct NameError {
    given: String,
}

impl Name {
    /// Takes `text` if it is a name.
    ///
    /// # Errors
    /// [`NameError`] when it is too short, too long, or has a character outside `[a-z0-9-]`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let well_formed = (3..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                given: text.chars().take(60).collect(),
            })
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// A room's full address: organisation and room. Shown as `org/room`, the MQTT user is `org.room`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomAddress {
    /// The organisation.
    pub org: Name,
    /// The room.
    pub room: Name,
}

impl RoomAddress {
    /// MQTT client id and user name, and the certificate's common name: `<org>.<room>`.
    #[must_use]
    pub fn mqtt_user(&self) -> String {
        format!("{}.{}", self.org, self.room)
    }
}

impl fmt::Display for RoomAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.org, self.room)
    }
}

impl std::str::FromStr for RoomAddress {
    type Err = NameError;
    /// Reads `org/room`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (org, room) = text.split_once('/').ok_or_else(|| NameError {
            given: text.to_owned(),
        })?;
        Ok(Self {
            org: Name::new(org)?,
            room: Name::new(room)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_escape_a_topic_is_no_name() {
        for bad in [
            "ab",
            "",
            "A-room",
            "a/b",
            "room+",
            "room#",
            "_hub",
            "a.b",
            "phòng",
            &"a".repeat(41),
        ] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Name::new("bai-chay").unwrap().as_str(), "bai-chay");
        assert!(serde_json::from_str::<Name>("\"a/b\"").is_err());
    }

    proptest! {
        #[test]
        fn a_name_survives_its_own_text(text in "[a-z0-9-]{3,40}") {
            prop_assert_eq!(Name::new(&text).unwrap().to_string(), text);
        }

        #[test]
        fn any_text_is_taken_or_refused_without_panic(text in ".{0,80}") {
            if let Ok(name) = Name::new(&text) {
                prop_assert!(name.as_str().len() <= 40);
            }
        }
    }
}
