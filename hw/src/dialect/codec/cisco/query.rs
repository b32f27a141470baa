//! Everything that can be sent to a Cisco codec, besides the answers to its login prompts.
//!
//! The subtrees are the narrowest that give the reading. `xStatus` only reads; a path here is fixed
//! text, and nothing from outside becomes part of a line but a running number.

use std::fmt;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Query {
    /// Product, software, serial number, uptime, call counts, temperature.
    SystemUnit,
    /// Awake or asleep.
    Standby,
    /// Addresses and Ethernet.
    Network,
    /// SIP registrations.
    SipRegistration,
    /// SIP registrations where the path above is not known (TC).
    Sip,
    /// Gatekeeper and mode.
    H323,
    /// Calls with their details.
    Call,
    /// Content sharing.
    Presentation,
    /// Loudspeaker volume.
    Volume,
    /// Loudspeaker mute.
    VolumeMute,
    /// Microphone mute.
    Microphones,
    /// Audio input connectors.
    AudioInputs,
    /// Video output connectors.
    VideoOutputs,
    /// Video outputs where the path above is not known (TC: by kind of socket).
    VideoOutputsByKind,
    /// The unit's own warnings.
    Diagnostics,
    /// Cameras.
    Cameras,
    /// Cameras where the path above is not known (TC).
    CamerasFlat,
}

impl Query {
    /// Every question that exists.
    pub const ALL: [Self; 17] = [
        Self::SystemUnit,
        Self::Standby,
        Self::Network,
        Self::SipRegistration,
        Self::Sip,
        Self::H323,
        Self::Call,
        Self::Presentation,
        Self::Volume,
        Self::VolumeMute,
        Self::Microphones,
        Self::AudioInputs,
        Self::VideoOutputs,
        Self::VideoOutputsByKind,
        Self::Diagnostics,
        Self::Cameras,
        Self::CamerasFlat,
    ];

    /// The path asked for, as the words that each line of the answer begins with.
    #[must_use]
    pub fn path(self) -> &'static [&'static str] {
        match self {
            Self::SystemUnit => &["SystemUnit"],
            Self::Standby => &["Standby"],
            Self::Network => &["Network"],
            Self::SipRegistration => &["SIP", "Registration"],
            Self::Sip => &["SIP"],
            Self::H323 => &["H323"],
            Self::Call => &["Call"],
            Self::Presentation => &["Conference", "Presentation"],
            Self::Volume => &["Audio", "Volume"],
            Self::VolumeMute => &["Audio", "VolumeMute"],
            Self::Microphones => &["Audio", "Microphones"],
            Self::AudioInputs => &["Audio", "Input", "Connectors"],
            Self::VideoOutputs => &["Video", "Output", "Connector"],
            Self::VideoOutputsByKind => &["Video", "Output"],
            Self::Diagnostics => &["Diagnostics", "Message"],
            Self::Cameras => &["Cameras", "Camera"],
            Self::CamerasFlat => &["Camera"],
        }
    }

    /// The question that takes its place where the unit does not know the path.
    #[must_use]
    pub fn fallback(self) -> Option<Self> {
        match self {
            Self::SipRegistration => Some(Self::Sip),
            Self::VideoOutputs => Some(Self::VideoOutputsByKind),
            Self::Cameras => Some(Self::CamerasFlat),
            _ => None,
        }
    }

    /// The questions asked without anybody asking for a fallback, in order: what a short deadline must
    /// not lose comes first.
    pub(super) fn asked_first() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|query| {
            !Self::ALL
                .into_iter()
                .any(|other| other.fallback() == Some(*query))
        })
    }

    /// The bytes on the wire; `tag` comes back with the answer.
    #[must_use]
    pub fn emit(self, tag: Tag) -> Vec<u8> {
        format!("xStatus {} | resultId=\"{tag}\"\r\n", self.path().join(" ")).into_bytes()
    }
}

/// What ties an answer to its question: `bp` and a running number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(pub u32);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bp{}", self.0)
    }
}

/// Stops the session from repeating what is sent to it. Of this session only.
pub(super) const ECHO_OFF: &str = "echo off\r\n";
/// Closes the session.
pub(super) const BYE: &str = "bye\r\n";
/// Wakes a console that shows its prompt only when a key is pressed, or answers a prompt that is not ours.
pub(super) const EMPTY_LINE: &str = "\r\n";

/// The lines of the session itself.
pub const SESSION_LINES: [&str; 3] = [ECHO_OFF, BYE, EMPTY_LINE];
