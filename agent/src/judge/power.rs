//! Mains and UPS: R18. Old or missing figures are unknown, never good.

use bridgepoint_hw::address::UpsAddress;
use bridgepoint_hw::reading::{Answer, ProbeError, UpsReading};

use super::{Bench, Judged, unanswered};

const ROOT: &str = "power.mains";

pub(super) fn judge(pattern: &str, answer: &Answer<UpsReading>, bench: Bench<'_>) -> Judged {
    let ups = bench.settings.ups.as_ref();
    if pattern == "power.protected" {
        return protected(ups.map(|u| &u.address), ups.map_or(&[], |u| u.feeds.as_slice()));
    }
    if ups.is_some_and(|u| u.address == UpsAddress::None) {
        return Judged::skipped("no-device");
    }
    let reading = match answer {
        Ok(reading) => reading,
        Err(why) => {
            let root = no_figures(why);
            return if pattern == ROOT {
                root
            } else {
                Judged::depends_on(ROOT, &root.code)
            };
        }
    };
    match pattern {
        ROOT => mains(reading),
        "power.battery" => battery(reading, bench),
        "power.runtime" => runtime(reading, bench),
        "power.health" => health(reading, bench),
        _ => Judged::skipped("not-supported"),
    }
}

/// A dead driver or server and a silent cable look alike to the technician: plug it in again. Figures that
/// the source itself calls old are told as such.
fn no_figures(why: &ProbeError) -> Judged {
    match why {
        ProbeError::NotPresent | ProbeError::NoAnswer { .. } => Judged::unknown("power.no-data"),
        other => unanswered(other),
    }
}

fn has(reading: &UpsReading, token: &str) -> bool {
    reading.status.iter().any(|word| word == token)
}

fn mains(reading: &UpsReading) -> Judged {
    let judged = if has(reading, "OB") || has(reading, "FSD") || has(reading, "OFF") {
        Judged::fail("power.on-battery")
    } else if has(reading, "OL") {
        Judged::pass()
    } else {
        // Neither is said, e.g. while the driver is starting.
        Judged::unknown("power.no-data")
    };
    let volts = reading.input_volt.as_ref().ok().copied();
    let judged = match volts {
        Some(volts) => judged.value(volts, "V"),
        None => judged,
    };
    judged
        .param("says", reading.status.join(" "))
        .maybe("maker", reading.maker.clone())
        .maybe("model", reading.model.clone())
        .maybe("serial", reading.serial.clone())
}

fn battery(reading: &UpsReading, bench: Bench<'_>) -> Judged {
    let charge = match &reading.charge_percent {
        Ok(charge) => *charge,
        Err(_) if has(reading, "LB") => return Judged::fail("power.battery-low"),
        Err(why) => return unanswered(why),
    };
    let judged = Judged::ranged(
        charge,
        "%",
        bench.profile().limit("power.battery"),
        "power.battery-low",
        "power.battery-low",
    );
    let below_own = reading.charge_low_percent.as_ref().is_ok_and(|low| charge < *low);
    if has(reading, "LB") || below_own {
        return Judged {
            status: bridgepoint_protocol::claims::Status::Fail,
            code: "power.battery-low".into(),
            ..judged
        };
    }
    judged
}

fn runtime(reading: &UpsReading, bench: Bench<'_>) -> Judged {
    if has(reading, "CAL") {
        return Judged::unknown("busy");
    }
    let seconds = match &reading.runtime_s {
        Ok(seconds) => *seconds,
        Err(why) => return unanswered(why),
    };
    let limit = bench.profile().limit("power.runtime");
    Judged::ranged(
        (seconds / 6.0).round() / 10.0,
        "min",
        limit,
        "power.runtime-short",
        "power.runtime-short",
    )
    .maybe("limit", limit.and_then(|l| l.low))
}

/// The worst of: overload, an alarm of its own, a failed self-test, a battery to be replaced.
fn health(reading: &UpsReading, bench: Bench<'_>) -> Judged {
    let limit = bench.profile().limit("power.health");
    let load = match &reading.load_percent {
        Ok(load) => Judged::ranged(*load, "%", limit, "power.overload", "power.overload"),
        Err(_) => Judged::pass(),
    };
    if has(reading, "OVER") {
        return Judged {
            status: bridgepoint_protocol::claims::Status::Fail,
            code: "power.overload".into(),
            ..load
        };
    }
    if let Some(alarm) = reading.alarm.as_ref().filter(|text| !text.trim().is_empty()) {
        return Judged {
            code: "power.alarm".into(),
            status: worst(&load),
            ..load
        }
        .param("alarm", alarm.as_str());
    }
    if load.code != "ok" {
        return load;
    }
    let failed_test = reading.test_result.as_deref().is_some_and(|result| {
        let result = result.to_lowercase();
        ["fail", "error", "bad"].iter().any(|word| result.contains(word))
    });
    if has(reading, "RB") || failed_test {
        return Judged {
            code: "power.replace-battery".into(),
            status: worst(&load),
            ..load
        };
    }
    if has(reading, "CAL") {
        return Judged::unknown("busy");
    }
    load
}

/// A warning, unless it is a fault already.
fn worst(load: &Judged) -> bridgepoint_protocol::claims::Status {
    load.status.max(bridgepoint_protocol::claims::Status::Warn)
}

/// What the configuration says is fed by the UPS; nothing can measure it from here.
fn protected(address: Option<&UpsAddress>, feeds: &[String]) -> Judged {
    if address == Some(&UpsAddress::None) {
        return Judged::warn("power.no-ups");
    }
    if feeds.is_empty() {
        return Judged::skipped("not-configured");
    }
    match ["codec", "display", "audio", "network"]
        .into_iter()
        .find(|kind| !feeds.iter().any(|feed| feed == kind))
    {
        Some(left_out) => Judged::warn("power.not-protected").param("device", left_out),
        None => Judged::pass(),
    }
}
