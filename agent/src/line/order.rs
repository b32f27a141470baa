//! What crosses the border to the media child for a line test: where and how fast, and the figures of it.

use std::net::SocketAddr;

use bridgepoint_hw::media::Work;
use bridgepoint_protocol::line::estimate::{Figures, Way};
use bridgepoint_protocol::name::Name;
use serde::{Deserialize, Serialize};

use super::dead::Cut;
use crate::config::Line;

/// One line test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineTest {
    /// What reflects.
    pub(crate) reflector: SocketAddr,
    /// The room's organisation.
    pub(crate) org: Name,
    /// The room.
    pub(crate) room: Name,
    /// The call's rate, kbit/s each way as the IP layer carries it.
    pub(crate) rate_kbps: u32,
    /// How long all of it may take, milliseconds.
    pub(crate) time_ms: u64,
}

/// No act takes longer, milliseconds.
const MOST_TIME_MS: u64 = 60_000;

/// How a line test ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The stream was sent.
    Measured(Box<Measured>),
    /// The reflector answered that it does not measure now.
    NotGranted(NoGrant),
    /// The reflector did not answer.
    Silent {
        /// How long was waited, milliseconds.
        waited_ms: u64,
    },
}

/// What a stream brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    /// The figures.
    pub(crate) figures: Figures,
    /// Why it ended before its time, if it did.
    pub(crate) cut: Option<Cut>,
    /// Answers that this box had received and had no room for: it was too slow to read them.
    pub(crate) overrun: u32,
}

/// Why a reflector did not grant a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NoGrant {
    /// As often as it was asked, other tests left no room for this one.
    NoSlot,
    /// It would not do this test at any time: too fast for it, or another version.
    Unfit,
}

impl Work for LineTest {
    const KEY: &'static str = "line";

    type Figures = Outcome;

    fn check(&self) -> Result<(), &'static str> {
        if !Line::RATES_KBPS.contains(&self.rate_kbps) {
            return Err("rate_kbps is not between 64 and 20000");
        }
        if self.time_ms > MOST_TIME_MS {
            return Err("time_ms is more than a minute");
        }
        if self.reflector.port() == 0 {
            return Err("the reflector has no port");
        }
        Ok(())
    }

    fn plausible(outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Measured(measured) => believable(&measured.figures),
            Outcome::NotGranted(_) | Outcome::Silent { .. } => true,
        }
    }
}

/// Shares are shares, and no time or rate is negative.
fn believable(figures: &Figures) -> bool {
    let positive = |value: f64| value.is_finite() && value >= 0.0;
    let way = |way: &Way| {
        let loss = way.loss.is_none_or(|loss| {
            let share = |value: f64| (0.0..=1.0).contains(&value);
            share(loss.share) && share(loss.low) && share(loss.high) && loss.lost <= loss.of
        });
        let jitter = way.jitter.is_none_or(|jitter| {
            [
                jitter.mean_ms,
                jitter.rfc3550_ms,
                jitter.pdv_p95_ms,
                jitter.pdv_p99_ms,
            ]
            .into_iter()
            .all(positive)
        });
        let rates = [way.offered_kbps, way.delivered_kbps];
        loss && jitter && rates.into_iter().flatten().all(positive)
    };
    let round_trip = figures
        .round_trip
        .is_none_or(|trip| [trip.min_ms, trip.p50_ms, trip.p95_ms].into_iter().all(positive));
    way(&figures.up) && way(&figures.down) && round_trip && positive(figures.gap_ms)
}

#[cfg(test)]
mod tests {
    use bridgepoint_hw::media::border::{parse_reply, parse_request, write_reply, write_request};
    use proptest::prelude::*;

    use super::*;
    use crate::line::testing;

    fn test() -> LineTest {
        LineTest {
            reflector: "10.1.0.2:9511".parse().unwrap(),
            org: "quang-ninh".parse().unwrap(),
            room: "bai-chay".parse().unwrap(),
            rate_kbps: 4096,
            time_ms: 38_000,
        }
    }

    #[test]
    fn the_order_is_written_as_documented() {
        let text = r#"{"parent":7,"line":{"reflector":"10.1.0.2:9511","org":"quang-ninh","room":"bai-chay","rate_kbps":4096,"time_ms":38000}}"#;
        assert_eq!(write_request(Some(7), &test()).unwrap(), text.as_bytes());
        assert_eq!(parse_request(text.as_bytes()).unwrap().work(), Ok(test()));
        for (from, to, told) in [
            ("4096", "1", "rate_kbps"),
            ("38000", "60001", "time_ms"),
            (":9511", ":0", "port"),
            ("bai-chay", "Bai", "not understood"),
            ("\"room\"", "\"rom\"", "rom"),
        ] {
            let refusal = parse_request(text.replace(from, to).as_bytes())
                .and_then(bridgepoint_hw::media::border::Asked::work::<LineTest>)
                .unwrap_err();
            assert!(refusal.detail.contains(told), "{}", refusal.detail);
        }
    }

    #[test]
    fn every_outcome_comes_through_and_impossible_figures_do_not() {
        let read =
            |outcome: Outcome| parse_reply::<LineTest>(&write_reply::<LineTest>(&Ok(outcome)).unwrap());
        let measured = |change: fn(&mut Figures)| {
            let mut figures = testing::figures();
            change(&mut figures);
            Outcome::Measured(Box::new(Measured {
                figures,
                cut: Some(Cut::Lossy),
                overrun: 3,
            }))
        };
        for outcome in [
            measured(|_| {}),
            Outcome::NotGranted(NoGrant::NoSlot),
            Outcome::Silent { waited_ms: 3000 },
        ] {
            assert_eq!(read(outcome.clone()), Ok(Ok(outcome)));
        }
        for spoil in [
            (|f| f.gap_ms = -1.0) as fn(&mut Figures),
            |f| f.up.loss.as_mut().unwrap().share = 1.5,
            |f| f.up.loss.as_mut().unwrap().lost = u32::MAX,
            |f| f.down.delivered_kbps = Some(-1.0),
            |f| f.down.jitter.as_mut().unwrap().mean_ms = -1.0,
            |f| f.round_trip.as_mut().unwrap().p50_ms = -1.0,
        ] {
            assert!(read(measured(spoil)).unwrap_err().contains("impossible"));
        }
    }

    proptest! {
        #[test]
        fn near_misses_of_a_reply_are_read_or_refused(at in 0usize..2000, byte in any::<u8>()) {
            let outcome = Outcome::Measured(Box::new(Measured { figures: testing::figures(), cut: None, overrun: 0 }));
            let mut bytes = write_reply::<LineTest>(&Ok(outcome)).unwrap();
            let length = bytes.len();
            bytes[at % length] = byte;
            if let Ok(Ok(outcome)) = parse_reply::<LineTest>(&bytes) {
                prop_assert!(LineTest::plausible(&outcome));
            }
        }
    }
}
