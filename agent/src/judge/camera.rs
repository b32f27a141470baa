//! Cameras: R13, R19. Accepted is not arrived, and a camera goes back to where it stood.

use bridgepoint_hw::dialect::camera::CameraModel;
use bridgepoint_hw::reading::{Answer, CameraReading, Position, PresetReached, ProbeError, ReturnedBy};
use bridgepoint_protocol::check::Places;
use bridgepoint_protocol::claims::Finding;
use serde_json::Value;

use super::{Bench, Judged, NotMoved, name, unanswered};

pub(super) fn judge(
    pattern: &str,
    id: &str,
    places: &Places,
    answer: &Answer<CameraReading>,
    not_moved: Option<NotMoved>,
    bench: Bench<'_>,
) -> Judged {
    let root = format!("camera.{}.reachable", name(places));
    let reading = match answer {
        Ok(reading) => reading,
        Err(why) => {
            let reached = no_camera(why);
            return if pattern == "camera.N.reachable" {
                reached
            } else {
                Judged::depends_on(&root, &reached.code)
            }
            .param("name", name(places));
        }
    };
    let asleep = reading.power_on == Ok(false) && not_moved.is_none();
    let judged = match pattern {
        "camera.N.reachable" => reachable(reading),
        _ if asleep => Judged::depends_on(&root, ASLEEP),
        "camera.N.preset.K" => match not_moved {
            Some(NotMoved::InCall) => Judged::skipped("in-call"),
            Some(NotMoved::CallUnknown) => Judged::depends_on(super::codec::ROOT, "call-unknown"),
            None => preset(places, id, reading, bench),
        },
        "camera.N.home" => match not_moved {
            Some(NotMoved::InCall) => Judged::skipped("in-call"),
            Some(NotMoved::CallUnknown) => Judged::depends_on(super::codec::ROOT, "call-unknown"),
            None => home(reading, places, bench),
        },
        _ => Judged::skipped("not-supported"),
    };
    judged.param("name", name(places))
}

/// In standby it takes no recall: that is one red line, not one a preset.
const ASLEEP: &str = "camera.standby";

fn no_camera(why: &ProbeError) -> Judged {
    match why {
        ProbeError::NoAnswer { .. } => Judged::fail("camera.no-answer"),
        other => unanswered(other),
    }
}

fn reachable(reading: &CameraReading) -> Judged {
    match (&reading.version, &reading.found) {
        (Err(why), Err(_)) => no_camera(why),
        (version, _) => {
            let model = version
                .as_ref()
                .ok()
                .map(|v| format!("{:04X}-{:04X}", v.vendor, v.model));
            let rom = version.as_ref().ok().map(|v| format!("{:04X}", v.rom));
            let judged = match reading.power_on {
                Ok(false) => Judged::fail(ASLEEP),
                _ => Judged::pass(),
            };
            judged.maybe("model", model).maybe("software", rom)
        }
    }
}

fn preset(places: &Places, id: &str, reading: &CameraReading, bench: Bench<'_>) -> Judged {
    let number = places.k.unwrap_or_default();
    let label = preset_name(bench, name(places), number);
    let Some(tried) = reading.presets.iter().find(|p| u16::from(p.number) == number) else {
        return Judged::unknown("timeout").param("preset", label);
    };
    let judged = match &tried.outcome {
        // It was told to go and would not: that is measured.
        Err(ProbeError::Refused) => Judged::fail("camera.preset-not-reached"),
        Err(why) => unanswered(why),
        Ok(reached) if !reached.completed || !reached.settled => Judged::fail("camera.preset-not-reached"),
        Ok(reached) => arrived(reached, id, reading, bench),
    };
    judged.param("preset", label)
}

fn arrived(reached: &PresetReached, id: &str, reading: &CameraReading, bench: Bench<'_>) -> Judged {
    let seconds = reached.took_ms as f64 / 1000.0;
    let model = reading.version.as_ref().ok().and_then(CameraModel::of);
    let scale = model
        .and_then(|model| model.counts_per_degree)
        .unwrap_or(GENERIC_COUNTS_PER_DEGREE);
    let base = bench.base(id).and_then(position_of);
    let limit = bench.profile().limit("camera.N.preset.K");
    let judged = match (reached.position, base) {
        (Some(now), Some(base)) => {
            let off = deviation(now, base, scale);
            Judged::ranged(off, "deg", limit, "camera.preset-moved", "camera.preset-moved").against(Some(0.0))
        }
        _ => Judged::pass(),
    };
    let slow = bench
        .profile()
        .limit("camera.N.preset.K.seconds")
        .and_then(|limit| limit.high);
    let judged = match slow {
        Some(limit) if judged.code == "ok" && seconds > limit => {
            let slow = Judged::warn("camera.preset-slow")
                .value(seconds, "s")
                .against(judged.base);
            Judged {
                high: Some(limit),
                ..slow
            }
        }
        _ => judged,
    };
    let judged = judged.param("took_ms", reached.took_ms);
    match reached.position {
        Some(at) => judged
            .param("pan", at.pan)
            .param("tilt", at.tilt)
            .param("zoom", at.zoom),
        None => judged,
    }
}

/// Counts per degree of a camera whose model is not in the table.
const GENERIC_COUNTS_PER_DEGREE: f64 = 14.4;

/// The larger of the two angles between positions, degrees. Zoom steps are no angle and are not compared here.
fn deviation(now: Position, base: Position, counts_per_degree: f64) -> f64 {
    let pan = f64::from(now.pan - base.pan).abs();
    let tilt = f64::from(now.tilt - base.tilt).abs();
    pan.max(tilt) / counts_per_degree
}

fn position_of(base: &Finding) -> Option<Position> {
    let count = |key: &str| {
        base.params
            .get(key)
            .and_then(Value::as_i64)
            .and_then(|n| i32::try_from(n).ok())
    };
    Some(Position {
        pan: count("pan")?,
        tilt: count("tilt")?,
        zoom: count("zoom")?,
    })
}

/// R19: the tuned state is kept as it was found.
fn home(reading: &CameraReading, places: &Places, bench: Bench<'_>) -> Judged {
    let camera = bench.settings.cameras.iter().find(|c| c.id == name(places));
    let home = camera.and_then(|c| c.home.or_else(|| c.presets.first().map(|(number, _)| *number)));
    let label = home.map(|number| preset_name(bench, name(places), u16::from(number.get())));
    let judged = match &reading.returned {
        None => Judged::skipped("not-selected"),
        Some(Ok(returned)) if returned.at_found => Judged::pass(),
        Some(Ok(returned)) if matches!(returned.by, ReturnedBy::HomePreset(_)) => {
            Judged::warn("camera.not-home")
        }
        Some(Ok(_)) => Judged::fail("camera.not-home"),
        Some(Err(ProbeError::NotSupported)) => Judged::skipped("not-supported"),
        Some(Err(_)) => Judged::fail("camera.not-home"),
    };
    judged.maybe("preset", label)
}

/// A preset's name from the configuration, else its number.
fn preset_name(bench: Bench<'_>, camera: &str, number: u16) -> String {
    bench
        .settings
        .cameras
        .iter()
        .find(|c| c.id == camera)
        .and_then(|c| c.presets.iter().find(|(k, _)| u16::from(k.get()) == number))
        .and_then(|(_, name)| name.clone())
        .unwrap_or_else(|| number.to_string())
}
