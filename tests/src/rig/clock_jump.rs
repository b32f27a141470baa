//! A wall clock that jumps: Debian's libfaketime, preloaded into a program beside the disk. The monotonic clock stays as it is.

use std::path::{Path, PathBuf};

use super::chance::Chance;

const YEAR_S: i64 = 365 * 86_400;

/// The library, where the package `faketime` is installed.
#[must_use]
pub fn library() -> Option<PathBuf> {
    let architectures = ["x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf"];
    architectures
        .iter()
        .map(|which| PathBuf::from(format!("/usr/lib/{which}/faketime/libfaketime.so.1")))
        .find(|file| file.is_file())
}

/// Another time, as libfaketime reads it: 1970, a year either way, a day, seconds back or forth, or the true one.
pub fn another(chance: &mut Chance) -> String {
    let offset = match chance.below(8) {
        0 | 1 => return format!("@1970-01-01 00:0{}:00", chance.below(10)),
        2 => -YEAR_S,
        3 => YEAR_S,
        4 => -86_400,
        5 => 30,
        6 => -30,
        _ => 0,
    };
    format!("{offset:+}")
}

/// What a program needs in its environment, beside what the disk needs, to read the time from `file`.
#[must_use]
pub fn environment(library: &Path, file: &Path, disk: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = disk
        .into_iter()
        .map(|(key, value)| match key.as_str() {
            "LD_PRELOAD" => (key, format!("{value}:{}", library.display())),
            _ => (key, value),
        })
        .collect();
    let more = [
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DISABLE_SHM", "1".to_owned()),
        ("TZ", "UTC".to_owned()),
    ];
    environment.extend(more.map(|(key, value)| (key.to_owned(), value)));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::process::succeed;
    use std::process::Command;

    #[test]
    fn every_jump_comes_and_a_program_follows_it() {
        let mut chance = Chance::new(1, "clock");
        let drawn: Vec<String> = (0..100).map(|_| another(&mut chance)).collect();
        for wanted in ["@1970", "-31536000", "+31536000", "-86400", "+30", "-30", "+0"] {
            assert!(drawn.iter().any(|jump| jump.starts_with(wanted)), "{wanted}");
        }
        let Some(library) = library() else {
            crate::rig::skipped("a clock that jumps: there is no libfaketime (Debian package faketime)");
            return;
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "@1970-01-01 00:05:00").unwrap();
        let preload = vec![("LD_PRELOAD".to_owned(), String::new())];
        let mut date = Command::new("date");
        date.arg("+%Y").envs(environment(&library, file.path(), preload));
        assert_eq!(succeed(&mut date).unwrap().trim(), "1970");
    }
}
