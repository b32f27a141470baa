//! The broker's address: `mqtts://host[:port]`, or `mqtt://` where plain text is allowed.

use std::net::IpAddr;

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    /// Name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// How it is reached.
    pub(crate) transport: Transport,
}

/// How a broker is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS 1.3 with certificates.
    Tls,
    /// Plain text: to this machine, or with the configuration's word for it.
    Plain,
}

impl Broker {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is allowed.
    pub(crate) fn parse(text: &str, allow_plain: bool) -> Result<Self, String> {
        let forms = "the forms are \"mqtts://host:8883\" and, to this machine, \"mqtt://127.0.0.1:1883\"";
        let (transport, rest) = match text.split_once("://") {
            Some(("mqtts", rest)) => (Transport::Tls, rest),
            Some(("mqtt", rest)) => (Transport::Plain, rest),
            _ => return Err(format!("\"{text}\" is no broker address; {forms}")),
        };
        let rest = rest.trim_end_matches('/');
        let bracket = rest.strip_prefix('[').and_then(|r| r.split_once(']'));
        let (host, port) = match bracket {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => rest
                .rsplit_once(':')
                .map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let default = if transport == Transport::Tls { 8883 } else { 1883 };
        let port = match port {
            None => default,
            Some(port) => port
                .parse()
                .ok()
                .filter(|p| *p != 0)
                .ok_or_else(|| format!("\"{port}\" is no port of a broker; {forms}"))?,
        };
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(format!("\"{text}\" names no host; {forms}"));
        }
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if transport == Transport::Plain && !loopback && !allow_plain {
            return Err(format!(
                "\"{text}\" would send everything in plain text over the network; use mqtts://, or write allow_plain = true"
            ));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            transport,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_and_what_is_refused() {
        let parse = |text| Broker::parse(text, false);
        assert_eq!(parse("mqtts://10.1.0.2").unwrap().port, 8883);
        assert_eq!(parse("mqtt://127.0.0.1:11883/").unwrap().port, 11883);
        assert_eq!(
            parse("mqtt://[::1]:5").unwrap(),
            Broker {
                host: "::1".into(),
                port: 5,
                transport: Transport::Plain
            }
        );
        assert!(parse("mqtt://10.1.0.2").unwrap_err().contains("allow_plain"));
        assert!(Broker::parse("mqtt://10.1.0.2", true).is_ok());
        for bad in [
            "10.1.0.2",
            "http://x",
            "mqtts://",
            "mqtts://h:0",
            "mqtts://h:x",
            "mqtts://u@h",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_without_panic(text in ".{0,80}") {
            let _ = Broker::parse(&text, true);
        }
    }
}
