//! The agent, as a technician runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::claims::Report;

use super::process::{Output, Process, run, succeed};
use super::{PATIENCE, built};

/// One room's box: a configuration and a state directory.
#[derive(Debug)]
pub struct Agent {
    config: PathBuf,
    state: PathBuf,
    program: Option<PathBuf>,
    env: Vec<(String, String)>,
}

/// The configuration of a room with a codec and nothing else, at the hub's `broker` where there is one.
#[must_use]
pub fn small_room(id: &str, codec: &str, broker: Option<&str>) -> String {
    let hub = broker.map_or_else(String::new, |broker| format!("\n[hub]\nbroker = \"{broker}\"\n"));
    format!(
        "[room]\nid = \"{id}\"\norg = \"quang-ninh\"\nname = \"UBND phường Bãi Cháy\"\n\n\
         [[contact]]\nrole = \"operator\"\nname = \"VNPT khu vực\"\nphone = \"0203 3825 547\"\n\n\
         [codec]\ndriver = \"cisco\"\naddress = \"{codec}\"\n\n\
         [page]\nlisten = \"127.0.0.1:0\"\n{hub}"
    )
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
            program: None,
            env: vec![],
        })
    }

    /// The same box, whose program finds `value` as `key` in its environment.
    #[must_use]
    pub fn with_env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The same box with another build of the program.
    #[must_use]
    pub fn with_program(mut self, program: Option<PathBuf>) -> Self {
        self.program = program;
        self
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Runs one of its commands to the end, in English unless `args` says otherwise.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.command(args)?;
        if !args.contains(&"--lang") {
            command.args(["--lang", "en"]);
        }
        run(command.env("BRIDGEPOINT_LOG", "warn"))
    }

    /// The lines of its logbook's files, in order: entries and receipts.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn lines(&self) -> Result<Vec<String>> {
        let mut files = self.months()?;
        files.sort();
        let mut lines = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            lines.extend(text.lines().map(str::to_owned));
        }
        Ok(lines)
    }

    /// The files of its logbook.
    ///
    /// # Errors
    /// When there is no logbook.
    pub fn months(&self) -> Result<Vec<PathBuf>> {
        let dir = self.state.join("logbook");
        std::fs::read_dir(&dir)
            .with_context(|| dir.display().to_string())?
            .map(|file| Ok(file?.path()))
            .collect()
    }

    /// What people compare over the telephone.
    ///
    /// # Errors
    /// When it has no key yet.
    pub fn fingerprint(&self) -> Result<String> {
        let shown = succeed(&mut self.command(&["key", "show", "--lang", "en"])?)?;
        let first = shown.lines().next().unwrap_or_default();
        let (_, fingerprint) = first
            .rsplit_once(' ')
            .with_context(|| format!("key show says no fingerprint: {shown}"))?;
        Ok(fingerprint.to_owned())
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
        let mut command = match &self.program {
            Some(program) => Command::new(program),
            None => Command::new(built("bridgepoint-agent")?),
        };
        command
            .args(args)
            .arg("--config")
            .arg(&self.config)
            .arg("--state")
            .arg(&self.state);
        command.env_remove("BRIDGEPOINT_STATE");
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        Ok(command)
    }
}
