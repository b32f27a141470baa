//! The line test's other end, as an operator runs it alone: `bridgepoint-hub reflector`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::process::Process;
use super::{PATIENCE, built};

/// A running reflector on a free port of this machine.
#[derive(Debug)]
pub struct Reflector {
    process: Process,
    /// Where it listens, UDP.
    pub at: SocketAddr,
}

impl Reflector {
    /// Starts one, with `args` besides where it listens; its files go to `dir`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(dir: &Path, args: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let config = dir.join("hub.toml");
        std::fs::write(&config, "[hub]\norgs = [\"quang-ninh\"]\n")?;
        let mut command = Command::new(built("bridgepoint-hub")?);
        command
            .arg("--config")
            .arg(&config)
            .arg("--state")
            .arg(dir.join("state"))
            .args(["reflector", "--listen", "127.0.0.1:0"])
            .args(args)
            .env_remove("BRIDGEPOINT_STATE")
            .env("BRIDGEPOINT_LOG", "info");
        let process = Process::start("bridgepoint-hub reflector", &command)?;
        let line = process.stdout_line(PATIENCE)?;
        let at = line
            .split_ascii_whitespace()
            .find_map(|word| word.parse().ok())
            .with_context(|| format!("it does not say where it listens: {line}"))?;
        Ok(Self { process, at })
    }

    /// Everything that it has said.
    #[must_use]
    pub fn said(&self) -> String {
        self.process.said()
    }
}
