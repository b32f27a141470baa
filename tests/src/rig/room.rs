//! A room with a simulated codec and its box, without and with a province above it: what most tests from outside need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::agent::{Agent, small_room};
use super::hub::Hub;
use super::process::{Output, run};
use super::sim::Sim;
use super::{PATIENCE, mqtt, until};
use crate::scenario;

/// The room's address as the hub's commands take it.
pub const ROOM: &str = "quang-ninh/bai-chay";

/// A room and its box, alone.
#[derive(Debug)]
pub struct Room {
    /// Everything of it is in here, and goes with it.
    pub dir: TempDir,
    /// Its devices.
    pub sim: Sim,
    /// Its box.
    pub agent: Agent,
}

impl Room {
    /// A healthy room.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let sim = Sim::start(&dir.path().join("sim"), &scenario::read("sim.toml")?)?;
        let agent = Agent::new(
            &dir.path().join("agent"),
            &small_room("bai-chay", sim.address("codec")?, None),
        )?;
        Ok(Self { dir, sim, agent })
    }

    /// A file beside the box, with this text.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The box's command, in English, under a shell: `line` has `"$@"` where the command stands.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn shell(&self, line: &str, args: &[&str]) -> Result<Output> {
        let command = self.agent.command(args)?;
        run(Command::new("sh")
            .args(["-c", line, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .args(["--lang", "en"]))
    }
}

/// A room, its box, and the province.
#[derive(Debug)]
pub struct Province {
    /// Everything of it is in here, and goes with it.
    pub dir: TempDir,
    /// The room's devices.
    pub sim: Sim,
    /// The hub with its own broker.
    pub hub: Hub,
    /// The room's box.
    pub agent: Agent,
}

impl Province {
    /// Nobody has asked for anything yet.
    ///
    /// # Errors
    /// When something does not start.
    pub fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let sim = Sim::start(&dir.path().join("sim"), &scenario::read("sim.toml")?)?;
        let hub = Hub::start(&dir.path().join("hub"))?;
        let agent = Agent::new(
            &dir.path().join("agent"),
            &small_room("bai-chay", sim.address("codec")?, Some(&hub.broker)),
        )?;
        Ok(Self { dir, sim, hub, agent })
    }

    /// The box is trusted.
    ///
    /// # Errors
    /// When something does not start, or the hub does not take the box.
    pub fn approved() -> Result<Self> {
        let province = Self::new()?;
        province.trust(&province.agent, ROOM)?;
        Ok(province)
    }

    /// Another box, for the room `id`, in its own folder.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn another(&self, folder: &str, id: &str) -> Result<Agent> {
        Agent::new(
            &self.dir.path().join(folder),
            &small_room(id, self.sim.address("codec")?, Some(&self.hub.broker)),
        )
    }

    /// Has the hub take a box's key, as an operator who was told its fingerprint.
    ///
    /// # Errors
    /// When it does not.
    pub fn trust(&self, agent: &Agent, room: &str) -> Result<()> {
        let asked = agent.run(&["enrol", "--lang", "en"])?;
        ensure!(
            asked.code == 0,
            "enrol: {}{}\n{}",
            asked.stdout,
            asked.stderr,
            self.hub.said()
        );
        let approved = self
            .hub
            .run(&["room", "approve", room, "--fingerprint", &agent.fingerprint()?])?;
        ensure!(
            approved.code == 0,
            "approve: {}{}",
            approved.stdout,
            approved.stderr
        );
        Ok(())
    }

    /// Waits until the hub has something about the room. Gives the room as it shows it.
    ///
    /// # Errors
    /// When it does not come, with what the hub has.
    pub fn hub_has(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let known = || self.hub.room(ROOM);
        until(what, PATIENCE, || Ok(known().ok().filter(|room| wanted(room))))
            .with_context(|| format!("{:?}\n{}", known(), self.hub.said()))
    }

    /// What other programs read on a topic of the room, as JSON.
    ///
    /// # Errors
    /// When the broker does not say, or it is no JSON.
    pub fn retained(&self, kind: &str) -> Result<Option<Value>> {
        let text = mqtt::retained(&self.hub.socket(), &format!("bp/1/{ROOM}/{kind}"))?;
        text.map(|text| serde_json::from_str(&text).with_context(|| text.clone()))
            .transpose()
    }
}

/// The runs that the hub holds of a room, newest first.
#[must_use]
pub fn runs(room: &Value) -> Vec<String> {
    let history = room.get("history").and_then(Value::as_array);
    history
        .into_iter()
        .flatten()
        .filter_map(|run| run.get("run").and_then(Value::as_str).map(str::to_owned))
        .collect()
}

/// How many messages of a room the hub has refused for this reason.
#[must_use]
pub fn refused(room: &Value, why: &str) -> u64 {
    room.pointer(&format!("/refused/{why}/n"))
        .and_then(Value::as_u64)
        .unwrap_or(0)
}

/// A box's entries without receipt.
///
/// # Errors
/// When it does not list them.
pub fn waiting(agent: &Agent) -> Result<usize> {
    let listed = agent.run(&["logbook", "list", "--json"])?;
    let rows: Vec<Value> = serde_json::from_str(&listed.stdout).with_context(|| listed.stderr.clone())?;
    let without = |row: &&Value| row.get("received_ms").is_none_or(Value::is_null);
    Ok(rows.iter().filter(without).count())
}

/// A line of a logbook with another character at `at`.
#[must_use]
pub fn with_another(line: &str, at: usize) -> String {
    line.char_indices()
        .map(|(here, c)| match (here == at, c) {
            (false, c) => c,
            (true, 'A') => 'B',
            (true, _) => 'A',
        })
        .collect()
}

/// The folder of a file that a program has to reach as another user.
///
/// # Errors
/// When its mode cannot be changed.
pub fn open_to_all(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .with_context(|| path.display().to_string())
}
