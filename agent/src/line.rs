//! The box's side of the line test (R15): the router and the MCU are knocked at, and one stream of packets shaped like
//! the call goes to the province's reflector and back.
//!
//! The agent's part of it is [`ask()`]; the stream itself is made in the media child ([`child`]), because GStreamer makes
//! it: only figures come back over that border ([`order`]). [`shape`] says what a call of a rate looks like in packets,
//! [`dead`] when a line is so bad that going on would only harm others, [`turn`] when a reflector without room is asked again.
//! What the datagrams say and how figures come of them is `bridgepoint_protocol::line`.

mod ask;
pub(crate) mod child;
mod dead;
mod order;
mod shape;
mod turn;

pub(crate) use ask::{Asked, PlannedLine, Stream, ask};
pub(crate) use dead::Cut;
pub(crate) use order::{Measured, NoGrant, Outcome};

#[cfg(test)]
pub(crate) mod testing {
    //! Figures of a good line, for the tests of what is made of figures.

    use bridgepoint_protocol::line::estimate::{Figures, Jitter, Loss, RoundTrip, Way};

    /// A stream of 1491 packets of which none was lost.
    pub(crate) fn figures() -> Figures {
        let way = Way {
            loss: Some(loss(0, 1491)),
            offered_kbps: Some(4090.0),
            delivered_kbps: Some(4089.0),
            jitter: Some(Jitter {
                mean_ms: 0.4,
                rfc3550_ms: 0.5,
                pdv_p50_ms: 0.3,
                pdv_p95_ms: 1.0,
                pdv_p99_ms: 2.0,
            }),
            reordered: Some(0),
            duplicates: Some(0),
        };
        Figures {
            sent: 1491,
            received: Some(1491),
            replied: Some(1491),
            back: 1491,
            up: way.clone(),
            down: way,
            round_trip: Some(RoundTrip {
                min_ms: 8.0,
                p50_ms: 9.5,
                p95_ms: 12.0,
            }),
            sender_slow: false,
            gap_ms: 4.0,
            over_grant: 0,
            nonsense: 0,
        }
    }

    /// So many lost of so many, with an interval of the normal approximation, which is near enough here.
    pub(crate) fn loss(lost: u32, of: u32) -> Loss {
        let (n, share) = (f64::from(of), f64::from(lost) / f64::from(of));
        let half = 1.96 * (share * (1.0 - share) / n).sqrt() + 1.9 / n;
        Loss {
            lost,
            of,
            share,
            low: (share - half).max(0.0),
            high: (share + half).min(1.0),
            exact: true,
        }
    }
}
