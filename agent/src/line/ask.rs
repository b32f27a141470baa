//! The agent's part of the line test: knock at router and MCU, and have the media child stream where that makes sense.

use std::net::SocketAddr;
use std::path::Path;

use bridgepoint_hw::link::{Edge, knock};
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
    /// No check that it feeds is wanted, or there is no way past the router.
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
    let gateway = async {
        match &line.gateway {
            Some(host) => Some(probe::gateway(host, proc, edge).await),
            None => None,
        }
    };
    let mcu = async {
        match &line.mcu {
            Some(port) => Some(knock(port, edge).await),
            None => None,
        }
    };
    let (gateway, mcu) = tokio::join!(gateway, mcu);
    let rate_kbps = rate(line, planned, profile);
    let reflector = line
        .reflector
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| planned.reflector.clone());
    let stream = match (reflector, may_send) {
        (None, _) => Stream::NoReflector,
        _ if !wanted || matches!(gateway, Some(Err(_))) => Stream::NotTried,
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

async fn stream(
    reflector: &str,
    room: &RoomAddress,
    rate_kbps: u32,
    media: &Program,
    edge: &Edge,
) -> Answer<Outcome> {
    let tried = async {
        let test = LineTest {
            reflector: resolved(reflector, edge).await?,
            org: room.org.clone(),
            room: room.room.clone(),
            rate_kbps,
        };
        media::ask(media, &test, edge).await
    };
    match tried.await {
        // A name that nobody knows, or no way there at all: silence too.
        Err(ProbeError::NoAnswer { waited_ms }) => Ok(Outcome::Silent { waited_ms }),
        other => other,
    }
}

/// The reflector's first address.
async fn resolved(reflector: &str, edge: &Edge) -> Answer<SocketAddr> {
    let began = (edge.clock)();
    let found = tokio::time::timeout(edge.remaining(), tokio::net::lookup_host(reflector)).await;
    let found = found.ok().and_then(Result::ok).and_then(|mut all| all.next());
    found.ok_or_else(|| {
        let waited = (edge.clock)().saturating_duration_since(began);
        tracing::info!(reflector, "the reflector's name has no address");
        ProbeError::NoAnswer {
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        }
    })
}
