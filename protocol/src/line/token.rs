//! The reflector's secret: cookies that prove an address without keeping anything (RFC 9000, section 8.1, has the idea),
//! and session ids that cannot be foretold.

use core::net::SocketAddr;

use ring::hmac;

use super::wire::control::Token;
use crate::name::RoomAddress;

/// A token is good in the slot in which it was made and in the next: between 30 and 60 s.
const SLOT_NS: u64 = 30_000_000_000;

/// Makes and recognises tokens.
pub(super) struct Mint {
    key: hmac::Key,
}

impl Mint {
    /// With a secret that lives as long as the reflector.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// The token for one address, room and nonce at one time.
    pub(super) fn token(&self, now_ns: u64, source: SocketAddr, nonce: u64, room: &RoomAddress) -> Token {
        self.in_slot(now_ns / SLOT_NS, source, nonce, room)
    }

    /// True when the token was made here for exactly this, now or in the slot before.
    pub(super) fn honours(
        &self,
        token: &Token,
        now_ns: u64,
        source: SocketAddr,
        nonce: u64,
        room: &RoomAddress,
    ) -> bool {
        let slot = now_ns / SLOT_NS;
        [Some(slot), slot.checked_sub(1)]
            .into_iter()
            .flatten()
            .map(|slot| self.in_slot(slot, source, nonce, room))
            // Every byte is looked at, so that the time tells nothing.
            .fold(false, |good, made| {
                good | (token.iter().zip(made).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0)
            })
    }

    /// The id of the `n`th session.
    pub(super) fn session(&self, n: u64) -> u32 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"session");
        context.update(&n.to_be_bytes());
        head(&context.sign()).map_or(0, u32::from_be_bytes)
    }

    fn in_slot(&self, slot: u64, source: SocketAddr, nonce: u64, room: &RoomAddress) -> Token {
        let mut context = hmac::Context::with_key(&self.key);
        // Every part but the last has a fixed length, so that no two things read alike.
        context.update(b"token..");
        context.update(&slot.to_be_bytes());
        let ip = match source.ip() {
            core::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            core::net::IpAddr::V6(v6) => v6,
        };
        context.update(&ip.octets());
        context.update(&source.port().to_be_bytes());
        context.update(&nonce.to_be_bytes());
        context.update(room.mqtt_user().as_bytes());
        head(&context.sign()).unwrap_or_default()
    }
}

/// The first bytes of a tag: HMAC may be truncated (RFC 2104, section 5).
fn head<const N: usize>(tag: &hmac::Tag) -> Option<[u8; N]> {
    tag.as_ref().first_chunk::<N>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_address_room_nonce_and_time_only() {
        let mint = Mint::new(&[7; 32]);
        let (room, other) = (
            "quang-ninh/bai-chay".parse().unwrap(),
            "quang-ninh/hong-gai".parse().unwrap(),
        );
        let at: SocketAddr = "10.0.0.5:4000".parse().unwrap();
        let now = 95 * SLOT_NS + 3;
        let token = mint.token(now, at, 9, &room);
        assert!(mint.honours(&token, now, at, 9, &room));
        assert!(
            mint.honours(&token, now + SLOT_NS, at, 9, &room),
            "one slot later"
        );
        assert!(!mint.honours(&token, now + 2 * SLOT_NS, at, 9, &room));
        assert!(!mint.honours(&token, now - SLOT_NS, at, 9, &room));
        assert!(!mint.honours(&token, now, "10.0.0.5:4001".parse().unwrap(), 9, &room));
        assert!(!mint.honours(&token, now, "10.0.0.6:4000".parse().unwrap(), 9, &room));
        assert!(!mint.honours(&token, now, at, 8, &room));
        assert!(!mint.honours(&token, now, at, 9, &other));
        assert!(!Mint::new(&[8; 32]).honours(&token, now, at, 9, &room));
        let mut bent = token;
        bent[15] ^= 1;
        assert!(!mint.honours(&bent, now, at, 9, &room));
        assert!(
            mint.honours(&mint.token(0, at, 9, &room), 0, at, 9, &room),
            "the first slot"
        );
        assert_ne!(mint.session(0), mint.session(1));
    }
}
