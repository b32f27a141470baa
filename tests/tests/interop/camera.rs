//! visca-over-ip drives the simulated camera: what its answers say is where the camera stands.
//!
//! The client sends from the port number that it sends to, so the camera has an address of its own on this machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result};
use bridgepoint_tests::rig::sim::Sim;
use bridgepoint_tests::rig::{PATIENCE, until};
use serde_json::{Value, json};

use crate::packages::Packages;

/// The client, which is asked a word at a time.
struct Client {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    fn start(packages: &Packages, address: &str) -> Result<Self> {
        let (ip, port) = address
            .strip_prefix("visca+udp://")
            .and_then(|place| place.rsplit_once(':'))
            .with_context(|| address.to_owned())?;
        let mut child = packages
            .python("camera.py")
            .args([ip, port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            ask: child.stdin.take().context("its input")?,
            answers: BufReader::new(child.stdout.take().context("its output")?),
            child,
        })
    }

    fn ask(&mut self, word: &str) -> Result<Value> {
        writeln!(self.ask, "{word}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{word}: {line}"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Asks the client until the camera stands where it is wanted; the room has to say the same.
fn arrives(client: &mut Client, sim: &mut Sim, wanted: &Value) -> Result<()> {
    until(&format!("the camera at {wanted}"), PATIENCE, || {
        Ok((client.ask("at")? == *wanted).then_some(()))
    })?;
    assert_eq!(sim.position("camera.main")?, *wanted, "by the room itself");
    Ok(())
}

#[test]
fn a_camera_client_finds_the_camera_where_it_is() -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    // Below the ports that the system gives away, and another one for each run of the tests.
    let port = 20_000 + std::process::id() % 10_000;
    let room = format!(
        "[room]\n[[camera]]\nid = \"main\"\nlisten = \"127.0.0.2:{port}\"\nshares_port = true\nmodel = \"brc-x400\"\n\
         found = {{ pan = -300, tilt = 77, zoom = 513 }}\nspeed = {{ pan = 60000, tilt = 60000, zoom = 60000 }}\n\
         presets = [{{ number = 1, pan = 1024, tilt = -256, zoom = 4096 }}, {{ number = 20, pan = -8000, tilt = 4000 }}]\n"
    );
    let mut sim = Sim::start(dir.path(), &room)?;
    let mut client = Client::start(&packages, sim.address("camera.main")?)?;

    assert_eq!(client.ask("power")?, "5002", "on");
    assert_eq!(
        client.ask("version")?,
        "500001051c021002",
        "Sony, BRC-X400, two sockets"
    );
    let mut wanted = json!({ "pan": -300, "tilt": 77, "zoom": 513 });
    arrives(&mut client, &mut sim, &wanted)?;
    assert_eq!(client.ask("recall 1")?, "acknowledged");
    wanted = json!({ "pan": 1024, "tilt": -256, "zoom": 4096 });
    arrives(&mut client, &mut sim, &wanted)?;
    assert_eq!(client.ask("recall 20")?, "acknowledged");
    wanted = json!({ "pan": -8000, "tilt": 4000, "zoom": 0 });
    arrives(&mut client, &mut sim, &wanted)?;
    assert_eq!(
        client.ask("recall 9")?,
        json!({ "refused": 0x41 }),
        "not stored: not executable"
    );
    arrives(&mut client, &mut sim, &wanted)?;
    assert_eq!(client.ask("home")?, "acknowledged");
    arrives(&mut client, &mut sim, &json!({ "pan": 0, "tilt": 0, "zoom": 0 }))?;

    sim.fault("camera.main", "standby", true)?;
    assert_eq!(client.ask("power")?, "5003", "asleep");
    assert_eq!(client.ask("recall 1")?, json!({ "refused": 0x41 }));
    // What is not on the agent's list is seen to be somebody else's: home, and clearing the interface.
    let beyond = sim.violations()?;
    assert!(
        beyond.iter().any(|line| line.contains("81 01 06 04 FF")),
        "{beyond:?}"
    );
    Ok(())
}
