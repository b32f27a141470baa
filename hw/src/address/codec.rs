//! Where the codec is and how it is spoken to: `serial:` `tcp:` `telnet:` `ssh:` `https:` `sip:`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parts::{Authority, SerialText, UserText, endpoint, user};
use super::{AddressError, Endpoint, Grammar, SerialPort};

/// The address of a codec.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CodecAddress {
    /// `serial:/dev/ttyUSB0?baud=115200&user=probe`: the control port, 115200 bit/s unless said.
    Serial {
        /// The port.
        port: SerialPort,
        /// Who logs in, where the port asks.
        user: Option<String>,
    },
    /// `tcp://[user@]host:port`: a console server or a simulator, no telnet in between.
    Tcp {
        /// Who logs in, where the console asks.
        user: Option<String>,
        /// Where it is.
        endpoint: Endpoint,
    },
    /// `telnet://user@host`: old software only, port 23 unless said.
    Telnet {
        /// Who logs in.
        user: Option<String>,
        /// Where it is.
        endpoint: Endpoint,
    },
    /// `ssh://user@host`: port 22 unless said.
    Ssh {
        /// Who logs in.
        user: Option<String>,
        /// Where it is.
        endpoint: Endpoint,
    },
    /// `https://user@host`: port 443 unless said.
    Https {
        /// Who logs in.
        user: Option<String>,
        /// Where it is.
        endpoint: Endpoint,
    },
    /// `sip:host[:port]`: the vendor-neutral OPTIONS question, port 5060 unless said.
    Sip {
        /// Where it is.
        endpoint: Endpoint,
    },
}

impl CodecAddress {
    /// The user named in the address.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Serial { user, .. }
            | Self::Tcp { user, .. }
            | Self::Telnet { user, .. }
            | Self::Ssh { user, .. }
            | Self::Https { user, .. } => user.as_deref(),
            Self::Sip { .. } => None,
        }
    }
}

const GRAMMAR: Grammar = Grammar {
    what: "codec address",
    schemes: &["serial", "tcp", "telnet", "ssh", "https", "sip"],
    forms: &[
        "serial:/dev/ttyUSB0?baud=115200&user=NAME",
        "tcp://HOST:PORT",
        "telnet://USER@HOST",
        "ssh://USER@HOST",
        "https://USER@HOST",
        "sip:HOST",
    ],
};

impl FromStr for CodecAddress {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = GRAMMAR.split(given)?;
        parse(scheme, rest).map_err(|problem| GRAMMAR.refuse(given, problem))
    }
}

fn parse(scheme: &str, rest: &str) -> Result<CodecAddress, String> {
    let at = |default_port| Authority::parse_plain(rest, default_port, true).map(|at| (at.user, at.endpoint));
    Ok(match scheme {
        "serial" => {
            let text = SerialText::parse(rest, 115_200, &["user"])?;
            let user = text.settings.get("user").map(|given| user(given)).transpose()?;
            CodecAddress::Serial {
                port: text.port,
                user,
            }
        }
        "sip" => CodecAddress::Sip {
            endpoint: endpoint(rest.strip_prefix("//").unwrap_or(rest), Some(5060))?,
        },
        "telnet" => at(Some(23)).map(|(user, endpoint)| CodecAddress::Telnet { user, endpoint })?,
        "ssh" => at(Some(22)).map(|(user, endpoint)| CodecAddress::Ssh { user, endpoint })?,
        "https" => at(Some(443)).map(|(user, endpoint)| CodecAddress::Https { user, endpoint })?,
        _ => at(None).map(|(user, endpoint)| CodecAddress::Tcp { user, endpoint })?,
    })
}

impl fmt::Display for CodecAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |f: &mut fmt::Formatter<'_>, scheme, user: &Option<String>, endpoint| {
            write!(f, "{scheme}://{}{endpoint}", UserText(user.as_ref()))
        };
        match self {
            Self::Serial { port, user: None } => write!(f, "serial:{port}"),
            Self::Serial {
                port,
                user: Some(user),
            } => write!(f, "serial:{port}&user={user}"),
            Self::Tcp { user, endpoint } => url(f, "tcp", user, endpoint),
            Self::Telnet { user, endpoint } => url(f, "telnet", user, endpoint),
            Self::Ssh { user, endpoint } => url(f, "ssh", user, endpoint),
            Self::Https { user, endpoint } => url(f, "https", user, endpoint),
            Self::Sip { endpoint } => write!(f, "sip:{endpoint}"),
        }
    }
}
