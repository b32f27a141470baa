//! Where a camera is and which language moves it: `visca+serial:` `visca+udp:` `visca+tcp:` `codec:`
//! `onvif:` `pelco+serial:`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parts::{Authority, SerialText, UserText, number};
use super::{AddressError, Endpoint, Grammar, SerialPort};

/// The address of a camera.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CameraAddress {
    /// `visca+serial:/dev/ttyUSB1?baud=9600&id=1`: VISCA on a serial line, id 1 to 7.
    ViscaSerial(SerialCamera),
    /// `visca+udp://host`: VISCA over IP, port 52381 unless said.
    ViscaUdp(Endpoint),
    /// `visca+tcp://host`: VISCA packets on a TCP stream, port 5678 unless said.
    ViscaTcp(Endpoint),
    /// `codec:1`: a camera on the codec, 1 to 16, moved through the codec.
    Codec {
        /// The codec's number for it.
        camera: u8,
    },
    /// `onvif://user@host`: port 80 unless said.
    Onvif {
        /// Who logs in.
        user: Option<String>,
        /// Where it is.
        endpoint: Endpoint,
    },
    /// `pelco+serial:/dev/ttyUSB1?baud=2400&id=1`: Pelco-D, id 1 to 255.
    PelcoSerial(SerialCamera),
}

/// A camera on a serial line that several may share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SerialCamera {
    /// The line.
    pub port: SerialPort,
    /// The camera's number on the line.
    pub id: u8,
}

const GRAMMAR: Grammar = Grammar {
    what: "camera address",
    schemes: &[
        "visca+serial",
        "visca+udp",
        "visca+tcp",
        "codec",
        "onvif",
        "pelco+serial",
    ],
    forms: &[
        "visca+serial:/dev/ttyUSB1?baud=9600&id=1",
        "visca+udp://HOST:52381",
        "visca+tcp://HOST:5678",
        "codec:NUMBER",
        "onvif://USER@HOST",
        "pelco+serial:/dev/ttyUSB1?baud=2400&id=1",
    ],
};

impl FromStr for CameraAddress {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = GRAMMAR.split(given)?;
        parse(scheme, rest).map_err(|problem| GRAMMAR.refuse(given, problem))
    }
}

fn parse(scheme: &str, rest: &str) -> Result<CameraAddress, String> {
    let serial = |baud, highest| {
        let text = SerialText::parse(rest, baud, &["id"])?;
        let id = text.number("id", 1, highest, 1)?;
        Ok::<_, String>(SerialCamera { port: text.port, id })
    };
    let plain = |port| Authority::parse_plain(rest, Some(port), false).map(|at| at.endpoint);
    Ok(match scheme {
        "visca+serial" => CameraAddress::ViscaSerial(serial(9600, 7)?),
        "pelco+serial" => CameraAddress::PelcoSerial(serial(2400, 255)?),
        "visca+udp" => CameraAddress::ViscaUdp(plain(52381)?),
        "visca+tcp" => CameraAddress::ViscaTcp(plain(5678)?),
        "codec" => CameraAddress::Codec {
            camera: number(rest, 1, 16, "the codec's camera")?,
        },
        _ => {
            let at = Authority::parse_plain(rest, Some(80), true)?;
            CameraAddress::Onvif {
                user: at.user,
                endpoint: at.endpoint,
            }
        }
    })
}

impl fmt::Display for CameraAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ViscaSerial(SerialCamera { port, id }) => write!(f, "visca+serial:{port}&id={id}"),
            Self::PelcoSerial(SerialCamera { port, id }) => write!(f, "pelco+serial:{port}&id={id}"),
            Self::ViscaUdp(endpoint) => write!(f, "visca+udp://{endpoint}"),
            Self::ViscaTcp(endpoint) => write!(f, "visca+tcp://{endpoint}"),
            Self::Codec { camera } => write!(f, "codec:{camera}"),
            Self::Onvif { user, endpoint } => write!(f, "onvif://{}{endpoint}", UserText(user.as_ref())),
        }
    }
}
