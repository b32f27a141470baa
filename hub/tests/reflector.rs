//! The line test's other end from outside: the real program, real sockets, the box's own state machine.

#[cfg(test)]
mod common;

use std::net::UdpSocket;

use bridgepoint_protocol::line::client::{Client, State};
use bridgepoint_protocol::line::wire::control::{Answer, REQUEST_BYTES, Reason, Request, Wish};
use bridgepoint_protocol::line::wire::rtp::{self, Probe};
use common::prober::{Alone, Room};
use common::{Hub, hub_dir, told};

#[test]
fn a_test_from_hello_to_summary() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let reflector = Alone::start(listen, 100_000);
        let room = Room::at(reflector.at, "quang-ninh/bai-chay");
        let mut client = room.ask(20_000);
        let (figures, summary) = room.test(&mut client, 300);
        assert_eq!(
            (summary.received, summary.replied, summary.duplicates),
            (300, 300, 0)
        );
        assert_eq!(
            (figures.sent, figures.received, figures.back),
            (300, Some(300), 300)
        );
        for way in [&figures.up, &figures.down] {
            assert_eq!(way.loss.unwrap().lost, 0);
            assert_eq!(way.reordered, Some(0));
            assert!(way.delivered_kbps.unwrap() > 0.0 && way.jitter.is_some());
        }
        assert_eq!((figures.nonsense, figures.over_grant), (0, 0));
        let trip = figures.round_trip.unwrap();
        assert!(0.0 <= trip.min_ms && trip.min_ms <= trip.p50_ms && trip.p50_ms <= trip.p95_ms);
        assert!(reflector.said.contains("100000 kbit/s"), "{}", reflector.said);
        assert_eq!(reflector.stop("-TERM"), Some(0));
    }
}

#[test]
fn what_is_too_much_is_refused_and_what_is_over_is_free_again() {
    let reflector = Alone::start("127.0.0.1:0", 5000);
    let room = Room::at(reflector.at, "quang-ninh/bai-chay");
    let refused = |client: &Client| match client.state() {
        State::Refused(refusal) => (refusal.reason, refusal.max_kbps),
        state => panic!("{state:?}"),
    };
    assert_eq!(refused(&room.ask(5001)), (Reason::TooFast, 5000));
    let mut client = room.ask(4000);
    let other = Room::at(reflector.at, "quang-ninh/hong-gai");
    assert_eq!(
        refused(&other.ask(500)).0,
        Reason::Busy,
        "one at a time from one address"
    );
    let far = Room::from("127.0.0.2:0", reflector.at, "quang-ninh/hong-gai");
    assert_eq!(refused(&far.ask(1001)).0, Reason::OverBudget);
    let twin = Room::from("127.0.0.2:0", reflector.at, "quang-ninh/bai-chay");
    assert_eq!(
        refused(&twin.ask(500)).0,
        Reason::Busy,
        "one at a time for one room"
    );
    far.test(&mut far.ask(1000), 2);
    room.test(&mut client, 2);
    let mut client = other.ask(5000);
    other.test(&mut client, 2);
    assert_eq!(reflector.stop("-INT"), Some(130));
}

/// From an address that has shown no token nothing longer comes back than was sent, and mostly nothing.
#[test]
fn an_unproven_address_gets_no_more_than_it_sends() {
    let reflector = Alone::start("127.0.0.1:0", 100_000);
    let room = Room::at(reflector.at, "quang-ninh/bai-chay");
    let hello = Request::Hello {
        nonce: 5,
        room: room.name.parse().unwrap(),
    }
    .emit();
    let open = Request::Open {
        nonce: 5,
        token: [1; 16],
        wish: Wish {
            room: room.name.parse().unwrap(),
            kbps: 1,
            duration_ms: 1,
            packet_bytes: 1000,
        },
    }
    .emit();
    let mut future = hello.clone();
    future[4] = 9;
    for (question, reason) in [
        (&hello, None),
        (&open, Some(Reason::BadToken)),
        (&future, Some(Reason::Version)),
    ] {
        room.socket.send(question).unwrap();
        let answer = room.read();
        assert!(answer.len() <= question.len() && question.len() == REQUEST_BYTES);
        match (Answer::parse(&answer).unwrap(), reason) {
            (Answer::Token { nonce: 5, .. }, None) => {}
            (Answer::Refused { refusal, nonce: 5 }, Some(reason)) => assert_eq!(refusal.reason, reason),
            (answer, _) => panic!("{answer:?}"),
        }
    }
    let packet = rtp::emit_probe(
        Probe {
            session: 1,
            seq: 0,
            sent_ns: 0,
        },
        1400,
    );
    let answer = Answer::Token {
        nonce: 5,
        token: [0; 16],
    };
    let short = &hello[..REQUEST_BYTES - 1];
    let close = Request::Close {
        nonce: 5,
        session: 1,
        sent: 1,
    };
    for silent in [
        &packet[..],
        &answer.emit(),
        short,
        &close.emit(),
        b"GET / HTTP/1.1\r\n\r\n",
        &[],
        &[0x90; 1500],
        &[0x42; 1501],
    ] {
        room.socket.send(silent).unwrap();
        room.heard_nothing();
    }
}

#[test]
fn beside_the_rest_of_the_hub() {
    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    let file = dir.path().join("hub.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "[reflector]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let hub = Hub::start_in(dir);
    let up: serde_json::Value =
        serde_json::from_slice(&std::fs::read(hub.state().join("serve.json")).unwrap()).unwrap();
    let at = up["reflector"].as_str().unwrap().parse().unwrap();
    let room = Room::at(at, "abc/room-1");
    let (figures, _) = room.test(&mut room.ask(1000), 20);
    assert_eq!((figures.received, figures.back), (Some(20), 20));
    hub.logged("line test ends");
    let (code, _dir) = hub.stop("-TERM");
    assert_eq!(code, Some(0));
}

#[test]
fn a_port_that_is_taken() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    let (code, text) = told(&common::hub_command(
        dir.path(),
        &["reflector", "--listen", &at, "--lang", "en"],
    ));
    assert_eq!(code, Some(70));
    assert!(text.contains(&at) && text.contains("--listen"), "{text}");
    let (code, _) = told(&common::hub_command(
        dir.path(),
        &["reflector", "--budget-kbps", "0"],
    ));
    assert_eq!(code, Some(64));
}
