//! Addresses in the configuration: sockets, brokers, databases.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use bridgepoint_protocol::written::WrittenError;
use toml::Spanned;

use super::Sheet;

/// A broker that the hub does not run itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteBroker {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `mqtts://`.
    pub tls: bool,
}

/// `ip:port`.
pub(super) fn socket(sheet: &Sheet<'_>, word: &Spanned<String>) -> Result<SocketAddr, WrittenError> {
    let wrong = |_| {
        sheet.wrong(
            word,
            format!(
                "\"{:.80}\" is no IP address and port, such as 127.0.0.1:8090",
                word.get_ref()
            ),
        )
    };
    word.get_ref().parse().map_err(wrong)
}

/// `host:port`, where the host may be a name.
pub(super) fn host_port(sheet: &Sheet<'_>, word: &Spanned<String>) -> Result<(String, u16), WrittenError> {
    let wrong = || {
        sheet.wrong(
            word,
            format!(
                "\"{:.80}\" is no host and port, such as 10.1.0.2:9511",
                word.get_ref()
            ),
        )
    };
    split_host_port(word.get_ref(), None).ok_or_else(wrong)
}

/// `mqtts://host[:port]`, or `mqtt://` to this machine.
pub(super) fn remote_broker(sheet: &Sheet<'_>, word: &Spanned<String>) -> Result<RemoteBroker, WrittenError> {
    let wrong = || {
        sheet.wrong(
            word,
            format!(
                "\"{:.80}\" is neither \"own\" nor mqtts://host:port",
                word.get_ref()
            ),
        )
    };
    let (scheme, rest) = word.get_ref().split_once("://").ok_or_else(wrong)?;
    let tls = match scheme {
        "mqtts" => true,
        "mqtt" => false,
        _ => return Err(wrong()),
    };
    let (host, port) = split_host_port(rest, Some(if tls { 8883 } else { 1883 })).ok_or_else(wrong)?;
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !tls && !here {
        return Err(sheet.wrong(
            word,
            "mqtt:// is not encrypted and allowed to this machine only; use mqtts://",
        ));
    }
    Ok(RemoteBroker { host, port, tls })
}

/// `sqlite:PATH`.
pub(super) fn sqlite_file(sheet: &Sheet<'_>, word: &Spanned<String>) -> Result<PathBuf, WrittenError> {
    match word.get_ref().split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => Ok(sheet.path(path)),
        Some(("postgres" | "postgresql", _)) => Err(sheet.wrong(
            word,
            "this version keeps its data in SQLite only; write sqlite:/path/to/hub.db",
        )),
        _ => Err(sheet.wrong(
            word,
            format!("\"{:.80}\" is no sqlite:/path/to/hub.db", word.get_ref()),
        )),
    }
}

fn split_host_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest)
        }
        None => match text.find(':') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if port.is_empty() => default?,
        None => return None,
    };
    let host_like = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    (!host.is_empty() && host.len() <= 253 && host.chars().all(host_like)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::split_host_port;
    use proptest::prelude::*;

    #[test]
    fn hosts_and_ports() {
        assert_eq!(
            split_host_port("10.1.0.2:9511", None),
            Some(("10.1.0.2".into(), 9511))
        );
        assert_eq!(
            split_host_port("hub.example", Some(8883)),
            Some(("hub.example".into(), 8883))
        );
        assert_eq!(split_host_port("[::1]:1883", None), Some(("::1".into(), 1883)));
        for bad in [
            "",
            ":1",
            "host",
            "host:0",
            "host:70000",
            "ho st:1",
            "[::1",
            "[x]:1",
            "host/1:2",
            "::1:5:6",
        ] {
            assert_eq!(split_host_port(bad, None), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_without_panic(text in ".{0,80}") {
            let _ = split_host_port(&text, Some(1));
        }
    }
}
