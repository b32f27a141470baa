//! The configuration as somebody wrote it: one struct a table, unknown keys refused. Nothing is checked here
//! that is not a matter of one value; [`super::settings`] does the rest.

use bridgepoint_hw::address::{
    CameraAddress, CodecAddress, DeviceAddress, PictureSource, SoundSource, SpeakerSink, UpsAddress,
};
use bridgepoint_hw::dialect::camera::PresetNumber;
use bridgepoint_hw::dialect::codec::CodecDriver;
use bridgepoint_protocol::claims::ContactRole;
use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::text::Lang;
use serde::{Deserialize, Deserializer};

/// `room.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) room: Room,
    #[serde(default, rename = "contact")]
    pub(crate) contacts: Vec<Contact>,
    pub(crate) codec: Option<Codec>,
    #[serde(default, rename = "camera")]
    pub(crate) cameras: Vec<Camera>,
    #[serde(default, rename = "microphone")]
    pub(crate) microphones: Vec<Microphone>,
    pub(crate) speaker: Option<Speaker>,
    pub(crate) ups: Option<Ups>,
    pub(crate) line: Option<Line>,
    #[serde(default, rename = "device")]
    pub(crate) devices: Vec<Device>,
    pub(crate) hub: Option<Hub>,
    #[serde(default)]
    pub(crate) page: Page,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Room {
    pub(crate) id: Name,
    pub(crate) org: Name,
    pub(crate) name: String,
    pub(crate) area: Option<String>,
    // What the forms name (R32, R34): checked here, not used by this program yet.
    #[serde(rename = "head_unit")]
    pub(crate) _head_unit: Option<String>,
    #[serde(rename = "postal_address")]
    pub(crate) _postal_address: Option<String>,
    #[serde(rename = "phone")]
    pub(crate) _phone: Option<String>,
    #[serde(rename = "email")]
    pub(crate) _email: Option<String>,
    #[serde(default = "default_profile")]
    pub(crate) profile: String,
    pub(crate) must_have: Option<Vec<Kind>>,
    #[serde(default, deserialize_with = "lang")]
    pub(crate) language: Lang,
}

fn default_profile() -> String {
    "quang-ninh".into()
}

/// A word that its own type reads.
fn parsed<'de, D: Deserializer<'de>, T>(from: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    String::deserialize(from)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn preset<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PresetNumber>, D::Error> {
    let number = u8::deserialize(from)?;
    PresetNumber::try_from(number)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn lang<'de, D: Deserializer<'de>>(from: D) -> Result<Lang, D::Error> {
    parsed(from)
}

/// A kind of device that a room must have, by the name of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Codec,
    Camera,
    #[serde(alias = "mic")]
    Microphone,
    #[serde(alias = "audio")]
    Speaker,
    #[serde(alias = "power")]
    Ups,
    Line,
    Device,
}

impl Kind {
    /// First word of the kind's checks.
    pub(crate) fn group_word(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Camera => "camera",
            Self::Microphone => "mic",
            Self::Speaker => "audio",
            Self::Ups => "power",
            Self::Line => "line",
            Self::Device => "device",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    pub(crate) role: ContactRole,
    pub(crate) name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Codec {
    #[serde(deserialize_with = "parsed")]
    pub(crate) driver: CodecDriver,
    pub(crate) address: CodecAddress,
    pub(crate) password_file: Option<String>,
    pub(crate) host_key: Option<String>,
    #[serde(default)]
    pub(crate) expect: CodecExpect,
}

/// What the codec should be; an absent key is compared with the baseline only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodecExpect {
    pub(crate) ip: Option<String>,
    pub(crate) call_rate_kbps: Option<u32>,
    pub(crate) picture: Option<String>,
    pub(crate) echo_cancellation: Option<bool>,
    pub(crate) displays: Option<u16>,
    pub(crate) registration: Option<Registration>,
}

/// How the codec should be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Registration {
    H323,
    Sip,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Camera {
    pub(crate) id: String,
    pub(crate) address: CameraAddress,
    #[serde(default)]
    pub(crate) presets: Vec<Preset>,
    #[serde(default, deserialize_with = "preset")]
    pub(crate) home: Option<PresetNumber>,
    pub(crate) picture: Option<PictureSource>,
    pub(crate) password_file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preset {
    #[serde(default, deserialize_with = "preset")]
    pub(crate) number: Option<PresetNumber>,
    pub(crate) token: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Microphone {
    pub(crate) id: String,
    pub(crate) source: SoundSource,
    #[serde(default)]
    pub(crate) switch: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Speaker {
    #[serde(rename = "sink")]
    pub(crate) _sink: SpeakerSink,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ups {
    pub(crate) address: UpsAddress,
    #[serde(default)]
    pub(crate) feeds: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) gateway: Option<String>,
    pub(crate) mcu: Option<String>,
    pub(crate) reflector: Option<String>,
    pub(crate) rate_kbps: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) address: DeviceAddress,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hub {
    pub(crate) broker: String,
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) allow_plain: bool,
    pub(crate) ca_file: Option<String>,
    pub(crate) cert_file: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<String>,
    #[serde(default = "default_keep_alive_s")]
    pub(crate) keep_alive_s: u64,
}

fn default_keep_alive_s() -> u64 {
    30
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    #[serde(default = "default_listen")]
    pub(crate) listen: String,
    pub(crate) tls_cert_file: Option<String>,
    pub(crate) tls_key_file: Option<String>,
    pub(crate) pin_file: Option<String>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            listen: default_listen(),
            tls_cert_file: None,
            tls_key_file: None,
            pin_file: None,
        }
    }
}

fn default_listen() -> String {
    "127.0.0.1:8095".into()
}
