//! A room on serial lines, by the real agent: a codec's console that asks who is there, two cameras one behind the
//! other, one camera on TCP; and what happens when a port is somebody else's or not there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use bridgepoint_protocol::claims::{Report, Status};
use bridgepoint_tests::rig::process::run;
use bridgepoint_tests::scenario::{Stage, prove_clean};
use bridgepoint_tests::sim::spec::Through;

const DEVICES: &str = "codec,camera";

fn stage() -> Result<(tempfile::TempDir, Stage)> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::set_in(Some("serial"), dir.path(), false, Through::File)?;
    Ok((dir, stage))
}

fn said(report: &Report, id: &str) -> String {
    let finding = report.findings.iter().find(|finding| finding.check == id);
    finding.map_or_else(
        || format!("{id} is missing"),
        |finding| format!("{} {}", finding.status().word(), finding.code),
    )
}

/// The device file in an address.
fn device_file(address: &str) -> &str {
    let path = address.split_once(':').unwrap().1;
    path.split('?').next().unwrap()
}

/// What the journal has of a device, as the words or bytes that came.
fn heard(stage: &mut Stage, device: &str, form: &str) -> Result<Vec<String>> {
    let lines = stage.sim.journal()?;
    let entries: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).context("a line of the journal"))
        .collect::<Result<_>>()?;
    Ok(entries
        .iter()
        .filter(|entry| entry["device"] == device && entry["kind"] == "received")
        .map(|entry| entry[form].as_str().unwrap_or_default().to_owned())
        .collect())
}

/// Twice, for the second check finds the console as the first has left it.
#[test]
fn a_room_on_serial_lines_is_checked_twice_and_left_as_it_was() -> Result<()> {
    let (_dir, mut stage) = stage()?;
    let found = stage.sim.position("camera.back")?;
    for _ in 0..2 {
        let check = stage.agent.check(&["--only", DEVICES])?;
        let report = &check.report;
        for id in [
            "codec.reachable",
            "codec.awake",
            "codec.display",
            "codec.idle",
            "camera.main.reachable",
            "camera.main.preset.1",
            "camera.main.preset.2",
            "camera.main.home",
            "camera.back.reachable",
            "camera.back.preset.3",
            "camera.back.home",
            "camera.side.reachable",
            "camera.side.preset.1",
            "camera.side.home",
        ] {
            assert_eq!(said(report, id), "pass ok", "{id}\n{}", check.stderr);
        }
        assert_eq!(check.code, 0, "{:?}", report.findings);
        assert_eq!(stage.sim.position("camera.back")?, found);
    }
    prove_clean(&mut stage.sim)?;
    // The line's bytes stand under its first camera; both were spoken to, and nobody with another number.
    let packets = heard(&mut stage, "camera.main", "hex")?.join(" ");
    let to: std::collections::BTreeSet<&str> = packets
        .split("FF")
        .filter_map(|packet| packet.split_whitespace().next())
        .collect();
    assert_eq!(to.into_iter().collect::<Vec<_>>(), ["81", "82"]);
    // Each check says its name, its password (there is none) and goodbye.
    let words = heard(&mut stage, "codec", "text")?.concat();
    assert_eq!(words.matches("probe\\r\\n").count(), 2, "{words}");
    assert_eq!(words.matches("bye\\r\\n").count(), 2, "{words}");
    Ok(())
}

#[test]
fn a_port_that_another_program_has_is_busy_and_the_rest_is_checked() -> Result<()> {
    let (_dir, mut stage) = stage()?;
    let port = device_file(stage.sim.address("codec")?).to_owned();
    let mut other = Command::new("flock")
        .args([
            "--exclusive",
            "--nonblock",
            &port,
            "sh",
            "-c",
            "echo held; read -r _",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut held = [0; 5];
    other.stdout.as_mut().context("stdout")?.read_exact(&mut held)?;
    let check = stage.agent.check(&["--only", DEVICES])?;
    assert_eq!(said(&check.report, "codec.reachable"), "unknown busy");
    assert_eq!(check.code, 3, "a port in use is never a verdict");
    assert!(
        check.stderr.contains("another program has the serial port open"),
        "{}",
        check.stderr
    );
    assert_eq!(said(&check.report, "camera.main.reachable"), "pass ok");
    assert!(heard(&mut stage, "codec", "text")?.is_empty());
    other.stdin.take().context("stdin")?.write_all(b"\n")?;
    assert!(other.wait()?.success());
    let check = stage.agent.check(&["--only", "codec"])?;
    assert_eq!(said(&check.report, "codec.reachable"), "pass ok");
    prove_clean(&mut stage.sim)
}

#[test]
fn a_port_that_is_not_there_is_not_present_until_it_is_plugged_in() -> Result<()> {
    let (_dir, mut stage) = stage()?;
    stage.sim.fault("codec", "refuse", true)?;
    let check = stage.agent.check(&["--only", "codec"])?;
    assert_eq!(said(&check.report, "codec.reachable"), "unknown not-present");
    assert!(
        check.stderr.contains("there is no such serial port"),
        "{}",
        check.stderr
    );
    stage.sim.fault("codec", "refuse", false)?;
    let check = stage.agent.check(&["--only", "codec"])?;
    assert_eq!(
        said(&check.report, "codec.reachable"),
        "pass ok",
        "{}",
        check.stderr
    );
    prove_clean(&mut stage.sim)
}

#[test]
fn a_port_that_this_user_may_not_open_is_refused_and_the_log_says_which_group() -> Result<()> {
    let (_dir, stage) = stage()?;
    let port = fs::canonicalize(device_file(stage.sim.address("codec")?))?;
    fs::set_permissions(&port, fs::Permissions::from_mode(0o000))?;
    // Root may open everything, so it goes without that right.
    let inner = stage
        .agent
        .command(&["check", "--json", "--only", "codec", "--lang", "en"])?;
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]);
    }
    command.arg("--").arg(inner.get_program()).args(inner.get_args());
    let output = run(&mut command)?;
    let report: Report = serde_json::from_str(&output.stdout).with_context(|| output.stderr.clone())?;
    assert_eq!(said(&report, "codec.reachable"), "unknown codec.login-refused");
    assert!(output.stderr.contains("group dialout"), "{}", output.stderr);
    Ok(())
}

/// One line, two cameras, one of them dumb: the other is not blamed.
#[test]
fn a_silent_camera_is_told_from_its_neighbour_on_the_line() -> Result<()> {
    let (_dir, mut stage) = stage()?;
    stage.sim.fault("camera.back", "silent", true)?;
    let check = stage.agent.check(&["--only", DEVICES])?;
    assert_eq!(
        said(&check.report, "camera.back.reachable"),
        "fail camera.no-answer"
    );
    let main = check
        .report
        .findings
        .iter()
        .filter(|f| f.check.starts_with("camera.main."));
    for finding in main.filter(|f| f.check != "camera.main.picture") {
        assert_eq!(finding.status(), Status::Pass, "{}", finding.check);
    }
    prove_clean(&mut stage.sim)
}
