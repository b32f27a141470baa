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

use super::{Fields, MAX_DATAGRAM, VERSION, WireError};
use crate::name::{Name, RoomAddress};

/// The first bytes of every control datagram.
pub const MAGIC: [u8; 4] = *b"BPLT";

/// Length of every request, bytes.
pub const REQUEST_BYTES: usize = 128;

/// Longest room: two names of 40 and the point.
const ROOM_BYTES: usize = 81;

/// Set in the kind of every answer.
const ANSWER: u8 = 0x80;

const HELLO: u8 = 0x01;
const OPEN: u8 = 0x02;
const CLOSE: u8 = 0x03;
const TOKEN: u8 = ANSWER | 0x01;
const GRANT: u8 = ANSWER | 0x02;
const REFUSED: u8 = ANSWER | 0x03;
const SUMMARY: u8 = ANSWER | 0x04;

/// Length of the longest answer, bytes.
const SUMMARY_BYTES: usize = 16 + 8 * 4 + 3 * 8;

// No answer is longer than its question.
const _: () = assert!(SUMMARY_BYTES <= REQUEST_BYTES && 33 + ROOM_BYTES + 12 <= REQUEST_BYTES);

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
    /// Last arrival by the reflector's clock, ns; 0 when none has arrived.
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

impl Request {
    /// The datagram, [`REQUEST_BYTES`] long.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut out = match self {
            Self::Hello { nonce, room } => {
                let mut out = head(HELLO, *nonce);
                emit_room(&mut out, room);
                out
            }
            Self::Open { nonce, token, wish } => {
                let mut out = head(OPEN, *nonce);
                out.extend_from_slice(token);
                out.extend_from_slice(&wish.kbps.to_be_bytes());
                out.extend_from_slice(&wish.duration_ms.to_be_bytes());
                out.extend_from_slice(&wish.packet_bytes.to_be_bytes());
                out.extend_from_slice(&[0; 2]);
                emit_room(&mut out, &wish.room);
                out
            }
            Self::Close { nonce, session, sent } => {
                let mut out = head(CLOSE, *nonce);
                out.extend_from_slice(&session.to_be_bytes());
                out.extend_from_slice(&sent.to_be_bytes());
                out
            }
        };
        out.resize(REQUEST_BYTES, 0);
        out
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`WireError`]; [`WireError::Version`] only for a request of full length, so that the answer is not longer.
    pub fn parse(datagram: &[u8]) -> Result<Self, WireError> {
        let (kind, nonce, mut fields) = parse_head(datagram, REQUEST_BYTES, false)?;
        let cut = short(datagram, REQUEST_BYTES);
        match kind {
            HELLO => Ok(Self::Hello {
                nonce,
                room: parse_room(&mut fields)?,
            }),
            OPEN => {
                let token = fields.bytes().ok_or(cut)?;
                let kbps = fields.u32().ok_or(cut)?;
                let duration_ms = fields.u32().ok_or(cut)?;
                let packet_bytes = fields.u16().ok_or(cut)?;
                fields.u16().ok_or(cut)?;
                let wish = Wish {
                    room: parse_room(&mut fields)?,
                    kbps,
                    duration_ms,
                    packet_bytes,
                };
                wish.check()?;
                Ok(Self::Open { nonce, token, wish })
            }
            CLOSE => Ok(Self::Close {
                nonce,
                session: fields.u32().ok_or(cut)?,
                sent: fields.u32().ok_or(cut)?,
            }),
            kind => Err(WireError::Kind { kind }),
        }
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
    /// The datagram; never longer than [`REQUEST_BYTES`].
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::Token { nonce, token } => {
                let mut out = head(TOKEN, *nonce);
                out.extend_from_slice(token);
                out
            }
            Self::Grant { nonce, grant } => {
                let mut out = head(GRANT, *nonce);
                numbers(&mut out, [grant.session, grant.kbps, grant.duration_ms, 0]);
                out
            }
            Self::Refused { nonce, refusal } => {
                let mut out = head(REFUSED, *nonce);
                out.extend_from_slice(&[refusal.reason.code(), 0, 0, 0]);
                numbers(&mut out, [refusal.max_kbps, refusal.max_duration_ms, 0]);
                out
            }
            Self::Summary {
                nonce,
                session,
                summary: s,
            } => {
                let mut out = head(SUMMARY, *nonce);
                numbers(
                    &mut out,
                    [
                        *session,
                        s.received,
                        s.duplicates,
                        s.reordered,
                        s.replied,
                        s.over_grant,
                        s.highest,
                        0,
                    ],
                );
                for long in [s.bytes, s.first_ns, s.last_ns] {
                    out.extend_from_slice(&long.to_be_bytes());
                }
                out
            }
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(datagram: &[u8]) -> Result<Self, WireError> {
        let (kind, nonce, mut fields) = parse_head(datagram, 32, true)?;
        let cut = short(datagram, if kind == SUMMARY { SUMMARY_BYTES } else { 32 });
        let mut next = || fields.u32().ok_or(cut);
        match kind {
            TOKEN => Ok(Self::Token {
                nonce,
                token: fields.bytes().ok_or(cut)?,
            }),
            GRANT => Ok(Self::Grant {
                nonce,
                grant: Grant {
                    session: next()?,
                    kbps: next()?,
                    duration_ms: next()?,
                },
            }),
            REFUSED => {
                let [code, ..] = next()?.to_be_bytes();
                Ok(Self::Refused {
                    nonce,
                    refusal: Refusal {
                        reason: Reason::from_code(code)?,
                        max_kbps: next()?,
                        max_duration_ms: next()?,
                    },
                })
            }
            SUMMARY => {
                let session = next()?;
                let mut summary = Summary {
                    received: next()?,
                    duplicates: next()?,
                    reordered: next()?,
                    replied: next()?,
                    over_grant: next()?,
                    highest: next()?,
                    ..Summary::default()
                };
                next()?;
                for long in [&mut summary.bytes, &mut summary.first_ns, &mut summary.last_ns] {
                    *long = fields.u64().ok_or(cut)?;
                }
                Ok(Self::Summary {
                    nonce,
                    session,
                    summary,
                })
            }
            kind => Err(WireError::Kind { kind }),
        }
    }

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

fn head(kind: u8, nonce: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(REQUEST_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind, 0, 0]);
    out.extend_from_slice(&nonce.to_be_bytes());
    out
}

fn numbers<const N: usize>(out: &mut Vec<u8>, numbers: [u32; N]) {
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn emit_room(out: &mut Vec<u8>, room: &RoomAddress) {
    let text = room.mqtt_user();
    out.push(u8::try_from(text.len()).unwrap_or(0));
    out.extend_from_slice(text.as_bytes());
}

fn short(datagram: &[u8], least: usize) -> WireError {
    WireError::TooShort {
        len: datagram.len(),
        least,
    }
}

/// Magic, direction, length, version, in this order: what goes the wrong way is never answered, whatever else it is.
fn parse_head(datagram: &[u8], least: usize, answer: bool) -> Result<(u8, u64, Fields<'_>), WireError> {
    let cut = short(datagram, least);
    if !datagram.starts_with(&MAGIC) {
        return Err(WireError::Foreign);
    }
    let mut fields = Fields(datagram.get(MAGIC.len()..).ok_or(cut)?);
    let version = fields.u8().ok_or(cut)?;
    let kind = fields.u8().ok_or(cut)?;
    if (kind & ANSWER != 0) != answer {
        return Err(if answer {
            WireError::Kind { kind }
        } else {
            WireError::Reflected
        });
    }
    if datagram.len() < least {
        return Err(cut);
    }
    if datagram.len() > MAX_DATAGRAM {
        return Err(WireError::TooLong { len: datagram.len() });
    }
    if version != VERSION {
        return Err(WireError::Version { theirs: version });
    }
    fields.u16().ok_or(cut)?;
    let nonce = fields.u64().ok_or(cut)?;
    Ok((kind, nonce, fields))
}

fn parse_room(fields: &mut Fields<'_>) -> Result<RoomAddress, WireError> {
    let len = usize::from(fields.u8().ok_or(WireError::Room)?);
    if len > ROOM_BYTES {
        return Err(WireError::Room);
    }
    let text = fields
        .0
        .get(..len)
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    let (org, room) = text
        .and_then(|text| text.split_once('.'))
        .ok_or(WireError::Room)?;
    match (Name::new(org), Name::new(room)) {
        (Ok(org), Ok(room)) => Ok(RoomAddress { org, room }),
        _ => Err(WireError::Room),
    }
}
