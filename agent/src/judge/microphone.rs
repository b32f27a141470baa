//! Microphones: R16, R17.

use bridgepoint_hw::reading::{Answer, ProbeError, SoundReading};
use bridgepoint_protocol::check::Places;

use super::{Bench, Judged, name, unanswered};

/// This far below its usual floor a microphone is likelier switched off than quiet, dB.
const FAR_BELOW_DB: f64 = 20.0;

pub(super) fn judge(
    pattern: &str,
    id: &str,
    places: &Places,
    answer: &Answer<SoundReading>,
    bench: Bench<'_>,
) -> Judged {
    let root = format!("mic.{}.signal", name(places));
    let alive = signal(&root, places, answer, bench);
    let judged = match (pattern, answer) {
        ("mic.N.signal", _) => alive,
        (_, Ok(sound)) if alive.code == "ok" => match pattern {
            "mic.N.noise" => noise(sound, id, bench),
            "mic.N.clipping" => clipping(sound, bench),
            "mic.N.baseline" => against_base(sound, &root, bench),
            _ => Judged::skipped("not-supported"),
        },
        _ => Judged::depends_on(&root, &alive.code),
    };
    judged.param("name", name(places))
}

/// Digital silence and pure DC come from no live microphone. A floor far below the usual, or silence of a
/// microphone with its own button, may be a button: that is not known from here.
fn signal(id: &str, places: &Places, answer: &Answer<SoundReading>, bench: Bench<'_>) -> Judged {
    let sound = match answer {
        Ok(sound) => sound,
        Err(ProbeError::NotPresent) => return Judged::fail("mic.dead"),
        Err(why) => return unanswered(why),
    };
    let has_button = bench
        .settings
        .microphones
        .iter()
        .any(|m| m.id == name(places) && m.switch);
    let Some(floor) = sound.floor_dbfs.filter(|_| !sound.constant) else {
        return if has_button {
            Judged::unknown("mic.maybe-off")
        } else {
            Judged::fail("mic.dead")
        };
    };
    let base = bench.base(id).and_then(|f| f.value);
    let limit = bench
        .profile()
        .limit("mic.N.signal")
        .and_then(|limit| limit.fail_low);
    let lowest = match (base, limit) {
        (Some(base), _) => Some(base - FAR_BELOW_DB),
        (None, limit) => limit,
    };
    let judged = if lowest.is_some_and(|lowest| floor < lowest) {
        Judged::unknown("mic.maybe-off")
    } else {
        Judged::pass()
    };
    let judged = judged.value(floor, "dBFS").against(base);
    Judged {
        low: lowest,
        ..judged
    }
    .maybe("rms", sound.rms_dbfs.map(tenth))
    .maybe("peak", sound.peak_dbfs.map(tenth))
}

fn noise(sound: &SoundReading, id: &str, bench: Bench<'_>) -> Judged {
    match sound.floor_dbfs {
        Some(floor) => Judged::ranged(
            floor,
            "dBFS",
            bench.profile().limit("mic.N.noise"),
            "mic.hiss",
            "mic.hiss",
        )
        .against(bench.base(id).and_then(|f| f.value)),
        None => Judged::unknown("mic.maybe-off"),
    }
}

fn clipping(sound: &SoundReading, bench: Bench<'_>) -> Judged {
    let percent = sound.clipped * 100.0;
    Judged::ranged(
        percent,
        "%",
        bench.profile().limit("mic.N.clipping"),
        "mic.clipping",
        "mic.clipping",
    )
}

/// R17: the noise floor against the accepted rehearsal's.
fn against_base(sound: &SoundReading, root: &str, bench: Bench<'_>) -> Judged {
    let (Some(floor), Some(base)) = (sound.floor_dbfs, bench.base(root).and_then(|f| f.value)) else {
        return Judged::skipped("no-baseline");
    };
    Judged::ranged(
        floor - base,
        "dB",
        bench.profile().limit("mic.N.baseline"),
        "mic.differs",
        "mic.differs",
    )
    .against(Some(base))
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
