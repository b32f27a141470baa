//! A hub that the test plays itself, message by message, on a real broker: to see what a box does when an answer is
//! withheld, comes late or comes from another key. What the real hub does is tested with the real hub.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bridgepoint_protocol::claims::Receipt;
use bridgepoint_protocol::envelope::{EntryHash, Kid, Kind, SigningKey, peek, seal};
use bridgepoint_protocol::rotation::PublishedKey;
use serde_json::Value;

use super::mqtt::{Mosquitto, place};
use super::process::{Process, run};
use super::{PATIENCE, installed, wall_ms};

/// Everybody may say everything: who may is the real hub's matter.
const RULES: &str = "pattern readwrite #\n";

/// What the subscriber gets before anything else, so that it is known to listen.
const LISTENS: &str = "listens";

/// A played hub and its broker.
#[derive(Debug)]
pub struct Played {
    broker: Mosquitto,
    heard: Process,
    room: String,
}

/// What a box has sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// `enrol`, `report` or `event`.
    pub topic: String,
    /// The envelope.
    pub jws: String,
    /// Whose signature it names.
    pub kid: Kid,
    /// What it says.
    pub claims: Value,
}

impl Sent {
    /// Its number; `None` for an enrolment.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.claims.get("seq").and_then(Value::as_u64)
    }
}

/// A key for a played hub.
///
/// # Errors
/// When the system gives no random numbers.
pub fn hub_key() -> Result<SigningKey> {
    let document = SigningKey::generate(&ring::rand::SystemRandom::new())?;
    Ok(SigningKey::from_pkcs8(&document)?)
}

impl Played {
    /// Starts the broker in `dir` and listens to what the box of `room` (`<org>/<room>`) sends.
    ///
    /// # Errors
    /// When mosquitto or its clients are not installed or do not start.
    pub fn start(dir: &Path, room: &str) -> Result<Self> {
        let broker = Mosquitto::start(dir, RULES)?;
        let (host, port) = place(&broker.address)?;
        let client = |name: &str| -> Result<Command> {
            let mut command = Command::new(installed(name, super::mqtt::PLACES)?);
            command.args(["-V", "mqttv5", "-h", host, "-p", port, "-u", "hub"]);
            Ok(command)
        };
        let said = run(client("mosquitto_pub")?.args(["-r", "-q", "1", "-t", LISTENS, "-m", LISTENS]))?;
        ensure!(said.code == 0, "mosquitto_pub: {}", said.stderr);
        let mut subscriber = client("mosquitto_sub")?;
        for kind in ["enrol", "report", "event"] {
            subscriber.args(["-t", &format!("bp/1/{room}/{kind}")]);
        }
        // Last, so that the others stand when it is heard.
        subscriber.args(["-t", LISTENS, "-q", "1", "-F", "%t %p"]);
        let heard = Process::start("the played hub's ear", &subscriber)?;
        heard.stdout_line(PATIENCE)?;
        Ok(Self {
            broker,
            heard,
            room: room.to_owned(),
        })
    }

    /// Where boxes connect.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.broker.address
    }

    /// Shows this key, and how it was reached.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub fn show(&self, key: &SigningKey, rotations: &[String]) -> Result<()> {
        let shown = PublishedKey {
            jwk: key.verifying().jwk(),
            rotations: rotations.to_vec(),
        };
        let org = self.room.split('/').next().unwrap_or_default();
        let topic = format!("bp/1/{org}/_hub/key");
        self.say(&topic, &serde_json::to_string(&shown)?, true)
    }

    /// The next thing that the box sends.
    ///
    /// # Errors
    /// When nothing comes in time, or it is no envelope.
    pub fn next(&self) -> Result<Sent> {
        let line = self.heard.stdout_line(PATIENCE)?;
        let (topic, jws) = line.split_once(' ').with_context(|| line.clone())?;
        let opened = peek(jws.as_bytes()).with_context(|| line.clone())?;
        Ok(Sent {
            topic: topic.rsplit('/').next().unwrap_or_default().to_owned(),
            jws: jws.to_owned(),
            kid: opened.kid,
            claims: serde_json::from_slice(&opened.payload)?,
        })
    }

    /// What the box sends until something is `wanted`; everything before it is passed over.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn until(&self, wanted: impl Fn(&Sent) -> bool) -> Result<Sent> {
        loop {
            let sent = self.next()?;
            if wanted(&sent) {
                return Ok(sent);
            }
        }
    }

    /// Signs with `key` that the hub has it.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub fn receipt(&self, key: &SigningKey, sent: &Sent) -> Result<()> {
        let (org, room) = self.room.split_once('/').context("org/room")?;
        let now_ms = wall_ms();
        let receipt = Receipt {
            v: bridgepoint_protocol::WIRE_VERSION,
            org: org.parse()?,
            room: room.parse()?,
            iat: now_ms.div_euclid(1000),
            seq: sent.seq(),
            hash: EntryHash::of(&sent.jws),
            received_ms: now_ms,
            nonce: None,
        };
        let topic = format!("bp/1/{}/receipt", self.room);
        self.say(&topic, &seal(key, Kind::Receipt, &receipt)?.jws, false)
    }

    /// Everything that the box has sent so far, and what the broker has said.
    #[must_use]
    pub fn said(&self) -> String {
        self.heard.said() + &self.broker.said()
    }

    fn say(&self, topic: &str, text: &str, retain: bool) -> Result<()> {
        let (host, port) = place(&self.broker.address)?;
        let mut command = Command::new(installed("mosquitto_pub", super::mqtt::PLACES)?);
        command.args(["-V", "mqttv5", "-h", host, "-p", port, "-u", "hub", "-q", "1"]);
        command.args(["-t", topic, "-m", text]);
        if retain {
            command.arg("-r");
        }
        let output = run(&mut command)?;
        ensure!(output.code == 0, "mosquitto_pub: {}", output.stderr);
        Ok(())
    }
}
