//! The parts that addresses are made of: host and port, a serial port with its settings, a user's name,
//! numbers with bounds. Each part refuses what it cannot be, with a sentence that says why.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Speeds that serial devices of this trade use, bit/s.
const BAUDS: &[u32] = &[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200];

/// A host and a TCP or UDP port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// A name or an address without brackets, as name resolution wants it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads `host[:port]`, an IPv6 address in brackets; without a port it is `default_port`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(given: &str, default_port: u16) -> Result<Self, String> {
        endpoint(given, Some(default_port))
    }
}

/// A host without a port: a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host(String);

impl Host {
    /// A name or an address without brackets, as name resolution wants it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        // An IPv6 address needs no brackets where no port can follow.
        match given.parse::<Ipv6Addr>() {
            Ok(ip) => Ok(Self(ip.to_string())),
            Err(_) => host(given).map(Self),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HostText(&self.0).fmt(f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", HostText(&self.host), self.port)
    }
}

/// A serial port: the device file and its speed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SerialPort {
    device: String,
    baud: u32,
}

impl SerialPort {
    /// Path of the device file, e.g. `/dev/ttyUSB0`.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Speed, bit/s, one of the usual ones.
    #[must_use]
    pub fn baud(&self) -> u32 {
        self.baud
    }
}

impl fmt::Display for SerialPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?baud={}", self.device, self.baud)
    }
}

/// A host as it stands in a URL: IPv6 in brackets.
pub(super) struct HostText<'a>(pub(super) &'a str);

impl fmt::Display for HostText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]", self.0)
        } else {
            f.write_str(self.0)
        }
    }
}

/// `user@` or nothing.
pub(super) struct UserText<'a>(pub(super) Option<&'a String>);

impl fmt::Display for UserText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |user| write!(f, "{user}@"))
    }
}

/// What stands after `scheme:` in the URL forms: `//[user@]host[:port][/path]`.
pub(super) struct Authority {
    pub(super) user: Option<String>,
    pub(super) endpoint: Endpoint,
    /// From the first `/` on; empty when there is none.
    pub(super) path: String,
}

impl Authority {
    /// Parses `//[user@]host[:port][/path]`; without `default_port` the port must be given.
    pub(super) fn parse(rest: &str, default_port: Option<u16>) -> Result<Self, String> {
        let rest = rest
            .strip_prefix("//")
            .ok_or("two slashes must follow the scheme's colon")?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(self::user(user)?), place),
            None => (None, authority),
        };
        Ok(Self {
            user,
            endpoint: endpoint(place, default_port)?,
            path: path.to_owned(),
        })
    }

    /// The same, where a path and, unless `users`, a user have no meaning.
    pub(super) fn parse_plain(rest: &str, default_port: Option<u16>, users: bool) -> Result<Self, String> {
        let authority = Self::parse(rest, default_port)?;
        if !authority.path.is_empty() {
            return Err(format!("a path (\"{}\") has no meaning here", authority.path));
        }
        if !users && authority.user.is_some() {
            return Err("a user name has no meaning here".to_owned());
        }
        Ok(authority)
    }
}

/// `host[:port]`, IPv6 in brackets.
pub(super) fn endpoint(place: &str, default_port: Option<u16>) -> Result<Endpoint, String> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (inside, after) = rest
            .split_once(']')
            .ok_or("the closing ] of the IPv6 address is missing")?;
        let ip: Ipv6Addr = inside
            .parse()
            .map_err(|_| format!("[{inside}] is no IPv6 address"))?;
        match after.strip_prefix(':') {
            Some(port) => (ip.to_string(), Some(port)),
            None if after.is_empty() => (ip.to_string(), None),
            None => return Err(format!("\"{after}\" after the host is not :port")),
        }
    } else {
        match place.split_once(':') {
            Some((host, port)) => (name(host)?, Some(port)),
            None => (name(place)?, None),
        }
    };
    let port = match port {
        Some(port) => number(port, 1, u16::MAX, "the port")?,
        None => default_port.ok_or("the port is missing (host:port)")?,
    };
    Ok(Endpoint { host, port })
}

/// A host alone.
pub(super) fn host(place: &str) -> Result<String, String> {
    let place = place.strip_prefix("//").unwrap_or(place);
    if let Some(inside) = place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inside.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => Ok(ip.to_string()),
            _ => Err(format!("[{inside}] is no IPv6 address")),
        };
    }
    name(place)
}

/// A user's name in an address; a colon means that somebody put the password there.
pub(super) fn user(given: &str) -> Result<String, String> {
    if given.contains(':') {
        return Err(
            "a password does not belong in an address; put it in a file and name it in password_file"
                .to_owned(),
        );
    }
    if given.is_empty()
        || given.len() > 64
        || given.chars().any(|c| c.is_whitespace() || "/?#&@=".contains(c))
    {
        return Err("the user name must be 1 to 64 characters without blanks and / ? # & @ =".to_owned());
    }
    Ok(given.to_owned())
}

/// A decimal number within bounds.
pub(super) fn number<N>(given: &str, low: N, high: N, what: &str) -> Result<N, String>
where
    N: Copy + FromStr + PartialOrd + fmt::Display,
{
    let plain = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit());
    match given.parse::<N>() {
        Ok(value) if plain && value >= low && value <= high => Ok(value),
        _ => Err(format!("{what} is \"{given}\" and must be {low} to {high}")),
    }
}

/// An absolute path of a device file.
pub(super) fn device(given: &str) -> Result<String, String> {
    if !given.starts_with('/') || given.len() > 255 || given.contains(['?', '#']) {
        return Err(format!(
            "\"{given}\" is no path of a device file, e.g. /dev/ttyUSB0"
        ));
    }
    Ok(given.to_owned())
}

/// `/dev/…?key=value&…` of a serial port, with the settings that `keys` allows besides `baud`.
pub(super) struct SerialText {
    pub(super) port: SerialPort,
    pub(super) settings: BTreeMap<String, String>,
}

impl SerialText {
    /// Parses the part after the scheme.
    pub(super) fn parse(rest: &str, default_baud: u32, keys: &[&str]) -> Result<Self, String> {
        let (path, query) = rest
            .split_once('?')
            .map_or((rest, None), |(path, query)| (path, Some(query)));
        let device = device(path)?;
        let mut settings = BTreeMap::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("\"{pair}\" is not key=value"))?;
            if key != "baud" && !keys.contains(&key) {
                let known: Vec<&str> = std::iter::once("baud").chain(keys.iter().copied()).collect();
                return Err(format!("unknown setting \"{key}\"; known: {}", known.join(", ")));
            }
            if settings.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(format!("\"{key}\" is given twice"));
            }
        }
        let baud = match settings.remove("baud") {
            None => default_baud,
            Some(given) => given
                .parse()
                .ok()
                .filter(|baud| BAUDS.contains(baud))
                .ok_or_else(|| format!("baud is \"{given}\" and must be one of {BAUDS:?}"))?,
        };
        Ok(Self {
            port: SerialPort { device, baud },
            settings,
        })
    }

    /// A numbered setting, e.g. the camera's id.
    pub(super) fn number(&self, key: &str, low: u8, high: u8, default: u8) -> Result<u8, String> {
        self.settings
            .get(key)
            .map_or(Ok(default), |given| number(given, low, high, key))
    }
}

/// The text without what stands between `user:` and `@`, so that an error never repeats a password.
pub(super) fn without_password(given: &str) -> String {
    let Some((before, place)) = given.rsplit_once('@') else {
        return given.to_owned();
    };
    let start = before.find("//").map_or(0, |at| at + 2);
    let (scheme, user) = before.split_at(start);
    match user.split_once(':') {
        Some((name, _)) => format!("{scheme}{name}:***@{place}"),
        None => given.to_owned(),
    }
}

/// A host's name or IPv4 address.
fn name(given: &str) -> Result<String, String> {
    let fits = !given.is_empty()
        && given.len() <= 253
        && !given.starts_with(['-', '.'])
        && given
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if fits {
        Ok(given.to_ascii_lowercase())
    } else {
        Err(format!(
            "\"{given}\" is no host (a name or an address; IPv6 in brackets)"
        ))
    }
}
