//! The handshake's bytes: emit and parse, as the table in [`super`] lays them out.

use super::super::{Fields, MAX_DATAGRAM, VERSION, WireError};
use super::{Answer, Grant, MAGIC, REQUEST_BYTES, Reason, Refusal, Request, Summary, Wish};
use crate::name::{Name, RoomAddress};

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

/// Length of the longest request without its padding, bytes.
const OPEN_BYTES: usize = 16 + 16 + 4 + 4 + 2 + 2 + 1 + ROOM_BYTES;

// No answer is longer than its question, and every question holds what it says.
const _: () = assert!(SUMMARY_BYTES <= REQUEST_BYTES && OPEN_BYTES <= REQUEST_BYTES);

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
