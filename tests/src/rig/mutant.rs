//! The agent with a line spoilt: `tests/rigs/mutants/*.toml`. A rig that does not find what it is there to find proves nothing,
//! so each of these has to be found: something is lost, doubled or broken. An error of the rig finds nothing. And one whose loss only a power cut shows has to stay hidden from a mere kill.
//!
//! The sources are copied, spoilt and built beside the real ones, with the libraries that are built already; the real hub,
//! broker and rig are used. A mutant whose line is no longer in the sources says so, and is to be written anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::kill::{Kind, Rig};
use super::process::{run_for, succeed};
use super::tally::Tally;

/// The rig that has to find a mutant is run with these seeds until it does; the one that cannot, with the first.
const SEEDS: [u64; 3] = [1, 2, 3];

/// Kills with each seed: two rooms.
const KILLS: u64 = 100;

/// A build may take this long on a slow machine.
const BUILD: std::time::Duration = std::time::Duration::from_secs(1200);

/// One spoilt agent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mutant {
    /// What somebody thought.
    pub title: String,
    /// The rig that has to find it.
    pub rig: Word,
    /// A rig that cannot.
    pub hidden_from: Option<Word>,
    /// Kills with each seed, where two rooms are too few.
    pub kills: Option<u64>,
    /// What is changed.
    pub edit: Vec<Edit>,
}

/// A change of one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, from the root of the sources.
    pub file: PathBuf,
    /// What stands there, once.
    pub find: String,
    /// What stands there instead.
    pub replace: String,
}

/// The name of a rig.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// [`Kind::Crash`].
    Crash,
    /// [`Kind::Power`].
    Power,
    /// [`Kind::Full`].
    Full,
}

impl Word {
    fn kind(self) -> Kind {
        match self {
            Self::Crash => Kind::Crash,
            Self::Power => Kind::Power,
            Self::Full => Kind::Full,
        }
    }
}

/// All of them, by name.
///
/// # Errors
/// When one cannot be read.
pub fn read_all() -> Result<Vec<(String, Mutant)>> {
    let mut found = vec![];
    for file in fs::read_dir(sources().join("tests/rigs/mutants"))? {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        let mutant = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().display().to_string();
        found.push((name, mutant));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Builds and runs all of them, or those whose name contains `only`. Gives whether each was found where it has to be, and
/// hidden where it must be.
///
/// # Errors
/// When one is stale or cannot be built.
pub fn all(only: Option<&str>) -> Result<bool> {
    let mut holds = true;
    let mutants = read_all()?;
    let mut chosen = mutants
        .iter()
        .filter(|(name, _)| only.is_none_or(|part| name.contains(part)))
        .peekable();
    ensure!(
        chosen.peek().is_some(),
        "there is no such mutant in tests/rigs/mutants"
    );
    for (name, mutant) in chosen {
        println!("mutant {name}: {}", mutant.title);
        let agent = build(mutant).with_context(|| format!("mutant {name}"))?;
        let kills = mutant.kills.unwrap_or(KILLS);
        let found = found_by(mutant.rig.kind(), &agent, &SEEDS, kills)?;
        holds &= found;
        if let Some(blind) = mutant.hidden_from {
            let seen = found_by(blind.kind(), &agent, SEEDS.get(..1).unwrap_or_default(), kills)?;
            holds &= !seen;
        }
    }
    Ok(holds)
}

/// Whether a rig finds that something is wrong with this agent.
fn found_by(kind: Kind, agent: &Path, seeds: &[u64], kills: u64) -> Result<bool> {
    for seed in seeds {
        let rig = Rig {
            kind,
            seed: *seed,
            kills,
            agent: Some(agent.to_owned()),
            verbose: false,
        };
        let (tally, wrong) = rig.run()?;
        println!("  {tally}");
        if is_found(&tally, wrong)? {
            return Ok(true);
        }
    }
    println!("  not found by rig-{}", kind.word());
    Ok(false)
}

/// Whether this is what a mutant has done, by what was counted. Anything else that went wrong is an error of the rig.
fn is_found(tally: &Tally, wrong: Option<anyhow::Error>) -> Result<bool> {
    match wrong {
        Some(wrong) if tally.holds() => {
            Err(wrong.context("the rig did not come to its end, and has found nothing"))
        }
        Some(wrong) => {
            println!("  found: {wrong:#}");
            Ok(true)
        }
        None => Ok(!tally.holds()),
    }
}

/// The files that a mutant changes, as they are then.
///
/// # Errors
/// When it does not fit the sources any more: with the edit that is stale.
pub fn spoilt(mutant: &Mutant) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for edit in &mutant.edit {
        let path = sources().join(&edit.file);
        let text = match files.remove(&edit.file) {
            Some(text) => text,
            None => fs::read_to_string(&path).with_context(|| path.display().to_string())?,
        };
        let found = text.matches(&edit.find).count();
        ensure!(
            found == 1,
            "{} has {found} times, instead of once: {}\nthe mutant is stale; write it anew for what stands there now",
            edit.file.display(),
            edit.find
        );
        files.insert(edit.file.clone(), text.replacen(&edit.find, &edit.replace, 1));
    }
    Ok(files)
}

/// The sources that this was built from.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// Builds the agent with a mutant's edits. Gives its program.
fn build(mutant: &Mutant) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the running program's own file")?;
    let built = own.parent().context("its folder")?;
    let folder = built.join("mutants");
    let (copy, target) = (folder.join("sources"), folder.join("target"));
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir_all(&copy)?;
    for part in [
        "Cargo.toml",
        "Cargo.lock",
        "protocol",
        "hw",
        "agent",
        "hub",
        "tests",
    ] {
        succeed(
            Command::new("cp")
                .arg("-a")
                .args([sources().join(part), copy.join(part)]),
        )?;
    }
    for (file, text) in spoilt(mutant)? {
        fs::write(copy.join(file), text)?;
    }
    borrow(built, &target.join("debug"))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&copy)
        .args([
            "build",
            "--quiet",
            "--offline",
            "--package",
            "bridgepoint-agent",
            "--target-dir",
        ])
        .arg(&target)
        .env_remove("CARGO_TARGET_DIR");
    let output = run_for(&mut cargo, BUILD)?;
    ensure!(
        output.code == 0,
        "the spoilt agent cannot be built:\n{}",
        output.stderr
    );
    Ok(target.join("debug/bridgepoint-agent"))
}

/// Takes over what is built already of other people's libraries (as second names of the same files). What is ours has
/// another path here and is built anew.
fn borrow(built: &Path, target: &Path) -> Result<()> {
    if target.exists() {
        return Ok(());
    }
    fs::create_dir_all(target)?;
    for part in ["deps", "build", ".fingerprint"] {
        let (from, to) = (built.join(part), target.join(part));
        if from.is_dir() {
            succeed(Command::new("cp").arg("-al").args([&from, &to]))?;
            for entry in fs::read_dir(&to)? {
                let path = entry?.path();
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let ours = name.trim_start_matches("lib").starts_with("bridgepoint");
                match (ours, path.is_dir()) {
                    (true, true) => fs::remove_dir_all(&path)?,
                    (true, false) => fs::remove_file(&path)?,
                    (false, _) => {}
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_rig_finds_nothing() {
        let mut tally = Tally::begin("crash", 1);
        let error = || Some(anyhow::anyhow!("the hub did not start"));
        assert!(!is_found(&tally, None).unwrap());
        assert!(is_found(&tally, error()).is_err());
        tally.broken = 1;
        assert!(is_found(&tally, error()).unwrap());
    }

    #[test]
    fn every_mutant_fits_the_sources() {
        let mutants = read_all().unwrap();
        assert!(mutants.len() >= 3, "{mutants:?}");
        for (name, mutant) in mutants {
            let files = spoilt(&mutant).with_context(|| name.clone()).unwrap();
            assert!(!files.is_empty(), "{name} changes nothing");
            for edit in &mutant.edit {
                assert_ne!(edit.find, edit.replace, "{name} changes nothing");
            }
        }
    }
}
