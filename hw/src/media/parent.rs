//! The agent's side of the media child: start it, hand it the request, take its line, see it end.
//!
//! Whatever the child does (nothing, noise, a flood, a crash, no end), it is dead at the edge's deadline and
//! no process is left behind: the child leads a process group of its own, which is killed whole, and the
//! child is reaped. What it says on standard error goes to the log, capped.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::border::{self, ANSWER_CAP, Refusal, SoundRequest, Work};
use crate::link::Edge;
use crate::reading::{Answer, ProbeError, SoundReading};

/// Most bytes of the child's standard error that are kept; the rest is read and dropped.
const STDERR_CAP: usize = 4 * 1024;

/// How long a child that has answered may take to close its device before it is killed.
const PARTING: Duration = Duration::from_millis(500);

/// How long a killed child may take to die. A driver that hangs inside the kernel can hold it for ever: then it
/// is left to tokio to reap, and the answer comes this much after the deadline.
const REAPING: Duration = Duration::from_millis(250);

/// How to start a media child: the agent's own executable with its hidden subcommand, or under test another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The executable. Not looked up in `PATH` when it contains a slash.
    pub path: PathBuf,
    /// Its arguments, for the agent `["media"]`.
    pub args: Vec<OsString>,
    /// Environment to add, e.g. `GST_REGISTRY` or `PULSE_SERVER`. The rest is inherited, without what would
    /// make GStreamer log or trace, and with the language set to `C`.
    pub env: Vec<(OsString, OsString)>,
}

/// Measures one channel of one source in a child process, as [`ask`] does.
///
/// Takes `request.duration_ms`, for a device 0.1 s more, and 0.05 to 1 s for the start: the edge's deadline
/// must leave room for that.
///
/// # Errors
/// * [`ProbeError::NotPresent`]: no such file, device, source or channel.
/// * [`ProbeError::Busy`]: another program holds the ALSA device.
/// * [`ProbeError::Refused`]: no permission for it.
/// * [`ProbeError::NoAnswer`]: the sound server is away, or the source opened and gave no sound.
/// * [`ProbeError::Garbled`]: the file is no sound that is known.
/// * And those of [`ask`].
pub async fn measure_sound(program: &Program, request: &SoundRequest, edge: &Edge) -> Answer<SoundReading> {
    ask(program, request, edge).await
}

/// Has a child process do one piece of work. Must be awaited inside a tokio runtime.
///
/// The edge's `cap_bytes` is for devices; a child has the cap of [`border::ANSWER_CAP`]. Dropping the future
/// kills the child.
///
/// The kernel takes the thread that started the child for its parent: a child that was started from a thread
/// that ends (a runtime's blocking thread) dies with that thread. Workers of a runtime live as long as it does.
///
/// # Errors
/// * What the child says.
/// * [`ProbeError::TimedOut`]: not done at the deadline; the child was killed.
/// * [`ProbeError::Cancelled`]: the edge's `cancel` became true; the child was killed.
/// * [`ProbeError::Garbled`]: the request is out of range, or the child itself failed: could not be started,
///   crashed, wrote nothing, too much, or no figures. The log tells which.
pub async fn ask<W: Work>(program: &Program, request: &W, edge: &Edge) -> Answer<W::Figures> {
    let started = (edge.clock)();
    let waited_ms = || {
        (edge.clock)()
            .saturating_duration_since(started)
            .as_millis()
            .try_into()
            .unwrap_or(u64::MAX)
    };
    if edge.cancelled() {
        return Err(ProbeError::Cancelled);
    }
    if edge.remaining().is_zero() {
        return Err(ProbeError::TimedOut { waited_ms: 0 });
    }
    if let Err(why) = request.check() {
        tracing::warn!(?request, why, "work for the media child refused");
        return Err(ProbeError::Garbled);
    }
    let mut running = Running::start(program)?;
    let outcome = tokio::select! {
        // The answer before the deadline, when both are there at once.
        biased;
        outcome = running.talk(request) => outcome,
        () = cancelled(edge) => Err(ProbeError::Cancelled),
        () = tokio::time::sleep(edge.remaining()) => Err(ProbeError::TimedOut { waited_ms: waited_ms() }),
    };
    // A child that has said something, even nonsense, may end by itself: its exit status goes to the log.
    let parting = match outcome {
        Err(ProbeError::TimedOut { .. } | ProbeError::Cancelled) => Duration::ZERO,
        _ => PARTING.min(edge.remaining()),
    };
    let status = running.end(parting).await;
    let stderr = one_line(&running.log);
    match outcome {
        Ok(Ok(reading)) => Ok(reading),
        Ok(Err(refusal)) => {
            tracing::info!(?request, error = %refusal.error, detail = refusal.detail, "nothing measured");
            Err(match refusal.error {
                // The child has no clock.
                ProbeError::NoAnswer { .. } => ProbeError::NoAnswer {
                    waited_ms: waited_ms(),
                },
                ProbeError::TimedOut { .. } => ProbeError::TimedOut {
                    waited_ms: waited_ms(),
                },
                error => error,
            })
        }
        Err(error) => {
            tracing::warn!(?request, %error, ?status, stderr, "the media child gave no figures");
            Err(error)
        }
    }
}

/// Ends when somebody says stop, and never when nobody can any more.
async fn cancelled(edge: &Edge) {
    let mut cancel = edge.cancel.clone();
    if cancel.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A child that has been started. Dropped, it is killed with its whole process group, and tokio reaps it.
struct Running {
    child: Child,
    /// The process group, as long as the child is not reaped and the number is certainly its own.
    group: Option<Pid>,
    stderr: Option<ChildStderr>,
    log: Vec<u8>,
}

impl Running {
    fn start(program: &Program) -> Answer<Self> {
        let mut child = Command::new(&program.path)
            .args(&program.args)
            // At its highest level GStreamer's log shows the contents of buffers (R27).
            .env_remove("GST_DEBUG")
            .env_remove("GST_DEBUG_FILE")
            .env_remove("GST_DEBUG_DUMP_DOT_DIR")
            .env_remove("GST_TRACERS")
            // Reasons are found in messages that libraries would translate.
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .envs(program.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Out of the terminal's group: an interrupt there is for the agent, which then cancels in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                tracing::error!(program = %program.path.display(), %error, "the media child could not be started");
                ProbeError::Garbled
            })?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let stderr = child.stderr.take();
        Ok(Self {
            child,
            group,
            stderr,
            log: Vec::new(),
        })
    }

    /// Hands over the request and takes the line.
    async fn talk<W: Work>(&mut self, work: &W) -> Answer<Result<W::Figures, Refusal>> {
        let own = i32::try_from(std::process::id()).ok();
        let request = border::write_request(own, work).map_err(|error| broken(&error))?;
        let (stdin, stdout) = (self.child.stdin.take(), self.child.stdout.take());
        let line = async {
            if let Some(mut stdin) = stdin {
                // A child that does not take its request may still say why.
                let _ = stdin.write_all(&request).await;
            }
            match stdout {
                Some(mut stdout) => read_line(&mut stdout).await.map_err(|error| broken(&error)),
                None => Err(broken(&"it has no standard output")),
            }
        };
        let line = tokio::select! {
            line = line => line?,
            () = async { drain(&mut self.stderr, &mut self.log).await; std::future::pending().await } => Vec::new(),
        };
        border::parse_reply::<W>(&line).map_err(|why| broken(&why))
    }

    /// Waits for the child's own end for `parting` and then makes an end; reaps it either way.
    async fn end(&mut self, parting: Duration) -> Option<ExitStatus> {
        let status = match timeout(parting, self.child.wait()).await {
            Ok(status) => Ok(status),
            Err(_) => {
                self.kill();
                timeout(REAPING, self.child.wait()).await
            }
        };
        if status.is_ok() {
            // Reaped: the number may be somebody else's from now on.
            self.group = None;
        }
        // Its last words are in the pipe; a process that has left the group could hold it open.
        let _ = timeout(REAPING, drain(&mut self.stderr, &mut self.log)).await;
        status.ok()?.ok()
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // It can only fail because everything in the group has ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
        // The same for the child alone, should it have left its group.
        let _ = self.child.start_kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.group.is_some() {
            self.kill();
        }
    }
}

fn broken(what: &dyn std::fmt::Display) -> ProbeError {
    tracing::warn!(%what, "the media child's answer is not usable");
    ProbeError::Garbled
}

/// Reads up to the first line end or the end; at most a little more than [`ANSWER_CAP`], which the parser sees.
async fn read_line(stdout: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let count = stdout.read(&mut piece).await?;
        let piece = piece.get(..count).unwrap_or_default();
        if let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            line.extend(piece.iter().take(end));
            return Ok(line);
        }
        line.extend(piece);
        if count == 0 || line.len() > ANSWER_CAP {
            return Ok(line);
        }
    }
}

/// Keeps the beginning of a stream and reads the rest away, so that the writer never waits.
async fn drain(stream: &mut Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(stream) = stream else { return };
    let mut piece = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        let room = STDERR_CAP.saturating_sub(kept.len());
        kept.extend(piece.iter().take(count.min(room)));
    }
}

fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
