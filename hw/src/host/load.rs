//! Memory and load of the box, from the kernel's `meminfo` and `loadavg`.
//!
//! Read here and not through a library, because the libraries give zeros where the files are hidden (as
//! systemd's `ProcSubset=pid` does) or changed, and a zero would pass every limit.

use std::path::Path;

use super::file;
use crate::reading::{Answer, MemoryReading, ProbeError};

/// Size of the memory, and what programs can still get of it without swapping.
pub(super) fn memory(proc: &Path) -> Answer<MemoryReading> {
    parse_memory(&file::text(&proc.join("meminfo"))?).ok_or(ProbeError::Garbled)
}

/// Load average over one minute, divided by the number of processors that are on.
pub(super) fn per_cpu(proc: &Path, sys: &Path) -> Answer<f64> {
    let load = parse_load(&file::text(&proc.join("loadavg"))?).ok_or(ProbeError::Garbled)?;
    let online = file::text(&sys.join("devices/system/cpu/online"))?;
    let count = parse_processors(&online).ok_or(ProbeError::Garbled)?;
    Ok(load / f64::from(count))
}

/// Both lines have to be there, in kilobytes, and make sense together.
fn parse_memory(text: &str) -> Option<MemoryReading> {
    let bytes = |key: &str| -> Option<u64> {
        let rest = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        rest.trim()
            .strip_suffix("kB")?
            .trim_end()
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    };
    let reading = MemoryReading {
        total_bytes: bytes("MemTotal")?,
        available_bytes: bytes("MemAvailable")?,
    };
    (reading.total_bytes > 0 && reading.available_bytes <= reading.total_bytes).then_some(reading)
}

fn parse_load(text: &str) -> Option<f64> {
    let load: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    (load.is_finite() && load >= 0.0).then_some(load)
}

/// Counts a list of processors such as `0-3,6`.
fn parse_processors(text: &str) -> Option<u32> {
    let mut count = 0u32;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMINFO: &str = "MemTotal:       24686064 kB\nMemFree:        20148164 kB\nMemAvailable:   23993140 kB\n\
                           Buffers:          120988 kB\nHugePages_Total:       0\n";

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let dir = tree(&[("meminfo", MEMINFO)]);
        let wanted = MemoryReading {
            total_bytes: 24_686_064 * 1024,
            available_bytes: 23_993_140 * 1024,
        };
        assert_eq!(memory(dir.path()), Ok(wanted));
    }

    #[test]
    fn memory_without_its_lines_is_garbled_and_never_zero() {
        for text in [
            "",
            "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
            "MemTotal: 5 kB\n",
            "MemTotal: x kB\n",
            "\u{0}",
        ] {
            assert_eq!(
                memory(tree(&[("meminfo", text)]).path()),
                Err(ProbeError::Garbled),
                "{text:?}"
            );
        }
    }

    #[test]
    fn load_is_divided_by_the_processors_that_are_on() {
        let online = "devices/system/cpu/online";
        let dir = tree(&[("loadavg", "1.50 0.70 0.30 2/345 6789\n"), (online, "0-1,4\n")]);
        assert_eq!(per_cpu(dir.path(), dir.path()), Ok(0.5));
        for (load, processors) in [
            ("", "0\n"),
            ("NaN 0 0", "0\n"),
            ("-1.0", "0\n"),
            ("1.0", ""),
            ("1.0", "3-1"),
            ("1.0", "0-4294967295"),
        ] {
            let dir = tree(&[("loadavg", load), (online, processors)]);
            assert_eq!(
                per_cpu(dir.path(), dir.path()),
                Err(ProbeError::Garbled),
                "{load:?} {processors:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", numbers in "[0-9,. -]{0,60}") {
            for text in [&text, &numbers] {
                let memory = format!("MemTotal:{text} kB\nMemAvailable:{text} kB");
                prop_assert!(parse_memory(&memory).is_none_or(|reading| reading.total_bytes > 0));
                prop_assert!(parse_load(text).is_none_or(|load| load.is_finite() && load >= 0.0));
                prop_assert!(parse_processors(text).is_none_or(|count| count > 0));
            }
        }
    }
}
