//! The box itself: disk, memory, load, temperature and where its clock gets the time (R37, R39).
//!
//! Everything is read from files of the kernel and of the time daemon, under roots that tests can replace.
//! What is missing is a [`ProbeError`] and never a zero; what holds no number is [`ProbeError::Garbled`].
//!
//! * `clock`: synchronised or not, battery-backed or not; `chrony` asks chronyd.
//! * `load`: memory and load. * `temperature`: the hottest sensor. * `file`: small files of the kernel's.

mod chrony;
mod clock;
mod file;
mod load;
mod temperature;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

pub use clock::clock;

use crate::reading::{Answer, DiskReading, HostReading, ProbeError};

/// Where the box is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// The kernel's objects, `/sys`.
    pub sys: PathBuf,
    /// The kernel's figures, `/proc`.
    pub proc: PathBuf,
    /// Where running programs leave word, `/run`.
    pub run: PathBuf,
    /// The directory of our own state, whose file system must not be full.
    pub state: PathBuf,
    /// Where chronyd takes questions; asked only where `run` has its directory.
    pub chrony: SocketAddr,
}

impl Default for Roots {
    /// The real box, with the agent's state in `/var/lib/bridgepoint`.
    fn default() -> Self {
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
            run: "/run".into(),
            state: "/var/lib/bridgepoint".into(),
            chrony: SocketAddr::from((Ipv4Addr::LOCALHOST, chrony::PORT)),
        }
    }
}

/// Takes one look at the box.
///
/// The reads are small but they block, and where chronyd keeps the clock it is waited for up to 0.3 s: call it
/// from `spawn_blocking` in an asynchronous program.
///
/// Each part has its own answer: [`ProbeError::NotPresent`] when the box has no such thing,
/// [`ProbeError::Refused`] when it may not be read, [`ProbeError::Garbled`] when it holds no number.
#[must_use]
pub fn read(roots: &Roots) -> HostReading {
    HostReading {
        clock: clock(roots),
        disk: disk(&roots.state),
        memory: load::memory(&roots.proc),
        load_per_cpu: load::per_cpu(&roots.proc, &roots.sys),
        temperature: temperature::hottest(&roots.sys),
    }
}

/// The file system that a directory is on. Available is what is left to a program without privileges.
fn disk(directory: &Path) -> Answer<DiskReading> {
    let stat = rustix::fs::statvfs(directory).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => ProbeError::NotPresent,
        Errno::ACCESS | Errno::PERM => ProbeError::Refused,
        _ => ProbeError::Garbled,
    })?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    match bytes(stat.f_blocks) {
        // The kernel's own file systems have no size.
        0 => Err(ProbeError::NotSupported),
        total_bytes => Ok(DiskReading {
            total_bytes,
            available_bytes: bytes(stat.f_bavail),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_directory_is_read_and_a_missing_one_is_not_present() {
        let dir = tempfile::tempdir().unwrap();
        let reading = disk(dir.path()).unwrap();
        assert!(
            reading.total_bytes > 0 && reading.available_bytes <= reading.total_bytes,
            "{reading:?}"
        );
        assert_eq!(disk(&dir.path().join("nix")), Err(ProbeError::NotPresent));
        assert_eq!(disk(Path::new("/proc")), Err(ProbeError::NotSupported));
    }

    #[test]
    fn an_empty_box_has_no_figures_and_no_word_of_its_clock() {
        let dir = tempfile::tempdir().unwrap();
        let root = || dir.path().to_owned();
        let roots = Roots {
            sys: root(),
            proc: root(),
            run: root(),
            state: root().join("nix"),
            ..Roots::default()
        };
        let reading = read(&roots);
        assert_eq!(reading.disk, Err(ProbeError::NotPresent));
        assert_eq!(reading.memory, Err(ProbeError::NotPresent));
        assert_eq!(reading.load_per_cpu, Err(ProbeError::NotPresent));
        assert_eq!(reading.temperature, Err(ProbeError::NotPresent));
        assert!(
            reading
                .clock
                .is_ok_and(|clock| clock.synchronised.is_none() && !clock.rtc)
        );
    }

    #[test]
    fn the_real_box_has_memory_and_load() {
        let reading = read(&Roots::default());
        let memory = reading.memory.unwrap();
        assert!(
            memory.available_bytes > 0 && memory.available_bytes <= memory.total_bytes,
            "{memory:?}"
        );
        assert!(reading.load_per_cpu.unwrap() >= 0.0);
    }
}
