//! Mosquitto's own clients: what another program sees of the broker, and what a stranger tries there. And mosquitto itself,
//! as a province has it without a hub's.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::process::{Output, Process, run, succeed};
use super::{PATIENCE, free_port, installed, until};

pub(super) const PLACES: &[&str] = &["/usr/bin", "/usr/local/bin"];

/// Publishes `payload` at QoS 1 as the user `user`, with MQTT 5; `broker` is `mqtt://HOST:PORT`. The output says
/// what the broker thought of it; [`refused`] reads it.
///
/// # Errors
/// When the client is not installed.
pub fn publish(broker: &str, user: &str, topic: &str, payload: &[u8]) -> Result<Output> {
    let (host, port) = place(broker)?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), payload)?;
    run(Command::new(installed("mosquitto_pub", PLACES)?)
        .args(["-V", "mqttv5", "-h", host, "-p", port, "-u", user])
        .args(["-q", "1", "-t", topic, "-f"])
        .arg(file.path())
        .arg("-d"))
}

/// Whether the broker refused a publication as not authorized (reason 135).
#[must_use]
pub fn refused(output: &Output) -> bool {
    let said = format!("{}{}", output.stdout, output.stderr);
    said.contains("RC:135") || said.contains("Not authorized")
}

/// What is kept (retained) on `topic`, read through the hub's own socket in the directory of its broker.
///
/// # Errors
/// When the client is not installed or the broker does not let it in.
pub fn retained(socket: &Path, topic: &str) -> Result<Option<String>> {
    let output = run(Command::new(installed("mosquitto_sub", PLACES)?)
        .args(["-V", "mqttv5", "-u", "hub", "--unix"])
        .arg(socket)
        .args(["-t", topic, "-C", "1", "-W", "1"]))?;
    // 27: nothing came within the time.
    match output.code {
        0 => Ok(Some(output.stdout.trim_end().to_owned())),
        27 => Ok(None),
        code => anyhow::bail!("mosquitto_sub ended with {code}: {}", output.stderr),
    }
}

/// Has the hub's own broker keep (retain) `payload` on `topic`, as the hub itself does it.
///
/// # Errors
/// When the client is not installed or the broker does not let it in.
pub fn keep(socket: &Path, topic: &str, payload: &[u8]) -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), payload)?;
    let output = run(Command::new(installed("mosquitto_pub", PLACES)?)
        .args(["-V", "mqttv5", "-u", "hub", "--unix"])
        .arg(socket)
        .args(["-r", "-q", "1", "-t", topic, "-f"])
        .arg(file.path()))?;
    anyhow::ensure!(
        output.code == 0,
        "mosquitto_pub ended with {}: {}",
        output.code,
        output.stderr
    );
    Ok(())
}

/// Listens to everything on the hub's own broker, through the socket in its directory, from now on. What is heard stands in
/// what the process has said, a line each: topic and payload.
///
/// # Errors
/// When the client is not installed.
pub fn everything(socket: &Path) -> Result<Process> {
    let mut command = Command::new(installed("mosquitto_sub", PLACES)?);
    command.args(["-V", "mqttv5", "-u", "hub", "--unix"]).arg(socket);
    command.args(["-t", "#", "-F", "%t %p"]);
    Process::start("the listener", &command)
}

/// A broker of somebody's own.
#[derive(Debug)]
pub struct Mosquitto {
    process: Process,
    /// Where it listens, `mqtt://127.0.0.1:PORT`.
    pub address: String,
}

impl Mosquitto {
    /// Starts it in `dir` with these access rules (its own format). Whoever connects says who it is, without a password.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(dir: &Path, rules: &str) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let (conf, acl, port) = (dir.join("mosquitto.conf"), dir.join("acl"), free_port()?);
        fs::write(&acl, rules)?;
        // As who runs the test: mosquitto would otherwise become a user that cannot read the rules.
        let user = succeed(Command::new("id").arg("-un"))?;
        fs::write(
            &conf,
            format!(
                "user {}\nlistener {port} 127.0.0.1\nallow_anonymous true\nacl_file {}\n",
                user.trim(),
                acl.display()
            ),
        )?;
        let mut command = Command::new(installed("mosquitto", &["/usr/sbin", "/usr/local/sbin"])?);
        let process = Process::start("mosquitto", command.arg("-c").arg(&conf))?;
        until("the broker", PATIENCE, || {
            Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })
        .with_context(|| process.said())?;
        Ok(Self {
            process,
            address: format!("mqtt://127.0.0.1:{port}"),
        })
    }

    /// Everything that it has said.
    #[must_use]
    pub fn said(&self) -> String {
        self.process.said()
    }
}

/// A message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whether the broker had kept it.
    pub retained: bool,
    /// Its topic.
    pub topic: String,
    /// What is in it.
    pub payload: String,
}

/// The first `count` messages that the user `user` gets on `topics`.
///
/// # Errors
/// When the client is not installed, is not let in, or too few come.
pub fn subscribed(broker: &str, user: &str, topics: &[&str], count: usize) -> Result<Vec<Message>> {
    let (host, port) = place(broker)?;
    let (count, patience) = (count.to_string(), PATIENCE.as_secs().to_string());
    let mut command = Command::new(installed("mosquitto_sub", PLACES)?);
    command.args(["-V", "mqttv5", "-h", host, "-p", port, "-u", user]);
    command.args(["-C", &count, "-W", &patience, "-F", "%r %t %p"]);
    for topic in topics {
        command.args(["-t", topic]);
    }
    let output = run(&mut command)?;
    ensure!(
        output.code == 0,
        "mosquitto_sub ended with {}: {}{}",
        output.code,
        output.stdout,
        output.stderr
    );
    let message = |line: &str| {
        let mut parts = line.splitn(3, ' ').map(str::to_owned);
        Some(Message {
            retained: parts.next()? == "1",
            topic: parts.next()?,
            payload: parts.next()?,
        })
    };
    Ok(output.stdout.lines().filter_map(message).collect())
}

/// Host and port of an `mqtt://` address.
pub(super) fn place(broker: &str) -> Result<(&str, &str)> {
    broker
        .strip_prefix("mqtt://")
        .and_then(|address| address.rsplit_once(':'))
        .with_context(|| format!("{broker} is no mqtt:// address"))
}
