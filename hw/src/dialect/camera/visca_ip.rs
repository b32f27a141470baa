//! VISCA over IP (UDP 52381): the eight bytes before each packet. Pure.
//!
//! Type, length and sequence number, all big-endian. A reply carries the sequence number of what it
//! answers; a message that is sent again keeps its number, so that the camera does not do it twice.

use super::visca::PACKET_MAX_BYTES;

/// Bytes before the packet.
pub const HEADER_BYTES: usize = 8;

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command: an act.
    Command,
    /// A question.
    Inquiry,
    /// Acknowledgement, completion, answer or error.
    Reply,
    /// A setting of the camera. Never sent.
    DeviceSetting,
    /// About the numbering itself.
    Control,
    /// The reply to that.
    ControlReply,
}

impl Kind {
    const ALL: [(Self, u16); 6] = [
        (Self::Command, 0x0100),
        (Self::Inquiry, 0x0110),
        (Self::Reply, 0x0111),
        (Self::DeviceSetting, 0x0120),
        (Self::Control, 0x0200),
        (Self::ControlReply, 0x0201),
    ];

    fn code(self) -> u16 {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or(0, |(_, code)| *code)
    }
}

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub kind: Kind,
    /// Its number.
    pub sequence: u32,
    /// The packet, 1 to 16 bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Begins the numbering anew.
    #[must_use]
    pub fn reset() -> Self {
        Self {
            kind: Kind::Control,
            sequence: 1,
            payload: vec![0x01],
        }
    }

    /// The datagram.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let length = u16::try_from(self.payload.len()).unwrap_or(u16::MAX);
        let mut datagram = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        datagram.extend(self.kind.code().to_be_bytes());
        datagram.extend(length.to_be_bytes());
        datagram.extend(self.sequence.to_be_bytes());
        datagram.extend(&self.payload);
        datagram
    }

    /// Reads one datagram; `None` when it is none of this protocol.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let (header, payload) = datagram.split_first_chunk::<HEADER_BYTES>()?;
        let [k0, k1, l0, l1, s0, s1, s2, s3] = *header;
        let code = u16::from_be_bytes([k0, k1]);
        let kind = Kind::ALL
            .iter()
            .find(|(_, known)| *known == code)
            .map(|(kind, _)| *kind)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length != payload.len() || !(1..=PACKET_MAX_BYTES).contains(&length) {
            return None;
        }
        Some(Self {
            kind,
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            payload: payload.to_vec(),
        })
    }
}

/// What a control reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlReply {
    /// The numbering begins anew.
    Reset,
    /// `0F 01`: the number is not one that the camera waits for.
    WrongSequence,
    /// `0F 02`: the kind of message is not one that it takes.
    WrongKind,
}

impl ControlReply {
    /// Reads the payload of a [`Kind::ControlReply`].
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        match payload {
            [0x01] => Some(Self::Reset),
            [0x0F, 0x01] => Some(Self::WrongSequence),
            [0x0F, 0x02] => Some(Self::WrongKind),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_exchange_as_recorded() {
        let asked = Frame {
            kind: Kind::Inquiry,
            sequence: 5,
            payload: vec![0x81, 0x09, 0x06, 0x12, 0xFF],
        };
        let bytes = [
            0x01, 0x10, 0x00, 0x05, 0x00, 0x00, 0x00, 0x05, 0x81, 0x09, 0x06, 0x12, 0xFF,
        ];
        assert_eq!(asked.emit(), bytes);
        let said = [
            0x01, 0x11, 0x00, 0x0B, 0x00, 0x00, 0x00, 0x05, 0x90, 0x50, 0x0E, 0x0F, 0x0D, 0x08, 0x00, 0x01,
            0x02, 0x03, 0xFF,
        ];
        let frame = Frame::parse(&said).unwrap();
        assert_eq!(
            (frame.kind, frame.sequence, frame.payload.len()),
            (Kind::Reply, 5, 11)
        );
        assert_eq!(frame.emit(), said);
    }

    #[test]
    fn numbering_begins_anew() {
        assert_eq!(Frame::reset().emit(), [2, 0, 0, 1, 0, 0, 0, 1, 1]);
        let said = Frame::parse(&[2, 1, 0, 1, 0, 0, 0, 1, 1]).unwrap();
        assert_eq!(ControlReply::parse(&said.payload), Some(ControlReply::Reset));
        assert_eq!(
            ControlReply::parse(&[0x0F, 0x01]),
            Some(ControlReply::WrongSequence)
        );
        assert_eq!(ControlReply::parse(&[0x0F, 0x02]), Some(ControlReply::WrongKind));
        assert_eq!(ControlReply::parse(&[]), None);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(Frame::parse(&[1, 0x11, 0, 4, 0, 0, 0, 1, 0x90, 0x41, 0xFF]), None);
        assert_eq!(Frame::parse(&[1, 0x11, 0, 2, 0, 0, 0, 1, 0x90, 0x41, 0xFF]), None);
        assert_eq!(Frame::parse(&[1, 0x11, 0, 0, 0, 0, 0, 1]), None);
        assert_eq!(Frame::parse(&[9, 9, 0, 1, 0, 0, 0, 1, 1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(frame) = Frame::parse(&bytes) {
                prop_assert_eq!(frame.emit(), bytes);
            }
        }
    }
}
