//! What a damaged disk gives back: it is told from what cannot be read just now, it is neither followed nor sent, and it
//! stops nothing.

use std::os::unix::fs::symlink;

use super::*;
use crate::disk::Disk as _;
use crate::disk::sim::{Lie, SimDisk};
use crate::key::known::Known;

const DIR: &str = "/state/logbook";
const MONTH: i64 = 30 * 86_400_000;

fn append(book: &mut Logbook, agent: &SigningKey, at: i64) -> u64 {
    let now = stamp(NOVEMBER + at, at.unsigned_abs());
    book.append(agent, Kind::Report, &now, claims).unwrap().0
}

/// The same claims with another signature.
fn forged(jws: &str) -> String {
    format!("{}AAAA", &jws[..jws.len() - 4])
}

fn replace_line(path: &Path, at: usize, change: impl FnOnce(&str) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().nth(at).unwrap();
    std::fs::write(path, text.replace(line, &change(line))).unwrap();
}

fn seqs(dir: &Path, own: &Own) -> Result<Vec<u64>, BookBroken> {
    let texts = texts(dir, own, 1..=99, 1 << 20)?;
    Ok(texts.found.into_iter().map(|(seq, ..)| seq).collect())
}

#[test]
fn a_month_that_cannot_be_opened_is_not_missing() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    append(&mut book, &agent, 0);
    append(&mut book, &agent, MONTH);
    assert_eq!(seqs(root.path(), &nobody()).unwrap(), [1, 2]);
    // Nothing can be opened there: a link to itself.
    let path = root.path().join("2025-11.log");
    let text = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    symlink(&path, &path).unwrap();
    let broken = seqs(root.path(), &nobody()).unwrap_err();
    assert_eq!(broken.line, 0, "{broken}");
    assert!(!book.outgoing(1).unwrap_err().is_damage());
    std::fs::remove_file(&path).unwrap();
    assert!(book.outgoing(1).unwrap_err().is_damage(), "it is gone");
    std::fs::write(&path, &text[..20]).unwrap();
    assert!(book.outgoing(1).unwrap_err().is_damage(), "it is cut off");
    std::fs::write(&path, &text).unwrap();
    assert_eq!(book.outgoing(1).unwrap().unwrap().jws.len() + 1, text.len());
    for (errno, damaged) in [(5, true), (24, false), (12, false), (13, false)] {
        let error = io::Error::from_raw_os_error(errno);
        assert_eq!(crate::disk::is_damage(&error), damaged, "{error}");
    }
}

#[test]
fn an_entry_that_was_changed_on_the_disk_is_not_sent() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let state = StateDir::new(root.path().to_owned());
    let open = || Logbook::open(&state, address(), &agent.verifying()).unwrap();
    let mut book = open();
    for at in [0, 1, MONTH] {
        append(&mut book, &agent, at);
    }
    let dir = state.join("logbook");
    replace_line(&dir.join("2025-11.log"), 1, forged);
    let error = book.outgoing(2).unwrap_err();
    assert!(
        error.is_damage() && error.to_string().contains("entry 2"),
        "{error}"
    );
    assert_eq!(seqs(&dir, &book.own()).unwrap(), [1, 3], "asked for again");
    let book = open();
    assert_eq!(book.outbox().collect::<Vec<_>>(), [3, 1], "of an older month");
}

#[test]
fn an_entry_of_another_key_is_damage_in_the_newest_month() {
    let root = tempfile::tempdir().unwrap();
    let (former, agent, stranger) = (key(), key(), key());
    let state = StateDir::new(root.path().to_owned());
    let known = Known::default().with(&former.verifying(), false);
    known.save(&state).unwrap();
    let open = || Logbook::open(&state, address(), &agent.verifying()).unwrap();
    let mut book = open();
    append(&mut book, &former, 0);
    append(&mut book, &former, 1);
    assert_eq!(append(&mut open(), &agent, 2), 3, "former keys are known");
    let path = state.join("logbook/2025-11.log");
    let whole = std::fs::read_to_string(&path).unwrap();

    // The key's name in the header is another.
    let odd = seal(
        &stranger,
        Kind::Report,
        &claims_of::<Value>(whole.lines().nth(2).unwrap()),
    )
    .unwrap();
    replace_line(&path, 2, |_| odd.jws);
    assert_eq!(open().head().unwrap().0, 2);
    // An entry of a former key was changed.
    replace_line(&path, 1, forged);
    let mut book = open();
    assert_eq!(book.head().unwrap().0, 1);
    assert!(append(&mut book, &agent, 9) > 3);

    // Where the list cannot be read nobody knows whose they are.
    std::fs::write(&path, &whole).unwrap();
    std::fs::write(state.join("keys.json"), b"{").unwrap();
    assert_eq!(open().head().unwrap().0, 3);
}

#[test]
fn a_key_that_the_next_entries_are_signed_with_is_known_at_once() {
    let root = tempfile::tempdir().unwrap();
    let (agent, next) = (key(), key());
    let state = StateDir::new(root.path().to_owned());
    let mut book = Logbook::open(&state, address(), &agent.verifying()).unwrap();
    append(&mut book, &agent, 0);
    append(&mut book, &next, 1);
    assert_eq!(seqs(&state.join("logbook"), &book.own()).unwrap(), [1, 2]);
}

#[test]
fn what_is_being_written_just_now_is_no_damage() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    append(&mut book, &agent, 0);
    let path = root.path().join("2025-11.log");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{}", &whole[..200])).unwrap();
    let listed = list(root.path()).unwrap();
    assert_eq!((listed.entries.len(), listed.broken), (1, None));
    assert!(found(root.path()).is_empty());
    let broken = check(root.path(), agent.verifying(), key().verifying()).unwrap_err();
    assert_eq!(broken.line, 2, "who verifies a file is told");
    std::fs::write(&path, [whole.as_bytes(), b"\xff\xfe"].concat()).unwrap();
    assert_eq!(found(root.path()), ["damage"], "bytes that nobody writes");
}

fn open_on(disk: &SimDisk) -> Result<Logbook, LogbookError> {
    let room = Room::new("/state/reserve".into(), 4096);
    Logbook::open_on(Arc::new(disk.clone()), DIR.into(), address(), nobody(), room)
}

#[test]
fn a_ragged_end_is_read_past_whatever_the_disk_does() {
    let agent = key();
    let path = Path::new(DIR).join("2025-11.log");
    for after in 0..14 {
        let disk = SimDisk::new(after, Lie::None);
        let mut book = open_on(&disk).unwrap();
        append(&mut book, &agent, 0);
        append(&mut book, &agent, 1);
        disk.damage(&path, |text| {
            let end = text.len();
            text[end - 200..].fill(0xff);
        });
        let ragged = disk.read(&path).unwrap();
        disk.fails(after);
        let mut book = match open_on(&disk) {
            Ok(book) => book,
            Err(LogbookError::Io { path, .. }) => {
                assert_eq!(path, Path::new(DIR), "only the names in the directory");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(book.head().unwrap().0, 1, "after {after} operations");
        let now = stamp(NOVEMBER + 2, 2);
        let tried = book.append(&agent, Kind::Report, &now, claims);
        let (seq, sealed) = tried
            .or_else(|_| book.append(&agent, Kind::Report, &now, claims))
            .unwrap();
        assert!(seq > 2, "after {after} operations: 2 was used");
        assert_eq!(book.outgoing(seq).unwrap().unwrap().jws, sealed.jws);
        let text = disk.read(&path).unwrap();
        assert!(text.starts_with(&ragged), "the damage stays where it is");
        let again = open_on(&disk).unwrap();
        assert_eq!(again.head(), Some((seq, sealed.hash)));
        let read = |book: &Logbook, seq| book.outgoing(seq).unwrap().unwrap();
        let waiting: Vec<u64> = book.outbox().collect();
        assert_eq!(again.outbox().collect::<Vec<_>>(), waiting, "the gap entry too");
        assert!(waiting.iter().all(|seq| read(&again, *seq) == read(&book, *seq)));
        let lines = text.split(|b| *b == b'\n').filter(|line| line.contains(&0xff));
        assert_eq!(lines.count(), 1, "on a line of its own");
    }
}

#[test]
fn a_disk_that_was_made_read_only_is_opened_and_told() {
    let disk = SimDisk::new(1, Lie::None);
    let agent = key();
    append(&mut open_on(&disk).unwrap(), &agent, 0);
    disk.read_only(true);
    let mut book = open_on(&disk).unwrap();
    assert_eq!((book.head().unwrap().0, book.waiting()), (1, 1));
    assert!(book.outgoing(1).unwrap().is_some(), "what waits can be sent");
    assert!(book.condition().trouble.is_some(), "it is told");
    let now = stamp(NOVEMBER + 1, 1);
    let error = book.append(&agent, Kind::Report, &now, claims).unwrap_err();
    assert!(!error.is_full(), "{error}");
    disk.read_only(false);
    assert!(append(&mut book, &agent, 2) > 1);
}

#[test]
fn a_bad_block_costs_its_own_entries() {
    let disk = SimDisk::new(1, Lie::None);
    let agent = key();
    let mut book = open_on(&disk).unwrap();
    for at in 0..60 {
        append(&mut book, &agent, at);
    }
    let path = Path::new(DIR).join("2025-11.log");
    disk.bad_block(&path, 8192);
    let book = open_on(&disk).unwrap();
    assert_eq!(book.head().unwrap().0, 60);
    assert!((40..60).contains(&book.waiting()), "{} are there", book.waiting());
    assert!(book.condition().trouble.is_some());
}
