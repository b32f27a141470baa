//! Every input that is kept, and seeded changes of it, in front of every parser: no panic, no hang, less than 64 MiB.
//!
//! Each target runs in a process of its own that limits its memory and its processor time, so that the limits are the
//! kernel's word and not ours.

#![allow(clippy::unwrap_used, missing_docs)] // a test file

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

use bridgepoint_parsers::{TARGETS, seeds};

/// Changes for each target; at most a second or two for the slowest, unoptimised.
const CHANGES: u32 = 1000;

/// Kept inputs together, bytes.
const CORPUS_CAP: u64 = 1 << 20;

fn run(target: &str, changes: u32, over: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bridgepoint-parsers"))
        .arg(target)
        .args(["--changes", &changes.to_string()])
        .arg(over)
        .output()
        .unwrap()
}

#[test]
fn every_target_holds_over_what_was_kept() {
    let mut broken = Vec::new();
    for target in TARGETS {
        let done = run(target.name, CHANGES, &seeds::corpus().join(target.name));
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            broken.push(format!("{}: {}\n{said}", target.name, done.status));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[test]
fn the_corpus_is_small_and_of_targets_that_there_are() {
    let mut bytes = 0;
    for folder in std::fs::read_dir(seeds::corpus()).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().to_string_lossy().into_owned();
        assert!(
            TARGETS.iter().any(|target| target.name == name),
            "{name} is no target"
        );
        for file in std::fs::read_dir(folder.path()).unwrap() {
            bytes += file.unwrap().metadata().unwrap().len();
        }
    }
    assert!(bytes <= CORPUS_CAP, "{bytes} bytes are kept");
}

/// The limits are limits: what takes more memory or time, or panics, ends the process, and not as if all were well.
#[test]
fn what_breaks_a_limit_ends_the_process() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let probe = |name: &str| {
        Command::new(env!("CARGO_BIN_EXE_bridgepoint-parsers"))
            .args([name, "--cpu", "1"])
            .arg(&file)
            .output()
            .unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let panics = probe("probe-panic");
    assert_eq!(panics.status.code(), Some(101), "{}", said(&panics));
    assert!(said(&panics).contains("the input: "), "{}", said(&panics));
    let memory = probe("probe-memory");
    assert_eq!(memory.status.signal(), Some(6), "{}", said(&memory));
    assert!(said(&memory).contains("memory allocation"), "{}", said(&memory));
    // SIGKILL at the hard limit, or SIGXCPU, which comes first where they differ.
    let spins = probe("probe-spin");
    assert!(
        matches!(spins.status.signal(), Some(9 | 24)),
        "{:?}: {}",
        spins.status,
        said(&spins)
    );
}

/// What cannot be run says so.
#[test]
fn what_there_is_not_is_not_passed() {
    let none = run("nut", 0, Path::new("no-such-file"));
    assert_eq!(none.status.code(), Some(64));
    let wrong = run("no-such-target", 0, &seeds::corpus());
    assert_eq!(wrong.status.code(), Some(64));
}
