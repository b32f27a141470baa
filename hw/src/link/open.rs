//! Opens a TCP or UDP link to a device, within the edge's deadline.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket, lookup_host};

use super::{Datagram, Edge, Link};
use crate::address::Endpoint;
use crate::reading::{Answer, ProbeError};

/// The port of VISCA over IP. Some cameras send their replies to it whatever port asked.
const VISCA_PORT: u16 = 52381;

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Connects a TCP stream.
///
/// # Errors
/// [`ProbeError::NoAnswer`] when it is refused, unreachable, unknown by name or silent until the
/// deadline; [`ProbeError::Cancelled`] when stopped.
pub async fn tcp(endpoint: &Endpoint, edge: &Edge) -> Answer<Link> {
    let stream = within(edge, connect(endpoint)).await?;
    // Questions are short and each waits for its answer: do not collect them.
    let _unsupported = stream.set_nodelay(true);
    Ok(Link::stream(Box::new(stream)))
}

/// How long the port takes to accept a connection, which is closed at once and carries nothing.
///
/// # Errors
/// As for [`tcp`].
pub async fn connect_time(endpoint: &Endpoint, edge: &Edge) -> Answer<Duration> {
    let started = (edge.clock)();
    let stream = within(edge, connect(endpoint)).await?;
    let took = (edge.clock)().saturating_duration_since(started);
    drop(stream);
    Ok(took)
}

/// Opens a UDP socket to one device. Replies are taken from the same host, whatever its port.
///
/// # Errors
/// [`ProbeError::NoAnswer`] when the name is unknown or there is no way to the host;
/// [`ProbeError::Cancelled`] when stopped.
pub async fn udp(endpoint: &Endpoint, edge: &Edge) -> Answer<Link> {
    let datagram = within(edge, async {
        let peer = resolve(endpoint)
            .await?
            .into_iter()
            .next()
            .ok_or_else(unknown_name)?;
        let any: IpAddr = if peer.is_ipv6() {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        // The fixed port serves the cameras that reply to it; where it is taken, any port serves the others.
        let socket = match UdpSocket::bind(SocketAddr::new(any, fixed_port(peer))).await {
            Ok(socket) => socket,
            Err(_) => UdpSocket::bind(SocketAddr::new(any, 0)).await?,
        };
        Ok(Datagram { socket, peer })
    })
    .await?;
    Ok(Link::datagram(datagram))
}

/// On this very machine the fixed port belongs to the device, which would then find it taken.
fn fixed_port(peer: SocketAddr) -> u16 {
    if peer.port() == VISCA_PORT && !peer.ip().is_loopback() {
        VISCA_PORT
    } else {
        0
    }
}

async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let mut refused = unknown_name();
    for address in resolve(endpoint).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = endpoint.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, endpoint.port())]);
    }
    Ok(lookup_host((endpoint.host(), endpoint.port()))
        .await?
        .take(ADDRESSES_MAX)
        .collect())
}

/// The first addresses of a host, at least one. A name that nobody can look up says nothing about the host.
///
/// # Errors
/// [`ProbeError::NoName`] when the name has no address, [`ProbeError::TimedOut`] when looking it up took all the time,
/// [`ProbeError::Cancelled`] when stopped.
pub async fn addresses(host: &str, port: u16, edge: &Edge) -> Answer<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    looked_up(edge, async {
        let found = lookup_host((host, port)).await?;
        Ok(found.take(ADDRESSES_MAX).collect())
    })
    .await
}

async fn looked_up(
    edge: &Edge,
    step: impl Future<Output = io::Result<Vec<SocketAddr>>>,
) -> Answer<Vec<SocketAddr>> {
    let mut failed = false;
    let found = within(edge, async {
        let found = step.await;
        failed = found.as_ref().map_or(true, Vec::is_empty);
        found
    })
    .await;
    match found {
        Err(ProbeError::Cancelled) => Err(ProbeError::Cancelled),
        _ if failed => Err(ProbeError::NoName),
        Err(ProbeError::NoAnswer { waited_ms }) => Err(ProbeError::TimedOut { waited_ms }),
        found => found,
    }
}

fn unknown_name() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

/// Runs one step of opening until the deadline, or until somebody says stop.
pub(super) async fn within<T>(edge: &Edge, step: impl Future<Output = io::Result<T>>) -> Answer<T> {
    let started = (edge.clock)();
    let waited = || {
        let waited = (edge.clock)().saturating_duration_since(started);
        ProbeError::NoAnswer {
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        }
    };
    tokio::select! {
        biased;
        () = super::drive::stopped(edge.cancel.clone()) => Err(ProbeError::Cancelled),
        result = step => result.map_err(|error| {
            tracing::debug!(%error, "the device could not be reached");
            waited()
        }),
        () = tokio::time::sleep(edge.remaining()) => Err(waited()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{edge, paused_edge};
    use super::*;
    use crate::address::{DeviceAddress, UpsAddress};

    fn endpoint(port: u16) -> Endpoint {
        match format!("tcp://127.0.0.1:{port}").parse() {
            Ok(DeviceAddress::Tcp(endpoint)) => endpoint,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_no_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (edge, _cancel) = edge(Duration::from_secs(5), 1000);
        assert!(matches!(
            tcp(&endpoint(port), &edge).await,
            Err(ProbeError::NoAnswer { .. })
        ));
        assert!(matches!(
            connect_time(&endpoint(port), &edge).await,
            Err(ProbeError::NoAnswer { .. })
        ));
    }

    #[tokio::test]
    async fn an_open_port_gives_its_connect_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (edge, _cancel) = edge(Duration::from_secs(5), 1000);
        let took = connect_time(&endpoint(listener.local_addr().unwrap().port()), &edge)
            .await
            .unwrap();
        assert!(took < Duration::from_secs(5));
    }

    /// What is not known of a name is not known of the host behind it.
    #[tokio::test(start_paused = true)]
    async fn a_name_without_an_address_is_no_silence() {
        let (edge, cancel) = paused_edge(Duration::from_secs(3), 0);
        assert_eq!(
            addresses("10.1.2.3", 7, &edge).await,
            Ok(vec!["10.1.2.3:7".parse().unwrap()])
        );
        let unknown = async { Err(unknown_name()) };
        assert_eq!(looked_up(&edge, unknown).await, Err(ProbeError::NoName));
        assert_eq!(
            looked_up(&edge, async { Ok(Vec::new()) }).await,
            Err(ProbeError::NoName)
        );
        assert_eq!(
            looked_up(&edge, std::future::pending()).await,
            Err(ProbeError::TimedOut { waited_ms: 3000 })
        );
        cancel.send(true).unwrap();
        assert_eq!(
            looked_up(&edge, std::future::pending()).await,
            Err(ProbeError::Cancelled)
        );
    }

    #[tokio::test]
    async fn stopped_before_it_began() {
        let (edge, cancel) = edge(Duration::from_secs(5), 1000);
        cancel.send(true).unwrap();
        assert!(matches!(
            tcp(&endpoint(9), &edge).await,
            Err(ProbeError::Cancelled)
        ));
        assert!(matches!(
            udp(&endpoint(9), &edge).await,
            Err(ProbeError::Cancelled)
        ));
    }

    /// A deadline that has passed ends the wait at once, even where nothing answers.
    #[tokio::test]
    async fn no_time_left_is_no_answer() {
        let Ok(UpsAddress::Nut { endpoint, .. }) = "nut://192.0.2.1/room".parse() else {
            panic!("address")
        };
        let (edge, _cancel) = edge(Duration::ZERO, 1000);
        assert!(matches!(
            tcp(&endpoint, &edge).await,
            Err(ProbeError::NoAnswer { .. })
        ));
    }
}
