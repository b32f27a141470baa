//! What the box keeps, as the command line shows it: the logbook, single entries and months under `verify`, and the accepted
//! rehearsal with which later checks are compared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::room::{Room, with_another};
use bridgepoint_tests::rig::sim::Sim;
use serde_json::Value;

/// The same line with another character in the middle of its claims.
fn damaged(line: &str) -> String {
    with_another(line, line.len() / 2)
}

#[test]
fn verify_says_whether_an_entry_or_a_month_holds() -> Result<()> {
    let room = Room::new()?;
    for _ in 0..3 {
        room.agent.check(&["--only", "codec.awake"])?;
    }
    let lines = room.agent.lines()?;
    assert_eq!(lines.len(), 3);
    let verify = |path: &PathBuf, more: &[&str]| -> Result<_> {
        let path = path.display().to_string();
        let args: Vec<&str> = ["verify", "--lang", "en", &path]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        room.agent.run(&args)
    };
    let one = room.file("one.jws", &lines[1])?;
    let one_with_end = room.file("one-line.jws", &format!("{}\n", lines[1]))?;
    let month = room.agent.months()?.remove(0);
    for good in [&one, &one_with_end, &month] {
        let output = verify(good, &[])?;
        assert_eq!(
            output.code,
            0,
            "{}: {}{}",
            good.display(),
            output.stdout,
            output.stderr
        );
        assert!(
            output.stdout.contains(&good.display().to_string()),
            "{}",
            output.stdout
        );
    }
    let bad_one = room.file("bad.jws", &damaged(&lines[1]))?;
    assert_eq!(verify(&bad_one, &[])?.code, 1);
    let bad_month = room.file(
        "bad-month.log",
        &format!("{}\n{}\n{}\n", lines[0], damaged(&lines[1]), lines[2]),
    )?;
    let output = verify(&bad_month, &[])?;
    assert_eq!(output.code, 1, "{}", output.stdout);
    assert!(
        output.stdout.contains("line 2"),
        "it names the line: {}",
        output.stdout
    );
    let left_out = room.file("left-out.log", &format!("{}\n{}\n", lines[0], lines[2]))?;
    let output = verify(&left_out, &[])?;
    assert_eq!(
        output.code, 1,
        "a missing entry breaks the chain: {}",
        output.stdout
    );
    assert!(output.stdout.contains("line 2"), "{}", output.stdout);
    let swapped = room.file(
        "swapped.log",
        &format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]),
    )?;
    assert_eq!(verify(&swapped, &[])?.code, 1);
    let rubbish = room.file("rubbish", "no envelope")?;
    assert_eq!(verify(&rubbish, &[])?.code, 1);
    let empty = room.file("empty", "")?;
    assert_eq!(verify(&empty, &[])?.code, 1);

    // Elsewhere, with the public key alone.
    let key = room.file("box.jwk", &room.agent.run(&["key", "show", "--json"])?.stdout)?;
    let stranger = Agent::new(
        &room.dir.path().join("stranger"),
        &small_room("cua-ong", "tcp://127.0.0.1:9", None),
    )?;
    stranger.run(&["key", "init"])?;
    let (month, key) = (month.display().to_string(), key.display().to_string());
    assert_eq!(
        stranger.run(&["verify", &month])?.code,
        1,
        "a stranger's key verifies nothing"
    );
    let output = stranger.run(&["verify", &month, "--key", &key])?;
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);

    let missing = room.dir.path().join("missing").display().to_string();
    let output = room.agent.run(&["verify", &missing])?;
    assert!(
        output.code > 1,
        "a missing file is no broken one: {}",
        output.code
    );
    assert!(output.stderr.contains(&missing), "{}", output.stderr);
    Ok(())
}

#[test]
fn the_logbook_is_listed_and_verified_and_is_kept_when_broken() -> Result<()> {
    let room = Room::new()?;
    let output = room.agent.run(&["logbook", "list", "--lang", "en"])?;
    assert_eq!(output.code, 0, "an empty logbook is no fault: {}", output.stderr);
    room.agent.check(&["--only", "codec.awake"])?;
    room.agent.check(&["--only", "codec.awake"])?;
    let rows: Vec<Value> = serde_json::from_str(&room.agent.run(&["logbook", "list", "--json"])?.stdout)?;
    let seqs: Vec<u64> = rows.iter().filter_map(|row| row["seq"].as_u64()).collect();
    assert_eq!(seqs, [1, 2]);
    assert_eq!(rows[1]["claims"]["verdict"], "ready");
    let list = room.agent.run(&["logbook", "list", "--lang", "en"])?;
    assert_eq!(list.stdout.lines().count(), 2, "{}", list.stdout);
    let book = room.agent.run(&["logbook", "verify", "--lang", "en"])?;
    assert_eq!(book.code, 0, "{}", book.stdout);

    let month = room.agent.months()?.remove(0);
    let lines = room.agent.lines()?;
    let broken = format!("{}\n{}\n", damaged(&lines[0]), lines[1]);
    fs::write(&month, &broken)?;
    let book = room.agent.run(&["logbook", "verify", "--lang", "en"])?;
    assert_eq!(book.code, 1, "{}", book.stdout);
    assert!(
        book.stdout.contains('1') && book.stderr.contains("line 1"),
        "{}{}",
        book.stdout,
        book.stderr
    );
    // What can be read is listed, then it is said where the rest stands.
    let listed = room.agent.run(&["logbook", "list", "--json"])?;
    let rows: Vec<Value> = serde_json::from_str(&listed.stdout)?;
    assert_eq!((rows.len(), &rows[0]["seq"]), (1, &2.into()));
    assert_eq!(listed.code, 70);
    assert!(listed.stderr.contains("line 1"), "{}", listed.stderr);
    let listed = room.agent.run(&["logbook", "list"])?;
    assert_eq!((listed.stdout.lines().count(), listed.code), (1, 70));
    let check = room.agent.check(&["--only", "host.logbook"])?;
    let finding = &check.report.findings[0];
    assert_eq!(
        finding.status().word(),
        "fail",
        "a check finds it too: {finding:?}"
    );
    assert!(
        fs::read_to_string(&month)?.starts_with(&broken),
        "nothing of it is written over"
    );
    Ok(())
}

#[test]
fn a_torn_last_line_is_a_power_cut_and_no_damage() -> Result<()> {
    let room = Room::new()?;
    room.agent.check(&["--only", "codec.awake"])?;
    let month = room.agent.months()?.remove(0);
    let whole = fs::read_to_string(&month)?;
    fs::write(&month, format!("{whole}{}", &whole[..whole.len() / 3]))?;
    let check = room.agent.check(&["--only", "codec.awake"])?;
    assert_eq!((check.code, check.report.link.seq), (0, 2), "{}", check.stderr);
    assert!(fs::read_to_string(&month)?.starts_with(&whole));
    assert_eq!(room.agent.run(&["logbook", "verify"])?.code, 0);
    Ok(())
}

#[test]
fn a_rehearsal_is_accepted_with_a_name_and_then_compared() -> Result<()> {
    let mut room = Room::new()?;
    let none = room.agent.run(&["baseline", "show", "--json"])?;
    assert_eq!((none.code, none.stdout.trim()), (0, "null"));
    let early = room.agent.run(&["baseline", "accept", "--allowed-by", "Bà Hà"])?;
    assert_eq!(early.code, 70, "there is nothing to accept: {}", early.stdout);
    assert!(early.stderr.contains("check first"), "{}", early.stderr);

    room.agent.check(&[])?;
    assert_eq!(
        room.agent.run(&["baseline", "accept"])?.code,
        64,
        "R20: never without the one who allowed it"
    );
    let accepted = room
        .agent
        .run(&["baseline", "accept", "--by", "Ông Nam", "--allowed-by", "Bà Hà"])?;
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    let shown = room.agent.run(&["baseline", "show", "--lang", "en"])?;
    assert!(shown.stdout.contains("Bà Hà"), "{}", shown.stdout);
    let kept: Value = serde_json::from_str(&room.agent.run(&["baseline", "show", "--json"])?.stdout)?;
    assert_eq!(kept["by"], "Ông Nam");
    assert_eq!(kept["allowed_by"], "Bà Hà");
    let rows: Vec<Value> = serde_json::from_str(&room.agent.run(&["logbook", "list", "--json"])?.stdout)?;
    let attest = rows.last().context("an entry")?;
    assert_eq!(
        attest["claims"]["by"], "Ông Nam",
        "it stands in the logbook: {attest}"
    );
    assert_eq!(attest["claims"]["allowed_by"], "Bà Hà");

    let found = |agent: &Agent, id: &str| -> Result<String> {
        let report = agent.check(&[])?.report;
        let finding = report
            .findings
            .iter()
            .find(|f| f.check == id)
            .context(id.to_owned())?;
        Ok(format!("{} {}", finding.status().word(), finding.code))
    };
    assert_eq!(found(&room.agent, "baseline.changed")?, "pass ok");
    assert_eq!(found(&room.agent, "codec.display")?, "pass ok");
    // The configuration does not say how many screens there are; the rehearsal does.
    room.sim.fault("codec", "display-missing", true)?;
    assert_eq!(found(&room.agent, "codec.display")?, "fail codec.display-missing");

    // Another codec of the same kind stands in the room.
    let other = Sim::start(
        &room.dir.path().join("other"),
        "[room]\nseed = 7\n[codec]\nkind = \"cisco\"\nlisten = \"127.0.0.1:0\"\n[codec.status]\n\"SystemUnit Hardware Module SerialNumber\" = \"FTT99999999\"\n",
    )?;
    let agent = Agent::new(
        &room.dir.path().join("agent"),
        &small_room("bai-chay", other.address("codec")?, None),
    )?;
    assert_eq!(found(&agent, "baseline.changed")?, "warn baseline.replaced");
    Ok(())
}
