//! From the box to the province, with the built programs and a real broker: enrolment, receipts, a hub that is away or
//! starts again, a logbook that is handed over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use bridgepoint_tests::rig::room::{Province, ROOM, runs, waiting};
use bridgepoint_tests::rig::{PATIENCE, http, until};
use serde_json::Value;

#[test]
fn from_the_first_word_to_the_receipt() -> Result<()> {
    let province = Province::new()?;
    let (hub, agent) = (&province.hub, &province.agent);
    let asked = agent.run(&["enrol", "--lang", "en"])?;
    assert_eq!(asked.code, 0, "{}\n{}", asked.stderr, hub.said());
    let fingerprint = agent.fingerprint()?;
    assert!(asked.stdout.contains(&fingerprint), "{}", asked.stdout);

    let room = hub.room(ROOM)?;
    assert_eq!(room["enrolment"], "pending");
    assert_eq!(
        room["keys"][0]["fingerprint"],
        fingerprint.as_str(),
        "both show the same"
    );
    let shown = hub.run(&["room", "show", ROOM, "--lang", "en"])?;
    assert!(shown.stdout.contains(&fingerprint), "{}", shown.stdout);
    assert!(hub.run(&["room", "list"])?.stdout.contains(ROOM));

    // A check before the decision: the verdict is the room's own, the report waits on the box.
    let early = agent.check(&[])?;
    assert_eq!(early.code, 0, "{}", early.stderr);
    assert_eq!(waiting(agent)?, 1);
    assert!(
        runs(&hub.room(ROOM)?).is_empty(),
        "nothing is taken from a box that nobody knows"
    );

    let mut wrong = fingerprint.clone();
    let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
    wrong.push(last);
    let refused = hub.run(&["room", "approve", ROOM, "--fingerprint", &wrong, "--yes"])?;
    assert_eq!(refused.code, 1, "{}{}", refused.stdout, refused.stderr);
    assert_eq!(hub.room(ROOM)?["enrolment"], "pending", "nothing was changed");
    // Nobody there to ask, and no fingerprint: not approved either.
    let asked = hub.run(&["room", "approve", ROOM])?;
    assert_eq!(asked.code, 64, "{}{}", asked.stdout, asked.stderr);
    assert_eq!(
        hub.run(&["room", "approve", "quang-ninh/nowhere", "--yes"])?.code,
        1
    );

    // As it was heard over the telephone: small letters, spaces.
    let heard = fingerprint.to_lowercase().replace('-', " ");
    let approved = hub.run(&["room", "approve", ROOM, "--fingerprint", &heard])?;
    assert_eq!(approved.code, 0, "{}{}", approved.stdout, approved.stderr);
    assert_eq!(hub.room(ROOM)?["enrolment"], "approved");

    let check = agent.check(&[])?;
    assert_eq!(check.code, 0, "{}", check.stderr);
    let room = province.hub_has("both runs", |room| runs(room).len() == 2)?;
    assert_eq!(runs(&room).first(), Some(&check.report.run), "the newest first");
    assert!(runs(&room).contains(&early.report.run), "what waited came too");
    assert_eq!(
        room["report"],
        serde_json::to_value(&check.report)?,
        "as it was signed"
    );
    assert_eq!(room["result"]["verdict"], check.report.claimed_verdict().word());
    assert_eq!(room["result"]["verdict_differs"], false, "recomputed");
    assert_eq!(room["chain"]["state"], "complete");
    let again = agent.run(&["enrol", "--lang", "en"])?;
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(waiting(agent)?, 0, "receipted: {}", again.stdout);
    assert_eq!(
        agent.run(&["logbook", "verify"])?.code,
        0,
        "with the receipts between the entries"
    );
    Ok(())
}

#[test]
fn a_hub_that_is_away_costs_nothing_and_gets_everything() -> Result<()> {
    let mut province = Province::approved()?;
    let (daemon, _page) = province.agent.daemon()?;
    let before = province.agent.check(&[])?;
    province.hub_has("the first run", |room| runs(room).contains(&before.report.run))?;

    province.hub.stop()?;
    province.sim.fault("codec", "standby", true)?;
    let during = province.agent.check(&[])?;
    assert_eq!(
        during.code, 2,
        "the exit code does not depend on the hub: {}",
        during.stderr
    );
    let plain = province.agent.run(&["check", "--lang", "en"])?;
    assert_eq!(plain.code, 2);
    assert_eq!(waiting(&province.agent)?, 2);

    // Back again: the running daemon delivers by itself, without another check.
    province.hub.serve()?;
    let room = province.hub_has("what was found meanwhile", |room| runs(room).len() == 3)?;
    assert!(runs(&room).contains(&during.report.run) && runs(&room).contains(&before.report.run));
    assert_eq!(room["result"]["verdict"], "not-ready");
    assert_eq!(room["chain"]["state"], "complete");
    until("the receipts", PATIENCE, || {
        Ok((waiting(&province.agent)? == 0).then_some(()))
    })?;

    // A restart of the hub loses nothing.
    province.hub.stop()?;
    province.hub.serve()?;
    let after = province.hub.room(ROOM)?;
    for part in ["history", "report", "findings", "keys", "chain", "enrolment"] {
        assert_eq!(after[part], room[part], "{part}");
    }
    assert_eq!(daemon.stop(PATIENCE)?.code(), Some(0));
    assert_eq!(province.agent.run(&["logbook", "verify"])?.code, 0);
    Ok(())
}

#[test]
fn the_hub_verifies_what_a_box_hands_over_on_a_stick() -> Result<()> {
    let province = Province::approved()?;
    let check = province.agent.check(&[])?;
    province.hub_has("the run", |room| runs(room).contains(&check.report.run))?;
    let month = province.agent.months()?.remove(0);
    let verified = |file: &Path| province.hub.run(&["verify", &file.display().to_string()]);
    let output = verified(&month)?;
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let damaged = province.dir.path().join("damaged.log");
    fs::write(&damaged, fs::read_to_string(&month)?.replacen('A', "B", 1))?;
    assert_eq!(verified(&damaged)?.code, 1);
    let page = http::get(&province.hub.page, &format!("/api/v1/rooms/{ROOM}"))?;
    let room: Value = serde_json::from_str(&page.body).with_context(|| page.body.clone())?;
    assert_eq!(room["report"]["run"], check.report.run.as_str());
    let fleet: Value = serde_json::from_str(&http::get(&province.hub.page, "/api/v1/rooms")?.body)?;
    assert_eq!(fleet["counts"]["ready"], 1, "{fleet}");
    assert_eq!(http::get(&province.hub.page, "/healthz")?.status, 200);
    Ok(())
}
