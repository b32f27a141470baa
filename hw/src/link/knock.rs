//! A knock: a TCP connection that is closed as soon as it stands, and carries no byte.
//!
//! Taken, refused and silent are three different things: a refusal comes from a host that is alive.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use super::Edge;
use super::open::{addresses, within};
use crate::address::Endpoint;
use crate::reading::{Answer, Knock, KnockReading};

/// Knocks at a port.
///
/// # Errors
/// [`crate::reading::ProbeError::NoAnswer`] when nothing came back until the deadline, or when there is no way
/// there; as [`addresses`] when the name is not looked up; [`crate::reading::ProbeError::Cancelled`] when stopped.
pub async fn knock(endpoint: &Endpoint, edge: &Edge) -> Answer<KnockReading> {
    let found = addresses(endpoint.host(), endpoint.port(), edge).await?;
    within(edge, async {
        let mut silent = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in found {
            let began = (edge.clock)();
            let answer = match TcpStream::connect(address).await {
                Ok(stream) => {
                    drop(stream);
                    Knock::Accepted
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Knock::Refused,
                Err(error) => {
                    silent = error;
                    continue;
                }
            };
            return Ok(KnockReading {
                answer,
                took_ms: milliseconds((edge.clock)().saturating_duration_since(began)),
            });
        }
        Err(silent)
    })
    .await
}

/// A length of time in milliseconds, with its fractions.
pub(crate) fn milliseconds(length: Duration) -> f64 {
    length.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::testing::edge;
    use super::*;
    use crate::reading::ProbeError;

    const PLENTY: Duration = Duration::from_secs(30);

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::parse(host, port).unwrap()
    }

    #[tokio::test]
    async fn an_open_port_is_told_from_a_closed_one_and_hears_nothing() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (edge, _stop) = edge(PLENTY, 0);
        let open = knock(&at("127.0.0.1", port), &edge).await.unwrap();
        assert_eq!(open.answer, Knock::Accepted);
        assert!(open.took_ms >= 0.0);
        let mut heard = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut heard).unwrap();
        assert!(heard.is_empty(), "{heard:?}");
        drop(listener);
        let closed = knock(&at("127.0.0.1", port), &edge).await.unwrap();
        assert_eq!(closed.answer, Knock::Refused);
    }

    /// No host can have the broadcast address: the kernel itself says that there is no way to it.
    #[tokio::test]
    async fn no_way_there_is_no_answer() {
        let (edge, _stop) = edge(PLENTY, 0);
        assert!(matches!(
            knock(&at("255.255.255.255", 1720), &edge).await,
            Err(ProbeError::NoAnswer { .. })
        ));
    }

    #[tokio::test]
    async fn stopped_before_it_began() {
        let (edge, stop) = edge(PLENTY, 0);
        stop.send(true).unwrap();
        assert_eq!(
            knock(&at("127.0.0.1", 1), &edge).await,
            Err(ProbeError::Cancelled)
        );
    }
}
