//! Tests of ingest: every outcome once, in a table; any bytes on any topic.

use std::convert::Infallible;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::keyring::KeyState;
use crate::sample::{Box, finding, with};
use bridgepoint_protocol::envelope::{Sealed, seal};

fn orgs() -> Vec<Name> {
    vec!["abc".parse().unwrap()]
}

fn ask(topic: &str, payload: &[u8], ring: &Keyring, around: Neighbours) -> Outcome {
    ingest(topic, payload, &orgs(), ring, |_, _, _, _| {
        Ok::<_, Infallible>(around)
    })
    .unwrap()
}

fn reason(topic: &str, payload: &[u8], ring: &Keyring) -> Reason {
    match ask(topic, payload, ring, Neighbours::default()) {
        Outcome::Refused(refused) => refused.why,
        other => panic!("not refused: {other:?}"),
    }
}

fn report_of(it: &Box) -> Value {
    it.report("ready", &json!([finding("codec.reachable", "pass", "ok", true)]))
}

fn sealed(it: &Box, kind: Kind, claims: &Value) -> Sealed {
    seal(&it.key, kind, claims).unwrap()
}

#[test]
fn an_entry_in_its_place() {
    let mut one = Box::new("abc/one");
    let ring = Keyring::new([one.row(KeyState::Approved)]);
    let report = one.ready();
    let topic = one.topic("report");
    match ask(&topic, report.jws.as_bytes(), &ring, Neighbours::default()) {
        Outcome::Accepted(entry) => {
            assert_eq!(
                (entry.at.to_string().as_str(), entry.chain, entry.link.seq),
                ("abc/one", 1, 1)
            );
            assert_eq!((entry.link.hash, entry.jws), (report.hash, report.jws.clone()));
            assert!(matches!(entry.body, Body::Report(_)));
        }
        other => panic!("{other:?}"),
    }
    let same = Neighbours {
        same: Some(report.hash),
        ..Neighbours::default()
    };
    let again = Outcome::Duplicate {
        at: one.at.clone(),
        chain: 1,
        seq: 1,
        hash: report.hash,
    };
    assert_eq!(ask(&topic, report.jws.as_bytes(), &ring, same), again);
    let other = Neighbours {
        same: Some(EntryHash::ZERO),
        ..Neighbours::default()
    };
    assert!(matches!(
        ask(&topic, report.jws.as_bytes(), &ring, other),
        Outcome::Fork(_)
    ));
}

#[test]
fn a_gap_entry_follows_the_last_entry_that_is_there() {
    let one = Box::new("abc/one");
    let ring = Keyring::new([one.row(KeyState::Approved)]);
    let second = EntryHash::of("the second");
    let gap = |from: u64, prev: EntryHash| {
        let claims = json!({ "seq": 6, "prev": prev, "from": from, "to": 5, "reason": "disk-full" });
        sealed(&one, Kind::Gap, &with(one.link(), &claims))
    };
    // Held: the second entry, and the fifth, which the box has lost.
    let told = |message: &Sealed| {
        ingest(
            &one.topic("event"),
            message.jws.as_bytes(),
            &orgs(),
            &ring,
            |_, _, _, before| {
                Ok::<_, Infallible>(Neighbours {
                    before: match before {
                        2 => Some(second),
                        5 => Some(EntryHash::of("the fifth")),
                        _ => None,
                    },
                    ..Neighbours::default()
                })
            },
        )
        .unwrap()
    };
    assert!(matches!(told(&gap(3, second)), Outcome::Accepted(_)));
    assert!(matches!(
        told(&gap(3, EntryHash::of("the fifth"))),
        Outcome::Fork(_)
    ));
    assert!(
        matches!(told(&gap(2, second)), Outcome::Accepted(_)),
        "the first is not held"
    );
}

#[test]
fn the_smaller_entries_come_on_their_own_topic() {
    let one = Box::new("abc/one");
    let ring = Keyring::new([one.row(KeyState::Approved)]);
    let bodies = [
        (
            Kind::Event,
            json!({ "kind": "call", "code": "call.dropped", "started_ms": 5 }),
        ),
        (Kind::Attest, json!({ "by": "A", "checks": ["room.light"] })),
        (Kind::Gap, json!({ "from": 2, "to": 3, "reason": "disk" })),
    ];
    for (kind, body) in bodies {
        let message = sealed(&one, kind, &with(one.link(), &body));
        match ask(
            &one.topic("event"),
            message.jws.as_bytes(),
            &ring,
            Neighbours::default(),
        ) {
            Outcome::Accepted(entry) => assert_eq!(entry.body.kind(), kind),
            other => panic!("{kind:?}: {other:?}"),
        }
        assert_eq!(
            reason(&one.topic("report"), message.jws.as_bytes(), &ring),
            Reason::Malformed,
            "{kind:?}"
        );
    }
    let report = sealed(&one, Kind::Report, &report_of(&one));
    assert_eq!(
        reason(&one.topic("event"), report.jws.as_bytes(), &ring),
        Reason::Malformed
    );
}

#[test]
fn every_reason_to_refuse() {
    let (one, two, new) = (Box::new("abc/one"), Box::new("abc/two"), Box::new("abc/one"));
    let (waiting, gone, stranger) = (Box::new("abc/one"), Box::new("abc/one"), Box::new("xyz/one"));
    let ring = Keyring::new([
        one.row(KeyState::Approved),
        two.row(KeyState::Approved),
        waiting.row(KeyState::Pending),
        gone.row(KeyState::Revoked),
    ]);
    let report = |it: &Box, more: Value| {
        sealed(it, Kind::Report, &with(report_of(it), &more))
            .jws
            .into_bytes()
    };
    let good = report(&one, json!({}));
    let mut forged = good.clone();
    let last = forged.len() - 5;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let topic = one.topic("report");

    assert_eq!(
        reason(&topic, &vec![b'x'; MAX_ENVELOPE + 1], &ring),
        Reason::Oversized
    );
    assert_eq!(reason("bp/2/abc/one/report", &good, &ring), Reason::Topic);
    assert_eq!(
        reason(&stranger.topic("report"), &good, &ring),
        Reason::Topic,
        "an organisation of somebody else's"
    );
    for kind in ["readiness", "receipt", "plan", "cmd"] {
        assert_eq!(reason(&one.topic(kind), &good, &ring), Reason::Topic, "{kind}");
    }
    assert_eq!(reason("bp/1/abc/_hub/state", b"{}", &ring), Reason::Topic);
    assert_eq!(reason(&topic, b"rubbish", &ring), Reason::Malformed);
    assert_eq!(reason(&topic, b"", &ring), Reason::Malformed);
    assert_eq!(
        reason(&topic, &report(&one, json!({ "findings": 5 })), &ring),
        Reason::Malformed
    );
    assert_eq!(
        reason(&topic, &report(&one, json!({ "seq": 0 })), &ring),
        Reason::Malformed
    );
    assert_eq!(
        reason(&topic, &report(&one, json!({ "seq": u64::MAX })), &ring),
        Reason::Malformed
    );
    assert_eq!(
        reason(&topic, &report(&one, json!({ "v": 2 })), &ring),
        Reason::Version
    );
    assert_eq!(reason(&topic, &forged, &ring), Reason::Forged);
    assert_eq!(
        reason(&topic, &report(&one, json!({ "room": "two" })), &ring),
        Reason::WrongRoom
    );
    assert_eq!(
        reason(&two.topic("report"), &good, &ring),
        Reason::WrongRoom,
        "one's message on two's topic"
    );
    assert_eq!(
        reason(
            &two.topic("report"),
            &report(&one, json!({ "room": "two" })),
            &ring
        ),
        Reason::WrongRoom,
        "one signs for two"
    );
    assert_eq!(
        reason(&topic, &report(&new, json!({})), &ring),
        Reason::UnknownKey
    );
    assert_eq!(
        reason(&topic, &report(&waiting, json!({})), &ring),
        Reason::PendingKey
    );
    assert_eq!(
        reason(&topic, &report(&gone, json!({})), &ring),
        Reason::RevokedKey
    );
}

#[test]
fn a_refused_message_names_the_room_of_its_topic_only() {
    let ring = Keyring::default();
    let at = |topic: &str| match ask(topic, b"x", &ring, Neighbours::default()) {
        Outcome::Refused(refused) => refused.at.map(|at| at.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(at("bp/1/abc/one/report").as_deref(), Some("abc/one"));
    assert_eq!(at("bp/1/xyz/one/report"), None);
    assert_eq!(at("elsewhere"), None);
}

#[test]
fn every_enrolment() {
    let (one, two, new, gone) = (
        Box::new("abc/one"),
        Box::new("abc/two"),
        Box::new("abc/one"),
        Box::new("abc/one"),
    );
    let ring = Keyring::new([one.row(KeyState::Approved), gone.row(KeyState::Revoked)]);
    let request =
        |topic: &str, it: &Box| match ask(topic, it.enrolment().jws.as_bytes(), &ring, Neighbours::default())
        {
            Outcome::Enrolment(enrolment) => {
                assert_eq!(
                    (&enrolment.kid, enrolment.hash),
                    (it.key.kid(), it.enrolment().hash)
                );
                Ok(enrolment.request)
            }
            Outcome::Refused(refused) => Err(refused.why),
            other => panic!("{other:?}"),
        };
    assert_eq!(request(&one.topic("enrol"), &one), Ok(Request::Approved));
    assert_eq!(request(&one.topic("enrol"), &new), Ok(Request::Challenger));
    assert_eq!(request(&two.topic("enrol"), &two), Ok(Request::Pending));
    assert_eq!(request(&one.topic("enrol"), &gone), Err(Reason::RevokedKey));
    assert_eq!(
        request(&two.topic("enrol"), &one),
        Err(Reason::WrongRoom),
        "the claims name another room"
    );
    let copied = Box {
        at: two.at.clone(),
        key: one.key,
        seq: 0,
        prev: EntryHash::ZERO,
    };
    assert_eq!(
        request(&two.topic("enrol"), &copied),
        Err(Reason::WrongRoom),
        "the key is another room's"
    );
    assert_eq!(
        request(&two.topic("report"), &two),
        Err(Reason::Malformed),
        "on the wrong topic"
    );
    // Signed by another key than the one that it asks for.
    let mut claims = json!({ "v": 1, "org": "abc", "room": "two", "iat": 0, "name": "", "jwk": new.key.verifying().jwk() });
    let stolen = seal(&two.key, Kind::Enrol, &claims).unwrap();
    assert_eq!(
        reason(&two.topic("enrol"), stolen.jws.as_bytes(), &ring),
        Reason::Forged
    );
    claims["jwk"]["x"] = json!("short");
    let broken = seal(&two.key, Kind::Enrol, &claims).unwrap();
    assert_eq!(
        reason(&two.topic("enrol"), broken.jws.as_bytes(), &ring),
        Reason::Forged
    );
}

#[test]
fn presence() {
    let ring = Keyring::default();
    let said = br#"{"v":1,"ts_ms":5,"state":"online","session":7,"agent":"0.1.0","new":true}"#;
    match ask("bp/1/abc/one/state", said, &ring, Neighbours::default()) {
        Outcome::Presence(at, presence) => {
            assert_eq!((at.to_string().as_str(), presence.session), ("abc/one", 7));
        }
        other => panic!("{other:?}"),
    }
    let v2 = br#"{"v":2,"ts_ms":5,"state":"online","session":7,"agent":"0.1.0"}"#;
    assert_eq!(reason("bp/1/abc/one/state", v2, &ring), Reason::Version);
    assert_eq!(
        reason("bp/1/abc/one/state", b"", &ring),
        Reason::Malformed,
        "a retained state that was removed"
    );
    assert_eq!(
        reason("bp/1/abc/one/state", &[b' '; 5000], &ring),
        Reason::Oversized
    );
}

#[test]
fn words_are_serde_words() {
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
    }
}

proptest! {
    #[test]
    fn any_bytes_on_any_topic(kind in "state|readiness|report|event|enrol|receipt|plan|cmd|x", bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let one = Box::new("abc/one");
        let ring = Keyring::new([one.row(KeyState::Approved)]);
        let outcome = ask(&one.topic(&kind), &bytes, &ring, Neighbours::default());
        prop_assert!(matches!(outcome, Outcome::Refused(_)), "{:?}", outcome);
    }

    #[test]
    fn any_topic(topic in ".{0,120}") {
        let outcome = ask(&topic, b"x", &Keyring::default(), Neighbours::default());
        prop_assert!(matches!(outcome, Outcome::Refused(_)));
    }

    /// A good message of which one byte is another: refused, whichever it is.
    #[test]
    fn one_byte_otherwise(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut one = Box::new("abc/one");
        let ring = Keyring::new([one.row(KeyState::Approved)]);
        let mut bytes = one.ready().jws.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let outcome = ask(&one.topic("report"), &bytes, &ring, Neighbours::default());
        prop_assert!(matches!(outcome, Outcome::Refused(_)), "{:?}", outcome);
    }
}
