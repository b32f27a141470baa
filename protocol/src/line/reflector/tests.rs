//! Tests of the reflector: each limit, each promise, any sequence of datagrams.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::wire::control::{REQUEST_BYTES, Summary};
use super::super::wire::rtp::Probe;
use super::*;
use crate::name::RoomAddress;

const MS: u64 = 1_000_000;
const START: u64 = 1_000_000 * MS;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn wish(room: &str, kbps: u32) -> Wish {
    Wish {
        room: room.parse().unwrap(),
        kbps,
        duration_ms: 3000,
        packet_bytes: 1200,
    }
}

/// A reflector and the hand that feeds it.
struct Bench {
    reflector: Reflector,
    now_ns: u64,
    out: Vec<u8>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self {
            reflector: Reflector::new(limits, &[3; 32]),
            now_ns: START,
            out: vec![],
        }
    }

    fn usual() -> Self {
        Self::new(Limits::default())
    }

    fn later(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    fn say(&mut self, source: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        match self.reflector.take(self.now_ns, source, datagram, &mut self.out) {
            Out::Nothing => {
                assert!(self.out.is_empty());
                None
            }
            Out::Control | Out::Reply => Some(self.out.clone()),
        }
    }

    fn ask(&mut self, source: SocketAddr, request: &Request) -> Option<Answer> {
        let answer = self.say(source, &request.emit())?;
        Some(Answer::parse(&answer).unwrap())
    }

    fn token(&mut self, source: SocketAddr, nonce: u64, room: &RoomAddress) -> Token {
        let room = room.clone();
        match self.ask(source, &Request::Hello { nonce, room }) {
            Some(Answer::Token { token, .. }) => token,
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self, source: SocketAddr, nonce: u64, wish: Wish) -> Result<Grant, Reason> {
        let token = self.token(source, nonce, &wish.room);
        match self.ask(source, &Request::Open { nonce, token, wish }) {
            Some(Answer::Grant { grant, .. }) => Ok(grant),
            Some(Answer::Refused { refusal, .. }) => Err(refusal.reason),
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, source: SocketAddr, session: u32, seq: u32, len: usize) -> Option<Reply> {
        let probe = Probe {
            session,
            seq,
            sent_ns: 1,
        };
        let packet = rtp::emit_probe(probe, len);
        let answer = self.say(source, &packet)?;
        assert_eq!(answer.len(), packet.len());
        Some(rtp::parse_reply(&answer).unwrap())
    }

    fn close(&mut self, source: SocketAddr, nonce: u64, session: u32) -> Option<Summary> {
        let request = Request::Close {
            nonce,
            session,
            sent: 9,
        };
        match self.ask(source, &request) {
            Some(Answer::Summary { summary, .. }) => Some(summary),
            None => None,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hello_open_packets_close() {
    let mut bench = Bench::usual();
    let box_at = at("10.0.0.5:4000");
    let grant = bench.open(box_at, 1, wish("abc/room", 4096)).unwrap();
    assert_eq!((grant.kbps, grant.duration_ms), (4096, 3000));
    let opened = bench.now_ns;
    for (number, seq) in [0, 1, 4, 3, 3].into_iter().enumerate() {
        bench.later(3 * MS);
        let reply = bench.send(box_at, grant.session, seq, 1000).unwrap();
        assert_eq!(
            reply,
            Reply {
                session: grant.session,
                seq,
                reflector_seq: u32::try_from(number).unwrap(),
                rx_ns: bench.now_ns,
                tx_ns: bench.now_ns
            }
        );
    }
    let summary = bench.close(box_at, 1, grant.session).unwrap();
    assert_eq!(
        summary,
        Summary {
            received: 5,
            duplicates: 1,
            reordered: 1,
            replied: 5,
            over_grant: 0,
            highest: 4,
            bytes: 5000,
            first_ns: opened + 3 * MS,
            // The copy that came last does not count.
            last_ns: opened + 12 * MS
        }
    );
    assert_eq!(bench.send(box_at, grant.session, 5, 1000), None, "it is closed");
    assert_eq!(
        bench.close(box_at, 1, grant.session),
        Some(summary),
        "asked again"
    );
    let news: Vec<News> = bench.reflector.news().collect();
    assert!(matches!(
        &news[..],
        [
            News::Opened { .. },
            News::Ended {
                how: How::Closed,
                sent: Some(9),
                ..
            }
        ]
    ));
    let stats = bench.reflector.stats();
    assert_eq!(
        (
            stats.hellos,
            stats.granted,
            stats.packets,
            stats.replies,
            stats.ignored
        ),
        (1, 1, 5, 5, 1)
    );
}

#[test]
fn only_the_address_that_was_granted_is_served() {
    let mut bench = Bench::usual();
    let (box_at, other) = (at("10.0.0.5:4000"), at("10.0.0.5:4001"));
    let grant = bench.open(box_at, 1, wish("abc/room", 4096)).unwrap();
    assert_eq!(bench.send(other, grant.session, 0, 100), None);
    assert_eq!(bench.send(box_at, grant.session ^ 1, 0, 100), None);
    assert_eq!(bench.close(other, 1, grant.session), None);
    assert_eq!(bench.close(box_at, 2, grant.session), None, "another nonce");
    assert!(bench.send(box_at, grant.session, 0, 100).is_some());
    let token = bench.token(box_at, 1, &wish("abc/room", 1).room);
    for (from, nonce, room) in [
        (other, 1, "abc/room"),
        (box_at, 2, "abc/room"),
        (box_at, 1, "abc/other"),
    ] {
        let wish = wish(room, 1);
        let answer = bench.ask(from, &Request::Open { nonce, token, wish });
        assert!(
            matches!(answer, Some(Answer::Refused { refusal, .. }) if refusal.reason == Reason::BadToken),
            "{answer:?}"
        );
    }
    assert_eq!(bench.reflector.running(), 1);
}

#[test]
fn the_same_question_has_the_same_answer() {
    let mut bench = Bench::usual();
    let box_at = at("10.0.0.5:4000");
    let grant = bench.open(box_at, 1, wish("abc/room", 4096));
    bench.later(MS);
    assert_eq!(bench.open(box_at, 1, wish("abc/room", 4096)), grant);
    assert_eq!(bench.reflector.running(), 1);
    bench.later(IDLE_NS - 1);
    assert_eq!(bench.open(box_at, 1, wish("abc/room", 4096)), grant);
    bench.later(IDLE_NS - 1);
    assert_eq!(
        bench.open(box_at, 1, wish("abc/room", 4096)),
        grant,
        "whoever asks is there"
    );
    let id = grant.unwrap().session;
    bench.close(box_at, 1, id);
    let room: RoomAddress = "abc/room".parse().unwrap();
    let token = bench.token(box_at, 1, &room);
    let again = Request::Open {
        nonce: 1,
        token,
        wish: wish("abc/room", 4096),
    };
    assert_eq!(
        bench.ask(box_at, &again),
        None,
        "a test that is over is not begun again by an echo"
    );
    assert!(bench.open(box_at, 2, wish("abc/room", 4096)).is_ok());
}

#[test]
fn each_limit() {
    let limits = Limits {
        budget_kbps: 10_000,
        max_kbps: 6000,
        max_duration_ms: 3000,
        max_packet_bytes: 1200,
        max_sessions: 3,
    };
    let mut bench = Bench::new(limits);
    let a = at("10.0.0.1:4000");
    assert_eq!(bench.open(a, 1, wish("abc/room", 6001)), Err(Reason::TooFast));
    let long = Wish {
        duration_ms: 3001,
        ..wish("abc/room", 1)
    };
    assert_eq!(bench.open(a, 1, long), Err(Reason::TooLong));
    let big = Wish {
        packet_bytes: 1201,
        ..wish("abc/room", 1)
    };
    assert_eq!(bench.open(a, 1, big), Err(Reason::TooBig));
    let first = bench.open(a, 1, wish("abc/one", 6000)).unwrap();
    assert_eq!(
        bench.open(at("10.0.0.2:1"), 1, wish("abc/one", 1)),
        Err(Reason::Busy),
        "the room"
    );
    assert_eq!(
        bench.open(at("10.0.0.1:1"), 1, wish("abc/two", 1)),
        Err(Reason::Busy),
        "the address"
    );
    assert_eq!(
        bench.open(at("[::ffff:10.0.0.1]:1"), 1, wish("abc/two", 1)),
        Err(Reason::Busy),
        "the same address, written as version 6"
    );
    assert_eq!(
        bench.open(at("10.0.0.2:1"), 1, wish("abc/two", 4001)),
        Err(Reason::OverBudget)
    );
    assert!(bench.open(at("10.0.0.2:1"), 2, wish("abc/two", 3999)).is_ok());
    assert!(bench.open(at("10.0.0.3:1"), 1, wish("abc/three", 1)).is_ok());
    assert_eq!(
        bench.open(at("10.0.0.4:1"), 1, wish("abc/four", 1)),
        Err(Reason::Busy),
        "as many as may be"
    );
    bench.close(a, 1, first.session);
    assert!(
        bench.open(at("10.0.0.4:1"), 1, wish("abc/four", 6000)).is_ok(),
        "what is over is free again"
    );
}

#[test]
fn a_session_ends_by_itself() {
    let mut bench = Bench::usual();
    let box_at = at("10.0.0.5:4000");
    let grant = bench.open(box_at, 1, wish("abc/room", 4096)).unwrap();
    bench.later(IDLE_NS - 1);
    assert!(bench.send(box_at, grant.session, 0, 100).is_some());
    bench.later(IDLE_NS);
    assert_eq!(bench.send(box_at, grant.session, 1, 100), None, "idle");
    assert_eq!(
        bench.close(box_at, 1, grant.session).unwrap().received,
        1,
        "its summary can be asked for"
    );
    bench.later(LINGER_NS + SWEEP_NS);
    assert_eq!(bench.close(box_at, 1, grant.session), None, "not for ever");

    let grant = bench.open(box_at, 2, wish("abc/room", 4096)).unwrap();
    let end = bench.now_ns + 3000 * MS + GRACE_NS;
    let mut seq = 0;
    while bench.now_ns + 500 * MS < end {
        bench.later(500 * MS);
        assert!(bench.send(box_at, grant.session, seq, 100).is_some(), "{seq}");
        seq += 1;
    }
    bench.now_ns = end;
    assert_eq!(bench.send(box_at, grant.session, seq, 100), None, "overdue");
    let ends: Vec<How> = bench
        .reflector
        .news()
        .filter_map(|news| match news {
            News::Ended { how, .. } => Some(how),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [How::Idle, How::Overdue]);
}

#[test]
fn what_is_over_the_grant_is_counted_and_not_answered() {
    let mut bench = Bench::usual();
    let box_at = at("10.0.0.5:4000");
    let grant = bench.open(box_at, 1, wish("abc/room", 1000)).unwrap();
    assert_eq!(
        bench.send(box_at, grant.session, 0, 1201),
        None,
        "longer than granted"
    );
    // 1000 kbit/s and a quarter more are 156,250 bytes in a second: that much may come at once.
    let answered = (1..=400)
        .filter(|seq| bench.send(box_at, grant.session, *seq, 972).is_some())
        .count();
    assert_eq!(answered, 156);
    // And after it the same each second.
    let mut seq = 400;
    let mut answered = 0;
    for _ in 0..1000 {
        bench.later(MS);
        seq += 1;
        answered += u32::from(bench.send(box_at, grant.session, seq, 972).is_some());
    }
    assert!((155..=157).contains(&answered), "{answered}");
    let summary = bench.close(box_at, 1, grant.session).unwrap();
    assert_eq!(
        (summary.received, summary.replied + summary.over_grant),
        (1401, 1401)
    );
    assert_eq!(summary.over_grant, 1401 - 156 - answered);
}

#[test]
fn twice_the_granted_rate_is_not_reflected_and_the_granted_rate_wholly() {
    for (share, whole) in [(100, true), (120, true), (200, false)] {
        let mut bench = Bench::usual();
        let box_at = at("10.0.0.5:4000");
        let grant = bench.open(box_at, 1, wish("abc/room", 4096)).unwrap();
        // 1200 bytes of the IP layer at 4096 kbit/s: one each 2.34375 ms.
        for seq in 0..2400 {
            bench.later(2_343_750 * 100 / share);
            bench.send(box_at, grant.session, seq, 1172);
        }
        let over = bench.close(box_at, 1, grant.session).unwrap().over_grant;
        assert_eq!(over == 0, whole, "{share} %: {over} over");
    }
}

/// Two reflectors, each given what the other says, and one given its own words.
#[test]
fn no_mirror_of_a_mirror() {
    let (mut a, mut b) = (
        Bench::usual(),
        Bench::new(Limits {
            max_kbps: 1,
            ..Limits::default()
        }),
    );
    let box_at = at("10.0.0.5:4000");
    let grant = a.open(box_at, 1, wish("abc/room", 4096)).unwrap();
    b.open(box_at, 1, wish("abc/room", 1)).unwrap();
    let room: RoomAddress = "abc/room".parse().unwrap();
    let token = a.token(box_at, 1, &room);
    let mut future = Request::Hello {
        nonce: 1,
        room: room.clone(),
    }
    .emit();
    future[4] = 200;
    let questions = [
        Request::Hello { nonce: 1, room }.emit(),
        Request::Open {
            nonce: 1,
            token,
            wish: wish("abc/room", 4096),
        }
        .emit(),
        Request::Open {
            nonce: 2,
            token,
            wish: wish("abc/room", 4096),
        }
        .emit(),
        future,
        rtp::emit_probe(
            Probe {
                session: grant.session,
                seq: 0,
                sent_ns: 0,
            },
            500,
        ),
        Request::Close {
            nonce: 1,
            session: grant.session,
            sent: 1,
        }
        .emit(),
    ];
    for question in questions {
        let mut answer = a.say(box_at, &question).unwrap();
        // Padded, so that it is not its shortness that makes it unanswerable.
        answer.resize(answer.len().max(REQUEST_BYTES), 0);
        assert_eq!(a.say(box_at, &answer), None);
        assert_eq!(b.say(box_at, &answer), None);
    }
}

#[test]
fn addresses_that_cannot_be_one_box() {
    let mut bench = Bench::usual();
    let hello = Request::Hello {
        nonce: 1,
        room: "abc/room".parse().unwrap(),
    }
    .emit();
    for source in [
        "10.0.0.1:0",
        "224.0.0.1:9",
        "[ff02::1]:9",
        "0.0.0.0:9",
        "[::]:9",
        "255.255.255.255:9",
        "[::ffff:224.0.0.1]:9",
    ] {
        assert_eq!(bench.say(at(source), &hello), None, "{source}");
    }
}

/// What may come, from one of a few addresses.
#[derive(Debug, Clone)]
enum Said {
    Bytes(Vec<u8>),
    Hello {
        nonce: u64,
        room: usize,
    },
    /// With the token that the address was given last, or with none.
    Open {
        nonce: u64,
        room: usize,
        kbps: u32,
        proven: bool,
    },
    /// Of one of the sessions granted, or of a made-up one.
    Packet {
        session: usize,
        seq: u32,
        len: usize,
    },
    Close {
        nonce: u64,
        session: usize,
    },
    /// The reflector's last word.
    Echo,
    /// A request with one byte changed, cut or made longer.
    Bent {
        at: usize,
        byte: u8,
        len: usize,
    },
    Wait(u64),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..1600).prop_map(Said::Bytes),
        prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|tail| Said::Bytes([&b"BPLT\x01"[..], &tail].concat())),
        prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|tail| Said::Bytes([&[0x90, 33][..], &tail].concat())),
        (0_u64..3, 0_usize..5).prop_map(|(nonce, room)| Said::Hello { nonce, room }),
        (0_u64..3, 0_usize..5, 1_u32..30_000, prop::bool::weighted(0.8)).prop_map(
            |(nonce, room, kbps, proven)| Said::Open {
                nonce,
                room,
                kbps,
                proven
            }
        ),
        (0_usize..6, prop_oneof![0_u32..100, any::<u32>()], 0_usize..1600)
            .prop_map(|(session, seq, len)| Said::Packet { session, seq, len }),
        (0_u64..3, 0_usize..6).prop_map(|(nonce, session)| Said::Close { nonce, session }),
        Just(Said::Echo),
        (0_usize..150, any::<u8>(), 0_usize..1600).prop_map(|(at, byte, len)| Said::Bent { at, byte, len }),
        (0_u64..5_000_000_000).prop_map(Said::Wait),
    ]
}

proptest! {
    #[test]
    fn any_sequence(talk in prop::collection::vec((0_usize..4, said()), 0..120)) {
        let sources = [at("10.0.0.1:1"), at("10.0.0.1:2"), at("10.0.0.2:1"), at("[2001:db8::1]:1")];
        let limits = Limits { max_sessions: 2, budget_kbps: 40_000, ..Limits::default() };
        let mut bench = Bench::new(limits);
        let (mut bytes_in, mut bytes_out): (HashMap<SocketAddr, usize>, HashMap<SocketAddr, usize>) = Default::default();
        let mut tokens: HashMap<(SocketAddr, u64, usize), Token> = HashMap::new();
        let (mut sessions, mut proven, mut last) = (vec![7_u32], vec![], vec![]);
        let room = |n: usize| -> RoomAddress { format!("abc/room-{n}").parse().unwrap() };
        for (who, said) in talk {
            let source = sources[who];
            let datagram = match &said {
                Said::Bytes(bytes) => bytes.clone(),
                Said::Hello { nonce, room: n } => Request::Hello { nonce: *nonce, room: room(*n) }.emit(),
                Said::Open { nonce, room: n, kbps, proven } => {
                    let token = tokens.get(&(source, *nonce, *n)).filter(|_| *proven).copied().unwrap_or([9; 16]);
                    let wish = Wish { room: room(*n), kbps: *kbps, duration_ms: 5000, packet_bytes: 1400 };
                    Request::Open { nonce: *nonce, token, wish }.emit()
                }
                Said::Packet { session, seq, len } => {
                    let session = sessions[session % sessions.len()];
                    rtp::emit_probe(Probe { session, seq: *seq, sent_ns: 1 }, *len)
                }
                Said::Close { nonce, session } =>
                    Request::Close { nonce: *nonce, session: sessions[session % sessions.len()], sent: 1 }.emit(),
                Said::Echo => last.clone(),
                Said::Bent { at, byte, len } => {
                    let mut bent = Request::Hello { nonce: 1, room: room(1) }.emit();
                    bent.resize(*len, 0);
                    if let Some(place) = bent.get_mut(*at) {
                        *place = *byte;
                    }
                    bent
                }
                Said::Wait(ns) => {
                    bench.later(*ns);
                    continue;
                }
            };
            *bytes_in.entry(source).or_default() += datagram.len();
            if let Some(answer) = bench.say(source, &datagram) {
                prop_assert!(answer.len() <= datagram.len());
                *bytes_out.entry(source).or_default() += answer.len();
                match (family(&answer), Answer::parse(&answer)) {
                    (Family::Rtp, _) => {
                        prop_assert_eq!(answer.len(), datagram.len());
                        prop_assert!(proven.contains(&source), "only to a proven address");
                    }
                    (_, Ok(Answer::Token { nonce, token })) => if let Said::Hello { room, .. } = said {
                        tokens.insert((source, nonce, room), token);
                    },
                    (_, Ok(Answer::Grant { grant, .. })) => {
                        let shown = matches!(said, Said::Open { proven: true, .. });
                        prop_assert!(shown);
                        sessions.push(grant.session);
                        proven.push(source);
                    }
                    (_, Ok(_)) => {}
                    (_, Err(e)) => prop_assert!(false, "{}", e),
                }
                last = answer;
            }
            prop_assert!(bench.reflector.running() <= limits.max_sessions);
            prop_assert!(bench.reflector.sessions.len() < 2 * limits.max_sessions);
            prop_assert!(bench.reflector.news.len() <= NEWS);
            let in_use: u32 = bench.reflector.open().map(|session| session.grant.kbps).sum();
            prop_assert!(in_use <= limits.budget_kbps);
        }
        for (source, out) in bytes_out {
            prop_assert!(out <= bytes_in[&source]);
        }
    }
}
