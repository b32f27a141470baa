//! `PyJWT` and jose verify a report, a whole logbook with the hub's receipts, and the frozen examples of the wire; and refuse
//! what was changed, at the line where the box itself refuses it. So do the two programs of `docs/verify`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use bridgepoint_tests::rig::process::{Output, run};
use bridgepoint_tests::rig::room::{Province, waiting, with_another};
use bridgepoint_tests::rig::{PATIENCE, until};
use serde_json::{Value, json};

use crate::packages::Packages;

/// What each library makes of a file: its name, the exit code, what it found.
fn verified(packages: &Packages, keys: [&Path; 2], file: &Path) -> Result<[(&'static str, i32, Value); 2]> {
    let with = |name, mut command: std::process::Command| -> Result<(&'static str, i32, Value)> {
        let Output { code, stdout, stderr } = run(command.args(keys).arg(file))?;
        let found = serde_json::from_str(&stdout)
            .with_context(|| format!("{name}: {}: {stdout}{stderr}", file.display()))?;
        Ok((name, code, found))
    };
    Ok([
        with("PyJWT", packages.python("verify.py"))?,
        with("jose", packages.node("verify.mjs")?)?,
    ])
}

fn header_of(line: &str) -> Result<String> {
    let first = line.split('.').next().unwrap_or_default();
    Ok(String::from_utf8(
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(first)?,
    )?)
}

#[test]
fn a_logbook_and_its_receipts_hold_for_somebody_else() -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
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
    let whole = json!({ "entries": 3, "receipts": 3, "other": 0 });
    for (library, code, found) in verified(&packages, keys, &month)? {
        assert_eq!((code, &found), (0, &whole), "{library}");
    }

    let lines = agent.lines()?;
    let one = dir.path().join("one.jws");
    fs::write(&one, &lines[0])?;
    for (library, code, found) in verified(&packages, [&box_key, Path::new("-")], &one)? {
        assert_eq!(code, 0, "{library}, a single report: {found}");
    }
    for (library, code, found) in verified(&packages, [&hub_key, Path::new("-")], &one)? {
        assert_eq!(code, 1, "{library}, with another's key: {found}");
    }

    // All refuse the same damage at the same line: in a header, in claims, in a signature, an entry left out.
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
        let ours = agent.run(&["verify", &file.display().to_string(), "--lang", "en"])?;
        assert_eq!(ours.code, 1, "{number}: {}", ours.stdout);
        for (library, code, found) in verified(&packages, keys, &file)? {
            assert_eq!(code, 1, "{library}, {number}: {found}");
            let line = found["line"].as_u64().context("a line")?;
            assert!(
                ours.stdout.contains(&format!("line {line}")),
                "{library}, {number}: {found} / {}",
                ours.stdout
            );
        }
    }
    the_programs_of_the_documents_agree(&packages, keys, &month, &dir.path().join("damaged-1.log"))?;
    the_examples_of_the_documents_run(&packages, dir.path(), &month)
}

/// What `docs/verify` offers to everybody takes the whole book and refuses the damaged one.
fn the_programs_of_the_documents_agree(
    packages: &Packages,
    keys: [&Path; 2],
    whole: &Path,
    damaged: &Path,
) -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify");
    for (book, expected) in [(whole, 0), (damaged, 1)] {
        let python = packages.bare_python(&docs.join("verify_logbook.py"));
        let node = packages.bare_node(&docs.join("verify_logbook.mjs"));
        for mut program in [python, node] {
            let Output { code, stdout, stderr } = run(program.args(keys).arg(book))?;
            assert_eq!(code, expected, "{program:?}: {stdout}{stderr}");
            assert!(
                expected == 1 || stdout.contains("3 entries, 3 receipts"),
                "{program:?}: {stdout}"
            );
        }
    }
    Ok(())
}

/// The examples of both documents, as they stand there, read the first report; with a line changed they give up.
fn the_examples_of_the_documents_run(packages: &Packages, dir: &Path, month: &Path) -> Result<()> {
    let book = fs::read_to_string(month)?;
    let claims = book.split('.').nth(1).context("claims")?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims)?;
    let report: Value = serde_json::from_slice(&claims)?;
    let expected = format!(
        "{} {}\n",
        report["room"].as_str().context("room")?,
        report["verdict"].as_str().context("verdict")?
    );
    for (what, book) in [
        ("whole", book.clone()),
        (
            "changed",
            with_another(&book, book.find('.').context("a header")? + 20),
        ),
    ] {
        let place = dir.join(what);
        fs::create_dir_all(&place)?;
        fs::copy(dir.join("box.jwk"), place.join("box.jwk"))?;
        fs::write(place.join("2026-11.log"), book)?;
        for language in ["en", "vi"] {
            let document = format!("{language}/logbook.md");
            let python = place.join("example.py");
            fs::write(&python, example(&document, "python", "joserfc")?)?;
            let js = example(&document, "js", "jose")?;
            let node = packages.node_text(&format!("example-{language}.mjs"), &js)?;
            for mut program in [packages.bare_python(&python), node] {
                let Output { code, stdout, stderr } = run(program.current_dir(&place))?;
                assert_eq!(code == 0, what == "whole", "{program:?}: {stdout}{stderr}");
                assert_eq!(stdout == expected, what == "whole", "{program:?}: {stdout}");
            }
        }
    }
    Ok(())
}

/// The block of a document in this language that has `word` in it.
fn example(document: &str, language: &str, word: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(document);
    let text = fs::read_to_string(path)?;
    let found = text
        .split("\n```")
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .find(|block| block.contains(word));
    Ok(found
        .with_context(|| format!("{document} has no {language} with {word}"))?
        .to_owned())
}

#[test]
fn the_frozen_examples_hold_for_somebody_else() -> Result<()> {
    let Some(packages) = Packages::fetched()? else {
        return Ok(());
    };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports/v1");
    let keys = [examples.join("agent.jwk"), examples.join("hub.jwk")];
    let mut seen = 0;
    for file in fs::read_dir(&examples)? {
        let file = file?.path();
        if file.extension().is_none_or(|extension| extension != "jws") {
            continue;
        }
        for (library, code, found) in verified(&packages, [&keys[0], &keys[1]], &file)? {
            assert_eq!(code, 0, "{library}: {}: {found}", file.display());
        }
        seen += 1;
    }
    assert!(seen >= 8, "{seen} examples");
    Ok(())
}
