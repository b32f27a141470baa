//! What the reflector has to say to its log: tests that begin, are refused, end; and counts.

use core::net::SocketAddr;

use super::super::wire::control::{Grant, Reason, Summary};
use crate::name::RoomAddress;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The box closed it.
    Closed,
    /// Nothing came for [`super::IDLE_NS`].
    Idle,
    /// Granted duration and [`super::GRACE_NS`] were over.
    Overdue,
}

/// Something for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A test begins.
    Opened {
        /// Whose.
        room: RoomAddress,
        /// From where.
        source: SocketAddr,
        /// What is granted.
        grant: Grant,
    },
    /// A test is refused to an address that has shown its token.
    Refused {
        /// Whose.
        room: RoomAddress,
        /// From where.
        source: SocketAddr,
        /// Why.
        reason: Reason,
    },
    /// A test is over.
    Ended {
        /// Whose.
        room: RoomAddress,
        /// From where.
        source: SocketAddr,
        /// How.
        how: How,
        /// Packets that the box says it has sent, when it has closed.
        sent: Option<u32>,
        /// What was counted.
        summary: Summary,
    },
}

/// Counts since the start, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// HELLOs answered.
    pub hellos: u64,
    /// Tests granted.
    pub granted: u64,
    /// Requests refused.
    pub refused: u64,
    /// Packets of tests that arrived.
    pub packets: u64,
    /// Packets answered.
    pub replies: u64,
    /// Packets faster or longer than granted.
    pub over_grant: u64,
    /// Datagrams that were not answered since they were nothing of ours.
    pub ignored: u64,
}
