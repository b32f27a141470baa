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

use serde::{Deserialize, Serialize};

/// A word of a closed list, or one that this version does not know yet, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Word<T> {
    /// A word that this version knows.
    Known(T),
    /// A word from a newer version.
    Foreign(String),
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
