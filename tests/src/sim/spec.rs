//! The file that describes a simulated room, in TOML. `example.toml` beside this file shows every key.
//!
//! Each table but `[room]` may be absent; unknown keys are refused. Paths that are not absolute are
//! taken from the room's directory (`dir`, or a temporary one that goes with the room).
//! Faults named here are on from the start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::sound::Sound;
use super::visca::{Model, Position};

/// The example, which is a test as well.
pub const EXAMPLE: &str = include_str!("example.toml");

/// A whole room.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What concerns the room as a whole.
    pub room: RoomTable,
    /// The conferencing appliance.
    pub codec: Option<Codec>,
    /// Cameras.
    #[serde(default, rename = "camera")]
    pub cameras: Vec<Camera>,
    /// Microphones: a sound file each.
    #[serde(default, rename = "microphone")]
    pub microphones: Vec<Microphone>,
    /// The uninterruptible power supply.
    pub ups: Option<Ups>,
}

/// `[room]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomTable {
    /// Its name; the codec's banner shows it.
    #[serde(default = "default_name")]
    pub name: String,
    /// Seed of all that looks random (noise, garbage).
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Where sound files and the variables of the UPS are written; absent = a temporary directory.
    pub dir: Option<PathBuf>,
}

/// `[codec]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codec {
    /// Whose appliance it is.
    pub kind: CodecKind,
    /// How it is reached.
    #[serde(default)]
    pub transport: CodecTransport,
    /// Address to listen at, on TCP; port 0 takes any.
    #[serde(default = "any_port")]
    pub listen: SocketAddr,
    /// Asks for a login with this name; absent = no login.
    pub user: Option<String>,
    /// The login's password; absent = empty.
    pub password: Option<String>,
    /// Bytes after which the fault `disconnect` closes a connection.
    #[serde(default = "default_disconnect_after")]
    pub disconnect_after: u64,
    /// Status paths with other values than the built-in ones.
    #[serde(default)]
    pub status: BTreeMap<String, StatusValue>,
    /// On from the start.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// The vendors that are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecKind {
    /// Cisco, terminal mode of the xAPI.
    Cisco,
}

/// How the codec's console is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecTransport {
    /// A TCP port, as behind a terminal server.
    #[default]
    Tcp,
    /// A serial line: `codec.tty` in the room's directory.
    Serial,
}

/// How a camera is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraTransport {
    /// VISCA over IP, in datagrams.
    #[default]
    Udp,
    /// Bare packets on a TCP stream.
    Tcp,
    /// Bare packets on a serial line: `line-<line>.tty` in the room's directory.
    Serial,
}

/// A status value: a string or a whole number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum StatusValue {
    /// A number.
    Number(i64),
    /// A string or a literal such as `On`.
    Text(String),
}

impl fmt::Display for StatusValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// `[[camera]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Its id: `camera.<id>` on the control port.
    pub id: String,
    /// How it is reached.
    #[serde(default)]
    pub transport: CameraTransport,
    /// Address to listen at, on UDP and TCP; port 0 takes any.
    #[serde(default = "any_port")]
    pub listen: SocketAddr,
    /// Lets a program on this machine use the camera's port number at another address: clients that insist on
    /// sending from the port that they send to.
    #[serde(default)]
    pub shares_port: bool,
    /// The serial line that it stands on; cameras with the same line share it. Absent = one of its own.
    pub line: Option<String>,
    /// Its number on the serial line, 1 to 7.
    #[serde(default = "first_address")]
    pub address: u8,
    /// Whose camera it is: vendor and model codes, ranges.
    #[serde(default)]
    pub model: Model,
    /// Where it stands at the start.
    #[serde(default)]
    pub found: Position,
    /// The presets that are stored in it.
    #[serde(default)]
    pub presets: Vec<Preset>,
    /// How fast it moves.
    #[serde(default)]
    pub speed: Speed,
    /// Counts of pan by which the fault `preset-elsewhere` misses.
    #[serde(default = "default_elsewhere")]
    pub elsewhere: i32,
    /// On from the start.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// A stored preset: a number on the wire and a position in counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The number, as on the wire.
    pub number: u8,
    /// Pan, counts, right positive.
    pub pan: i32,
    /// Tilt, counts, up positive.
    pub tilt: i32,
    /// Zoom, counts from wide.
    #[serde(default)]
    pub zoom: i32,
}

/// Speeds in counts a second. The defaults drive a Sony camera at 60 degrees a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Speed {
    /// Pan.
    pub pan: u32,
    /// Tilt.
    pub tilt: u32,
    /// Zoom.
    pub zoom: u32,
}

impl Default for Speed {
    fn default() -> Self {
        Self {
            pan: 3072,
            tilt: 3072,
            zoom: 8192,
        }
    }
}

/// `[[microphone]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Microphone {
    /// Its id: `mic.<id>` on the control port, `<id>.wav` in the room's directory.
    pub id: String,
    /// What is heard while no fault is on.
    pub sound: Sound,
    /// How it is heard.
    #[serde(default)]
    pub through: Through,
    /// On from the start.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// How a microphone's sound is heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// From a WAV file.
    #[default]
    File,
    /// From a PulseAudio server of the room's own, where it is played into a null sink.
    Pulse,
}

/// `[ups]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ups {
    /// The variables file for the `dummy-ups` driver of NUT.
    #[serde(default = "default_dev_file")]
    pub dev_file: PathBuf,
    /// On from the start.
    #[serde(default)]
    pub faults: Vec<String>,
}

impl Spec {
    /// Reads a room's description.
    ///
    /// # Errors
    /// What is wrong and where, in words that name the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spec: Self = toml::from_str(text).map_err(|why| why.to_string().trim_end().to_owned())?;
        spec.check()?;
        Ok(spec)
    }

    /// Reads a room's description from a file.
    ///
    /// # Errors
    /// As [`Self::parse`], and when the file cannot be read; the file is named.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|why| format!("{}: cannot read the room's description: {why}", path.display()))?;
        Self::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn check(&self) -> Result<(), String> {
        if self.room.name.chars().any(char::is_control) {
            return Err("[room] name: has control characters; write it on one line".to_owned());
        }
        if let Some(codec) = &self.codec
            && codec.password.is_some()
            && codec.user.is_none()
        {
            return Err("[codec] password: there is no user; set both or neither".to_owned());
        }
        ids("[[camera]]", self.cameras.iter().map(|camera| &camera.id))?;
        ids(
            "[[microphone]]",
            self.microphones.iter().map(|microphone| &microphone.id),
        )?;
        let mut places = BTreeSet::new();
        for camera in &self.cameras {
            let serial = camera.transport == CameraTransport::Serial;
            if serial && !places.insert((camera.line(), camera.address)) {
                return Err(format!(
                    "[[camera]] {}: address = {}: another camera has it on the line {:?}",
                    camera.id,
                    camera.address,
                    camera.line()
                ));
            }
            camera
                .check()
                .map_err(|why| format!("[[camera]] {}: {why}", camera.id))?;
        }
        Ok(())
    }
}

impl Camera {
    /// The line that it stands on.
    #[must_use]
    pub fn line(&self) -> &str {
        self.line.as_ref().unwrap_or(&self.id)
    }

    fn check(&self) -> Result<(), String> {
        if self.transport != CameraTransport::Serial
            && (self.line.is_some() || self.address != first_address())
        {
            return Err("line, address: only cameras with transport = \"serial\" share a line".to_owned());
        }
        if !(1..=7).contains(&self.address) {
            return Err(format!("address = {}: must be 1 to 7", self.address));
        }
        ids("line", std::iter::once(&self.line().to_owned()))?;
        let speed = self.speed;
        if [speed.pan, speed.tilt, speed.zoom].contains(&0) {
            return Err("speed: must be at least 1 count a second".to_owned());
        }
        let mut numbers = BTreeSet::new();
        for preset in &self.presets {
            if !numbers.insert(preset.number) {
                return Err(format!("presets: number {} stands twice", preset.number));
            }
            if preset.number > self.model.last_preset() {
                return Err(format!(
                    "presets: this model has the presets 0 to {}, not {}",
                    self.model.last_preset(),
                    preset.number
                ));
            }
            let position = Position {
                pan: preset.pan,
                tilt: preset.tilt,
                zoom: preset.zoom,
            };
            if !self.model.reaches(position) {
                return Err(format!(
                    "presets: number {} is out of this model's range",
                    preset.number
                ));
            }
        }
        if !self.model.reaches(self.found) {
            return Err("found: is out of this model's range".to_owned());
        }
        Ok(())
    }
}

/// Ids name devices and files: they are short, plain and given once.
fn ids<'a>(table: &str, ids: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for id in ids {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 40 || !id.bytes().all(plain) {
            return Err(format!("{table} id = {id:?}: must be 1 to 40 of a-z, 0-9 and -"));
        }
        if !seen.insert(id) {
            return Err(format!("{table} id = {id:?}: stands twice"));
        }
    }
    Ok(())
}

fn default_name() -> String {
    "room".to_owned()
}

fn default_seed() -> u64 {
    1
}

fn first_address() -> u8 {
    1
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn default_disconnect_after() -> u64 {
    600
}

fn default_elsewhere() -> i32 {
    200
}

fn default_dev_file() -> PathBuf {
    PathBuf::from("room.dev")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Spec::parse(text).unwrap_err()
    }

    #[test]
    fn the_example_is_a_whole_room() {
        let spec = Spec::parse(EXAMPLE).unwrap();
        assert_eq!(spec.codec.unwrap().kind, CodecKind::Cisco);
        assert_eq!(spec.cameras[0].presets.len(), 2);
        assert_eq!(spec.microphones.len(), 2);
        assert_eq!(spec.ups.unwrap().dev_file, PathBuf::from("room.dev"));
    }

    #[test]
    fn a_room_may_be_empty() {
        let spec = Spec::parse("[room]\n").unwrap();
        assert!(spec.codec.is_none() && spec.cameras.is_empty() && spec.ups.is_none());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let why = refused("[room]\n[codec]\nkind = \"cisco\"\nlissten = \"127.0.0.1:0\"\n");
        assert!(
            why.contains("line 4") && why.contains("unknown field `lissten`"),
            "{why}"
        );
        assert!(why.contains("`listen`"), "{why}");
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let rows = [
            ("", "missing field `room`"),
            ("[room]\n[codec]\nkind = \"acme\"\n", "unknown variant `acme`"),
            (
                "[room]\n[codec]\nkind = \"cisco\"\npassword = \"x\"\n",
                "there is no user",
            ),
            (
                "[room]\n[[camera]]\nid = \"Main Camera\"\n",
                "must be 1 to 40 of a-z",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\n[[camera]]\nid = \"a\"\n",
                "stands twice",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\npresets = [{ number = 1, pan = 99999, tilt = 0 }]\n",
                "number 1 is out of this model's range",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\npresets = [{ number = 95, pan = 0, tilt = 0 }]\n",
                "has the presets 0 to 15, not 95",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\nspeed = { pan = 0 }\n",
                "at least 1 count",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\naddress = 2\n",
                "only cameras with transport = \"serial\" share a line",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\ntransport = \"serial\"\naddress = 8\n",
                "must be 1 to 7",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\ntransport = \"serial\"\n[[camera]]\nid = \"b\"\ntransport = \"serial\"\nline = \"a\"\n",
                "another camera has it on the line \"a\"",
            ),
            (
                "[room]\n[[camera]]\nid = \"a\"\ntransport = \"serial\"\nline = \"../a\"\n",
                "must be 1 to 40 of a-z",
            ),
            (
                "[room]\n[[microphone]]\nid = \"a\"\nsound = \"song\"\n",
                "unknown variant `song`",
            ),
        ];
        for (text, expected) in rows {
            let why = refused(text);
            assert!(why.contains(expected), "{text:?} gave {why:?}");
        }
    }
}
