//! Tests of the box's side: word by word, and over lines that lose.

use proptest::prelude::*;

use super::super::pair::{Line, Pair};
use super::super::wire::control::{Answer, Refusal};
use super::*;

fn wish() -> Wish {
    Wish {
        room: "abc/room".parse().unwrap(),
        kbps: 4096,
        duration_ms: 3000,
        packet_bytes: 1200,
    }
}

fn client() -> Client {
    Client::new(wish(), 5, 1000, 4000).unwrap()
}

const GRANT: Grant = Grant {
    session: 9,
    kbps: 4096,
    duration_ms: 3000,
};

fn token() -> Vec<u8> {
    Answer::Token {
        nonce: 5,
        token: [1; 16],
    }
    .emit()
}

fn grant(nonce: u64, grant: Grant) -> Vec<u8> {
    Answer::Grant { nonce, grant }.emit()
}

fn refused(reason: Reason) -> Vec<u8> {
    let refusal = Refusal {
        reason,
        max_kbps: 1,
        max_duration_ms: 2,
    };
    Answer::Refused { nonce: 5, refusal }.emit()
}

fn said(datagram: Option<Vec<u8>>) -> Request {
    Request::parse(&datagram.unwrap()).unwrap()
}

/// A client that has its grant at 1100.
fn granted() -> Client {
    let mut client = client();
    client.transmit(1000);
    client.receive(1050, &token()).unwrap();
    client.transmit(1050);
    assert_eq!(client.receive(1100, &grant(5, GRANT)), Ok(State::Granted(GRANT)));
    client
}

#[test]
fn word_by_word() {
    let mut client = client();
    assert!(matches!(
        said(client.transmit(1000)),
        Request::Hello { nonce: 5, .. }
    ));
    assert_eq!(client.transmit(1000), None, "once");
    assert_eq!(
        client.receive(1020, &grant(5, GRANT)),
        Ok(State::Asking),
        "nothing was asked for yet"
    );
    client.receive(1050, &token()).unwrap();
    assert_eq!(client.due_ms(), Some(1050));
    assert_eq!(
        said(client.transmit(1050)),
        Request::Open {
            nonce: 5,
            token: [1; 16],
            wish: wish()
        }
    );
    assert_eq!(
        client.receive(1060, &grant(6, GRANT)),
        Ok(State::Asking),
        "another's"
    );
    assert_eq!(client.receive(1100, &grant(5, GRANT)), Ok(State::Granted(GRANT)));
    assert_eq!((client.due_ms(), client.transmit(9000)), (None, None));

    client.close(9000, 1200, 10_000);
    let close = Request::Close {
        nonce: 5,
        session: 9,
        sent: 1200,
    };
    assert_eq!(said(client.transmit(9000)), close);
    let summary = Summary {
        received: 7,
        ..Summary::default()
    };
    let answer = |session| {
        Answer::Summary {
            nonce: 5,
            session,
            summary,
        }
        .emit()
    };
    assert_eq!(client.receive(9010, &answer(8)), Ok(State::Closing(GRANT)));
    assert_eq!(
        client.receive(9010, &answer(9)),
        Ok(State::Closed(GRANT, summary))
    );
    assert_eq!(
        client.receive(99_000, &answer(9)),
        Ok(State::Closed(GRANT, summary)),
        "for good"
    );
}

#[test]
fn asks_again_with_growing_pauses_until_its_deadline() {
    let mut client = client();
    let mut asked = vec![];
    for now_ms in 1000..6000 {
        if client.transmit(now_ms).is_some() {
            asked.push(now_ms);
        }
    }
    assert_eq!(asked, [1000, 1200, 1600, 2400, 3400]);
    assert_eq!(
        (client.state(), client.due_ms()),
        (State::Silent { grant: None }, None)
    );
    assert_eq!(
        client.receive(6000, &token()),
        Ok(State::Silent { grant: None }),
        "too late"
    );

    let mut client = granted();
    client.close(5000, 3, 6000);
    let asked: Vec<u64> = (5000..7000)
        .filter(|now_ms| client.transmit(*now_ms).is_some())
        .collect();
    assert_eq!(asked, [5000, 5200, 5600]);
    assert_eq!(client.state(), State::Silent { grant: Some(GRANT) });
}

#[test]
fn a_deadline_is_seen_without_anything_being_sent() {
    let mut client = client();
    assert_eq!(client.due_ms(), Some(1000));
    client.transmit(3990);
    assert_eq!(
        client.due_ms(),
        Some(4000),
        "the deadline is waited for, not the next try"
    );
    assert_eq!(client.transmit(4000), None);
    assert_eq!(client.state(), State::Silent { grant: None });
}

#[test]
fn a_token_that_is_not_good_any_more_is_asked_for_anew() {
    let mut client = client();
    client.transmit(1000);
    client.receive(1010, &token()).unwrap();
    client.transmit(1010);
    assert_eq!(
        client.receive(1020, &refused(Reason::BadToken)),
        Ok(State::Asking)
    );
    assert_eq!(
        client.transmit(1020),
        None,
        "not at once: it could go round and round"
    );
    assert!(matches!(said(client.transmit(1210)), Request::Hello { .. }));
}

#[test]
fn a_refusal_is_a_refusal() {
    let mut client = client();
    client.transmit(1000);
    client.receive(1010, &token()).unwrap();
    let Ok(State::Refused(refusal)) = client.receive(1020, &refused(Reason::OverBudget)) else {
        panic!("{:?}", client.state())
    };
    assert_eq!(
        (refusal.reason, refusal.max_kbps, refusal.max_duration_ms),
        (Reason::OverBudget, 1, 2)
    );
    assert_eq!(client.transmit(5000), None);
}

#[test]
fn never_more_than_was_wished_for() {
    for (answered, used) in [((9000, 1000), (4096, 1000)), ((1000, 9000), (1000, 3000))] {
        let mut client = client();
        client.transmit(1000);
        client.receive(1010, &token()).unwrap();
        let of = |(kbps, duration_ms)| Grant {
            session: 9,
            kbps,
            duration_ms,
        };
        assert_eq!(
            client.receive(1020, &grant(5, of(answered))),
            Ok(State::Granted(of(used)))
        );
    }
    let mut client = client();
    client.transmit(1000);
    client.receive(1010, &token()).unwrap();
    let nothing = Grant { kbps: 0, ..GRANT };
    assert_eq!(client.receive(1020, &grant(5, nothing)), Ok(State::Asking));
}

#[test]
fn a_wish_for_nothing_is_an_error() {
    for wish in [
        Wish { kbps: 0, ..wish() },
        Wish {
            duration_ms: 0,
            ..wish()
        },
        Wish {
            packet_bytes: 43,
            ..wish()
        },
    ] {
        assert!(matches!(Client::new(wish, 1, 0, 1), Err(WireError::Wish { .. })));
    }
}

proptest! {
    /// Whatever is lost, copied and delayed: the handshake ends with a grant or in silence, and a line that loses a third
    /// of everything is mostly not silence.
    #[test]
    fn over_a_bad_line(seed: u64, loss in 0.0..0.4_f64, jitter_ms in 0.0..100.0_f64) {
        let line = Line { loss_up: loss, loss_down: loss, copies: 0.1, jitter_ms, ..Line::default() };
        let mut pair = Pair::new(seed, line, 4096);
        pair.handshake(10_000);
        let granted = matches!(pair.client.state(), State::Granted(_));
        let silent = pair.client.state() == State::Silent { grant: None };
        prop_assert!(granted || silent);
        prop_assert!(granted || loss > 0.05);
        prop_assert!(pair.reflector.running() <= 1);
    }

    #[test]
    fn any_bytes_at_any_time(
        talk in prop::collection::vec((0_u64..1000, prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            Just(token()), Just(grant(5, GRANT)), Just(refused(Reason::BadToken)),
        ]), 0..60),
        close_at in 0_usize..60,
    ) {
        let mut client = client();
        let (mut now_ms, mut sent) = (1000, 0);
        for (n, (wait, datagram)) in talk.into_iter().enumerate() {
            now_ms += wait;
            if n == close_at {
                client.close(now_ms, 1, now_ms + 1000);
            }
            let _ = client.receive(now_ms, &datagram);
            if let Some(request) = client.transmit(now_ms) {
                sent += 1;
                prop_assert!(Request::parse(&request).is_ok());
            }
        }
        prop_assert!(sent < 50, "{}", sent);
        client.transmit(now_ms + 10_000);
        prop_assert!(!matches!(client.state(), State::Asking | State::Closing(_)), "every wait ends");
    }
}
