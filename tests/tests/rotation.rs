//! Keys that hand over, from outside: a box that changes to its next key while its daemon runs, is cut off in the middle and
//! goes on; a hub whose key hands over; and both with the real hub.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::envelope::{Kid, SigningKey};
use bridgepoint_protocol::rotation::{ROTATED, hub_statement, successor};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::played::{Played, Sent, hub_key};
use bridgepoint_tests::rig::process::Process;
use bridgepoint_tests::rig::room::{Province, ROOM, Room, runs, waiting};
use bridgepoint_tests::rig::{PATIENCE, http, until};
use serde_json::Value;

/// A room whose box knows a played hub.
struct Table {
    room: Room,
    hub: Played,
    agent: Agent,
}

impl Table {
    fn new() -> Result<Self> {
        let room = Room::new()?;
        let hub = Played::start(&room.dir.path().join("broker"), ROOM)?;
        let config = small_room("bai-chay", room.sim.address("codec")?, Some(hub.address()));
        let agent = Agent::new(&room.dir.path().join("agent"), &config)?;
        Ok(Self { room, hub, agent })
    }

    /// The box's key is taken.
    fn enrolled(key: &SigningKey) -> Result<(Self, Process, String)> {
        let table = Self::new()?;
        table.hub.show(key, &[])?;
        let (daemon, page) = table.agent.daemon()?;
        let asked = table.hub.until(|sent| sent.topic == "enrol")?;
        assert_eq!(asked.claims["former"], Value::Null);
        table.hub.receipt(key, &asked)?;
        Ok((table, daemon, page))
    }

    /// The key that signs, as the box's own file has it.
    fn kid(&self) -> Result<Kid> {
        let document = fs::read(self.agent.state().join("key.pk8"))?;
        Ok(SigningKey::from_pkcs8(&document)?.kid().clone())
    }

    fn start(&self, args: &[&str]) -> Result<Process> {
        let args: Vec<&str> = args.iter().chain(&["--lang", "en"]).copied().collect();
        Process::start(&args.join(" "), &self.agent.command(&args)?)
    }

    /// What the technician's page says that the box's fingerprint is.
    fn on_page(&self, page: &str) -> Result<String> {
        let status: Value = serde_json::from_str(&http::get(page, "/api/status")?.body)?;
        let shown = status["fingerprint"].as_str().context("fingerprint")?.to_owned();
        assert!(http::get(page, "/")?.body.contains(&shown), "in both forms");
        Ok(shown)
    }
}

fn is_rotation(sent: &Sent) -> bool {
    sent.topic == "event" && sent.claims["code"] == ROTATED
}

#[test]
fn a_box_changes_its_key_while_it_runs_and_is_cut_off_in_the_middle() -> Result<()> {
    let key = hub_key()?;
    let (table, daemon, page) = Table::enrolled(&key)?;
    let (hub, agent) = (&table.hub, &table.agent);
    let (old, old_document) = (table.kid()?, fs::read(agent.state().join("key.pk8"))?);
    assert_eq!(table.on_page(&page)?, old.fingerprint());

    let first = table.start(&["key", "rotate"])?;
    let entry = hub.until(is_rotation)?;
    assert_eq!(entry.kid, old, "the key before says which one follows");
    let event = serde_json::from_value(entry.claims.clone())?;
    let next = successor(&event, &old).context("a rotation")??.kid();
    let shown = agent.run(&["key", "show"])?;
    assert!(
        shown.stdout.contains(&old.fingerprint()) && shown.stdout.contains(&next.fingerprint()),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stdout.contains("receipt for the change"),
        "{}",
        shown.stdout
    );

    // Receipted: now the next key is tried. The power goes before the hub has taken it.
    hub.receipt(&key, &entry)?;
    let trial = hub.until(|sent| sent.topic == "enrol" && sent.kid == next)?;
    assert_eq!(
        (&trial.kid, &trial.claims["former"]),
        (&next, &Value::from(old.as_str()))
    );
    assert_eq!(entry.claims["params"]["proof"], trial.jws.as_str());
    daemon.kill();
    assert_eq!(first.ended(PATIENCE)?, 70, "its daemon is gone");
    assert_eq!(table.kid()?, old);

    let (daemon, page) = agent.daemon()?;
    // The key that signs asks too, as on every connection.
    let again = hub.until(|sent| sent.topic == "enrol" && sent.kid == next)?;
    assert_eq!(
        again.jws, trial.jws,
        "it goes on by itself, with the same enrolment"
    );
    let checking = table.start(&["check", "--only", "host"])?;
    let report = hub.until(|sent| sent.topic == "report")?;
    assert_eq!(report.kid, old, "until the hub has taken the next one");
    hub.receipt(&key, &report)?;
    assert_ne!(checking.ended(PATIENCE)?, 70);
    let shown = agent.run(&["key", "show"])?;
    assert!(
        shown.stdout.contains("receipt for the next key"),
        "{}",
        shown.stdout
    );
    assert_eq!(table.on_page(&page)?, old.fingerprint());

    // A second order goes on with the same change, and sees its end.
    let version = || -> Result<u64> {
        let status: Value = serde_json::from_str(&http::get(&page, "/api/status")?.body)?;
        status["version"].as_u64().context("version")
    };
    let before = version()?;
    let second = table.start(&["key", "rotate"])?;
    until("the second order", PATIENCE, || {
        Ok((version()? > before).then_some(()))
    })?;
    hub.receipt(&key, &again)?;
    let said = second.stdout_line(PATIENCE)?;
    assert!(said.contains(&next.fingerprint()), "{said}");
    assert_eq!(second.ended(PATIENCE)?, 0);
    assert_eq!(table.kid()?, next);
    assert_eq!(table.on_page(&page)?, next.fingerprint(), "without a restart");
    assert_eq!(agent.fingerprint()?, next.fingerprint());
    let checking = table.start(&["check", "--only", "host"])?;
    let report = hub.until(|sent| sent.topic == "report" && sent.kid == next)?;
    assert!(report.seq() > entry.seq());
    hub.receipt(&key, &report)?;
    checking.ended(PATIENCE)?;
    daemon.stop(PATIENCE)?;

    let verified = agent.run(&["logbook", "verify"])?;
    assert_eq!(
        verified.code, 0,
        "both keys' entries: {}{}",
        verified.stdout, verified.stderr
    );
    for entry in fs::read_dir(agent.state())? {
        let path = entry?.path();
        if path.is_file() {
            let bytes = fs::read(&path)?;
            let found = bytes.windows(old_document.len()).any(|part| part == old_document);
            assert!(!found, "the old private half is in {}", path.display());
        }
    }
    Ok(())
}

#[test]
fn without_a_daemon_the_command_does_it_all() -> Result<()> {
    let key = hub_key()?;
    let table = Table::new()?;
    table.hub.show(&key, &[])?;
    let asking = table.start(&["enrol"])?;
    let asked = table.hub.until(|sent| sent.topic == "enrol")?;
    table.hub.receipt(&key, &asked)?;
    assert_eq!(asking.ended(PATIENCE)?, 0);
    let rotating = table.start(&["key", "rotate"])?;
    let entry = table.hub.until(is_rotation)?;
    table.hub.receipt(&key, &entry)?;
    let trial = table
        .hub
        .until(|sent| sent.topic == "enrol" && sent.kid != asked.kid)?;
    table.hub.receipt(&key, &trial)?;
    let said = rotating.stdout_line(PATIENCE)?;
    assert!(said.contains(&trial.kid.fingerprint()), "{said}");
    assert_eq!(rotating.ended(PATIENCE)?, 0);
    assert_eq!(table.kid()?, trial.kid);
    drop(table.room);
    Ok(())
}

#[test]
fn a_hubs_key_that_hands_over_is_followed_and_a_strange_one_is_not() -> Result<()> {
    let [first, second, stranger] = [hub_key()?, hub_key()?, hub_key()?];
    let (table, daemon, _page) = Table::enrolled(&first)?;
    let (hub, agent) = (&table.hub, &table.agent);
    let fingerprint = |key: &SigningKey| key.kid().fingerprint();
    // The running daemon answers; nobody has to stop it.
    let asked = agent.run(&["enrol"])?;
    assert_eq!(asked.code, 0, "{}{}", asked.stdout, asked.stderr);
    assert!(asked.stdout.contains(&fingerprint(&first)), "{}", asked.stdout);
    assert!(asked.stdout.contains("approved the box"), "{}", asked.stdout);

    let statement = hub_statement(&first, &second, 0)?;
    hub.show(&second, std::slice::from_ref(&statement))?;
    let line = daemon.stderr_until("handed over", PATIENCE)?;
    assert!(
        line.contains(&fingerprint(&first)) && line.contains(&fingerprint(&second)),
        "{line}"
    );
    let checking = table.start(&["check", "--only", "host"])?;
    let report = hub.until(|sent| sent.topic == "report")?;
    hub.receipt(&second, &report)?;
    checking.ended(PATIENCE)?;
    until("the receipt by the next key", PATIENCE, || {
        Ok((waiting(agent)? == 0).then_some(()))
    })?;
    let verified = agent.run(&["logbook", "verify"])?;
    assert_eq!(verified.code, 0, "{}", verified.stderr);

    // The former key again, with a statement that it could have made for a thief.
    hub.show(&stranger, &[statement, hub_statement(&first, &stranger, 0)?])?;
    daemon.stderr_until("another key", PATIENCE)?;
    let asked = agent.run(&["enrol"])?;
    assert_eq!(asked.code, 70, "{}{}", asked.stdout, asked.stderr);
    assert!(asked.stderr.contains(&fingerprint(&stranger)), "{}", asked.stderr);
    // A person has compared it by telephone, and tells the running daemon.
    let accepting = table.start(&["enrol", "--accept-hub"])?;
    let again = hub.until(|sent| sent.topic == "enrol")?;
    hub.receipt(&stranger, &again)?;
    until("the end of enrol --accept-hub", PATIENCE, || {
        let said = accepting.said();
        Ok(said.contains(&fingerprint(&stranger)).then_some(()))
    })?;
    assert_eq!(accepting.ended(PATIENCE)?, 0);
    daemon.stop(PATIENCE)?;
    Ok(())
}

#[test]
fn the_hub_takes_a_boxs_next_key_and_goes_on_with_its_chain() -> Result<()> {
    let province = Province::approved()?;
    let agent = &province.agent;
    let (daemon, page) = agent.daemon()?;
    let before = agent.check(&[])?;
    province.hub_has("the first run", |room| runs(room).contains(&before.report.run))?;
    let old = agent.fingerprint()?;
    let turned = agent.run(&["key", "rotate"])?;
    let said = || format!("{}{}\n{}", turned.stdout, turned.stderr, province.hub.said());
    assert_eq!(turned.code, 0, "{}", said());
    let new = agent.fingerprint()?;
    assert_ne!(old, new, "{}", said());
    assert!(turned.stdout.contains(&new), "{}", said());
    let after = agent.check(&[])?;
    let room = province.hub_has("the run by the next key", |room| {
        runs(room).contains(&after.report.run)
    })?;
    assert_eq!(room["fingerprint"], new.as_str(), "the room's key");
    assert_eq!(room["chain"]["state"], "complete", "one chain: {}", room["chain"]);
    assert_eq!(runs(&room).len(), 2);
    let status: Value = serde_json::from_str(&http::get(&page, "/api/status")?.body)?;
    assert_eq!(status["fingerprint"], new.as_str());
    until("the receipts", PATIENCE, || {
        Ok((waiting(agent)? == 0).then_some(()))
    })?;
    daemon.stop(PATIENCE)?;
    assert_eq!(agent.run(&["logbook", "verify"])?.code, 0);
    Ok(())
}

#[test]
fn the_hubs_next_key_is_followed_by_a_box_that_knew_the_former_one() -> Result<()> {
    let mut province = Province::approved()?;
    let before = province.agent.check(&[])?;
    province.hub_has("the first run", |room| runs(room).contains(&before.report.run))?;
    let old = province.hub.key()?.kid().clone();
    province.hub.stop()?;
    let rotated = province.hub.run(&["key", "rotate"])?;
    assert_eq!(rotated.code, 0, "{}{}", rotated.stdout, rotated.stderr);
    let new = province.hub.key()?.kid().clone();
    assert_ne!(old, new);
    province.hub.serve()?;
    let after = province.agent.check(&[])?;
    assert!(
        after.stderr.contains(&old.fingerprint()) && after.stderr.contains(&new.fingerprint()),
        "both are said: {}",
        after.stderr
    );
    province.hub_has("the next run", |room| runs(room).contains(&after.report.run))?;
    until("the receipts", PATIENCE, || {
        let asked = province.agent.run(&["enrol"])?;
        assert_eq!(asked.code, 0, "{}{}", asked.stdout, asked.stderr);
        assert!(asked.stdout.contains(&new.fingerprint()), "{}", asked.stdout);
        Ok((waiting(&province.agent)? == 0).then_some(()))
    })?;
    let verified = province.agent.run(&["logbook", "verify"])?;
    assert_eq!(verified.code, 0, "receipts of both keys: {}", verified.stderr);
    // A box that has never seen the former key, and whose configuration names it.
    let named = province.another("named", "cua-ong")?;
    let config = fs::read_to_string(named.config())? + &format!("key = \"{old}\"\n");
    fs::write(named.config(), config)?;
    let asked = named.run(&["enrol"])?;
    assert_eq!(asked.code, 0, "{}{}", asked.stdout, asked.stderr);
    assert!(asked.stdout.contains(&new.fingerprint()), "{}", asked.stdout);
    Ok(())
}
