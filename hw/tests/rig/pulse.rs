//! A PulseAudio server of a test's own: started, waited for by its log, and ended by its number.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use bridgepoint_hw::media::Program;
use tempfile::TempDir;

use super::program;

/// A PulseAudio server with a socket and a home of its own; ended when dropped.
pub(crate) struct Pulse {
    home: TempDir,
    server: Child,
    log: BufReader<ChildStderr>,
}

impl Pulse {
    /// `room` carries PulseAudio's own sine: half of full scale, 1 kHz. `quiet` carries nothing, and
    /// `dead` is a source that opens and never gives a sample.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = format!(
            "module-native-protocol-unix auth-anonymous=1 socket={}/pulse.sock",
            home.path().display()
        );
        let dead = format!(
            "module-pipe-source source_name=dead file={}/dead",
            home.path().display()
        );
        let mut server = Command::new("pulseaudio")
            .args([
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
                "--log-level=info",
            ])
            .args([
                "--log-target=stderr",
                "-L",
                "module-null-sink sink_name=room rate=48000 channels=1",
            ])
            .args(["-L", "module-null-sink sink_name=quiet rate=48000 channels=2"])
            .args([
                "-L",
                "module-sine sink=room frequency=1000",
                "-L",
                &dead,
                "-L",
                &socket,
            ])
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("PulseAudio is needed: apt-get install pulseaudio");
        let log = BufReader::new(server.stderr.take().unwrap());
        let mut pulse = Self { home, server, log };
        pulse.wait_for("Daemon startup complete");
        pulse
    }

    /// The media child, which finds this server and no other.
    pub(crate) fn program(&self) -> Program {
        let address = format!("unix:{}/pulse.sock", self.home.path().display());
        program(&[
            ("PULSE_SERVER", Path::new(&address)),
            ("HOME", self.home.path()),
            ("XDG_RUNTIME_DIR", self.home.path()),
        ])
    }

    /// Its directory, for more files of the test's.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Reads the server's log up to a line with these words.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(
                self.log.read_line(&mut line).unwrap(),
                0,
                "PulseAudio ended before it said {words:?}"
            );
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
