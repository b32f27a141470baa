//! Tests of the keyring: standings, requests, handing over, revoking; any order of events.

use super::*;
use bridgepoint_protocol::envelope::SigningKey;

fn key() -> VerifyingKey {
    let made = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
    SigningKey::from_pkcs8(&made).unwrap().verifying()
}

fn entry(at: &str, key: VerifyingKey, state: KeyState) -> RoomKey {
    RoomKey {
        at: at.parse().unwrap(),
        kid: key.kid(),
        key,
        state,
        chain: u32::from(state != KeyState::Pending),
        from: 1,
        end: None,
        former: None,
        awaited: false,
        name: String::new(),
        area: None,
        contacts: vec![],
        enrolment: EntryHash::ZERO,
        first_ms: 0,
        last_ms: 0,
        decided_ms: None,
    }
}

#[test]
fn the_first_number_that_is_wanted_need_not_be_the_first_that_is_missing() {
    let (own, gone) = (key(), key());
    let ring = Keyring::new([
        RoomKey {
            from: 12,
            ..entry("abc/one", own, KeyState::Approved)
        },
        RoomKey {
            from: 3,
            end: Some(6),
            ..entry("abc/one", gone, KeyState::Revoked)
        },
        entry("abc/one", key(), KeyState::Pending),
    ]);
    let one = "abc/one".parse().unwrap();
    let wanted = |numbers| ring.first_wanted(&one, 1, &numbers);
    assert_eq!(wanted(1..=20), Some(3));
    assert_eq!(wanted(5..=20), Some(5));
    assert_eq!(wanted(6..=20), Some(12), "what comes before nobody may sign");
    assert_eq!(wanted(15..=20), Some(15));
    assert_eq!((wanted(1..=2), wanted(6..=11)), (None, None));
    assert_eq!(ring.first_wanted(&one, 2, &(1..=20)), None, "another chain");
}

#[test]
fn every_standing_and_every_request() {
    let (own, other, gone, new) = (key(), key(), key(), key());
    let ring = Keyring::new([
        entry("abc/one", own, KeyState::Approved),
        entry("abc/one", other, KeyState::Pending),
        entry("abc/one", gone, KeyState::Revoked),
        entry("abc/two", other, KeyState::Pending),
    ]);
    let (one, two, three) = (
        "abc/one".parse().unwrap(),
        "abc/two".parse().unwrap(),
        "abc/three".parse().unwrap(),
    );
    assert_eq!(ring.standing(&one, &own.kid(), 7), Standing::Own { chain: 1 });
    assert_eq!(ring.standing(&one, &other.kid(), 7), Standing::Pending);
    assert_eq!(ring.standing(&one, &gone.kid(), 7), Standing::Revoked);
    assert_eq!(ring.standing(&two, &own.kid(), 7), Standing::Elsewhere);
    assert_eq!(ring.standing(&one, &new.kid(), 7), Standing::Unknown);

    assert_eq!(ring.request(&one, &own.kid()), Request::Approved);
    assert_eq!(ring.request(&one, &other.kid()), Request::Challenger);
    assert_eq!(ring.request(&one, &new.kid()), Request::Challenger);
    assert_eq!(ring.request(&two, &other.kid()), Request::Pending);
    assert_eq!(ring.request(&three, &new.kid()), Request::Pending);
    assert_eq!(
        ring.request(&three, &other.kid()),
        Request::Pending,
        "a room whose name was corrected"
    );
    assert_eq!(
        ring.request(&three, &own.kid()),
        Request::Elsewhere,
        "a copied box"
    );
    assert_eq!(ring.request(&one, &gone.kid()), Request::Revoked);
    assert_eq!(ring.request(&three, &gone.kid()), Request::Revoked);
    assert_eq!(ring.approved(&one).unwrap().kid, own.kid());
    assert!(ring.approved(&two).is_none());
    assert_eq!(ring.rooms_with_access().len(), 2);
}

#[test]
fn what_waits_is_bounded() {
    let mut ring = Keyring::default();
    for _ in 0..MAX_WAITING_FOR_ROOM {
        ring.put(entry("abc/one", key(), KeyState::Pending));
    }
    assert_eq!(
        ring.request(&"abc/one".parse().unwrap(), &key().kid()),
        Request::TooMany
    );
    let known = ring.iter().next().unwrap().kid.clone();
    assert_eq!(
        ring.request(&"abc/one".parse().unwrap(), &known),
        Request::Pending,
        "who waits already may ask again"
    );
    for n in 0..MAX_WAITING_IN_ORG - MAX_WAITING_FOR_ROOM {
        ring.put(entry(&format!("abc/room-{n}"), key(), KeyState::Pending));
    }
    assert_eq!(
        ring.request(&"abc/new".parse().unwrap(), &key().kid()),
        Request::TooMany
    );
    assert_eq!(
        ring.request(&"def/new".parse().unwrap(), &key().kid()),
        Request::Pending
    );
}
