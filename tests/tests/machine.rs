//! What can be wrong with the box itself while a check is made: another check, Ctrl-C, a full disk, a directory that cannot be
//! written, a secret that cannot be read. Each ends with a sentence, and what could be measured is still told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::Result;
use bridgepoint_protocol::claims::Report;
use bridgepoint_tests::rig::PATIENCE;
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::process::{Process, run, succeed};
use bridgepoint_tests::rig::room::{Room, open_to_all};
use rustix::process::Signal;

#[test]
fn one_check_at_a_time_and_ctrl_c_ends_it_with_what_is_known() -> Result<()> {
    let mut room = Room::new()?;
    // A codec that drips one byte a second holds the first check until it is interrupted.
    room.sim.fault("codec", "drip", true)?;
    let first = Process::start(
        "the first check",
        &room.agent.command(&["check", "--lang", "en"])?,
    )?;
    first.stderr_until("Asking the codec", PATIENCE)?;

    let second = room.agent.run(&["check", "--json"])?;
    assert_eq!(
        (second.code, second.stdout.as_str()),
        (70, ""),
        "{}",
        second.stderr
    );
    let state = room.agent.state().display().to_string();
    assert!(
        second.stderr.contains("another bridgepoint-agent") && second.stderr.contains(&state),
        "it says who holds what: {}",
        second.stderr
    );

    first.stderr_until("Storage of the box", PATIENCE)?;
    first.signal(Signal::INT)?;
    let title = first.stdout_line(PATIENCE)?;
    assert_eq!(title, "UBND phường Bãi Cháy", "what is known is still told");
    assert_eq!(first.ended(PATIENCE)?, 130);

    let rows: Vec<serde_json::Value> =
        serde_json::from_str(&room.agent.run(&["logbook", "list", "--json"])?.stdout)?;
    assert_eq!(rows.len(), 1);
    let report: Report = serde_json::from_value(rows[0]["claims"].clone())?;
    let reachable = report
        .findings
        .iter()
        .find(|f| f.check == "codec.reachable")
        .unwrap();
    assert_eq!(
        (reachable.status().word(), reachable.code.as_str()),
        ("unknown", "cancelled")
    );
    let disk = report.findings.iter().find(|f| f.check == "host.disk").unwrap();
    assert!(disk.value.is_some(), "{disk:?}");
    assert_eq!(room.agent.run(&["logbook", "verify"])?.code, 0);
    // The directory is free again.
    room.sim.fault("codec", "drip", false)?;
    assert_eq!(room.agent.run(&["check"])?.code, 0);
    Ok(())
}

#[test]
fn a_full_disk_takes_the_logbook_and_not_the_result() -> Result<()> {
    let room = Room::new()?;
    assert_eq!(room.agent.run(&["check"])?.code, 0);
    let before = room.agent.lines()?;
    // No file may grow beyond 512 bytes: to the program that is a disk without space, for root too.
    let full = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let output = room.shell(full, &["check", "--json"])?;
    let report: Report = serde_json::from_str(&output.stdout)?;
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(
        output.stderr.contains("cannot be written") && output.stderr.contains("logbook"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("free space"),
        "what to do: {}",
        output.stderr
    );
    let logbook = report
        .findings
        .iter()
        .find(|f| f.check == "host.logbook")
        .unwrap();
    assert_eq!(
        (logbook.status().word(), logbook.code.as_str()),
        ("fail", "host.logbook-write")
    );
    let awake = report.findings.iter().find(|f| f.check == "codec.awake").unwrap();
    assert_eq!(
        awake.status().word(),
        "pass",
        "the room's own state is still told"
    );
    let plain = room.shell(full, &["check"])?;
    assert_eq!(plain.code, 2);
    assert!(plain.stdout.contains("Codec switched on"), "{}", plain.stdout);

    assert_eq!(room.agent.lines()?[..1], before[..], "what stood in it stands");
    let after = room.agent.check(&[])?;
    assert_eq!(
        (after.code, after.report.link.seq),
        (0, 2),
        "the number was not used up: {}",
        after.stderr
    );
    assert_eq!(room.agent.run(&["logbook", "verify"])?.code, 0);
    Ok(())
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named() -> Result<()> {
    let room = Room::new()?;
    let file = room.dir.path().join("file");
    fs::write(&file, "")?;
    let program = room.agent.command(&[])?.get_program().to_owned();
    let config = room.agent.config().to_owned();
    for state in [
        file.join("state"),
        file.clone(),
        "/dev/full".into(),
        "/proc/bridgepoint".into(),
    ] {
        let output = run(Command::new(&program)
            .args(["check", "--lang", "en", "--config"])
            .arg(&config)
            .arg("--state")
            .arg(&state))?;
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (70, ""),
            "{}: {}",
            state.display(),
            output.stderr
        );
        assert!(
            output.stderr.contains(&state.display().to_string()) && output.stderr.contains("--state"),
            "{}: {}",
            state.display(),
            output.stderr
        );
    }
    Ok(())
}

#[test]
fn a_state_directory_of_somebody_else_is_named() -> Result<()> {
    let room = Room::new()?;
    fs::create_dir(room.agent.state())?;
    let mut command = if succeed(Command::new("id").arg("-u"))?.trim() == "0" {
        // Root may write everywhere, so this check is made as nobody.
        for path in [
            room.dir.path(),
            &room.dir.path().join("agent"),
            room.agent.state(),
        ] {
            open_to_all(path)?;
        }
        let inner = room.agent.command(&["check", "--lang", "en"])?;
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(inner.get_program())
            .args(inner.get_args());
        command
    } else {
        fs::set_permissions(room.agent.state(), fs::Permissions::from_mode(0o555))?;
        room.agent.command(&["check", "--lang", "en"])?
    };
    let output = run(&mut command)?;
    fs::set_permissions(room.agent.state(), fs::Permissions::from_mode(0o755))?;
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (70, ""),
        "{}",
        output.stderr
    );
    let state = room.agent.state().display().to_string();
    for word in [state.as_str(), "Permission denied", "--state"] {
        assert!(output.stderr.contains(word), "{word}: {}", output.stderr);
    }
    Ok(())
}

#[test]
fn a_key_that_others_can_read_is_not_used() -> Result<()> {
    let room = Room::new()?;
    assert_eq!(room.agent.run(&["key", "init"])?.code, 0);
    let key = room.agent.state().join("key.pk8");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    let output = room.agent.run(&["check"])?;
    assert_eq!((output.code, output.stdout.as_str()), (70, ""));
    assert!(
        output.stderr.contains(&format!("chmod 600 {}", key.display())),
        "{}",
        output.stderr
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let broken = fs::read(&key)?.iter().map(|byte| !byte).collect::<Vec<u8>>();
    fs::write(&key, &broken)?;
    let output = room.agent.run(&["check"])?;
    assert_eq!((output.code, output.stdout.as_str()), (70, ""));
    assert!(output.stderr.contains("do not delete it"), "{}", output.stderr);
    assert_eq!(fs::read(&key)?, broken, "it is not replaced");
    Ok(())
}

#[test]
fn a_password_file_that_cannot_be_read_is_named_and_costs_the_codec_only() -> Result<()> {
    let mut room = Room::new()?;
    room.sim.fault("codec", "login-refused", true)?;
    let secret = room.dir.path().join("codec.password");
    let address = room.sim.address("codec")?.replace("tcp://", "tcp://probe@");
    let config = small_room("bai-chay", &address, None).replace(
        "[codec]\n",
        &format!("[codec]\npassword_file = \"{}\"\n", secret.display()),
    );
    let agent = Agent::new(&room.dir.path().join("agent"), &config)?;
    let status = |report: &Report, id: &str| -> String {
        let finding = report.findings.iter().find(|f| f.check == id).unwrap();
        format!("{} {}", finding.status().word(), finding.code)
    };
    // Absent, then a directory: nobody can read that, root neither.
    for unreadable in 0..2 {
        if unreadable == 1 {
            fs::create_dir(&secret)?;
        }
        let check = agent.check(&[])?;
        assert!(
            check.stderr.contains(&secret.display().to_string()),
            "{}",
            check.stderr
        );
        assert_eq!(check.code, 3, "{:?}", check.report.findings);
        assert!(
            status(&check.report, "codec.reachable").starts_with("unknown "),
            "{:?}",
            check.report.findings
        );
        assert_eq!(status(&check.report, "host.logbook"), "pass ok");
    }
    fs::remove_dir(&secret)?;
    fs::write(&secret, "a-very-secret-word\n")?;
    let check = agent.check(&[])?;
    assert_eq!(
        status(&check.report, "codec.reachable"),
        "unknown codec.login-refused"
    );
    let said = format!("{}{}", serde_json::to_string(&check.report)?, check.stderr);
    assert!(!said.contains("a-very-secret-word"), "a secret is never repeated");
    Ok(())
}
