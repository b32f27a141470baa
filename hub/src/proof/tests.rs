//! Tests of `verify`: a whole logbook, each way of breaking it with its line, single messages.

use bridgepoint_protocol::envelope::{EntryHash, Sealed, SigningKey, seal};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sample::{Box, with};

struct Book {
    it: Box,
    hub: SigningKey,
    lines: Vec<String>,
}

fn hub() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap()).unwrap()
}

fn receipt(hub: &SigningKey, at: &str, entry: &Sealed, seq: u64) -> String {
    let (org, room) = at.split_once('/').unwrap();
    let claims = json!({ "v": 1, "org": org, "room": room, "iat": 0, "seq": seq, "hash": entry.hash, "received_ms": 0 });
    seal(hub, Kind::Receipt, &claims).unwrap().jws
}

fn book() -> Book {
    let (mut it, hub) = (Box::new("abc/one"), hub());
    let mut lines = vec![];
    for seq in 1..=4 {
        let entry = it.ready();
        lines.push(entry.jws.clone());
        lines.push(receipt(&hub, "abc/one", &entry, seq));
    }
    Book { it, hub, lines }
}

impl Book {
    fn prove(&self, lines: &[String]) -> Result<Proved, Unproved> {
        prove_with(
            lines,
            &[self.it.row(KeyState::Approved)],
            Some(self.hub.verifying()),
        )
    }
}

fn prove_with(
    lines: &[String],
    keys: &[RoomKey],
    hub: impl IntoIterator<Item = VerifyingKey>,
) -> Result<Proved, Unproved> {
    let hub: Vec<VerifyingKey> = hub.into_iter().collect();
    prove(format!("{}\n", lines.join("\n")).as_bytes(), keys, &hub).unwrap()
}

fn good(proved: Result<Proved, Unproved>) -> Walk {
    match proved.unwrap() {
        Proved::Logbook { walk, .. } => *walk,
        Proved::Single(kind) => panic!("{kind:?}"),
    }
}

#[test]
fn a_whole_book_and_a_single_entry() {
    let book = book();
    let walk = good(book.prove(&book.lines));
    assert_eq!((walk.entries, walk.receipts, walk.head.unwrap().0), (4, 4, 4));
    let walk = good(book.prove(&book.lines[4..5]));
    assert_eq!(
        (walk.entries, walk.first.unwrap().0),
        (1, 3),
        "an entry of its own"
    );
    let begins_with_a_receipt = good(book.prove(&book.lines[1..]));
    assert_eq!(
        (begins_with_a_receipt.entries, begins_with_a_receipt.receipts),
        (3, 4)
    );
    let revoked = prove_with(
        &book.lines,
        &[book.it.row(KeyState::Revoked)],
        Some(book.hub.verifying()),
    );
    assert_eq!(good(revoked).entries, 4, "what it signed before stays good");
    let walk = good(prove_with(&book.lines, &[book.it.row(KeyState::Approved)], None));
    assert_eq!((walk.receipts, walk.unverified_receipts), (0, 4));
}

#[test]
fn what_is_broken_is_named_with_its_line() {
    let (other, book) = (book(), book());
    let mut cut = book.lines.clone();
    cut.remove(2);
    cut.remove(2);
    assert_eq!(book.prove(&cut).unwrap_err().line, 3);
    let mut foreign = book.lines.clone();
    foreign[4] = other.lines[4].clone();
    assert_eq!(book.prove(&foreign).unwrap_err().line, 5);
    let mut forged = book.lines.clone();
    forged[3] = other.lines[3].clone();
    assert_eq!(
        book.prove(&forged).unwrap_err().line,
        4,
        "a receipt of another hub"
    );
    let mut elsewhere = book.lines.clone();
    let fourth = Sealed {
        jws: book.lines[6].clone(),
        hash: EntryHash::of(&book.lines[6]),
    };
    elsewhere[7] = receipt(&book.hub, "abc/two", &fourth, 4);
    let unproved = book.prove(&elsewhere).unwrap_err();
    assert!(
        unproved.line == 8 && unproved.why.en.contains("abc/two"),
        "{unproved:?}"
    );
    let mut long = book.lines.clone();
    long[2] = "x".repeat(3 * MAX_ENVELOPE);
    assert_eq!(book.prove(&long).unwrap_err().line, 3);
    assert!(book.prove(&[]).is_err());
    assert!(
        prove(&b""[..], &[], &[])
            .unwrap()
            .unwrap_err()
            .why
            .en
            .contains("empty")
    );
}

#[test]
fn a_book_with_a_declared_gap_and_one_that_is_cut_off() {
    let mut book = book();
    let fourth = EntryHash::of(&book.lines[6]);
    let claims = with(
        book.it.link(),
        &json!({ "seq": 8, "prev": fourth, "from": 5, "to": 7, "reason": "disk-full" }),
    );
    book.lines
        .push(seal(&book.it.key, Kind::Gap, &claims).unwrap().jws);
    let proved = book.prove(&book.lines).unwrap();
    let told = said(&proved);
    assert!(
        told.en.contains("\n3 entries are declared missing"),
        "{}",
        told.en
    );
    assert!(told.vi.contains("khai 3 mục bị mất"), "{}", told.vi);
    assert_eq!(good(Ok(proved)).entries, 5);

    let text = book.lines.join("\n");
    let keys = [book.it.row(KeyState::Approved)];
    let cut = prove(&text.as_bytes()[..text.len() - 9], &keys, &[book.hub.verifying()]);
    let Unproved { line, why } = cut.unwrap().unwrap_err();
    assert!(line == 9 && why.en.contains("cut off"), "{line} {}", why.en);
    assert!(why.vi.contains("bị cắt ngang"), "{}", why.vi);
}

#[test]
fn a_key_that_waits_or_is_not_known_proves_nothing() {
    let book = book();
    let waits = prove_with(&book.lines, &[book.it.row(KeyState::Pending)], None).unwrap_err();
    assert!(
        waits.line == 1 && waits.why.en.contains("waits to be approved"),
        "{waits:?}"
    );
    let unknown = prove_with(&book.lines, &[], None).unwrap_err();
    assert!(
        unknown.line == 1 && unknown.why.en.contains("not known here"),
        "{unknown:?}"
    );
}

#[test]
fn a_key_proves_the_numbers_that_it_may_sign_and_no_others() {
    let book = book();
    let with_row = |change: &dyn Fn(&mut RoomKey)| {
        let mut row = book.it.row(KeyState::Approved);
        change(&mut row);
        prove_with(&book.lines, &[row], Some(book.hub.verifying()))
    };
    let revoked = |end: u64| {
        with_row(&|row| {
            row.state = KeyState::Revoked;
            row.end = Some(end);
        })
    };
    assert_eq!(good(revoked(5)).entries, 4);
    let Unproved { line, why } = revoked(3).unwrap_err();
    assert!(
        line == 5 && why.en.contains("is revoked from entry 3 on"),
        "{line} {}",
        why.en
    );
    assert!(why.vi.contains("bị thu hồi từ mục 3"), "{}", why.vi);
    let former = with_row(&|row| {
        row.state = KeyState::Former;
        row.end = Some(4);
    });
    assert_eq!(former.unwrap_err().line, 7);
    let early = with_row(&|row| row.from = 2);
    assert_eq!(early.unwrap_err().line, 1);

    // A stranger's key that an operator refused was never trusted.
    let refused = with_row(&|row| {
        row.state = KeyState::Revoked;
        row.chain = 0;
    });
    let Unproved { line, why } = refused.unwrap_err();
    assert!(
        line == 1 && why.en.contains("was refused here"),
        "{line} {}",
        why.en
    );
    // Nor is it in the middle of another's book, or when it asks.
    let mut stranger = Box::new("abc/one");
    (stranger.seq, stranger.prev) = (4, EntryHash::of(&book.lines[6]));
    let lines = [&book.lines[..], &[stranger.ready().jws]].concat();
    let keys = [
        book.it.row(KeyState::Approved),
        RoomKey {
            chain: 0,
            ..stranger.row(KeyState::Revoked)
        },
    ];
    let proved = prove_with(&lines, &keys, Some(book.hub.verifying()));
    assert_eq!(proved.unwrap_err().line, 9);
    assert!(prove_with(&[stranger.enrolment().jws], &keys, None).is_err());
}

#[test]
fn single_messages_of_other_kinds() {
    let book = book();
    let enrolment = [book.it.enrolment().jws];
    assert_eq!(book.prove(&enrolment), Ok(Proved::Single(Kind::Enrol)));
    assert!(prove_with(&enrolment, &[], None).is_err());
    let command =
        json!({ "v": 1, "org": "abc", "room": "one", "iat": 0, "id": "x", "kind": "check", "exp_ms": 0 });
    let ours = [seal(&book.hub, Kind::Command, &command).unwrap().jws];
    assert_eq!(book.prove(&ours), Ok(Proved::Single(Kind::Command)));
    let theirs = [seal(&hub(), Kind::Command, &command).unwrap().jws];
    assert!(book.prove(&theirs).is_err());
}

#[test]
fn an_entry_that_names_another_room_is_none_of_this_book() {
    let mut book = book();
    let claims = with(book.it.report("ready", &json!([])), &json!({ "room": "two" }));
    let stray = book.it.next(Kind::Report, &claims);
    book.lines.push(stray.jws);
    let unproved = book.prove(&book.lines.clone()).unwrap_err();
    assert!(
        unproved.line == 9 && unproved.why.en.contains("abc/two"),
        "{unproved:?}"
    );
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(prove(&bytes[..], &[], &[]).unwrap().is_err());
    }
}

#[test]
fn receipts_of_the_hubs_former_keys_are_as_good_as_they_were() {
    let mut book = book();
    let next = hub();
    let entry = book.it.ready();
    book.lines.push(entry.jws.clone());
    book.lines.push(receipt(&next, "abc/one", &entry, 5));
    assert!(book.prove(&book.lines).is_err(), "a key that was never the hub's");
    let keys = [book.it.row(KeyState::Approved)];
    let walk = good(prove_with(
        &book.lines,
        &keys,
        [next.verifying(), book.hub.verifying()],
    ));
    assert_eq!((walk.entries, walk.receipts, walk.unverified_receipts), (5, 5, 0));
}
