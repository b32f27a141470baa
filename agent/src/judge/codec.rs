//! The codec: R10-R12, R14, R24, R25.

use bridgepoint_hw::reading::{Answer, CodecReading, Diagnostic, Presentation, Standby};
use serde_json::Value;

use super::{Bench, Judged, unanswered};
use crate::config::Registration;

/// The check whose failure explains all the others of this group.
pub(super) const ROOT: &str = "codec.reachable";

pub(super) fn judge(pattern: &str, id: &str, answer: &Answer<CodecReading>, bench: Bench<'_>) -> Judged {
    let Ok(reading) = answer else {
        let root = reachable(answer);
        return if pattern == ROOT {
            root
        } else {
            Judged::depends_on(ROOT, &root.code)
        };
    };
    match pattern {
        ROOT => reachable(answer),
        "codec.awake" => awake(reading),
        "codec.ip" => ip(reading, id, bench),
        "codec.registration" => registration(reading, bench),
        "codec.diagnostics" => diagnostics(reading),
        "codec.temperature" => temperature(reading, bench),
        "codec.display" => display(reading, id, bench),
        "codec.audio" => audio(reading, id, bench),
        "codec.idle" => idle(reading),
        _ => Judged::skipped("not-supported"),
    }
}

/// R10. Silence and a closed door are measured: it does not answer. What answers unreadably is unknown.
fn reachable(answer: &Answer<CodecReading>) -> Judged {
    use bridgepoint_hw::reading::ProbeError::{NoAnswer, Refused};
    match answer {
        Err(NoAnswer { .. }) => Judged::fail("codec.no-answer"),
        Err(Refused) => Judged::unknown("codec.login-refused"),
        Err(why) => unanswered(why),
        Ok(reading) => {
            let unit = reading.unit.as_ref().ok();
            Judged::pass()
                .maybe("product", unit.and_then(|u| u.product.clone()))
                .maybe("software", unit.and_then(|u| u.software.clone()))
                .maybe("serial", unit.and_then(|u| u.serial.clone()))
        }
    }
}

/// R10.
fn awake(reading: &CodecReading) -> Judged {
    match &reading.standby {
        Ok(Standby::Awake) => Judged::pass(),
        Ok(Standby::Halfwake) => Judged::warn("codec.standby"),
        Ok(Standby::Entering | Standby::Asleep) => Judged::fail("codec.standby"),
        Err(why) => unanswered(why),
    }
}

/// R10: the address of the first port that has one, against the configuration, else the baseline.
fn ip(reading: &CodecReading, id: &str, bench: Bench<'_>) -> Judged {
    let ports = match &reading.network {
        Ok(ports) => ports,
        Err(why) => return unanswered(why),
    };
    let own = ports
        .iter()
        .filter_map(|port| port.address.as_deref())
        .find(|address| !address.is_empty() && *address != "0.0.0.0");
    let expect = bench
        .settings
        .codec
        .as_ref()
        .and_then(|codec| codec.expect.ip.clone());
    let base = bench
        .base(id)
        .and_then(|f| f.params.get("value").and_then(Value::as_str).map(str::to_owned));
    match (own, expect.or(base)) {
        (Some(own), Some(expected)) if own == expected => Judged::pass().param("value", own),
        (Some(own), None) => Judged::skipped("no-baseline").param("value", own),
        (own, expected) => Judged::fail("codec.ip-differs")
            .param("value", own.unwrap_or("0.0.0.0"))
            .maybe("expected", expected),
    }
}

/// R10, R14: can the centre call it?
fn registration(reading: &CodecReading, bench: Bench<'_>) -> Judged {
    let registration = match &reading.registration {
        Ok(registration) => registration,
        Err(why) => return unanswered(why),
    };
    let sip = registration.sip.iter().any(|line| line.registered);
    let h323 = registration.h323.as_ref().is_some_and(|h| h.registered);
    let expect = bench
        .settings
        .codec
        .as_ref()
        .and_then(|codec| codec.expect.registration);
    let good = match expect {
        Some(Registration::Sip) => sip,
        Some(Registration::H323) => h323,
        Some(Registration::None) => return Judged::skipped("not-selected"),
        None => sip || h323,
    };
    let says = registration
        .sip
        .iter()
        .map(|line| line.status.clone())
        .chain(registration.h323.iter().map(|h| h.status.clone()))
        .collect::<Vec<_>>()
        .join(", ");
    if good {
        Judged::pass()
    } else {
        Judged::fail("codec.not-registered")
    }
    .param("says", says)
}

/// The codec's own alarms. Most units carry standing hints; only what they call an error is told on.
fn diagnostics(reading: &CodecReading) -> Judged {
    let messages = match &reading.diagnostics {
        Ok(messages) => messages,
        Err(why) => return unanswered(why),
    };
    let text = |d: &Diagnostic| {
        if d.description.is_empty() {
            d.kind.clone()
        } else {
            d.description.clone()
        }
    };
    let level = |word: &str| messages.iter().find(|d| d.level.eq_ignore_ascii_case(word));
    let judged = match (level("critical"), level("error")) {
        (Some(worst), _) => Judged::fail("codec.own-alarm").param("alarm", text(worst)),
        (None, Some(worst)) => Judged::warn("codec.own-alarm").param("alarm", text(worst)),
        (None, None) => Judged::pass(),
    };
    judged.param("messages", messages.len())
}

fn temperature(reading: &CodecReading, bench: Bench<'_>) -> Judged {
    let temperature = match &reading.temperature {
        Ok(temperature) => temperature,
        Err(why) => return unanswered(why),
    };
    if let Some(celsius) = temperature.celsius {
        let limit = bench.profile().limit("codec.temperature");
        return Judged::ranged(celsius, "°C", limit, "codec.hot", "codec.hot");
    }
    match temperature.status.as_deref() {
        Some(word) if word.eq_ignore_ascii_case("normal") => Judged::pass().param("says", word),
        Some(word) if word.eq_ignore_ascii_case("high") => Judged::warn("codec.hot").param("says", word),
        Some(word) if word.eq_ignore_ascii_case("critical") => Judged::fail("codec.hot").param("says", word),
        _ => Judged::skipped("not-supported"),
    }
}

/// R11: screens that the codec sees, against the configuration, else the baseline, else at least one.
fn display(reading: &CodecReading, id: &str, bench: Bench<'_>) -> Judged {
    let outputs = match &reading.outputs {
        Ok(outputs) => outputs,
        Err(why) => return unanswered(why),
    };
    if !outputs.is_empty() && outputs.iter().all(|o| o.connected.is_none()) {
        return Judged::skipped("not-supported");
    }
    let seen = outputs.iter().filter(|o| o.connected == Some(true)).count() as f64;
    let configured = bench
        .settings
        .codec
        .as_ref()
        .and_then(|codec| codec.expect.displays)
        .map(f64::from);
    let base = bench.base(id).and_then(|f| f.value);
    let expected = configured.or(base).unwrap_or(1.0);
    let judged = if seen < expected {
        Judged::fail("codec.display-missing")
    } else {
        Judged::pass()
    };
    let judged = judged.value(seen, "").against(base).param("expected", expected);
    Judged {
        low: Some(expected),
        ..judged
    }
}

/// R12: something is plugged in to hear with, and the loudspeaker can be heard.
fn audio(reading: &CodecReading, id: &str, bench: Bench<'_>) -> Judged {
    let plugged: Vec<String> = match &reading.inputs {
        Ok(inputs) => inputs
            .iter()
            .filter(|input| input.connected == Some(true))
            .map(|input| format!("{} {}", input.kind, input.id))
            .collect(),
        Err(why) => return unanswered(why),
    };
    let base = bench.base(id);
    let before = base
        .and_then(|f| f.params.get("inputs"))
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let lost = before
        .iter()
        .filter_map(Value::as_str)
        .find(|input| !plugged.iter().any(|p| p == input));
    let listed = Value::from(plugged.clone());
    if let Some(lost) = lost {
        return Judged::fail("codec.audio-missing")
            .param("connector", lost)
            .param("inputs", listed);
    }
    if plugged.is_empty() {
        let knows = reading
            .inputs
            .as_ref()
            .is_ok_and(|inputs| inputs.iter().any(|i| i.connected.is_some()));
        return if knows {
            Judged::fail("codec.audio-missing")
                .param("connector", "Microphone")
                .param("inputs", listed)
        } else {
            Judged::skipped("not-supported")
        };
    }
    let audio = match &reading.audio {
        Ok(audio) => audio,
        Err(why) => return unanswered(why),
    };
    if audio.volume_muted == Some(true) {
        return Judged::fail("codec.volume-muted").param("inputs", listed);
    }
    let Some(volume) = audio.volume_percent.map(f64::from) else {
        return Judged::skipped("not-supported").param("inputs", listed);
    };
    let limit = bench.profile().limit("codec.audio");
    Judged::ranged(volume, "%", limit, "codec.volume-low", "codec.volume-low")
        .against(base.and_then(|f| f.value))
        .param("inputs", listed)
}

/// R24, R25: an existing call is no fault in itself, the centre may have made it; it is worth knowing.
fn idle(reading: &CodecReading) -> Judged {
    let calls = match &reading.calls {
        Ok(calls) => calls,
        Err(why) => return unanswered(why),
    };
    if in_call(calls) {
        let peer = calls.calls.iter().find_map(|call| call.remote.clone());
        return Judged::warn("codec.in-call").maybe("peer", peer);
    }
    match &reading.presentation {
        Ok(Presentation::Sending) => Judged::warn("codec.sharing"),
        Ok(Presentation::Off | Presentation::Receiving) => Judged::pass(),
        Err(why) => unanswered(why),
    }
}

/// Whether there is a call of any kind: then nothing active is done (R28).
pub(crate) fn in_call(calls: &bridgepoint_hw::reading::CallState) -> bool {
    calls.active + calls.in_progress + calls.suspended > 0
}
