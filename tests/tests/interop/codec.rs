//! jsxapi, the vendor's own client, reads the simulated codec: every value is the unit's, also with events in between,
//! and the journal has what the client sent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use bridgepoint_tests::rig::PATIENCE;
use bridgepoint_tests::rig::process::run;
use bridgepoint_tests::rig::sim::Sim;
use bridgepoint_tests::scenario;
use serde_json::Value;

use crate::packages::Packages;

const ROOTS: [&str; 5] = ["SystemUnit", "Audio", "Standby", "Call", "Video"];

/// What the unit says on its terminal, without the client and without JSON: paths with values.
fn on_the_terminal(place: &str, root: &str) -> Result<BTreeMap<String, String>> {
    let mut stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "xStatus {root} | resultId=\"all\"\r\nbye\r\n")?;
    let mut leaves = BTreeMap::new();
    for line in BufReader::new(stream).lines() {
        if let Some((path, value)) = line?.strip_prefix("*s ").and_then(|leaf| leaf.split_once(": ")) {
            leaves.insert(path.to_owned(), value.trim_matches('"').to_owned());
        }
    }
    Ok(leaves)
}

/// What the client made of it, in the same form.
fn flat(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                flat(&format!("{path} {name}"), value, leaves);
            }
        }
        Value::Array(members) => {
            for member in members {
                let mut member = member.clone();
                let id = member.as_object_mut().and_then(|member| member.remove("id"));
                let id = id.as_ref().and_then(Value::as_str).unwrap_or("no id");
                flat(&format!("{path} {id}"), &member, leaves);
            }
        }
        Value::String(text) => {
            leaves.insert(path.to_owned(), text.clone());
        }
        Value::Null => {}
        other => {
            leaves.insert(path.to_owned(), format!("not a string: {other}"));
        }
    }
}

/// Runs the client and compares what it read.
fn read_all(packages: &Packages, sim: &Sim, more: &[&str]) -> Result<Value> {
    let place = sim.address("codec")?.strip_prefix("tcp://").context("tcp")?;
    let (host, port) = place.rsplit_once(':').context("a port")?;
    let mut client = packages.node("codec.mjs")?;
    let output = run(client.args([host, port]).args(ROOTS).args(more))?;
    ensure!(
        output.code == 0,
        "{}: {}{}",
        output.code,
        output.stdout,
        output.stderr
    );
    let said: Value = serde_json::from_str(&output.stdout).with_context(|| output.stdout.clone())?;
    for root in ROOTS {
        let (mut theirs, mut truth) = (BTreeMap::new(), on_the_terminal(place, root)?);
        flat(root, &said["read"][root], &mut theirs);
        // The only one that goes on.
        assert_eq!(
            theirs.remove("SystemUnit Uptime").is_some(),
            truth.remove("SystemUnit Uptime").is_some()
        );
        assert_eq!(theirs, truth, "{root}");
    }
    Ok(said)
}

/// The lines that a connection sent, from the journal.
fn lines_of(sim: &mut Sim, connection: u64) -> Result<Vec<String>> {
    let mut text = String::new();
    for entry in sim.journal()? {
        let entry: Value = serde_json::from_str(&entry)?;
        if entry["kind"] == "received" && entry["connection"] == connection {
            text.push_str(entry["text"].as_str().unwrap_or_default());
        }
    }
    Ok(text
        .split_terminator("\\n")
        .map(|line| line.trim_end_matches("\\r").to_owned())
        .collect())
}

#[test]
fn the_vendors_client_reads_what_the_unit_has() -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut sim = Sim::start(dir.path(), &scenario::read("sim.toml")?)?;
    let said = read_all(&packages, &sim, &["Network 1 IPv4 Address", "Network 2"])?;
    assert_eq!(said["read"]["SystemUnit"]["ProductId"], "Cisco Codec Pro");
    assert_eq!(said["read"]["Audio"]["Volume"], "50");
    assert_eq!(said["read"]["Call"], Value::Null, "nobody is in a call");
    assert_eq!(said["read"]["Network 1 IPv4 Address"], "10.0.0.5");
    assert_eq!(
        said["read"]["Network 2"]["refused"],
        "No match on address expression"
    );
    assert_eq!(said["dialled"], "Unknown command");
    assert_eq!(said["events"], 0);

    assert_eq!(
        lines_of(&mut sim, 1)?,
        [
            "echo off",
            "xpreferences outputmode json",
            "xStatus SystemUnit | resultId=\"1\"",
            "xStatus Audio | resultId=\"2\"",
            "xStatus Standby | resultId=\"3\"",
            "xStatus Call | resultId=\"4\"",
            "xStatus Video | resultId=\"5\"",
            "xStatus Network 1 IPv4 Address | resultId=\"6\"",
            "xStatus Network 2 | resultId=\"7\"",
            "xCommand Dial Number: \"1900\" | resultId=\"8\"",
        ]
    );
    // The reviewed list takes the reading, and names what an agent would never send.
    let beyond: Vec<Value> = sim
        .violations()?
        .iter()
        .map(|line| serde_json::from_str(line))
        .collect::<Result<_, _>>()?;
    let sent: Vec<&str> = beyond.iter().filter_map(|one| one["sent"].as_str()).collect();
    assert_eq!(
        sent,
        [
            "xpreferences outputmode json",
            "xCommand Dial Number: \"1900\" | resultId=\"8\""
        ]
    );
    Ok(())
}

#[test]
fn events_in_between_change_nothing_of_what_is_read() -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut sim = Sim::start(dir.path(), &scenario::read("sim.toml")?)?;
    for fault in ["feedback", "in-call", "display-missing", "standby"] {
        sim.fault("codec", fault, true)?;
    }
    let said = read_all(&packages, &sim, &[])?;
    assert_eq!(said["read"]["Call"][0]["Status"], "Connected");
    assert_eq!(said["read"]["Standby"]["State"], "Standby");
    assert_eq!(said["events"], 12, "one before and one after each of six answers");
    Ok(())
}
