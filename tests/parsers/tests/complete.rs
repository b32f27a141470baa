//! No parser is forgotten: the list in `parsers.txt` names every file that may read foreign bytes, every target of the
//! list is in the table, and every one of the table is a target of libFuzzer.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a test file

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bridgepoint_parsers::{TARGETS, seeds};

const LIST: &str = include_str!("../parsers.txt");

/// Folders, and files of that name, that are for nothing else.
const PARSERS: [&str; 4] = [
    "hw/src/dialect",
    "protocol/src/claims",
    "protocol/src/envelope",
    "protocol/src/line",
];

/// What a parser looks like elsewhere.
const SIGNS: [&str; 8] = [
    "serde_json::from_",
    "fn parse",
    "FromStr for ",
    "from_utf8",
    "fn receive(",
    "split_ascii_whitespace",
    "split_first_chunk",
    "Query<",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All source files that are no tests, by their path in the repository.
fn sources() -> Vec<String> {
    fn walk(root: &Path, folder: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{folder}/{name}");
            if entry.file_type().unwrap().is_dir() {
                if name != "tests" {
                    walk(root, &path, found);
                }
            } else if name.ends_with(".rs") && name != "tests.rs" {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for folder in ["protocol/src", "hw/src", "agent/src", "hub/src"] {
        walk(&root(), folder, &mut found);
    }
    found.sort();
    found
}

/// Files of which a parent says that they are there for tests only.
fn is_for_tests(path: &str) -> bool {
    let (folder, file) = path.rsplit_once('/').unwrap();
    let name = file.trim_end_matches(".rs");
    let mut parents = vec![
        format!("{folder}.rs"),
        format!("{folder}/mod.rs"),
        format!("{folder}/lib.rs"),
    ];
    parents.push(format!("{folder}/main.rs"));
    parents.into_iter().any(|parent| {
        let text = fs::read_to_string(root().join(parent)).unwrap_or_default();
        ["mod", "pub mod", "pub(crate) mod"]
            .iter()
            .any(|word| text.contains(&format!("#[cfg(test)]\n{word} {name};")))
    })
}

fn looks_like_a_parser(path: &str) -> bool {
    if PARSERS.iter().any(|part| {
        path.strip_prefix(part)
            .is_some_and(|rest| rest.starts_with(['/', '.']))
    }) {
        return true;
    }
    let text = fs::read_to_string(root().join(path)).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| SIGNS.iter().any(|sign| line.contains(sign)))
}

fn listed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let lines = LIST
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries: Vec<(&str, Vec<&str>)> = lines
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.collect())
        })
        .collect();
    let count = entries.len();
    let listed: BTreeMap<_, _> = entries.into_iter().collect();
    assert_eq!(listed.len(), count, "a file stands twice in parsers.txt");
    listed
}

#[test]
fn every_file_that_may_read_foreign_bytes_is_listed() {
    let found: BTreeSet<String> = sources()
        .into_iter()
        .filter(|path| looks_like_a_parser(path) && !is_for_tests(path))
        .collect();
    let listed: BTreeSet<String> = listed().into_keys().map(str::to_owned).collect();
    let new: Vec<&String> = found.difference(&listed).collect();
    assert!(
        new.is_empty(),
        "these may read bytes of a device or the network; say in tests/parsers/parsers.txt what reads with each: {new:#?}"
    );
    let gone: Vec<&String> = listed.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(
        gone.is_empty(),
        "tests/parsers/parsers.txt names files that are not there: {gone:#?}"
    );
}

#[test]
fn what_the_list_says_is_so() {
    let mut named = BTreeSet::new();
    for (path, words) in listed() {
        match words.split_first().unwrap() {
            (&"fuzz", targets) if !targets.is_empty() => {
                for target in targets {
                    assert!(
                        TARGETS.iter().any(|is| is.name == *target),
                        "{path}: no target {target}"
                    );
                    named.insert(*target);
                }
            }
            (&"here", []) => assert!(has_property_test(path), "{path} has no property test beside it"),
            (&"config" | &"own" | &"calls", []) => {}
            other => panic!("{path}: {other:?} says nothing"),
        }
    }
    let all: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(named, all, "a target that no file of the list is read with");
}

/// In the file itself, or in the tests that belong to it.
fn has_property_test(path: &str) -> bool {
    let beside = path.replace(".rs", "/tests.rs");
    [path, &beside]
        .into_iter()
        .any(|path| fs::read_to_string(root().join(path)).is_ok_and(|text| text.contains("proptest! {")))
}

#[test]
fn the_table_is_in_order_and_every_target_is_one_of_libfuzzers() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap();
    let built: Vec<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|bin| bin.lines().find_map(|line| line.strip_prefix("name = \"")))
        .map(|name| name.trim_end_matches('"'))
        .collect();
    assert_eq!(built, names);
    for name in names {
        let file = root().join(format!("tests/fuzz/fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.contains(&format!("target_of(\"{name}\")")),
            "{}",
            file.display()
        );
        assert!(seeds::corpus().join(name).is_dir(), "{name} has no corpus");
    }
}
