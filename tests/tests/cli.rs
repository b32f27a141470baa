//! The agent's command line as the contract fixes it, driven as a person or a script drives it: exit codes, what goes to
//! which output, the key, the state directory, the configuration. What it keeps is in `keeps.rs`, wrong usage and
//! configuration in `wrong.rs`, what is wrong with the machine in `machine.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use bridgepoint_protocol::text::{self, Lang};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::process::run;
use bridgepoint_tests::rig::room::Room;
use bridgepoint_tests::scenario::prove_clean;
use serde_json::Value;

/// The claims inside an envelope, without looking at its signature.
fn claims(jws: &str) -> Result<Value> {
    let middle = jws.split('.').nth(1).context("no envelope")?;
    Ok(serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(middle)?,
    )?)
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
    assert_eq!(
        (check.code, check.report.claimed_verdict().word()),
        (3, "unknown")
    );
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
    assert_eq!(
        output.stdout.matches('\n').count(),
        1,
        "one line: {}",
        output.stdout
    );
    let lines = room.agent.lines()?;
    assert_eq!(lines.len(), 1);
    assert_eq!(claims(&lines[0])?, report, "printed as it was signed");
    for key in [
        "v",
        "org",
        "room",
        "run",
        "boot",
        "seq",
        "prev",
        "witness",
        "nonce",
        "iat",
        "mono_ms",
        "clk",
        "trigger",
        "profile",
        "scope",
        "started_ms",
        "finished_ms",
        "verdict",
        "findings",
        "duty",
        "attested",
        "agent",
        "config",
    ] {
        assert!(report.get(key).is_some(), "the report has no {key}");
    }
    let scoped = room
        .agent
        .check(&["--only", "codec.awake,host", "--meeting", "m-1"])?;
    assert_eq!(
        scoped.report.scope.as_ref().map(|s| s.0.as_slice()),
        Some(&["codec.awake".to_owned(), "host".to_owned()][..])
    );
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
    for command in [
        &["status", "--json"][..],
        &["logbook", "list", "--json"],
        &["baseline", "show", "--json"],
        &["key", "show", "--json"],
    ] {
        let output = room.agent.run(command)?;
        let _document: Value = serde_json::from_str(&output.stdout)
            .with_context(|| format!("{command:?}: {}", output.stdout))?;
    }
    Ok(())
}

#[test]
fn the_result_goes_to_standard_output_and_progress_to_standard_error() -> Result<()> {
    let room = Room::new()?;
    let output = room.agent.run(&["check", "--lang", "en"])?;
    assert!(output.stderr.contains("Asking the codec"), "{}", output.stderr);
    assert!(!output.stdout.contains("Asking the codec"), "{}", output.stdout);
    assert!(
        output.stdout.starts_with("UBND phường Bãi Cháy\n"),
        "{}",
        output.stdout
    );
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
    assert!(
        shown.stdout.contains('\u{1b}'),
        "a terminal gets colour: {}",
        shown.stdout
    );
    Ok(())
}

#[test]
fn whoever_has_read_enough_does_not_break_the_check() -> Result<()> {
    let room = Room::new()?;
    // Standard output is a pipe that nobody reads any more when the result comes.
    let output = room.shell("{ \"$@\"; echo \"exit $?\" >&2; } | true", &["check"])?;
    assert!(output.stderr.contains("exit 0"), "{}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    // A full disk behind standard output is told: the caller has no result.
    let output = room.shell("\"$@\" >/dev/full", &["check", "--json"])?;
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
    assert!(
        first.stdout.contains(&fingerprint),
        "{} / {fingerprint}",
        first.stdout
    );
    let mut private = 0;
    for file in fs::read_dir(agent.state())? {
        let file = file?;
        assert_eq!(
            file.metadata()?.permissions().mode() & 0o777 & !0o700,
            0,
            "{:?}",
            file.path()
        );
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
    assert_eq!(
        run(command.env("BRIDGEPOINT_STATE", dir.path().join("other")))?.code,
        0
    );
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
    for expected in [
        &agent.config().display().to_string(),
        "quang-ninh/bai-chay",
        "codec.reachable",
        "host.disk",
    ] {
        assert!(output.stdout.contains(expected), "{expected}: {}", output.stdout);
    }
    assert!(!agent.state().exists(), "it writes nothing");
    Ok(())
}
