//! A running hub and rooms that talk to it, for the tests in this directory: the real program, a real broker, and
//! messages sealed with the real protocol. Everything is waited for by its event, with one deadline.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod prober;
pub mod room;
pub mod tls;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// Nothing here takes longer; what does has failed.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A broker of somebody else's that keeps nothing over its own end; it ends with its test.
pub struct ForeignBroker(Child);

impl ForeignBroker {
    pub fn start(dir: &Path, port: u16) -> Self {
        let conf = dir.join("mosquitto.conf");
        // The user is ignored unless it is started by root.
        let text = format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n");
        std::fs::write(&conf, text).unwrap();
        let broker = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&conf)
            .stderr(Stdio::null())
            .spawn();
        Self(broker.unwrap())
    }
}

impl Drop for ForeignBroker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A hub that runs.
pub struct Hub {
    pub dir: tempfile::TempDir,
    pub child: Child,
    pub broker: String,
    pub page: String,
    log: mpsc::Receiver<String>,
}

/// The directory of a hub, with its configuration.
pub fn hub_dir(broker: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "[hub]\norgs = [\"abc\", \"xyz\"]\nlanguage = \"en\"\n[broker]\n{broker}\n[page]\nlisten = \"127.0.0.1:0\"\n"
    );
    std::fs::write(dir.path().join("hub.toml"), text).unwrap();
    dir
}

/// The exit code and what was told.
pub fn told(output: &Output) -> (Option<i32>, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// A time `hours` from now, as the command line takes it.
pub fn in_hours(hours: i64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    jiff::Timestamp::from_second(now + hours * 3600)
        .unwrap()
        .to_string()
}

/// Runs one command of the hub.
pub fn hub_command(dir: &Path, args: &[&str]) -> Output {
    program(dir, args).output().unwrap()
}

fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bridgepoint-hub"));
    command
        .args(args)
        .arg("--config")
        .arg(dir.join("hub.toml"))
        .arg("--state")
        .arg(dir.join("state"));
    command
        .env_remove("BRIDGEPOINT_STATE")
        .env_remove("BRIDGEPOINT_LOG")
        .stdin(Stdio::null());
    command
}

impl Hub {
    /// Starts one on free ports of this machine.
    pub fn start() -> Self {
        Self::start_in(hub_dir("listen = \"127.0.0.1:0\""))
    }

    pub fn start_in(dir: tempfile::TempDir) -> Self {
        let (child, log) = spawn(dir.path());
        let mut hub = Self {
            dir,
            child,
            broker: String::new(),
            page: String::new(),
            log,
        };
        hub.ready();
        hub
    }

    /// Kills it without a word, and starts it again in the same directory and at the same broker address.
    pub fn killed_and_again(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let at = self.broker.strip_prefix("mqtt://").unwrap().to_owned();
        let file = self.dir.path().join("hub.toml");
        let text = std::fs::read_to_string(&file).unwrap().replacen(
            "listen = \"127.0.0.1:0\"",
            &format!("listen = \"{at}\""),
            1,
        );
        std::fs::write(&file, text).unwrap();
        (self.child, self.log) = spawn(self.dir.path());
        self.ready();
        self
    }

    fn ready(&mut self) {
        self.logged("serve: ready");
        let up: Value =
            serde_json::from_slice(&std::fs::read(self.state().join("serve.json")).unwrap()).unwrap();
        assert_eq!(up["pid"], self.child.id());
        self.broker = up["broker"].as_str().unwrap().to_owned();
        self.page = up["page"].as_str().unwrap().to_owned();
    }

    /// Waits for a line of its log.
    pub fn logged(&self, what: &str) -> String {
        let mut seen = vec![];
        loop {
            match self.log.recv_timeout(DEADLINE) {
                Ok(line) if line.contains(what) => return line,
                Ok(line) => seen.push(line),
                Err(e) => panic!("\"{what}\" was not logged ({e}); the log:\n{}", seen.join("\n")),
            }
        }
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn port(&self) -> u16 {
        self.broker.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Output {
        hub_command(self.dir.path(), args)
    }

    /// Approves what waits, without looking.
    pub fn approve(&self, at: &str) {
        let done = self.command(&["room", "approve", at, "--yes"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// `GET`, the status and the body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.get_from(path, "localhost")
    }

    pub fn get_from(&self, path: &str, host: &str) -> (u16, String) {
        let mut socket = self.connect();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn room(&self, at: &str) -> Value {
        let (status, body) = self.get(&format!("/api/v1/rooms/{at}"));
        assert_eq!(status, 200, "{at}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Listens for rooms that change.
    pub fn changes(&self) -> Changes {
        let mut socket = self.connect();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            socket,
            "GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(socket);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        Changes { lines }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.page.strip_prefix("http://").unwrap()).unwrap()
    }

    /// Asks it to end and waits for it.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, tempfile::TempDir) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let code = self.child.wait().unwrap().code();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        (code, dir)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &Path) -> (Child, mpsc::Receiver<String>) {
    let mut child = program(dir, &["serve"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (say, log) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    (child, log)
}

/// What `/api/events` says.
pub struct Changes {
    lines: BufReader<TcpStream>,
}

impl Changes {
    /// Waits until `room` has changed.
    pub fn until(&mut self, room: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the stream ended");
            if line.trim_end() == format!("data: {room}") {
                return;
            }
        }
    }

    /// Waits until what `look` sees is there, looking at each change of `room`.
    pub fn until_seen<T>(&mut self, room: &str, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            self.until(room);
        }
    }
}
