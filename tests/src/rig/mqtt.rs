//! Mosquitto's own clients: what another program sees of the broker, and what a stranger tries there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::installed;
use super::process::{Output, run};

const PLACES: &[&str] = &["/usr/bin", "/usr/local/bin"];

/// Publishes `payload` at QoS 1 as the user `user`, with MQTT 5; `broker` is `mqtt://HOST:PORT`. The output says
/// what the broker thought of it; [`refused`] reads it.
///
/// # Errors
/// When the client is not installed.
pub fn publish(broker: &str, user: &str, topic: &str, payload: &[u8]) -> Result<Output> {
    let (host, port) = broker
        .strip_prefix("mqtt://")
        .and_then(|address| address.rsplit_once(':'))
        .with_context(|| format!("{broker} is no mqtt:// address"))?;
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
