//! From the box to the province, with the built programs, a real broker and mosquitto's own clients as bystanders:
//! enrolment, receipts, a hub or broker that is away, the daemon, presence, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)] // a test file

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::hub::Hub;
use bridgepoint_tests::rig::process::Process;
use bridgepoint_tests::rig::sim::Sim;
use bridgepoint_tests::rig::{PATIENCE, http, mqtt, until};
use bridgepoint_tests::scenario;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const ROOM: &str = "quang-ninh/bai-chay";
const USER: &str = "quang-ninh.bai-chay";
/// Largest envelope, bytes.
const MAX_ENVELOPE: usize = 64 * 1024;

/// A room with a codec, its box, and the province.
struct Province {
    dir: TempDir,
    sim: Sim,
    hub: Hub,
    agent: Agent,
}

impl Province {
    /// Nobody has asked for anything yet.
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let sim = Sim::start(
            &dir.path().join("sim"),
            &fs::read_to_string(scenario::folder().join("sim.toml"))?,
        )?;
        let hub = Hub::start(&dir.path().join("hub"))?;
        let agent = Agent::new(
            &dir.path().join("agent"),
            &small_room("bai-chay", sim.address("codec")?, Some(&hub.broker)),
        )?;
        Ok(Self { dir, sim, hub, agent })
    }

    /// The box is trusted.
    fn approved() -> Result<Self> {
        let province = Self::new()?;
        trust(&province.hub, &province.agent, ROOM)?;
        Ok(province)
    }

    /// Another box, for the room `id`.
    fn another(&self, folder: &str, id: &str) -> Result<Agent> {
        Agent::new(
            &self.dir.path().join(folder),
            &small_room(id, self.sim.address("codec")?, Some(&self.hub.broker)),
        )
    }

    /// What other programs read on a topic of the room.
    fn retained(&self, kind: &str) -> Result<Option<Value>> {
        let text = mqtt::retained(&self.hub.socket(), &format!("bp/1/{ROOM}/{kind}"))?;
        text.map(|text| serde_json::from_str(&text).with_context(|| text.clone()))
            .transpose()
    }
}

/// Has the hub take a box's key, as an operator who was told its fingerprint.
fn trust(hub: &Hub, agent: &Agent, room: &str) -> Result<()> {
    let asked = agent.run(&["enrol", "--lang", "en"])?;
    ensure!(asked.code == 0, "enrol: {}{}\n{}", asked.stdout, asked.stderr, hub.said());
    let approved = hub.run(&["room", "approve", room, "--fingerprint", &agent.fingerprint()?])?;
    ensure!(approved.code == 0, "approve: {}{}", approved.stdout, approved.stderr);
    Ok(())
}

/// Entries without receipt.
fn waiting(agent: &Agent) -> Result<usize> {
    let rows: Vec<Value> = serde_json::from_str(&agent.run(&["logbook", "list", "--json"])?.stdout)?;
    Ok(rows.iter().filter(|row| row["received_ms"].is_null()).count())
}

/// How many messages of the room the hub has refused for this reason.
fn refused(room: &Value, why: &str) -> u64 {
    room["refused"][why]["n"].as_u64().unwrap_or(0)
}

/// The runs that the hub holds of a room.
fn runs(room: &Value) -> Vec<String> {
    let history = room["history"].as_array().cloned().unwrap_or_default();
    history
        .iter()
        .filter_map(|run| run["run"].as_str().map(str::to_owned))
        .collect()
}

/// Waits until the hub has something about a room.
fn hub_has(hub: &Hub, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    until(what, PATIENCE, || Ok(hub.room(ROOM).ok().filter(|room| wanted(room)))).with_context(|| {
        format!("{:?}\n{}", hub.room(ROOM), hub.said())
    })
}

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
    assert_eq!(room["keys"][0]["fingerprint"], fingerprint.as_str(), "both show the same");
    let shown = hub.run(&["room", "show", ROOM, "--lang", "en"])?;
    assert!(shown.stdout.contains(&fingerprint), "{}", shown.stdout);
    assert!(hub.run(&["room", "list"])?.stdout.contains(ROOM));

    // A check before the decision: the verdict is the room's own, the report waits on the box.
    let early = agent.check(&[])?;
    assert_eq!(early.code, 0, "{}", early.stderr);
    assert_eq!(waiting(agent)?, 1);
    assert!(runs(&hub.room(ROOM)?).is_empty(), "nothing is taken from a box that nobody knows");

    let mut wrong = fingerprint.clone();
    let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
    wrong.push(last);
    let refused = hub.run(&["room", "approve", ROOM, "--fingerprint", &wrong, "--yes"])?;
    assert_eq!(refused.code, 1, "{}{}", refused.stdout, refused.stderr);
    assert_eq!(hub.room(ROOM)?["enrolment"], "pending", "nothing was changed");
    // Nobody there to ask, and no fingerprint: not approved either.
    let asked = hub.run(&["room", "approve", ROOM])?;
    assert_eq!(asked.code, 64, "{}{}", asked.stdout, asked.stderr);
    assert_eq!(hub.run(&["room", "approve", "quang-ninh/nowhere", "--yes"])?.code, 1);

    // As it was heard over the telephone: small letters, spaces.
    let heard = fingerprint.to_lowercase().replace('-', " ");
    let approved = hub.run(&["room", "approve", ROOM, "--fingerprint", &heard])?;
    assert_eq!(approved.code, 0, "{}{}", approved.stdout, approved.stderr);
    assert_eq!(hub.room(ROOM)?["enrolment"], "approved");

    let check = agent.check(&[])?;
    assert_eq!(check.code, 0, "{}", check.stderr);
    let room = hub_has(hub, "both runs", |room| runs(room).len() == 2)?;
    assert_eq!(runs(&room)[..1], [check.report.run.clone()], "the newest first");
    assert!(runs(&room).contains(&early.report.run), "what waited came too");
    assert_eq!(room["report"], serde_json::to_value(&check.report)?, "as it was signed");
    assert_eq!(room["result"]["verdict"], check.report.claimed_verdict().word());
    assert_eq!(room["result"]["verdict_differs"], false, "recomputed");
    assert_eq!(room["chain"]["state"], "complete");
    let again = agent.run(&["enrol", "--lang", "en"])?;
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(waiting(agent)?, 0, "receipted: {}", again.stdout);
    assert_eq!(agent.run(&["logbook", "verify"])?.code, 0, "with the receipts between the entries");
    Ok(())
}

#[test]
fn the_daemon_serves_the_command_line_and_the_page() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut sim = Sim::start(
        &dir.path().join("sim"),
        &fs::read_to_string(scenario::folder().join("sim.toml"))?,
    )?;
    let agent = Agent::new(
        &dir.path().join("agent"),
        &small_room("bai-chay", sim.address("codec")?, None),
    )?;
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
    assert_eq!((twice.code, twice.stdout.as_str()), (70, ""), "one daemon a directory: {}", twice.stderr);
    assert_eq!(daemon.stop(PATIENCE)?.code(), Some(0));
    assert!(!agent.state().join("agent.sock").exists());
    sim.fault("codec", "silent", false)?;
    assert_eq!(agent.check(&[])?.code, 0, "without the daemon again");
    Ok(())
}

#[test]
fn a_hub_that_is_away_costs_nothing_and_gets_everything() -> Result<()> {
    let mut province = Province::approved()?;
    let (daemon, _page) = province.agent.daemon()?;
    let before = province.agent.check(&[])?;
    hub_has(&province.hub, "the first run", |room| runs(room).contains(&before.report.run))?;

    province.hub.stop()?;
    province.sim.fault("codec", "standby", true)?;
    let during = province.agent.check(&[])?;
    assert_eq!(during.code, 2, "the exit code does not depend on the hub: {}", during.stderr);
    let plain = province.agent.run(&["check", "--lang", "en"])?;
    assert_eq!(plain.code, 2);
    assert_eq!(waiting(&province.agent)?, 2);

    // Back again: the running daemon delivers by itself, without another check.
    province.hub.serve()?;
    let room = hub_has(&province.hub, "what was found meanwhile", |room| runs(room).len() == 3)?;
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
fn what_other_programs_see_is_plain_and_names_nobody() -> Result<()> {
    let province = Province::approved()?;
    let (daemon, _page) = province.agent.daemon()?;
    let state = |wanted: &str| {
        until(&format!("state {wanted}"), PATIENCE, || {
            Ok(province.retained("state")?.filter(|state| state["state"] == wanted))
        })
    };
    let online = state("online")?;
    assert_eq!(online["v"], 1);
    assert!(online["ts_ms"].is_i64() && online["session"].is_u64() && online["agent"].is_string(), "{online}");

    let check = province.agent.check(&[])?;
    let readiness = until("readiness", PATIENCE, || {
        let known = province.retained("readiness")?;
        Ok(known.filter(|known| known["at_ms"] == check.report.finished_ms))
    })?;
    assert_eq!(readiness["verdict"], "ready");
    assert!(readiness["valid_until_ms"].as_i64() > readiness["at_ms"].as_i64(), "{readiness}");
    let checks = readiness["checks"].as_object().context("one flat entry a check")?;
    assert_eq!(checks.len(), check.report.findings.len());
    assert_eq!(checks["codec.awake"]["status"], "pass");
    for entry in checks.values() {
        assert!(
            entry.as_object().is_some_and(|entry| entry.values().all(|v| !v.is_object() && !v.is_array())),
            "flat: {entry}"
        );
    }
    let text = readiness.to_string();
    for person in ["VNPT", "0203", "UBND", "Bãi Cháy"] {
        assert!(!text.contains(person), "no names or telephones: {person} in {text}");
    }

    // In order, then by a power cut: the broker tells it.
    daemon.stop(PATIENCE)?;
    assert_eq!(province.retained("state")?.context("state")?["state"], "disconnected");
    let (daemon, _page) = province.agent.daemon()?;
    let again = state("online")?;
    assert_ne!(again["session"], online["session"]);
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
fn a_second_box_is_never_trusted_by_itself() -> Result<()> {
    let province = Province::approved()?;
    let first = province.agent.check(&[])?;
    hub_has(&province.hub, "the first box's run", |room| runs(room).contains(&first.report.run))?;

    let second = province.another("second", "bai-chay")?;
    let asked = second.run(&["enrol", "--lang", "en"])?;
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    let check = second.check(&[])?;
    assert_eq!(check.code, 0);
    assert_eq!(waiting(&second)?, 1, "its report stays with it");
    // Even when somebody else carries the report to the broker.
    let pushed = mqtt::publish(
        &province.hub.broker,
        USER,
        &format!("bp/1/{ROOM}/report"),
        second.lines()?[0].as_bytes(),
    )?;
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    let room = hub_has(&province.hub, "the refusal", |room| refused(room, "pending-key") == 1)?;
    assert_eq!(runs(&room), [first.report.run.clone()]);
    assert_eq!(room["enrolment"], "approved");
    assert_eq!(room["fingerprint"], province.agent.fingerprint()?.as_str());
    assert_eq!(room["challengers"], serde_json::json!([second.fingerprint()?]));

    // Without a fingerprint the only one that waits is meant: the operator replaces the box, knowingly.
    let replaced = province
        .hub
        .run(&["room", "approve", ROOM, "--fingerprint", &second.fingerprint()?, "--lang", "en"])?;
    assert_eq!(replaced.code, 0, "{}", replaced.stderr);
    assert!(replaced.stdout.contains(&province.agent.fingerprint()?), "it says which box goes: {}", replaced.stdout);
    let late = province.agent.check(&[])?;
    assert_eq!(late.code, 0);
    let current = second.check(&[])?;
    let room = hub_has(&province.hub, "the second box's run", |room| runs(room).contains(&current.report.run))?;
    assert!(!runs(&room).contains(&late.report.run), "the box that went is not heard any more");
    assert_eq!(room["fingerprint"], second.fingerprint()?.as_str());

    let revoked = province.hub.run(&["room", "revoke", ROOM, "--yes"])?;
    assert_eq!(revoked.code, 0, "{}", revoked.stderr);
    assert_eq!(province.hub.room(ROOM)?["enrolment"], "revoked");
    Ok(())
}

#[test]
fn what_is_not_the_rooms_own_is_refused_and_counted() -> Result<()> {
    let province = Province::approved()?;
    let other = province.another("other", "cua-ong")?;
    trust(&province.hub, &other, "quang-ninh/cua-ong")?;
    let check = province.agent.check(&[])?;
    let others = other.check(&[])?;
    let report = province.agent.lines()?.swap_remove(0);
    let others_report = other.lines()?.swap_remove(0);
    let room = hub_has(&province.hub, "the run", |room| runs(room).contains(&check.report.run))?;
    assert_eq!(room["refused"], serde_json::json!({}), "nothing yet");

    let topic = format!("bp/1/{ROOM}/report");
    let push = |payload: &[u8]| -> Result<()> {
        let pushed = mqtt::publish(&province.hub.broker, USER, &topic, payload)?;
        ensure!(pushed.code == 0 && !mqtt::refused(&pushed), "{pushed:?}");
        Ok(())
    };
    // One bit of the signature; a header that names its own key; words; another room's; one that is too large.
    let (text, signature) = report.rsplit_once('.').context("an envelope")?;
    let swapped = if signature.starts_with('A') { "B" } else { "A" };
    push(format!("{text}.{swapped}{}", &signature[1..]).as_bytes())?;
    let (header, rest) = report.split_once('.').context("an envelope")?;
    push(format!("{header}x.{rest}").as_bytes())?;
    push(b"ready")?;
    push(others_report.as_bytes())?;
    push(&vec![b'A'; MAX_ENVELOPE + 1])?;
    let room = hub_has(&province.hub, "the refusals", |room| {
        let all = room["refused"].as_object().cloned().unwrap_or_default();
        all.values().filter_map(|count| count["n"].as_u64()).sum::<u64>() >= 5
    })?;
    assert_eq!(refused(&room, "wrong-room"), 1, "{}", room["refused"]);
    assert_eq!(refused(&room, "oversized"), 1, "{}", room["refused"]);
    assert!(refused(&room, "forged") >= 1 && refused(&room, "malformed") >= 1, "{}", room["refused"]);
    assert_eq!(runs(&room), [check.report.run.clone()]);

    // The same report again is no second run: it is held once, however often it comes.
    push(report.as_bytes())?;
    push(report.as_bytes())?;
    let more = province.agent.check(&[])?;
    let room = hub_has(&province.hub, "the next run", |room| runs(room).contains(&more.report.run))?;
    assert_eq!(runs(&room).len(), 2);
    assert_eq!((&room["chain"]["held"], &room["chain"]["forks"]), (&2.into(), &0.into()));
    assert_eq!(room["result"]["verdict"], "ready", "a forgery changes nothing that is shown");

    // The broker's own rules: a room writes its own topics and reads its own.
    for kind in ["report", "event", "state", "readiness"] {
        let pushed = mqtt::publish(
            &province.hub.broker,
            USER,
            &format!("bp/1/quang-ninh/cua-ong/{kind}"),
            b"x",
        )?;
        assert!(mqtt::refused(&pushed), "{kind}: {pushed:?}");
    }
    for topic in [format!("bp/1/{ROOM}/receipt"), format!("bp/1/{ROOM}/cmd"), "bp/1/quang-ninh/_hub/key".into()] {
        let pushed = mqtt::publish(&province.hub.broker, USER, &topic, b"x")?;
        assert!(mqtt::refused(&pushed), "{topic}: {pushed:?}");
    }
    let stranger = mqtt::publish(&province.hub.broker, "quang-ninh.stranger", &topic, b"x")?;
    assert!(mqtt::refused(&stranger), "{stranger:?}");
    let there = province.hub.run(&["room", "show", "quang-ninh/cua-ong", "--json"])?;
    let there: Value = serde_json::from_str(&there.stdout)?;
    assert_eq!(runs(&there), [others.report.run.clone()], "the other room is as it was");
    Ok(())
}

#[test]
fn the_hub_verifies_what_a_box_hands_over_on_a_stick() -> Result<()> {
    let province = Province::approved()?;
    let check = province.agent.check(&[])?;
    hub_has(&province.hub, "the run", |room| runs(room).contains(&check.report.run))?;
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
