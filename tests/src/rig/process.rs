//! One program: its lines as they come, its end by id.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A running program. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Mutex<Receiver<String>>,
    stderr: Mutex<Receiver<String>>,
    said: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `command`; `name` is for messages.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &Command) -> Result<Self> {
        let mut command = with_parent(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} cannot be started ({})", command.get_program().display()))?;
        let said = Arc::new(Mutex::new(String::new()));
        let stdout = lines(child.stdout.take(), Arc::clone(&said));
        let stderr = lines(child.stderr.take(), Arc::clone(&said));
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout: Mutex::new(stdout),
            stderr: Mutex::new(stderr),
            said,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output.
    ///
    /// # Errors
    /// When none comes in time, with everything that it has said.
    pub fn stdout_line(&self, patience: Duration) -> Result<String> {
        self.stdout
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(patience)
            .map_err(|_| self.silent("a line on standard output"))
    }

    /// Reads its standard error until a line contains `wanted`.
    ///
    /// # Errors
    /// When none comes in time, with everything that it has said.
    pub fn stderr_until(&self, wanted: &str, patience: Duration) -> Result<String> {
        loop {
            let line = self
                .stderr
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv_timeout(patience)
                .map_err(|_| self.silent(wanted))?;
            if line.contains(wanted) {
                return Ok(line);
            }
        }
    }

    /// Everything that it has said so far, on both outputs.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("{} (pid {})", self.name, self.id()))
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let name = self.name.clone();
        super::until(&format!("the end of {name}"), patience, || {
            Ok(self.child.try_wait()?)
        })
    }

    /// Waits until it ends by itself. Gives its exit code, -1 when a signal ended it.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn ended(mut self, patience: Duration) -> Result<i32> {
        let name = self.name.clone();
        let status = super::until(&format!("the end of {name}"), patience, || {
            Ok(self.child.try_wait()?)
        })?;
        Ok(status.code().unwrap_or(-1))
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn end_so_far(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Ends it at once (SIGKILL), as a power cut would.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }

    fn silent(&self, wanted: &str) -> anyhow::Error {
        anyhow::anyhow!(
            "{} did not say \"{wanted}\" in time; it said:\n{}",
            self.name,
            self.said()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // In order first: what it has started itself ends with it.
        if self.signal(Signal::TERM).is_ok() {
            let _ended = super::until(&self.name.clone(), Duration::from_secs(5), || {
                Ok(self.child.try_wait()?)
            });
        }
        self.end();
    }
}

/// The same command, which ends when the thread that starts it does: nothing is left behind by a rig that is
/// killed. `setpriv` is part of util-linux, which every Debian has; elsewhere the command is as it was.
pub(crate) fn with_parent(command: &Command) -> Command {
    let mut wrapped = match super::installed("setpriv", &["/usr/bin", "/bin"]) {
        Ok(setpriv) => {
            let mut wrapped = Command::new(setpriv);
            wrapped
                .args(["--pdeathsig", "TERM", "--"])
                .arg(command.get_program());
            wrapped
        }
        Err(_) => Command::new(command.get_program()),
    };
    wrapped.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    wrapped
}

/// How a program ended and what it printed.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Longer than any command may take: a run ends within 60 s whatever the devices do, and its report is waited
/// for another 5 s. One that is still there after this hangs.
const HANGS: Duration = Duration::from_secs(120);

/// Runs a command, and kills it (SIGKILL) when it lives longer than this.
///
/// # Errors
/// When it cannot be started.
pub fn run_for(command: &mut Command, life: Duration) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{}", command.get_program().display()))?;
    let (stdout, stderr) = (everything(child.stdout.take()), everything(child.stderr.take()));
    let end = super::now() + life;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let left = end.saturating_duration_since(super::now());
        if left.is_zero() {
            let _already_gone = child.kill();
            break child.wait()?;
        }
        thread::park_timeout(left.min(Duration::from_millis(1)));
    };
    Ok(Output {
        code: status.code().unwrap_or(-1),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started, or hangs: it is then ended, and what it had said is told.
pub fn run(command: &mut Command) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{}", command.get_program().display()))?;
    let (stdout, stderr) = (everything(child.stdout.take()), everything(child.stderr.take()));
    let ended = super::until(
        &format!("the end of {command:?}"),
        HANGS,
        || Ok(child.try_wait()?),
    );
    if ended.is_err() {
        let _already_gone = child.kill();
        let _reaped = child.wait();
    }
    let said = |output: thread::JoinHandle<String>| output.join().unwrap_or_default();
    let (stdout, stderr) = (said(stdout), said(stderr));
    let status = ended.with_context(|| format!("it had said:\n{stdout}{stderr}"))?;
    Ok(Output {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr,
    })
}

fn everything(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _as_far_as_it_goes = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs a command that has to succeed. Gives its standard output.
///
/// # Errors
/// When it cannot be started or ends with another code than 0.
pub fn succeed(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    if output.code != 0 {
        bail!(
            "{command:?} ended with {}:\n{}{}",
            output.code,
            output.stdout,
            output.stderr
        );
    }
    Ok(output.stdout)
}

fn lines(from: Option<impl Read + Send + 'static>, said: Arc<Mutex<String>>) -> Receiver<String> {
    let (tell, lines) = channel();
    if let Some(from) = from {
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    said.push_str(&line);
                    said.push('\n');
                }
                // Nobody may be listening any more; the lines are kept in `said`.
                let _heard = tell.send(line);
            }
        });
    }
    lines
}
