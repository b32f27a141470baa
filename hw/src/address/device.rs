//! Where anything else that must answer is (R19): `tcp:` `icmp:` `pjlink:` `http:` `https:`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parts::{Authority, HostText, host};
use super::{AddressError, Endpoint, Grammar};

/// The address of a device that only has to answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceAddress {
    /// `tcp://host:port`: the port accepts a connection.
    Tcp(Endpoint),
    /// `icmp:host`: it answers an echo request.
    Icmp {
        /// A name or an address.
        host: String,
    },
    /// `pjlink://host`: a projector or screen, port 4352 unless said.
    Pjlink(Endpoint),
    /// `http://host[:port]/path`.
    Http {
        /// Where it is, port 80 unless said.
        endpoint: Endpoint,
        /// What is asked for, from the first slash on.
        path: String,
    },
    /// `https://host[:port]/path`.
    Https {
        /// Where it is, port 443 unless said.
        endpoint: Endpoint,
        /// What is asked for, from the first slash on.
        path: String,
    },
}

const GRAMMAR: Grammar = Grammar {
    what: "device address",
    schemes: &["tcp", "icmp", "pjlink", "http", "https"],
    forms: &[
        "tcp://HOST:PORT",
        "icmp:HOST",
        "pjlink://HOST",
        "http://HOST/PATH",
        "https://HOST/PATH",
    ],
};

impl FromStr for DeviceAddress {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = GRAMMAR.split(given)?;
        parse(scheme, rest).map_err(|problem| GRAMMAR.refuse(given, problem))
    }
}

fn parse(scheme: &str, rest: &str) -> Result<DeviceAddress, String> {
    let plain = |port| Authority::parse_plain(rest, port, false).map(|at| at.endpoint);
    Ok(match scheme {
        "tcp" => DeviceAddress::Tcp(plain(None)?),
        "pjlink" => DeviceAddress::Pjlink(plain(Some(4352))?),
        "icmp" => DeviceAddress::Icmp { host: host(rest)? },
        "http" => page(rest, 80).map(|(endpoint, path)| DeviceAddress::Http { endpoint, path })?,
        _ => page(rest, 443).map(|(endpoint, path)| DeviceAddress::Https { endpoint, path })?,
    })
}

fn page(rest: &str, port: u16) -> Result<(Endpoint, String), String> {
    let at = Authority::parse(rest, Some(port))?;
    if at.user.is_some() {
        return Err("a user name has no meaning here".to_owned());
    }
    if !at.path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the path must be printable ASCII without blanks".to_owned());
    }
    let path = if at.path.is_empty() {
        "/".to_owned()
    } else {
        at.path
    };
    Ok((at.endpoint, path))
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => write!(f, "tcp://{endpoint}"),
            Self::Icmp { host } => write!(f, "icmp:{}", HostText(host)),
            Self::Pjlink(endpoint) => write!(f, "pjlink://{endpoint}"),
            Self::Http { endpoint, path } => write!(f, "http://{endpoint}{path}"),
            Self::Https { endpoint, path } => write!(f, "https://{endpoint}{path}"),
        }
    }
}
