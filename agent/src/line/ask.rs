//! The agent's part of the line test: knock at router and MCU, and have the media child stream where that makes sense.

use std::path::Path;
use std::time::Duration;

use bridgepoint_hw::address::Endpoint;
use bridgepoint_hw::link::{self, Edge, knock};
use bridgepoint_hw::media::{self, Program};
use bridgepoint_hw::probe;
use bridgepoint_hw::reading::{Answer, GatewayReading, KnockReading, ProbeError};
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::profile::Profile;

use super::order::{LineTest, Outcome};
use crate::config::Line;
use crate::judge::NotMoved;

/// A call's rate where neither the room's configuration, the plan nor the profile names one, kbit/s: 1080p at its least.
const USUAL_KBPS: u32 = 2048;

/// How long the MCU may take to answer a knock: one that is silent must leave the stream its time.
const KNOCKING: Duration = Duration::from_secs(3);

/// How long the router may take. One that answers nothing is believed in only after ten seconds in which the kernel
/// has asked for its address.
const ROUTER: Duration = Duration::from_secs(15);

/// What the province's plan says about the line, for what the room's configuration leaves open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PlannedLine {
    /// The reflector, `host:port`.
    pub(crate) reflector: Option<String>,
    /// What the next meeting needs, kbit/s each way.
    pub(crate) rate_kbps: Option<u32>,
}

/// What was learnt of the line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// The router; `None` when none is configured.
    pub(crate) gateway: Option<Answer<GatewayReading>>,
    /// The MCU's signalling port; `None` when none is configured.
    pub(crate) mcu: Option<Answer<KnockReading>>,
    /// The stream.
    pub(crate) stream: Stream,
    /// The call's rate, kbit/s each way.
    pub(crate) rate_kbps: u32,
}

/// What became of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stream {
    /// Neither the configuration nor the plan names a reflector.
    NoReflector,
    /// Nothing may be sent now.
    NotMoved(NotMoved),
    /// No check that it feeds is wanted.
    NotTried,
    /// It was asked for.
    Tried(Answer<Outcome>),
}

/// Asks the line. `may_send` says whether the stream may be sent, `wanted` whether anybody needs it.
pub(crate) async fn ask(
    line: &Line,
    planned: &PlannedLine,
    room: &RoomAddress,
    profile: &Profile,
    tools: (&Program, &Path),
    (wanted, may_send): (bool, Result<(), NotMoved>),
    edge: &Edge,
) -> Asked {
    let (media, proc) = tools;
    let (gateway, mcu) = knocked(line, proc, edge).await;
    let rate_kbps = rate(line, planned, profile);
    let reflector = line
        .reflector
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| planned.reflector.clone());
    let stream = match (reflector, may_send) {
        (None, _) => Stream::NoReflector,
        _ if !wanted => Stream::NotTried,
        (_, Err(why)) => Stream::NotMoved(why),
        (Some(reflector), Ok(())) => Stream::Tried(stream(&reflector, room, rate_kbps, media, edge).await),
    };
    Asked {
        gateway,
        mcu,
        stream,
        rate_kbps,
    }
}

/// Router and MCU at once, each within its own part of the time.
async fn knocked(
    line: &Line,
    proc: &Path,
    edge: &Edge,
) -> (Option<Answer<GatewayReading>>, Option<Answer<KnockReading>>) {
    let within = |longest: Duration| Edge {
        deadline: edge.deadline.min((edge.clock)() + longest),
        ..edge.clone()
    };
    let gateway = async {
        match &line.gateway {
            Some(host) => Some(probe::gateway(host, proc, &within(ROUTER)).await),
            None => None,
        }
    };
    let mcu = async {
        match &line.mcu {
            Some(port) => Some(knock(port, &within(KNOCKING)).await),
            None => None,
        }
    };
    tokio::join!(gateway, mcu)
}

/// What the meeting needs: what is written for this room, else the plan's, else the profile's.
fn rate(line: &Line, planned: &PlannedLine, profile: &Profile) -> u32 {
    let of_profile = || {
        let low = profile.limit("line.rate")?.low?;
        // A profile's figures are decimal numbers.
        (1..=*Line::RATES_KBPS.end()).find(|kbps| f64::from(*kbps) >= low)
    };
    let (low, high) = Line::RATES_KBPS.into_inner();
    line.rate_kbps
        .or(planned.rate_kbps)
        .or_else(of_profile)
        .unwrap_or(USUAL_KBPS)
        .clamp(low, high)
}

/// Has the media child stream. Only a reflector that was asked and did not answer is silent: a name without an address,
/// no way there, no time left say nothing about it.
async fn stream(
    reflector: &str,
    room: &RoomAddress,
    rate_kbps: u32,
    media: &Program,
    edge: &Edge,
) -> Answer<Outcome> {
    let endpoint = Endpoint::parse(reflector, 0).map_err(|why| {
        tracing::warn!(reflector, why, "the reflector's address cannot be read");
        ProbeError::Garbled
    })?;
    let found = link::addresses(endpoint.host(), endpoint.port(), edge).await?;
    let test = LineTest {
        reflector: *found.first().ok_or(ProbeError::NoName)?,
        org: room.org.clone(),
        room: room.room.clone(),
        rate_kbps,
        time_ms: u64::try_from(edge.remaining().as_millis()).unwrap_or(u64::MAX),
    };
    media::ask(media, &test, edge).await
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use tokio::sync::watch;

    use super::*;

    #[allow(
        clippy::disallowed_methods,
        reason = "the paused clock of the test's own runtime"
    )]
    fn paused_clock() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn edge(within: Duration) -> (Edge, watch::Sender<bool>) {
        let (stop, cancel) = watch::channel(false);
        let edge = Edge {
            clock: paused_clock,
            deadline: paused_clock() + within,
            cap_bytes: 0,
            cancel,
        };
        (edge, stop)
    }

    fn program() -> Program {
        Program {
            path: "/nonexistent/media".into(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// A port that drops what knocks at it: its queue holds one connection, which nobody takes.
    fn black_hole() -> (TcpListener, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let first = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener, first)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_mcu_leaves_the_stream_its_time() {
        let (listener, _first) = black_hole();
        let mcu = listener.local_addr().unwrap().to_string();
        let line = Line {
            mcu: Some(Endpoint::parse(&mcu, 1720).unwrap()),
            ..Line::default()
        };
        let (edge, _stop) = edge(Duration::from_secs(40));
        let (gateway, mcu) = knocked(&line, Path::new("/nowhere"), &edge).await;
        assert_eq!(gateway, None);
        assert_eq!(mcu, Some(Err(ProbeError::NoAnswer { waited_ms: 3000 })));
        assert_eq!(edge.remaining(), Duration::from_secs(37));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reflector_that_was_never_asked_is_not_silent() {
        let room: RoomAddress = "quang-ninh/bai-chay".parse().unwrap();
        let (none_left, _stop) = edge(Duration::ZERO);
        for (reflector, why) in [
            ("127.0.0.1:9511", ProbeError::TimedOut { waited_ms: 0 }),
            ("127.0.0.1:9511:1", ProbeError::Garbled),
        ] {
            assert_eq!(
                stream(reflector, &room, 4096, &program(), &none_left).await,
                Err(why)
            );
        }
        let (edge, stop) = edge(Duration::from_secs(20));
        stop.send(true).unwrap();
        for reflector in ["127.0.0.1:9511", "reflector.invalid:9511"] {
            assert_eq!(
                stream(reflector, &room, 4096, &program(), &edge).await,
                Err(ProbeError::Cancelled)
            );
        }
    }
}
