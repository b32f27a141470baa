//! The meeting's clock, from outside: a plan that the province has signed, and the checks that the box makes by it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::time::Duration;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::claims::{Report, Status, Verdict};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::plan::{MIN, key, lay, meeting, signed};
use bridgepoint_tests::rig::room::{Province, ROOM, Room, runs};
use bridgepoint_tests::rig::sim::Sim;
use bridgepoint_tests::rig::{PATIENCE, http, mqtt, until, wall_ms};
use bridgepoint_tests::scenario::{self, prove_clean};
use serde_json::Value;

/// A revision beyond those of the hub itself, which counts them from the seconds since 1970.
const NEWER: u64 = 10_000_000_000;

/// What stands in a box's logbook, oldest first.
fn reports(agent: &Agent) -> Result<Vec<Report>> {
    let rows: Vec<Value> = serde_json::from_str(&agent.run(&["logbook", "list", "--json"])?.stdout)?;
    let all = rows.into_iter().filter(|row| row["kind"] == "bp-report+jws");
    all.map(|mut row| Ok(serde_json::from_value(row["claims"].take())?))
        .collect()
}

fn for_checkpoint(agent: &Agent, checkpoint: &str) -> Result<Vec<Report>> {
    let mut found = reports(agent)?;
    found.retain(|report| report.trigger.checkpoint.as_deref() == Some(checkpoint));
    Ok(found)
}

fn status(page: &str) -> Result<Value> {
    Ok(serde_json::from_str(&http::get(page, "/api/status")?.body)?)
}

#[test]
fn a_room_is_checked_90_minutes_before_once_and_a_restart_repeats_nothing() -> Result<()> {
    let province = Province::approved()?;
    let (daemon, page) = province.agent.daemon()?;
    let state = |wanted: &str, not: Option<&Value>| {
        until(&format!("state {wanted}"), PATIENCE, || {
            let state = province.retained("state")?;
            Ok(state.filter(|state| state["state"] == wanted && Some(&state["session"]) != not))
        })
    };
    state("sleeping", None)?;
    assert!(status(&page)?["next_meeting"].is_null());

    // T-90 is in a moment; the trial of the day before was missed, and that is too long ago to be made up.
    let start_ms = wall_ms() + 90 * MIN + 4_000;
    let hub = province.hub.key()?;
    let tell = |rev: u64, meetings: &[Value]| -> Result<()> {
        let plan = signed(&hub, rev, meetings)?;
        mqtt::keep(
            &province.hub.socket(),
            &format!("bp/1/{ROOM}/plan"),
            plan.as_bytes(),
        )
    };
    tell(NEWER, &[meeting("m-1", start_ms)])?;
    let t90 = until("the check at T-90", PATIENCE, || {
        Ok(for_checkpoint(&province.agent, "T-90")?.pop())
    })?;
    assert_eq!(t90.trigger.meeting.as_deref(), Some("m-1"));
    assert_eq!(serde_json::to_value(&t90.trigger.kind)?, "schedule");
    assert!(t90.started_ms >= start_ms - 90 * MIN, "not before its moment");
    assert_ne!(t90.claimed_verdict(), Verdict::Unknown);
    // The plan's challenge, or a receipt's that came after it: which of them is told where nothing else speaks, below.
    assert!(t90.link.nonce.is_some(), "a challenge is answered");
    let before = state("online", None)?;
    province.hub_has("the check", |room| runs(room).contains(&t90.run))?;

    // What dashboards and the technician see of it.
    let readiness = until("readiness", PATIENCE, || {
        let known = province.retained("readiness")?;
        Ok(known.filter(|known| known["at_ms"] == t90.finished_ms))
    })?;
    assert_eq!(
        (&readiness["meeting"], &readiness["checkpoint"]),
        (&"m-1".into(), &"T-90".into())
    );
    assert_eq!(
        readiness["valid_until_ms"],
        start_ms - 20 * MIN,
        "until the next checkpoint"
    );
    let shown = status(&page)?;
    assert_eq!(shown["next_meeting"]["id"], "m-1");
    let line = shown["next_meeting"]["label"].as_str().context("a line")?;
    assert!(line.starts_with("Phiên họp tới: Giao ban tháng 11, "), "{line}");
    let told = province.agent.run(&["status"])?;
    assert!(
        told.stdout.contains("Next meeting: Giao ban tháng 11, "),
        "{}",
        told.stdout
    );
    let told: Value = serde_json::from_str(&province.agent.run(&["status", "--json"])?.stdout)?;
    assert_eq!(told["next_meeting"]["id"], "m-1");

    // A check by hand in these hours is for this meeting.
    let by_hand = province.agent.check(&[])?.report;
    assert_eq!(by_hand.trigger.meeting.as_deref(), Some("m-1"));
    assert_eq!(by_hand.trigger.checkpoint, None);

    // Started again, the box knows from its logbook and its kept plan what was made.
    let all = reports(&province.agent)?.len();
    daemon.stop(PATIENCE)?;
    let (daemon, page) = province.agent.daemon()?;
    state("online", Some(&before["session"]))?;
    let shown = status(&page)?;
    assert!(shown["running"].is_null(), "{shown}");
    assert_eq!(shown["next_meeting"]["id"], "m-1");
    assert_eq!(reports(&province.agent)?.len(), all);

    // An old plan is refused, a newer one without the meeting is followed.
    tell(NEWER - 1, &[meeting("m-0", start_ms)])?;
    tell(NEWER + 1, &[])?;
    state("sleeping", None)?;
    assert!(status(&page)?["next_meeting"].is_null());
    assert_eq!(for_checkpoint(&province.agent, "T-1d")?.len(), 0);
    let for_m0 = reports(&province.agent)?
        .iter()
        .filter(|report| report.trigger.meeting.as_deref() == Some("m-0"))
        .count();
    assert_eq!(for_m0, 0);
    let kept = std::fs::read_to_string(province.agent.state().join("plan.jws"))?;
    assert_eq!(
        kept,
        signed(&hub, NEWER + 1, &[])?,
        "what is kept is the newer one"
    );
    drop(daemon);
    Ok(())
}

/// From the operator's command to both pages: the plan, the check at its moment with what the plan says of the line, the
/// report at the hub.
#[test]
fn a_meeting_entered_at_the_hub_is_checked_by_the_box_and_stands_on_both_pages() -> Result<()> {
    let mut province = Province::approved()?;
    let config = format!(
        "{}\n[line]\ngateway = \"127.0.0.1\"\n",
        small_room(
            "bai-chay",
            province.sim.address("codec")?,
            Some(&province.hub.broker)
        )
    );
    std::fs::write(province.agent.config(), config)?;
    let (_daemon, page) = province.agent.daemon()?;
    let start_ms = wall_ms() + 90 * MIN + 3_000;
    let added = province.hub.meeting(
        "m-1",
        "Giao ban tháng 11",
        start_ms,
        &["--chair", "bai-chay", "--rate-kbps", "1024"],
    )?;
    assert!(added.contains("m-1"), "{added}");
    let report = until("the check at T-90", PATIENCE, || {
        Ok(for_checkpoint(&province.agent, "T-90")?.pop())
    })?;
    assert_eq!(report.trigger.meeting.as_deref(), Some("m-1"));
    // The room's file names no measuring point and no rate: the plan does.
    let up = report.findings.iter().find(|f| f.check == "line.up").unwrap();
    assert_eq!((up.status(), up.code.as_str()), (Status::Pass, "ok"), "{up:?}");
    assert!(
        up.value.is_some_and(|kbps| (900.0..=1024.0).contains(&kbps)),
        "{up:?}"
    );

    province.hub_has("the check", |room| runs(room).contains(&report.run))?;
    let hub = &province.hub.page;
    let of_hub: Value = serde_json::from_str(&http::get(hub, "/api/v1/meetings/m-1")?.body)?;
    assert_eq!(
        (&of_hub["reported"], &of_hub["total"]),
        (&1.into(), &1.into()),
        "{of_hub}"
    );
    for (page, path) in [(page.as_str(), "/"), (hub, "/"), (hub, "/meetings/m-1")] {
        let html = http::get(page, path)?.body;
        assert!(html.contains("Giao ban tháng 11"), "{page}{path}: {html}");
    }
    let meeting = http::get(hub, "/meetings/m-1")?.body;
    assert!(meeting.contains("T-90") && meeting.contains("1/1"), "{meeting}");
    let listed = province.hub.run(&["meeting", "list", "--lang", "en"])?;
    assert!(listed.stdout.contains("Giao ban tháng 11"), "{}", listed.stdout);
    prove_clean(&mut province.sim)
}

#[test]
fn a_plan_of_another_key_is_not_followed() -> Result<()> {
    let province = Province::approved()?;
    let (_daemon, page) = province.agent.daemon()?;
    until("the daemon's connection", PATIENCE, || {
        Ok(province.retained("state")?.filter(|s| s["state"] == "sleeping"))
    })?;
    let topic = format!("bp/1/{ROOM}/plan");
    let soon = [meeting("m-1", wall_ms() + 60 * MIN)];
    let forged = signed(&key()?, NEWER + 1, &soon)?;
    mqtt::keep(&province.hub.socket(), &topic, forged.as_bytes())?;
    // The true one behind it comes after it: when it is followed, the other one was seen and left alone.
    let own = [meeting("m-2", wall_ms() + 30 * 24 * 60 * MIN)];
    let plan = signed(&province.hub.key()?, NEWER, &own)?;
    mqtt::keep(&province.hub.socket(), &topic, plan.as_bytes())?;
    until("the plan", PATIENCE, || {
        Ok(Some(()).filter(|()| status(&page).is_ok_and(|s| s["next_meeting"]["id"] == "m-2")))
    })?;
    assert_eq!(reports(&province.agent)?.len(), 0);
    Ok(())
}

#[test]
fn a_check_that_sigterm_breaks_off_is_kept_and_made_again() -> Result<()> {
    let Room {
        dir: _dir,
        mut sim,
        agent,
    } = Room::new()?;
    // The box was off at T-90: it checks as soon as it is up, and a codec that drips holds it at that.
    lay(agent.state(), &key()?, &[meeting("m-1", wall_ms() + 60 * MIN)])?;
    sim.fault("codec", "drip", true)?;
    let (daemon, page) = agent.daemon()?;
    let why = until("the check", PATIENCE, || {
        let running = status(&page)?["running"].take();
        Ok(running["why"]
            .as_str()
            .filter(|_| running["total"] != 0)
            .map(str::to_owned))
    })?;
    assert!(why.contains("trước giờ họp 90 phút ("), "{why}");
    assert_eq!(daemon.stop(PATIENCE)?.code(), Some(0));
    assert!(!agent.state().join("agent.sock").exists());
    let verified = agent.run(&["logbook", "verify"])?;
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    let kept = reports(&agent)?;
    assert_eq!(kept.len(), 1);
    let codec = kept[0]
        .findings
        .iter()
        .find(|f| f.check == "codec.reachable")
        .unwrap();
    assert_eq!(
        (codec.status(), codec.code.as_str()),
        (Status::Unknown, "cancelled")
    );
    assert_eq!(kept[0].trigger.checkpoint.as_deref(), Some("T-90"));
    assert_eq!(
        kept[0].link.nonce.as_deref(),
        Some("nonce-1"),
        "the kept plan's challenge"
    );

    sim.fault("codec", "drip", false)?;
    let (_daemon, _page) = agent.daemon()?;
    let again = until("the check again", PATIENCE, || {
        Ok(for_checkpoint(&agent, "T-90")?.into_iter().nth(1))
    })?;
    assert_eq!(
        serde_json::to_value(&again.trigger.kind)?,
        "boot",
        "it says that it is late"
    );
    assert_ne!(again.claimed_verdict(), Verdict::Unknown);
    Ok(())
}

/// The longest a stop may take, as `TimeoutStopSec` of the unit says: a camera's way back, the report, the good-bye.
const STOP: Duration = Duration::from_secs(60);

#[test]
fn a_check_that_is_broken_off_with_its_camera_away_puts_it_back_and_is_kept() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // The way back, ten times slower by fault, takes seconds, and less than the 8 s that a camera has for it.
    let room = scenario::read("sim.toml")?.replace(
        "id = \"main\"\n",
        "id = \"main\"\nspeed = { pan = 2000, tilt = 4000, zoom = 10000 }\n",
    );
    let mut sim = Sim::start(&dir.path().join("sim"), &room)?;
    let config = format!(
        "{}\n[[camera]]\nid = \"main\"\naddress = \"{}\"\npresets = [{{ number = 1, name = \"chair\" }}]\n",
        small_room("bai-chay", sim.address("codec")?, None),
        sim.address("camera.main")?
    );
    let agent = Agent::new(&dir.path().join("agent"), &config)?;
    lay(agent.state(), &key()?, &[meeting("m-1", wall_ms() + 60 * MIN)])?;
    let found = sim.position("camera.main")?;
    let (daemon, _page) = agent.daemon()?;
    until("the camera on its way", PATIENCE, || {
        let pan = |at: &Value| at["pan"].as_i64().context("pan");
        let away = pan(&sim.position("camera.main")?)? - pan(&found)?;
        Ok(Some(()).filter(|()| away.abs() >= 400))
    })?;
    sim.fault("camera.main", "slow-motor", true)?;
    assert_eq!(daemon.stop(STOP)?.code(), Some(0));
    let stands = sim.position("camera.main")?;
    assert_eq!(
        (&stands["pan"], &stands["tilt"]),
        (&found["pan"], &found["tilt"]),
        "it looks where it was found"
    );
    assert_eq!(agent.run(&["logbook", "verify"])?.code, 0);
    let kept = reports(&agent)?;
    assert_eq!(kept.len(), 1);
    let preset = kept[0]
        .findings
        .iter()
        .find(|f| f.check == "camera.main.preset.1")
        .unwrap();
    assert_eq!(
        (preset.status(), preset.code.as_str()),
        (Status::Unknown, "cancelled")
    );
    prove_clean(&mut sim)
}

#[test]
fn what_passed_for_the_meeting_stands_when_the_room_is_in_its_call() -> Result<()> {
    let mut room = Room::new()?;
    let config = format!(
        "{}\n[[camera]]\nid = \"main\"\naddress = \"{}\"\npresets = [{{ number = 1, name = \"chair\" }}]\n",
        small_room("bai-chay", room.sim.address("codec")?, None),
        room.sim.address("camera.main")?
    );
    let agent = Agent::new(&room.dir.path().join("agent"), &config)?;
    let preset = |args: &[&str]| -> Result<(Report, Status, Option<i64>, i64)> {
        let only = ["--only", "codec,camera.main.preset"];
        let args: Vec<&str> = only.into_iter().chain(args.iter().copied()).collect();
        let report = agent.check(&args)?.report;
        let found = report
            .findings
            .iter()
            .find(|f| f.check == "camera.main.preset.1")
            .context("the preset")?
            .clone();
        Ok((report, found.status(), found.carried_ms, found.at_ms))
    };
    let (_, stands, _, passed_ms) = preset(&["--meeting", "m-1"])?;
    assert_eq!(stands, Status::Pass);
    room.sim.fault("codec", "in-call", true)?;
    let (report, stands, carried_ms, _) = preset(&["--meeting", "m-1"])?;
    assert_eq!((stands, carried_ms), (Status::Skipped, Some(passed_ms)));
    assert_ne!(report.claimed_verdict(), Verdict::Unknown);
    assert_eq!(report.recomputed_verdict(), report.claimed_verdict());
    let said = agent.run(&["check", "--only", "camera.main.preset", "--meeting", "m-1"])?;
    assert!(
        said.stdout.contains("In the meeting, so not tried"),
        "{}",
        said.stdout
    );
    for other in [&["--meeting", "m-2"][..], &[]] {
        let (report, stands, carried_ms, _) = preset(other)?;
        assert_eq!((stands, carried_ms), (Status::Skipped, None), "{other:?}");
        assert_eq!(report.claimed_verdict(), Verdict::Unknown);
    }
    Ok(())
}
