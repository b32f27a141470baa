//! What is signed: the claim sets that travel inside envelopes.
//!
//! Receivers ignore unknown fields and keep unknown words ([`Word`]), so that a newer agent can talk
//! to an older hub. The wire is append-only; frozen examples live in `tests/fixtures/reports/`.

mod delivery;
mod enrol;
mod meeting;
mod report;

pub use delivery::{Attest, Command, CommandKind, Event, Gap, Presence, PresenceState, Receipt};
pub use enrol::{Contact, ContactRole, Enrol};
pub use meeting::{Meeting, MeetingKind, Plan, Role};
pub use report::{
    Attested, ClockState, Duty, EntryLink, Finding, ProfileId, Report, Scope, Status, Trigger, TriggerKind,
    Verdict, Witness,
};

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, IntoDeserializer as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A word of a closed list, or one that this version does not know yet, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Word<T> {
    /// A word that this version knows.
    Known(T),
    /// A word from a newer version.
    Foreign(String),
}

// By hand: derived, each word would be copied before it is tried, and a report has one for each finding.
impl<'de, T: DeserializeOwned> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<T: DeserializeOwned> Visitor<'_> for Any<T> {
            type Value = Word<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Word<T>, E> {
                let known: Result<T, de::value::Error> = T::deserialize(word.into_deserializer());
                Ok(known.map_or_else(|_| Word::Foreign(word.to_owned()), Word::Known))
            }
        }

        deserializer.deserialize_str(Any(PhantomData))
    }
}

impl<T: Copy> Word<T> {
    /// The known word, or `otherwise` for one that this version does not know.
    pub fn or(&self, otherwise: T) -> T {
        match self {
            Self::Known(word) => *word,
            Self::Foreign(_) => otherwise,
        }
    }
}

impl<T> From<T> for Word<T> {
    fn from(word: T) -> Self {
        Self::Known(word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_word_and_comes_back_as_it_was(text in "\\PC{0,20}|pass|warn|fail|unknown|skipped") {
            let json = serde_json::to_string(&text).unwrap();
            let word: Word<Status> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(serde_json::to_string(&word).unwrap(), json);
            let known = Status::ALL.iter().copied().find(|status| status.word() == text);
            prop_assert_eq!(word == Word::Foreign(text), known.is_none());
        }

        #[test]
        fn any_bytes_are_a_word_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let word: Result<Word<Status>, _> = serde_json::from_slice(&bytes);
            let value: Result<String, _> = serde_json::from_slice(&bytes);
            prop_assert_eq!(word.is_ok(), value.is_ok(), "only text is a word");
        }
    }
}
