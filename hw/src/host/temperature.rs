//! The hottest temperature sensor of the box, from the kernel's `hwmon` and, where that has none, its
//! thermal zones. Both give thousandths of a degree Celsius.
//!
//! A sensor that cannot be read just now (its device sleeps) or says itself that it is broken is left out.
//! When what is left holds no temperature at all, the answer is garbled, not missing.

use std::path::Path;

use super::file;
use crate::reading::{Answer, ProbeError, TemperatureReading};

/// Temperatures that a box can have and still answer, degrees Celsius. Registers that are not connected read
/// -128, 127.5, 255 and the like, and are no temperatures.
const BELIEVABLE: std::ops::RangeInclusive<f64> = -60.0..=125.0;

pub(super) fn hottest(sys: &Path) -> Answer<TemperatureReading> {
    match pick(monitors(sys)) {
        Err(ProbeError::NotPresent) => pick(zones(sys)),
        answer => answer,
    }
}

/// Every sensor of every hardware monitor, named as `chip label`, or `chip tempN` when it has no label.
fn monitors(sys: &Path) -> Vec<(String, Answer<f64>)> {
    let mut sensors = Vec::new();
    for chip in file::entries(&sys.join("class/hwmon"), "hwmon") {
        let chip_name = file::name(&chip.join("name")).unwrap_or_else(|| "hwmon".to_owned());
        for input in file::entries(&chip, "temp") {
            let Some(sensor) = input
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix("_input"))
            else {
                continue;
            };
            if file::number::<i64>(&chip.join(format!("{sensor}_fault"))).is_ok_and(|fault| fault != 0) {
                continue;
            }
            let label =
                file::name(&chip.join(format!("{sensor}_label"))).unwrap_or_else(|| sensor.to_owned());
            sensors.push((format!("{chip_name} {label}"), celsius(&input)));
        }
    }
    sensors
}

/// Every thermal zone, named by its type.
fn zones(sys: &Path) -> Vec<(String, Answer<f64>)> {
    file::entries(&sys.join("class/thermal"), "thermal_zone")
        .into_iter()
        .map(|zone| {
            let name = file::name(&zone.join("type")).unwrap_or_else(|| "thermal zone".to_owned());
            (name, celsius(&zone.join("temp")))
        })
        .collect()
}

fn celsius(path: &Path) -> Answer<f64> {
    let celsius = f64::from(file::number::<i32>(path)?) / 1000.0;
    if BELIEVABLE.contains(&celsius) {
        Ok(celsius)
    } else {
        Err(ProbeError::Garbled)
    }
}

/// The hottest sensor, or the most telling reason why there is none.
fn pick(sensors: Vec<(String, Answer<f64>)>) -> Answer<TemperatureReading> {
    let mut why = ProbeError::NotPresent;
    let mut hottest: Option<TemperatureReading> = None;
    for (sensor, answer) in sensors {
        match answer {
            Ok(celsius) if hottest.as_ref().is_none_or(|hottest| celsius > hottest.celsius) => {
                hottest = Some(TemperatureReading { sensor, celsius });
            }
            Ok(_) | Err(ProbeError::NotPresent) => {}
            Err(error) => why = error,
        }
    }
    hottest.ok_or(why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = dir.path().join("class").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        dir
    }

    fn sensor(name: &str, celsius: f64) -> Answer<TemperatureReading> {
        Ok(TemperatureReading {
            sensor: name.to_owned(),
            celsius,
        })
    }

    #[test]
    fn the_hottest_sensor_of_all_chips_is_named() {
        let dir = tree(&[
            ("hwmon/hwmon0/name", b"acpitz\n"),
            ("hwmon/hwmon0/temp1_input", b"27800\n"),
            ("hwmon/hwmon1/name", b"coretemp\n"),
            ("hwmon/hwmon1/temp1_label", b"Package id 0\n"),
            ("hwmon/hwmon1/temp1_input", b"61500\n"),
            ("hwmon/hwmon1/temp1_crit", b"100000\n"),
            ("hwmon/hwmon1/temp2_input", b"-5000\n"),
            ("hwmon/hwmon1/fan1_input", b"99000\n"),
            ("thermal/thermal_zone0/temp", b"90000\n"),
        ]);
        assert_eq!(hottest(dir.path()), sensor("coretemp Package id 0", 61.5));
    }

    #[test]
    fn thermal_zones_serve_where_there_are_no_monitors() {
        let dir = tree(&[
            ("thermal/cooling_device0/type", b"Fan\n"),
            ("thermal/thermal_zone0/type", b"cpu-thermal\n"),
            ("thermal/thermal_zone0/temp", b"48312\n"),
            ("hwmon/hwmon0/name", b"ucsi_source\n"),
        ]);
        assert_eq!(hottest(dir.path()), sensor("cpu-thermal", 48.312));
    }

    #[test]
    fn broken_and_unbelievable_sensors_do_not_count() {
        let dir = tree(&[
            ("hwmon/hwmon0/name", b"nct6775\n"),
            ("hwmon/hwmon0/temp1_input", b"99000\n"),
            ("hwmon/hwmon0/temp1_fault", b"1\n"),
            ("hwmon/hwmon0/temp2_input", b"127500\n"),
            ("hwmon/hwmon0/temp3_input", b"rubbish\n"),
            ("hwmon/hwmon0/temp4_input", b"41000\n"),
        ]);
        assert_eq!(hottest(dir.path()), sensor("nct6775 temp4", 41.0));
    }

    #[test]
    fn nothing_is_not_present_and_rubbish_is_garbled() {
        assert_eq!(hottest(tree(&[]).path()), Err(ProbeError::NotPresent));
        for text in ["", "x\n", "12.5\n", "99999999999\n", "-128000\n", "\u{0}"] {
            let dir = tree(&[("hwmon/hwmon0/temp1_input", text.as_bytes())]);
            assert_eq!(hottest(dir.path()), Err(ProbeError::Garbled), "{text:?}");
        }
        assert_eq!(
            hottest(tree(&[("hwmon/hwmon0/temp1_input", b"\xff")]).path()),
            Err(ProbeError::Garbled)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_a_believable_temperature_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..40), number in any::<i32>(),
        ) {
            for bytes in [bytes, number.to_string().into_bytes()] {
                let dir = tree(&[("hwmon/hwmon0/temp1_input", &bytes), ("hwmon/hwmon0/name", &bytes)]);
                let answer = hottest(dir.path());
                prop_assert!(answer.is_err() || answer.is_ok_and(|reading| BELIEVABLE.contains(&reading.celsius)));
            }
        }
    }
}
