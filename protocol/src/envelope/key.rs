//! Keys, their ids and hashes: what names an entry and who signed it.
//!
//! A key is known by its RFC 7638 thumbprint ([`Kid`]); people compare the [`Kid::fingerprint`] of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::OpenError;

/// A 32-byte SHA-256 value, base64url on the wire: the hash of an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryHash([u8; 32]);

impl EntryHash {
    /// `prev` of the first entry.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of the compact JWS's ASCII bytes.
    #[must_use]
    pub fn of(jws: &str) -> Self {
        Self(sha256(jws.as_bytes()))
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryHash({self})")
    }
}

impl From<EntryHash> for String {
    fn from(hash: EntryHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for EntryHash {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        decode32(&text)
            .map(Self)
            .ok_or_else(|| format!("\"{text:.60}\" is no base64url SHA-256"))
    }
}

/// A key's id: the RFC 7638 thumbprint of its public JWK, base64url.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kid(String);

impl Kid {
    /// Takes a thumbprint as written.
    #[must_use]
    pub fn new(thumbprint: impl Into<String>) -> Self {
        Self(thumbprint.into())
    }

    /// The thumbprint.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fingerprint that two people compare over a telephone: 20 bytes of the thumbprint in base32,
    /// eight groups of four. No digit or letter in it can be heard as another (RFC 4648 base32 has no 0, 1, 8, 9).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let bytes = decode32(&self.0).unwrap_or_else(|| sha256(self.0.as_bytes()));
        let mut text = String::with_capacity(39);
        let (mut buffer, mut bits) = (0_u32, 0_u32);
        let mut written = 0;
        for byte in bytes.iter().take(20) {
            buffer = (buffer << 8) | u32::from(*byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                let index = ((buffer >> bits) & 31) as usize;
                if written > 0 && written % 4 == 0 {
                    text.push('-');
                }
                text.push(ALPHABET.get(index).map_or('?', |b| char::from(*b)));
                written += 1;
            }
        }
        text
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key as JSON Web Key (RFC 8037): `{"crv":"Ed25519","kty":"OKP","x":"…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The 32 bytes, base64url.
    pub x: String,
}

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Reads a JWK.
    ///
    /// # Errors
    /// [`OpenError::BadKey`] when it is no Ed25519 public key.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, OpenError> {
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
            return Err(OpenError::BadKey);
        }
        decode32(&jwk.x).map(Self).ok_or(OpenError::BadKey)
    }

    /// As JWK.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x: URL_SAFE_NO_PAD.encode(self.0),
        }
    }

    /// Whether `signature` over `signed` is this key's.
    pub(super) fn holds(&self, signed: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(signed, signature)
            .is_ok()
    }

    /// The key's id: SHA-256 over the canonical JWK (RFC 7638: members in alphabetical order, no spaces).
    #[must_use]
    pub fn kid(&self) -> Kid {
        let canonical = format!(
            r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(self.0)
        );
        Kid(URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes())))
    }
}

/// An Ed25519 key pair that signs. Its `Debug` shows the public half only.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    kid: Kid,
}

impl SigningKey {
    /// Reads a PKCS #8 document (DER): as `ring` writes it, with the public half, or as `openssl genpkey` does, without.
    ///
    /// # Errors
    /// [`OpenError::BadKey`] when it is none.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, OpenError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).map_err(|_| OpenError::BadKey)?;
        let public: [u8; 32] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| OpenError::BadKey)?;
        Ok(Self {
            pair,
            kid: VerifyingKey(public).kid(),
        })
    }

    /// Makes a new key: the PKCS #8 document to keep.
    ///
    /// # Errors
    /// [`OpenError::BadKey`] when the random source fails.
    pub fn generate(random: &dyn ring::rand::SecureRandom) -> Result<Vec<u8>, OpenError> {
        Ok(Ed25519KeyPair::generate_pkcs8(random)
            .map_err(|_| OpenError::BadKey)?
            .as_ref()
            .to_vec())
    }

    /// The public half.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        let mut public = [0; 32];
        for (to, from) in public.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        VerifyingKey(public)
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Signs.
    pub(super) fn sign(&self, bytes: &[u8]) -> ring::signature::Signature {
        self.pair.sign(bytes)
    }

    /// A fixed key for tests, so that failures repeat.
    #[cfg(test)]
    pub(crate) fn of_seed(seed: u8) -> Self {
        #[allow(clippy::unwrap_used)] // for tests only
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public: [u8; 32] = pair.public_key().as_ref().try_into().unwrap_or([0; 32]);
        Self {
            pair,
            kid: VerifyingKey(public).kid(),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

fn decode32(encoded: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

/// SHA-256 as lower-case hex: how configuration files and profiles are named in reports.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
