//! VISCA packets: what can be sent, and what a camera says back. Pure.
//!
//! A packet is 3 to 16 bytes and ends in `FF`. Storing and clearing presets, power, menus and free
//! pan-tilt driving are not in [`Request`]: they cannot be sent.

use super::job::PresetNumber;

/// The longest packet of the language.
pub const PACKET_MAX_BYTES: usize = 16;

/// The end of every packet.
pub const END: u8 = 0xFF;

/// Speeds of the way back, fast and within the range of every camera known (pan 01-18h, tilt 01-14h).
const PAN_SPEED: u8 = 0x14;
const TILT_SPEED: u8 = 0x12;

/// The number of a camera on its line, 1 to 7. Over IP it is always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraId(u8);

impl CameraId {
    /// The only camera on its link.
    pub const ONE: Self = Self(1);

    /// A camera of a chain.
    #[must_use]
    pub fn new(id: u8) -> Option<Self> {
        (1..=7).contains(&id).then_some(Self(id))
    }
}

/// A position exactly as the camera gave it, so that it can be sent back exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Pan, counts, right positive.
    pub pan: i16,
    /// Tilt, counts, up positive.
    pub tilt: i16,
    /// Zoom, counts from wide.
    pub zoom: u16,
}

/// Everything that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Vendor, model, ROM version.
    Version,
    /// On or standby.
    Power,
    /// Where pan and tilt stand.
    PanTiltPosition,
    /// Where the zoom stands.
    ZoomPosition,
    /// Go to a stored preset.
    Recall(PresetNumber),
    /// Put pan and tilt back to where they were found.
    PanTiltBack(Spot),
    /// Put the zoom back to where it was found.
    ZoomBack(Spot),
}

impl Request {
    /// True for a question, false for an act.
    #[must_use]
    pub fn is_inquiry(self) -> bool {
        matches!(
            self,
            Self::Version | Self::Power | Self::PanTiltPosition | Self::ZoomPosition
        )
    }

    /// The packet.
    #[must_use]
    pub fn emit(self, camera: CameraId) -> Vec<u8> {
        let mut packet = vec![0x80 | camera.0];
        match self {
            Self::Version => packet.extend([0x09, 0x00, 0x02]),
            Self::Power => packet.extend([0x09, 0x04, 0x00]),
            Self::PanTiltPosition => packet.extend([0x09, 0x06, 0x12]),
            Self::ZoomPosition => packet.extend([0x09, 0x04, 0x47]),
            Self::Recall(preset) => packet.extend([0x01, 0x04, 0x3F, 0x02, preset.get()]),
            Self::PanTiltBack(spot) => {
                packet.extend([0x01, 0x06, 0x02, PAN_SPEED, TILT_SPEED]);
                packet.extend(nibbles(spot.pan.cast_unsigned()));
                packet.extend(nibbles(spot.tilt.cast_unsigned()));
            }
            Self::ZoomBack(spot) => {
                packet.extend([0x01, 0x04, 0x47]);
                packet.extend(nibbles(spot.zoom));
            }
        }
        packet.push(END);
        packet
    }
}

/// What one packet from a camera says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The command is accepted. Accepted is not arrived.
    Ack {
        /// The camera's slot for it, 1 or 2; some say 0.
        socket: u8,
    },
    /// The command is done.
    Completed {
        /// The slot that is free again; some cameras say 0.
        socket: u8,
    },
    /// The answer to a question.
    Answer(Inquired),
    /// An answer whose shape no question here has.
    OtherAnswer,
    /// An error.
    Fault {
        /// The slot, 0 where the command had none yet.
        socket: u8,
        /// What is wrong.
        fault: Fault,
    },
    /// The chain has changed (`y0 38`); says nothing about the camera.
    NetworkChange,
}

/// The answer to a question, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inquired {
    /// Of [`Request::Version`].
    Version {
        /// Vendor code.
        vendor: u16,
        /// Model code.
        model: u16,
        /// ROM version.
        rom: u16,
    },
    /// Of [`Request::Power`]: true is on.
    Power(bool),
    /// Of [`Request::PanTiltPosition`].
    PanTilt {
        /// Counts, right positive.
        pan: i16,
        /// Counts, up positive.
        tilt: i16,
    },
    /// Of [`Request::ZoomPosition`].
    Zoom(u16),
}

impl Inquired {
    /// Whether this answers that.
    #[must_use]
    pub fn answers(self, request: Request) -> bool {
        matches!(
            (self, request),
            (Self::Version { .. }, Request::Version)
                | (Self::Power(_), Request::Power)
                | (Self::PanTilt { .. }, Request::PanTiltPosition)
                | (Self::Zoom(_), Request::ZoomPosition)
        )
    }
}

/// Why a camera does not do or answer something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `60 01`: the packet's length is wrong: a command that it does not have.
    Length,
    /// `60 02`: a command that it does not have, or a value out of range.
    Syntax,
    /// `60 03`: it cannot take another command now.
    BufferFull,
    /// `6z 04`: stopped, by somebody else.
    Cancelled,
    /// `6z 05`: nothing runs in that slot.
    NoSocket,
    /// `6z 41`: not now: standby, an empty preset, a mode that forbids it.
    NotExecutable,
    /// Any other code.
    Other(u8),
}

/// Bytes that are no reply of a camera to a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Reads one packet, `FF` included. Only packets of `camera` are read.
///
/// # Errors
/// [`Unreadable`] for anything else.
pub fn parse(camera: CameraId, packet: &[u8]) -> Result<Reply, Unreadable> {
    let Some((&END, packet)) = packet.split_last() else {
        return Err(Unreadable);
    };
    if packet.len() >= PACKET_MAX_BYTES || packet.contains(&END) {
        return Err(Unreadable);
    }
    match packet {
        [_, 0x38] => Ok(Reply::NetworkChange),
        [from, ..] if *from != (camera.0 + 8) << 4 => Err(Unreadable),
        [_, kind, rest @ ..] => match (kind >> 4, kind & 0x0F, rest) {
            (4, socket, []) => Ok(Reply::Ack { socket }),
            (5, socket, []) => Ok(Reply::Completed { socket }),
            (5, _, answer) => Ok(inquired(answer).map_or(Reply::OtherAnswer, Reply::Answer)),
            (6, socket, [code]) => Ok(Reply::Fault {
                socket,
                fault: fault(*code),
            }),
            _ => Err(Unreadable),
        },
        _ => Err(Unreadable),
    }
}

/// Whether a packet is none of `camera`'s business on a line that several share: said by another camera, or
/// meant for all of them.
#[must_use]
pub fn of_another(camera: CameraId, packet: &[u8]) -> bool {
    const TO_ALL: u8 = 0x88;
    match packet {
        [TO_ALL, _, .., END] => true,
        [from, _, .., END] => *from >= 0x90 && from & 0x0F == 0 && *from != (camera.0 + 8) << 4,
        _ => false,
    }
}

/// The questions asked here have answers of different lengths: that tells them apart.
fn inquired(answer: &[u8]) -> Option<Inquired> {
    match answer {
        [0x02] => Some(Inquired::Power(true)),
        [0x03] => Some(Inquired::Power(false)),
        [a, b, c, d] => Some(Inquired::Zoom(number([*a, *b, *c, *d])?)),
        [v, w, m, n, r, s, _sockets] => Some(Inquired::Version {
            vendor: u16::from_be_bytes([*v, *w]),
            model: u16::from_be_bytes([*m, *n]),
            rom: u16::from_be_bytes([*r, *s]),
        }),
        [a, b, c, d, e, f, g, h] => Some(Inquired::PanTilt {
            pan: number([*a, *b, *c, *d])?.cast_signed(),
            tilt: number([*e, *f, *g, *h])?.cast_signed(),
        }),
        _ => None,
    }
}

fn fault(code: u8) -> Fault {
    match code {
        0x01 => Fault::Length,
        0x02 => Fault::Syntax,
        0x03 => Fault::BufferFull,
        0x04 => Fault::Cancelled,
        0x05 => Fault::NoSocket,
        0x41 => Fault::NotExecutable,
        other => Fault::Other(other),
    }
}

/// A number in four bytes, its nibbles in their low halves.
fn number(bytes: [u8; 4]) -> Option<u16> {
    bytes.into_iter().try_fold(0, |value, byte| {
        (byte < 0x10).then_some(value << 4 | u16::from(byte))
    })
}

fn nibbles(value: u16) -> [u8; 4] {
    let [high, low] = value.to_be_bytes();
    [high >> 4, high & 0x0F, low >> 4, low & 0x0F]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect()
    }

    fn read(text: &str) -> Result<Reply, Unreadable> {
        parse(CameraId::ONE, &hex(text))
    }

    #[test]
    fn requests_as_in_the_command_lists() {
        let spot = Spot {
            pan: -0x1028,
            tilt: 0x123,
            zoom: 0x4000,
        };
        for (request, packet) in [
            (Request::Version, "81 09 00 02 FF"),
            (Request::Power, "81 09 04 00 FF"),
            (Request::PanTiltPosition, "81 09 06 12 FF"),
            (Request::ZoomPosition, "81 09 04 47 FF"),
            (
                Request::Recall(PresetNumber::try_from(5).unwrap()),
                "81 01 04 3F 02 05 FF",
            ),
            (
                Request::PanTiltBack(spot),
                "81 01 06 02 14 12 0E 0F 0D 08 00 01 02 03 FF",
            ),
            (Request::ZoomBack(spot), "81 01 04 47 04 00 00 00 FF"),
        ] {
            assert_eq!(request.emit(CameraId::ONE), hex(packet));
        }
        assert_eq!(
            Request::Power.emit(CameraId::new(7).unwrap()),
            hex("87 09 04 00 FF")
        );
        assert_eq!((CameraId::new(0), CameraId::new(8)), (None, None));
    }

    #[test]
    fn replies_as_in_the_command_lists() {
        for (packet, reply) in [
            ("90 41 FF", Reply::Ack { socket: 1 }),
            ("90 52 FF", Reply::Completed { socket: 2 }),
            ("90 50 FF", Reply::Completed { socket: 0 }),
            ("90 50 02 FF", Reply::Answer(Inquired::Power(true))),
            ("90 50 03 FF", Reply::Answer(Inquired::Power(false))),
            ("90 50 04 FF", Reply::OtherAnswer),
            (
                "90 50 0E 0F 0D 08 00 01 02 03 FF",
                Reply::Answer(Inquired::PanTilt {
                    pan: -0x1028,
                    tilt: 0x123,
                }),
            ),
            ("90 50 04 00 00 00 FF", Reply::Answer(Inquired::Zoom(0x4000))),
            ("90 50 14 00 00 00 FF", Reply::OtherAnswer),
            (
                "90 50 00 01 05 13 03 00 02 FF",
                Reply::Answer(Inquired::Version {
                    vendor: 1,
                    model: 0x0513,
                    rom: 0x0300,
                }),
            ),
            (
                "90 60 02 FF",
                Reply::Fault {
                    socket: 0,
                    fault: Fault::Syntax,
                },
            ),
            (
                "90 60 03 FF",
                Reply::Fault {
                    socket: 0,
                    fault: Fault::BufferFull,
                },
            ),
            (
                "90 61 41 FF",
                Reply::Fault {
                    socket: 1,
                    fault: Fault::NotExecutable,
                },
            ),
            (
                "90 62 04 FF",
                Reply::Fault {
                    socket: 2,
                    fault: Fault::Cancelled,
                },
            ),
            ("90 38 FF", Reply::NetworkChange),
            ("F0 38 FF", Reply::NetworkChange),
        ] {
            assert_eq!(read(packet), Ok(reply), "{packet}");
        }
        for packet in [
            "FF",
            "90 FF",
            "A0 41 FF",
            "81 09 04 00 FF",
            "90 41",
            "90 61 41 00 FF",
            "90 70 FF",
        ] {
            assert_eq!(read(packet), Err(Unreadable), "{packet}");
        }
        assert_eq!(parse(CameraId::ONE, &[]), Err(Unreadable));
    }

    #[test]
    fn other_cameras_are_told_apart() {
        let of_another = |id, packet: &str| of_another(CameraId(id), &hex(packet));
        for packet in ["A0 41 FF", "A0 50 02 FF", "F0 60 41 FF", "88 30 03 FF"] {
            assert!(of_another(1, packet), "{packet}");
        }
        for packet in [
            "90 41 FF",
            "91 41 FF",
            "81 09 04 00 FF",
            "A0",
            "FF",
            "A0 FF",
            "20 41 FF",
        ] {
            assert!(!of_another(1, packet), "{packet}");
        }
        assert!(of_another(2, "90 41 FF") && !of_another(2, "A0 41 FF"));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40), id in 1_u8..=7) {
            let mut packet = bytes.clone();
            let _ = parse(CameraId(id), &packet);
            packet.push(END);
            let _ = parse(CameraId(id), &packet);
        }

        #[test]
        fn a_spot_that_was_read_is_sent_back_exactly(pan in any::<i16>(), tilt in any::<i16>(), zoom in any::<u16>()) {
            let spot = Spot { pan, tilt, zoom };
            let sent = Request::PanTiltBack(spot).emit(CameraId::ONE);
            let mut said = vec![0x90, 0x50];
            said.extend(&sent[6..]);
            prop_assert_eq!(parse(CameraId::ONE, &said), Ok(Reply::Answer(Inquired::PanTilt { pan, tilt })));
            let sent = Request::ZoomBack(spot).emit(CameraId::ONE);
            let mut said = vec![0x90, 0x50];
            said.extend(&sent[4..]);
            prop_assert_eq!(parse(CameraId::ONE, &said), Ok(Reply::Answer(Inquired::Zoom(zoom))));
        }

        #[test]
        fn no_byte_inside_a_packet_is_its_end(pan in any::<i16>(), tilt in any::<i16>(), zoom in any::<u16>(), preset in 0_u8..=89) {
            let spot = Spot { pan, tilt, zoom };
            for request in [Request::PanTiltBack(spot), Request::ZoomBack(spot), Request::Recall(PresetNumber::try_from(preset).unwrap())] {
                let packet = request.emit(CameraId::ONE);
                prop_assert!(packet.len() <= PACKET_MAX_BYTES);
                prop_assert_eq!(packet.iter().position(|byte| *byte == END), Some(packet.len() - 1));
            }
        }
    }
}
