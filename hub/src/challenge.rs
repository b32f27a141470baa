//! The hub's challenge (`nonce`): a moment that only the hub could have named. A box echoes the newest one it has seen,
//! so an entry that carries it was made after that moment, whatever the box's clock says.
//!
//! The hub keeps no list of them: the moment is in the challenge, with a code over it and the room. The secret lives
//! as long as the program; what a former one has issued says nothing, which is no fault.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridgepoint_protocol::name::RoomAddress;
use ring::hmac;
use ring::rand::SecureRandom;

/// Bytes of the moment and of the code.
const MOMENT: usize = 8;
const CODE: usize = 16;

/// Who issues challenges.
#[derive(Debug)]
pub struct Challenger {
    secret: hmac::Key,
}

impl Challenger {
    /// With a new secret; `None` when there are no random numbers.
    #[must_use]
    pub fn new(random: &dyn SecureRandom) -> Option<Self> {
        let mut secret = [0_u8; 32];
        random.fill(&mut secret).ok()?;
        Some(Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// A challenge for a room, now.
    #[must_use]
    pub fn issue(&self, at: &RoomAddress, now_ms: i64) -> String {
        let moment = now_ms.to_be_bytes();
        let mut bytes = moment.to_vec();
        bytes.extend(self.code(at, moment).as_ref().iter().take(CODE));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// When a challenge was issued, UTC milliseconds; `None` for one that was not issued here to that room.
    #[must_use]
    pub fn issued_ms(&self, at: &RoomAddress, nonce: &str) -> Option<i64> {
        // Longer ones are not even decoded: they come from outside.
        let bytes = (nonce.len() <= 2 * (MOMENT + CODE))
            .then(|| URL_SAFE_NO_PAD.decode(nonce).ok())
            .flatten()?;
        let (moment, code) = bytes.split_first_chunk::<MOMENT>()?;
        // Nothing is gained by learning a code byte by byte: it proves freshness to the hub alone.
        let expected = self.code(at, *moment);
        (expected.as_ref().get(..CODE) == Some(code)).then(|| i64::from_be_bytes(*moment))
    }

    fn code(&self, at: &RoomAddress, moment: [u8; MOMENT]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(&moment);
        context.update(at.to_string().as_bytes());
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    #[test]
    fn a_challenge_names_its_moment_to_its_room_and_its_hub_only() {
        let (hub, other) = (
            Challenger::new(&SystemRandom::new()).unwrap(),
            Challenger::new(&SystemRandom::new()).unwrap(),
        );
        let (one, two) = ("abc/one".parse().unwrap(), "abc/two".parse().unwrap());
        let nonce = hub.issue(&one, 1_795_000_000_000);
        assert_eq!(hub.issued_ms(&one, &nonce), Some(1_795_000_000_000));
        assert_eq!(hub.issued_ms(&two, &nonce), None);
        assert_eq!(other.issued_ms(&one, &nonce), None);
        let mut changed = nonce.into_bytes();
        changed[3] = if changed[3] == b'A' { b'B' } else { b'A' };
        assert_eq!(hub.issued_ms(&one, std::str::from_utf8(&changed).unwrap()), None);
    }

    proptest! {
        #[test]
        fn any_text_is_no_challenge(text in ".{0,80}") {
            let hub = Challenger::new(&SystemRandom::new()).unwrap();
            prop_assert_eq!(hub.issued_ms(&"abc/one".parse().unwrap(), &text), None);
        }
    }
}
