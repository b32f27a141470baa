//! The envelope: compact JWS (RFC 7515) with Ed25519 (RFC 8037), sealed and opened.
//!
//! The bytes that were signed are the bytes that are kept, sent and verified; nothing is ever encoded
//! again. One key id is one key is one algorithm: the header can choose neither. Claims are parsed only
//! after the signature holds. Choices and their reasons: `docs/decisions/0004-evidence.md`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod attacks;
mod header;
mod key;

use header::read_header;
pub use key::{EntryHash, Jwk, Kid, SigningKey, VerifyingKey, sha256_hex};

/// Largest envelope, bytes. Larger ones are refused before anything is read in them.
pub const MAX_ENVELOPE: usize = 64 * 1024;

/// How claims of [`crate::WIRE_VERSION`] begin that were written as ours are.
const CLAIMS_BEGIN: &str = "{\"v\":1,";

/// Longest protected header that is read, base64url characters.
const MAX_HEADER: usize = 512;

/// What an envelope holds: the `typ` of its protected header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`crate::claims::Report`]
    Report,
    /// [`crate::claims::Event`]
    Event,
    /// [`crate::claims::Attest`]
    Attest,
    /// [`crate::claims::Gap`]
    Gap,
    /// [`crate::claims::Enrol`]
    Enrol,
    /// [`crate::claims::Plan`]
    Plan,
    /// [`crate::claims::Command`]
    Command,
    /// [`crate::claims::Receipt`]
    Receipt,
    /// A line test's token.
    Line,
    /// A hub's key about the one that follows it ([`crate::rotation`]).
    HubKey,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Report,
        Self::Event,
        Self::Attest,
        Self::Gap,
        Self::Enrol,
        Self::Plan,
        Self::Command,
        Self::Receipt,
        Self::Line,
        Self::HubKey,
    ];

    /// Kinds that take a number in the agent's chain.
    pub const NUMBERED: [Self; 4] = [Self::Report, Self::Event, Self::Attest, Self::Gap];

    /// The `typ` of the protected header.
    #[must_use]
    pub fn typ(self) -> &'static str {
        match self {
            Self::Report => "bp-report+jws",
            Self::Event => "bp-event+jws",
            Self::Attest => "bp-attest+jws",
            Self::Gap => "bp-gap+jws",
            Self::Enrol => "bp-enrol+jws",
            Self::Plan => "bp-plan+jws",
            Self::Command => "bp-cmd+jws",
            Self::Receipt => "bp-receipt+jws",
            Self::Line => "bp-line+jws",
            Self::HubKey => "bp-hubkey+jws",
        }
    }

    fn from_typ(typ: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.typ() == typ)
    }
}

/// A sealed envelope: its exact text and the hash of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The compact JWS.
    pub jws: String,
    /// SHA-256 of it.
    pub hash: EntryHash,
}

/// Signs claims.
///
/// # Errors
/// [`SealError`] when they cannot be written as JSON or the envelope would be larger than [`MAX_ENVELOPE`].
pub fn seal(key: &SigningKey, kind: Kind, claims: &impl Serialize) -> Result<Sealed, SealError> {
    let payload = serde_json::to_vec(claims).map_err(|e| SealError::Claims(e.to_string()))?;
    let header = format!(
        r#"{{"alg":"EdDSA","typ":"{}","kid":"{}"}}"#,
        kind.typ(),
        key.kid()
    );
    let mut jws = URL_SAFE_NO_PAD.encode(header);
    jws.push('.');
    jws.push_str(&URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(jws.as_bytes());
    jws.push('.');
    jws.push_str(&URL_SAFE_NO_PAD.encode(signature.as_ref()));
    if jws.len() > MAX_ENVELOPE {
        return Err(SealError::TooLarge { bytes: jws.len() });
    }
    Ok(Sealed {
        hash: EntryHash::of(&jws),
        jws,
    })
}

/// An envelope whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it holds.
    pub kind: Kind,
    /// Who signed it.
    pub kid: Kid,
    /// SHA-256 of the envelope.
    pub hash: EntryHash,
    /// The claims' exact bytes.
    pub payload: Vec<u8>,
}

impl Opened {
    /// Parses the claims.
    ///
    /// # Errors
    /// [`OpenError::Claims`] when they are not of that shape or of another version.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, OpenError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        // Claims are written with their version first: then there is no need to look for it in all of them.
        // A second one further on is refused as a repeated member by every kind of claims.
        if !self.payload.starts_with(CLAIMS_BEGIN.as_bytes()) {
            let version: Version = serde_json::from_slice(&self.payload).map_err(|e| unreadable(&e))?;
            if version.v != crate::WIRE_VERSION {
                return Err(OpenError::Version(version.v));
            }
        }
        serde_json::from_slice(&self.payload).map_err(|e| unreadable(&e))
    }
}

/// Verifies an envelope: size, header, key, signature, in this order. Nothing of the payload is read before.
///
/// `key_of` answers which key a key id stands for; `None` is [`OpenError::UnknownKey`].
///
/// # Errors
/// [`OpenError`], one variant a reason.
pub fn open(
    jws: &[u8],
    accepted: &[Kind],
    key_of: impl FnOnce(&Kid) -> Option<VerifyingKey>,
) -> Result<Opened, OpenError> {
    let unopened = Unopened::read(jws)?;
    if !accepted.contains(&unopened.kind) {
        return Err(OpenError::WrongKind {
            typ: unopened.kind.typ().to_owned(),
        });
    }
    let key = key_of(&unopened.kid).ok_or_else(|| OpenError::UnknownKey(unopened.kid.clone()))?;
    unopened.open(&key)
}

/// An envelope of which only the header has been read: what it holds and which key it needs, as it says itself.
#[derive(Debug)]
pub struct Unopened<'a> {
    parts: Parts<'a>,
    kind: Kind,
    kid: Kid,
}

impl<'a> Unopened<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`OpenError`] when it is no envelope, or has a header that is refused.
    pub fn read(jws: &'a [u8]) -> Result<Self, OpenError> {
        let parts = split(jws)?;
        let (kind, kid) = read_header(parts.header)?;
        Ok(Self { parts, kind, kid })
    }

    /// What it says to hold.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whose signature it says to carry.
    #[must_use]
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Verifies the signature, and only then decodes the claims.
    ///
    /// # Errors
    /// [`OpenError::Forged`]; [`OpenError::Malformed`] when a part is no base64url.
    pub fn open(self, key: &VerifyingKey) -> Result<Opened, OpenError> {
        verify(&self.parts, key)?;
        self.unverified()
    }

    /// Decodes the claims **without verifying the signature**.
    fn unverified(self) -> Result<Opened, OpenError> {
        Ok(Opened {
            payload: decode(self.parts.payload)?,
            hash: EntryHash::of(self.parts.text),
            kind: self.kind,
            kid: self.kid,
        })
    }
}

/// Opens an enrolment, which is signed by the key that it carries. Possession is what this proves; trust
/// comes from the operator who compares fingerprints.
///
/// # Errors
/// As [`open`]; [`OpenError::BadKey`] when the carried key is none or is not the one that `kid` names.
pub fn open_enrolment(jws: &[u8]) -> Result<(Opened, crate::claims::Enrol), OpenError> {
    let parts = split(jws)?;
    let (kind, kid) = read_header(parts.header)?;
    if kind != Kind::Enrol {
        return Err(OpenError::WrongKind {
            typ: kind.typ().to_owned(),
        });
    }
    let payload = decode(parts.payload)?;
    let claims: crate::claims::Enrol = serde_json::from_slice(&payload).map_err(|e| unreadable(&e))?;
    if claims.v != crate::WIRE_VERSION {
        return Err(OpenError::Version(claims.v));
    }
    let key = VerifyingKey::from_jwk(&claims.jwk)?;
    if key.kid() != kid {
        return Err(OpenError::BadKey);
    }
    verify(&parts, &key)?;
    Ok((
        Opened {
            kind,
            kid,
            hash: EntryHash::of(parts.text),
            payload,
        },
        claims,
    ))
}

/// Reads an envelope **without verifying it**: only for what was verified before, and to learn which key
/// a line of one's own disk needs.
///
/// # Errors
/// [`OpenError`] when it is no envelope.
pub fn peek(jws: &[u8]) -> Result<Opened, OpenError> {
    Unopened::read(jws)?.unverified()
}

/// Why an envelope could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The claims are no JSON.
    #[error("the claims cannot be written as JSON: {0}")]
    Claims(String),
    /// Too large.
    #[error("the envelope would have {bytes} bytes; {MAX_ENVELOPE} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Why an envelope is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Larger than [`MAX_ENVELOPE`].
    #[error("the envelope has {bytes} bytes; {MAX_ENVELOPE} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not three base64url parts.
    #[error("this is no compact JWS")]
    Malformed,
    /// A header that is not ours: another algorithm, or a member that would let it choose its key.
    #[error("the header is refused: {0}")]
    Header(String),
    /// Another `typ` than wanted here.
    #[error("\"{typ}\" does not belong here")]
    WrongKind {
        /// The `typ`.
        typ: String,
    },
    /// Signed by nobody we know.
    #[error("unknown key {0}")]
    UnknownKey(Kid),
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Forged,
    /// A key that is no Ed25519 key, or not the one it is said to be.
    #[error("this is no usable Ed25519 key")]
    BadKey,
    /// Another version of the wire.
    #[error("version {0} of the wire is not spoken here")]
    Version(u32),
    /// The claims have another shape.
    #[error("the claims cannot be read: {0}")]
    Claims(String),
}

#[derive(Debug)]
struct Parts<'a> {
    text: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    signed: &'a str,
}

fn split(jws: &[u8]) -> Result<Parts<'_>, OpenError> {
    if jws.len() > MAX_ENVELOPE {
        return Err(OpenError::TooLarge { bytes: jws.len() });
    }
    let text = std::str::from_utf8(jws).map_err(|_| OpenError::Malformed)?;
    if !text.is_ascii() {
        return Err(OpenError::Malformed);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(OpenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(OpenError::Malformed)?;
    if payload.contains('.') || header.is_empty() || header.len() > MAX_HEADER {
        return Err(OpenError::Malformed);
    }
    Ok(Parts {
        text,
        header,
        payload,
        signature,
        signed,
    })
}

fn verify(parts: &Parts<'_>, key: &VerifyingKey) -> Result<(), OpenError> {
    let signature = decode(parts.signature)?;
    if key.holds(parts.signed.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(OpenError::Forged)
    }
}

/// What is wrong with claims, in a few words: the error repeats a value that does not belong, which may be all of them.
fn unreadable(error: &serde_json::Error) -> OpenError {
    const LONGEST: usize = 200;
    let said = error.to_string();
    OpenError::Claims(match said.char_indices().nth(LONGEST) {
        None => said,
        Some((end, _)) => {
            let begun = said.get(..end).unwrap_or_default();
            format!("{begun}… at line {} column {}", error.line(), error.column())
        }
    })
}

fn decode(encoded: &str) -> Result<Vec<u8>, OpenError> {
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| OpenError::Malformed)
}

#[cfg(test)]
mod tests;
