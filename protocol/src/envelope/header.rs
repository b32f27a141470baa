//! The protected header: which kind, whose key; and nothing that would let the sender choose more than that.
//!
//! It is read before anything is verified, so it decides nothing: the key for a key id is chosen by who reads it.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::{Kid, Kind, OpenError, decode};

/// The protected header: what we read of it, in one pass. A member that stands there twice is refused.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Cow<'a, str>,
    kid: Kid,
    // Members that would let the sender choose a key or change the signing input: refused when present, whatever their
    // value.
    #[serde(default)]
    jwk: Present,
    #[serde(default)]
    jku: Present,
    #[serde(default)]
    x5u: Present,
    #[serde(default)]
    x5c: Present,
    #[serde(default)]
    b64: Present,
    #[serde(default)]
    crit: Present,
}

impl Header<'_> {
    fn refused(&self) -> Option<&'static str> {
        [
            ("jwk", &self.jwk),
            ("jku", &self.jku),
            ("x5u", &self.x5u),
            ("x5c", &self.x5c),
            ("b64", &self.b64),
            ("crit", &self.crit),
        ]
        .into_iter()
        .find_map(|(name, member)| member.0.then_some(name))
    }
}

/// Whether a member is there, even as `null`.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// Reads an encoded header.
///
/// # Errors
/// [`OpenError`] when it is not one of ours.
pub(super) fn read_header(encoded: &str) -> Result<(Kind, Kid), OpenError> {
    let bytes = decode(encoded)?;
    // An object: serde would take a list of the members' values as well.
    if bytes.first() != Some(&b'{') {
        return Err(OpenError::Malformed);
    }
    let header: Header<'_> = serde_json::from_slice(&bytes).map_err(|e| {
        if e.is_data() {
            OpenError::Header(e.to_string())
        } else {
            OpenError::Malformed
        }
    })?;
    if let Some(refused) = header.refused() {
        return Err(OpenError::Header(format!("it carries \"{refused}\"")));
    }
    if header.alg != "EdDSA" {
        return Err(OpenError::Header(format!(
            "the algorithm is \"{:.20}\", not \"EdDSA\"",
            header.alg
        )));
    }
    let kind = Kind::from_typ(&header.typ).ok_or_else(|| OpenError::WrongKind {
        typ: header.typ.into_owned(),
    })?;
    Ok((kind, header.kid))
}
