//! The handshake around a test: three requests of the box, four answers of the reflector.
//!
//! Every datagram begins alike; a request is 128 bytes long and padded with zeros, and no answer is longer:
//!
//! | bytes | field |
//! | --- | --- |
//! | 0..4 | `BPLT` |
//! | 4 | version, 1 |
//! | 5 | kind; the highest bit is set in answers: a reflector never answers what carries it |
//! | 6..8 | 0, for later |
//! | 8..16 | the box's nonce, echoed in every answer |
//!
//! | kind | from byte 16 |
//! | --- | --- |
//! | `01` HELLO | room: length 1, then `org.room` in 81 |
//! | `02` OPEN | token 16, kbit/s 4, duration ms 4, bytes of a packet 2, 0 in 2, room as above |
//! | `03` CLOSE | session 4, packets sent 4 |
//! | `81` TOKEN | token 16 |
//! | `82` GRANT | session 4, kbit/s 4, duration ms 4, 0 in 4 |
//! | `83` REFUSED | reason 1, 0 in 3, most kbit/s 4, longest ms 4, 0 in 4 |
//! | `84` SUMMARY | session, received, duplicates, reordered, replied, over the grant, highest sequence: 4 each; 0 in 4; bytes, first arrival ns, last arrival ns: 8 each |
//!
//! The token (after RFC 9000, section 8.1) proves that the box can hear at the address it writes from; before it has come
//! back the reflector keeps nothing and sends less than it was sent.

use super::{Fields, WireError};
use crate::name::RoomAddress;

mod layout;

/// The first bytes of every control datagram.
pub const MAGIC: [u8; 4] = *b"BPLT";

/// Length of every request, bytes.
pub const REQUEST_BYTES: usize = 128;

/// Return-routability cookie: proves that its bearer hears at the address for which it was made.
pub type Token = [u8; 16];

/// What a box wants of a test. The call's rate is meant as the IP layer carries it, each way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whose test it is.
    pub room: RoomAddress,
    /// Rate, kbit/s at the IP layer, one direction; more than 0.
    pub kbps: u32,
    /// Duration of the stream, ms; more than 0.
    pub duration_ms: u32,
    /// Longest packet, bytes of UDP payload; at least [`super::rtp::LEAST_PACKET`].
    pub packet_bytes: u16,
}

/// From the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// "Is anyone there?"
    Hello {
        /// Chosen by the box, at random.
        nonce: u64,
        /// Whose test it is to be.
        room: RoomAddress,
    },
    /// "May I?" with the token that proves the address.
    Open {
        /// As in the HELLO.
        nonce: u64,
        /// From the TOKEN.
        token: Token,
        /// What is wanted.
        wish: Wish,
    },
    /// "That was all."
    Close {
        /// As in the HELLO.
        nonce: u64,
        /// From the GRANT.
        session: u32,
        /// Packets sent.
        sent: u32,
    },
}

/// From the reflector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// To a HELLO.
    Token {
        /// The box's.
        nonce: u64,
        /// To be shown in the OPEN.
        token: Token,
    },
    /// To an OPEN: yes.
    Grant {
        /// The box's.
        nonce: u64,
        /// What is granted.
        grant: Grant,
    },
    /// To an OPEN, or to a request of another version: no.
    Refused {
        /// The box's.
        nonce: u64,
        /// Why.
        refusal: Refusal,
    },
    /// To a CLOSE.
    Summary {
        /// The box's.
        nonce: u64,
        /// The session's SSRC.
        session: u32,
        /// What the reflector has counted.
        summary: Summary,
    },
}

/// A test that may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Its id, and the SSRC of every packet of it.
    pub session: u32,
    /// Rate that may be sent, kbit/s at the IP layer.
    pub kbps: u32,
    /// Duration of the stream, ms.
    pub duration_ms: u32,
}

/// A refusal, with what would have been allowed at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Highest rate for one test, kbit/s.
    pub max_kbps: u32,
    /// Longest test, ms.
    pub max_duration_ms: u32,
}

/// Why a reflector does not reflect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The token is not one of this reflector for this address and room, or too old.
    BadToken,
    /// A test of this room or from this address is running, or as many as there may be.
    Busy,
    /// The tests that run leave too little of the province's budget.
    OverBudget,
    /// More kbit/s than one test may have.
    TooFast,
    /// Longer than one test may last.
    TooLong,
    /// Longer packets than are taken.
    TooBig,
    /// The reflector does not speak this version.
    Version,
}

/// What the reflector has counted in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Packets of the session that have arrived, duplicates and those over the grant included.
    pub received: u32,
    /// Of these, copies of one that was there before.
    pub duplicates: u32,
    /// Of these, packets whose sequence was lower than one before, and no duplicates (RFC 4737, section 3).
    pub reordered: u32,
    /// Packets answered: `received - over_grant`.
    pub replied: u32,
    /// Packets not answered since they were faster or longer than granted.
    pub over_grant: u32,
    /// Highest sequence that has arrived; 0 also when none has.
    pub highest: u32,
    /// Bytes of UDP payload received.
    pub bytes: u64,
    /// First arrival by the reflector's clock, ns; 0 when none has arrived.
    pub first_ns: u64,
    /// Last arrival that was no copy, by the reflector's clock, ns; 0 when none has arrived.
    pub last_ns: u64,
}

impl Reason {
    /// Every reason with its byte and its word.
    const ALL: [(Self, u8, &'static str); 7] = [
        (Self::BadToken, 1, "bad-token"),
        (Self::Busy, 2, "busy"),
        (Self::OverBudget, 3, "over-budget"),
        (Self::TooFast, 4, "too-fast"),
        (Self::TooLong, 5, "too-long"),
        (Self::TooBig, 6, "too-big"),
        (Self::Version, 7, "version"),
    ];

    fn code(self) -> u8 {
        Self::ALL
            .iter()
            .find(|(reason, ..)| *reason == self)
            .map_or(0, |(_, code, _)| *code)
    }

    fn from_code(code: u8) -> Result<Self, WireError> {
        let known = Self::ALL.iter().find(|(_, known, _)| *known == code);
        known
            .map(|(reason, ..)| *reason)
            .ok_or(WireError::Reason { code })
    }

    /// Its word in logs and parameters.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(reason, ..)| *reason == self)
            .map_or("", |(.., word)| word)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Wish {
    /// # Errors
    /// [`WireError::Wish`] for a wish that can mean nothing.
    pub fn check(&self) -> Result<(), WireError> {
        let least = super::rtp::LEAST_PACKET;
        let fields = [
            ("kbps", self.kbps, 1),
            ("duration_ms", self.duration_ms, 1),
            (
                "packet_bytes",
                self.packet_bytes.into(),
                u32::try_from(least).unwrap_or(u32::MAX),
            ),
        ];
        match fields.into_iter().find(|(_, value, least)| value < least) {
            Some((field, value, _)) => Err(WireError::Wish { field, value }),
            None => Ok(()),
        }
    }
}

impl Answer {
    /// Whose question it answers.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        match self {
            Self::Token { nonce, .. }
            | Self::Grant { nonce, .. }
            | Self::Refused { nonce, .. }
            | Self::Summary { nonce, .. } => *nonce,
        }
    }
}

/// The nonce of a request of any version, which every version has at the same place.
pub(in crate::line) fn any_nonce(datagram: &[u8]) -> Option<u64> {
    let mut fields = Fields(datagram.get(8..)?);
    fields.u64()
}
