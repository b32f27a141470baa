//! Small files of the kernel's: a number, a word, a list of entries; capped, and with their reasons kept.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::reading::{Answer, ProbeError};

/// Most bytes of a file that are read. The longest one, `/proc/meminfo`, has about 1.5 KiB.
const CAP: u64 = 64 * 1024;

/// Most entries of a directory that are looked at.
const ENTRIES_CAP: usize = 1024;

/// Reads a file.
///
/// A file that is there and cannot be read tells that its part is not: a sensor behind a sleeping device
/// answers with an input or output error.
pub(super) fn text(path: &Path) -> Answer<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CAP).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => ProbeError::Refused,
            _ => ProbeError::NotPresent,
        })?;
    String::from_utf8(bytes).map_err(|_| ProbeError::Garbled)
}

/// Reads a file that holds one number.
pub(super) fn number<T: FromStr>(path: &Path) -> Answer<T> {
    text(path)?.trim().parse().map_err(|_| ProbeError::Garbled)
}

/// Reads a file that holds one name; control characters are left out, and at most 64 characters are kept.
pub(super) fn name(path: &Path) -> Option<String> {
    let text = text(path).ok()?;
    let name: String = text.trim().chars().filter(|c| !c.is_control()).take(64).collect();
    (!name.is_empty()).then_some(name)
}

/// The entries of a directory whose names begin with `prefix`, sorted; none when there is no directory.
pub(super) fn entries(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .take(ENTRIES_CAP)
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(prefix))
        })
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}
