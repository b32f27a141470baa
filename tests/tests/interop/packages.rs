//! Other people's programs, from PyPI and npm, in the versions that `tests/interop` names.
//!
//! They are fetched once, into the target directory. Without a network that is a failure that says so; `SKIP_PYPI=1`
//! leaves these tests out, and says that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use bridgepoint_tests::rig::process::succeed;
use bridgepoint_tests::rig::{built, skipped};

/// One test fetches, the others find it.
static FETCHING: Mutex<()> = Mutex::new(());

/// What was fetched.
pub(crate) struct Packages {
    python: PathBuf,
    node: PathBuf,
    modules: PathBuf,
}

impl Packages {
    /// Fetches what is missing; `None` when it was not wanted.
    pub(crate) fn fetched() -> Result<Option<Self>> {
        if std::env::var("SKIP_PYPI").is_ok_and(|said| said == "1") {
            skipped("SKIP_PYPI=1, so nobody else's program has checked anything");
            return Ok(None);
        }
        let _one_at_a_time = FETCHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Beside the programs' folder, so that `cargo clean` takes it away.
        let agent = built("bridgepoint-agent")?;
        let target = agent.ancestors().nth(2).context("the target directory")?;
        let (venv, modules) = (target.join("interop-venv"), target.join("interop-node"));
        let bin = venv.join("bin");
        once(&venv, &["requirements.txt"], || from_pypi(&venv))?;
        once(&modules, &["node/package.json", "node/package-lock.json"], || {
            from_npm(&bin, &modules)
        })?;
        Ok(Some(Self {
            python: bin.join("python"),
            node: bin.join("node"),
            modules,
        }))
    }

    /// A program of `tests/interop` in Python.
    pub(crate) fn python(&self, program: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(folder().join(program));
        command
    }

    /// A program of `tests/interop/node`.
    pub(crate) fn node(&self, program: &str) -> Result<Command> {
        let from = folder().join("node").join(program);
        let text = fs::read_to_string(&from).with_context(|| from.display().to_string())?;
        self.node_text(program, &text)
    }

    /// A program for Node, which looks for packages beside it.
    pub(crate) fn node_text(&self, program: &str, text: &str) -> Result<Command> {
        let to = self.modules.join(program);
        if fs::read_to_string(&to).ok().as_deref() != Some(text) {
            // As a whole at once: another test may be reading it.
            let copy = tempfile::NamedTempFile::new_in(&self.modules)?;
            fs::write(copy.path(), text)?;
            copy.persist(&to)?;
        }
        Ok(self.bare_node(&to))
    }

    /// A program that needs no package.
    pub(crate) fn bare_node(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(program);
        command
    }

    /// A program elsewhere than in `tests/interop`.
    pub(crate) fn bare_python(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(program);
        command
    }
}

/// Where the programs are that use other people's packages.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

/// Makes `place` unless it was made from the same lists.
fn once(place: &Path, lists: &[&str], make: impl FnOnce() -> Result<()>) -> Result<()> {
    let texts: Vec<String> = lists
        .iter()
        .map(|list| fs::read_to_string(folder().join(list)).with_context(|| (*list).to_owned()))
        .collect::<Result<_>>()?;
    let (wanted, made) = (texts.concat(), place.join("made-from.txt"));
    if fs::read_to_string(&made).ok().as_ref() != Some(&wanted) {
        make()?;
        fs::write(&made, wanted)?;
    }
    Ok(())
}

fn from_pypi(venv: &Path) -> Result<()> {
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))
        .context("python3 -m venv (Debian: python3-venv)")?;
    succeed(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--only-binary", ":all:", "-r"])
            .arg(folder().join("requirements.txt")),
    )
    .context("pip install from PyPI; without a network set SKIP_PYPI=1")?;
    Ok(())
}

fn from_npm(bin: &Path, modules: &Path) -> Result<()> {
    fs::create_dir_all(modules)?;
    for list in ["package.json", "package-lock.json"] {
        fs::copy(folder().join("node").join(list), modules.join(list))?;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    succeed(
        Command::new(bin.join("npm"))
            .args([
                "ci",
                "--ignore-scripts",
                "--omit=optional",
                "--no-audit",
                "--no-fund",
            ])
            .arg("--prefix")
            .arg(modules)
            .arg("--cache")
            .arg(modules.join("cache"))
            .env("PATH", format!("{}:{path}", bin.display())),
    )
    .context("npm ci from registry.npmjs.org; without a network set SKIP_PYPI=1")?;
    Ok(())
}
