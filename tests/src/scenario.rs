//! Scenarios as data: a room, what is wrong with it, and what the check has to find.
//!
//! `tests/scenarios/NN-name.toml` each; `sim.toml` and `room.toml` beside them are the room that they share, and
//! `sim-NAME.toml` and `room-NAME.toml` the room of those with `room = "NAME"`.
//! Every scenario ends by proving from the simulators' journals that nothing was sent beyond the reviewed list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use bridgepoint_protocol::claims::{Finding, Report, Status};
use serde::Deserialize;

use crate::rig::agent::{Agent, Check};
use crate::rig::hub::Hub;
use crate::rig::nut::Nut;
use crate::rig::reflector::Reflector;
use crate::rig::sim::Sim;
use crate::sim::spec::Through;

/// Held while a line is measured.
static LINE: Mutex<()> = Mutex::new(());

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is about.
    pub title: String,
    /// Which room it plays in; absent = the one that most share.
    #[serde(default)]
    pub room: Option<String>,
    /// Faults of the simulated devices.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// How the microphones are heard.
    #[serde(default)]
    pub sound: Through,
    /// The room's line to the province, where it has one; the reflector is the hub's, or runs alone.
    #[serde(default)]
    pub line: Option<Line>,
    /// A rehearsal of the healthy room is accepted before anything breaks.
    #[serde(default)]
    pub rehearsal: bool,
    /// The meeting that the check is for; the healthy room was checked for it before anything broke.
    #[serde(default)]
    pub meeting: Option<String>,
    /// What is done to the UPS.
    #[serde(default)]
    pub ups: UpsState,
    /// The hub's part, where it has one.
    #[serde(default)]
    pub hub: HubState,
    /// What is checked; absent = everything.
    #[serde(default)]
    pub only: Option<String>,
    /// What has to be found.
    pub expect: Expect,
}

/// A fault of a simulated device, by its names on the control port.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// E.g. `codec`, `camera.main`, `mic.chair`.
    pub device: String,
    /// The fault's name.
    pub name: String,
}

/// The line from the room to the province.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The router's address. No host has the broadcast address: there nothing answers.
    #[serde(default = "alive")]
    pub gateway: String,
    /// The MCU's address, where it is not the simulated one.
    #[serde(default)]
    pub mcu: Option<String>,
}

/// The router is this machine.
fn alive() -> String {
    "127.0.0.1".to_owned()
}

impl Default for Line {
    fn default() -> Self {
        Self {
            gateway: alive(),
            mcu: None,
        }
    }
}

/// How a stage is set.
#[derive(Debug, Clone, Default)]
pub struct Setting<'a> {
    /// The room's name; absent = the one that most scenarios share.
    pub room: Option<&'a str>,
    /// With a hub.
    pub hub: bool,
    /// How the microphones are heard.
    pub sound: Through,
    /// With a line.
    pub line: Option<Line>,
}

/// What is done to the UPS.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpsState {
    /// Variables that are changed in upsd.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// What is done to the driver.
    #[serde(default)]
    pub driver: Driver,
}

/// The UPS's driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// It works.
    #[default]
    Alive,
    /// It was killed.
    Killed,
    /// It hangs.
    Frozen,
}

/// The hub's part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubState {
    /// The room has none.
    #[default]
    None,
    /// It is there, and has approved the box.
    There,
    /// It has approved the box, is away while the check is made, and comes back.
    Away,
}

/// What has to be found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The verdict.
    pub verdict: String,
    /// The exit code.
    pub exit: i32,
    /// `status code` by check; every check that is not named here has to pass or to be skipped.
    #[serde(default)]
    pub findings: BTreeMap<String, String>,
    /// The checks whose earlier pass for the same meeting is carried; no others.
    #[serde(default)]
    pub carried: Vec<String>,
}

/// Where the scenarios are.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// A file beside the scenarios: the room that all share.
///
/// # Errors
/// When it cannot be read.
pub fn read(name: &str) -> Result<String> {
    std::fs::read_to_string(folder().join(name)).with_context(|| name.to_owned())
}

/// The scenarios' names, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder())? {
        let name = file?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name
            .strip_suffix(".toml")
            .filter(|n| n.starts_with(|c: char| c.is_ascii_digit()))
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The whole rig of one scenario.
pub struct Stage {
    /// The simulated devices.
    pub sim: Sim,
    /// The UPS.
    pub nut: Nut,
    /// The hub, where there is one.
    pub hub: Option<Hub>,
    /// The box.
    pub agent: Agent,
    // Held for its end.
    _reflector: Option<Reflector>,
}

impl Stage {
    /// Sets up a room, healthy.
    ///
    /// # Errors
    /// When there is no room of that name, or something does not start.
    pub fn set(dir: &Path, setting: &Setting<'_>) -> Result<Self> {
        let file = |kind: &str| match setting.room {
            Some(room) => format!("{kind}-{room}.toml"),
            None => format!("{kind}.toml"),
        };
        let (mut devices, mut config) = (read(&file("sim"))?, read(&file("room"))?);
        if setting.sound == Through::Pulse {
            devices = devices.replace("through = \"file\"", "through = \"pulse\"");
        }
        let hub = setting.hub.then(|| Hub::start(&dir.join("hub"))).transpose()?;
        let mut reflector = None;
        if let Some(line) = &setting.line {
            let upstream = match &hub {
                Some(hub) => hub.reflector.clone(),
                None => reflector
                    .insert(Reflector::start(&dir.join("reflector"), &[])?)
                    .at
                    .to_string(),
            };
            devices.push_str(&format!("\n[line]\nupstream = \"{upstream}\"\n"));
            config.push_str(&format!(
                "\n[line]\ngateway = \"{}\"\nmcu = \"{}\"\nreflector = \"{{line.reflector}}\"\nrate_kbps = 2048\n",
                line.gateway,
                line.mcu.as_deref().unwrap_or("{line.mcu}")
            ));
        }
        let sim = Sim::start(&dir.join("sim"), &devices)?;
        let nut = Nut::start(&dir.join("nut"), Path::new(sim.address("ups.dev_file")?))?;
        let mut config = sim.with_addresses(&config.replace("{ups}", &nut.address()));
        if let Some(hub) = &hub {
            config.push_str(&format!("\n[hub]\nbroker = \"{}\"\n", hub.broker));
        }
        let mut agent = Agent::new(&dir.join("agent"), &config)?;
        if setting.sound == Through::Pulse {
            agent = agent.with_env("PULSE_SERVER", sim.address("sound.server")?);
        }
        Ok(Self {
            sim,
            nut,
            hub,
            agent,
            _reflector: reflector,
        })
    }

    /// Has the hub take the box's key.
    ///
    /// # Errors
    /// When it does not.
    pub fn enrol(&self) -> Result<()> {
        let hub = self.hub.as_ref().context("this stage has no hub")?;
        let asked = self.agent.run(&["enrol"])?;
        ensure!(
            asked.code == 0,
            "enrol ended with {}:\n{}{}\n{}",
            asked.code,
            asked.stdout,
            asked.stderr,
            hub.said()
        );
        hub.approve("quang-ninh/bai-chay")?;
        let taken = self.agent.run(&["enrol", "--lang", "en"])?;
        ensure!(
            taken.code == 0,
            "enrol ended with {}:\n{}{}\n{}",
            taken.code,
            taken.stdout,
            taken.stderr,
            hub.said()
        );
        Ok(())
    }
}

/// Plays a scenario.
///
/// # Errors
/// What was found and not expected, or expected and not found.
pub fn play(name: &str) -> Result<()> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.toml")))?;
    let scenario: Scenario = bridgepoint_protocol::written::read(name, &text)?;
    // A stream at the call's rate is measured: two at once on a small machine would measure each other.
    let _one_line_at_a_time = scenario
        .line
        .as_ref()
        .map(|_| LINE.lock().unwrap_or_else(PoisonError::into_inner));
    let dir = tempfile::tempdir()?;
    let mut stage = Stage::set(
        dir.path(),
        &Setting {
            room: scenario.room.as_deref(),
            hub: scenario.hub != HubState::None,
            sound: scenario.sound,
            line: scenario.line.clone(),
        },
    )?;
    if scenario.hub != HubState::None {
        stage.enrol()?;
    }
    while_healthy(&scenario, &stage)?;
    for fault in &scenario.faults {
        stage.sim.fault(&fault.device, &fault.name, true)?;
    }
    for (variable, value) in &scenario.ups.set {
        stage.nut.set(variable, value)?;
    }
    match scenario.ups.driver {
        Driver::Alive => {}
        Driver::Killed => stage.nut.kill_driver()?,
        Driver::Frozen => stage.nut.freeze_driver()?,
    }
    if scenario.hub == HubState::Away {
        stage.hub.as_mut().context("hub")?.stop()?;
    }
    let check = stage.agent.check(&scenario.args())?;
    compare(&scenario.expect, &check)?;
    prove_clean(&mut stage.sim)?;
    if scenario.hub != HubState::None {
        delivered(&mut stage, &check.report, scenario.hub)?;
    }
    let book = stage.agent.run(&["logbook", "verify"])?;
    ensure!(
        book.code == 0,
        "the logbook does not hold: {}{}",
        book.stdout,
        book.stderr
    );
    Ok(())
}

impl Scenario {
    fn args(&self) -> Vec<&str> {
        let only = self.only.as_deref().map(|only| ["--only", only]);
        let meeting = self.meeting.as_deref().map(|meeting| ["--meeting", meeting]);
        only.into_iter().chain(meeting).flatten().collect()
    }
}

/// What happened before anything broke: the rehearsal, and the meeting's earlier check.
fn while_healthy(scenario: &Scenario, stage: &Stage) -> Result<()> {
    if scenario.rehearsal {
        stage.agent.check(&[])?;
        let accepted = stage.agent.run(&[
            "baseline",
            "accept",
            "--by",
            "Nguyễn Văn A",
            "--allowed-by",
            "VNPT khu vực",
        ])?;
        ensure!(accepted.code == 0, "{}{}", accepted.stdout, accepted.stderr);
    }
    if scenario.meeting.is_some() {
        let earlier = stage.agent.check(&scenario.args())?;
        ensure!(
            earlier.code == 0,
            "the room was not healthy before: {:?}",
            earlier.report.findings
        );
    }
    Ok(())
}

/// Nothing was sent beyond the reviewed list, and something was sent at all.
///
/// # Errors
/// Names what was sent.
pub fn prove_clean(sim: &mut Sim) -> Result<()> {
    ensure!(
        !sim.journal()?.is_empty(),
        "the devices received nothing: this proves nothing"
    );
    let violations = sim.violations()?;
    ensure!(
        violations.is_empty(),
        "sent beyond the reviewed list:\n{}",
        violations.join("\n")
    );
    Ok(())
}

fn compare(expect: &Expect, check: &Check) -> Result<()> {
    let mut wrong = Vec::new();
    let verdict = check.report.claimed_verdict().word();
    if (verdict, check.code) != (expect.verdict.as_str(), expect.exit) {
        wrong.push(format!(
            "verdict {verdict}, exit {}; expected {}, {}",
            check.code, expect.verdict, expect.exit
        ));
    }
    for (id, expected) in &expect.findings {
        match check.report.findings.iter().find(|f| f.check == *id) {
            None => wrong.push(format!("{id} is missing; expected {expected}")),
            Some(found) if said(found) != *expected => {
                wrong.push(format!(
                    "{id}: {}; expected {expected} ({:?})",
                    said(found),
                    found.params
                ));
            }
            Some(_) => {}
        }
    }
    let carried = check.report.findings.iter().filter(|f| f.carried_ms.is_some());
    let carried: Vec<&str> = carried.map(|f| f.check.as_str()).collect();
    if carried != expect.carried {
        wrong.push(format!("carried: {carried:?}; expected {:?}", expect.carried));
    }
    let others = check
        .report
        .findings
        .iter()
        .filter(|f| !expect.findings.contains_key(&f.check));
    for finding in others.filter(|f| !f.check.starts_with("host.") || f.check == "host.logbook") {
        if !matches!(finding.status(), Status::Pass | Status::Skipped) {
            wrong.push(format!(
                "{}: {} was not expected ({:?})",
                finding.check,
                said(finding),
                finding.params
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}\n{}", wrong.join("\n"), check.stderr)
}

fn said(finding: &Finding) -> String {
    format!("{} {}", finding.status().word(), finding.code)
}

/// The hub has the report, with the room's own verdict, once; where it was away it has it after it came back.
fn delivered(stage: &mut Stage, report: &Report, state: HubState) -> Result<()> {
    if state == HubState::Away {
        let hub = stage.hub.as_mut().context("hub")?;
        hub.serve()?;
        // The next caller of any kind delivers what waits; this one asks no device and adds no entry.
        let called = stage.agent.run(&["enrol"])?;
        ensure!(called.code == 0, "{}{}", called.stdout, called.stderr);
    }
    let hub = stage.hub.as_ref().context("hub")?;
    let room = hub.room("quang-ninh/bai-chay")?;
    let field = |row: &serde_json::Value, key: &str| row.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let history = room.get("history").and_then(serde_json::Value::as_array);
    let held: Vec<_> = history
        .into_iter()
        .flatten()
        .filter(|row| field(row, "run").as_ref() == Some(&report.run))
        .map(|row| (field(row, "verdict"), field(row, "claimed")))
        .collect();
    let verdict = Some(report.claimed_verdict().word().to_owned());
    ensure!(
        held.len() == 1
            && held.iter().all(|(computed, claimed)| *computed == verdict
                && claimed.as_ref().is_none_or(|c| Some(c) == verdict.as_ref())),
        "the hub does not have run {} once with {verdict:?}, but {held:?}:\n{room}\n{}",
        report.run,
        hub.said()
    );
    let book = stage.agent.run(&["logbook", "list", "--json"])?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&book.stdout)?;
    let waiting: Vec<_> = rows
        .iter()
        .filter(|row| row.get("received_ms").is_none_or(serde_json::Value::is_null))
        .collect();
    ensure!(waiting.is_empty(), "not receipted: {waiting:?}\n{}", hub.said());
    Ok(())
}
