//! The packets of the test: RTP (RFC 3550, section 5.1) with one element of a two-byte header extension (RFC 8285,
//! section 4.3), which is filled in just before sending.
//!
//! The box's element ([`PROBE_ID`]) and the reflector's ([`REPLY_ID`]) are equally long, so that an answer is as long as
//! what it answers (RFC 8762, section 4.2.1):
//!
//! | bytes of the element | box | reflector |
//! | --- | --- | --- |
//! | 0..4 | sequence of the packet, from 0 | the same, returned |
//! | 4..8 | 0 | sequence of the answer, from 0 |
//! | 8..16 | sent, ns by the box's clock | received, ns by the reflector's clock |
//! | 16..24 | 0 | sent, ns by the reflector's clock |
//!
//! The box's packet may have anything else that RTP allows. The reflector's is always laid out alike: 12 bytes of RTP,
//! 4 of the extension, the element with its id and length, 2 of padding, and a payload that the reflector makes up: of
//! what it was sent it returns the packet's number and length and nothing else.

use super::{Family, Fields, MAX_DATAGRAM, WireError, family};

/// Id of the box's element.
pub const PROBE_ID: u8 = 1;

/// Id of the reflector's element: its mark. A packet that has one is never reflected.
pub const REPLY_ID: u8 = 2;

/// Length of either element, bytes.
pub const STAMP_BYTES: usize = 24;

/// What a sender puts into the element when it builds the packet, to be filled by [`stamp`].
pub const BLANK: [u8; STAMP_BYTES] = [0; STAMP_BYTES];

/// The shortest packet of the test, bytes of UDP payload: RTP, extension, element, padding.
pub const LEAST_PACKET: usize = RTP_BYTES + 4 + 2 + STAMP_BYTES + 2;

/// Payload type of what is made here: MPEG-2 transport stream (RFC 3551, section 6), as the call-shaped stream is.
const PAYLOAD_TYPE: u8 = 33;

/// RTP's fixed header.
const RTP_BYTES: usize = 12;

/// "Defined by profile" of a two-byte header extension, without its four application bits.
const TWO_BYTE: u16 = 0x100;

/// Where the element's content begins in a packet that was laid out here.
const STAMP_AT: usize = RTP_BYTES + 4 + 2;

/// A packet of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// SSRC: the session.
    pub session: u32,
    /// Its number in the test, from 0, without RTP's wrap at 16 bits.
    pub seq: u32,
    /// When it was sent, ns by the box's clock.
    pub sent_ns: u64,
}

/// A packet of the reflector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// SSRC: the session.
    pub session: u32,
    /// The number of the packet that is answered.
    pub seq: u32,
    /// The answer's own number, from 0.
    pub reflector_seq: u32,
    /// When the packet arrived, ns by the reflector's clock.
    pub rx_ns: u64,
    /// When the answer was sent, ns by the reflector's clock.
    pub tx_ns: u64,
}

/// Fills in a packet's number and time, in place. The packet has to have an element [`PROBE_ID`] of [`STAMP_BYTES`].
///
/// # Errors
/// [`WireError`] when it is no RTP or has no such element; it is then unchanged.
pub fn stamp(packet: &mut [u8], seq: u32, sent_ns: u64) -> Result<(), WireError> {
    let at = probe_at(packet)?;
    let element = packet.get_mut(at..at + STAMP_BYTES).ok_or(WireError::Extension)?;
    element.fill(0);
    put(element, 0, &seq.to_be_bytes());
    put(element, 8, &sent_ns.to_be_bytes());
    Ok(())
}

/// Sets a packet's SSRC, which is the session, in place.
///
/// # Errors
/// [`WireError`] when it is no RTP; it is then unchanged.
pub fn set_session(packet: &mut [u8], session: u32) -> Result<(), WireError> {
    check(packet)?;
    put(packet, 8, &session.to_be_bytes());
    Ok(())
}

/// Builds a packet of `len` bytes with nothing but the stamp and a made-up payload.
///
/// For senders that need no call-shaped content. `len` is brought into [`LEAST_PACKET`]..=[`MAX_DATAGRAM`].
#[must_use]
pub fn emit_probe(probe: Probe, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_DATAGRAM);
    lay_out(&mut out, PROBE_ID, probe.session, probe.seq, probe.sent_ns, len);
    put(&mut out, STAMP_AT, &probe.seq.to_be_bytes());
    put(&mut out, STAMP_AT + 8, &probe.sent_ns.to_be_bytes());
    out
}

/// Reads a packet of the box.
///
/// # Errors
/// [`WireError`]; [`WireError::Reflected`] when it has the reflector's mark.
pub fn parse_probe(packet: &[u8]) -> Result<Probe, WireError> {
    let at = probe_at(packet)?;
    let mut fields = Fields(packet.get(at..).ok_or(WireError::Extension)?);
    let read = || {
        let seq = fields.u32()?;
        fields.u32()?;
        Some(Probe {
            session: session(packet)?,
            seq,
            sent_ns: fields.u64()?,
        })
    };
    let mut read = read;
    read().ok_or(WireError::Extension)
}

/// Makes the answer to a packet of `len` bytes in `out`, as long as it.
///
/// `tx_ns` is what is known now; [`stamp_reply`] corrects it at the last moment.
pub fn emit_reply(out: &mut Vec<u8>, reply: Reply, len: usize) {
    lay_out(
        out,
        REPLY_ID,
        reply.session,
        reply.reflector_seq,
        reply.rx_ns,
        len,
    );
    put(out, STAMP_AT, &reply.seq.to_be_bytes());
    put(out, STAMP_AT + 4, &reply.reflector_seq.to_be_bytes());
    put(out, STAMP_AT + 8, &reply.rx_ns.to_be_bytes());
    stamp_reply(out, reply.tx_ns);
}

/// Fills in when an answer is sent: the last thing before the socket. `packet` comes from [`emit_reply`].
pub fn stamp_reply(packet: &mut [u8], tx_ns: u64) {
    put(packet, STAMP_AT + 16, &tx_ns.to_be_bytes());
}

/// Reads a packet of the reflector.
///
/// # Errors
/// [`WireError`].
pub fn parse_reply(packet: &[u8]) -> Result<Reply, WireError> {
    let at = elements(packet)?.reply.ok_or(WireError::NoStamp)?;
    let mut fields = Fields(packet.get(at..).ok_or(WireError::Extension)?);
    let mut read = || {
        Some(Reply {
            session: session(packet)?,
            seq: fields.u32()?,
            reflector_seq: fields.u32()?,
            rx_ns: fields.u64()?,
            tx_ns: fields.u64()?,
        })
    };
    read().ok_or(WireError::Extension)
}

/// Where our elements begin.
#[derive(Default)]
struct Elements {
    probe: Option<usize>,
    reply: Option<usize>,
}

fn probe_at(packet: &[u8]) -> Result<usize, WireError> {
    let found = elements(packet)?;
    if found.reply.is_some() {
        return Err(WireError::Reflected);
    }
    found.probe.ok_or(WireError::NoStamp)
}

fn check(packet: &[u8]) -> Result<(), WireError> {
    if family(packet) != Family::Rtp {
        return Err(WireError::Foreign);
    }
    let len = packet.len();
    if len < LEAST_PACKET {
        return Err(WireError::TooShort {
            len,
            least: LEAST_PACKET,
        });
    }
    if len > MAX_DATAGRAM {
        return Err(WireError::TooLong { len });
    }
    // RTCP shares the first two bits (RFC 5761, section 4).
    match packet.get(1) {
        Some(192..=223) => Err(WireError::Foreign),
        _ => Ok(()),
    }
}

/// Walks the header extension. Every element is at least one byte long, so it ends.
fn elements(packet: &[u8]) -> Result<Elements, WireError> {
    check(packet)?;
    let first = packet.first().copied().unwrap_or_default();
    if first & 0x10 == 0 {
        return Err(WireError::NoStamp);
    }
    let begin = RTP_BYTES + 4 * usize::from(first & 0x0f);
    let mut head = Fields(packet.get(begin..).ok_or(WireError::Extension)?);
    let (profile, words) = match (head.u16(), head.u16()) {
        (Some(profile), Some(words)) => (profile, usize::from(words)),
        _ => return Err(WireError::Extension),
    };
    if profile >> 4 != TWO_BYTE {
        return Err(WireError::NoStamp);
    }
    let end = begin + 4 + 4 * words;
    let inside = packet.get(..end).ok_or(WireError::Extension)?;
    let mut found = Elements::default();
    let mut at = begin + 4;
    while let Some(&id) = inside.get(at) {
        if id == 0 {
            at += 1;
            continue;
        }
        let len = usize::from(*inside.get(at + 1).ok_or(WireError::Extension)?);
        let content = at + 2;
        at = content + len;
        if at > end {
            return Err(WireError::Extension);
        }
        match id {
            // A mark of any length is a mark.
            REPLY_ID => found.reply = Some(content).filter(|_| len == STAMP_BYTES).or(Some(usize::MAX)),
            PROBE_ID if len == STAMP_BYTES => found.probe = found.probe.or(Some(content)),
            _ => {}
        }
    }
    Ok(found)
}

fn session(packet: &[u8]) -> Option<u32> {
    Fields(packet.get(8..)?).u32()
}

/// The layout of everything that is made here, with an empty element.
fn lay_out(out: &mut Vec<u8>, id: u8, session: u32, seq: u32, at_ns: u64, len: usize) {
    let len = len.clamp(LEAST_PACKET, MAX_DATAGRAM);
    out.clear();
    out.extend_from_slice(&[0x90, PAYLOAD_TYPE]);
    let [_, _, high, low] = seq.to_be_bytes();
    out.extend_from_slice(&[high, low]);
    // RTP's clock for this payload type runs at 90 kHz and wraps (RFC 3551, section 6).
    let ticks = u32::try_from((u128::from(at_ns) * 9 / 100_000) & 0xffff_ffff).unwrap_or_default();
    out.extend_from_slice(&ticks.to_be_bytes());
    out.extend_from_slice(&session.to_be_bytes());
    out.extend_from_slice(&(TWO_BYTE << 4).to_be_bytes());
    let words = u16::try_from((LEAST_PACKET - RTP_BYTES - 4) / 4).unwrap_or_default();
    out.extend_from_slice(&words.to_be_bytes());
    out.extend_from_slice(&[id, u8::try_from(STAMP_BYTES).unwrap_or_default()]);
    out.extend_from_slice(&BLANK);
    out.extend_from_slice(&[0, 0]);
    fill(out, len, (u64::from(session) << 32) | u64::from(seq));
}

/// A payload that no device on the way can make shorter: numbers of splitmix64.
fn fill(out: &mut Vec<u8>, len: usize, seed: u64) {
    let mut state = seed;
    while out.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        out.extend_from_slice(&mixed.to_be_bytes());
    }
    out.truncate(len);
}

fn put(packet: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = packet.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
