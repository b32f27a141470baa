//! A dashboard without anything of ours: mosquitto as the province's own broker with the access rules of the documents,
//! `mosquitto_sub` reading `readiness`, and the documented Telegraf configuration finding in it what the report has.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bridgepoint_tests::rig::agent::Agent;
use bridgepoint_tests::rig::mqtt::{self, Mosquitto};
use bridgepoint_tests::scenario::Stage;
use serde_json::{Value, json};

use crate::packages::Packages;

const TOPIC: &str = "bp/1/quang-ninh/bai-chay/readiness";

fn document(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{language}/mqtt.md"))
}

/// The first block of a document that has `word` in it.
fn block(language: &str, word: &str) -> Result<String> {
    let text = fs::read_to_string(document(language))?;
    let found = text
        .split("```")
        .skip(1)
        .step_by(2)
        .find(|block| block.contains(word));
    let (_, block) = found
        .and_then(|block| block.split_once('\n'))
        .with_context(|| format!("docs/{language}/mqtt.md has no block with {word}"))?;
    Ok(block.to_owned())
}

/// A check's own name and the member that a path asks for: `checks.mic\.chair\.noise.value`.
fn asked(path: &str) -> Option<(String, &str)> {
    let (check, member) = path.strip_prefix("checks.")?.rsplit_once('.')?;
    Some((check.replace("\\.", "."), member))
}

#[test]
fn a_dashboard_reads_what_the_report_has() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let broker = Mosquitto::start(
        &dir.path().join("broker"),
        &block("en", "user quang-ninh.bai-chay")?,
    )?;
    let stage = Stage::set(dir.path(), false)?;
    let config = fs::read_to_string(stage.agent.config())?;
    let agent = Agent::new(
        &dir.path().join("agent"),
        &format!("{config}\n[hub]\nbroker = \"{}\"\n", broker.address),
    )?;
    let report = serde_json::to_value(&agent.check(&[])?.report)?;

    let topics = ["bp/1/+/+/readiness", "bp/1/+/+/state"];
    let messages = mqtt::subscribed(&broker.address, "dashboard", &topics, 2)?;
    let kept = messages.iter().find(|message| message.topic == TOPIC);
    let kept = kept.with_context(|| format!("{messages:?}\n{}", broker.said()))?;
    assert!(kept.retained, "it is there for whoever comes later");
    let readiness: Value = serde_json::from_str(&kept.payload).context("plain JSON")?;
    is_the_report(&readiness, &report)?;
    for private in ["UBND", "VNPT", "lực", "0203", "1900", "phone", "name"] {
        assert!(!kept.payload.contains(private), "{private}: {}", kept.payload);
    }
    telegraf_finds(&kept.payload, &report)
}

/// The contract's members, and one flat entry for each finding, with the report's values.
fn is_the_report(readiness: &Value, report: &Value) -> Result<()> {
    for same in ["v", "org", "room", "verdict"] {
        assert_eq!(readiness[same], report[same], "{same}");
    }
    assert_eq!(readiness["at_ms"], report["finished_ms"]);
    let until = readiness["valid_until_ms"].as_i64().context("valid_until_ms")?;
    assert!(Some(until) > readiness["at_ms"].as_i64(), "{readiness}");
    let checks = readiness["checks"].as_object().context("checks")?;
    let findings = report["findings"].as_array().context("findings")?;
    assert_eq!(checks.len(), findings.len());
    for finding in findings {
        let entry = checks[finding["check"].as_str().context("a check's name")?]
            .as_object()
            .context("an entry")?;
        for member in ["status", "code", "required", "value", "unit"] {
            assert_eq!(entry[member], finding[member], "{finding}");
        }
        assert!(
            entry
                .values()
                .all(|value| !value.is_object() && !value.is_array()),
            "flat: {entry:?}"
        );
    }
    Ok(())
}

/// The configuration of both documents gives the report's values under names of its own.
fn telegraf_finds(payload: &str, report: &Value) -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
    let found = ["en", "vi"]
        .into_iter()
        .map(|language| telegraf(&packages, &document(language), payload).context(language))
        .collect::<Result<Vec<Value>>>()?;
    assert_eq!(found[0], found[1], "both documents say the same");
    let found = &found[0];
    assert_eq!(found["topics"], json!(["bp/1/+/+/readiness"]));
    assert_eq!(found["time"], report["finished_ms"]);
    assert_eq!(found["tags"]["room"]["value"], report["room"]);
    assert_eq!(found["tags"]["org"]["value"], report["org"]);
    assert_eq!(found["fields"]["verdict"]["value"], report["verdict"]);
    let mut compared = Vec::new();
    for (name, field) in found["fields"].as_object().context("fields")? {
        let Some((check, member)) = field["path"].as_str().and_then(asked) else {
            continue;
        };
        let findings = report["findings"].as_array().context("findings")?;
        let finding = findings
            .iter()
            .find(|finding| finding["check"] == check.as_str())
            .with_context(|| format!("{name}: the report has no {check}"))?;
        assert_eq!(field["value"], finding[member], "{name}");
        compared.push(name.as_str());
    }
    for wanted in ["mic_chair_noise", "mic_chair_noise_status", "power_runtime"] {
        assert!(compared.contains(&wanted), "{wanted}: {compared:?}");
    }
    // Two dots that are not escaped ask for members of members, and there is nothing.
    let unescaped = fs::read_to_string(document("en"))?.replace("\\.", ".");
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), unescaped)?;
    assert_eq!(
        telegraf(&packages, file.path(), payload)?["fields"].get("mic_chair_noise"),
        None
    );
    Ok(())
}

fn telegraf(packages: &Packages, document: &Path, payload: &str) -> Result<Value> {
    let mut command: Command = packages.python("telegraf.py");
    let mut child = command
        .arg(document)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Dropped at the end of the line: the message is whole.
    child
        .stdin
        .take()
        .context("its input")?
        .write_all(payload.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}
