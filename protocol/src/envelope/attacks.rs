//! What has let others' verifiers in: algorithms that the sender chooses, keys that it brings along, other kinds, other
//! spellings of the same bytes, and every single bit of a report. All of it is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::*;

const BOX: u8 = 7;

fn key() -> SigningKey {
    SigningKey::of_seed(BOX)
}

/// As the hub opens what comes on a room's topic for reports.
fn opened(jws: &[u8]) -> Result<Opened, OpenError> {
    let key = key();
    open(jws, &[Kind::Report], |kid| {
        (kid == key.kid()).then(|| key.verifying())
    })
}

fn payload() -> String {
    json!({"v": 1, "room": "bai-chay", "verdict": "ready"}).to_string()
}

fn header(more: &Value) -> String {
    let mut header = json!({"alg": "EdDSA", "typ": "bp-report+jws", "kid": key().kid()});
    header
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    header.to_string()
}

fn joined(header: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload())
    );
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Signed with the box's own key, whatever the header says.
fn by_box(header: &str) -> String {
    joined(header, |signed| key().sign(signed).as_ref().to_vec())
}

fn refused(jws: &str, what: &str) -> OpenError {
    opened(jws.as_bytes()).expect_err(what)
}

#[test]
fn the_honest_one_is_taken() {
    assert!(opened(by_box(&header(&json!({}))).as_bytes()).is_ok());
    assert!(opened(by_box(&header(&json!({"cty": "json"}))).as_bytes()).is_ok());
}

#[test]
fn no_algorithm_is_no_signature() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = header(&json!({"alg": alg}));
        for jws in [joined(&header, |_| vec![]), by_box(&header)] {
            let why = refused(&jws, alg);
            assert!(matches!(why, OpenError::Header(_)), "{alg}: {why}");
        }
    }
    let unsigned = joined(&header(&json!({})), |_| vec![]);
    assert_eq!(refused(&unsigned, "no signature"), OpenError::Forged);
}

#[test]
fn the_public_key_is_no_secret() {
    let jwk = key().verifying().jwk();
    let raw = URL_SAFE_NO_PAD.decode(&jwk.x).unwrap();
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410), as PEM files hold it.
    let mut spki = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    spki.extend(&raw);
    let base64 = base64::engine::general_purpose::STANDARD.encode(&spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
    let secrets = [
        raw,
        spki,
        pem.clone().into_bytes(),
        pem.trim_end().as_bytes().to_vec(),
        jwk.x.clone().into_bytes(),
        serde_json::to_vec(&jwk).unwrap(),
        key().kid().as_str().as_bytes().to_vec(),
        vec![],
    ];
    for secret in &secrets {
        for (alg, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
            ("EdDSA", hmac::HMAC_SHA512),
        ] {
            let jws = joined(&header(&json!({"alg": alg})), |signed| {
                let secret = hmac::Key::new(algorithm, secret);
                hmac::sign(&secret, signed).as_ref().to_vec()
            });
            refused(&jws, alg);
        }
    }
}

#[test]
fn a_key_that_comes_along_is_not_looked_at() {
    let thief = SigningKey::of_seed(66);
    let brought = serde_json::to_value(thief.verifying().jwk()).unwrap();
    for member in ["jwk", "jku", "x5u", "x5c", "b64", "crit"] {
        for value in [
            brought.clone(),
            json!("https://example.net/keys.json"),
            json!(["MIIB"]),
            json!(["b64"]),
            json!(false),
            json!(null),
        ] {
            let header = header(&json!({member: value}));
            let by_thief = joined(&header, |signed| thief.sign(signed).as_ref().to_vec());
            for jws in [by_box(&header), by_thief] {
                let why = refused(&jws, member);
                assert_eq!(why, OpenError::Header(format!("it carries \"{member}\"")));
            }
        }
    }
    // Without it he is nobody, by his own id and by the box's.
    let stolen = joined(&header(&json!({})), |signed| thief.sign(signed).as_ref().to_vec());
    assert_eq!(refused(&stolen, "the box's id"), OpenError::Forged);
    let own = joined(&header(&json!({"kid": thief.kid()})), |signed| {
        thief.sign(signed).as_ref().to_vec()
    });
    assert_eq!(
        refused(&own, "his own id"),
        OpenError::UnknownKey(thief.kid().clone())
    );
}

#[test]
fn another_kind_or_algorithm_is_refused_though_the_box_has_signed_it() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Report) {
        let jws = by_box(&header(&json!({"typ": kind.typ()})));
        assert_eq!(
            refused(&jws, kind.typ()),
            OpenError::WrongKind {
                typ: kind.typ().to_owned()
            }
        );
    }
    for more in [
        json!({"typ": "JWT"}),
        json!({"typ": "BP-REPORT+JWS"}),
        json!({"typ": "application/bp-report+jws"}),
        json!({"typ": "bp-report"}),
        json!({"typ": null}),
        json!({"typ": ["bp-report+jws"]}),
        json!({"alg": "eddsa"}),
        json!({"alg": "Ed25519"}),
        json!({"alg": "ES256"}),
        json!({"alg": "RS256"}),
        json!({"alg": null}),
        json!({"alg": ["EdDSA"]}),
        json!({"kid": null}),
        json!({"kid": [key().kid()]}),
    ] {
        refused(&by_box(&header(&more)), &more.to_string());
    }
    let kid = key().kid().to_string();
    for strange in [
        // Said twice: who reads the first and who reads the last would differ.
        format!(r#"{{"alg":"none","alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-plan+jws","typ":"bp-report+jws","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}","kid":"{kid}"}}"#),
        // The values without their names.
        format!(r#"["EdDSA","bp-report+jws","{kid}"]"#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}"}} "x""#),
        format!(r#"{{"alg":"EdDSA","typ":"bp-report+jws","kid":"{kid}""#),
        String::new(),
    ] {
        refused(&by_box(&strange), &strange);
    }
}

#[test]
fn another_spelling_of_the_same_bytes_is_refused() {
    let jws = by_box(&header(&json!({})));
    let (signed, signature) = jws.rsplit_once('.').unwrap();
    // The last character of 64 bytes carries four bits that mean nothing.
    let last = jws.as_bytes().last().copied().unwrap();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in alphabet.iter().filter(|other| **other != last) {
        let spelt = format!("{}{}", &jws[..jws.len() - 1], char::from(*other));
        refused(&spelt, "spare bits");
    }
    for spelt in [
        format!("{jws}="),
        format!("{jws}=="),
        format!("{jws}\n"),
        format!(" {jws}"),
        format!("{jws}."),
        format!(".{jws}"),
        format!("{signed}..{signature}"),
        format!("{}.{signature}", signed.replace('.', "=.")),
        jws.replace('.', "\n."),
        format!("{signed}.{}", signature.replace(['-', '_'], "+")) + "+",
    ] {
        refused(&spelt, &spelt);
    }
    // The same point, with the order of the group added to the scalar (RFC 8032, 5.1.7).
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u16,
    ];
    let mut twin = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0;
    for (byte, add) in twin[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    let twin = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(twin));
    assert_eq!(refused(&twin, "twin"), OpenError::Forged);
}

#[test]
fn nothing_of_the_claims_is_looked_at_before_the_signature_holds() {
    let good = by_box(&header(&json!({})));
    let (head, rest) = good.split_once('.').unwrap();
    let signature = rest.split_once('.').unwrap().1;
    // No base64url, no JSON, another version: who has not signed it does not learn what was wrong with it.
    for payload in ["%%%", "A", "e30", "eyJ2IjoyfQ"] {
        let forged = format!("{head}.{payload}.{signature}");
        assert_eq!(refused(&forged, payload), OpenError::Forged);
    }
    let signed = format!("{head}.%%%");
    let own = key().sign(signed.as_bytes());
    let own = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(own.as_ref()));
    assert_eq!(refused(&own, "the box's own"), OpenError::Malformed);
}

/// A report of usual size, about 1.7 kB sealed.
fn report(number: usize) -> String {
    let findings: Vec<Value> = (0..8)
        .map(|n| {
            json!({"check": format!("mic.m{n}.noise"), "status": "pass", "code": "ok", "value": -60.5 - n as f64,
                "unit": "dBFS", "high": -50.0, "rules": ["R16"], "at_ms": 1_764_060_000_000_u64 + number as u64})
        })
        .collect();
    let claims =
        json!({"v": 1, "org": "quang-ninh", "room": "bai-chay", "seq": number, "findings": findings});
    seal(&key(), Kind::Report, &claims).unwrap().jws
}

fn every_bit_counts(number: usize) {
    let report = report(number).into_bytes();
    assert!(opened(&report).is_ok());
    assert!(report.len() > 1_500, "{}", report.len());
    let mut flipped = report.clone();
    for at in 0..report.len() {
        for bit in 0..8 {
            flipped[at] ^= 1 << bit;
            assert!(opened(&flipped).is_err(), "report {number}, byte {at}, bit {bit}");
            flipped[at] ^= 1 << bit;
        }
    }
}

#[test]
fn every_bit_of_two_reports_counts() {
    for number in 1..=2 {
        every_bit_counts(number);
    }
}

#[test]
#[ignore = "a minute and more: cargo test -p bridgepoint-protocol --lib -- --ignored every_bit_of_a_hundred_reports_counts"]
fn every_bit_of_a_hundred_reports_counts() {
    for number in 1..=100 {
        every_bit_counts(number);
    }
}
