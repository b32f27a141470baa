//! The uninterruptible power supply: the variables file of NUT's `dummy-ups` driver.
//!
//! The room does not imitate `upsd`; the real one serves this file. The driver in mode `dummy-once`
//! reads the file again when its time of change differs, which it compares in whole seconds: each
//! writing therefore dates the file a second later than the last.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::faults::{Switches, faults};
use super::sound::replace;
use super::spec;

/// The device's name on the control port.
pub const DEVICE: &str = "ups";

faults! {
    /// Faults of the UPS. They add up; `low-battery` is on battery as well.
    UpsFault {
        OnBattery "on-battery" "No mains: OB DISCHRG, charge 80 %.",
        LowBattery "low-battery" "No mains and nearly empty: OB DISCHRG LB, charge 15 %.",
        Overload "overload" "OVER, load 112 %.",
        ReplaceBattery "replace-battery" "RB: the battery is worn out.",
    }
}

/// The UPS of the running room.
#[derive(Debug)]
pub(crate) struct Ups {
    path: PathBuf,
    switches: Switches<UpsFault>,
    dated: Mutex<Option<SystemTime>>,
}

impl Ups {
    /// Writes the file for the first time.
    ///
    /// # Errors
    /// A sentence that names the key or the file that is at fault.
    pub(crate) fn open(spec: &spec::Ups, directory: &Path) -> Result<Self, String> {
        let switches = Switches::new(&spec.faults).map_err(|why| format!("[ups] faults: {why}"))?;
        let ups = Self {
            path: directory.join(&spec.dev_file),
            switches,
            dated: Mutex::new(None),
        };
        ups.write()?;
        Ok(ups)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its switches, to be read.
    pub(crate) fn switches(&self) -> &Switches<UpsFault> {
        &self.switches
    }

    /// Switches a fault and rewrites the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn switch(&self, fault: UpsFault, on: bool) -> Result<(), String> {
        if self.switches.set(fault, on) {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&self) -> Result<(), String> {
        self.put(&self.variables()).map_err(|why| {
            format!(
                "cannot write the variables of the UPS to {}: {why}",
                self.path.display()
            )
        })
    }

    fn put(&self, variables: &str) -> io::Result<()> {
        let mut dated = self.dated.lock().unwrap_or_else(PoisonError::into_inner);
        replace(&self.path, variables.as_bytes())?;
        let file = std::fs::File::options().write(true).open(&self.path)?;
        let written = file.metadata()?.modified()?;
        let date = dated.map_or(written, |last| written.max(last + Duration::from_secs(1)));
        file.set_modified(date)?;
        *dated = Some(date);
        Ok(())
    }

    fn variables(&self) -> String {
        let on = self.switches.now();
        let (mut status, charge, runtime, volt) = if on.contains(&UpsFault::LowBattery) {
            ("OB DISCHRG LB".to_owned(), 15, 120, "0.0")
        } else if on.contains(&UpsFault::OnBattery) {
            ("OB DISCHRG".to_owned(), 80, 1440, "0.0")
        } else {
            ("OL".to_owned(), 100, 1800, "221.0")
        };
        if on.contains(&UpsFault::ReplaceBattery) {
            status.push_str(" RB");
        }
        let overload = on.contains(&UpsFault::Overload);
        if overload {
            status.push_str(" OVER");
        }
        let load = if overload { 112 } else { 23 };
        format!(
            "ups.status: {status}\n\
             ups.load: {load}\n\
             ups.test.result: Done and passed\n\
             battery.charge: {charge}\n\
             battery.charge.low: 20\n\
             battery.runtime: {runtime}\n\
             battery.date: 2023/03/10\n\
             battery.voltage: 27.40\n\
             input.voltage: {volt}\n\
             ups.mfr: SANTAK\n\
             ups.model: TG1000\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ups(directory: &Path) -> Ups {
        let spec = spec::Spec::parse("[room]\n[ups]\n").unwrap();
        Ups::open(&spec.ups.unwrap(), directory).unwrap()
    }

    fn variables(ups: &Ups) -> Vec<String> {
        let wanted = ["ups.status", "ups.load", "battery.charge:", "battery.runtime"];
        let text = std::fs::read_to_string(ups.path()).unwrap();
        let lines = text
            .lines()
            .filter(|line| wanted.iter().any(|name| line.starts_with(name)));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_healthy_ups_has_the_whole_set_of_variables() {
        let directory = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(ups(directory.path()).path()).unwrap();
        assert_eq!(
            text,
            "ups.status: OL\nups.load: 23\nups.test.result: Done and passed\nbattery.charge: 100\n\
             battery.charge.low: 20\nbattery.runtime: 1800\nbattery.date: 2023/03/10\n\
             battery.voltage: 27.40\ninput.voltage: 221.0\nups.mfr: SANTAK\nups.model: TG1000\n"
        );
    }

    #[test]
    fn each_fault_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let ups = ups(directory.path());
        let rows = [
            (UpsFault::OnBattery, "OB DISCHRG", "23", "80", "1440"),
            (UpsFault::LowBattery, "OB DISCHRG LB", "23", "15", "120"),
            (UpsFault::Overload, "OL OVER", "112", "100", "1800"),
            (UpsFault::ReplaceBattery, "OL RB", "23", "100", "1800"),
        ];
        for (fault, status, load, charge, runtime) in rows {
            ups.switch(fault, true).unwrap();
            let expected = [
                format!("ups.status: {status}"),
                format!("ups.load: {load}"),
                format!("battery.charge: {charge}"),
                format!("battery.runtime: {runtime}"),
            ];
            assert_eq!(variables(&ups), expected);
            ups.switch(fault, false).unwrap();
        }
        assert_eq!(variables(&ups)[0], "ups.status: OL");
    }

    #[test]
    fn every_writing_is_a_whole_second_later() {
        let directory = tempfile::tempdir().unwrap();
        let ups = ups(directory.path());
        let date = || std::fs::metadata(ups.path()).unwrap().modified().unwrap();
        let mut last = date();
        for on in [true, false, true, false] {
            ups.switch(UpsFault::OnBattery, on).unwrap();
            assert!(date().duration_since(last).unwrap() >= Duration::from_secs(1));
            last = date();
        }
    }
}
