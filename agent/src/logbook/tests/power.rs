//! The logbook on a disk that forgets what was not made durable, fails and fills up: whatever was acknowledged is there
//! after every power cut, once, in order and unchanged. `BRIDGEPOINT_DISK_SEEDS=100000` tries more of them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use super::*;
use crate::disk::Disk as _;
use crate::disk::sim::{Dice, Lie, SimDisk};

const DIR: &str = "/state/logbook";
const KEY_FILE: &str = "/state/key.pk8";

/// How many seeds, where nobody says otherwise.
const SEEDS: u64 = 1_000;

fn keys() -> &'static (SigningKey, SigningKey) {
    static KEYS: OnceLock<(SigningKey, SigningKey)> = OnceLock::new();
    KEYS.get_or_init(|| (key(), key()))
}

/// What must be there whatever happens.
#[derive(Default)]
struct Model {
    /// Entries of which somebody has heard.
    entries: BTreeMap<u64, String>,
    /// Numbers of entries whose receipt was taken.
    receipted: Vec<u64>,
    /// The version of the key file that was acknowledged, and the newest that was tried.
    key: (u8, u8),
}

impl Model {
    fn check(&self, disk: &SimDisk, book: &Logbook) {
        let (agent, hub) = keys();
        let months = disk.list(Path::new(DIR)).unwrap();
        let months: Vec<_> = months.iter().map(|path| disk.read(path).unwrap()).collect();
        let there: BTreeMap<u64, String> = entries(&months, agent, hub).into_iter().collect();
        for (seq, jws) in &self.entries {
            assert_eq!(there.get(seq), Some(jws), "entry {seq} was acknowledged");
        }
        for seq in &self.receipted {
            assert!(!book.is_waiting(*seq), "the receipt for {seq} was acknowledged");
        }
        let (acknowledged, tried) = self.key;
        match disk.read(Path::new(KEY_FILE)) {
            Ok(text) => {
                let version = text[0];
                assert!((acknowledged..=tried).contains(&version), "key {version}");
                assert_eq!(text, key_file(version), "a key is whole");
            }
            Err(_) => assert_eq!(acknowledged, 0, "the key was acknowledged"),
        }
    }

    /// Whatever waits for its receipt is offered to the hub: it has been heard of.
    fn hear(&mut self, book: &Logbook) {
        for seq in book.outbox() {
            if let Ok(Some(out)) = book.outgoing(seq) {
                self.entries.insert(seq, out.jws);
            }
        }
    }
}

fn key_file(version: u8) -> Vec<u8> {
    vec![version; 900]
}

/// One box's life on one disk: appends, receipts, months, key files, ends of the program, failures and power cuts.
fn live(seed: u64, lie: Lie) {
    let disk = SimDisk::new(seed, lie);
    let mut dice = Dice(seed ^ 0x5eed);
    let mut model = Model::default();
    let mut now = stamp(NOVEMBER, 0);
    for boot in 0..3 {
        // A box without a battery starts at 1970.
        now.boot = boot.to_string();
        now.mono_ms = 0;
        now.clock = [ClockState::Ntp, ClockState::Rtc, ClockState::Unsynced][dice.below(3) as usize];
        now.wall_ms = [now.wall_ms, NOVEMBER, 0][dice.below(3) as usize];
        disk.power_goes(dice.below(120));
        if dice.below(3) == 0 {
            disk.fails(dice.below(60));
        }
        if dice.below(4) == 0 {
            disk.capacity(disk.used() + dice.below(20_000) as usize);
        }
        run(&disk, &mut dice, &mut model, &mut now);
        disk.power_cut();
        disk.capacity(1 << 24);
        let book = open_on(&disk).expect("a disk that works opens");
        model.check(&disk, &book);
        model.hear(&book);
    }
}

fn open_on(disk: &SimDisk) -> Result<Logbook, LogbookError> {
    let room = Room::new("/state/reserve".into(), 4096);
    // Signatures are verified by the walk, once.
    Logbook::open_on(Arc::new(disk.clone()), DIR.into(), address(), nobody(), room)
}

/// Nothing when the power is off, or when the disk does not say which months there are. Nothing else stops the logbook.
fn open_where_there_is_power(disk: &SimDisk) -> Option<Logbook> {
    match open_on(disk) {
        Ok(book) => Some(book),
        Err(LogbookError::Io { path, .. }) if path == Path::new(DIR) => None,
        Err(error) => {
            assert!(disk.is_off(), "{error}");
            None
        }
    }
}

/// Until the power goes, or for a while.
fn run(disk: &SimDisk, dice: &mut Dice, model: &mut Model, now: &mut Stamp) {
    let (agent, hub) = keys();
    let Some(mut book) = open_where_there_is_power(disk) else {
        return;
    };
    for _ in 0..12 {
        if disk.is_off() {
            return;
        }
        now.wall_ms += 1_000;
        now.mono_ms += 1_000;
        match dice.below(8) {
            0 => {
                // The clock is set: some weeks on or back, a year, or to 1970.
                let days = [20, 40, -10, 365, -365, -1_000_000][dice.below(6) as usize];
                now.wall_ms = (now.wall_ms + days * 86_400_000).max(0);
            }
            1 => {
                let (_, tried) = model.key;
                model.key.1 = tried + 1;
                if crate::disk::replace(disk, Path::new(KEY_FILE), &key_file(tried + 1)).is_ok() {
                    model.key.0 = tried + 1;
                }
            }
            2 => {
                // The program ends and starts again; the disk has seen no power cut.
                drop(book);
                let Some(again) = open_where_there_is_power(disk) else {
                    return;
                };
                book = again;
                if !disk.is_off() {
                    model.hear(&book);
                }
            }
            3 | 4 => {
                if let Some(seq) = book.outbox().last()
                    && let Some(entry) = model.entries.get(&seq)
                {
                    let (jws, receipt) = receipt(hub, seq, EntryHash::of(entry));
                    if book.receipt(&jws, &receipt).is_ok() {
                        model.receipted.push(seq);
                    }
                }
            }
            weighed => {
                let weight = [Weight::Record, Weight::Telemetry][usize::from(weighed == 5)];
                let long = dice.below(700) as usize;
                let report = |link| {
                    let mut claims = claims(link);
                    claims["text"] = "x".repeat(long).into();
                    claims
                };
                if book
                    .append_weighed(weight, agent, Kind::Report, now, report)
                    .is_ok()
                {
                    model.hear(&book);
                }
            }
        }
    }
}

fn seeds() -> u64 {
    let wish = std::env::var("BRIDGEPOINT_DISK_SEEDS").ok();
    wish.map_or(SEEDS, |text| text.parse().expect("a number of seeds"))
}

#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    for seed in 0..seeds() {
        let lived = catch_unwind(AssertUnwindSafe(|| live(seed, Lie::None)));
        assert!(lived.is_ok(), "seed {seed}");
    }
}

/// The same test finds a disk that is used wrongly: else it would prove nothing.
#[test]
fn a_forgotten_sync_is_found() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = [Lie::Sync, Lie::SyncDir, Lie::Append].map(|lie| {
        let caught = |seed: &u64| catch_unwind(AssertUnwindSafe(|| live(*seed, lie))).is_err();
        (lie, (0..200).find(caught))
    });
    std::panic::set_hook(quiet);
    for (lie, seed) in found {
        assert!(seed.is_some(), "{lie:?} was not found");
    }
}

#[test]
fn a_failed_sync_is_not_asked_again_and_the_line_is_written_anew() {
    for seed in 0..60 {
        let disk = SimDisk::new(seed, Lie::None);
        let (agent, hub) = keys();
        let mut book = open_on(&disk).unwrap();
        let append = |book: &mut Logbook, at: i64| {
            book.append(agent, Kind::Report, &stamp(NOVEMBER + at, at as u64), claims)
        };
        append(&mut book, 0).unwrap();
        // Of what an append does: open, length, append, sync.
        let before = disk.used();
        disk.fails(3);
        let failed = loop {
            match append(&mut book, 1) {
                Ok(_) => disk.fails(3),
                Err(error) => break error,
            }
        };
        assert!(failed.to_string().contains("cannot be written"), "{failed}");
        assert!(disk.used() >= before);
        assert!(book.condition().trouble.is_some(), "it is told");
        let (seq, sealed) = append(&mut book, 2).unwrap();
        disk.power_cut();
        let months = [disk.read(&Path::new(DIR).join("2025-11.log")).unwrap()];
        let there = entries(&months, agent, hub);
        assert_eq!(there.last(), Some(&(seq, sealed.jws)), "seed {seed}");
        assert!(there.iter().any(|(_, jws)| word(jws) == "host.logbook-degraded"));
    }
}

#[test]
fn a_disk_that_fails_while_the_logbook_is_opened_stops_nothing_and_is_told() {
    let disk = SimDisk::new(1, Lie::None);
    let (agent, _) = keys();
    let append = |book: &mut Logbook, at: i64| {
        book.append(agent, Kind::Report, &stamp(NOVEMBER + at, at as u64), claims)
    };
    append(&mut open_on(&disk).unwrap(), 0).unwrap();
    let (mut told, mut refused) = (0, 0);
    for after in 0..12 {
        disk.fails(after);
        match open_on(&disk) {
            Ok(mut book) => {
                told += usize::from(book.condition().trouble.is_some());
                // The failure may come only now; then the next one is kept.
                let head = book.head().unwrap().0;
                let kept = append(&mut book, 1).or_else(|_| append(&mut book, 2)).unwrap();
                assert!(kept.0 > head, "after {after} operations");
            }
            // What is in the directory has to be known.
            Err(_) => refused += 1,
        }
    }
    assert!(told >= 3, "told {told} times");
    assert_eq!(refused, 1, "only the names in the directory");
}

#[test]
fn a_bad_block_stops_nothing() {
    for seed in 0..100 {
        let disk = SimDisk::new(seed, Lie::None);
        let mut dice = Dice(seed);
        let (agent, _) = keys();
        let mut book = open_on(&disk).unwrap();
        for at in 0..6 {
            book.append(agent, Kind::Report, &stamp(NOVEMBER + at, at as u64), claims)
                .unwrap();
        }
        let used = book.head().unwrap().0;
        let path = Path::new(DIR).join("2025-11.log");
        disk.damage(&path, |text| {
            let at = dice.below(text.len() as u64) as usize;
            let end = (at + 512).min(text.len());
            text[at..end].fill(0xff);
        });
        let mut book = open_on(&disk).unwrap();
        let (seq, _) = book
            .append(agent, Kind::Report, &stamp(NOVEMBER + 9, 9), claims)
            .unwrap();
        assert!(seq > used, "seed {seed}: {seq} was used already");
        let again = open_on(&disk).unwrap();
        assert_eq!(again.head(), book.head(), "seed {seed}");
    }
}
