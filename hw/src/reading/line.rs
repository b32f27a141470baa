//! What can be learnt of the line from outside any call: whether the router answers, whether a port does.

/// The room's router answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatewayReading {
    /// How it was seen.
    pub by: AnsweredBy,
    /// Round trip, milliseconds, the median of a few; a neighbour table knows none.
    pub rtt_ms: Option<f64>,
}

/// How a router was seen to be there, the plainest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsweredBy {
    /// It answered an echo request (ICMP).
    Echo,
    /// A port of it that nothing listens on refused a connection: it is the router itself that says so.
    Refusal,
    /// It accepted a connection, which was closed at once and carried nothing.
    Connection,
    /// It answers nothing of this, and still answers for its address on the local network.
    Neighbour,
}

impl AnsweredBy {
    /// One word for it, as reports carry it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Refusal => "refusal",
            Self::Connection => "connection",
            Self::Neighbour => "neighbour",
        }
    }
}

/// What a knock at a TCP port brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnockReading {
    /// What the host said.
    pub answer: Knock,
    /// How long that took, milliseconds.
    pub took_ms: f64,
}

/// What a host says to a knock at one of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knock {
    /// The port took the connection.
    Accepted,
    /// The host is there, and nothing listens on the port.
    Refused,
}
