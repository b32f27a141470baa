//! A full disk: the reserve, what is left out, what is declared, and what happens when there is room again.

use std::sync::Arc;

use super::*;
use crate::disk::sim::{Lie, SimDisk};
use crate::disk::{Disk as _, Opening};

const DIR: &str = "/state/logbook";
const RESERVE: u64 = 8 * 1024;

struct Bed {
    disk: SimDisk,
    book: Logbook,
    agent: SigningKey,
    hub: SigningKey,
    at: i64,
}

impl Bed {
    fn new() -> Self {
        let disk = SimDisk::new(7, Lie::None);
        Self {
            book: Self::open(&disk),
            disk,
            agent: key(),
            hub: key(),
            at: 0,
        }
    }

    fn open(disk: &SimDisk) -> Logbook {
        let room = Room::new("/state/reserve".into(), RESERVE);
        Logbook::open_on(Arc::new(disk.clone()), DIR.into(), address(), nobody(), room).unwrap()
    }

    fn append(&mut self, weight: Weight) -> Result<u64, LogbookError> {
        self.at += 1_000;
        let stamp = stamp(NOVEMBER + self.at, self.at as u64);
        let kept = self
            .book
            .append_weighed(weight, &self.agent, Kind::Report, &stamp, claims);
        kept.map(|(seq, _)| seq)
    }

    fn append_in(&mut self, days: i64) -> Result<u64, LogbookError> {
        self.at += days * 86_400_000;
        self.append(Weight::Record)
    }

    fn all(&self) -> Vec<(u64, String)> {
        let months = self.disk.list(Path::new(DIR)).unwrap();
        let months: Vec<_> = months.iter().map(|path| self.disk.read(path).unwrap()).collect();
        entries(&months, &self.agent, &self.hub)
    }

    fn words(&self) -> Vec<(u64, String)> {
        let all = self.all().into_iter();
        all.map(|(seq, jws)| (seq, word(&jws)))
            .filter(|(_, word)| !word.is_empty())
            .collect()
    }

    /// Nothing but the reserve is left.
    fn fill(&self) {
        self.disk.capacity(self.disk.used());
    }
}

fn is(seq: u64, word: &str) -> (u64, String) {
    (seq, word.to_owned())
}

#[test]
fn a_record_finds_the_reserve_and_it_is_said() {
    let mut bed = Bed::new();
    assert_eq!(bed.append(Weight::Telemetry).unwrap(), 1);
    bed.fill();
    assert_eq!(bed.append(Weight::Record).unwrap(), 2);
    assert_eq!(bed.words(), [is(3, "host.logbook-full")]);
    assert!(bed.book.condition().full);
    assert_eq!(bed.append(Weight::Record).unwrap(), 4);
    assert_eq!(bed.words().len(), 1, "said once");
    let said: Event = claims_of(&bed.all()[2].1);
    assert_eq!(said.kind, "logbook");
    assert!(said.params["free_bytes"].is_u64(), "{:?}", said.params);
}

#[test]
fn what_nobody_asked_for_is_left_out_first_and_counted() {
    let mut bed = Bed::new();
    bed.append(Weight::Record).unwrap();
    bed.fill();
    for left_out in 1..=3 {
        let error = bed.append(Weight::Telemetry).unwrap_err();
        assert!(matches!(error, LogbookError::Full { .. }), "{left_out}: {error}");
    }
    // The first one found out that the disk is full: it is declared before that is said.
    assert_eq!(bed.words(), [is(3, "disk-full"), is(4, "host.logbook-full")]);
    assert_eq!(bed.book.condition().dropped, 2);
    assert_eq!(bed.append(Weight::Record).unwrap(), 8, "5 and 6 were left out");
    let gap: Gap = claims_of(&bed.all()[3].1);
    assert_eq!((gap.from, gap.to, gap.link.seq), (5, 6, 7));
}

#[test]
fn when_even_the_reserve_is_used_up_records_are_counted_too_and_declared_when_there_is_room() {
    let mut bed = Bed::new();
    bed.append(Weight::Record).unwrap();
    bed.fill();
    let mut kept = 0;
    while bed.append(Weight::Record).is_ok() {
        kept += 1;
    }
    assert!((5..40).contains(&kept), "{kept}");
    let before = bed.book.head().unwrap();
    for _ in 0..4 {
        bed.append(Weight::Record).unwrap_err();
    }
    assert_eq!(bed.book.head().unwrap(), before);
    assert_eq!(bed.book.condition().dropped, 5);
    bed.disk.capacity(1 << 20);
    let seq = bed.append(Weight::Telemetry).unwrap();
    let last: Vec<_> = bed.words().into_iter().rev().take(2).collect();
    assert_eq!(last, [is(seq - 1, "host.logbook-room"), is(seq - 2, "disk-full")]);
    assert_eq!(seq, before.0 + 5 + 3);
    assert_eq!(bed.book.condition(), Condition::default());
    // And the reserve is there again.
    bed.fill();
    bed.append(Weight::Record).unwrap();
    assert!(bed.book.condition().full);
}

#[test]
fn what_the_reserve_gave_is_the_logbooks_and_no_other_files() {
    let mut bed = Bed::new();
    bed.append(Weight::Record).unwrap();
    bed.fill();
    bed.append(Weight::Record).unwrap();
    let pin = Path::new("/state/hub.json");
    let error = crate::disk::replace(&bed.disk, pin, &[1; 4096]).unwrap_err();
    assert!(crate::disk::is_full(&error), "{error}");
    assert!(bed.disk.read(pin).is_err());
    // Another program's file does not get it either, and the next month does.
    let mut other = bed.disk.open(Path::new("/var/log/x"), Opening::New).unwrap();
    other.append(&[1; 100]).unwrap_err();
    bed.append_in(20).unwrap();
    assert_eq!(bed.words().last().unwrap().1, "host.logbook-full");
}

#[test]
fn a_box_that_starts_on_a_full_disk_says_so_and_keeps_what_it_can() {
    let disk = SimDisk::new(9, Lie::None);
    disk.capacity(5_000);
    let mut bed = Bed {
        book: Bed::open(&disk),
        disk,
        agent: key(),
        hub: key(),
        at: 0,
    };
    assert!(bed.book.condition().full);
    bed.append(Weight::Telemetry).unwrap_err();
    bed.append(Weight::Record).unwrap();
    // After a restart it is known without being said again.
    bed.book = Bed::open(&bed.disk);
    assert!(bed.book.condition().full);
    bed.append(Weight::Record).unwrap();
    let full = |(_, word): &&(u64, String)| word == "host.logbook-full";
    assert_eq!(bed.words().iter().filter(full).count(), 1);
    bed.disk.capacity(1 << 20);
    bed.append(Weight::Record).unwrap();
    assert_eq!(bed.words().last().unwrap().1, "host.logbook-room");
}

#[test]
fn the_reserve_is_made_of_real_blocks() {
    use std::os::unix::fs::MetadataExt as _;
    let root = tempfile::tempdir().unwrap();
    let state = StateDir::new(root.path().to_owned());
    Logbook::open(&state, address(), &key().verifying()).unwrap();
    let reserve = std::fs::metadata(root.path().join("reserve")).unwrap();
    assert_eq!(reserve.len(), super::RESERVE);
    assert!(reserve.blocks() * 512 >= reserve.len(), "{}", reserve.blocks());
}
