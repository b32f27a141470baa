//! Somebody else's library reads what is signed here: PyJWT verifies a report, a whole logbook with the hub's receipts, and
//! the frozen examples of the wire; and refuses what was changed.
//!
//! PyJWT comes from PyPI into a virtual environment under the target directory, once. Without a network that is a failure
//! that says so; `SKIP_PYPI=1` leaves these tests out, and says that.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use bridgepoint_tests::rig::process::{Output, run};
use bridgepoint_tests::rig::room::{Province, waiting, with_another};
use bridgepoint_tests::rig::{PATIENCE, built, until};
use serde_json::Value;

/// One test makes the environment, the others find it.
static MAKING: Mutex<()> = Mutex::new(());

/// The Python that has PyJWT; `None` when it was not wanted.
fn python() -> Result<Option<PathBuf>> {
    if std::env::var("SKIP_PYPI").is_ok_and(|said| said == "1") {
        eprintln!("SKIPPED: SKIP_PYPI=1, so nobody else's library has verified anything");
        return Ok(None);
    }
    let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let requirements = folder().join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    // Beside the programs' folder, so that `cargo clean` takes it away.
    let agent = built("bridgepoint-agent")?;
    let venv = agent
        .ancestors()
        .nth(2)
        .context("the target directory")?
        .join("interop-venv");
    let (python, made) = (venv.join("bin/python"), venv.join("made-from.txt"));
    if fs::read_to_string(&made).ok().as_ref() != Some(&wanted) {
        done(
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
            "python3 -m venv (Debian: python3-venv)",
        )?;
        done(
            Command::new(&python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--only-binary",
                    ":all:",
                    "-r",
                ])
                .arg(&requirements),
            "pip install from PyPI; without a network set SKIP_PYPI=1",
        )?;
        fs::write(&made, wanted)?;
    }
    Ok(Some(python))
}

fn done(command: &mut Command, what: &str) -> Result<()> {
    let output = run(command)?;
    ensure!(
        output.code == 0,
        "{what} ended with {}:\n{}{}",
        output.code,
        output.stdout,
        output.stderr
    );
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

fn verify(python: &Path, keys: [&Path; 2], file: &Path) -> Result<(i32, Value)> {
    let Output { code, stdout, stderr } = run(Command::new(python)
        .arg(folder().join("verify.py"))
        .args(keys)
        .arg(file))?;
    let found =
        serde_json::from_str(&stdout).with_context(|| format!("{}: {stdout}{stderr}", file.display()))?;
    Ok((code, found))
}

fn header_of(line: &str) -> Result<String> {
    let first = line.split('.').next().unwrap_or_default();
    Ok(String::from_utf8(
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(first)?,
    )?)
}

#[test]
fn a_logbook_and_its_receipts_hold_for_somebody_else() -> Result<()> {
    let Some(python) = python()? else { return Ok(()) };
    let province = Province::approved()?;
    let (dir, hub, agent) = (&province.dir, &province.hub, &province.agent);
    agent.check(&[])?;
    ensure!(agent.run(&["baseline", "accept", "--allowed-by", "Bà Hà"])?.code == 0);
    agent.check(&["--only", "codec"])?;
    until("the receipts", PATIENCE, || {
        ensure!(agent.run(&["enrol"])?.code == 0);
        Ok((waiting(agent)? == 0).then_some(()))
    })
    .with_context(|| hub.said())?;

    let (box_key, hub_key) = (dir.path().join("box.jwk"), dir.path().join("hub.jwk"));
    fs::write(&box_key, agent.run(&["key", "show", "--json"])?.stdout)?;
    let shown: Value = serde_json::from_str(&hub.run(&["key", "show", "--json"])?.stdout)?;
    let jwk = shown.get("jwk").unwrap_or(&shown);
    fs::write(&hub_key, jwk.to_string())?;
    let keys = [box_key.as_path(), hub_key.as_path()];
    let month = agent.months()?.remove(0);
    let (code, found) = verify(&python, keys, &month)?;
    assert_eq!(
        (code, &found),
        (0, &serde_json::json!({ "entries": 3, "receipts": 3, "other": 0 }))
    );

    let lines = agent.lines()?;
    let one = dir.path().join("one.jws");
    fs::write(&one, &lines[0])?;
    assert_eq!(
        verify(&python, [&box_key, Path::new("-")], &one)?.0,
        0,
        "a single report"
    );
    let (code, found) = verify(&python, [&hub_key, Path::new("-")], &one)?;
    assert_eq!(code, 1, "with another's key: {found}");

    // Both sides refuse the same damage at the same line: in a header, in claims, in a signature, an entry left out.
    let (header, claims) = (5, lines[1].len() / 2);
    let signature = lines[1].rfind('.').context("a signature")? + 10;
    let mut damaged: Vec<Vec<String>> = [header, claims, signature]
        .into_iter()
        .map(|at| {
            let mut lines = lines.clone();
            lines[1] = with_another(&lines[1], at);
            lines
        })
        .collect();
    let attest = lines
        .iter()
        .position(|line| header_of(line).is_ok_and(|header| header.contains("bp-attest+jws")))
        .context("an attest")?;
    let mut left_out = lines.clone();
    left_out.remove(attest);
    damaged.push(left_out);
    for (number, lines) in damaged.iter().enumerate() {
        let file = dir.path().join(format!("damaged-{number}.log"));
        fs::write(&file, lines.join("\n") + "\n")?;
        let (theirs, found) = verify(&python, keys, &file)?;
        let file = file.display().to_string();
        let ours = agent.run(&["verify", &file, "--lang", "en"])?;
        assert_eq!((theirs, ours.code), (1, 1), "{number}: {found} / {}", ours.stdout);
        let line = found["line"].as_u64().context("a line")?;
        assert!(
            ours.stdout.contains(&format!("line {line}")),
            "{number}: {found} / {}",
            ours.stdout
        );
    }
    Ok(())
}

#[test]
fn the_frozen_examples_hold_for_somebody_else() -> Result<()> {
    let Some(python) = python()? else { return Ok(()) };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports/v1");
    let keys = [examples.join("agent.jwk"), examples.join("hub.jwk")];
    let mut verified = 0;
    for file in fs::read_dir(&examples)? {
        let file = file?.path();
        if file.extension().is_none_or(|extension| extension != "jws") {
            continue;
        }
        let (code, found) = verify(&python, [&keys[0], &keys[1]], &file)?;
        assert_eq!(code, 0, "{}: {found}", file.display());
        verified += 1;
    }
    assert!(verified >= 8, "{verified} examples");
    Ok(())
}
