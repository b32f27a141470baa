//! Microphones behind a sound server: the real PulseAudio with a null sink for each, into which its sound is
//! played without end. What is captured is the sink's monitor, as a real input would be.
//!
//! A fault ends the player and starts the next; it is in effect when `play` returns, since the player has then
//! said that it plays.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::wav::RATE;
use crate::rig::process::{Process, with_parent};

/// The server is up, and a player plays, within this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most bytes that a player may say before it plays.
const SAID_CAP: usize = 64 * 1024;

/// A running sound server with its own socket. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    // Held for its end; shared by the microphones.
    _process: Mutex<Process>,
    address: String,
}

impl Server {
    /// Starts a server with one null sink for each of `sinks`, its socket and home in `directory`.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub(crate) fn start(directory: &Path, sinks: &[&str]) -> Result<Self, String> {
        let socket = directory.join("pulse.sock");
        let mut command = Command::new("pulseaudio");
        command.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]);
        command.args(["--log-level=info", "--log-target=stderr"]);
        for sink in sinks {
            command.arg("-L").arg(format!(
                "module-null-sink sink_name={sink} rate={RATE} channels=1"
            ));
        }
        command.arg("-L").arg(format!(
            "module-native-protocol-unix auth-anonymous=1 socket={}",
            socket.display()
        ));
        command
            .env("HOME", directory)
            .env("XDG_RUNTIME_DIR", directory)
            .env("LC_ALL", "C");
        let missing = |why: anyhow::Error| format!("PulseAudio (Debian: pulseaudio) does not start: {why:#}");
        let process = Process::start("pulseaudio", &command).map_err(missing)?;
        process
            .stderr_until("Daemon startup complete", PATIENCE)
            .map_err(missing)?;
        Ok(Self {
            _process: Mutex::new(process),
            address: format!("unix:{}", socket.display()),
        })
    }

    /// Where it is, as `PULSE_SERVER` has it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Plays `samples` (16 bit, one channel) into a sink again and again, until the player is dropped.
    ///
    /// # Errors
    /// A sentence that says why it does not play.
    pub(crate) fn play(&self, sink: &str, samples: Vec<u8>) -> Result<Player, String> {
        let cannot =
            |why: &dyn std::fmt::Display| format!("pacat (Debian: pulseaudio-utils) does not play: {why}");
        let mut command = Command::new("pacat");
        command
            .args([
                "--playback",
                "--raw",
                "--verbose",
                "--format=s16le",
                "--channels=1",
                "--latency-msec=50",
            ])
            .arg(format!("--rate={RATE}"))
            .arg(format!("--device={sink}"))
            .env("PULSE_SERVER", &self.address)
            .env("LC_ALL", "C");
        let mut child = with_parent(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| cannot(&why))?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let player = Player { child };
        if let Some(mut stdin) = stdin {
            // It ends with the player: then nobody reads the pipe any more.
            std::thread::spawn(move || while stdin.write_all(&samples).is_ok() {});
        }
        let mut stderr = stderr.ok_or_else(|| cannot(&"it says nothing"))?;
        let (tell, told) = channel();
        std::thread::spawn(move || {
            // Nobody listens any more when it has taken too long.
            let _late = tell.send(plays(&mut stderr));
            // Its clock goes on; somebody has to read that away.
            std::io::copy(&mut stderr, &mut std::io::sink())
        });
        match told.recv_timeout(PATIENCE) {
            Ok(plays) => plays.map_err(|why| cannot(&why))?,
            Err(_) => {
                return Err(cannot(&format!(
                    "nothing is heard of it in {} s",
                    PATIENCE.as_secs()
                )));
            }
        }
        Ok(player)
    }
}

/// Reads what a player says until its clock moves. It ends by itself when it cannot play.
fn plays(stderr: &mut ChildStderr) -> Result<(), String> {
    let mut said = Vec::new();
    let mut piece = [0; 512];
    loop {
        let count = stderr.read(&mut piece).map_err(|why| why.to_string())?;
        said.extend(piece.iter().take(count));
        let text = String::from_utf8_lossy(&said);
        if clock(&text).is_some_and(|seconds| seconds > 0.0) {
            return Ok(());
        }
        if count == 0 || said.len() > SAID_CAP {
            return Err(text.into_owned());
        }
    }
}

/// The last `Time: 0.123 sec` that is there whole.
fn clock(said: &str) -> Option<f64> {
    let (_, last) = said
        .rsplit_once("Time: ")
        .filter(|(_, rest)| rest.contains("sec"))
        .or_else(|| {
            let (before, _) = said.rsplit_once("Time: ")?;
            before.rsplit_once("Time: ")
        })?;
    last.split_whitespace().next()?.parse().ok()
}

/// A sound that is being played. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Player {
    child: Child,
}

impl Drop for Player {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_from_the_last_whole_figure() {
        assert_eq!(clock("Opening a stream"), None);
        assert_eq!(clock("x\rTime: 0.000 sec; Latency"), Some(0.0));
        assert_eq!(clock("Time: 0.000 sec; L\rTime: 0.020 sec"), Some(0.02));
        assert_eq!(clock("Time: 0.120 sec; L\rTime: 0."), Some(0.12));
        assert_eq!(clock("Time: 0."), None);
    }
}
