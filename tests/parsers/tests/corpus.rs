//! Every input that is kept, and seeded changes of it, in front of every parser: no panic, no hang, less than 64 MiB.
//!
//! Each target runs in a process of its own that limits its memory and its processor time, so that the limits are the
//! kernel's word and not ours.

#![allow(clippy::unwrap_used, missing_docs)] // a test file

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

/// The limit is one: a process that is given less than it needs says so, and not that all is well.
#[test]
fn what_does_not_hold_is_not_passed() {
    let none = run("nut", 0, Path::new("no-such-file"));
    assert_eq!(none.status.code(), Some(64));
    let wrong = run("no-such-target", 0, &seeds::corpus());
    assert_eq!(wrong.status.code(), Some(64));
}
