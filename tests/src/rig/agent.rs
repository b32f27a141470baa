//! The agent, as a technician runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::claims::Report;

use super::process::{Output, Process, run};
use super::{PATIENCE, built};

/// One room's box: a configuration and a state directory.
#[derive(Debug)]
pub struct Agent {
    config: PathBuf,
    state: PathBuf,
}

/// A check and what came of it.
#[derive(Debug)]
pub struct Check {
    /// Exit code.
    pub code: i32,
    /// The report.
    pub report: Report,
    /// What was said besides.
    pub stderr: String,
}

impl Agent {
    /// A box with this configuration (TOML), in `dir`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn new(dir: &Path, config: &str) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join("room.toml");
        std::fs::write(&path, config)?;
        Ok(Self {
            config: path,
            state: dir.join("state"),
        })
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Runs one of its commands to the end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        run(self.command(args)?.env("BRIDGEPOINT_LOG", "warn"))
    }

    /// Makes a check and reads its JSON.
    ///
    /// # Errors
    /// When it gives no report.
    pub fn check(&self, args: &[&str]) -> Result<Check> {
        let all: Vec<&str> = ["check", "--json"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let output = self.run(&all)?;
        let report = serde_json::from_str(&output.stdout).with_context(|| {
            format!(
                "no report; exit {}:\n{}{}",
                output.code, output.stdout, output.stderr
            )
        })?;
        Ok(Check {
            code: output.code,
            report,
            stderr: output.stderr,
        })
    }

    /// Starts its daemon. Gives the address of its page beside it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn daemon(&self) -> Result<(Process, String)> {
        let process = Process::start("bridgepoint-agent run", &self.command(&["run"])?)?;
        let page = process.stdout_line(PATIENCE)?;
        Ok((process, page))
    }

    /// Its program with a command, configuration and state.
    ///
    /// # Errors
    /// When it is not built.
    pub fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(built("bridgepoint-agent")?);
        command
            .args(args)
            .arg("--config")
            .arg(&self.config)
            .arg("--state")
            .arg(&self.state);
        command.env_remove("BRIDGEPOINT_STATE");
        Ok(command)
    }
}
