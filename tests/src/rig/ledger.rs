//! What was acknowledged of one room, and whether it is all still there: read from outside, out of the logbook's files and the
//! hub's database, with nothing of either program but the wire's own reading.
//!
//! Acknowledged is an entry that `check --json` printed, that the hub holds, or that a receipt was given for. It has to be in
//! the logbook for ever, as it was, in its place, and in the end at the hub: once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bridgepoint_protocol::envelope::{EntryHash, Kind};
use bridgepoint_protocol::logbook::{Line, read_unverified};
use rusqlite::{Connection, OpenFlags, params};
use serde_json::Value;

/// What is wrong with what was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is not there any more, or is not what it was.
    Lost(String),
    /// It is there twice.
    Doubled(String),
    /// The chain does not hold, whatever was acknowledged.
    Broken(String),
}

/// An entry as it stands in a logbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its number.
    pub seq: u64,
    /// What it says that the one before it is.
    pub prev: EntryHash,
    /// Its hash.
    pub hash: EntryHash,
    /// Its kind.
    pub kind: Kind,
    /// Its claims.
    pub claims: Value,
    /// The line.
    pub jws: String,
}

#[derive(Debug, Clone)]
enum Read {
    Entry(Kept),
    Receipt(u64, EntryHash),
    Damaged,
}

/// A logbook's files, read.
#[derive(Debug, Default)]
pub struct Book {
    /// Entries, in the order of the files.
    pub entries: Vec<Kept>,
    /// What receipts are for.
    pub receipts: Vec<(u64, EntryHash)>,
    /// Whole lines that are neither.
    pub damaged: u64,
    /// Whether the last line is half-written.
    pub torn: bool,
}

impl Book {
    /// How many entries have no receipt.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let receipted: BTreeSet<&EntryHash> = self.receipts.iter().map(|(_, hash)| hash).collect();
        let waits = |kept: &&Kept| !receipted.contains(&kept.hash);
        self.entries.iter().filter(waits).count()
    }
}

/// What was acknowledged of one room.
#[derive(Debug)]
pub struct Ledger {
    room: String,
    state: PathBuf,
    store: PathBuf,
    printed: BTreeMap<u64, Value>,
    held: BTreeMap<u64, String>,
    arrived: Vec<u64>,
    last_row: i64,
    receipted: BTreeMap<u64, EntryHash>,
    /// Lines that were read before: a logbook is read again after every kill.
    known: HashMap<String, Read>,
}

impl Ledger {
    /// Of the room `id`, whose box keeps its things in `state`, and whose hub keeps its own in the database `store`.
    #[must_use]
    pub fn new(id: &str, state: &Path, store: &Path) -> Self {
        Self {
            room: id.to_owned(),
            state: state.to_owned(),
            store: store.to_owned(),
            printed: BTreeMap::new(),
            held: BTreeMap::new(),
            arrived: vec![],
            last_row: 0,
            receipted: BTreeMap::new(),
            known: HashMap::new(),
        }
    }

    /// Takes what `check --json` printed as acknowledged: a whole report, unless it says itself that it was not kept. Gives
    /// false when it is none (the program died before, or in the middle).
    ///
    /// # Errors
    /// [`Wrong::Doubled`] in the list when the number was printed before, for something else.
    pub fn printed(&mut self, stdout: &str, wrong: &mut Vec<Wrong>) -> bool {
        let Ok(report) = serde_json::from_str::<Value>(stdout.trim_end()) else {
            return false;
        };
        let findings = report.get("findings").and_then(Value::as_array);
        let not_kept = findings.into_iter().flatten().any(|finding| {
            finding.get("check").and_then(Value::as_str) == Some("host.logbook")
                && finding.get("code").and_then(Value::as_str) == Some("host.logbook-write")
        });
        let Some(seq) = report.get("seq").and_then(Value::as_u64).filter(|_| !not_kept) else {
            return false;
        };
        match self.printed.insert(seq, report.clone()) {
            Some(before) if before != report => {
                wrong.push(Wrong::Doubled(format!(
                    "entry {seq} was printed as two different reports"
                )));
            }
            _ => {}
        }
        true
    }

    /// How many entries were acknowledged, in one way or another.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        let all: BTreeSet<&u64> = self
            .printed
            .keys()
            .chain(self.held.keys())
            .chain(self.receipted.keys())
            .collect();
        all.len() as u64
    }

    /// Reads the logbook's files as they stand.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn book(&mut self) -> Result<Book> {
        let mut book = Book::default();
        let dir = self.state.join("logbook");
        if !dir.exists() {
            return Ok(book);
        }
        let mut files: Vec<PathBuf> = fs::read_dir(&dir)?
            .map(|file| Ok(file?.path()))
            .collect::<Result<Vec<_>>>()?;
        files.retain(|file| file.extension().is_some_and(|kind| kind == "log"));
        files.sort();
        for file in files {
            let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
            let text = String::from_utf8_lossy(&bytes);
            for line in text.split_inclusive('\n') {
                let Some(line) = line.strip_suffix('\n') else {
                    book.torn = true;
                    continue;
                };
                match self.known.get(line).cloned().unwrap_or_else(|| read(line)) {
                    Read::Entry(kept) => {
                        self.known.insert(line.to_owned(), Read::Entry(kept.clone()));
                        book.entries.push(kept);
                    }
                    Read::Receipt(seq, hash) => {
                        self.known.insert(line.to_owned(), Read::Receipt(seq, hash));
                        book.receipts.push((seq, hash));
                    }
                    Read::Damaged => book.damaged += 1,
                }
            }
        }
        Ok(book)
    }

    /// The light look, after every kill: the chain holds, and everything acknowledged so far is in it. Takes what the hub
    /// holds and what was receipted by now as acknowledged from here on.
    ///
    /// # Errors
    /// When the files or the database cannot be read.
    pub fn look(&mut self, wrong: &mut Vec<Wrong>) -> Result<Book> {
        self.ask_hub(wrong)?;
        let book = self.book()?;
        chain(&book, wrong);
        let by_seq: BTreeMap<u64, &Kept> = book.entries.iter().map(|kept| (kept.seq, kept)).collect();
        for (seq, report) in &self.printed {
            match by_seq.get(seq) {
                None => wrong.push(Wrong::Lost(format!(
                    "entry {seq} was printed, and is not in the logbook"
                ))),
                Some(kept) if kept.claims != *report => wrong.push(Wrong::Lost(format!(
                    "entry {seq} was printed, and the logbook has another"
                ))),
                Some(_) => {}
            }
        }
        for (seq, jws) in &self.held {
            match by_seq.get(seq) {
                None => wrong.push(Wrong::Lost(format!(
                    "entry {seq} is at the hub, and not in the logbook"
                ))),
                Some(kept) if kept.jws != *jws => wrong.push(Wrong::Lost(format!(
                    "entry {seq} is at the hub, and the logbook has another"
                ))),
                Some(_) => {}
            }
        }
        for (seq, hash) in &book.receipts {
            self.receipted.insert(*seq, *hash);
        }
        for (seq, hash) in &self.receipted {
            if by_seq.get(seq).is_none_or(|kept| kept.hash != *hash) {
                wrong.push(Wrong::Lost(format!(
                    "entry {seq} was receipted, and is not in the logbook"
                )));
            }
        }
        Ok(book)
    }

    /// The whole look, when every entry has its receipt: the hub holds what the logbook holds, entry for entry, once.
    ///
    /// # Errors
    /// When the files or the database cannot be read.
    pub fn whole(&mut self, wrong: &mut Vec<Wrong>) -> Result<()> {
        let book = self.look(wrong)?;
        if book.torn || book.damaged > 0 {
            wrong.push(Wrong::Broken(
                "the logbook has half-written or damaged lines".into(),
            ));
        }
        for kept in &book.entries {
            if self.held.get(&kept.seq) != Some(&kept.jws) {
                wrong.push(Wrong::Lost(format!(
                    "entry {} is in the logbook, and does not get to the hub",
                    kept.seq
                )));
            }
        }
        Ok(())
    }

    /// Whether what waited came to the hub in order, as far as the hub was looked at: ascending by number, each time anew
    /// after one of so many interruptions, when what has no receipt yet is offered once more.
    pub fn in_order(&self, interruptions: u64, wrong: &mut Vec<Wrong>) {
        let back = |pair: &[u64]| match pair {
            [before, after] if after < before => Some(format!("{after} after {before}")),
            _ => None,
        };
        let steps: Vec<String> = self.arrived.windows(2).filter_map(back).collect();
        if steps.len() as u64 > interruptions {
            wrong.push(Wrong::Broken(format!(
                "entries came to the hub out of order {} times, with {interruptions} interruptions: {}",
                steps.len(),
                steps.join(", ")
            )));
        }
    }

    /// What the hub holds beyond what was read before.
    fn ask_hub(&mut self, wrong: &mut Vec<Wrong>) -> Result<()> {
        if !self.store.exists() {
            return Ok(());
        }
        let database = Connection::open_with_flags(&self.store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.busy_timeout(super::PATIENCE)?;
        let mut rows = database.prepare(
            "SELECT entry.id, entry.seq, entry.jws FROM entry JOIN room ON room.id = entry.room_id
             WHERE room.room = ?1 AND entry.id > ?2 ORDER BY entry.id",
        )?;
        let found = rows.query_map(params![self.room, self.last_row], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
            ))
        })?;
        for row in found {
            let (id, seq, jws) = row?;
            self.last_row = id;
            self.arrived.push(seq.unsigned_abs());
            if self.held.insert(seq.unsigned_abs(), jws).is_some() {
                wrong.push(Wrong::Doubled(format!("the hub holds two entries {seq}")));
            }
        }
        let forks = "SELECT count(*) FROM fork JOIN room ON room.id = fork.room_id WHERE room.room = ?1";
        let forks: i64 = database.query_row(forks, params![self.room], |row| row.get(0))?;
        if forks > 0 {
            wrong.push(Wrong::Doubled(format!("the hub has seen {forks} forks")));
        }
        let runs = "SELECT count(*) - count(DISTINCT run.run) FROM run JOIN room ON room.id = run.room_id WHERE room.room = ?1";
        let twice: i64 = database.query_row(runs, params![self.room], |row| row.get(0))?;
        if twice > 0 {
            wrong.push(Wrong::Doubled(format!("the hub shows {twice} runs twice")));
        }
        Ok(())
    }
}

fn read(line: &str) -> Read {
    match read_unverified(line.as_bytes()) {
        Ok(Line::Entry(entry)) => Read::Entry(Kept {
            seq: entry.seq,
            prev: entry.prev,
            hash: entry.hash,
            kind: entry.kind,
            claims: serde_json::from_slice(&entry.payload).unwrap_or_default(),
            jws: line.to_owned(),
        }),
        Ok(Line::Receipt(receipt)) => receipt
            .seq
            .map_or(Read::Damaged, |seq| Read::Receipt(seq, receipt.hash)),
        Err(_) => Read::Damaged,
    }
}

/// A clock that is apart from the monotonic one by more than this was set by a jump: the agent's own 5 s, and what the whole
/// seconds of `iat` may hide.
const JUMP_MS: i64 = 7_500;

/// Where the wall clock has jumped since the entry before (by `iat` and `mono_ms` of one boot), the entry does not claim to
/// know the time, or is the event that tells of the jump. Gives how many jumps there are.
pub fn jumps(book: &Book, wrong: &mut Vec<Wrong>) -> u64 {
    let number = |kept: &Kept, key: &str| kept.claims.get(key).and_then(Value::as_i64);
    let word = |kept: &Kept, key: &str| kept.claims.get(key).and_then(Value::as_str).map(str::to_owned);
    let apart = |kept: &Kept| Some(number(kept, "iat")? * 1000 - number(kept, "mono_ms")?);
    let mut found = 0;
    for pair in book.entries.windows(2) {
        let [before, after] = pair else { continue };
        let moved = apart(before).zip(apart(after)).map(|(a, b)| (b - a).abs());
        if word(before, "boot") != word(after, "boot") || moved.is_none_or(|ms| ms <= JUMP_MS) {
            continue;
        }
        found += 1;
        let believed = matches!(word(after, "clk").as_deref(), Some("ntp" | "rtc") | None);
        if believed && word(after, "code").as_deref() != Some("host.clock-stepped") {
            wrong.push(Wrong::Broken(format!(
                "the clock had jumped before entry {}, which believes it",
                after.seq
            )));
        }
    }
    found
}

/// Every number once, in order, from 1, each naming the one before it; what is missing was declared by a gap.
fn chain(book: &Book, wrong: &mut Vec<Wrong>) {
    let (mut last, mut hash) = (0, EntryHash::ZERO);
    for kept in &book.entries {
        let declared = |key: &str| kept.claims.get(key).and_then(Value::as_u64);
        let follows = kept.seq == last + 1
            || (kept.kind == Kind::Gap
                && declared("from") == Some(last + 1)
                && declared("to") == Some(kept.seq.saturating_sub(1)));
        if kept.seq <= last {
            wrong.push(Wrong::Doubled(format!(
                "the logbook has entry {} after entry {last}",
                kept.seq
            )));
        } else if !follows {
            wrong.push(Wrong::Broken(format!(
                "the logbook has entry {} after entry {last}",
                kept.seq
            )));
        } else if kept.prev != hash {
            wrong.push(Wrong::Broken(format!(
                "entry {} does not name the one before it",
                kept.seq
            )));
        }
        (last, hash) = (kept.seq, kept.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgepoint_protocol::envelope::{SigningKey, seal};
    use serde_json::json;

    /// A logbook of `count` events, each as a line.
    fn lines(count: u64) -> Vec<String> {
        let random = ring::rand::SystemRandom::new();
        let key = SigningKey::from_pkcs8(&SigningKey::generate(&random).unwrap()).unwrap();
        let mut prev = EntryHash::ZERO;
        (1..=count)
            .map(|seq| {
                let claims = json!({
                    "v": 1, "org": "quang-ninh", "room": "bai-chay", "boot": "b", "seq": seq, "prev": prev,
                    "witness": null, "nonce": null, "iat": 0, "mono_ms": 0, "clk": "ntp", "kind": "x", "code": "x",
                    "params": {}, "meeting": null, "incident": null, "started_ms": 0, "ended_ms": null
                });
                let sealed = seal(&key, Kind::Event, &claims).unwrap();
                prev = sealed.hash;
                sealed.jws
            })
            .collect()
    }

    /// What a look finds in a logbook of these lines, where `printed` was printed.
    fn found(lines: &[String], printed: &[Value]) -> Vec<Wrong> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logbook")).unwrap();
        fs::write(dir.path().join("logbook/2026-11.log"), lines.concat()).unwrap();
        let mut ledger = Ledger::new("bai-chay", dir.path(), &dir.path().join("none.db"));
        let mut wrong = vec![];
        for report in printed {
            assert!(ledger.printed(&report.to_string(), &mut wrong));
        }
        assert_eq!(ledger.acknowledged(), printed.len() as u64);
        ledger.look(&mut wrong).unwrap();
        wrong
    }

    fn whole(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn claims(line: &str) -> Value {
        match read(line) {
            Read::Entry(kept) => kept.claims,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_printed_has_to_be_there_as_it_was() {
        let lines = lines(3);
        let (one, three) = (claims(&lines[0]), claims(&lines[2]));
        let all = whole(&lines);
        assert_eq!(found(&all, &[one.clone(), three.clone()]), []);
        assert!(matches!(
            &found(&all[..2], std::slice::from_ref(&three))[..],
            [Wrong::Lost(_)]
        ));
        let mut other = three;
        other["kind"] = json!("y");
        assert!(matches!(&found(&all, &[other])[..], [Wrong::Lost(_)]));
        let not_kept =
            json!({"seq": 9, "findings": [{"check": "host.logbook", "code": "host.logbook-write"}]});
        let mut ledger = Ledger::new("bai-chay", Path::new("/none"), Path::new("/none"));
        assert!(
            !ledger.printed(&not_kept.to_string(), &mut vec![]),
            "it says itself that it was not kept"
        );
        assert!(
            !ledger.printed("{\"seq\": 9, \"find", &mut vec![]),
            "half of a report"
        );
    }

    #[test]
    fn a_chain_is_whole_and_each_number_in_it_once() {
        let all = whole(&lines(4));
        assert!(matches!(&found(&all[1..], &[])[..], [Wrong::Broken(_)]));
        let twice: Vec<String> = [0, 1, 1, 2].iter().map(|at| all[*at].clone()).collect();
        assert!(matches!(&found(&twice, &[])[..], [Wrong::Doubled(_)]));
        let other = [all[0].clone(), whole(&lines(2))[1].clone()];
        assert!(matches!(&found(&other, &[])[..], [Wrong::Broken(_)]));
    }

    #[test]
    fn what_waited_comes_in_order_but_for_what_is_offered_again() {
        let mut ledger = Ledger::new("bai-chay", Path::new("/none"), Path::new("/none"));
        ledger.arrived = vec![1, 2, 3, 6, 7, 4, 5, 8];
        let mut wrong = vec![];
        ledger.in_order(1, &mut wrong);
        assert_eq!(wrong, []);
        ledger.in_order(0, &mut wrong);
        assert!(
            matches!(&wrong[..], [Wrong::Broken(why)] if why.ends_with("4 after 7")),
            "{wrong:?}"
        );
    }

    #[test]
    fn an_entry_after_a_jump_does_not_believe_the_clock() {
        let found = |clk: &str, code: &str, iat: i64| {
            let mut book = Book::default();
            let claims = [(1000, "ntp", "x"), (iat, clk, code)];
            for (seq, (iat, clk, code)) in (1..).zip(claims) {
                book.entries.push(Kept {
                    seq,
                    prev: EntryHash::ZERO,
                    hash: EntryHash::ZERO,
                    kind: Kind::Event,
                    claims: json!({"boot": "b", "iat": iat, "mono_ms": seq * 1000, "clk": clk, "code": code}),
                    jws: String::new(),
                });
            }
            let mut wrong = vec![];
            (jumps(&book, &mut wrong), wrong.len())
        };
        assert_eq!(found("ntp", "x", 1001), (0, 0));
        assert_eq!(found("ntp", "x", 1031), (1, 1));
        assert_eq!(found("rtc", "x", 0), (1, 1));
        assert_eq!(found("stepped", "x", 0), (1, 0));
        assert_eq!(found("ntp", "host.clock-stepped", 0), (1, 0));
    }

    #[test]
    fn a_half_written_last_line_is_seen_and_is_no_entry() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logbook")).unwrap();
        let lines = lines(2);
        let text = format!("{}\n{}", lines[0], &lines[1][..40]);
        fs::write(dir.path().join("logbook/2026-11.log"), text).unwrap();
        let mut ledger = Ledger::new("bai-chay", dir.path(), &dir.path().join("none.db"));
        let book = ledger.book().unwrap();
        assert!(book.torn);
        assert_eq!((book.entries.len(), book.waiting(), book.damaged), (1, 1, 0));
    }
}
