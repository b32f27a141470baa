//! What becomes of one message from a room: bytes, topic, keyring and neighbours in, [`Outcome`] out.
//!
//! Pure. In this order: size, topic, signature (nothing of the claims is read before it holds), the claims'
//! room is the topic's, the key is that room's, the place in the chain. The first that does not hold decides.

use std::sync::Arc;

use bridgepoint_protocol::chain::{Link, Neighbours, Placement, follows, place};
use bridgepoint_protocol::claims::{Attest, Enrol, EntryLink, Event, Gap, Presence, Report};
use bridgepoint_protocol::envelope::{
    EntryHash, Kid, Kind, MAX_ENVELOPE, OpenError, Opened, VerifyingKey, open, open_enrolment,
};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::topic::{RoomTopic, Topic};

use crate::keyring::{Keyring, Request, Standing};

mod reason;

pub use reason::Reason;
use reason::reason_of;

/// Largest `state` message, bytes.
const MAX_PRESENCE: usize = 4096;

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A new entry in its place: store it, then receipt it.
    Accepted(Box<Entry>),
    /// Held already, byte for byte: receipt it again.
    Duplicate {
        /// Whose.
        at: RoomAddress,
        /// Which of the room's chains.
        chain: u32,
        /// Its number.
        seq: u64,
        /// Its hash.
        hash: EntryHash,
    },
    /// It contradicts what is held: keep it as evidence, alarm, no receipt.
    Fork(Box<Entry>),
    /// Somebody asks for a key to be trusted.
    Enrolment(Box<Enrolment>),
    /// The box says how it is. No proof of anything.
    Presence(RoomAddress, Presence),
    /// Counted, and nothing else.
    Refused(Refused),
}

/// A verified entry of a room's chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Whose.
    pub at: RoomAddress,
    /// Which of the room's chains.
    pub chain: u32,
    /// The key that signed it.
    pub kid: Kid,
    /// Number, predecessor, hash.
    pub link: Link,
    /// When it was signed, UTC seconds, by the box's clock.
    pub iat: i64,
    /// The hub's challenge that it echoes, as it says.
    pub nonce: Option<String>,
    /// What it says.
    pub body: Body,
    /// The exact text that was signed.
    pub jws: String,
}

impl Entry {
    /// The number of the entry that this one follows; 0 for nothing.
    fn follows(&self) -> u64 {
        let declared = match &self.body {
            Body::Gap(gap) => gap.declared(),
            Body::Report(_) | Body::Event(_) | Body::Attest(_) => None,
        };
        follows(self.link.seq, declared.as_ref())
    }
}

/// What an entry says, as far as the hub acts on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A run.
    Report(Arc<Report>),
    /// Something that happened.
    Event(Box<Event>),
    /// Something that a person has confirmed.
    Attest(Box<Attest>),
    /// Entries `from` to `to` are declared missing.
    Gap(Box<Gap>),
}

impl Body {
    /// The entry's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Report(_) => Kind::Report,
            Self::Event(_) => Kind::Event,
            Self::Attest(_) => Kind::Attest,
            Self::Gap(_) => Kind::Gap,
        }
    }
}

/// A verified request to trust a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolment {
    /// For which room.
    pub at: RoomAddress,
    /// The key's id.
    pub kid: Kid,
    /// The key.
    pub key: VerifyingKey,
    /// Hash of the enrolment.
    pub hash: EntryHash,
    /// What becomes of it: [`Request::Approved`], [`Request::Expected`], [`Request::Pending`] or
    /// [`Request::Challenger`].
    pub request: Request,
    /// What else it says.
    pub claims: Enrol,
}

/// A message that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The room of the topic it came on, when that is one.
    pub at: Option<RoomAddress>,
    /// Why.
    pub why: Reason,
    /// More about it, for the log.
    pub detail: String,
}

/// Decides about one message. `around` looks up what is held around an entry (room, chain, link, and the number of the
/// entry that it [`follows`]); it is asked only for an entry that its room's own key has signed.
///
/// # Errors
/// Only those of `around`.
pub fn ingest<E>(
    topic: &str,
    payload: &[u8],
    orgs: &[Name],
    keyring: &Keyring,
    around: impl FnOnce(&RoomAddress, u32, &Link, u64) -> Result<Neighbours, E>,
) -> Result<Outcome, E> {
    let entry = match read(topic, payload, orgs, keyring) {
        Ok(Read::Entry(entry)) => entry,
        Ok(Read::Settled(outcome)) => return Ok(outcome),
        Err(refused) => return Ok(Outcome::Refused(refused)),
    };
    let before = entry.follows();
    let held = around(&entry.at, entry.chain, &entry.link, before)?;
    Ok(match place(&entry.link, before, &held) {
        Placement::Accept | Placement::Ahead { .. } => Outcome::Accepted(entry),
        Placement::Duplicate => Outcome::Duplicate {
            at: entry.at,
            chain: entry.chain,
            seq: entry.link.seq,
            hash: entry.link.hash,
        },
        Placement::Fork => Outcome::Fork(entry),
    })
}

enum Read {
    Entry(Box<Entry>),
    Settled(Outcome),
}

fn read(topic: &str, payload: &[u8], orgs: &[Name], keyring: &Keyring) -> Result<Read, Refused> {
    let parsed = topic.parse::<Topic>();
    let at = match &parsed {
        Ok(Topic::Room(at, _)) if orgs.contains(&at.org) => Some(at.clone()),
        _ => None,
    };
    let refuse = |why, detail: String| Refused {
        at: at.clone(),
        why,
        detail,
    };
    if payload.len() > MAX_ENVELOPE {
        return Err(refuse(Reason::Oversized, format!("{} bytes", payload.len())));
    }
    let (Ok(Topic::Room(_, kind)), Some(at)) = (parsed, at.clone()) else {
        return Err(refuse(Reason::Topic, format!("{topic:.120}")));
    };
    let accepted: &[Kind] = match kind {
        RoomTopic::State => return presence(at, payload).map(Read::Settled),
        RoomTopic::Enrol => return enrolment(at, payload, keyring).map(Read::Settled),
        RoomTopic::Report => &[Kind::Report],
        RoomTopic::Event => &[Kind::Event, Kind::Attest, Kind::Gap],
        RoomTopic::Readiness | RoomTopic::Receipt | RoomTopic::Plan | RoomTopic::Command => {
            return Err(refuse(Reason::Topic, format!("{topic:.120} is not for the hub")));
        }
    };
    let opened = open(payload, accepted, |kid| keyring.key_of(kid))
        .map_err(|e| refuse(reason_of(&e), e.to_string()))?;
    let (claimed, link, body) = claims(&opened).map_err(|e| refuse(reason_of(&e), e.to_string()))?;
    if claimed != at {
        return Err(refuse(Reason::WrongRoom, format!("the claims are {claimed}'s")));
    }
    // The database counts in signed numbers; a chain of more than 2^62 entries does not exist.
    if link.seq == 0 || link.seq > (1 << 62) {
        return Err(refuse(
            Reason::Malformed,
            format!("there is no entry {}", link.seq),
        ));
    }
    let by = |why| refuse(why, format!("entry {} by {}", link.seq, opened.kid));
    let chain = match keyring.standing(&at, &opened.kid, link.seq) {
        Standing::Own { chain } => chain,
        Standing::Pending => return Err(by(Reason::PendingKey)),
        Standing::Revoked => return Err(by(Reason::RevokedKey)),
        Standing::Former => return Err(by(Reason::FormerKey)),
        Standing::Early => return Err(by(Reason::EarlyKey)),
        Standing::Elsewhere => {
            return Err(refuse(
                Reason::WrongRoom,
                format!("key {} is another room's", opened.kid),
            ));
        }
        Standing::Unknown => return Err(by(Reason::UnknownKey)),
    };
    let jws = String::from_utf8(payload.to_vec()).map_err(|e| refuse(Reason::Malformed, e.to_string()))?;
    let place = Link {
        seq: link.seq,
        prev: link.prev,
        hash: opened.hash,
    };
    Ok(Read::Entry(Box::new(Entry {
        at,
        chain,
        kid: opened.kid,
        link: place,
        iat: link.iat,
        nonce: link.nonce,
        body,
        jws,
    })))
}

fn claims(opened: &Opened) -> Result<(RoomAddress, EntryLink, Body), OpenError> {
    Ok(match opened.kind {
        Kind::Report => {
            let c: Report = opened.claims()?;
            (
                address(&c.org, &c.room),
                c.link.clone(),
                Body::Report(Arc::new(c)),
            )
        }
        Kind::Event => {
            let c: Event = opened.claims()?;
            (address(&c.org, &c.room), c.link.clone(), Body::Event(Box::new(c)))
        }
        Kind::Attest => {
            let c: Attest = opened.claims()?;
            (
                address(&c.org, &c.room),
                c.link.clone(),
                Body::Attest(Box::new(c)),
            )
        }
        Kind::Gap => {
            let c: Gap = opened.claims()?;
            (address(&c.org, &c.room), c.link.clone(), Body::Gap(Box::new(c)))
        }
        other => {
            return Err(OpenError::WrongKind {
                typ: other.typ().to_owned(),
            });
        }
    })
}

fn enrolment(at: RoomAddress, payload: &[u8], keyring: &Keyring) -> Result<Outcome, Refused> {
    let refuse = |why, detail: String| Refused {
        at: Some(at.clone()),
        why,
        detail,
    };
    let (opened, claims) = open_enrolment(payload).map_err(|e| refuse(reason_of(&e), e.to_string()))?;
    let claimed = address(&claims.org, &claims.room);
    if claimed != at {
        return Err(refuse(Reason::WrongRoom, format!("the claims are {claimed}'s")));
    }
    let key = VerifyingKey::from_jwk(&claims.jwk).map_err(|e| refuse(Reason::Malformed, e.to_string()))?;
    let request = keyring.request(&at, &opened.kid);
    match request {
        Request::Approved | Request::Expected | Request::Pending | Request::Challenger => {}
        Request::Former => return Err(refuse(Reason::FormerKey, opened.kid.to_string())),
        Request::Revoked => return Err(refuse(Reason::RevokedKey, opened.kid.to_string())),
        Request::Elsewhere => {
            return Err(refuse(
                Reason::WrongRoom,
                format!("key {} is another room's", opened.kid),
            ));
        }
        Request::TooMany => return Err(refuse(Reason::TooManyKeys, opened.kid.to_string())),
    }
    Ok(Outcome::Enrolment(Box::new(Enrolment {
        at,
        kid: opened.kid,
        key,
        hash: opened.hash,
        request,
        claims,
    })))
}

fn presence(at: RoomAddress, payload: &[u8]) -> Result<Outcome, Refused> {
    let refuse = |why, detail: String| Refused {
        at: Some(at.clone()),
        why,
        detail,
    };
    if payload.len() > MAX_PRESENCE {
        return Err(refuse(
            Reason::Oversized,
            format!("a state of {} bytes", payload.len()),
        ));
    }
    let presence: Presence =
        serde_json::from_slice(payload).map_err(|e| refuse(Reason::Malformed, e.to_string()))?;
    if presence.v != bridgepoint_protocol::WIRE_VERSION {
        return Err(refuse(Reason::Version, presence.v.to_string()));
    }
    Ok(Outcome::Presence(at, presence))
}

fn address(org: &Name, room: &Name) -> RoomAddress {
    RoomAddress {
        org: org.clone(),
        room: room.clone(),
    }
}

#[cfg(test)]
mod tests;
