//! The agent's command line as the contract fixes it, driven as a person or a script drives it: exit codes, what goes
//! to which output, the key, the logbook, `verify`, the rehearsal.
//!
//! What is wrong with the usage or the configuration is in `wrong.rs`, what is wrong with the machine in `machine.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)] // a test file

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use bridgepoint_protocol::text::{self, Lang};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::process::run;
use bridgepoint_tests::rig::sim::Sim;
use bridgepoint_tests::scenario::{self, prove_clean};
use serde_json::Value;
use tempfile::TempDir;

/// A room with a simulated codec, and its box.
struct Room {
    dir: TempDir,
    sim: Sim,
    agent: Agent,
}

impl Room {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let sim = Sim::start(
            &dir.path().join("sim"),
            &fs::read_to_string(scenario::folder().join("sim.toml"))?,
        )?;
        let agent = Agent::new(
            &dir.path().join("agent"),
            &small_room("bai-chay", sim.address("codec")?, None),
        )?;
        Ok(Self { dir, sim, agent })
    }

    /// A file beside the box, with this text.
    fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// The claims inside an envelope, without looking at its signature.
fn claims(jws: &str) -> Result<Value> {
    let middle = jws.split('.').nth(1).context("no envelope")?;
    Ok(serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(middle)?,
    )?)
}

/// The same line with another character in the middle of its claims.
fn damaged(line: &str) -> String {
    let at = line.len() / 2;
    let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &line[..at], &line[at + 1..])
}

#[test]
fn the_exit_code_is_the_verdict() -> Result<()> {
    let mut room = Room::new()?;
    let cases = [
        (None, 0, "ready"),
        (Some("in-call"), 1, "degraded"),
        (Some("standby"), 2, "not-ready"),
    ];
    for (fault, code, verdict) in cases {
        if let Some(fault) = fault {
            room.sim.fault("codec", fault, true)?;
        }
        let check = room.agent.check(&[])?;
        assert_eq!(
            (check.code, check.report.claimed_verdict().word()),
            (code, verdict),
            "{fault:?}: {:?}",
            check.report.findings
        );
        let plain = room.agent.run(&["check", "--lang", "en"])?;
        assert_eq!(plain.code, code, "{fault:?}: {}", plain.stdout);
        let headline = text::verdict(Lang::En, check.report.claimed_verdict()).to_uppercase();
        let second = plain.stdout.lines().nth(1).unwrap_or_default().to_uppercase();
        assert!(second.contains(&headline), "{fault:?}: {}", plain.stdout);
        // The last result is shown with the same code.
        assert_eq!(room.agent.run(&["status"])?.code, code);
        if let Some(fault) = fault {
            room.sim.fault("codec", fault, false)?;
        }
    }
    // What the room must have and nobody has configured is not known to be well.
    let empty = Agent::new(
        &room.dir.path().join("empty"),
        "[room]\nid = \"cua-ong\"\norg = \"quang-ninh\"\nname = \"Cửa Ông\"\n",
    )?;
    let check = empty.check(&[])?;
    assert_eq!((check.code, check.report.claimed_verdict().word()), (3, "unknown"));
    assert_eq!(empty.run(&["check"])?.code, 3);
    prove_clean(&mut room.sim)
}

#[test]
fn json_is_one_document_and_nothing_else_and_is_what_was_signed() -> Result<()> {
    let room = Room::new()?;
    let output = run(room
        .agent
        .command(&["check", "--json"])?
        .env("BRIDGEPOINT_LOG", "debug"))?;
    let report: Value = serde_json::from_str(&output.stdout).context("one JSON document")?;
    assert_eq!(output.stdout.matches('\n').count(), 1, "one line: {}", output.stdout);
    let lines = room.agent.lines()?;
    assert_eq!(lines.len(), 1);
    assert_eq!(claims(&lines[0])?, report, "printed as it was signed");
    for key in [
        "v", "org", "room", "run", "boot", "seq", "prev", "witness", "nonce", "iat", "mono_ms", "clk", "trigger",
        "profile", "scope", "started_ms", "finished_ms", "verdict", "findings", "duty", "attested", "agent", "config",
    ] {
        assert!(report.get(key).is_some(), "the report has no {key}");
    }
    let scoped = room.agent.check(&["--only", "codec.awake,host", "--meeting", "m-1"])?;
    assert_eq!(scoped.report.scope.as_ref().map(|s| s.0.as_slice()), Some(&["codec.awake".to_owned(), "host".to_owned()][..]));
    assert_eq!(scoped.report.trigger.meeting.as_deref(), Some("m-1"));
    assert!(
        scoped
            .report
            .findings
            .iter()
            .all(|f| f.check == "codec.awake" || f.check.starts_with("host.")),
        "{:?}",
        scoped.report.findings
    );
    for command in [&["status", "--json"][..], &["logbook", "list", "--json"], &["baseline", "show", "--json"], &["key", "show", "--json"]] {
        let output = room.agent.run(command)?;
        let _document: Value =
            serde_json::from_str(&output.stdout).with_context(|| format!("{command:?}: {}", output.stdout))?;
    }
    Ok(())
}

#[test]
fn the_result_goes_to_standard_output_and_progress_to_standard_error() -> Result<()> {
    let room = Room::new()?;
    let output = room.agent.run(&["check", "--lang", "en"])?;
    assert!(output.stderr.contains("Asking the codec"), "{}", output.stderr);
    assert!(!output.stdout.contains("Asking the codec"), "{}", output.stdout);
    assert!(output.stdout.starts_with("UBND phường Bãi Cháy\n"), "{}", output.stdout);
    for (name, text) in [("output", &output.stdout), ("error", &output.stderr)] {
        assert!(
            !text.contains('\u{1b}') && !text.contains('\r'),
            "a pipe gets no colour on standard {name}: {text}"
        );
    }
    // `script` is part of Debian's base: it runs the same command with a terminal.
    let command = room.agent.command(&["check", "--lang", "en"])?;
    let typed: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let shown = run(Command::new("script")
        .args(["-qec", &typed.join(" "), "/dev/null"])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR"))?;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.contains('\u{1b}'), "a terminal gets colour: {}", shown.stdout);
    Ok(())
}

#[test]
fn whoever_has_read_enough_does_not_break_the_check() -> Result<()> {
    let room = Room::new()?;
    let check = room.agent.command(&["check"])?;
    let typed: Vec<String> = std::iter::once(check.get_program())
        .chain(check.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // Standard output is a pipe that nobody reads any more when the result comes.
    let output = run(Command::new("sh").args([
        "-c",
        &format!("{{ {}; echo \"exit $?\" >&2; }} | true", typed.join(" ")),
    ]))?;
    assert!(output.stderr.contains("exit 0"), "{}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    // A full disk behind standard output is told: the caller has no result.
    let output = run(Command::new("sh").args(["-c", &format!("{} --json >/dev/full", typed.join(" "))]))?;
    assert_eq!(output.code, 70, "{}", output.stderr);
    assert!(output.stderr.contains("standard output"), "{}", output.stderr);
    Ok(())
}

#[test]
fn the_key_is_made_once_and_is_private() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = Agent::new(dir.path(), &small_room("bai-chay", "tcp://127.0.0.1:9", None))?;
    let none = agent.run(&["key", "show"])?;
    assert_eq!((none.code, none.stdout.as_str()), (70, ""), "{}", none.stderr);
    assert!(none.stderr.contains("key init"), "{}", none.stderr);
    let first = agent.run(&["key", "init", "--lang", "en"])?;
    let second = agent.run(&["key", "init", "--lang", "en"])?;
    assert_eq!((first.code, second.code), (0, 0));
    assert_eq!(first.stdout, second.stdout, "the same fingerprint");
    let fingerprint = agent.fingerprint()?;
    assert!(first.stdout.contains(&fingerprint), "{} / {fingerprint}", first.stdout);
    let mut private = 0;
    for file in fs::read_dir(agent.state())? {
        let file = file?;
        assert_eq!(file.metadata()?.permissions().mode() & 0o777 & !0o700, 0, "{:?}", file.path());
        private += 1;
    }
    assert!(private > 0);
    assert_eq!(fs::metadata(agent.state())?.permissions().mode() & 0o777, 0o700);
    let jwk: Value = serde_json::from_str(&agent.run(&["key", "show", "--json"])?.stdout)?;
    assert_eq!(jwk["kty"], "OKP");
    assert_eq!(jwk["crv"], "Ed25519");
    assert!(jwk.get("d").is_none(), "the private part is never shown: {jwk}");
    Ok(())
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
        let args: Vec<&str> = ["verify", "--lang", "en", &path].into_iter().chain(more.iter().copied()).collect();
        room.agent.run(&args)
    };
    let one = room.file("one.jws", &lines[1])?;
    let one_with_end = room.file("one-line.jws", &format!("{}\n", lines[1]))?;
    let month = room.agent.months()?.remove(0);
    for good in [&one, &one_with_end, &month] {
        let output = verify(good, &[])?;
        assert_eq!(output.code, 0, "{}: {}{}", good.display(), output.stdout, output.stderr);
        assert!(output.stdout.contains(&good.display().to_string()), "{}", output.stdout);
    }
    let bad_one = room.file("bad.jws", &damaged(&lines[1]))?;
    assert_eq!(verify(&bad_one, &[])?.code, 1);
    let bad_month = room.file(
        "bad-month.log",
        &format!("{}\n{}\n{}\n", lines[0], damaged(&lines[1]), lines[2]),
    )?;
    let output = verify(&bad_month, &[])?;
    assert_eq!(output.code, 1, "{}", output.stdout);
    assert!(output.stdout.contains("line 2"), "it names the line: {}", output.stdout);
    let left_out = room.file("left-out.log", &format!("{}\n{}\n", lines[0], lines[2]))?;
    let output = verify(&left_out, &[])?;
    assert_eq!(output.code, 1, "a missing entry breaks the chain: {}", output.stdout);
    assert!(output.stdout.contains("line 2"), "{}", output.stdout);
    let swapped = room.file("swapped.log", &format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]))?;
    assert_eq!(verify(&swapped, &[])?.code, 1);
    let rubbish = room.file("rubbish", "no envelope")?;
    assert_eq!(verify(&rubbish, &[])?.code, 1);
    let empty = room.file("empty", "")?;
    assert_eq!(verify(&empty, &[])?.code, 1);

    // Elsewhere, with the public key alone.
    let key = room.file("box.jwk", &room.agent.run(&["key", "show", "--json"])?.stdout)?;
    let stranger = Agent::new(&room.dir.path().join("stranger"), &small_room("cua-ong", "tcp://127.0.0.1:9", None))?;
    stranger.run(&["key", "init"])?;
    let (month, key) = (month.display().to_string(), key.display().to_string());
    assert_eq!(stranger.run(&["verify", &month])?.code, 1, "a stranger's key verifies nothing");
    let output = stranger.run(&["verify", &month, "--key", &key])?;
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);

    let missing = room.dir.path().join("missing").display().to_string();
    let output = room.agent.run(&["verify", &missing])?;
    assert!(output.code > 1, "a missing file is no broken one: {}", output.code);
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
    assert!(book.stdout.contains('1') && book.stderr.contains("line 1"), "{}{}", book.stdout, book.stderr);
    let check = room.agent.check(&["--only", "host.logbook"])?;
    let finding = &check.report.findings[0];
    assert_eq!(finding.status().word(), "fail", "a check finds it too: {finding:?}");
    assert!(fs::read_to_string(&month)?.starts_with(&broken), "nothing of it is written over");
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
    assert_eq!(attest["claims"]["by"], "Ông Nam", "it stands in the logbook: {attest}");
    assert_eq!(attest["claims"]["allowed_by"], "Bà Hà");

    let found = |agent: &Agent, id: &str| -> Result<String> {
        let report = agent.check(&[])?.report;
        let finding = report.findings.iter().find(|f| f.check == id).context(id.to_owned())?;
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
    let agent = Agent::new(&room.dir.path().join("agent"), &small_room("bai-chay", other.address("codec")?, None))?;
    assert_eq!(found(&agent, "baseline.changed")?, "warn baseline.replaced");
    Ok(())
}

#[test]
fn the_state_directory_can_be_named_by_the_environment() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = Agent::new(dir.path(), &small_room("bai-chay", "tcp://127.0.0.1:9", None))?;
    let named = dir.path().join("from-environment");
    let mut command = Command::new(agent.command(&[])?.get_program());
    command
        .args(["key", "init", "--config"])
        .arg(agent.config())
        .env("BRIDGEPOINT_STATE", &named);
    assert_eq!(run(&mut command)?.code, 0);
    assert!(named.join("key.pk8").is_file());
    assert!(!agent.state().exists());
    // What is said on the command line counts more.
    let mut command = agent.command(&["key", "init"])?;
    assert_eq!(run(command.env("BRIDGEPOINT_STATE", dir.path().join("other")))?.code, 0);
    assert!(agent.state().join("key.pk8").is_file());
    assert!(!dir.path().join("other").exists());
    Ok(())
}

#[test]
fn the_configuration_can_be_checked_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = Agent::new(dir.path(), &small_room("bai-chay", "tcp://127.0.0.1:9", None))?;
    let output = agent.run(&["config", "check", "--lang", "en"])?;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    for expected in [&agent.config().display().to_string(), "quang-ninh/bai-chay", "codec.reachable", "host.disk"] {
        assert!(output.stdout.contains(expected), "{expected}: {}", output.stdout);
    }
    assert!(!agent.state().exists(), "it writes nothing");
    Ok(())
}
