//! A simulated room as a program of its own, and its control port.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::process::Process;
use super::{PATIENCE, built};

/// A running simulated room.
#[derive(Debug)]
pub struct Sim {
    _process: Process,
    addresses: BTreeMap<String, String>,
    control: BufReader<TcpStream>,
}

impl Sim {
    /// Starts the room that `description` (TOML) describes; its files go to `dir`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(dir: &Path, description: &str) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = dir.join("sim.toml");
        std::fs::write(&file, description)?;
        let mut command = Command::new(built("bridgepoint-sim")?);
        command
            .arg("room")
            .arg(&file)
            .arg("--dir")
            .arg(dir)
            .arg("--with-parent");
        let process = Process::start("bridgepoint-sim", &command)?;
        let line = process.stdout_line(PATIENCE)?;
        let addresses: BTreeMap<String, String> =
            serde_json::from_str(&line).context("the room's addresses")?;
        let control = addresses.get("control").context("the control port's address")?;
        let control = TcpStream::connect(control)?;
        control.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            _process: process,
            control: BufReader::new(control),
            addresses,
        })
    }

    /// Where a device is, e.g. `codec`, `camera.main`, `mic.chair`.
    ///
    /// # Errors
    /// When the room has no such device.
    pub fn address(&self, device: &str) -> Result<&str> {
        self.addresses
            .get(device)
            .map(String::as_str)
            .with_context(|| format!("the room has no {device}"))
    }

    /// `text` with the devices' addresses instead of their names in braces, e.g. `{camera.main}`.
    #[must_use]
    pub fn with_addresses(&self, text: &str) -> String {
        self.addresses
            .iter()
            .fold(text.to_owned(), |text, (device, address)| {
                text.replace(&format!("{{{device}}}"), address)
            })
    }

    /// Switches a fault on or off.
    ///
    /// # Errors
    /// When there is no such fault.
    pub fn fault(&mut self, device: &str, fault: &str, on: bool) -> Result<()> {
        let word = if on { "on" } else { "off" };
        self.ask(&format!("{word} {device} {fault}")).map(drop)
    }

    /// What was sent to the devices beyond the reviewed list, one JSON object a line.
    ///
    /// # Errors
    /// When the room does not answer.
    pub fn violations(&mut self) -> Result<Vec<String>> {
        self.ask("violations")
    }

    /// Everything that the devices received, one JSON object a line.
    ///
    /// # Errors
    /// When the room does not answer.
    pub fn journal(&mut self) -> Result<Vec<String>> {
        self.ask("journal")
    }

    /// Where a camera stands, as JSON.
    ///
    /// # Errors
    /// When there is no such camera.
    pub fn position(&mut self, camera: &str) -> Result<serde_json::Value> {
        let lines = self.ask(&format!("position {camera}"))?;
        serde_json::from_str(&lines.concat()).context("a camera's position")
    }

    fn ask(&mut self, request: &str) -> Result<Vec<String>> {
        self.control
            .get_mut()
            .write_all(format!("{request}\n").as_bytes())?;
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.control.read_line(&mut line)? == 0 {
                bail!("the simulated room closed its control port at \"{request}\"");
            }
            let line = line.trim_end();
            if line == "OK" {
                return Ok(lines);
            }
            if let Some(why) = line.strip_prefix("ERROR ") {
                bail!("the simulated room refused \"{request}\": {why}");
            }
            lines.push(line.to_owned());
        }
    }
}
