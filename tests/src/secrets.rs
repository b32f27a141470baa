//! Looks for a private key in whatever was written: its 32 secret bytes as they are, in hex, in base64 of either alphabet at
//! any place within more, as a list of numbers; and the same once more within what is itself base64 (envelopes, PEM).
//!
//! PKCS #8 holds those bytes in the middle, so whatever carries the document carries them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD, URL_SAFE_NO_PAD,
};

/// Where the secret bytes stand in a PKCS #8 document of an Ed25519 key (RFC 8410).
const SECRET: std::ops::Range<usize> = 16..48;

/// A shorter run of base64 holds no key.
const SHORTEST: usize = 40;

/// The forms in which a key would be recognised.
#[derive(Debug, Clone)]
pub struct Secret {
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Secret {
    /// Of a PKCS #8 document; `None` when it is too short to be one.
    #[must_use]
    pub fn of_pkcs8(document: &[u8]) -> Option<Self> {
        let secret = document.get(SECRET)?;
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
        let mut forms = vec![
            ("as it is", secret.to_vec()),
            ("in capital hex", hex.to_uppercase().into_bytes()),
            ("in hex", hex.into_bytes()),
            ("as numbers", numbers.join(",").into_bytes()),
            ("as numbers", numbers.join(", ").into_bytes()),
        ];
        for before in 0..3 {
            forms.push(("in base64", within(&STANDARD_NO_PAD, secret, before)));
            forms.push(("in base64url", within(&URL_SAFE_NO_PAD, secret, before)));
        }
        Some(Self { forms })
    }

    /// In which form the key is in these bytes, if it is.
    #[must_use]
    pub fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        self.plain(bytes).or_else(|| {
            let runs = bytes.split(|byte| !is_base64(*byte));
            runs.filter(|run| run.len() >= SHORTEST)
                .find_map(|run| self.plain(&decoded(run)?))
        })
    }

    fn plain(&self, bytes: &[u8]) -> Option<&'static str> {
        let form = self.forms.iter().find(|(_, form)| contains(bytes, form));
        form.map(|(name, _)| *name)
    }
}

/// The characters that stand for `secret` and nothing else where `before` bytes (modulo three) precede it.
fn within(engine: &GeneralPurpose, secret: &[u8], before: usize) -> Vec<u8> {
    let mut padded = vec![0; before];
    padded.extend_from_slice(secret);
    let text = engine.encode(&padded).into_bytes();
    let (begin, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    text.get(begin..end).unwrap_or_default().to_vec()
}

fn contains(bytes: &[u8], form: &[u8]) -> bool {
    let Some(first) = form.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        let Some(from) = rest.get(at..) else { return false };
        if from.starts_with(form) {
            return true;
        }
        rest = from.get(1..).unwrap_or_default();
    }
    false
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_+/".contains(&byte)
}

fn decoded(run: &[u8]) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let of = |alphabet| GeneralPurpose::new(alphabet, lenient);
    // A cut-off end costs its last characters, not the whole.
    let whole = run.get(..run.len() - usize::from(run.len() % 4 == 1))?;
    let url = of(&alphabet::URL_SAFE).decode(whole).ok();
    url.or_else(|| of(&alphabet::STANDARD).decode(whole).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgepoint_protocol::envelope::SigningKey;
    use proptest::prelude::*;

    fn document() -> Vec<u8> {
        SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap()
    }

    #[test]
    fn a_planted_key_is_found_in_every_form() {
        let document = document();
        let secret = Secret::of_pkcs8(&document).unwrap();
        let seed = &document[SECRET];
        let hex: String = document.iter().map(|byte| format!("{byte:02x}")).collect();
        let envelope =
            URL_SAFE_NO_PAD.encode(format!("{{\"key\":\"{}\"}}", STANDARD_NO_PAD.encode(&document)));
        for planted in [
            document.clone(),
            seed.to_vec(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
            format!("key={seed:?}").into_bytes(),
            serde_json::to_vec(seed).unwrap(),
            URL_SAFE_NO_PAD.encode(&document).into_bytes(),
            format!("\"d\":\"{}\"", URL_SAFE_NO_PAD.encode(seed)).into_bytes(),
            format!("eyJhbGciOiJFZERTQSJ9.{envelope}.AAAA").into_bytes(),
        ] {
            let text = [b"2026-11-25 INFO ", planted.as_slice(), b" end\n"].concat();
            assert!(
                secret.found_in(&text).is_some(),
                "{}",
                String::from_utf8_lossy(&text)
            );
        }
    }

    #[test]
    fn what_is_public_is_no_find() {
        let document = document();
        let secret = Secret::of_pkcs8(&document).unwrap();
        let key = SigningKey::from_pkcs8(&document).unwrap();
        let jwk = serde_json::to_vec(&key.verifying().jwk()).unwrap();
        assert_eq!(secret.found_in(&jwk), None);
        assert_eq!(secret.found_in(key.kid().fingerprint().as_bytes()), None);
        assert_eq!(secret.found_in(&self::document()), None, "another key");
        assert!(Secret::of_pkcs8(b"short").is_none());
    }

    proptest! {
        #[test]
        fn it_is_found_at_any_place(before in prop::collection::vec(any::<u8>(), 0..64), after in prop::collection::vec(any::<u8>(), 0..64)) {
            let document = document();
            let secret = Secret::of_pkcs8(&document).unwrap();
            let all = [before.as_slice(), &document[SECRET], &after].concat();
            prop_assert!(secret.found_in(&all).is_some());
            prop_assert!(secret.found_in(STANDARD_NO_PAD.encode(&all).as_bytes()).is_some());
            prop_assert!(secret.found_in(URL_SAFE_NO_PAD.encode(&all).as_bytes()).is_some());
            prop_assert_eq!(secret.found_in(&before), None);
        }
    }
}
