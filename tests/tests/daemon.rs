//! The daemon: what the command line, the local page and other programs on the broker see of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use anyhow::{Context as _, Result};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::process::Process;
use bridgepoint_tests::rig::room::{Province, Room};
use bridgepoint_tests::rig::{PATIENCE, http, mqtt, until};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn the_daemon_serves_the_command_line_and_the_page() -> Result<()> {
    let Room {
        dir: _dir,
        mut sim,
        agent,
    } = Room::new()?;
    let (daemon, page) = agent.daemon()?;
    let empty: Value = serde_json::from_str(&http::get(&page, "/api/status")?.body)?;
    assert!(empty["report"].is_null(), "{empty}");

    let check = agent.check(&[])?;
    assert_eq!(check.code, 0, "{}", check.stderr);
    let status = http::get(&page, "/api/status")?;
    assert_eq!(status.status, 200);
    let status: Value = serde_json::from_str(&status.body)?;
    assert_eq!(status["report"]["run"], check.report.run.as_str(), "{status}");
    let html = http::get(&page, "/")?;
    assert_eq!(html.status, 200);
    assert!(html.body.contains("UBND phường Bãi Cháy"), "{}", html.body);
    assert_eq!(http::get(&page, "/nothing")?.status, 404);

    // Two callers, one run: the second joins. The codec says nothing, so that the first is still at it.
    sim.fault("codec", "silent", true)?;
    let first = Process::start("the first caller", &agent.command(&["check", "--lang", "en"])?)?;
    first.stderr_until("Asking the codec", PATIENCE)?;
    let second = agent.check(&[])?;
    assert_eq!(second.code, 2, "{}", second.stderr);
    assert_eq!(first.ended(PATIENCE)?, 2);
    let rows: Vec<Value> = serde_json::from_str(&agent.run(&["logbook", "list", "--json"])?.stdout)?;
    assert_eq!(rows.len(), 2, "one run for both");
    assert_eq!(rows[1]["claims"]["run"], second.report.run.as_str());

    // The rehearsal is accepted through the daemon too.
    let accepted = agent.run(&["baseline", "accept", "--by", "Ông Nam", "--allowed-by", "Bà Hà"])?;
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    let twice = agent.run(&["run"])?;
    assert_eq!(
        (twice.code, twice.stdout.as_str()),
        (70, ""),
        "one daemon a directory: {}",
        twice.stderr
    );
    assert_eq!(daemon.stop(PATIENCE)?.code(), Some(0));
    assert!(!agent.state().join("agent.sock").exists());
    sim.fault("codec", "silent", false)?;
    assert_eq!(agent.check(&[])?.code, 0, "without the daemon again");
    Ok(())
}

#[test]
fn what_other_programs_see_is_plain_and_names_nobody() -> Result<()> {
    let province = Province::approved()?;
    let (daemon, _page) = province.agent.daemon()?;
    let state = |wanted: &str| {
        until(&format!("state {wanted}"), PATIENCE, || {
            Ok(province
                .retained("state")?
                .filter(|state| state["state"] == wanted))
        })
    };
    // No meeting is planned: the box is there and rests.
    let online = state("sleeping")?;
    assert_eq!(online["v"], 1);
    assert!(
        online["ts_ms"].is_i64() && online["session"].is_u64() && online["agent"].is_string(),
        "{online}"
    );

    let check = province.agent.check(&[])?;
    let readiness = until("readiness", PATIENCE, || {
        let known = province.retained("readiness")?;
        Ok(known.filter(|known| known["at_ms"] == check.report.finished_ms))
    })?;
    assert_eq!(readiness["verdict"], "ready");
    assert!(
        readiness["valid_until_ms"].as_i64() > readiness["at_ms"].as_i64(),
        "{readiness}"
    );
    let checks = readiness["checks"]
        .as_object()
        .context("one flat entry a check")?;
    assert_eq!(checks.len(), check.report.findings.len());
    assert_eq!(checks["codec.awake"]["status"], "pass");
    for entry in checks.values() {
        assert!(
            entry
                .as_object()
                .is_some_and(|entry| entry.values().all(|v| !v.is_object() && !v.is_array())),
            "flat: {entry}"
        );
    }
    let text = readiness.to_string();
    for person in ["VNPT", "0203", "UBND", "Bãi Cháy"] {
        assert!(
            !text.contains(person),
            "no names or telephones: {person} in {text}"
        );
    }

    // In order, then by a power cut: the broker tells it.
    daemon.stop(PATIENCE)?;
    assert_eq!(state("disconnected")?["session"], online["session"]);
    // The number of the connection grows, also where the clock was ahead before.
    let ahead = online["session"].as_u64().context("a number")? + 10_000_000_000;
    std::fs::write(province.agent.state().join("session"), ahead.to_string())?;
    let (daemon, _page) = province.agent.daemon()?;
    let again = state("sleeping")?;
    assert!(again["session"].as_u64() > Some(ahead), "{again}");
    daemon.kill();
    let lost = state("lost")?;
    assert_eq!(lost["session"], again["session"]);

    let hub_state = mqtt::retained(&province.hub.socket(), "bp/1/quang-ninh/_hub/state")?;
    assert!(hub_state.context("the hub's state")?.contains("online"));
    let key = mqtt::retained(&province.hub.socket(), "bp/1/quang-ninh/_hub/key")?.context("the hub's key")?;
    let key: Value = serde_json::from_str(&key)?;
    assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
    Ok(())
}

#[test]
fn an_interrupted_daemon_ends_in_order() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = Agent::new(dir.path(), &small_room("bai-chay", "tcp://127.0.0.1:9", None))?;
    let (daemon, _page) = agent.daemon()?;
    daemon.signal(Signal::INT)?;
    let code = daemon.ended(PATIENCE)?;
    assert!(code == 0 || code == 130, "{code}");
    assert!(!agent.state().join("agent.sock").exists());
    Ok(())
}
