//! Any change to what the hub has witnessed is found, at its line: every byte of two hundred lines, every line taken out,
//! every two neighbours exchanged, strange lines put in.
//!
//! The book has entries with receipts, keys that hand over, declared gaps. A change is looked for from a snapshot of the
//! walk just before it, as everything before is the same.

use super::book::{Book, check, check_bytes, first, hub, keys};
use super::*;

/// Two hundred lines, and the walk before each.
struct Witnessed {
    lines: Vec<String>,
    before: Vec<Walk>,
}

fn two_hundred() -> Witnessed {
    let mut book = Book::new(1);
    let mut next_key = 2;
    while book.lines.len() < 200 {
        match book.lines.len() {
            40 | 120 => {
                book.hand_over(next_key);
                next_key += 1;
            }
            80 => book.gap(book.head().0 + 5),
            _ => book.report(),
        }
        book.receipt();
    }
    let mut walk = Walk::default();
    let mut before = vec![];
    for line in &book.lines {
        before.push(walk.clone());
        step(&mut walk, line.as_bytes()).unwrap();
    }
    assert_eq!((walk.entries, walk.receipts, walk.declared), (100, 100, 5));
    assert_eq!(book.lines.len(), 200);
    Witnessed {
        lines: book.lines,
        before,
    }
}

fn step(walk: &mut Walk, line: &[u8]) -> Result<Line, LineError> {
    walk.step(line, keys(&[first()], &[hub()]))
}

/// The first of these lines that is refused, from 0.
fn refused<'a>(mut walk: Walk, lines: impl IntoIterator<Item = &'a String>) -> Option<usize> {
    lines
        .into_iter()
        .position(|line| step(&mut walk, line.as_bytes()).is_err())
}

#[test]
fn every_byte_of_two_hundred_lines_counts() {
    let book = two_hundred();
    for (number, (line, before)) in book.lines.iter().zip(&book.before).enumerate() {
        let mut bytes = line.clone().into_bytes();
        for at in 0..bytes.len() {
            let good = bytes[at];
            // Another character of the alphabet: the change that is hardest to see.
            bytes[at] = if good == b'A' { b'B' } else { b'A' };
            let found = step(&mut before.clone(), &bytes);
            assert!(found.is_err(), "line {number} byte {at}");
            bytes[at] = good;
        }
    }
}

#[test]
fn every_lowest_bit_counts_in_the_file_too() {
    // The line feeds as well; the whole file from its beginning, so at fewer places.
    let book = two_hundred();
    let text = book.lines.join("\n") + "\n";
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    for at in ends.map(|(at, _)| at).step_by(10).chain([200, 2_000]) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let line = 1 + text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() as u64;
        // The end does not matter: it begins to be read from the start.
        let broken = check_bytes(&bytes).unwrap_err();
        assert_eq!(broken.line, line, "byte {at}");
    }
}

#[test]
fn every_line_that_is_taken_out_is_missed() {
    let book = two_hundred();
    for out in 0..book.lines.len() {
        let rest = book.lines[out + 1..].iter().take(4);
        let found = refused(book.before[out].clone(), rest);
        match out {
            // A file may begin later: the head of the book is known by its number 1.
            0 => assert_eq!(found, None),
            // The end of the book: nothing after it commits to it, and no receipt can be missed.
            198 => assert_eq!(found, Some(0), "its receipt stands there alone"),
            199 => assert_eq!(found, None),
            _ => assert_eq!(found, Some(0), "line {out}: the next line misses it"),
        }
    }
    // What nobody commits to can be cut off: the last receipt, and then its entry.
    assert!(check(&book.lines[..198]).is_ok());
    // What the beginning lacks is seen by whoever asks for the first number.
    assert_eq!(check(&book.lines[1..]).unwrap().first.unwrap().0, 2);
}

#[test]
fn every_two_neighbours_that_are_exchanged_are_noticed() {
    let book = two_hundred();
    for at in 0..book.lines.len() - 1 {
        let lines = [&book.lines[at + 1], &book.lines[at]];
        let after = book.lines[at + 2..].iter().take(4);
        let found = refused(book.before[at].clone(), lines.into_iter().chain(after));
        // The receipt of the first entry before that entry: nobody can say what it is for. Then the entry commits to none.
        let expected = usize::from(at == 0) * 2;
        assert_eq!(found, Some(expected), "lines {at} and the next");
    }
}

#[test]
fn lines_of_others_are_refused_wherever_they_are_put() {
    let book = two_hundred();
    let mut copied = Book::new(1);
    copied.entry(Kind::Report, serde_json::json!({"n": "another"}));
    copied.receipt();
    copied.report();
    copied.receipt();
    let mut stranger = Book::new(90);
    stranger.report();
    for at in 1..book.lines.len() {
        let strange = [
            // A copied box: the same key, another history; with receipts by the real hub.
            &copied.lines[0],
            &copied.lines[1],
            &copied.lines[2],
            // Another box.
            &stranger.lines[0],
            // A line that stands elsewhere in this book.
            &book.lines[if at < 100 { 180 } else { 20 }],
        ];
        for (which, line) in strange.into_iter().enumerate() {
            assert!(
                step(&mut book.before[at].clone(), line.as_bytes()).is_err(),
                "line {which} before {at}"
            );
        }
    }
}
