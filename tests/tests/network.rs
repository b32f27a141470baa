//! Delivery over a bad network, with the real programs: lines that fail in every way, a broker that refuses, a hub that has
//! forgotten everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use anyhow::{Context as _, Result, ensure};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::hub::Hub;
use bridgepoint_tests::rig::mqtt::Mosquitto;
use bridgepoint_tests::rig::network::Net;
use bridgepoint_tests::rig::proxy::{Line, Proxy};
use bridgepoint_tests::rig::room::{Province, ROOM, runs};
use bridgepoint_tests::rig::{PATIENCE, backlog, http, until, wall_ms};
use serde_json::Value;

/// What the box's page says about delivery, in English.
fn delivery(page: &str) -> Result<String> {
    let status = http::get(page, "/api/status?lang=en")?;
    let status: Value = serde_json::from_str(&status.body)?;
    Ok(status["delivery"].as_str().context("delivery")?.to_owned())
}

/// Waits until the page says it.
fn says(page: &str, wanted: &str) -> Result<String> {
    until(wanted, PATIENCE, || {
        Ok(Some(delivery(page)?).filter(|said| said.contains(wanted)))
    })
    .with_context(|| format!("it says: {:?}", delivery(page)))
}

#[test]
fn line_broker_and_hub_fail_in_turn_and_everything_arrives_once() -> Result<()> {
    let rig = Net {
        seed: 20_251_122,
        rounds: 7,
        backlog: 60,
        longest_ms: 300,
        verbose: false,
    };
    let (tally, wrong) = rig.run()?;
    println!("{tally}");
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    ensure!(tally.holds() && tally.acknowledged > 60, "{tally}");
    Ok(())
}

#[test]
fn a_line_that_goes_dead_is_seen_told_and_left_without_a_restart() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let hub = Hub::start(&dir.path().join("hub"))?;
    let proxy = Proxy::start(&hub.broker)?;
    let config = small_room("bai-chay", "tcp://127.0.0.1:9", Some(&proxy.url()));
    let agent = Agent::new(&dir.path().join("agent"), &format!("{config}keep_alive_s = 5\n"))?;
    let (daemon, page) = agent.daemon()?;
    says(&page, "fingerprint")?;
    until("the request at the hub", PATIENCE, || {
        Ok(hub.approve(ROOM).ok().map(drop))
    })?;
    until("the first receipt", PATIENCE, || {
        let made = agent.check(&["--only", "host"])?;
        Ok(runs(&hub.room(ROOM)?).contains(&made.report.run).then_some(()))
    })?;
    let before = proxy.connections();
    // No end, no reset: nothing comes back any more.
    proxy.set(Line::Swallow);
    let made = agent.check(&["--only", "host"])?;
    let said = says(&page, "out of reach")?;
    ensure!(said.contains(&proxy.address.to_string()), "{said}");
    proxy.set(Line::Pass);
    until("the entry of the dead time", PATIENCE, || {
        Ok(runs(&hub.room(ROOM)?).contains(&made.report.run).then_some(()))
    })?;
    ensure!(proxy.connections() > before, "on another connection");
    says(&page, "Sent to the province").with_context(|| daemon.said())?;
    Ok(())
}

#[test]
fn what_a_broker_refuses_is_told_and_holds_nothing_up() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // Reports up to a size, and no events: a broker that somebody else has set up.
    let rules = "user hub\ntopic readwrite bp/1/#\n\nuser quang-ninh.bai-chay\n\
                 topic write bp/1/quang-ninh/bai-chay/report\ntopic write bp/1/quang-ninh/bai-chay/state\n\
                 topic write bp/1/quang-ninh/bai-chay/readiness\ntopic write bp/1/quang-ninh/bai-chay/enrol\n\
                 topic read bp/1/quang-ninh/bai-chay/receipt\ntopic read bp/1/quang-ninh/bai-chay/plan\n\
                 topic read bp/1/quang-ninh/bai-chay/cmd\ntopic read bp/1/quang-ninh/_hub/#\n";
    let broker = Mosquitto::start_with(
        &dir.path().join("broker"),
        rules,
        "message_size_limit 12000\nmax_packet_size 16000",
    )?;
    let hub = Hub::start_beside(&dir.path().join("hub"), &broker.address)?;
    let config = small_room("bai-chay", "tcp://127.0.0.1:9", Some(&broker.address));
    let agent = Agent::new(&dir.path().join("agent"), &config)?;
    let asked = agent.run(&["enrol"])?;
    ensure!(asked.code == 0, "{}{}", asked.stdout, asked.stderr);
    hub.approve(ROOM)?;
    let mut example = agent.check(&["--only", "host"])?.report;
    // Two small reports with an event between them; one that is more than the broker bears, one that is more than it says;
    // and small ones again.
    let mut entries = backlog::append(agent.state(), &example, 2, wall_ms())?;
    let usual = example.findings.clone();
    for findings in [40, 80] {
        let first = usual[0].clone();
        example.findings = std::iter::repeat_n(first, findings).collect();
        entries = backlog::append(agent.state(), &example, 1, wall_ms())?;
    }
    example.findings = usual;
    entries = backlog::append(agent.state(), &example, 20, wall_ms())?.max(entries);
    let (daemon, page) = agent.daemon()?;
    // All reports but the two large ones arrive; the events stay.
    let small = 1 + 2 + 20;
    until("the small reports", PATIENCE, || {
        let held = hub.room(ROOM)?["chain"]["held"].as_u64();
        Ok((held == Some(small)).then_some(()))
    })
    .with_context(|| format!("{}\n{:?}", daemon.said(), hub.room(ROOM)))?;
    let said = says(&page, "refused the report")?;
    ensure!(said.contains("code 135") || said.contains("code 149"), "{said}");
    // The last receipts are still on their way; nothing else ever leaves the outbox.
    until("the last receipt", PATIENCE, || {
        let waiting = bridgepoint_tests::rig::room::waiting(&agent)? as u64;
        ensure!(
            waiting >= entries - small,
            "something was given up: {waiting} wait"
        );
        Ok((waiting == entries - small).then_some(()))
    })?;
    Ok(())
}

#[test]
fn a_hub_that_has_lost_its_database_learns_of_the_box_again() -> Result<()> {
    let mut province = Province::approved()?;
    let (_daemon, _page) = province.agent.daemon()?;
    let check = province.agent.check(&["--only", "host"])?;
    province.hub_has("the run", |room| runs(room).contains(&check.report.run))?;
    province.hub.stop()?;
    for file in ["hub.db", "hub.db-wal", "hub.db-shm"] {
        let _not_there = std::fs::remove_file(province.hub.store().with_file_name(file));
    }
    province.hub.serve()?;
    province.hub_has("the request", |room| room["enrolment"] == "pending")?;
    province.hub.approve(ROOM)?;
    let check = province.agent.check(&["--only", "host"])?;
    province.hub_has("the next run", |room| runs(room).contains(&check.report.run))?;
    Ok(())
}
