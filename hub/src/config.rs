//! The hub's configuration: a TOML file as written → valid [`Settings`] (contract, "Hub configuration").
//!
//! Parsed once, at the border. A wrong key or value is named with file and line and, for a key, with the
//! nearest one that is known. Everything but `[hub] orgs` has a default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::text::Lang;
use bridgepoint_protocol::written::{self, WrittenError};
use serde::Deserialize;
use toml::Spanned;

use crate::bucket::BURST;
use crate::say::{Trouble, both};

mod address;

pub use address::RemoteBroker;

/// Where the configuration is looked for when nothing else is said.
pub const DEFAULT_FILE: &str = "/etc/bridgepoint/hub.toml";

/// Where the state is kept when nothing else is said.
pub const DEFAULT_STATE: &str = "/var/lib/bridgepoint-hub";

/// Where rooms connect when the broker is the hub's own and nothing else is said: this machine only.
const DEFAULT_LISTEN_PLAIN: &str = "127.0.0.1:1883";

/// The same with certificates.
const DEFAULT_LISTEN_TLS: &str = "0.0.0.0:8883";

/// Where the page is.
const DEFAULT_PAGE: &str = "127.0.0.1:8090";

/// Where the line test's other end listens.
const DEFAULT_REFLECTOR: &str = "0.0.0.0:9511";

/// What all line tests together may take, kbit/s.
const DEFAULT_BUDGET_KBPS: u32 = 100_000;

/// What `burst` may be: at least the window of one box, and not more than a hub takes in a minute.
const BURSTS: std::ops::RangeInclusive<u32> = 16..=100_000;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The organisations whose rooms report here.
    pub orgs: Vec<Name>,
    /// Language of the command line and the page.
    pub lang: Lang,
    /// Messages of one room that are taken at once, before it is one a second.
    pub burst: u32,
    /// The broker.
    pub broker: Broker,
    /// The database file; `None` is `hub.db` in the state directory.
    pub store: Option<PathBuf>,
    /// Where the page is served; always loopback.
    pub page: SocketAddr,
    /// The line test's other end; `None` when the file has no `[reflector]`.
    pub reflector: Option<Reflector>,
}

/// The line test's other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflector {
    /// Where it listens. Port 0 is any free one.
    pub listen: SocketAddr,
    /// `host:port` that the rooms are told; `None` when nothing says how they reach it.
    pub advertise: Option<String>,
    /// What all tests together may take, kbit/s at the IP layer, each way.
    pub budget_kbps: u32,
}

/// The broker between the rooms and the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// A mosquitto that the hub starts, configures and watches.
    Own {
        /// Where rooms connect. Port 0 is any free one.
        listen: SocketAddr,
        /// Certificates; `None` only on loopback.
        tls: Option<Certificates>,
    },
    /// Somebody else's.
    Remote {
        /// Where it is.
        at: RemoteBroker,
        /// Certificates; `None` only for plain MQTT on loopback.
        tls: Option<Certificates>,
    },
}

/// PEM files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Who signs the certificates of the other side.
    pub ca: PathBuf,
    /// Our certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Default for Reflector {
    /// As a `[reflector]` without a key.
    fn default() -> Self {
        Self {
            listen: socket(DEFAULT_REFLECTOR),
            advertise: None,
            budget_kbps: DEFAULT_BUDGET_KBPS,
        }
    }
}

/// Reads and checks a file.
///
/// # Errors
/// [`Trouble`] with exit code 78 that names file, line and key.
pub fn read(file: &Path) -> Result<Settings, Trouble> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| {
        Trouble::config(both(
            format!("Không đọc được tệp cấu hình {shown}: {e}. Tạo tệp (tối thiểu: [hub] và orgs = [\"ten-tinh\"]) hoặc chỉ tệp khác bằng --config."),
            format!("The configuration {shown} cannot be read: {e}. Create it (at least: [hub] and orgs = [\"your-province\"]) or name another file with --config."),
        ))
    })?;
    parse(file, &text)
}

/// As [`read`], but a file that is not there is `None`: for commands that only need the state directory.
///
/// # Errors
/// As [`read`].
pub fn read_if_there(file: &Path) -> Result<Option<Settings>, Trouble> {
    match std::fs::metadata(file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => read(file).map(Some),
    }
}

/// Checks a file's text. `file` is its name in messages, and its directory is where relative paths begin.
///
/// # Errors
/// As [`read`].
pub fn parse(file: &Path, text: &str) -> Result<Settings, Trouble> {
    let name = file.display().to_string();
    settings(&Sheet {
        file,
        name: &name,
        text,
    })
    .map_err(|e| {
        Trouble::config(both(
            format!("Sai cấu hình: {e}."),
            format!("Wrong configuration: {e}."),
        ))
    })
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hub: WrittenHub,
    broker: Option<Spanned<WrittenBroker>>,
    #[serde(default)]
    store: WrittenStore,
    #[serde(default)]
    page: WrittenPage,
    reflector: Option<WrittenReflector>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHub {
    orgs: Spanned<Vec<Spanned<String>>>,
    language: Option<Spanned<String>>,
    burst: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBroker {
    address: Option<Spanned<String>>,
    listen: Option<Spanned<String>>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStore {
    url: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPage {
    listen: Option<Spanned<String>>,
    users_file: Option<Spanned<PathBuf>>,
    tls_cert_file: Option<Spanned<PathBuf>>,
    tls_key_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenReflector {
    listen: Option<Spanned<String>>,
    advertise: Option<Spanned<String>>,
    budget_kbps: Option<Spanned<u32>>,
}

/// The text, for messages about places in it.
struct Sheet<'a> {
    file: &'a Path,
    name: &'a str,
    text: &'a str,
}

impl Sheet<'_> {
    fn wrong<T>(&self, at: &Spanned<T>, what: impl Into<String>) -> WrittenError {
        WrittenError::at(self.name, self.text, at.span().start, what)
    }

    /// Relative paths begin at the file's directory.
    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

fn settings(sheet: &Sheet<'_>) -> Result<Settings, WrittenError> {
    let written: Written = written::read(sheet.name, sheet.text)?;
    let lang = match &written.hub.language {
        None => Lang::Vi,
        Some(word) => word
            .get_ref()
            .parse()
            .map_err(|e| sheet.wrong(word, format!("language: {e}")))?,
    };
    let store = written
        .store
        .url
        .as_ref()
        .map(|url| address::sqlite_file(sheet, url))
        .transpose()?;
    Ok(Settings {
        orgs: orgs(sheet, &written.hub.orgs)?,
        lang,
        burst: burst(sheet, written.hub.burst.as_ref())?,
        broker: broker(sheet, written.broker.as_ref())?,
        store,
        page: page(sheet, &written.page)?,
        reflector: written
            .reflector
            .as_ref()
            .map(|written| reflector(sheet, written))
            .transpose()?,
    })
}

fn burst(sheet: &Sheet<'_>, given: Option<&Spanned<u32>>) -> Result<u32, WrittenError> {
    let Some(given) = given else {
        return Ok(u32::try_from(BURST).unwrap_or(u32::MAX));
    };
    let burst = *given.get_ref();
    if BURSTS.contains(&burst) {
        return Ok(burst);
    }
    let (least, most) = (BURSTS.start(), BURSTS.end());
    Err(sheet.wrong(
        given,
        format!("burst = {burst} is not possible; it lies between {least} and {most}"),
    ))
}

fn orgs(sheet: &Sheet<'_>, given: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<Name>, WrittenError> {
    let mut orgs = Vec::new();
    for word in given.get_ref() {
        let name = Name::new(word.get_ref()).map_err(|e| sheet.wrong(word, e.to_string()))?;
        if orgs.contains(&name) {
            return Err(sheet.wrong(word, format!("orgs names \"{name}\" twice")));
        }
        orgs.push(name);
    }
    if orgs.is_empty() {
        return Err(sheet.wrong(given, "orgs is empty; write for example orgs = [\"quang-ninh\"]"));
    }
    Ok(orgs)
}

fn broker(sheet: &Sheet<'_>, written: Option<&Spanned<WrittenBroker>>) -> Result<Broker, WrittenError> {
    let Some(section) = written else {
        return Ok(Broker::Own {
            listen: socket(DEFAULT_LISTEN_PLAIN),
            tls: None,
        });
    };
    let written = section.get_ref();
    let tls = match (&written.ca_file, &written.cert_file, &written.key_file) {
        (None, None, None) => None,
        (Some(ca), Some(cert), Some(key)) => Some(Certificates {
            ca: sheet.path(ca),
            cert: sheet.path(cert),
            key: sheet.path(key),
        }),
        _ => return Err(sheet.wrong(section, "TLS needs all three: ca_file, cert_file, key_file")),
    };
    if let Some(address) = written.address.as_ref().filter(|a| a.get_ref() != "own") {
        if let Some(listen) = &written.listen {
            return Err(sheet.wrong(listen, "listen belongs to address = \"own\" only; remove it"));
        }
        let at = address::remote_broker(sheet, address)?;
        if at.tls != tls.is_some() {
            return Err(sheet.wrong(
                address,
                "mqtts:// needs ca_file, cert_file and key_file; mqtt:// has none",
            ));
        }
        return Ok(Broker::Remote { at, tls });
    }
    let Some(word) = &written.listen else {
        let listen = socket(if tls.is_some() {
            DEFAULT_LISTEN_TLS
        } else {
            DEFAULT_LISTEN_PLAIN
        });
        return Ok(Broker::Own { listen, tls });
    };
    let listen = address::socket(sheet, word)?;
    if tls.is_none() && !listen.ip().is_loopback() {
        return Err(sheet.wrong(
            word,
            "beyond this machine TLS is required: add ca_file, cert_file and key_file, or listen on 127.0.0.1",
        ));
    }
    Ok(Broker::Own { listen, tls })
}

fn page(sheet: &Sheet<'_>, written: &WrittenPage) -> Result<SocketAddr, WrittenError> {
    let not_yet = [&written.users_file, &written.tls_cert_file, &written.tls_key_file];
    if let Some(file) = not_yet.into_iter().flatten().next() {
        return Err(sheet.wrong(
            file,
            "this version of the page has no TLS and no login yet; remove this key",
        ));
    }
    let Some(word) = &written.listen else {
        return Ok(socket(DEFAULT_PAGE));
    };
    let listen = address::socket(sheet, word)?;
    if !listen.ip().is_loopback() {
        return Err(sheet.wrong(
            word,
            "the page is served on this machine only: this version has no TLS and no login yet. Use 127.0.0.1 with an \
             SSH tunnel, or a proxy that has both",
        ));
    }
    Ok(listen)
}

fn reflector(sheet: &Sheet<'_>, written: &WrittenReflector) -> Result<Reflector, WrittenError> {
    let listen = match &written.listen {
        None => Reflector::default().listen,
        Some(word) => address::socket(sheet, word)?,
    };
    // An address that stands for all of them, or a port that is not known yet, tells a room nothing.
    let advertise = match &written.advertise {
        Some(word) => {
            address::host_port(sheet, word)?;
            Some(word.get_ref().clone())
        }
        None => (!listen.ip().is_unspecified() && listen.port() != 0).then(|| listen.to_string()),
    };
    let budget_kbps = match &written.budget_kbps {
        Some(budget) if *budget.get_ref() == 0 => {
            return Err(sheet.wrong(budget, "budget_kbps must be more than 0"));
        }
        Some(budget) => *budget.get_ref(),
        None => Reflector::default().budget_kbps,
    };
    Ok(Reflector {
        listen,
        advertise,
        budget_kbps,
    })
}

/// One of the defaults above.
fn socket(text: &str) -> SocketAddr {
    text.parse()
        .unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
}

#[cfg(test)]
mod tests;
