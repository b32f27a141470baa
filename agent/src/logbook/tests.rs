//! The logbook against power cuts, repetitions and clocks.

mod damaged;
mod exported;
mod full;
mod power;

use std::path::Path;

use bridgepoint_protocol::chain::{self, Neighbours, Placement};
use bridgepoint_protocol::claims::{ClockState, Event, Gap};
use bridgepoint_protocol::envelope::{VerifyingKey, seal};
use bridgepoint_protocol::logbook::{Keys, Line, Walk, read_unverified};
use serde_json::{Value, json};

use super::*;

const NOVEMBER: i64 = 1_764_060_000_000; // 2025-11-25T08:40:00Z

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap()).unwrap()
}

fn stamp(wall_ms: i64, mono_ms: u64) -> Stamp {
    Stamp {
        wall_ms,
        mono_ms,
        boot: "b".repeat(32),
        clock: ClockState::Ntp,
    }
}

fn address() -> RoomAddress {
    RoomAddress {
        org: "quang-ninh".parse().unwrap(),
        room: "bai-chay".parse().unwrap(),
    }
}

/// No key is known: what was signed is not verified at opening.
fn nobody() -> Own {
    Own::partly()
}

fn open(dir: &Path) -> Result<Logbook, LogbookError> {
    let room = Room::new(dir.join("reserve"), RESERVE);
    Logbook::open_on(Arc::new(RealDisk), dir.to_owned(), address(), nobody(), room)
}

/// Walks these months with the protocol's own rule and gives every entry's number and text.
fn entries(months: &[Vec<u8>], agent: &SigningKey, hub: &SigningKey) -> Vec<(u64, String)> {
    let (agent, hub) = ([agent.verifying()], [hub.verifying()]);
    let keys = Keys {
        agent: &agent,
        hub: &hub,
    };
    let mut walk = Walk::default();
    let mut entries = Vec::new();
    for text in months {
        for line in text.split_inclusive(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\n").expect("a whole line");
            match walk.step(line, keys) {
                Ok(Line::Entry(entry)) => {
                    entries.push((entry.seq, String::from_utf8(line.to_vec()).unwrap()));
                }
                Ok(Line::Receipt(_)) => {}
                Err(why) => panic!("after {:?}: {why}", walk.head),
            }
        }
    }
    entries
}

/// The same of a directory.
fn entries_in(dir: &Path, agent: &SigningKey, hub: &SigningKey) -> Vec<(u64, String)> {
    let months = read::months(dir).unwrap();
    let months: Vec<_> = months
        .iter()
        .map(|(_, path)| std::fs::read(path).unwrap())
        .collect();
    entries(&months, agent, hub)
}

fn claims_of<T: serde::de::DeserializeOwned>(jws: &str) -> T {
    match read_unverified(jws.as_bytes()).unwrap() {
        Line::Entry(entry) => serde_json::from_slice(&entry.payload).unwrap(),
        Line::Receipt(_) => panic!("an entry"),
    }
}

/// Code of an event, reason of a gap, nothing for anything else.
fn word(jws: &str) -> String {
    let claims: Value = claims_of(jws);
    let word = claims.get("code").or(claims.get("reason"));
    word.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn claims(link: EntryLink) -> Value {
    let mut value = serde_json::to_value(link).unwrap();
    value["v"] = json!(1);
    value
}

fn receipt(hub: &SigningKey, seq: u64, hash: EntryHash) -> (String, Receipt) {
    let receipt = Receipt {
        v: 1,
        org: "abc".parse().unwrap(),
        room: "def".parse().unwrap(),
        iat: 0,
        seq: Some(seq),
        hash,
        received_ms: 5,
        nonce: Some("challenge".into()),
    };
    (seal(hub, Kind::Receipt, &receipt).unwrap().jws, receipt)
}

fn check(dir: &Path, agent: VerifyingKey, hub: VerifyingKey) -> Result<u64, BookBroken> {
    verify(dir, (&[agent], &[hub]), None).map(|walk| walk.entries)
}

#[test]
fn entries_chain_over_reopening_and_only_a_receipt_empties_the_outbox() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    let (first, sealed) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER, 1000), claims)
        .unwrap();
    book.append(&agent, Kind::Event, &stamp(NOVEMBER + 1000, 2000), claims)
        .unwrap();
    assert_eq!((first, book.waiting()), (1, 2));

    let (jws, mut wrong) = receipt(&hub, 1, sealed.hash);
    wrong.hash = EntryHash::ZERO;
    assert!(
        !book.receipt(&jws, &wrong).unwrap(),
        "a receipt for another entry empties nothing"
    );
    let (jws, right) = receipt(&hub, 1, sealed.hash);
    assert!(book.receipt(&jws, &right).unwrap());
    assert!(
        !book.receipt(&jws, &right).unwrap(),
        "a repetition changes nothing"
    );

    let mut book = open(root.path()).unwrap();
    assert_eq!(book.outbox().collect::<Vec<_>>(), [2]);
    let (_, sealed) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER + 2000, 3000), claims)
        .unwrap();
    let payload: Value = read_unverified(sealed.jws.as_bytes())
        .map(|line| match line {
            Line::Entry(entry) => serde_json::from_slice(&entry.payload).unwrap(),
            Line::Receipt(_) => panic!("an entry"),
        })
        .unwrap();
    assert_eq!(
        (payload["seq"].clone(), payload["witness"]["seq"].clone()),
        (json!(3), json!(1))
    );
    assert_eq!(payload["nonce"], "challenge");
    assert_eq!(
        book.outbox().collect::<Vec<_>>(),
        [3, 2],
        "the newest first, then from the oldest on"
    );
    assert_eq!(book.outgoing(3).unwrap().unwrap().jws, sealed.jws);
    assert_eq!(check(root.path(), agent.verifying(), hub.verifying()), Ok(3));
    assert_eq!(list(root.path()).unwrap().entries[0].received_ms, Some(5));
}

#[test]
fn a_line_cut_off_by_a_power_cut_is_removed_and_its_number_used_again() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    book.append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
        .unwrap();
    book.append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
        .unwrap();
    let path = root.path().join("2025-11.log");
    let whole = std::fs::read(&path).unwrap();
    let first_line = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for cut in first_line..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut book = open(root.path()).unwrap();
        assert_eq!(book.head().unwrap().0, 1, "cut at {cut}");
        book.append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
            .unwrap();
        assert_eq!(
            check(root.path(), agent.verifying(), hub.verifying()),
            Ok(2),
            "cut at {cut}"
        );
    }
}

#[test]
fn months_follow_the_clock_but_never_go_back() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    let december = NOVEMBER + 30 * 86_400_000;
    for wall in [NOVEMBER, december, NOVEMBER, 0] {
        book.append(&agent, Kind::Report, &stamp(wall, 0), claims)
            .unwrap();
    }
    let files: Vec<_> = read::months(root.path())
        .unwrap()
        .into_iter()
        .map(|(month, _)| month)
        .collect();
    assert_eq!(files, ["2025-11", "2025-12"]);
    // Each of the three steps is told before the entry.
    assert_eq!(check(root.path(), agent.verifying(), hub.verifying()), Ok(7));
}

#[test]
fn a_clock_that_jumped_since_the_last_entry_is_called_stepped() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    let mut said = |wall, mono| {
        let (_, sealed) = book
            .append(&agent, Kind::Report, &stamp(wall, mono), claims)
            .unwrap();
        match read_unverified(sealed.jws.as_bytes()).unwrap() {
            Line::Entry(entry) => serde_json::from_slice::<Value>(&entry.payload).unwrap()["clk"].clone(),
            Line::Receipt(_) => panic!("an entry"),
        }
    };
    assert_eq!(said(NOVEMBER, 1_000), "ntp");
    assert_eq!(said(NOVEMBER + 60_000, 61_000), "ntp");
    assert_eq!(said(NOVEMBER + 86_400_000, 62_000), "stepped");
    assert_eq!(said(NOVEMBER + 86_401_000, 63_000), "ntp");
    assert_eq!(said(0, 64_000), "stepped");
}

#[test]
fn a_disk_that_refuses_is_told_and_the_chain_stays_whole() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    book.append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
        .unwrap();
    // The next month's file cannot be made: a directory stands in its place.
    std::fs::create_dir(root.path().join("2025-12.log")).unwrap();
    let december = NOVEMBER + 30 * 86_400_000;
    let error = book
        .append(&agent, Kind::Report, &stamp(december, 0), claims)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("2025-12.log") && error.contains("free space"),
        "{error}"
    );
    std::fs::remove_dir(root.path().join("2025-12.log")).unwrap();
    let (seq, _) = book
        .append(&agent, Kind::Report, &stamp(december, 0), claims)
        .unwrap();
    assert_eq!(seq, 4);
    let words: Vec<String> = entries_in(root.path(), &agent, &hub)
        .iter()
        .map(|(_, jws)| word(jws))
        .collect();
    assert_eq!(words, ["", "host.logbook-degraded", "host.clock-stepped", ""]);
    assert!(book.condition().trouble.is_some(), "until somebody has looked");
}

#[test]
fn after_a_damaged_end_the_chain_goes_on_with_numbers_that_were_never_used() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    for at in 0..4 {
        book.append(&agent, Kind::Report, &stamp(NOVEMBER + at, 0), claims)
            .unwrap();
    }
    let path = root.path().join("2025-11.log");
    let mut text = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'\n').collect();
    // The third and the fourth are damaged, and the line feed between them.
    text[ends[1] + 20] = b'?';
    text[ends[2]] = b'?';
    std::fs::write(&path, &text).unwrap();

    let mut book = open(root.path()).unwrap();
    let second = book.head().unwrap();
    assert_eq!(second.0, 2);
    let (seq, _) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER + 9, 9), claims)
        .unwrap();
    assert_eq!(seq, 6);
    let after = std::fs::read(&path).unwrap();
    assert!(after.starts_with(&text), "the damaged bytes stay where they are");
    let line = after[text.len()..].split(|b| *b == b'\n').next().unwrap();
    let gap: Gap = claims_of(std::str::from_utf8(line).unwrap());
    assert_eq!((gap.from, gap.to, gap.reason.as_str()), (3, 4, "damaged"));
    assert_eq!((gap.link.seq, gap.link.prev), (5, second.1));
    // Said once.
    let mut book = open(root.path()).unwrap();
    let (seq, _) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER + 10, 10), claims)
        .unwrap();
    assert_eq!(seq, 7);
}

#[test]
fn an_entry_that_was_changed_on_the_disk_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let state = StateDir::new(root.path().to_owned());
    let open = || Logbook::open(&state, address(), &agent.verifying()).unwrap();
    let mut book = open();
    for at in 0..2 {
        book.append(&agent, Kind::Report, &stamp(NOVEMBER + at, 0), claims)
            .unwrap();
    }
    let path = state.join("logbook/2025-11.log");
    let text = std::fs::read_to_string(&path).unwrap();
    let (first, second) = text.trim_end().split_once('\n').unwrap();
    // It reads as an entry, with another signature.
    let forged = format!("{}AAAA", &second[..second.len() - 4]);
    std::fs::write(&path, format!("{first}\n{forged}\n")).unwrap();
    let mut book = open();
    assert_eq!(book.head().unwrap().0, 1);
    assert_eq!(
        book.outbox().collect::<Vec<_>>(),
        [1],
        "what is not ours is not sent"
    );
    let (seq, _) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER + 2, 2), claims)
        .unwrap();
    assert_eq!(seq, 4, "2 was used, 3 declares it");
}

#[test]
fn a_receipt_tells_of_an_entry_that_cannot_be_read() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    let (seq, sealed) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
        .unwrap();
    let (jws, receipt) = receipt(&hub, seq, sealed.hash);
    book.receipt(&jws, &receipt).unwrap();
    // The first line is gone altogether.
    std::fs::write(root.path().join("2025-11.log"), format!("{jws}\n")).unwrap();
    let mut book = open(root.path()).unwrap();
    let (seq, _) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
        .unwrap();
    assert_eq!(seq, 3, "1 was used, 2 declares it");
}

#[test]
fn what_the_hub_asks_for_and_cannot_be_read_is_declared_once() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    for at in 0..4 {
        book.append(&agent, Kind::Report, &stamp(NOVEMBER + at, 0), claims)
            .unwrap();
    }
    let now = stamp(NOVEMBER + 5, 5);
    let before = book.head().unwrap();
    assert_eq!(book.declare_missing(&agent, &now, 2, 3).unwrap(), Some(5));
    assert_eq!(book.declare_missing(&agent, &now, 3, 3).unwrap(), Some(5));
    let gap: Gap = claims_of(&book.outgoing(5).unwrap().unwrap().jws);
    assert_eq!((gap.from, gap.to, gap.link.prev), (2, 3, before.1));
    let mut book = open(root.path()).unwrap();
    assert_eq!(book.declare_missing(&agent, &now, 2, 2).unwrap(), Some(5));
    assert_eq!(book.declare_missing(&agent, &now, 9, 12).unwrap(), None);
    assert_eq!(book.declare_missing(&agent, &now, 0, 1).unwrap(), Some(6));
    assert_eq!(book.head().unwrap().0, 6);
}

/// What the hub makes of what stands here from `from` on, when it holds the `first` ones.
fn placed(book: &Logbook, first: &[Sealed], from: u64) -> Vec<Placement> {
    let mut held: BTreeMap<u64, EntryHash> =
        (1..).zip(first).map(|(seq, sealed)| (seq, sealed.hash)).collect();
    let mut placements = Vec::new();
    for seq in from..=book.head().unwrap().0 {
        let out = book.outgoing(seq).unwrap().unwrap();
        let link: EntryLink = claims_of(&out.jws);
        let gap = (out.kind == Kind::Gap).then(|| claims_of::<Gap>(&out.jws));
        let declared = gap.and_then(|gap| gap.declared());
        let before = chain::follows(seq, declared.as_ref());
        let around = Neighbours {
            before: held.get(&before).copied(),
            below: held.keys().next_back().copied(),
            ..Neighbours::default()
        };
        let link = chain::Link {
            seq,
            prev: link.prev,
            hash: out.hash,
        };
        placements.push(chain::place(&link, before, &around));
        held.insert(seq, out.hash);
    }
    placements
}

#[test]
fn the_newest_entry_is_declared_without_a_fork() {
    for (from, to) in [(4, 4), (1, 4)] {
        let root = tempfile::tempdir().unwrap();
        let agent = key();
        let mut book = open(root.path()).unwrap();
        let mut append = |at: i64| {
            let now = stamp(NOVEMBER + at, at as u64);
            book.append(&agent, Kind::Report, &now, claims).unwrap().1
        };
        let first: Vec<Sealed> = (0..4).map(&mut append).collect();
        let now = stamp(NOVEMBER + 5, 5);
        let gap = book.declare_missing(&agent, &now, from, to).unwrap();
        assert_eq!(gap, Some(6), "an event stands between");
        assert_eq!(
            word(&book.outgoing(5).unwrap().unwrap().jws),
            "host.logbook-degraded"
        );
        assert!(book.condition().trouble.unwrap().contains("entry 4"));
        // The hub has the first three.
        let ahead = Placement::Ahead { missing: 4..=4 };
        assert_eq!(placed(&book, &first[..3], 5), [ahead, Placement::Accept]);
        assert_eq!(
            book.declare_missing(&agent, &now, from, to).unwrap(),
            Some(6),
            "once"
        );
    }
}

#[test]
fn a_gap_entry_that_cannot_be_read_answers_for_nothing() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    let append = |book: &mut Logbook, at: i64| {
        let now = stamp(NOVEMBER + at, at as u64);
        book.append(&agent, Kind::Report, &now, claims).unwrap().0
    };
    for at in 0..4 {
        append(&mut book, at);
    }
    let now = stamp(NOVEMBER + 5, 5);
    assert_eq!(book.declare_missing(&agent, &now, 2, 2).unwrap(), Some(5));
    append(&mut book, 6);
    assert_eq!(book.declare_missing(&agent, &now, 5, 5).unwrap(), Some(7));
    assert_eq!(book.declare_missing(&agent, &now, 2, 2).unwrap(), Some(8), "anew");
    assert_eq!(book.declare_missing(&agent, &now, 5, 5).unwrap(), Some(7));
    // The same after the program's end, with that line damaged.
    let path = root.path().join("2025-11.log");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&path, text.replace(lines[4], "damaged")).unwrap();
    let mut book = open(root.path()).unwrap();
    assert_eq!(book.declare_missing(&agent, &now, 2, 2).unwrap(), Some(8));
    assert_eq!(book.declare_missing(&agent, &now, 5, 5).unwrap(), Some(7));
}

#[test]
fn the_numbers_between_are_told_as_runs() {
    assert_eq!(absent(1, 6, [2, 5]), [(1, 1), (3, 4), (6, 6)]);
    assert_eq!(absent(2, 4, [1, 2, 3, 4, 5]), []);
    assert_eq!(absent(3, 2, []), []);
    assert_eq!(absent(u64::MAX, u64::MAX, [u64::MAX]), []);
}

#[test]
fn a_step_of_the_clock_is_told_before_the_entry() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    book.append(&agent, Kind::Report, &stamp(NOVEMBER, 1_000), claims)
        .unwrap();
    let year = 365 * 86_400_000;
    book.append(&agent, Kind::Report, &stamp(NOVEMBER + year, 2_000), claims)
        .unwrap();
    drop(book);
    // On the next boot at 1970, by a battery that is empty.
    let mut book = open(root.path()).unwrap();
    let mut boot = stamp(0, 500);
    boot.boot = "c".repeat(32);
    boot.clock = ClockState::Rtc;
    let (seq, sealed) = book.append(&agent, Kind::Report, &boot, claims).unwrap();
    assert_eq!(seq, 5);
    assert_eq!(claims_of::<Value>(&sealed.jws)["clk"], "stepped");
    let all = entries_in(root.path(), &agent, &hub);
    let said: Event = claims_of(&all[1].1);
    assert_eq!(
        (said.kind.as_str(), said.code.as_str()),
        ("clock", "host.clock-stepped")
    );
    assert_eq!(
        (
            &said.params["from_ms"],
            &said.params["to_ms"],
            &said.params["source"]
        ),
        (&json!(NOVEMBER + 1_000), &json!(NOVEMBER + year), &json!("ntp"))
    );
    let said: Event = claims_of(&all[3].1);
    assert_eq!(said.params["to_ms"], 0);
    assert_eq!(read::months(root.path()).unwrap().len(), 2, "1970 opens no month");
}

#[test]
fn a_damaged_line_stays_and_the_chain_goes_on_after_the_newest_entry() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    for at in 0..3 {
        book.append(&agent, Kind::Report, &stamp(NOVEMBER + at, 1000), claims)
            .unwrap();
    }
    let (_, newest) = book.head().unwrap();
    let path = root.path().join("2025-11.log");
    let text = std::fs::read_to_string(&path).unwrap();
    let second = text.lines().nth(1).unwrap();
    let damaged = text.replace(second, "damaged");
    std::fs::write(&path, &damaged).unwrap();

    let mut book = open(root.path()).unwrap();
    assert_eq!(book.head(), Some((3, newest)));
    let (seq, _) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER + 5, 1005), claims)
        .unwrap();
    assert_eq!(seq, 4);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with(&damaged));
    let broken = check(root.path(), agent.verifying(), hub.verifying()).unwrap_err();
    assert_eq!(broken.line, 2, "it is told where it is damaged");
}

#[test]
fn a_kept_challenge_is_answered_unless_a_receipt_came_after_it() {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(root.path()).unwrap();
    book.kept_challenge("plan", 1);
    let (seq, sealed) = book
        .append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
        .unwrap();
    let nonce = |sealed: &Sealed| match read_unverified(sealed.jws.as_bytes()).unwrap() {
        Line::Entry(entry) => serde_json::from_slice::<Value>(&entry.payload).unwrap()["nonce"].clone(),
        Line::Receipt(_) => panic!("an entry"),
    };
    assert_eq!(nonce(&sealed), "plan");
    // The receipt's own challenge, received at 5.
    let (jws, receipt) = receipt(&hub, seq, sealed.hash);
    book.receipt(&jws, &receipt).unwrap();
    for (issued_ms, expected) in [(4, "challenge"), (5, "challenge"), (6, "plan")] {
        let mut book = open(root.path()).unwrap();
        book.kept_challenge("plan", issued_ms);
        let (_, sealed) = book
            .append(&agent, Kind::Report, &stamp(NOVEMBER, 0), claims)
            .unwrap();
        assert_eq!(nonce(&sealed), expected, "issued at {issued_ms}");
    }
}

/// What a report is at least, with a run's name to know it by.
fn report(run: &str, scope: &Value, link: EntryLink) -> Value {
    let mut value = serde_json::to_value(link).unwrap();
    let rest = json!({
        "v": 1, "org": "quang-ninh", "room": "bai-chay", "run": run, "trigger": { "kind": "manual", "meeting": "m-1" },
        "profile": { "id": "quang-ninh", "sha256": "0" }, "scope": scope, "started_ms": 0, "finished_ms": 0,
        "verdict": "unknown", "findings": [], "agent": "0.1.0", "config": "0"
    });
    for (key, part) in rest.as_object().unwrap() {
        value[key] = part.clone();
    }
    value
}

fn found(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    each_report(dir, |found| {
        all.push(match found {
            Found::Report(report) => report.run,
            Found::Damage => "damage".into(),
        });
    })
    .unwrap();
    all
}

#[test]
fn a_damaged_line_blinds_no_reader() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    for run in ["a", "b", "c"] {
        book.append(&agent, Kind::Report, &stamp(NOVEMBER, 0), |link| {
            report(run, &Value::Null, link)
        })
        .unwrap();
    }
    let path = root.path().join("2025-11.log");
    let text = std::fs::read_to_string(&path).unwrap();
    let second = text.lines().nth(1).unwrap();
    std::fs::write(&path, text.replace(second, "damaged")).unwrap();

    assert_eq!(found(root.path()), ["a", "damage", "c"]);
    assert_eq!(last_full_report(root.path()).unwrap().unwrap().run, "c");
    let runs = runs_for(root.path(), "m-1").unwrap();
    assert_eq!(runs.len(), 1, "what is older than the damage is not carried from");
    assert_eq!(runs[0].run, "c");
    assert!(runs_for(root.path(), "m-2").unwrap().is_empty());
    let seqs = |range, bytes| {
        let Texts { found, rest } = texts(root.path(), &nobody(), range, bytes).unwrap();
        (found.into_iter().map(|(seq, ..)| seq).collect::<Vec<_>>(), rest)
    };
    assert_eq!(seqs(1..=9, 1 << 20), (vec![1, 3], None));
    assert_eq!(
        seqs(1..=9, 1),
        (vec![1], Some(3..=9)),
        "at least one, then the rest"
    );
    assert_eq!(seqs(3..=9, 1), (vec![3], None));
    let listed = list(root.path()).unwrap();
    assert_eq!(listed.entries.len(), 2);
    assert_eq!(listed.broken.unwrap().line, 2);
}

#[test]
fn the_clock_reads_two_months_and_the_last_full_run_is_found_from_the_newest_back() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let mut book = open(root.path()).unwrap();
    let day = 86_400_000;
    for (run, wall_ms, scope) in [
        ("sep", NOVEMBER - 60 * day, Value::Null),
        ("oct", NOVEMBER - 30 * day, Value::Null),
        ("nov", NOVEMBER, json!(["codec"])),
    ] {
        book.append(&agent, Kind::Report, &stamp(wall_ms, 0), |link| {
            report(run, &scope, link)
        })
        .unwrap();
    }
    assert_eq!(found(root.path()), ["oct", "nov"]);
    assert_eq!(last_full_report(root.path()).unwrap().unwrap().run, "oct");
    // What is older is not even opened.
    std::fs::write(root.path().join("2025-09.log"), "damaged\n").unwrap();
    assert_eq!(found(root.path()), ["oct", "nov"]);
}
