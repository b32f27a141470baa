//! Whole books, and what is said of those that are not.

use proptest::prelude::*;
use serde_json::json;

use super::book::{Book, check, first, hub, keys};
use super::*;
use crate::envelope::{SigningKey, seal};

fn fault(book: &Book) -> (u64, LineError) {
    let broken = book.check().unwrap_err();
    (broken.line, broken.why)
}

#[test]
fn a_whole_book_holds() {
    let walk = Book::of_six().check().unwrap();
    assert_eq!((walk.entries, walk.receipts, walk.head.unwrap().0), (6, 6, 6));
    assert_eq!(verify(b"", keys(&[], &[]), None).unwrap(), Walk::default());
}

#[test]
fn cut_swapped_repeated_and_foreign_lines_are_named() {
    let book = Book::of_six();
    let mut cut = book.lines.clone();
    cut.remove(4);
    assert_eq!(
        check(&cut).unwrap_err(),
        Broken {
            line: 5,
            why: LineError::ReceiptAlone { seq: 3 }
        }
    );
    cut.remove(4);
    assert_eq!(
        check(&cut).unwrap_err(),
        Broken {
            line: 5,
            why: LineError::Sequence {
                expected: 3,
                found: 4
            }
        }
    );
    let mut swapped = book.lines.clone();
    swapped.swap(2, 4);
    assert_eq!(check(&swapped).unwrap_err().line, 3);
    let mut repeated = book.lines.clone();
    repeated.insert(3, book.lines[2].clone());
    assert_eq!(check(&repeated).unwrap_err().line, 4);
}

#[test]
fn an_entry_rewritten_by_the_box_itself_breaks_the_next() {
    let mut book = Book::new(1);
    for _ in 0..2 {
        book.report();
    }
    let mut other = Book::new(1);
    other.report();
    other.entry(Kind::Report, json!({"n": "other"}));
    book.lines[1] = other.lines[1].clone();
    book.report();
    assert_eq!(fault(&book), (3, LineError::Prev { seq: 3 }));
}

#[test]
fn without_a_hub_key_receipts_are_counted_as_unverified_and_still_belong_to_their_entries() {
    let mut book = Book::of_six();
    let walk = |book: &Book| verify(book.text().as_bytes(), keys(&[first()], &[]), None);
    let walked = walk(&book).unwrap();
    assert_eq!((walked.receipts, walked.unverified_receipts), (0, 6));
    book.lines.remove(1);
    assert_eq!(
        walk(&book).unwrap_err().why,
        LineError::WitnessGone { seq: 2, named: 1 }
    );
}

#[test]
fn a_receipt_belongs_to_an_entry_that_stands_before_it() {
    let mut early = Book::new(1);
    early.report();
    early.receipt_for((2, EntryHash::ZERO));
    assert_eq!(fault(&early), (2, LineError::ReceiptAlone { seq: 2 }));
    let mut other = Book::new(1);
    other.report();
    other.receipt_for((1, EntryHash::ZERO));
    assert_eq!(fault(&other), (2, LineError::ReceiptOther { seq: 1 }));
    let mut none = Book::new(1);
    none.report();
    let receipt =
        json!({"v":1,"org":"abc","room":"def","iat":0,"seq":null,"hash":none.head().1,"received_ms":0});
    none.lines
        .push(seal(&none.hub, Kind::Receipt, &receipt).unwrap().jws);
    assert!(matches!(
        fault(&none),
        (2, LineError::Envelope(OpenError::Claims(_)))
    ));
    // Twice, whether of one signature or of two, is as good as once; and a late one is as good as an early one.
    let mut twice = Book::of_six();
    let again = twice.lines[1].clone();
    twice.lines.push(again);
    twice.receipt();
    assert_eq!(twice.check().unwrap().receipts, 8);
    // A forged one.
    let mut forged = Book::of_six();
    forged.hub = SigningKey::of_seed(201);
    forged.report();
    forged.receipt();
    assert!(matches!(
        fault(&forged),
        (14, LineError::Envelope(OpenError::UnknownKey(_)))
    ));
}

#[test]
fn a_removed_receipt_is_missed_by_the_entry_that_commits_to_it() {
    let mut book = Book::of_six();
    book.lines.remove(7);
    assert_eq!(fault(&book), (8, LineError::WitnessGone { seq: 5, named: 4 }));
    let mut ahead = Book::new(1);
    ahead.receipt_for((7, EntryHash::ZERO));
    ahead.lines.clear();
    ahead.report();
    ahead.report();
    assert_eq!(
        fault(&ahead),
        (2, LineError::WitnessGone { seq: 2, named: 7 }),
        "of the first line nobody can say"
    );
    let mut other = Book::new(1);
    other.report();
    other.receipt_for((1, EntryHash::ZERO));
    other.lines.pop();
    other.report();
    assert_eq!(fault(&other), (2, LineError::WitnessOther { seq: 2, named: 1 }));
}

#[test]
fn a_later_file_begins_in_the_middle() {
    let book = Book::of_six();
    for from in 0..book.lines.len() {
        let walk = check(&book.lines[from..]).unwrap();
        assert_eq!(walk.entries, 6 - from.div_ceil(2) as u64, "from line {from}");
    }
    let head = match read_unverified(book.lines[4].as_bytes()).unwrap() {
        Line::Entry(entry) => Some((entry.seq, entry.hash)),
        Line::Receipt(_) => panic!("an entry"),
    };
    let rest = |lines: &[String], head| verify(lines.join("\n").as_bytes(), keys(&[first()], &[hub()]), head);
    assert_eq!(rest(&book.lines[5..], head).unwrap().entries, 3);
    assert_eq!(
        rest(&book.lines[8..], head).unwrap_err().why,
        LineError::Sequence {
            expected: 4,
            found: 5
        }
    );
    let strange = head.map(|(seq, _)| (seq, EntryHash::ZERO));
    assert_eq!(
        rest(&book.lines[5..], strange).unwrap_err().why,
        LineError::ReceiptOther { seq: 3 }
    );
}

#[test]
fn keys_are_followed_where_they_hand_over_and_former_ones_sign_nothing_more() {
    let mut book = Book::new(1);
    book.report();
    book.hand_over(2);
    book.receipt();
    book.report();
    book.hand_over(3);
    book.report();
    assert_eq!(book.check().unwrap().entries, 5);
    // The former key goes on, as somebody would who has copied it.
    book.key = SigningKey::of_seed(2);
    book.report();
    assert_eq!(fault(&book), (7, LineError::FormerKey { seq: 6 }));
    // Even where it is trusted beforehand.
    let anchors = [1, 2, 3].map(|seed| SigningKey::of_seed(seed).verifying());
    let broken = verify(book.text().as_bytes(), keys(&anchors, &[hub()]), None).unwrap_err();
    assert_eq!(broken.why, LineError::FormerKey { seq: 6 });

    // Until the next key signs, the former one goes on.
    let mut slow = Book::new(1);
    let next = SigningKey::of_seed(2);
    slow.announce(&next);
    slow.report();
    slow.key = next;
    slow.report();
    assert_eq!(slow.check().unwrap().entries, 3);

    // Of two keys that one has named the later word counts, even when the first is said again or trusted beforehand.
    let twice = |seed: u8| {
        let mut twice = Book::new(1);
        for next in [2, 3, 2] {
            twice.announce(&SigningKey::of_seed(next));
        }
        twice.key = SigningKey::of_seed(seed);
        twice.report();
        twice
    };
    assert_eq!(twice(3).check().unwrap().entries, 4);
    assert_eq!(fault(&twice(2)), (4, LineError::FormerKey { seq: 4 }));
    let broken = verify(twice(2).text().as_bytes(), keys(&anchors, &[hub()]), None).unwrap_err();
    assert_eq!(broken.why, LineError::FormerKey { seq: 4 });

    // Nobody has named this one; or its own word is missing.
    for announced in [false, true] {
        let mut stranger = Book::new(1);
        if announced {
            stranger.hand_over_by(&std::collections::BTreeMap::from([(
                "jwk".to_owned(),
                serde_json::to_value(SigningKey::of_seed(9).verifying().jwk()).unwrap(),
            )]));
        }
        stranger.key = SigningKey::of_seed(9);
        stranger.report();
        let kid = stranger.key.kid().clone();
        let why = LineError::Envelope(OpenError::UnknownKey(kid));
        assert_eq!(fault(&stranger), (1 + u64::from(announced), why));
    }
}

#[test]
fn a_key_that_was_lost_is_followed_by_one_that_is_trusted_beforehand() {
    let mut book = Book::new(1);
    book.report();
    book.key = SigningKey::of_seed(7);
    book.report();
    assert!(book.check().is_err());
    let anchors = [1, 7].map(|seed| SigningKey::of_seed(seed).verifying());
    let walk = verify(book.text().as_bytes(), keys(&anchors, &[]), None).unwrap();
    assert_eq!(walk.entries, 2);
}

#[test]
fn a_gap_entry_stands_after_the_last_one_that_is_there() {
    let mut book = Book::new(1);
    book.report();
    book.receipt();
    let last = book.head();
    book.gap(4);
    book.receipt();
    book.report();
    let walk = book.check().unwrap();
    assert_eq!((walk.entries, walk.declared, walk.head.unwrap().0), (3, 3, 6));
    // One that looks further back is an entry like others.
    book.entry(Kind::Gap, json!({"from": 2, "to": 3, "reason": "damaged"}));
    assert_eq!(book.check().unwrap().declared, 3);
    // What it declares has to end where it stands, and begin where the chain has ended.
    for (from, to, at) in [(2, 3, 5), (3, 4, 5), (1, 4, 5), (4, 2, 5)] {
        let mut wrong = Book::new(1);
        wrong.report();
        wrong.at(
            Kind::Gap,
            at,
            last.1,
            json!({"from": from, "to": to, "reason": "disk-full"}),
        );
        let why = LineError::Sequence {
            expected: 2,
            found: at,
        };
        assert_eq!(fault(&wrong), (2, why), "{from} to {to} at {at}");
    }
    let mut torn = Book::new(1);
    torn.report();
    torn.at(
        Kind::Gap,
        5,
        EntryHash::ZERO,
        json!({"from": 2, "to": 4, "reason": "disk-full"}),
    );
    assert_eq!(fault(&torn), (2, LineError::Prev { seq: 5 }));
    // The very first that is there.
    let mut first = Book::new(1);
    first.gap(3);
    assert_eq!(first.check().unwrap().declared, 3);
    let mut unrooted = Book::new(1);
    unrooted.at(
        Kind::Gap,
        4,
        last.1,
        json!({"from": 1, "to": 3, "reason": "damaged"}),
    );
    assert_eq!(fault(&unrooted), (1, LineError::Prev { seq: 4 }));
}

#[test]
fn a_line_that_was_cut_off_is_named_as_such() {
    let book = Book::of_six();
    let text = book.text();
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    for end in last + 1..text.len() - 1 {
        let broken = verify(&text.as_bytes()[..end], keys(&[first()], &[hub()]), None).unwrap_err();
        assert_eq!(
            broken,
            Broken {
                line: 12,
                why: LineError::CutOff
            },
            "at {end}"
        );
    }
    let whole = &text.as_bytes()[..text.len() - 1];
    assert_eq!(
        verify(whole, keys(&[first()], &[hub()]), None).unwrap().entries,
        6
    );
}

#[test]
fn numbers_as_large_as_they_get_are_no_panic() {
    let mut book = Book::new(1);
    book.at(Kind::Report, u64::MAX, EntryHash::ZERO, json!({}));
    let hash = book.head().1;
    for seq in [0, 1, u64::MAX] {
        let mut more = Book::new(1);
        more.lines.clone_from(&book.lines);
        more.at(
            Kind::Gap,
            seq,
            hash,
            json!({"from": 0, "to": u64::MAX, "reason": "x"}),
        );
        assert_eq!(fault(&more).0, 2);
    }
}

proptest! {
    #[test]
    fn any_bytes_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = verify(&bytes, keys(&[], &[]), None);
        let _ = read_unverified(&bytes);
    }

    /// Lines of a real book in any order and number: an error or a book, never a panic.
    #[test]
    fn any_lines_of_a_book_without_panic(picked in prop::collection::vec(0_usize..14, 1..20)) {
        let mut book = Book::of_six();
        book.gap(9);
        book.hand_over(2);
        let lines: Vec<String> = picked.iter().map(|at| book.lines[*at].clone()).collect();
        let walked = check(&lines);
        let ascending = picked.windows(2).all(|two| two[0] + 1 == two[1]);
        prop_assert!(walked.is_ok() || !ascending);
    }
}
