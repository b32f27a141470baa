//! A session against brokers that are written byte by byte here: refusals, lies, and silences.

use std::net::SocketAddr;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::config::Broker;

const TAKEN: [u8; 5] = [0x20, 3, 0, 0, 0];
const PONG: [u8; 2] = [0xD0, 0];

/// Longer than any patience here: whatever is waited for comes within it or the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

fn short() -> Patience {
    Patience {
        connect: Duration::from_secs(1),
        keep_alive: Duration::from_secs(5),
        silence: Duration::from_millis(300),
        acknowledgement: Duration::from_millis(600),
    }
}

fn session(at: SocketAddr, patience: Patience) -> Session {
    Session::new(&Connect {
        client_id: "abc.room".into(),
        broker: Broker {
            host: at.ip().to_string(),
            port: at.port(),
            transport: Transport::Plain,
        },
        tls: None,
        login: ("abc.room".into(), String::new()),
        will: ("bp/1/abc/room/state".into(), b"lost".to_vec()),
        patience,
    })
}

/// A broker that does `act` with its one connection, after the box has introduced itself.
async fn broker<F>(act: impl FnOnce(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(
            packet(&mut stream).await.unwrap().0 >> 4,
            1,
            "CONNECT comes first"
        );
        act(stream).await;
    });
    (at, task)
}

/// The next packet: its first byte and what follows the length. `None` at the end.
async fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await.ok()?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.ok()?;
    Some((kind, rest))
}

/// The packet id of the next publish.
async fn published(stream: &mut TcpStream) -> u16 {
    loop {
        let (kind, rest) = packet(stream).await.expect("a publish");
        if kind >> 4 == 3 {
            let topic = usize::from(rest[0]) << 8 | usize::from(rest[1]);
            return u16::from(rest[2 + topic]) << 8 | u16::from(rest[3 + topic]);
        }
    }
}

fn answer(id: u16, reason: u8) -> [u8; 5] {
    let [high, low] = id.to_be_bytes();
    [0x40, 3, high, low, reason]
}

/// Holds the line until the box lets go.
async fn hold(mut stream: TcpStream) {
    while packet(&mut stream).await.is_some() {}
}

async fn next(session: &mut Session) -> Happened {
    tokio::time::timeout(DEADLINE, session.next())
        .await
        .expect("something happens")
}

async fn lost(session: &mut Session) -> Lost {
    loop {
        if let Happened::Lost(lost) = next(session).await {
            return lost;
        }
    }
}

async fn connected(session: &mut Session) {
    let happened = next(session).await;
    assert!(matches!(happened, Happened::Connected { .. }), "{happened:?}");
}

#[tokio::test]
async fn a_broker_that_turns_the_box_away_says_why() {
    for (code, said) in [
        (134, "wrong user name or password"),
        (135, "no permission"),
        (137, "busy"),
        (138, "barred"),
        // The client knows no such reason.
        (200, "code 200"),
    ] {
        let (at, broker) = broker(move |mut stream| async move {
            stream.write_all(&[0x20, 3, 0, code, 0]).await.unwrap();
            hold(stream).await;
        })
        .await;
        let lost = lost(&mut session(at, short())).await;
        assert_eq!(lost.turned_away, Some(Reason(code)), "{lost:?}");
        assert!(lost.why.contains(said), "{lost:?}");
        assert_eq!(lost.blamed, None);
        broker.await.unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_ends_the_connection_says_why() {
    for (bye, turned_away, blamed, said) in [
        (vec![0xE0, 2, 142, 0], Some(Reason(142)), None, "another box"),
        (
            vec![0xE0, 9, 152, 7, 0x1F, 0, 4, b'n', b'i', b'g', b'h'],
            Some(Reason(152)),
            None,
            "(nigh)",
        ),
        (vec![0xE0, 2, 149, 0], None, Some(149), "too large"),
        (vec![0xE0, 0], None, None, "ended the connection"),
    ] {
        let (at, broker) = broker(move |mut stream| async move {
            stream.write_all(&TAKEN).await.unwrap();
            stream.write_all(&bye).await.unwrap();
            hold(stream).await;
        })
        .await;
        let mut session = session(at, short());
        let lost = lost(&mut session).await;
        assert_eq!((lost.turned_away, lost.blamed), (turned_away, blamed), "{lost:?}");
        assert!(lost.why.contains(said), "{lost:?}");
        drop(session);
        broker.await.unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_never_answers_is_given_up() {
    let (at, broker) = broker(hold).await;
    let lost = lost(&mut session(at, short())).await;
    assert_eq!(lost.why, "it does not answer");
    broker.await.unwrap();
}

#[tokio::test]
async fn a_first_answer_that_drips_is_given_up() {
    let (at, broker) = broker(|mut stream| async move {
        for byte in TAKEN {
            tokio::time::sleep(Duration::from_millis(400)).await;
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        hold(stream).await;
    })
    .await;
    let lost = lost(&mut session(at, short())).await;
    assert_eq!(lost.why, "it does not answer");
    broker.await.unwrap();
}

#[tokio::test]
async fn a_line_on_which_nothing_comes_any_more_is_given_up() {
    let (at, broker) = broker(|mut stream| async move {
        stream.write_all(&TAKEN).await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut session = session(at, short());
    connected(&mut session).await;
    let lost = lost(&mut session).await;
    assert!(lost.why.starts_with("nothing has come for"), "{lost:?}");
    drop(session);
    broker.await.unwrap();
}

#[tokio::test]
async fn a_line_that_takes_nothing_any_more_is_given_up() {
    let (at, broker) = broker(|mut stream| async move {
        stream.write_all(&TAKEN).await.unwrap();
        // Nothing is read: the buffers between fill up.
        std::future::pending::<()>().await;
    })
    .await;
    let mut session = session(at, short());
    connected(&mut session).await;
    let lost = tokio::time::timeout(DEADLINE, async {
        loop {
            while session.publish(Tag::Entry(1), "bp/1/abc/room/report", false, vec![b'x'; 60_000])
                == Put::Done
            {}
            if let Happened::Lost(lost) = session.next().await {
                return lost;
            }
        }
    });
    let lost = lost.await.expect("it is given up");
    assert!(lost.why.starts_with("nothing has come for"), "{lost:?}");
    broker.abort();
}

#[tokio::test]
async fn a_broker_that_lives_but_acknowledges_nothing_is_given_up() {
    let (at, broker) = broker(|mut stream| async move {
        stream.write_all(&TAKEN).await.unwrap();
        while stream.write_all(&PONG).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let mut session = session(at, short());
    connected(&mut session).await;
    assert_eq!(session.publish(Tag::Entry(1), "t", false, "x"), Put::Done);
    let lost = lost(&mut session).await;
    assert!(lost.why.contains("not acknowledged a message"), "{lost:?}");
    drop(session);
    broker.await.unwrap();
}

#[tokio::test]
async fn packet_ids_that_collide_end_in_a_new_session_that_works() {
    // Acknowledges the second of two again and again, never the first: the ids come round and collide.
    let (at, stuck) = broker(|mut stream| async move {
        stream.write_all(&TAKEN).await.unwrap();
        let first = published(&mut stream).await;
        while let Some((kind, rest)) = packet(&mut stream).await {
            if kind >> 4 == 3 {
                let topic = usize::from(rest[0]) << 8 | usize::from(rest[1]);
                let id = u16::from(rest[2 + topic]) << 8 | u16::from(rest[3 + topic]);
                assert_ne!(id, first);
                stream.write_all(&answer(id, 0)).await.unwrap();
            }
            stream.write_all(&PONG).await.unwrap();
        }
    })
    .await;
    let mut colliding = session(at, short());
    connected(&mut colliding).await;
    let mut sent = 0;
    let why = loop {
        while sent < 40 && colliding.publish(Tag::Entry(sent), "t", false, "x") == Put::Done {
            sent += 1;
        }
        if let Happened::Lost(lost) = next(&mut colliding).await {
            break lost.why;
        }
    };
    assert!(sent > u64::from(IN_FLIGHT), "the ids have come round: {sent}");
    assert!(
        why.contains("acknowledge") || why.contains("nothing has come"),
        "{why}"
    );
    drop(colliding);
    stuck.await.unwrap();
    // The next session has nothing of it left.
    let (at, broker) = broker(|mut stream| async move {
        stream.write_all(&TAKEN).await.unwrap();
        let id = published(&mut stream).await;
        stream.write_all(&answer(id, 0)).await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut session = session(at, short());
    connected(&mut session).await;
    assert_eq!(session.publish(Tag::Entry(7), "t", false, "x"), Put::Done);
    let happened = next(&mut session).await;
    assert!(matches!(happened, Happened::Taken(Tag::Entry(7))), "{happened:?}");
    drop(session);
    broker.await.unwrap();
}

#[tokio::test]
async fn a_refused_message_is_told_and_the_next_ones_go_on() {
    let (at, broker) = broker(|mut stream| async move {
        stream.write_all(&TAKEN).await.unwrap();
        for reason in [0, 135, 151, 16] {
            let id = published(&mut stream).await;
            stream.write_all(&answer(id, reason)).await.unwrap();
        }
        hold(stream).await;
    })
    .await;
    let mut session = session(at, short());
    connected(&mut session).await;
    for seq in 1..=4 {
        assert_eq!(session.publish(Tag::Entry(seq), "t", false, "x"), Put::Done);
    }
    let mut told = vec![];
    for _ in 0..4 {
        told.push(format!("{:?}", next(&mut session).await));
    }
    assert_eq!(
        told,
        [
            "Taken(Entry(1))",
            "Refused { tag: Entry(2), reason: Reason(135) }",
            "Refused { tag: Entry(3), reason: Reason(151) }",
            "Taken(Entry(4))"
        ]
    );
    drop(session);
    broker.await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_the_client_cannot_read_blames_what_was_on_its_way() {
    let (at, broker) = broker(|mut stream| async move {
        stream.write_all(&TAKEN).await.unwrap();
        let (first, second) = (published(&mut stream).await, published(&mut stream).await);
        // In one breath: the first one's acknowledgement is not lost over the second one's refusal.
        let both = [answer(first, 0), answer(second, 149)].concat();
        stream.write_all(&both).await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut session = session(at, short());
    connected(&mut session).await;
    assert_eq!(session.publish(Tag::Entry(1), "t", false, "x"), Put::Done);
    assert_eq!(session.publish(Tag::Entry(2), "t", false, "x"), Put::Done);
    let happened = next(&mut session).await;
    assert!(matches!(happened, Happened::Taken(Tag::Entry(1))), "{happened:?}");
    let lost = lost(&mut session).await;
    assert_eq!((lost.blamed, lost.turned_away), (Some(149), None), "{lost:?}");
    drop(session);
    broker.await.unwrap();
}

#[tokio::test]
async fn what_is_more_than_the_broker_takes_is_not_sent() {
    let (at, broker) = broker(|mut stream| async move {
        // Maximum Packet Size: 100.
        stream
            .write_all(&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 100])
            .await
            .unwrap();
        let id = published(&mut stream).await;
        stream.write_all(&answer(id, 0)).await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut session = session(at, short());
    connected(&mut session).await;
    // Header 2, topic 2 + 1, id 2, properties 1: 92 bytes are left.
    assert_eq!(
        session.publish(Tag::Entry(1), "t", false, vec![b'x'; 93]),
        Put::TooLarge
    );
    assert_eq!(
        session.publish(Tag::Entry(2), "t", false, vec![b'x'; 92]),
        Put::Done
    );
    let happened = next(&mut session).await;
    assert!(matches!(happened, Happened::Taken(Tag::Entry(2))), "{happened:?}");
    drop(session);
    broker.await.unwrap();
}

#[test]
fn the_size_of_a_packet_is_what_the_client_makes_of_it() {
    use rumqttc::v5::mqttbytes::v5::Publish;
    for length in [
        0, 100, 116, 117, 118, 119, 120, 16_370, 16_372, 16_373, 16_374, 16_380, 65_536,
    ] {
        let payload = vec![b'x'; length];
        let mut publish = Publish::new("bp/1/a/b", QoS::AtLeastOnce, payload.clone(), None);
        publish.pkid = 1;
        assert_eq!(
            packet_size("bp/1/a/b", &payload),
            publish.size() as u64,
            "{length}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_bytes_end_the_session_or_mean_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        cut in 0..600_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let (at, broker) = broker(move |mut stream| async move {
                let (first, second) = bytes.split_at(cut.min(bytes.len()));
                let all = [&TAKEN[..], first].concat();
                let _gone = stream.write_all(&all).await;
                let _gone = stream.write_all(second).await;
                let _gone = stream.shutdown().await;
                hold(stream).await;
            })
            .await;
            let mut session = session(at, short());
            lost(&mut session).await;
            drop(session);
            broker.await.unwrap();
        });
    }
}
