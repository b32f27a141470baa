//! VISCA packets and Sony's datagram framing, as the camera sees them.
//!
//! A datagram is an 8-byte header (type, length, sequence number, big-endian) and a VISCA packet of
//! up to 16 bytes that ends in `FF`. The camera's address is fixed there: requests begin with `81`, replies
//! with `90`. On a serial line it is the camera's number: `82` and `A0`, and so on; [`inward`] and
//! [`outward`] are between the two.

use super::motion::Position;

/// Header types.
pub(crate) const COMMAND: u16 = 0x0100;
pub(crate) const INQUIRY: u16 = 0x0110;
pub(crate) const REPLY: u16 = 0x0111;
pub(crate) const CONTROL: u16 = 0x0200;
pub(crate) const CONTROL_REPLY: u16 = 0x0201;

/// The longest VISCA packet.
pub(crate) const PACKET_CAP: usize = 16;

/// A datagram, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    /// Header type.
    pub(crate) kind: u16,
    /// Length that the header gives.
    pub(crate) length: u16,
    /// Sequence number.
    pub(crate) sequence: u32,
    /// What follows the header, whatever its length.
    pub(crate) payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a datagram; `None` when it is too short for a header.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, payload) = bytes.split_first_chunk::<8>()?;
        let [k0, k1, l0, l1, s0, s1, s2, s3] = *header;
        Some(Self {
            kind: u16::from_be_bytes([k0, k1]),
            length: u16::from_be_bytes([l0, l1]),
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            payload,
        })
    }

    /// Whether the payload is as long as the header says, and no longer than a packet may be.
    pub(crate) fn has_its_length(&self) -> bool {
        usize::from(self.length) == self.payload.len() && (1..=PACKET_CAP).contains(&self.payload.len())
    }
}

/// Writes a datagram.
pub(crate) fn datagram(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(payload.len().saturating_add(8));
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A packet from a serial line as a datagram to camera `address`; `None` when it is for another one.
pub(crate) fn inward(address: u8, sequence: u32, packet: &[u8]) -> Option<Vec<u8>> {
    let (to, rest) = packet.split_first()?;
    (*to == 0x80 | address).then(|| datagram(COMMAND, sequence, &[&[0x81], rest].concat()))
}

/// A datagram from camera `address` as it leaves on a serial line; what was no reply leaves as it is.
pub(crate) fn outward(address: u8, bytes: &[u8]) -> Vec<u8> {
    match bytes.split_at_checked(8) {
        Some((header, [0x90, rest @ ..])) if header.starts_with(&REPLY.to_be_bytes()) => {
            [&[(address + 8) << 4], rest].concat()
        }
        _ => bytes.to_vec(),
    }
}

/// What a VISCA packet asks of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// `CAM_VersionInq`
    Version,
    /// `CAM_PowerInq`
    Power,
    /// `Pan-tiltPosInq`
    PanTiltPosition,
    /// `CAM_ZoomPosInq`
    ZoomPosition,
    /// `Pan-tiltStatusInq`
    PanTiltStatus,
    /// `CAM_Memory Recall`
    Recall(u8),
    /// Pan and tilt to an absolute position; the speeds must be valid, but the room's file drives.
    PanTiltTo { pan: i32, tilt: i32 },
    /// `Pan-tiltDrive Home`: straight ahead.
    Home,
    /// Zoom to an absolute position.
    ZoomTo(i32),
    /// `CommandCancel` of a socket.
    Cancel(u8),
    /// `IF_Clear`
    InterfaceClear,
    /// Well formed, but nothing that this camera knows.
    Unknown,
}

impl Request {
    /// Reads a VISCA packet; `None` when it is no packet for camera 1.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let (&[0x81], body) = packet.split_first_chunk::<1>()? else {
            return None;
        };
        let (&0xFF, body) = body.split_last()? else {
            return None;
        };
        if body.is_empty() || body.contains(&0xFF) {
            return None;
        }
        Some(match *body {
            [0x09, 0x00, 0x02] => Self::Version,
            [0x09, 0x04, 0x00] => Self::Power,
            [0x09, 0x04, 0x47] => Self::ZoomPosition,
            [0x09, 0x06, 0x12] => Self::PanTiltPosition,
            [0x09, 0x06, 0x10] => Self::PanTiltStatus,
            [0x01, 0x04, 0x3F, 0x02, number] => Self::Recall(number),
            [
                0x01,
                0x06,
                0x02,
                0x01..=0x18,
                0x01..=0x18,
                p0,
                p1,
                p2,
                p3,
                t0,
                t1,
                t2,
                t3,
            ] => match (signed([p0, p1, p2, p3]), signed([t0, t1, t2, t3])) {
                (Some(pan), Some(tilt)) => Self::PanTiltTo { pan, tilt },
                _ => Self::Unknown,
            },
            [0x01, 0x06, 0x04] => Self::Home,
            [0x01, 0x04, 0x47, z0, z1, z2, z3] => {
                unsigned([z0, z1, z2, z3]).map_or(Self::Unknown, Self::ZoomTo)
            }
            [socket @ 0x20..=0x2F] => Self::Cancel(socket & 0x0F),
            [0x01, 0x00, 0x01] => Self::InterfaceClear,
            _ => Self::Unknown,
        })
    }
}

/// `90 4z FF`
pub(crate) fn acknowledge(socket: u8) -> Vec<u8> {
    vec![0x90, 0x40 | socket, 0xFF]
}

/// `90 5z FF`
pub(crate) fn complete(socket: u8) -> Vec<u8> {
    vec![0x90, 0x50 | socket, 0xFF]
}

/// `90 6z ee FF`
pub(crate) fn error(socket: u8, code: u8) -> Vec<u8> {
    vec![0x90, 0x60 | socket, code, 0xFF]
}

/// `90 50 … FF`
pub(crate) fn answer(body: &[u8]) -> Vec<u8> {
    [&[0x90, 0x50], body, &[0xFF]].concat()
}

/// The answer to `Pan-tiltPosInq`.
pub(crate) fn pan_tilt_answer(at: Position) -> Vec<u8> {
    answer(&[nibbles(at.pan), nibbles(at.tilt)].concat())
}

/// The answer to `CAM_ZoomPosInq`.
pub(crate) fn zoom_answer(at: Position) -> Vec<u8> {
    answer(&nibbles(at.zoom))
}

/// The low 16 bits, a nibble a byte, highest first.
fn nibbles(count: i32) -> [u8; 4] {
    let [.., high, low] = count.to_be_bytes();
    [high >> 4, high & 0x0F, low >> 4, low & 0x0F]
}

fn unsigned(nibbles: [u8; 4]) -> Option<i32> {
    nibbles.iter().try_fold(0_i32, |count, &nibble| {
        (nibble <= 0x0F).then(|| (count << 4) | i32::from(nibble))
    })
}

fn signed(nibbles: [u8; 4]) -> Option<i32> {
    let count = unsigned(nibbles)?;
    Some(if count >= 0x8000 { count - 0x1_0000 } else { count })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_captured_position_exchange_is_exact() {
        let inquiry = [
            0x01, 0x10, 0x00, 0x05, 0x00, 0x00, 0x00, 0x05, 0x81, 0x09, 0x06, 0x12, 0xFF,
        ];
        let read = Datagram::parse(&inquiry).unwrap();
        assert_eq!((read.kind, read.sequence), (INQUIRY, 5));
        assert!(read.has_its_length());
        assert_eq!(Request::parse(read.payload), Some(Request::PanTiltPosition));
        // 0xEFD8 is -4136.
        let at = Position {
            pan: -4136,
            tilt: 0x0123,
            zoom: 0,
        };
        assert_eq!(
            datagram(REPLY, 5, &pan_tilt_answer(at)),
            [
                0x01, 0x11, 0x00, 0x0B, 0x00, 0x00, 0x00, 0x05, 0x90, 0x50, 0x0E, 0x0F, 0x0D, 0x08, 0x00,
                0x01, 0x02, 0x03, 0xFF
            ]
        );
    }

    #[test]
    fn the_packets_of_the_reference_are_read() {
        let rows: [(&[u8], Request); 9] = [
            (&[0x81, 0x09, 0x04, 0x00, 0xFF], Request::Power),
            (&[0x81, 0x09, 0x00, 0x02, 0xFF], Request::Version),
            (&[0x81, 0x09, 0x04, 0x47, 0xFF], Request::ZoomPosition),
            (&[0x81, 0x01, 0x04, 0x3F, 0x02, 0x01, 0xFF], Request::Recall(1)),
            (
                &[
                    0x81, 0x01, 0x06, 0x02, 0x18, 0x14, 0x0F, 0x0F, 0x0F, 0x0E, 0x00, 0x01, 0x00, 0x00, 0xFF,
                ],
                Request::PanTiltTo { pan: -2, tilt: 256 },
            ),
            (
                &[0x81, 0x01, 0x04, 0x47, 0x04, 0x00, 0x00, 0x00, 0xFF],
                Request::ZoomTo(0x4000),
            ),
            (&[0x81, 0x01, 0x06, 0x04, 0xFF], Request::Home),
            (&[0x81, 0x21, 0xFF], Request::Cancel(1)),
            (&[0x81, 0x01, 0x04, 0x3F, 0x01, 0x01, 0xFF], Request::Unknown),
        ];
        for (packet, expected) in rows {
            assert_eq!(Request::parse(packet), Some(expected), "{packet:02X?}");
        }
        for no_packet in [
            &[][..],
            &[0x81],
            &[0x81, 0xFF],
            &[0x82, 0x09, 0xFF],
            &[0x81, 0x09, 0x04],
        ] {
            assert_eq!(Request::parse(no_packet), None, "{no_packet:02X?}");
        }
        // A nibble that is none is not a position.
        assert_eq!(
            Request::parse(&[0x81, 0x01, 0x04, 0x47, 0x14, 0x00, 0x00, 0x00, 0xFF]),
            Some(Request::Unknown)
        );
    }

    #[test]
    fn a_serial_line_has_numbers_where_ip_has_one_address() {
        assert_eq!(
            inward(3, 7, &[0x83, 0x09, 0x04, 0x00, 0xFF]),
            Some(datagram(COMMAND, 7, &[0x81, 0x09, 0x04, 0x00, 0xFF]))
        );
        assert_eq!(inward(3, 7, &[0x81, 0x09, 0x04, 0x00, 0xFF]), None);
        assert_eq!(inward(3, 7, &[0x88, 0x30, 0x01, 0xFF]), None);
        assert_eq!(
            outward(3, &datagram(REPLY, 7, &acknowledge(1))),
            [0xB0, 0x41, 0xFF]
        );
        assert_eq!(outward(1, &datagram(REPLY, 7, &complete(2))), [0x90, 0x52, 0xFF]);
        assert_eq!(outward(1, &[1, 2, 3]), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(read) = Datagram::parse(&bytes) {
                prop_assert_eq!(read.payload.len().saturating_add(8), bytes.len());
                let again = datagram(read.kind, read.sequence, read.payload);
                prop_assert_eq!(again.get(4..), bytes.get(4..));
            }
            let _any = Request::parse(&bytes);
        }

        #[test]
        fn a_position_survives_the_wire(pan in -32768_i32..=32767, zoom in 0_i32..=0xFFFF) {
            prop_assert_eq!(signed(nibbles(pan)), Some(pan));
            prop_assert_eq!(unsigned(nibbles(zoom)), Some(zoom));
        }
    }
}
