//! The hub, as an operator runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::envelope::SigningKey;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::process::{Output, Process, run, succeed};
use super::{PATIENCE, built, until};

/// A running hub with its own broker.
#[derive(Debug)]
pub struct Hub {
    process: Option<Process>,
    config: PathBuf,
    state: PathBuf,
    log: &'static str,
    /// Where rooms connect, `mqtt://127.0.0.1:PORT`.
    pub broker: String,
    /// Its page, `http://127.0.0.1:PORT`.
    pub page: String,
    /// The line test's other end, `127.0.0.1:PORT` on UDP.
    pub reflector: String,
}

/// A hub's own broker, at a free port.
const OWN_BROKER: &str = "address = \"own\"\nlisten = \"127.0.0.1:0\"";

impl Hub {
    /// Starts a hub in `dir` on free ports.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(dir: &Path) -> Result<Self> {
        Self::start_with(dir, "")
    }

    /// The same, with its log at this level.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_logging(dir: &Path, log: &'static str) -> Result<Self> {
        Self::start_at(dir, "", OWN_BROKER, log)
    }

    /// Starts a hub with more lines (TOML) in the table `[hub]` of its configuration.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(dir: &Path, more: &str) -> Result<Self> {
        Self::start_at(dir, more, OWN_BROKER, "info")
    }

    /// Starts a hub whose rooms come to somebody else's broker, `mqtt://127.0.0.1:PORT`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_beside(dir: &Path, broker: &str) -> Result<Self> {
        Self::start_at(dir, "", &format!("address = \"{broker}\""), "info")
    }

    fn start_at(dir: &Path, more: &str, broker: &str, log: &'static str) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let config = dir.join("hub.toml");
        let text = format!(
            "[hub]\norgs = [\"quang-ninh\"]\n{more}\n[broker]\n{broker}\n[page]\nlisten = \"127.0.0.1:0\"\n[reflector]\nlisten = \"127.0.0.1:0\"\n"
        );
        std::fs::write(&config, &text)?;
        let mut hub = Self {
            process: None,
            log,
            config,
            state: dir.join("state"),
            broker: String::new(),
            page: String::new(),
            reflector: String::new(),
        };
        hub.serve()?;
        // From now on the same ports, so that a hub that comes back is found again.
        let port = |address: &str| address.rsplit(':').next().unwrap_or("0").to_owned();
        let own = format!(
            "[broker]\naddress = \"own\"\nlisten = \"127.0.0.1:{}\"",
            port(&hub.broker)
        );
        let fixed = text
            .replace("[broker]\naddress = \"own\"\nlisten = \"127.0.0.1:0\"", &own)
            .replacen("127.0.0.1:0", &format!("127.0.0.1:{}", port(&hub.page)), 1)
            .replacen("127.0.0.1:0", &hub.reflector, 1);
        std::fs::write(&hub.config, fixed)?;
        Ok(hub)
    }

    /// Starts it (again).
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&mut self) -> Result<()> {
        let facts = self.state.join("serve.json");
        let _from_before = std::fs::remove_file(&facts);
        let mut command = self.command()?;
        command
            .arg("serve")
            .env("BRIDGEPOINT_LOG", self.log)
            .env("RUST_LOG", self.log);
        let process = Process::start("bridgepoint-hub", &command)?;
        let found: Result<Value> = until("the hub's serve.json", PATIENCE, || {
            Ok(std::fs::read(&facts)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok()))
        });
        let said: Value = found.with_context(|| process.said())?;
        let word = |key: &str| {
            said.get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .with_context(|| format!("serve.json has no {key}"))
        };
        self.broker = word("broker")?;
        self.page = word("page")?;
        self.reflector = word("reflector")?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.stop(PATIENCE)?;
        }
        Ok(())
    }

    /// Kills it and its broker (SIGKILL), as a power cut would. Before that it is held for as long as `meanwhile` takes:
    /// its broker takes what rooms send, and it does not.
    ///
    /// # Errors
    /// When it does not run, or `meanwhile` fails.
    pub fn fall(&mut self, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        let process = self.process.take().context("the hub does not run")?;
        process.signal(Signal::STOP)?;
        let done = meanwhile();
        let pid = std::fs::read_to_string(self.state.join("broker").join("pid"))?;
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.context("the broker's process number")?, Signal::KILL)?;
        process.kill();
        done
    }

    /// Kills its broker alone (SIGKILL); the hub starts it again.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill_broker(&self) -> Result<()> {
        let pid = std::fs::read_to_string(self.state.join("broker").join("pid"))?;
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        Ok(kill_process(
            pid.context("the broker's process number")?,
            Signal::KILL,
        )?)
    }

    /// Its database.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.state.join("hub.db")
    }

    /// Everything that it has said.
    #[must_use]
    pub fn said(&self) -> String {
        self.process.as_ref().map(Process::said).unwrap_or_default()
    }

    /// Runs one of its commands.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        run(self.command()?.args(args))
    }

    /// The socket of its own broker that only it uses: all topics are read there.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state.join("broker").join("hub.sock")
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The key that it signs with.
    ///
    /// # Errors
    /// When it has none yet.
    pub fn key(&self) -> Result<SigningKey> {
        let file = self.state.join("key.pk8");
        let document = std::fs::read(&file).with_context(|| file.display().to_string())?;
        Ok(SigningKey::from_pkcs8(&document)?)
    }

    /// Approves a room's box, whatever its fingerprint.
    ///
    /// # Errors
    /// When there is nothing to approve.
    pub fn approve(&self, room: &str) -> Result<String> {
        succeed(self.command()?.args(["room", "approve", room, "--yes"]))
    }

    /// Enters a meeting of all rooms that begins at `start_ms` (UTC milliseconds) and gives its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn meeting(&self, id: &str, subject: &str, start_ms: i64, args: &[&str]) -> Result<String> {
        let seconds = format!("@{}", start_ms.div_euclid(1000));
        let start = succeed(Command::new("date").args(["-u", "-d", &seconds, "+%Y-%m-%dT%H:%M:%SZ"]))?;
        succeed(
            self.command()?
                .args([
                    "meeting",
                    "add",
                    "--id",
                    id,
                    "--subject",
                    subject,
                    "--rooms",
                    "all",
                ])
                .args(["--start", start.trim()])
                .args(args),
        )
    }

    /// What it knows of a room, as JSON.
    ///
    /// # Errors
    /// When it does not know it.
    pub fn room(&self, room: &str) -> Result<Value> {
        let text = succeed(self.command()?.args(["room", "show", room, "--json"]))?;
        serde_json::from_str(&text).context("room show --json")
    }

    /// Its program with configuration and state.
    fn command(&self) -> Result<Command> {
        let mut command = Command::new(built("bridgepoint-hub")?);
        command
            .arg("--config")
            .arg(&self.config)
            .arg("--state")
            .arg(&self.state)
            .env_remove("BRIDGEPOINT_STATE");
        Ok(command)
    }
}
