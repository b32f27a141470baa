//! What reaches the hub: a message with its topic, a file to be proved, a challenge that comes back, a page's address.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::http::{Request, StatusCode, Uri, header};
use bridgepoint_hub::board::Board;
use bridgepoint_hub::challenge::Challenger;
use bridgepoint_hub::ingest::{Outcome, ingest as decide};
use bridgepoint_hub::keyring::{KeyState, Keyring, RoomKey};
use bridgepoint_hub::page::view::asked::Asked;
use bridgepoint_hub::page::{Page, router};
use bridgepoint_hub::proof::{Proved, prove};
use bridgepoint_protocol::chain::Neighbours;
use bridgepoint_protocol::envelope::{EntryHash, Kind, open, peek};
use bridgepoint_protocol::name::Name;
use bridgepoint_protocol::text::Lang;
use ring::rand::SystemRandom;
use tower_service::Service as _;

use crate::envelopes::lines;
use crate::keys::{Key, keys, room};

/// The moment of the hub's clock, UTC milliseconds.
const NOW: i64 = 1_795_000_000_000;

/// One message: a line with the topic, then the payload. A payload that begins with `=`, a key and a kind is signed:
/// key `r` the room's, `c` the challenger's, `v` the revoked one; kind a digit, the place in [`Kind::ALL`].
pub(crate) fn ingest(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (topic, rest) = data.split_at(split);
    let topic = String::from_utf8_lossy(topic);
    let payload = payload(rest.get(1..).unwrap_or_default());
    let (keyring, orgs) = (keyring(), [Name::new("quang-ninh").expect("a name")]);
    let held = |_: &_, _, _: &_, _| Ok::<_, Infallible>(Neighbours::default());
    let Ok(outcome) = decide(&topic, &payload, &orgs, &keyring, held);
    let at = room();
    match outcome {
        Outcome::Accepted(entry) | Outcome::Fork(entry) => {
            assert_eq!((&entry.at, entry.jws.as_bytes()), (&at, payload.as_slice()));
            assert!(topic.ends_with(if entry.body.kind() == Kind::Report {
                "/report"
            } else {
                "/event"
            }));
            let key = &keys().room;
            let opened = open(&payload, &Kind::NUMBERED, |kid| {
                (kid == key.kid()).then(|| key.verifying())
            });
            let opened = opened.expect("an entry was taken that the room's key has not signed");
            assert_eq!((opened.hash, opened.kind), (entry.link.hash, entry.body.kind()));
            assert!(entry.link.seq > 0, "there is no entry 0");
        }
        Outcome::Duplicate { .. } => panic!("nothing is held"),
        Outcome::Enrolment(enrolment) => {
            assert_eq!(
                (&enrolment.at, topic.as_ref()),
                (&at, "bp/1/quang-ninh/bai-chay/enrol")
            );
            assert_eq!(enrolment.key.kid(), enrolment.kid);
            assert_eq!(peek(&payload).map(|opened| opened.kid), Ok(enrolment.kid.clone()));
            assert_ne!(&enrolment.kid, keys().revoked.kid(), "a revoked key asks again");
        }
        Outcome::Presence(of, _) => {
            assert!(topic.ends_with("/state") && of.org == at.org && payload.len() <= 4096);
        }
        Outcome::Refused(refused) => {
            // A state is not signed; what it says is as long as a state may be.
            let most = if topic.ends_with("/state") { 5 * 1024 } else { 1024 };
            assert!(
                refused.detail.len() <= most,
                "{} bytes for the log",
                refused.detail.len()
            );
            assert!(
                refused.at.is_none_or(|of| of.org == at.org),
                "an organisation that is not ours"
            );
        }
    }
}

fn payload(given: &[u8]) -> Vec<u8> {
    let key: &Key = match given {
        [b'=', b'r', ..] => &keys().room,
        [b'=', b'c', ..] => &keys().challenger,
        [b'=', b'v', ..] => &keys().revoked,
        _ => return given.to_vec(),
    };
    let (kind, claims) = given
        .get(2..)
        .and_then(<[u8]>::split_first)
        .unwrap_or((&b'0', &[]));
    let kind = Kind::ALL[usize::from(kind.wrapping_sub(b'0')) % Kind::ALL.len()];
    key.seal(kind, claims).into_bytes()
}

fn keyring() -> Keyring {
    Keyring::new(rows())
}

fn rows() -> [RoomKey; 3] {
    let row = |key: &Key, state, chain| RoomKey {
        at: room(),
        kid: key.kid().clone(),
        key: key.verifying(),
        state,
        chain,
        from: 1,
        end: (state == KeyState::Revoked).then_some(7),
        former: None,
        awaited: false,
        name: "UBND phường Bãi Cháy".to_owned(),
        area: None,
        contacts: Vec::new(),
        enrolment: EntryHash::ZERO,
        first_ms: NOW,
        last_ms: NOW,
        decided_ms: Some(NOW),
    };
    let keys = keys();
    [
        row(&keys.room, KeyState::Approved, 2),
        row(&keys.challenger, KeyState::Pending, 0),
        row(&keys.revoked, KeyState::Revoked, 1),
    ]
}

/// A file that somebody brings: as the target `logbook` makes one, or bytes as they are behind a `!`.
pub(crate) fn proof(data: &[u8]) {
    let text = match data.split_first() {
        Some((b'!', text)) => text.to_vec(),
        _ => lines(data).join(&b'\n'),
    };
    let hub = keys().hub.verifying();
    let proved = prove(text.as_slice(), &rows(), &[hub]).expect("memory can be read");
    match proved {
        Ok(Proved::Logbook { at, walk }) => {
            assert_eq!(at, room(), "another room's file");
            assert!(walk.entries + walk.receipts > 0);
        }
        Ok(Proved::Single(kind)) => assert!(!Kind::NUMBERED.contains(&kind)),
        Err(unproved) => {
            let lines = text.split(|byte| *byte == b'\n').count() + text.len() / (64 * 1024) + 1;
            assert!(
                (1..=lines).contains(&usize::try_from(unproved.line).expect("a line")),
                "{unproved:?}"
            );
            assert!(
                unproved.why.vi.len() <= 2048,
                "a refusal of {} bytes",
                unproved.why.vi.len()
            );
        }
    }
}

/// A challenge that comes back. `@`, a place and a byte: a real one, with that byte in that place.
pub(crate) fn challenge(data: &[u8]) {
    let hub = Challenger::new(&SystemRandom::new()).expect("random numbers");
    let at = room();
    let real = hub.issue(&at, NOW);
    let given = match data {
        [b'@', place, byte, ..] => {
            let mut bytes = real.clone().into_bytes();
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *byte;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::from_utf8_lossy(data).into_owned(),
    };
    let issued = hub.issued_ms(&at, &given);
    assert_eq!(
        issued,
        (given == real).then_some(NOW),
        "a challenge that was never issued"
    );
    let other = "quang-ninh/ha-lam".parse().expect("an address");
    assert_eq!(hub.issued_ms(&other, &given), None, "another room's challenge");
}

/// A request for a page: the address on the first line, the host on the second.
pub(crate) fn page(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let (address, host) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(uri) = address.parse::<Uri>() else { return };
    if let Ok(Query(asked)) = Query::<Asked>::try_from_uri(&uri) {
        let link: Uri = asked.link(|_| {}).parse().expect("a link is an address");
        let Query(again) = Query::<Asked>::try_from_uri(&link).expect("a link is read");
        assert_eq!(
            again,
            Asked {
                part: None,
                ..asked.clone()
            }
        );
        markup_stays_text(&asked, &ask(uri.clone(), "localhost"));
    }
    let (status, _) = ask(uri, host);
    let here = ["localhost", "127.0.0.1", "[::1]"];
    let name = host.trim().rsplit_once(':').map_or(host.trim(), |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host.trim()
        }
    });
    let own = here.iter().any(|here| name.eq_ignore_ascii_case(here));
    assert!(
        own || status == StatusCode::MISDIRECTED_REQUEST || status == StatusCode::BAD_REQUEST,
        "{host:?}: {status}"
    );
}

/// What a reader searches for stands on the page as text.
fn markup_stays_text(asked: &Asked, (status, body): &(StatusCode, String)) {
    assert_ne!(*status, StatusCode::INTERNAL_SERVER_ERROR);
    for given in [&asked.q, &asked.area, &asked.org, &asked.cause]
        .into_iter()
        .flatten()
    {
        let begun = given.find('<').and_then(|at| given.get(at..)).unwrap_or_default();
        if begun.len() >= 12 {
            assert!(!body.contains(begun), "{begun:?} is on the page as markup");
        }
    }
}

fn ask(uri: Uri, host: &str) -> (StatusCode, String) {
    const BODY_CAP: usize = 1 << 20;
    let Ok(request) = Request::get(uri).header(header::HOST, host).body(Body::empty()) else {
        return (StatusCode::BAD_REQUEST, String::new());
    };
    let page = Page {
        board: Arc::new(Board::default()),
        store: "/nonexistent/hub.db".into(),
        lang: Lang::Vi,
        clock: || NOW,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let answer = router(page).call(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        let status = answer.status();
        let streams = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        if streams {
            return (status, String::new());
        }
        let body = to_bytes(answer.into_body(), BODY_CAP)
            .await
            .expect("a page of a megabyte at most");
        (status, String::from_utf8(body.into()).expect("a page is text"))
    })
}
