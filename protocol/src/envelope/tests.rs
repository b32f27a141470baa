//! The envelope against its promises: what is not exactly ours is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::of_seed(seed)
}

fn sealed() -> (SigningKey, Sealed) {
    let key = key(7);
    let sealed = seal(&key, Kind::Report, &json!({"v": 1, "room": "bai-chay"})).unwrap();
    (key, sealed)
}

fn with_header(header: &str) -> Vec<u8> {
    let key = key(7);
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(r#"{"v":1}"#)
    );
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())).into_bytes()
}

fn open_report(jws: &[u8]) -> Result<Opened, OpenError> {
    let key = key(7);
    open(jws, &[Kind::Report], |kid| {
        (kid == key.kid()).then(|| key.verifying())
    })
}

#[test]
fn what_was_sealed_opens_to_the_same_bytes() {
    let (key, sealed) = sealed();
    let opened = open_report(sealed.jws.as_bytes()).unwrap();
    assert_eq!(opened.payload, br#"{"room":"bai-chay","v":1}"#);
    assert_eq!(opened.kid, *key.kid());
    assert_eq!(opened.hash, sealed.hash);
}

/// The worked example of RFC 8037, appendix A: key, thumbprint.
#[test]
fn the_thumbprint_is_that_of_rfc_8037() {
    let jwk = Jwk {
        kty: "OKP".into(),
        crv: "Ed25519".into(),
        x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into(),
    };
    let key = VerifyingKey::from_jwk(&jwk).unwrap();
    assert_eq!(key.kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(key.kid().fingerprint().len(), 39);
    assert_eq!(key.jwk(), jwk);
}

/// Anybody who reaches the broker can send an enrolment; why it is refused goes to the log.
#[test]
fn a_refusal_is_short_however_long_what_it_refuses() {
    let jws = seal(&key(7), Kind::Enrol, &json!({"v": "ổ".repeat(5000)}))
        .unwrap()
        .jws;
    let why = open_enrolment(jws.as_bytes()).unwrap_err().to_string();
    assert!(why.len() < 800, "{why}");
    assert!(why.contains("line 1 column"), "{why}");
    let opened = peek(jws.as_bytes()).unwrap();
    assert_eq!(opened.claims::<serde_json::Value>().unwrap_err().to_string(), why);
}

#[test]
fn every_one_bit_flip_is_refused() {
    let (_, sealed) = sealed();
    let bytes = sealed.jws.into_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(open_report(&flipped).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_header_that_chooses_is_refused() {
    let kid = key(7).kid().to_string();
    let good = format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}"}}"#);
    assert!(open_report(&with_header(&good)).is_ok());
    for bad in [
        format!(r#"{{"alg":"none","typ":"bp-report+jws","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","typ":"bp-report+jws","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-plan+jws","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}","jwk":{{}}}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}","jku":"https://x"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}","x5u":"https://x"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}","x5c":[]}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}","b64":false}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}","crit":null}}"#),
        format!(r#"{{"alg":"EdDSA","alg":"none","typ":"bp-report+jws","kid":"{kid}"}}"#),
        r#"{"alg":"EdDSA","typ":"bp-report+jws","kid":"somebody"}"#.to_owned(),
        r#"{"alg":"EdDSA","typ":"bp-report+jws"}"#.to_owned(),
        "[]".to_owned(),
    ] {
        assert!(open_report(&with_header(&bad)).is_err(), "{bad}");
    }
}

#[test]
fn another_key_under_the_same_id_is_a_forgery() {
    let (key7, sealed) = sealed();
    let other = key(8);
    let result = open(sealed.jws.as_bytes(), &[Kind::Report], |kid| {
        (kid == key7.kid()).then(|| other.verifying())
    });
    assert_eq!(result, Err(OpenError::Forged));
}

#[test]
fn too_large_is_refused_before_it_is_read_and_before_it_is_made() {
    assert!(matches!(
        open_report(&vec![b'a'; MAX_ENVELOPE + 1]),
        Err(OpenError::TooLarge { .. })
    ));
    let claims = json!({"v": 1, "pad": "x".repeat(MAX_ENVELOPE)});
    assert!(matches!(
        seal(&key(7), Kind::Report, &claims),
        Err(SealError::TooLarge { .. })
    ));
}

#[test]
fn an_enrolment_proves_possession_of_the_key_it_carries() {
    let (owner, thief) = (key(1), key(2));
    let claims = |key: &SigningKey| crate::claims::Enrol {
        v: 1,
        org: "quang-ninh".parse().unwrap(),
        room: "bai-chay".parse().unwrap(),
        iat: 1_764_060_000,
        jwk: key.verifying().jwk(),
        former: None,
        name: "UBND phường Bãi Cháy".into(),
        area: None,
        contacts: vec![],
    };
    let good = seal(&owner, Kind::Enrol, &claims(&owner)).unwrap();
    assert_eq!(open_enrolment(good.jws.as_bytes()).unwrap().0.kid, *owner.kid());
    let stolen = seal(&thief, Kind::Enrol, &claims(&owner)).unwrap();
    assert_eq!(
        open_enrolment(stolen.jws.as_bytes()).unwrap_err(),
        OpenError::BadKey
    );
}

#[test]
fn another_version_of_the_wire_is_named() {
    let sealed = seal(&key(7), Kind::Report, &json!({"v": 2})).unwrap();
    let opened = open_report(sealed.jws.as_bytes()).unwrap();
    assert_eq!(opened.claims::<serde_json::Value>(), Err(OpenError::Version(2)));
}

#[test]
fn the_version_is_found_wherever_it_stands_and_only_once() {
    let begin = format!("{{\"v\":{},", crate::WIRE_VERSION);
    assert_eq!(
        CLAIMS_BEGIN, begin,
        "claims begin with the version that is spoken"
    );
    let claims = |payload: &str| {
        let opened = Opened {
            kind: Kind::Receipt,
            kid: Kid::new("x"),
            hash: EntryHash::ZERO,
            payload: payload.as_bytes().to_vec(),
        };
        opened.claims::<crate::claims::Receipt>()
    };
    let rest = format!(
        r#""org":"abc","room":"one","iat":1,"seq":1,"hash":"{}","received_ms":1"#,
        EntryHash::ZERO
    );
    assert!(claims(&format!("{{\"v\":1,{rest}}}")).is_ok());
    assert!(claims(&format!("{{{rest},\"v\":1}}")).is_ok());
    assert!(claims(&format!("{{ \"v\" : 1, {rest}}}")).is_ok());
    assert_eq!(claims(&format!("{{\"v\":2,{rest}}}")), Err(OpenError::Version(2)));
    assert_eq!(
        claims(&format!("{{{rest},\"v\":12}}")),
        Err(OpenError::Version(12))
    );
    for twice in [
        format!("{{\"v\":1,{rest},\"v\":2}}"),
        format!("{{\"v\":2,{rest},\"v\":1}}"),
        format!("{{{rest},\"v\":1,\"v\":1}}"),
    ] {
        assert!(matches!(claims(&twice), Err(OpenError::Claims(_))), "{twice}");
    }
}

#[test]
fn a_generated_key_signs_and_its_debug_shows_no_secret() {
    let document = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
    let key = SigningKey::from_pkcs8(&document).unwrap();
    let sealed = seal(&key, Kind::Gap, &json!({"v": 1})).unwrap();
    assert!(open(sealed.jws.as_bytes(), &Kind::NUMBERED, |_| Some(key.verifying())).is_ok());
    assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.kid()));
    assert!(SigningKey::from_pkcs8(b"no key").is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open_report(&bytes).is_err());
        prop_assert!(open_enrolment(&bytes).is_err());
    }

    #[test]
    fn any_three_parts_are_refused_without_panic(a in "[A-Za-z0-9_-]{0,80}", b in "[A-Za-z0-9_-]{0,80}", c in "[A-Za-z0-9_-]{0,90}") {
        let text = format!("{a}.{b}.{c}");
        prop_assert!(open_report(text.as_bytes()).is_err());
    }
}

#[test]
fn a_private_key_is_read_with_and_without_its_public_half() {
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    // RFC 8410, 10.3 and 10.1: as openssl writes it, and the public key that belongs to it.
    let document = decode("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC");
    let key = SigningKey::from_pkcs8(&document).unwrap();
    assert_eq!(
        key.verifying().jwk().x,
        "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"
    );
    // With a public half, that one has to be the private half's own.
    let mut made = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
    assert!(SigningKey::from_pkcs8(&made).is_ok());
    if let Some(last) = made.last_mut() {
        *last ^= 1;
    }
    assert!(SigningKey::from_pkcs8(&made).is_err());
    assert!(SigningKey::from_pkcs8(&document[..40]).is_err());
}
