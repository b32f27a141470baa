//! The box itself and its logbook: R31, R37, R39.

use bridgepoint_hw::reading::{Answer, HostReading};
use bridgepoint_protocol::logbook::Walk;
use bridgepoint_protocol::profile::Profile;

use super::{Judged, unanswered};
use crate::logbook::{BookBroken, Condition};

pub(super) fn judge(pattern: &str, reading: &HostReading, profile: &Profile) -> Judged {
    let limit = profile.limit(pattern);
    let of = |answer: &Answer<f64>, unit: &str, code: &str| match answer {
        Ok(value) => Judged::ranged(*value, unit, limit, code, code),
        // A sensor that a box does not have is no fault of the box.
        Err(bridgepoint_hw::reading::ProbeError::NotPresent) => Judged::skipped("not-supported"),
        Err(why) => unanswered(why),
    };
    match pattern {
        "host.clock" => match &reading.clock {
            Ok(clock) => match clock.synchronised {
                Some(true) => Judged::pass(),
                Some(false) => Judged::warn("host.clock-unsynced"),
                // No time daemon that could be asked: `clk` in the report says what the clock is worth.
                None => Judged::skipped("not-supported"),
            },
            Err(why) => unanswered(why),
        },
        "host.disk" => {
            let used = reading
                .disk
                .clone()
                .map(|disk| used_percent(disk.total_bytes, disk.available_bytes));
            of(&used, "%", "host.disk-low")
        }
        "host.memory" => {
            let used = reading
                .memory
                .clone()
                .map(|memory| used_percent(memory.total_bytes, memory.available_bytes));
            of(&used, "%", "host.memory-low")
        }
        "host.load" => of(&reading.load_per_cpu, "", "host.load-high"),
        "host.temperature" => match &reading.temperature {
            Ok(sensor) => of(&Ok(sensor.celsius), "°C", "host.hot").param("sensor", sensor.sensor.as_str()),
            Err(why) => of(&Err(why.clone()), "°C", "host.hot"),
        },
        _ => Judged::skipped("not-supported"),
    }
}

/// R31: every signature and every link of the logbook holds, and it can be written.
///
/// One that cannot be written as it should does not make a room unfit for a meeting: it is told, and the room goes on being
/// checked.
pub(super) fn logbook(walked: &Result<Walk, BookBroken>, condition: &Condition) -> Judged {
    match walked {
        Err(broken) => Judged::fail("host.logbook-broken")
            .param("line", broken.line)
            .param("file", broken.file.as_str())
            .param("why", broken.why.as_str()),
        Ok(walk) if condition.full => {
            let judged = Judged::warn("host.logbook-full").param("entries", walk.entries);
            match condition.dropped {
                0 => judged,
                dropped => judged.param("n", dropped),
            }
        }
        Ok(walk) => match &condition.trouble {
            Some(why) => Judged::warn("host.logbook-degraded")
                .param("entries", walk.entries)
                .param("why", why.as_str()),
            None => Judged::pass().param("entries", walk.entries),
        },
    }
}

fn used_percent(total: u64, available: u64) -> f64 {
    if total == 0 {
        return f64::NAN;
    }
    (total.saturating_sub(available)) as f64 / total as f64 * 100.0
}
