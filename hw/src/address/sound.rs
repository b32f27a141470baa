//! Where a microphone is heard (`alsa:` `pulse:` `codec:` `file:`) and where the loop tone is played
//! (`alsa:` `pulse:`). A channel is counted from 0.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parts::number;
use super::{AddressError, Grammar};

/// The source of one microphone's sound.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SoundSource {
    /// `alsa:hw:1,0#0`: a capture device of this box.
    Alsa {
        /// The device's ALSA name.
        device: String,
        /// Channel, from 0.
        channel: u8,
    },
    /// `pulse:NAME#CH`: a source of the sound server.
    Pulse {
        /// The source's name.
        name: String,
        /// Channel, from 0.
        channel: u8,
    },
    /// `codec:Microphone.1`: an input of the codec, through the codec's own meter.
    Codec(CodecInput),
    /// `file:PATH#CH`: a recording, for trying things out.
    File {
        /// Its path.
        path: String,
        /// Channel, from 0.
        channel: u8,
    },
}

/// An audio input of the codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodecInput {
    /// What kind of connector.
    pub kind: CodecInputKind,
    /// Its number, 1 to 32.
    pub number: u8,
}

/// The connectors that the codec can meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodecInputKind {
    /// A microphone connector.
    Microphone,
    /// Sound of an HDMI input.
    Hdmi,
    /// A network microphone.
    Ethernet,
    /// A USB microphone.
    UsbMicrophone,
    /// A built-in array.
    MicArray,
}

impl CodecInputKind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Microphone, "Microphone"),
        (Self::Hdmi, "HDMI"),
        (Self::Ethernet, "Ethernet"),
        (Self::UsbMicrophone, "USBMicrophone"),
        (Self::MicArray, "MicArray"),
    ];

    /// The codec's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, word)| word)
    }
}

/// Where the loop tone is played.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SpeakerSink {
    /// `alsa:hw:1,0`: a playback device of this box.
    Alsa {
        /// The device's ALSA name.
        device: String,
    },
    /// `pulse:NAME`: a sink of the sound server.
    Pulse {
        /// The sink's name.
        name: String,
    },
}

const SOURCE: Grammar = Grammar {
    what: "microphone source",
    schemes: &["alsa", "pulse", "codec", "file"],
    forms: &[
        "alsa:hw:1,0#CHANNEL",
        "pulse:NAME#CHANNEL",
        "codec:Microphone.NUMBER",
        "file:PATH#CHANNEL",
    ],
};

const SINK: Grammar = Grammar {
    what: "speaker sink",
    schemes: &["alsa", "pulse"],
    forms: &["alsa:hw:1,0", "pulse:NAME"],
};

impl FromStr for SoundSource {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = SOURCE.split(given)?;
        source(scheme, rest).map_err(|problem| SOURCE.refuse(given, problem))
    }
}

impl FromStr for SpeakerSink {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = SINK.split(given)?;
        let name = name(rest).map_err(|problem| SINK.refuse(given, problem))?;
        Ok(if scheme == "alsa" {
            Self::Alsa { device: name }
        } else {
            Self::Pulse { name }
        })
    }
}

fn source(scheme: &str, rest: &str) -> Result<SoundSource, String> {
    if scheme == "codec" {
        return Ok(SoundSource::Codec(input(rest)?));
    }
    // Only digits after the last # are a channel: a path or a name may hold a # of its own.
    let (place, channel) = match rest.rsplit_once('#') {
        Some((place, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            (place, number(digits, 0, 63, "the channel")?)
        }
        _ => (rest, 0),
    };
    Ok(match scheme {
        "alsa" => SoundSource::Alsa {
            device: name(place)?,
            channel,
        },
        "pulse" => SoundSource::Pulse {
            name: name(place)?,
            channel,
        },
        _ if place.is_empty() => return Err("the file's path is missing".to_owned()),
        _ => SoundSource::File {
            path: place.to_owned(),
            channel,
        },
    })
}

fn input(rest: &str) -> Result<CodecInput, String> {
    let (word, digits) = rest
        .split_once('.')
        .ok_or("the connector is written KIND.NUMBER")?;
    let kind = CodecInputKind::ALL
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(word));
    let Some((kind, _)) = kind else {
        let known: Vec<&str> = CodecInputKind::ALL.iter().map(|(_, word)| *word).collect();
        return Err(format!(
            "\"{word}\" is no connector of a codec; known: {}",
            known.join(", ")
        ));
    };
    Ok(CodecInput {
        kind: *kind,
        number: number(digits, 1, 32, "the connector's number")?,
    })
}

/// A sound device's name: what ALSA and PulseAudio use, and nothing that could be read as more.
fn name(given: &str) -> Result<String, String> {
    if given.is_empty() || given.len() > 128 {
        return Err("the device's name must be 1 to 128 characters".to_owned());
    }
    match given
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"_-.,:=@+/".contains(*c))
    {
        Some(c) => Err(format!(
            "the device's name holds the character {c:?}; letters, digits and _-.,:=@+/ are allowed"
        )),
        None => Ok(given.to_owned()),
    }
}

impl fmt::Display for SoundSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alsa { device, channel } => write!(f, "alsa:{device}#{channel}"),
            Self::Pulse { name, channel } => write!(f, "pulse:{name}#{channel}"),
            Self::Codec(CodecInput { kind, number }) => write!(f, "codec:{}.{number}", kind.word()),
            Self::File { path, channel } => write!(f, "file:{path}#{channel}"),
        }
    }
}

impl fmt::Display for SpeakerSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alsa { device } => write!(f, "alsa:{device}"),
            Self::Pulse { name } => write!(f, "pulse:{name}"),
        }
    }
}
