//! What goes over the line test's one UDP port: the handshake ([`control`]) and the packets of the test ([`rtp`]).
//!
//! The first two bits tell them apart: `10` is RTP version 2 (RFC 3550, section 5.1), and the handshake's first byte is
//! `B` (`01`). All numbers are big-endian. Nothing here trusts a length: what is too short, too long or not ours is a
//! [`WireError`], and whoever gets one stays silent.

pub mod control;
pub mod rtp;

/// Version of the handshake's layout, in every control datagram.
///
/// In every version the magic, the version, the kind (its highest bit says "from a reflector") and the nonce stand at
/// the same place, so that an old reflector can say to a new box that it does not understand it.
pub const VERSION: u8 = 1;

/// No datagram of the test is longer, bytes of UDP payload; what is, is cut by the reader and refused.
pub const MAX_DATAGRAM: usize = 1500;

/// What a datagram claims to be, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A packet of the test, or another RTP packet.
    Rtp,
    /// The handshake.
    Control,
    /// Neither.
    Foreign,
}

/// Says what a datagram claims to be.
#[must_use]
pub fn family(datagram: &[u8]) -> Family {
    match datagram.first() {
        Some(first) if first >> 6 == 2 => Family::Rtp,
        Some(_) if datagram.starts_with(&control::MAGIC) => Family::Control,
        _ => Family::Foreign,
    }
}

/// Why bytes are no datagram of the line test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Fewer bytes than the layout has.
    #[error("{len} bytes, at least {least} are needed")]
    TooShort {
        /// Bytes there are.
        len: usize,
        /// Bytes needed.
        least: usize,
    },
    /// More than [`MAX_DATAGRAM`].
    #[error("{len} bytes, at most 1500 are allowed")]
    TooLong {
        /// Bytes there are.
        len: usize,
    },
    /// Another program's.
    #[error("not a datagram of the line test")]
    Foreign,
    /// Another version of the handshake.
    #[error("version {theirs} of the handshake, this program speaks version 1")]
    Version {
        /// Theirs.
        theirs: u8,
    },
    /// No such kind of control datagram, or one that the other side sends.
    #[error("control datagram of kind {kind:#04x} is not expected here")]
    Kind {
        /// The kind's byte.
        kind: u8,
    },
    /// The room's name is not `org.room`.
    #[error("the room is not written as org.room")]
    Room,
    /// A wish that can mean nothing: no rate, no duration, packets too small for a stamp.
    #[error("{field} of {value} can not be wished for")]
    Wish {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// A reason of refusal that this version does not know.
    #[error("refused for the unknown reason {code}")]
    Reason {
        /// The reason's byte.
        code: u8,
    },
    /// RTP without our extension element.
    #[error("RTP without the line test's header extension")]
    NoStamp,
    /// A header extension that runs out of its packet.
    #[error("the RTP header extension is longer than its packet")]
    Extension,
    /// The packet carries the reflector's mark where a sender's was expected: it has been reflected already.
    #[error("the packet comes from a reflector")]
    Reflected,
}

/// Reads fields one after the other; never beyond the end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests;
