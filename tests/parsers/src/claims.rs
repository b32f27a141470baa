//! What was signed, once the signature holds: a holder of a key may still say anything at all.

use bridgepoint_protocol::claims::{Attest, Command, Enrol, Event, Gap, Plan, Presence, Receipt, Report};
use bridgepoint_protocol::envelope::{Jwk, Kind, Opened, VerifyingKey, open};
use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::profile::Profile;
use bridgepoint_protocol::rotation::{PublishedKey, successor};
use bridgepoint_protocol::text::{self, Contacts, Lang, Sentence};
use bridgepoint_protocol::topic::Topic;
use bridgepoint_protocol::verdict::verdict;
use bridgepoint_protocol::{board, schedule};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::keys::keys;

/// Claims of any kind: the first byte is the kind, the rest what was signed.
pub(crate) fn claims(data: &[u8]) {
    let Some((kind, payload)) = data.split_first() else {
        return;
    };
    let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
    let key = &keys().room;
    let jws = key.seal(kind, payload);
    let Ok(opened) = open(jws.as_bytes(), &[kind], |_| Some(key.verifying())) else {
        assert!(
            jws.len() > bridgepoint_protocol::envelope::MAX_ENVELOPE,
            "it is signed"
        );
        return;
    };
    assert_eq!(opened.payload, payload);
    match kind {
        Kind::Report => read(&opened).iter().for_each(report),
        Kind::Event => read(&opened).iter().for_each(event),
        Kind::Attest => drop(read::<Attest>(&opened)),
        Kind::Gap => drop(read::<Gap>(&opened)),
        Kind::Enrol => read(&opened).iter().for_each(enrol),
        Kind::Plan => read(&opened).iter().for_each(plan),
        Kind::Command => drop(read::<Command>(&opened)),
        Kind::Receipt => drop(read::<Receipt>(&opened)),
        Kind::Line | Kind::HubKey => drop(opened.claims::<Value>()),
    }
}

/// Reads claims; what was read is written, and read again it is the same.
fn read<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(opened: &Opened) -> Option<T> {
    let claims: T = match opened.claims() {
        Ok(claims) => claims,
        Err(why) => {
            let said = why.to_string();
            assert!(said.len() <= 1024, "a refusal of {} bytes", said.len());
            return None;
        }
    };
    let payload = serde_json::to_vec(&claims).expect("claims are JSON");
    let again: T = Opened {
        payload,
        ..opened.clone()
    }
    .claims()
    .expect("what was written is read");
    let same = again == claims || has_fractions(&opened.payload);
    assert!(same, "read again it is {again:?} and was {claims:?}");
    Some(claims)
}

/// A fraction may come back as its neighbour: only these are not compared.
fn has_fractions(payload: &[u8]) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(values) => values.iter().any(any),
            Value::Object(members) => members.values().any(any),
            Value::Null | Value::Bool(_) | Value::String(_) => false,
        }
    }
    serde_json::from_slice(payload).is_ok_and(|value| any(&value))
}

fn report(report: &Report) {
    let sum = |report: &Report| verdict(&report.findings, &report.must_have, report.scope.as_ref());
    assert_eq!(sum(report), sum(&report.clone()));
    let board = board::merge(report, [report]);
    assert!(board.findings.len() <= 2 * report.findings.len());
    assert!(board::worst_first(&report.findings).len() <= report.findings.len());
    for lang in [Lang::Vi, Lang::En] {
        for finding in report.findings.iter().take(8) {
            shown(&text::finding(lang, finding, &Contacts::default()));
            plain(&text::headline(lang, finding, &Contacts::default()));
        }
    }
}

fn event(event: &Event) {
    let (room, challenger) = (&keys().room, &keys().challenger);
    if let Some(Ok(next)) = successor(event, room.kid()) {
        assert_eq!(
            next,
            challenger.verifying(),
            "it hands over to a key whose holder has not signed"
        );
    }
    for lang in [Lang::Vi, Lang::En] {
        shown(&text::event(lang, event, &Contacts::default()));
    }
}

fn enrol(enrol: &Enrol) {
    let contacts = Contacts::new(&enrol.contacts);
    drop(contacts);
    let _no_key_of_ours = VerifyingKey::from_jwk(&enrol.jwk);
}

/// Whatever moments a plan names, the profile's checkpoints are reckoned from them.
fn plan(plan: &Plan) {
    let profile = Profile::built_in("quang-ninh").expect("it is built in");
    for meeting in plan.meetings.iter().take(16) {
        let window = schedule::window(&profile, meeting.start_ms, meeting.length_min);
        let end = schedule::end(meeting.start_ms, meeting.length_min);
        assert!(end >= meeting.start_ms, "{meeting:?}");
        let _either = window.holds(meeting.start_ms);
        assert!(schedule::moments(&profile, meeting.start_ms).len() <= 64);
        for lang in [Lang::Vi, Lang::En] {
            plain(&text::moment(lang, meeting.start_ms, plan.issued_ms));
        }
    }
}

fn shown(sentence: &Sentence) {
    plain(&sentence.label);
    plain(&sentence.act);
}

/// What a person reads has no control characters in it, whatever a device has called itself.
fn plain(text: &str) {
    assert!(
        !text.chars().any(char::is_control),
        "{text:?} is shown to a person"
    );
}

/// What is not signed, and no proof of anything: how a box or the hub says it is, and the hub's key.
pub(crate) fn presence(data: &[u8]) {
    comes_back::<Presence>(data);
    comes_back::<PublishedKey>(data);
    comes_back::<Jwk>(data);
    if let Ok(jwk) = serde_json::from_slice::<Jwk>(data)
        && let Ok(key) = VerifyingKey::from_jwk(&jwk)
    {
        assert_eq!(key.jwk(), jwk, "a key has one spelling");
        assert_eq!(VerifyingKey::from_jwk(&key.jwk()), Ok(key));
    }
}

fn comes_back<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(data: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(data) {
        let written = serde_json::to_vec(&read).expect("it is JSON");
        assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(read));
    }
}

/// A topic, a room's address, a name: each is spelled in one way.
pub(crate) fn topic(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Topic>() {
        Ok(topic) => assert_eq!(topic.to_string(), text),
        Err(refused) => assert!(refused.to_string().len() <= 600),
    }
    if let Ok(at) = text.parse::<RoomAddress>() {
        assert_eq!(at.to_string(), text);
        assert!(
            !at.mqtt_user().contains(['+', '#', '/']),
            "it would open other rooms' topics"
        );
    }
    match Name::new(&text) {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            assert!((3..=40).contains(&text.len()));
        }
        Err(refused) => assert!(
            refused.to_string().len() <= 1024,
            "a refusal as long as what it refuses"
        ),
    }
}
