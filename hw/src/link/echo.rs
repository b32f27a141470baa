//! ICMP echo over the kernel's ping sockets, which need no privilege where `net.ipv4.ping_group_range` allows it.
//!
//! The kernel keeps identifiers and, both ways, the checksum; what is written and read here is the eight bytes
//! of header (RFC 792, RFC 4443 §4) and a payload of our own, by which an answer is known again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use tokio::net::UdpSocket;

use super::Edge;
use super::knock::milliseconds;

/// How many questions are asked.
const ROUNDS: u16 = 5;

/// How long each is waited for: a router that is in the same building answers in a hundredth of it.
const EACH: Duration = Duration::from_millis(300);

/// Bytes of an echo's header.
const HEADER: usize = 8;

/// What stands behind the header, and comes back.
const PAYLOAD: &[u8] = b"bridgepoint line test";

/// Asks a host for echoes. Gives the round trips that came, milliseconds; none when it does not answer.
///
/// # Errors
/// When this process may not ask: no ping sockets for its groups, or none in this kernel.
pub(crate) async fn echoes(peer: IpAddr, edge: &Edge) -> io::Result<Vec<f64>> {
    let socket = open(peer)?;
    Ok(ask(&socket, SocketAddr::new(peer, 0), EACH, edge).await)
}

fn open(peer: IpAddr) -> io::Result<UdpSocket> {
    let (family, protocol) = match peer {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(protocol))?;
    // A ping socket is a datagram socket: the standard library's one drives it.
    UdpSocket::from_std(socket.into())
}

/// Asks over a socket, and waits for each answer at most `each`; a host that cannot be sent to does not answer.
async fn ask(socket: &UdpSocket, peer: SocketAddr, each: Duration, edge: &Edge) -> Vec<f64> {
    let six = peer.is_ipv6();
    let mut came = Vec::new();
    if socket.connect(peer).await.is_err() {
        return came;
    }
    for sequence in 1..=ROUNDS {
        let began = (edge.clock)();
        let left = edge.remaining().min(each);
        if left.is_zero() || edge.cancelled() {
            break;
        }
        if socket.send(&request(sequence, six)).await.is_err() {
            continue;
        }
        if let Ok(true) = tokio::time::timeout(left, answered(socket, sequence, six)).await {
            came.push(milliseconds((edge.clock)().saturating_duration_since(began)));
        }
    }
    came
}

/// Waits for the answer to one question; false when the network says that there will be none.
async fn answered(socket: &UdpSocket, sequence: u16, six: bool) -> bool {
    let mut buffer = [0; 256];
    while let Ok(count) = socket.recv(&mut buffer).await {
        if is_answer(buffer.get(..count).unwrap_or_default(), sequence, six) {
            return true;
        }
    }
    false
}

/// An echo request. Identifier and checksum are the kernel's to fill in.
fn request(sequence: u16, six: bool) -> Vec<u8> {
    let kind = if six { 128 } else { 8 };
    let [high, low] = sequence.to_be_bytes();
    let mut packet = vec![kind, 0, 0, 0, 0, 0, high, low];
    packet.extend_from_slice(PAYLOAD);
    packet
}

/// Whether a datagram is the answer to question `sequence`.
fn is_answer(datagram: &[u8], sequence: u16, six: bool) -> bool {
    let kind = if six { 129 } else { 0 };
    let Some((header, payload)) = datagram.split_at_checked(HEADER) else {
        return false;
    };
    header.first_chunk() == Some(&[kind, 0])
        && header.last_chunk() == Some(&sequence.to_be_bytes())
        && payload == PAYLOAD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::edge;
    use super::*;

    const PLENTY: Duration = Duration::from_secs(30);
    const MOMENT: Duration = Duration::from_millis(20);

    /// A datagram socket that answers as a host answers echoes, or does something else with them.
    async fn host(answers: impl Fn(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 256];
            while let Ok((count, from)) = socket.recv_from(&mut buffer).await {
                for answer in answers(buffer[..count].to_vec()) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        at
    }

    /// How many answers are waited for as long as it takes, or only for a moment.
    async fn asked(peer: SocketAddr, each: Duration) -> usize {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (edge, _stop) = edge(Duration::from_secs(30), 0);
        ask(&socket, peer, each, &edge).await.len()
    }

    #[tokio::test]
    async fn answers_are_counted_and_other_datagrams_are_not() {
        let echo = |mut packet: Vec<u8>| {
            packet[0] = 0;
            packet
        };
        let of_another = move |mut packet: Vec<u8>| {
            packet[7] ^= 0x80;
            echo(packet)
        };
        // Its own question come back and an answer to another one do not keep the right one from being heard.
        let at = host(move |packet| vec![packet.clone(), of_another(packet.clone()), echo(packet)]).await;
        assert_eq!(asked(at, PLENTY).await, usize::from(ROUNDS));
        // Alone they are no answers, however long they are waited for.
        let at = host(move |packet| vec![packet.clone(), of_another(packet)]).await;
        assert_eq!(asked(at, MOMENT).await, 0);
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let gone = UdpSocket::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        assert_eq!(asked(gone, MOMENT).await, 0);
    }

    /// Where this machine allows ping sockets it answers itself; where it does not, that is told as an error.
    #[tokio::test]
    async fn this_machine_answers_itself_or_says_that_it_may_not_be_asked() {
        let (edge, _stop) = edge(Duration::from_secs(30), 0);
        match echoes(IpAddr::from([127, 0, 0, 1]), &edge).await {
            Ok(came) => assert!(!came.is_empty()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}"),
        }
    }

    #[test]
    fn the_request_is_an_echo_request() {
        assert_eq!(request(0x0102, false)[..8], [8, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(request(1, true)[..2], [128, 0]);
        let mut answer = request(7, true);
        answer[0] = 129;
        assert!(is_answer(&answer, 7, true) && !is_answer(&answer, 7, false) && !is_answer(&answer, 8, true));
    }

    proptest! {
        #[test]
        fn any_datagram_is_an_answer_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64), sequence in any::<u16>()) {
            prop_assert!(!is_answer(&bytes, sequence, false) || bytes.ends_with(PAYLOAD));
        }
    }
}
