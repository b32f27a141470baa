//! Tests of the datagrams: byte by byte, there and back, any bytes.

use proptest::prelude::*;

use super::control::{Answer, Grant, REQUEST_BYTES, Reason, Refusal, Request, Summary, Wish};
use super::rtp::{self, BLANK, LEAST_PACKET, PROBE_ID, Probe, REPLY_ID, Reply};
use super::*;

fn wish() -> Wish {
    Wish {
        room: "quang-ninh/bai-chay".parse().unwrap(),
        kbps: 4096,
        duration_ms: 3000,
        packet_bytes: 1356,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const NONCE: u64 = 0x0102_0304_0506_0708;

#[test]
fn requests_byte_by_byte() {
    let padded = |start: &str| format!("{start:0<256}");
    let room = hex(b"\x13quang-ninh.bai-chay");
    let hello = Request::Hello {
        nonce: NONCE,
        room: wish().room,
    };
    assert_eq!(
        hex(&hello.emit()),
        padded(&format!("42504c54010100000102030405060708{room}"))
    );
    let open = Request::Open {
        nonce: NONCE,
        token: [0xaa; 16],
        wish: wish(),
    };
    let token = "aa".repeat(16);
    assert_eq!(
        hex(&open.emit()),
        padded(&format!(
            "42504c54010200000102030405060708{token}0000100000000bb8054c0000{room}"
        ))
    );
    let close = Request::Close {
        nonce: NONCE,
        session: 0xdead_beef,
        sent: 1000,
    };
    assert_eq!(
        hex(&close.emit()),
        padded("42504c54010300000102030405060708deadbeef000003e8")
    );
    for request in [hello, open, close] {
        assert_eq!(Request::parse(&request.emit()), Ok(request));
    }
}

#[test]
fn answers_byte_by_byte() {
    let token = Answer::Token {
        nonce: NONCE,
        token: [0xaa; 16],
    };
    assert_eq!(
        hex(&token.emit()),
        format!("42504c54018100000102030405060708{}", "aa".repeat(16))
    );
    let grant = Answer::Grant {
        nonce: NONCE,
        grant: Grant {
            session: 0xdead_beef,
            kbps: 4096,
            duration_ms: 3000,
        },
    };
    assert_eq!(
        hex(&grant.emit()),
        "42504c54018200000102030405060708deadbeef0000100000000bb800000000"
    );
    let refused = Answer::Refused {
        nonce: NONCE,
        refusal: Refusal {
            reason: Reason::OverBudget,
            max_kbps: 20_000,
            max_duration_ms: 15_000,
        },
    };
    assert_eq!(
        hex(&refused.emit()),
        "42504c540183000001020304050607080300000000004e2000003a9800000000"
    );
    let summary = Answer::Summary {
        nonce: NONCE,
        session: 0xdead_beef,
        summary: Summary {
            received: 1,
            duplicates: 2,
            reordered: 3,
            replied: 4,
            over_grant: 5,
            highest: 6,
            bytes: 7,
            first_ns: 8,
            last_ns: 9,
        },
    };
    assert_eq!(
        hex(&summary.emit()),
        "42504c54018400000102030405060708deadbeef000000010000000200000003000000040000000500000006\
         00000000000000000000000700000000000000080000000000000009"
    );
    for answer in [token, grant, refused, summary] {
        assert!(answer.emit().len() <= REQUEST_BYTES);
        assert_eq!(Answer::parse(&answer.emit()), Ok(answer));
        for len in 0..answer.emit().len() {
            assert!(Answer::parse(&answer.emit()[..len]).is_err(), "{answer:?} {len}");
        }
    }
}

#[test]
fn every_reason_has_its_own_byte_and_word() {
    let words: Vec<&str> = (1..=7)
        .map(|code| {
            let mut datagram = Answer::Refused {
                nonce: 1,
                refusal: Refusal {
                    reason: Reason::Busy,
                    max_kbps: 1,
                    max_duration_ms: 1,
                },
            }
            .emit();
            datagram[16] = code;
            let answer = Answer::parse(&datagram).unwrap();
            assert_eq!(answer.emit(), datagram);
            let Answer::Refused { refusal, .. } = answer else {
                panic!("{answer:?}")
            };
            refusal.reason.word()
        })
        .collect();
    assert_eq!(
        words,
        [
            "bad-token",
            "busy",
            "over-budget",
            "too-fast",
            "too-long",
            "too-big",
            "version"
        ]
    );
}

#[test]
fn requests_that_are_none() {
    let open = Request::Open {
        nonce: NONCE,
        token: [1; 16],
        wish: wish(),
    }
    .emit();
    let bent = |at: usize, bytes: &[u8]| {
        let mut bent = open.clone();
        bent[at..at + bytes.len()].copy_from_slice(bytes);
        Request::parse(&bent).unwrap_err()
    };
    assert_eq!(bent(0, b"X"), WireError::Foreign);
    assert_eq!(bent(4, &[2]), WireError::Version { theirs: 2 });
    assert_eq!(bent(5, &[7]), WireError::Kind { kind: 7 });
    assert_eq!(bent(5, &[0x82]), WireError::Reflected);
    assert_eq!(bent(4, &[2, 0x82]), WireError::Reflected, "of any version");
    for (at, field) in [(32, "kbps"), (36, "duration_ms")] {
        assert_eq!(bent(at, &[0; 4]), WireError::Wish { field, value: 0 });
    }
    assert!(matches!(
        bent(40, &[0, 43]),
        WireError::Wish {
            field: "packet_bytes",
            value: 43
        }
    ));
    for room in [
        &b"\x00"[..],
        b"\x52",
        b"\xff",
        b"\x07abc-def",
        b"\x07abc.d/f",
        b"\x07abc.\xff\xfef",
        b"\x05abc.d",
    ] {
        assert_eq!(bent(44, room), WireError::Room);
    }
    for len in 0..REQUEST_BYTES {
        assert!(Request::parse(&open[..len]).is_err());
    }
    assert!(
        !matches!(
            Request::parse(&{
                let mut future = open.clone();
                future[4] = 2;
                future.truncate(REQUEST_BYTES - 1);
                future
            }),
            Err(WireError::Version { .. })
        ),
        "what is too short for an answer is no other version"
    );
    let mut long = open.clone();
    long.resize(MAX_DATAGRAM, 0);
    assert!(Request::parse(&long).is_ok(), "later versions may add");
    long.push(0);
    assert_eq!(Request::parse(&long), Err(WireError::TooLong { len: 1501 }));
}

/// As an RTP library lays it out: two contributing sources, another element and padding before ours.
fn foreign_packet() -> Vec<u8> {
    let mut packet = vec![0xb2, 0x80 | 33, 0x12, 0x34, 1, 2, 3, 4, 0, 0, 0, 0];
    packet.extend([9; 8]);
    packet.extend([0x10, 0x05, 0, 9]);
    packet.extend([77, 3, 1, 2, 3, 0, PROBE_ID, 24]);
    packet.extend(BLANK);
    packet.extend([0; 4]);
    packet.extend([0x47; 188 * 2]);
    packet
}

#[test]
fn a_packet_is_stamped_in_place() {
    let mut packet = foreign_packet();
    let before = packet.clone();
    rtp::set_session(&mut packet, 0xdead_beef).unwrap();
    rtp::stamp(&mut packet, 70_000, 5_000_000_007).unwrap();
    assert_eq!(
        rtp::parse_probe(&packet),
        Ok(Probe {
            session: 0xdead_beef,
            seq: 70_000,
            sent_ns: 5_000_000_007
        })
    );
    let changed: Vec<usize> = (0..packet.len())
        .filter(|at| packet[*at] != before[*at])
        .collect();
    assert!(
        changed
            .iter()
            .all(|at| (8..12).contains(at) || (32..48).contains(at)),
        "{changed:?}"
    );
    rtp::stamp(&mut packet, 1, 2).unwrap();
    assert_eq!(
        rtp::parse_probe(&packet).unwrap().sent_ns,
        2,
        "a stamp is written over"
    );
}

#[test]
fn packets_that_are_none() {
    let of = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = foreign_packet();
        change(&mut packet);
        let before = packet.clone();
        let error = rtp::parse_probe(&packet).unwrap_err();
        assert_eq!(rtp::stamp(&mut packet, 1, 1), Err(error));
        assert_eq!(packet, before, "unchanged");
        error
    };
    assert_eq!(of(&|p| p[0] = 0x52), WireError::Foreign);
    assert_eq!(of(&|p| p[1] = 200), WireError::Foreign, "RTCP");
    assert_eq!(of(&|p| p[0] &= !0x10), WireError::NoStamp);
    assert_eq!(of(&|p| p[20] = 0xbe), WireError::NoStamp, "one-byte elements");
    assert_eq!(of(&|p| p[30] = 9), WireError::NoStamp, "another id");
    assert_eq!(of(&|p| p[31] = 23), WireError::NoStamp, "another length");
    assert_eq!(of(&|p| p[31] = 200), WireError::Extension);
    assert_eq!(of(&|p| p[23] = 255), WireError::Extension);
    assert_eq!(of(&|p| p[0] |= 0x0f), WireError::NoStamp);
    assert_eq!(
        of(&|p| p[24] = REPLY_ID),
        WireError::Reflected,
        "a mark of any length"
    );
    assert_eq!(
        of(&|p| p.truncate(43)),
        WireError::TooShort { len: 43, least: 44 }
    );
    assert_eq!(of(&|p| p.truncate(50)), WireError::Extension);
    assert_eq!(of(&|p| p.resize(1501, 0)), WireError::TooLong { len: 1501 });
    assert_eq!(rtp::parse_reply(&foreign_packet()), Err(WireError::NoStamp));
}

#[test]
fn an_answer_is_as_long_and_returns_nothing_but_numbers() {
    let reply = Reply {
        session: 0xdead_beef,
        seq: 70_000,
        reflector_seq: 69_998,
        rx_ns: 90_000_000_000,
        tx_ns: 0,
    };
    let mut out = vec![1, 2, 3];
    for len in [LEAST_PACKET, 45, 46, 100, 1356, 1500] {
        rtp::emit_reply(&mut out, reply, len);
        rtp::stamp_reply(&mut out, 90_000_000_500);
        assert_eq!(out.len(), len);
        assert_eq!(
            rtp::parse_reply(&out),
            Ok(Reply {
                tx_ns: 90_000_000_500,
                ..reply
            })
        );
        assert_eq!(rtp::parse_probe(&out), Err(WireError::Reflected));
    }
    rtp::emit_reply(&mut out, reply, 44);
    assert_eq!(
        hex(&out),
        "9021116e007b98a0deadbeef1000000702180001117000\
         01116e00000014f46b040000000000000000000000"
    );
    rtp::emit_reply(&mut out, reply, 1500);
    let mut counts = [0_u32; 256];
    for byte in &out[44..] {
        counts[usize::from(*byte)] += 1;
    }
    assert!(
        counts.iter().all(|count| *count < 30),
        "nothing on the way can pack it"
    );
}

prop_compose! {
    fn any_wish()(org in "[a-z0-9-]{3,40}", room in "[a-z0-9-]{3,40}", kbps in 1_u32.., duration_ms in 1_u32.., packet_bytes in 44_u16..) -> Wish {
        Wish { room: format!("{org}/{room}").parse().unwrap(), kbps, duration_ms, packet_bytes }
    }
}

proptest! {
    #[test]
    fn requests_there_and_back(wish in any_wish(), nonce: u64, token: [u8; 16], session: u32, sent: u32) {
        for request in [
            Request::Hello { nonce, room: wish.room.clone() },
            Request::Open { nonce, token, wish },
            Request::Close { nonce, session, sent },
        ] {
            let datagram = request.emit();
            prop_assert_eq!(datagram.len(), REQUEST_BYTES);
            prop_assert_eq!(family(&datagram), Family::Control);
            prop_assert!(Answer::parse(&datagram).is_err());
            prop_assert_eq!(Request::parse(&datagram), Ok(request));
        }
    }

    #[test]
    fn summaries_there_and_back(nonce: u64, session: u32, n: [u32; 6], l: [u64; 3]) {
        let [received, duplicates, reordered, replied, over_grant, highest] = n;
        let [bytes, first_ns, last_ns] = l;
        let summary = Summary { received, duplicates, reordered, replied, over_grant, highest, bytes, first_ns, last_ns };
        let answer = Answer::Summary { nonce, session, summary };
        prop_assert_eq!(Request::parse(&answer.emit()), Err(WireError::Reflected));
        prop_assert_eq!(Answer::parse(&answer.emit()), Ok(answer));
    }

    #[test]
    fn packets_there_and_back(session: u32, seq: u32, sent_ns: u64, len in 0_usize..2000) {
        let probe = Probe { session, seq, sent_ns };
        let packet = rtp::emit_probe(probe, len);
        prop_assert_eq!(packet.len(), len.clamp(LEAST_PACKET, MAX_DATAGRAM));
        prop_assert_eq!(family(&packet), Family::Rtp);
        prop_assert_eq!(rtp::parse_probe(&packet), Ok(probe));
        prop_assert_eq!(rtp::parse_reply(&packet), Err(WireError::NoStamp));
    }

    #[test]
    fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..1600), magic in 0..4) {
        let start: &[u8] = match magic {
            0 => b"BPLT\x01",
            1 => &[0x90, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0],
            2 => &[0x9f],
            _ => b"",
        };
        for (place, byte) in bytes.iter_mut().zip(start) {
            *place = *byte;
        }
        let _ = family(&bytes);
        let _ = Request::parse(&bytes);
        let _ = Answer::parse(&bytes);
        let _ = rtp::parse_reply(&bytes);
        let read = rtp::parse_probe(&bytes);
        let len = bytes.len();
        let stamped = rtp::stamp(&mut bytes, 5, 6);
        prop_assert_eq!(read.is_ok(), stamped.is_ok());
        prop_assert_eq!(bytes.len(), len);
        if let Ok(probe) = read {
            prop_assert_eq!(rtp::parse_probe(&bytes), Ok(Probe { seq: 5, sent_ns: 6, ..probe }));
        }
    }

    /// One bit turned anywhere in a packet: never a panic, and never another length.
    #[test]
    fn a_bent_packet(at in 0_usize..436, bit in 0..8) {
        let mut packet = foreign_packet();
        if let Some(byte) = packet.get_mut(at) {
            *byte ^= 1_u8 << bit;
        }
        let _ = rtp::parse_probe(&packet);
        let _ = rtp::stamp(&mut packet, 1, 2);
        prop_assert_eq!(packet.len(), foreign_packet().len());
    }
}
