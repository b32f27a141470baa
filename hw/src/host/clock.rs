//! Where the box's clock gets its time: the network, a battery-backed clock, or nowhere.
//!
//! The kernel's own word (`adjtimex`) is refused inside the agent's sandbox, so the time daemons are asked:
//! systemd-timesyncd leaves a file when it has set the clock, chronyd answers a question. Other daemons leave
//! no word that this program could read: then nothing is known, which is not the same as not synchronised.

use std::path::Path;

use super::{Roots, chrony, file};
use crate::reading::{Answer, ClockReading, ProbeError};

/// A battery-backed clock that tells an earlier time than this (2020-01-01, Unix seconds) has lost its battery.
const LOST_BATTERY_S: i64 = 1_577_836_800;

/// Looks where the clock gets its time. Blocks like [`super::read`].
///
/// # Errors
/// * [`ProbeError::NoAnswer`]: chronyd has its directory in `/run` and does not answer on its port (it is
///   not running, or `cmdport 0` forbids the question).
/// * [`ProbeError::Garbled`]: chronyd's answer, or the battery-backed clock's time, cannot be read.
pub fn clock(roots: &Roots) -> Answer<ClockReading> {
    let rtc = battery_backed(&roots.sys)?;
    let timesyncd = roots.run.join("systemd/timesync");
    let synchronised = if timesyncd.join("synchronized").exists() {
        Some(true)
    } else if roots.run.join("chrony").is_dir() {
        Some(chrony::synchronised(roots.chrony)?)
    } else {
        timesyncd.is_dir().then_some(false)
    };
    Ok(ClockReading { synchronised, rtc })
}

/// Whether a battery-backed clock is there and has kept a time.
fn battery_backed(sys: &Path) -> Answer<bool> {
    for clock in file::entries(&sys.join("class/rtc"), "rtc") {
        match file::number::<i64>(&clock.join("since_epoch")) {
            Ok(seconds) if seconds >= LOST_BATTERY_S => return Ok(true),
            // The kernel refuses to read out a clock that says itself that its time is lost.
            Ok(_) | Err(ProbeError::NotPresent | ProbeError::Refused) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = dir.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Self(dir)
        }

        fn clock(&self) -> Answer<ClockReading> {
            let root = self.0.path();
            // Port 0 is never open: a question there is refused at once.
            let chrony = ([127, 0, 0, 1], 0).into();
            clock(&Roots {
                sys: root.join("sys"),
                run: root.join("run"),
                chrony,
                ..Roots::default()
            })
        }
    }

    #[test]
    fn timesyncd_leaves_a_file_when_it_has_set_the_clock() {
        let tree = Tree::new(&[("run/systemd/timesync/synchronized", "")]);
        assert_eq!(
            tree.clock(),
            Ok(ClockReading {
                synchronised: Some(true),
                rtc: false
            })
        );
        let tree = Tree::new(&[("run/systemd/timesync/other", "")]);
        assert_eq!(
            tree.clock(),
            Ok(ClockReading {
                synchronised: Some(false),
                rtc: false
            })
        );
    }

    #[test]
    fn a_battery_backed_clock_counts_when_it_has_kept_a_time() {
        let rtc = |text| {
            Tree::new(&[("sys/class/rtc/rtc0/since_epoch", text)])
                .clock()
                .map(|clock| clock.rtc)
        };
        assert_eq!(rtc("1795305600\n"), Ok(true));
        assert_eq!(rtc("946684800\n"), Ok(false));
        assert_eq!(rtc("soon\n"), Err(ProbeError::Garbled));
        let unreadable = Tree::new(&[("sys/class/rtc/rtc0/name", "x\n")]);
        assert_eq!(unreadable.clock().map(|clock| clock.rtc), Ok(false));
        let second = [
            ("sys/class/rtc/rtc0/since_epoch", "0\n"),
            ("sys/class/rtc/rtc1/since_epoch", "1795305600\n"),
        ];
        assert_eq!(Tree::new(&second).clock().map(|clock| clock.rtc), Ok(true));
    }

    #[test]
    fn chrony_that_does_not_answer_is_unknown_and_not_unsynchronised() {
        let tree = Tree::new(&[("run/chrony/chronyd.pid", "1\n")]);
        let answer = tree.clock();
        assert!(matches!(answer, Err(ProbeError::NoAnswer { .. })), "{answer:?}");
    }
}
