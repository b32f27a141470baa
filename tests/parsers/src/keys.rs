//! The keys of the targets: fixed, so that an input means the same in every process.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridgepoint_protocol::envelope::{Jwk, Kid, Kind, SigningKey, VerifyingKey};
use bridgepoint_protocol::name::RoomAddress;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// One key of the targets.
pub(crate) struct Key {
    /// As the programs hold it.
    pub(crate) signing: SigningKey,
    pair: Ed25519KeyPair,
}

/// Whose keys there are.
pub(crate) struct Keys {
    /// The room's, approved.
    pub(crate) room: Key,
    /// Another one that asks for the same room.
    pub(crate) challenger: Key,
    /// One of the room's that is trusted no more.
    pub(crate) revoked: Key,
    /// The hub's.
    pub(crate) hub: Key,
    /// The hub's next.
    pub(crate) hub_next: Key,
}

/// The keys.
pub(crate) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        room: Key::of(1),
        challenger: Key::of(2),
        revoked: Key::of(3),
        hub: Key::of(4),
        hub_next: Key::of(5),
    })
}

/// The room of the targets.
pub(crate) fn room() -> RoomAddress {
    "quang-ninh/bai-chay".parse().expect("an address")
}

impl Key {
    fn of(seed: u8) -> Self {
        // PKCS #8, version 2, of an Ed25519 key (RFC 8410): the seed, then the public key.
        const BEFORE_SEED: &[u8] = &[
            0x30, 0x51, 2, 1, 1, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
        ];
        const BEFORE_PUBLIC: &[u8] = &[0x81, 0x21, 0];
        let seed = [seed; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed");
        let document = [BEFORE_SEED, &seed, BEFORE_PUBLIC, pair.public_key().as_ref()].concat();
        let signing = SigningKey::from_pkcs8(&document).expect("a key");
        Self { signing, pair }
    }

    /// The public half.
    pub(crate) fn verifying(&self) -> VerifyingKey {
        self.signing.verifying()
    }

    /// Its id.
    pub(crate) fn kid(&self) -> &Kid {
        self.signing.kid()
    }

    /// An envelope around any bytes, whether they are claims or not: what a holder of a key can send.
    pub(crate) fn seal(&self, kind: Kind, payload: &[u8]) -> String {
        let header = format!(
            r#"{{"alg":"EdDSA","typ":"{}","kid":"{}"}}"#,
            kind.typ(),
            self.kid()
        );
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Frozen envelopes of version 1 and the keys that sealed them. Nobody here can sign with those.
pub(crate) struct Frozen {
    /// The envelopes' exact text.
    pub(crate) envelopes: Vec<Vec<u8>>,
    /// The box's key and the hub's.
    pub(crate) keys: [VerifyingKey; 2],
}

/// What is frozen.
pub(crate) fn frozen() -> &'static Frozen {
    static FROZEN: OnceLock<Frozen> = OnceLock::new();
    macro_rules! file {
        ($name:literal) => {
            include_str!(concat!("../../fixtures/reports/v1/", $name)).trim()
        };
    }
    let key = |text: &str| {
        let jwk: Jwk = serde_json::from_str(text).expect("a frozen key");
        VerifyingKey::from_jwk(&jwk).expect("a frozen key")
    };
    FROZEN.get_or_init(|| Frozen {
        envelopes: [
            file!("attest.jws"),
            file!("cmd.jws"),
            file!("enrol.jws"),
            file!("event.jws"),
            file!("gap.jws"),
            file!("plan.jws"),
            file!("receipt.jws"),
            file!("report.jws"),
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        keys: [key(file!("agent.jwk")), key(file!("hub.jwk"))],
    })
}
