//! One run, signed: the report and its findings (contract, "Report").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Word;
use crate::envelope::EntryHash;
use crate::name::Name;

/// One run of checks. `bridgepoint-agent check --json` prints exactly this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the wire.
    pub v: u32,
    /// Organisation.
    pub org: Name,
    /// Room.
    pub room: Name,
    /// The run's UUID, version 7.
    pub run: String,
    /// Place in the chain of signed entries.
    #[serde(flatten)]
    pub link: EntryLink,
    /// Why this run was made.
    pub trigger: Trigger,
    /// By which profile it was judged.
    pub profile: ProfileId,
    /// What it was limited to; `null` is a full run.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// When it began, UTC milliseconds.
    pub started_ms: i64,
    /// When it ended, UTC milliseconds.
    pub finished_ms: i64,
    /// The sum. The hub recomputes it and believes its own.
    pub verdict: Word<Verdict>,
    /// Kinds of device without which the room cannot be called ready, from the room's configuration.
    /// Carried so that the verdict can be recomputed from the report alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_have: Vec<String>,
    /// The judgements.
    pub findings: Vec<Finding>,
    /// The technician on duty (R36).
    #[serde(default)]
    pub duty: Option<Duty>,
    /// What a person has confirmed (R21).
    #[serde(default)]
    pub attested: Vec<Attested>,
    /// The agent's version.
    pub agent: String,
    /// SHA-256 of the configuration file's bytes, lower-case hex.
    pub config: String,
}

/// What ties a signed entry to the one before it and to its moment. Shared by all numbered entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLink {
    /// The boot it was made in, 32 hex digits.
    pub boot: String,
    /// Number of the entry, from 1, without gaps.
    pub seq: u64,
    /// Hash of the entry before; 32 zero bytes for the first.
    pub prev: EntryHash,
    /// The newest entry that the hub has receipted, as far as the agent knows.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// The hub's latest challenge.
    #[serde(default)]
    pub nonce: Option<String>,
    /// Wall clock when it was signed, UTC **seconds**.
    pub iat: i64,
    /// Monotonic time since boot, milliseconds.
    pub mono_ms: u64,
    /// How far the wall clock can be believed.
    pub clk: Word<ClockState>,
}

/// An entry that the hub has receipted; the next entry commits to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: EntryHash,
}

/// How far the wall clock can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockState {
    /// Set from the network.
    Ntp,
    /// From a battery-backed clock only.
    Rtc,
    /// Not set: order comes from `seq`, never from `iat`.
    Unsynced,
    /// Was set by a jump since the last entry.
    Stepped,
}

/// Why a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// What set it off.
    pub kind: Word<TriggerKind>,
    /// The meeting it is for.
    #[serde(default)]
    pub meeting: Option<String>,
    /// The profile's checkpoint, e.g. `T-90`.
    #[serde(default)]
    pub checkpoint: Option<String>,
}

/// What sets off a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TriggerKind {
    /// The meeting's clock.
    Schedule,
    /// A person.
    Manual,
    /// The hub asked.
    Hub,
    /// The box was started.
    Boot,
    /// The codec was switched on.
    SwitchOn,
    /// What failed before, again.
    Retest,
}

/// A profile, by name and by the bytes it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileId {
    /// Its name.
    pub id: String,
    /// SHA-256 of its TOML bytes, lower-case hex.
    pub sha256: String,
}

/// What a run was limited to: the ids (or prefixes) that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub Vec<String>);

/// One judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The check's id, e.g. `mic.chair.noise`.
    pub check: String,
    /// How it stands.
    pub status: Word<Status>,
    /// The reason, one of the codes of [`crate::text`]; `ok` when there is nothing to say.
    pub code: String,
    /// Whether the profile requires it.
    pub required: bool,
    /// What was measured, in `unit`; a null has a status that explains it.
    #[serde(default)]
    pub value: Option<f64>,
    /// `dBFS`, `kbit/s`, `ms`, `%`, `V`, `W`, `min`, `°C`, `deg`, `bytes`.
    #[serde(default)]
    pub unit: Option<String>,
    /// Lower end of the passing range.
    #[serde(default)]
    pub low: Option<f64>,
    /// Upper end of the passing range.
    #[serde(default)]
    pub high: Option<f64>,
    /// The accepted baseline's value.
    #[serde(default)]
    pub base: Option<f64>,
    /// Parameters of the code's sentence: texts and numbers.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// The rules it answers to, e.g. `R16`.
    #[serde(default)]
    pub rules: Vec<String>,
    /// When it was measured, UTC milliseconds.
    pub at_ms: i64,
    /// How long it took, milliseconds.
    #[serde(default)]
    pub ms: u64,
    /// For a skip: when the same check passed earlier for the same meeting, UTC milliseconds.
    #[serde(default)]
    pub carried_ms: Option<i64>,
}

/// How one check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Measured and right.
    Pass,
    /// Not asked, with the reason.
    Skipped,
    /// Measured and worth attention.
    Warn,
    /// Could not be learnt. Never a fault, never ready.
    Unknown,
    /// Measured and wrong.
    Fail,
}

/// The sum of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything required was measured and is right.
    Ready,
    /// Fit for the meeting, with something to attend to.
    Degraded,
    /// Something required is wrong.
    NotReady,
    /// Something required could not be learnt.
    Unknown,
}

/// The technician on duty (R36).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: String,
}

/// Something that only a person can say, and who said it (R21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The check's id, e.g. `room.light`.
    pub check: String,
    /// Who.
    pub by: String,
    /// When, UTC milliseconds.
    pub at_ms: i64,
}

macro_rules! words {
    ($kind:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $kind {
            /// All of them, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words!(Status { Pass = "pass", Warn = "warn", Fail = "fail", Unknown = "unknown", Skipped = "skipped" });
words!(Verdict { Ready = "ready", Degraded = "degraded", NotReady = "not-ready", Unknown = "unknown" });

impl Finding {
    /// The status, with a word that this version does not know taken as `unknown`.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.or(Status::Unknown)
    }
}

impl Report {
    /// The verdict as the agent wrote it, with a word that this version does not know taken as `unknown`.
    #[must_use]
    pub fn claimed_verdict(&self) -> Verdict {
        self.verdict.or(Verdict::Unknown)
    }

    /// The verdict recomputed from the findings.
    #[must_use]
    pub fn recomputed_verdict(&self) -> Verdict {
        crate::verdict::verdict(&self.findings, &self.must_have, self.scope.as_ref())
    }
}

impl Scope {
    /// Whether a check is in it: the same id, or a prefix that ends at a dot.
    #[must_use]
    pub fn holds(&self, check: &str) -> bool {
        self.0.iter().any(|part| {
            check == part
                || check
                    .strip_prefix(part.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_word_is_kept_and_counts_as_unknown() {
        let status: Word<Status> = serde_json::from_str("\"marginal\"").unwrap();
        assert_eq!(status, Word::Foreign("marginal".into()));
        assert_eq!(status.or(Status::Unknown), Status::Unknown);
        assert_eq!(serde_json::to_string(&status).unwrap(), "\"marginal\"");
    }

    #[test]
    fn words_on_the_wire_are_the_serde_words() {
        for status in Status::ALL {
            assert_eq!(
                serde_json::to_string(status).unwrap(),
                format!("\"{}\"", status.word())
            );
        }
        for verdict in Verdict::ALL {
            assert_eq!(
                serde_json::to_string(verdict).unwrap(),
                format!("\"{}\"", verdict.word())
            );
        }
    }

    #[test]
    fn a_scope_holds_ids_and_prefixes_that_end_at_a_dot() {
        let scope = Scope(vec!["mic.chair".into(), "codec.display".into()]);
        assert!(scope.holds("mic.chair.noise"));
        assert!(scope.holds("codec.display"));
        assert!(!scope.holds("mic.chairman.noise"));
        assert!(!scope.holds("codec.displays"));
        assert!(!scope.holds("codec"));
    }
}
