//! Where the UPS is asked: `nut:` `megatec:` `apcupsd:` `snmp:`, or `none` where there is no UPS (R18).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parts::{Authority, SerialText};
use super::{AddressError, Endpoint, Grammar, SerialPort};

/// The address of an uninterruptible power supply.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum UpsAddress {
    /// `nut://host/NAME`: a Network UPS Tools server, port 3493 unless said.
    Nut {
        /// Where the server is.
        endpoint: Endpoint,
        /// The UPS's name on it.
        ups: UpsName,
    },
    /// `megatec:/dev/ttyUSB2`: Q1 on a serial port, 2400 bit/s unless said.
    Megatec(SerialPort),
    /// `apcupsd://host`: the information server of apcupsd, port 3551 unless said.
    Apcupsd(Endpoint),
    /// `snmp://host`: a network card, port 161 unless said.
    Snmp(Endpoint),
    /// `none`: a fact, not an omission: no UPS stands between mains and devices.
    None,
}

/// The name of a UPS on a NUT server: 1 to 64 letters, digits, `.`, `_` and `-`, so that it never needs quoting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpsName(String);

impl UpsName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const GRAMMAR: Grammar = Grammar {
    what: "UPS address",
    schemes: &["nut", "megatec", "apcupsd", "snmp", "none"],
    forms: &[
        "nut://HOST:3493/NAME",
        "megatec:/dev/ttyUSB2",
        "apcupsd://HOST:3551",
        "snmp://HOST",
        "none",
    ],
};

impl FromStr for UpsAddress {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        if given == "none" {
            return Ok(Self::None);
        }
        let (scheme, rest) = GRAMMAR.split(given)?;
        parse(scheme, rest).map_err(|problem| GRAMMAR.refuse(given, problem))
    }
}

fn parse(scheme: &str, rest: &str) -> Result<UpsAddress, String> {
    let plain = |port| Authority::parse_plain(rest, Some(port), false).map(|at| at.endpoint);
    Ok(match scheme {
        "nut" => {
            let at = Authority::parse(rest, Some(3493))?;
            if at.user.is_some() {
                return Err(
                    "reading needs no user, and bridgepoint never logs in to a UPS server".to_owned(),
                );
            }
            UpsAddress::Nut {
                endpoint: at.endpoint,
                ups: name(at.path.strip_prefix('/').unwrap_or_default())?,
            }
        }
        "megatec" => UpsAddress::Megatec(SerialText::parse(rest, 2400, &[])?.port),
        "apcupsd" => UpsAddress::Apcupsd(plain(3551)?),
        "snmp" => UpsAddress::Snmp(plain(161)?),
        _ => return Err("\"none\" stands alone".to_owned()),
    })
}

fn name(given: &str) -> Result<UpsName, String> {
    let fits = (1..=64).contains(&given.len())
        && given
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits {
        Ok(UpsName(given.to_owned()))
    } else {
        Err(format!(
            "the UPS's name after the slash is \"{given}\" and must be letters, digits, . _ -"
        ))
    }
}

impl fmt::Display for UpsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nut { endpoint, ups } => write!(f, "nut://{endpoint}/{ups}"),
            Self::Megatec(port) => write!(f, "megatec:{port}"),
            Self::Apcupsd(endpoint) => write!(f, "apcupsd://{endpoint}"),
            Self::Snmp(endpoint) => write!(f, "snmp://{endpoint}"),
            Self::None => f.write_str("none"),
        }
    }
}
