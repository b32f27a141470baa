//! The valid configuration, and the checks between as-written and valid.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bridgepoint_hw::address::{
    CameraAddress, CodecAddress, DeviceAddress, Endpoint, Host, PictureSource, SoundSource, UpsAddress,
};
use bridgepoint_hw::dialect::camera::PresetNumber;
use bridgepoint_hw::dialect::codec::CodecDriver;
use bridgepoint_protocol::check::is_device_id;
use bridgepoint_protocol::claims::Contact;
use bridgepoint_protocol::envelope::sha256_hex;
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::profile::Profile;
use bridgepoint_protocol::text::Lang;
use bridgepoint_protocol::written::WrittenError;

use super::written::{self, CodecExpect, File};
use super::{Broker, Transport};

/// A room's valid configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Organisation and room.
    pub(crate) address: RoomAddress,
    /// The room's name, as people say it.
    pub(crate) name: String,
    /// A free label for grouping.
    pub(crate) area: Option<String>,
    /// Language of sentences.
    pub(crate) lang: Lang,
    /// By what the room is judged.
    pub(crate) profile: Profile,
    /// Groups of checks without which the room cannot be called ready.
    pub(crate) must_have: Vec<String>,
    /// Whom to ring.
    pub(crate) contacts: Vec<Contact>,
    /// The codec.
    pub(crate) codec: Option<Codec>,
    /// Cameras.
    pub(crate) cameras: Vec<Camera>,
    /// Microphones.
    pub(crate) microphones: Vec<Microphone>,
    /// Whether a loudspeaker is configured.
    pub(crate) speaker: bool,
    /// The UPS.
    pub(crate) ups: Option<Ups>,
    /// The line.
    pub(crate) line: Option<Line>,
    /// Everything else that must answer: id and address.
    pub(crate) devices: Vec<(String, DeviceAddress)>,
    /// The province.
    pub(crate) hub: Option<Hub>,
    /// Where the local page listens.
    pub(crate) page: SocketAddr,
    /// SHA-256 of the file's bytes, hex.
    pub(crate) config_sha256: String,
}

/// The conferencing appliance.
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    pub(crate) driver: CodecDriver,
    pub(crate) address: CodecAddress,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) expect: CodecExpect,
}

/// A camera.
#[derive(Debug, Clone)]
pub(crate) struct Camera {
    pub(crate) id: String,
    pub(crate) address: CameraAddress,
    /// Number and name.
    pub(crate) presets: Vec<(PresetNumber, Option<String>)>,
    pub(crate) home: Option<PresetNumber>,
    pub(crate) picture: Option<PictureSource>,
}

/// A microphone.
#[derive(Debug, Clone)]
pub(crate) struct Microphone {
    pub(crate) id: String,
    pub(crate) source: SoundSource,
    pub(crate) switch: bool,
}

/// The UPS.
#[derive(Debug, Clone)]
pub(crate) struct Ups {
    pub(crate) address: UpsAddress,
    pub(crate) feeds: Vec<String>,
}

/// The line from the room to the province.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// The room's router.
    pub(crate) gateway: Option<Host>,
    /// The signalling port of the MCU that calls the room.
    pub(crate) mcu: Option<Endpoint>,
    /// What answers the line test; absent = the plan tells it.
    pub(crate) reflector: Option<Endpoint>,
    /// What a meeting needs, kbit/s each way; absent = the plan tells it, else the product's default.
    pub(crate) rate_kbps: Option<u32>,
}

impl Line {
    /// H.225 call signalling (H.323): what an MCU listens on unless something else is configured.
    pub(crate) const MCU_PORT: u16 = 1720;

    /// Where a reflector listens unless something else is configured.
    pub(crate) const REFLECTOR_PORT: u16 = 9511;

    /// The call rates that can be measured, kbit/s: from sound alone to twice what any room's codec sends.
    pub(crate) const RATES_KBPS: std::ops::RangeInclusive<u32> = 64..=20_000;
}

/// The province's hub.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) broker: Broker,
    /// Pinned thumbprint.
    pub(crate) key: Option<String>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    /// How often the broker is asked for a sign of life.
    pub(crate) keep_alive: Duration,
}

/// Seconds that `keep_alive_s` may be: what the client bears, and what a dead line may cost.
const KEEP_ALIVE_S: std::ops::RangeInclusive<u64> = 5..=300;

/// Files of the connection's certificates.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) ca: PathBuf,
    /// Certificate and key of this box, both or neither.
    pub(crate) own: Option<(PathBuf, PathBuf)>,
}

/// Which devices the UPS can be said to feed.
const FEEDS: [&str; 4] = ["codec", "display", "audio", "network"];

/// Checks what was written.
pub(crate) fn check(file: &str, text: &str, written: File) -> Result<Settings, WrittenError> {
    let fault = Fault { file, text };
    let profile = profile(&fault, &written.room.profile)?;
    if written.room.name.trim().is_empty() {
        return Err(fault.at("name", "the room's name is empty"));
    }
    let cameras = written
        .cameras
        .into_iter()
        .map(|c| camera(&fault, c))
        .collect::<Result<Vec<_>, _>>()?;
    let microphones: Vec<Microphone> = written
        .microphones
        .into_iter()
        .map(|m| Microphone {
            id: m.id,
            source: m.source,
            switch: m.switch,
        })
        .collect();
    let devices: Vec<_> = written.devices.into_iter().map(|d| (d.id, d.address)).collect();
    distinct(&fault, "camera", cameras.iter().map(|c| c.id.as_str()))?;
    distinct(&fault, "microphone", microphones.iter().map(|m| m.id.as_str()))?;
    distinct(&fault, "device", devices.iter().map(|(id, _)| id.as_str()))?;
    if let Some(microphone) = microphones
        .iter()
        .find(|m| matches!(m.source, SoundSource::Codec(_)))
        && written.codec.is_none()
    {
        return Err(fault.at(
            &microphone.id,
            "this microphone is heard through the codec, and no [codec] is configured",
        ));
    }
    let must_have = written.room.must_have.map_or_else(
        || vec!["codec".to_owned()],
        |kinds| {
            kinds
                .into_iter()
                .map(|kind| kind.group_word().to_owned())
                .collect()
        },
    );
    Ok(Settings {
        address: RoomAddress {
            org: written.room.org,
            room: written.room.id,
        },
        name: written.room.name,
        area: written.room.area,
        lang: written.room.language,
        profile,
        must_have,
        contacts: written.contacts.into_iter().map(contact).collect(),
        codec: written.codec.map(|c| codec(&fault, c)).transpose()?,
        cameras,
        microphones,
        speaker: written.speaker.is_some(),
        ups: written.ups.map(|u| ups(&fault, u)).transpose()?,
        line: written.line.map(|l| line(&fault, l)).transpose()?,
        devices,
        hub: written.hub.map(|h| hub(&fault, h)).transpose()?,
        page: page(&fault, &written.page)?,
        config_sha256: sha256_hex(text.as_bytes()),
    })
}

/// Finds the line that a fault belongs to by a word of it.
struct Fault<'a> {
    file: &'a str,
    text: &'a str,
}

impl Fault<'_> {
    fn at(&self, word: &str, what: impl Into<String>) -> WrittenError {
        // As a whole value first: "quang-nin" also begins "quang-ninh".
        let whole = self.text.find(&format!("\"{word}\""));
        match whole.or_else(|| self.text.find(word)) {
            Some(at) => WrittenError::at(self.file, self.text, at, what),
            None => WrittenError::whole(self.file, what),
        }
    }
}

fn profile(fault: &Fault<'_>, written: &str) -> Result<Profile, WrittenError> {
    let is_path = written.contains('/') || written.ends_with(".toml");
    if !is_path {
        return Profile::built_in(written).map_err(|e| fault.at(written, e.to_string()));
    }
    let base = Path::new(fault.file).parent().unwrap_or(Path::new("."));
    let path = base.join(written);
    let text = std::fs::read_to_string(&path).map_err(|e| {
        fault.at(
            written,
            format!("the profile {} cannot be read ({e})", path.display()),
        )
    })?;
    Profile::parse(&text).map_err(|e| fault.at(written, format!("the profile {}: {e}", path.display())))
}

fn distinct<'a>(
    fault: &Fault<'_>,
    table: &str,
    ids: impl Iterator<Item = &'a str>,
) -> Result<(), WrittenError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !is_device_id(id) {
            return Err(fault.at(
                id,
                format!("\"{id}\" is no [[{table}]] id: 1 to 40 of a-z, 0-9 and - are allowed"),
            ));
        }
        if !seen.insert(id) {
            return Err(fault.at(
                id,
                format!("there are two [[{table}]] tables with the id \"{id}\""),
            ));
        }
    }
    Ok(())
}

fn contact(written: written::Contact) -> Contact {
    Contact {
        role: written.role.into(),
        name: written.name,
        title: written.title,
        phone: written.phone,
        email: written.email,
    }
}

fn codec(fault: &Fault<'_>, written: written::Codec) -> Result<Codec, WrittenError> {
    if let Some(pin) = &written.host_key
        && !pin.starts_with("SHA256:")
    {
        return Err(fault.at(
            "host_key",
            "host_key is a fingerprint as ssh-keygen -l prints it: \"SHA256:…\"",
        ));
    }
    if let Some(ip) = &written.expect.ip
        && ip.parse::<std::net::IpAddr>().is_err()
    {
        return Err(fault.at(ip, format!("\"{ip}\" is no IP address")));
    }
    Ok(Codec {
        driver: written.driver,
        address: written.address,
        password_file: written.password_file.map(PathBuf::from),
        expect: written.expect,
    })
}

fn camera(fault: &Fault<'_>, written: written::Camera) -> Result<Camera, WrittenError> {
    let onvif = matches!(written.address, CameraAddress::Onvif { .. });
    let mut presets = Vec::new();
    for preset in written.presets {
        match (preset.number, &preset.token) {
            (Some(number), _) if presets.iter().any(|(n, _)| *n == number) => {
                let what = format!("camera \"{}\" names preset {} twice", written.id, number.get());
                return Err(fault.at(&written.id, what));
            }
            (Some(number), _) => presets.push((number, preset.name)),
            // ONVIF presets are tokens; that dialect is not built yet, and the camera's checks say so.
            (None, Some(_)) if onvif => {}
            _ => {
                return Err(fault.at(
                    "presets",
                    format!("a preset of camera \"{}\" has no number", written.id),
                ));
            }
        }
    }
    let _ = written.password_file;
    Ok(Camera {
        id: written.id,
        address: written.address,
        presets,
        home: written.home,
        picture: written.picture,
    })
}

fn ups(fault: &Fault<'_>, written: written::Ups) -> Result<Ups, WrittenError> {
    if let Some(strange) = written.feeds.iter().find(|feed| !FEEDS.contains(&feed.as_str())) {
        let near = bridgepoint_protocol::nearest::nearest(strange, FEEDS).map(str::to_owned);
        let what = format!("feeds: unknown word \"{strange}\" (known: {})", FEEDS.join(", "));
        return Err(WrittenError {
            nearest: near,
            ..fault.at("feeds", what)
        });
    }
    Ok(Ups {
        address: written.address,
        feeds: written.feeds,
    })
}

fn line(fault: &Fault<'_>, written: written::Line) -> Result<Line, WrittenError> {
    let wrong = |key: &str, given: &str, why: &str, forms: &str| {
        fault.at(given, format!("{key}: {why}; write it as {forms}"))
    };
    let endpoint = |key: &str, given: Option<String>, port: u16| {
        let forms = format!("HOST or HOST:PORT, without a port it is {port}");
        given
            .map(|given| Endpoint::parse(&given, port).map_err(|why| wrong(key, &given, &why, &forms)))
            .transpose()
    };
    let gateway = written
        .gateway
        .map(|given| {
            let parsed = given.parse::<Host>();
            parsed.map_err(|why| wrong("gateway", &given, &why, "the router's address, without a port"))
        })
        .transpose()?;
    let (low, high) = Line::RATES_KBPS.into_inner();
    if let Some(rate) = written.rate_kbps
        && !Line::RATES_KBPS.contains(&rate)
    {
        let what = format!("rate_kbps = {rate}: a call needs {low} to {high} kbit/s each way");
        return Err(fault.at("rate_kbps", what));
    }
    Ok(Line {
        gateway,
        mcu: endpoint("mcu", written.mcu, Line::MCU_PORT)?,
        reflector: endpoint("reflector", written.reflector, Line::REFLECTOR_PORT)?,
        rate_kbps: written.rate_kbps,
    })
}

fn hub(fault: &Fault<'_>, written: written::Hub) -> Result<Hub, WrittenError> {
    let broker =
        Broker::parse(&written.broker, written.allow_plain).map_err(|what| fault.at("broker", what))?;
    let own = match (written.cert_file, written.key_file) {
        (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
        (None, None) => None,
        _ => {
            return Err(fault.at(
                "[hub]",
                "cert_file and key_file belong together; one of them is missing",
            ));
        }
    };
    let tls = match (broker.transport, written.ca_file) {
        (Transport::Plain, _) => None,
        (Transport::Tls, Some(ca)) => Some(TlsFiles {
            ca: PathBuf::from(ca),
            own,
        }),
        (Transport::Tls, None) => {
            return Err(fault.at(
                "broker",
                "mqtts:// needs ca_file, the certificate of the province's authority",
            ));
        }
    };
    if !KEEP_ALIVE_S.contains(&written.keep_alive_s) {
        return Err(fault.at(
            "keep_alive_s",
            format!(
                "{} s is not possible; it lies between {} and {} s",
                written.keep_alive_s,
                KEEP_ALIVE_S.start(),
                KEEP_ALIVE_S.end()
            ),
        ));
    }
    Ok(Hub {
        broker,
        keep_alive: Duration::from_secs(written.keep_alive_s),
        key: written.key,
        tls,
        username: written.username,
        password_file: written.password_file.map(PathBuf::from),
    })
}

fn page(fault: &Fault<'_>, written: &written::Page) -> Result<SocketAddr, WrittenError> {
    let listen: SocketAddr = written.listen.parse().map_err(|_| {
        fault.at(
            "listen",
            format!(
                "\"{}\" is no address:port, e.g. \"127.0.0.1:8095\"",
                written.listen
            ),
        )
    })?;
    if listen.ip().is_loopback() {
        return Ok(listen);
    }
    let complete =
        written.tls_cert_file.is_some() && written.tls_key_file.is_some() && written.pin_file.is_some();
    Err(fault.at(
        "listen",
        if complete {
            "this version serves its page on loopback only; use listen = \"127.0.0.1:8095\""
        } else {
            "a page that others on the network can reach needs tls_cert_file, tls_key_file and pin_file; \
             without them use listen = \"127.0.0.1:8095\""
        },
    ))
}
