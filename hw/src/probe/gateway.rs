//! Whether the room's router is there. It is asked in up to three ways, because many routers do not answer one or
//! two of them: an echo request, a knock at a port that nothing listens on, and the table of the local network.
//!
//! Nothing is sent but echo requests and connection attempts without a byte.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::ProbeError;
use crate::address::{Endpoint, Host};
use crate::link::{self, Edge};
use crate::reading::{Answer, AnsweredBy, GatewayReading, Knock};

/// The port of the discard protocol: hardly any router listens there, so that it is the router who refuses.
const CLOSED_PORT: u16 = 9;

/// How many knocks make a round trip's median.
const KNOCKS: usize = 3;

/// How long one knock is waited for.
const EACH: Duration = Duration::from_secs(1);

/// How long the kernel takes at most to find out that a neighbour is gone: it believes an old entry for 5 s, then
/// asks three times, a second apart. An entry that holds after this was confirmed by the neighbour itself.
const BELIEVED: Duration = Duration::from_secs(10);

/// The kernel's mark of an entry with an address (`ATF_COM`).
const COMPLETE: u32 = 0x2;

/// More of the neighbour table than any room's network fills.
const TABLE_CAP: u64 = 1 << 20;

/// Asks whether the router answers, and how.
///
/// `proc` is where the kernel's tables are, `/proc`.
///
/// # Errors
/// [`ProbeError::NoAnswer`] when it answers in no way, or when there is no way to it; as [`link::addresses`] when its
/// name is not looked up; [`ProbeError::Cancelled`] when stopped.
pub async fn gateway(host: &Host, proc: &Path, edge: &Edge) -> Answer<GatewayReading> {
    let found = link::addresses(host.name(), CLOSED_PORT, edge).await?;
    let address = found.first().ok_or(ProbeError::NoName)?.ip();
    match link::echoes(address, edge).await {
        Ok(came) if !came.is_empty() => {
            return Ok(GatewayReading {
                by: AnsweredBy::Echo,
                rtt_ms: median(came),
            });
        }
        Ok(_) => tracing::debug!(%address, "the router answers no echo request"),
        Err(error) => tracing::debug!(%error, "no echo requests from this process"),
    }
    knocked(SocketAddr::new(address, CLOSED_PORT), proc, edge).await
}

/// Knocks, and while nothing comes back keeps looking at whether the network still knows it.
async fn knocked(at: SocketAddr, proc: &Path, edge: &Edge) -> Answer<GatewayReading> {
    let began = (edge.clock)();
    let elapsed = || (edge.clock)().saturating_duration_since(began);
    let no_answer = || ProbeError::NoAnswer {
        waited_ms: elapsed().as_millis().try_into().unwrap_or(u64::MAX),
    };
    // An address with a port reads as an endpoint in any form.
    let endpoint = Endpoint::parse(&at.to_string(), CLOSED_PORT).map_err(|_| ProbeError::Garbled)?;
    let mut took = Vec::new();
    let mut by = AnsweredBy::Refusal;
    while took.len() < KNOCKS {
        let round = Edge {
            deadline: edge.deadline.min((edge.clock)() + EACH),
            ..edge.clone()
        };
        match link::knock(&endpoint, &round).await {
            Ok(knock) => {
                if knock.answer == Knock::Accepted {
                    by = AnsweredBy::Connection;
                }
                took.push(knock.took_ms);
            }
            Err(ProbeError::Cancelled) => return Err(ProbeError::Cancelled),
            Err(_) if !took.is_empty() => break,
            Err(_) => {
                if !known_neighbour(&read_table(proc), at.ip()) || edge.remaining().is_zero() {
                    return Err(no_answer());
                }
                if elapsed() >= BELIEVED {
                    return Ok(GatewayReading {
                        by: AnsweredBy::Neighbour,
                        rtt_ms: None,
                    });
                }
                // A knock that fails at once must not make this a busy loop.
                tokio::time::sleep(round.remaining()).await;
            }
        }
    }
    Ok(GatewayReading {
        by,
        rtt_ms: median(took),
    })
}

fn read_table(proc: &Path) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    // A table that cannot be read knows nobody.
    if let Ok(file) = std::fs::File::open(proc.join("net/arp")) {
        let _as_far_as_it_goes = file.take(TABLE_CAP).read_to_string(&mut text);
    }
    text
}

/// Whether the kernel's neighbour table (`/proc/net/arp`) has a hardware address for `peer`.
fn known_neighbour(table: &str, peer: IpAddr) -> bool {
    let IpAddr::V4(peer) = peer.to_canonical() else {
        // The table is IPv4's; the other one is not a file.
        return false;
    };
    table.lines().skip(1).any(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse::<Ipv4Addr>().ok());
        let flags = words.nth(1).and_then(|word| word.strip_prefix("0x"));
        let flags = flags.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        address == Some(peer) && flags.is_some_and(|flags| flags & COMPLETE != 0)
    })
}

/// The middle one; of two the smaller.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::link::testing::edge;

    const PLENTY: Duration = Duration::from_secs(60);

    const TABLE: &str = "\
IP address       HW type     Flags       HW address            Mask     Device
10.0.0.1         0x1         0x2         02:fc:00:00:00:05     *        eth0
10.0.0.7         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.9         0x1         0x6         02:fc:00:00:00:09     *        eth0
";

    fn host(name: &str) -> Host {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn this_machine_answers_one_way_or_another() {
        let (edge, _stop) = edge(PLENTY, 0);
        let reading = gateway(&host("127.0.0.1"), Path::new("/proc"), &edge)
            .await
            .unwrap();
        assert!(
            matches!(reading.by, AnsweredBy::Echo | AnsweredBy::Refusal),
            "{reading:?}"
        );
        assert!(
            reading.rtt_ms.is_some_and(|ms| (0.0..1000.0).contains(&ms)),
            "{reading:?}"
        );
    }

    #[tokio::test]
    async fn a_refusal_and_a_connection_are_both_answers() {
        let (edge, _stop) = edge(PLENTY, 0);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let nowhere = Path::new("/nowhere");
        assert_eq!(
            knocked(at, nowhere, &edge).await.unwrap().by,
            AnsweredBy::Connection
        );
        drop(listener);
        let refused = knocked(at, nowhere, &edge).await.unwrap();
        assert_eq!(refused.by, AnsweredBy::Refusal);
        assert!(refused.rtt_ms.is_some());
    }

    /// No host can have the broadcast address: there is nothing to wait for.
    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let (edge, _stop) = edge(PLENTY, 0);
        let dir = tempfile::tempdir().unwrap();
        let gone = gateway(&host("255.255.255.255"), dir.path(), &edge).await;
        assert!(matches!(gone, Err(ProbeError::NoAnswer { .. })), "{gone:?}");
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_says_nothing_about_the_router() {
        let (edge, _stop) = edge(Duration::from_secs(5), 0);
        let gone = gateway(&host("router.invalid"), Path::new("/proc"), &edge).await;
        // A name server that is silent itself takes all the time.
        assert!(
            matches!(gone, Err(ProbeError::NoName | ProbeError::TimedOut { .. })),
            "{gone:?}"
        );
    }

    /// A router that filters everything, on a network that has just heard of it.
    #[tokio::test(start_paused = true)]
    async fn a_silent_router_is_believed_once_the_network_has_confirmed_it() {
        let (edge, _stop) = link::testing::paused_edge(PLENTY, 0);
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("net")).unwrap();
        let write = |flags: &str| {
            let row = format!("255.255.255.255 0x1 {flags} 02:fc:00:00:00:05 * eth0\n");
            std::fs::write(dir.path().join("net/arp"), format!("IP address\n{row}")).unwrap();
        };
        let at = SocketAddr::from((Ipv4Addr::BROADCAST, CLOSED_PORT));
        write("0x2");
        let began = (edge.clock)();
        let reading = knocked(at, dir.path(), &edge).await.unwrap();
        assert_eq!((reading.by, reading.rtt_ms), (AnsweredBy::Neighbour, None));
        assert!((edge.clock)() - began >= BELIEVED, "an old entry proves nothing");
        write("0x0");
        assert!(matches!(
            knocked(at, dir.path(), &edge).await,
            Err(ProbeError::NoAnswer { .. })
        ));
    }

    #[test]
    fn the_table_knows_whom_it_has_an_address_for() {
        let knows = |peer: &str| known_neighbour(TABLE, peer.parse().unwrap());
        assert!(knows("10.0.0.1") && knows("10.0.0.9") && knows("::ffff:10.0.0.1"));
        assert!(!knows("10.0.0.7") && !knows("10.0.0.2") && !knows("fe80::1"));
    }

    #[test]
    fn the_median_is_one_of_the_figures() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![5.0, 1.0]), Some(1.0));
        assert_eq!(median(vec![90.0, 1.0, 2.0]), Some(2.0));
    }

    proptest! {
        #[test]
        fn any_table_is_read(text in ".{0,400}", a in any::<[u8; 4]>()) {
            let _ = known_neighbour(&text, IpAddr::from(a));
        }
    }
}
