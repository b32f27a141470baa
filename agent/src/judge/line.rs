//! The line: R15. One cause is one red line: past a dead router nothing is judged, without a reflector nothing that the
//! stream would tell, and what a narrow line drops is not called packet loss as well.
//!
//! A figure that the box itself has spoilt, or that is too unsure to decide, is unknown and never a fault.

use bridgepoint_hw::reading::{Knock, KnockReading, ProbeError};
use bridgepoint_protocol::claims::Status;
use bridgepoint_protocol::envelope::sha256_hex;
use bridgepoint_protocol::line::estimate::{Loss, Way};
use bridgepoint_protocol::profile::{Limit, Within};

use super::{Bench, Judged, NotMoved, unanswered};
use crate::line::{Asked, Measured, NoGrant, Outcome, Stream};

const GATEWAY: &str = "line.gateway";
const MCU: &str = "line.mcu";
const REFLECTOR: &str = "line.reflector";
const UP: &str = "line.up";
const DOWN: &str = "line.down";
const LOSS: &str = "line.loss";

/// A queue of this length that most packets do not stand in, and one in twenty does, is one that the stream itself has
/// filled: the line carries less than it was given. Milliseconds.
const QUEUE_MS: f64 = 50.0;

/// A room's minute, from which the code is made that a technician reads to the operator. Milliseconds.
const MINUTE_MS: i64 = 60_000;

pub(super) fn judge(pattern: &str, asked: &Asked, bench: Bench<'_>, at_ms: i64) -> Judged {
    if pattern == GATEWAY {
        return gateway(asked, bench);
    }
    if router_down(asked) {
        return Judged::depends_on(GATEWAY, "line.gateway-down");
    }
    match pattern {
        MCU => mcu(asked, bench, at_ms),
        REFLECTOR | UP | DOWN | LOSS | "line.jitter" | "line.rtt" => streamed(pattern, asked, bench, at_ms),
        _ => Judged::skipped("not-supported"),
    }
}

/// Whether the router is silent, and nothing behind it proves that it is there all the same.
fn router_down(asked: &Asked) -> bool {
    let behind = matches!(asked.mcu, Some(Ok(_))) || reflector_answered(asked);
    matches!(asked.gateway, Some(Err(ProbeError::NoAnswer { .. }))) && !behind
}

fn reflector_answered(asked: &Asked) -> bool {
    matches!(
        asked.stream,
        Stream::Tried(Ok(Outcome::Measured(_) | Outcome::NotGranted(_)))
    )
}

fn gateway(asked: &Asked, bench: Bench<'_>) -> Judged {
    match &asked.gateway {
        None => Judged::skipped("not-configured"),
        Some(Ok(reading)) => {
            let limit = bench.profile().limit(GATEWAY);
            let judged = match reading.rtt_ms {
                Some(ms) => Judged::ranged(ms, "ms", limit, "line.rtt-high", "line.rtt-high"),
                None => Judged::pass(),
            };
            judged.param("by", reading.by.word())
        }
        Some(Err(_)) if router_down(asked) => Judged::fail("line.gateway-down"),
        Some(Err(why)) => unanswered(why),
    }
}

fn mcu(asked: &Asked, bench: Bench<'_>, at_ms: i64) -> Judged {
    match &asked.mcu {
        None => Judged::skipped("not-configured"),
        Some(Ok(KnockReading {
            answer: Knock::Accepted,
            took_ms,
        })) => Judged::pass().value(*took_ms, "ms"),
        Some(Ok(KnockReading {
            answer: Knock::Refused,
            ..
        })) => Judged::fail("line.mcu-down").param("answer", "refused"),
        // Two that are silent behind a router that is not: it is the way there.
        Some(Err(ProbeError::NoAnswer { .. })) if province_silent(asked) => out_of_reach(bench, at_ms),
        // Nothing is known of the way there: the silence may be anybody's.
        Some(Err(why)) if matches!(asked.gateway, Some(Err(_))) && !reflector_answered(asked) => {
            unanswered(why)
        }
        Some(Err(ProbeError::NoAnswer { .. })) => Judged::fail("line.mcu-down").param("answer", "silent"),
        Some(Err(why)) => unanswered(why),
    }
}

/// Whether the router answers and neither MCU nor reflector does.
fn province_silent(asked: &Asked) -> bool {
    matches!(asked.gateway, Some(Ok(_)))
        && matches!(asked.mcu, Some(Err(ProbeError::NoAnswer { .. })))
        && matches!(asked.stream, Stream::Tried(Ok(Outcome::Silent { .. })))
}

/// The router answers, the province does not. The code lets the operator find the call again.
fn out_of_reach(bench: Bench<'_>, at_ms: i64) -> Judged {
    let room = &bench.settings.address;
    Judged::fail("line.hub-down").param("incident", incident(&room.to_string(), at_ms))
}

/// Six digits to read out over the telephone: the same for one room within one minute.
fn incident(room: &str, at_ms: i64) -> String {
    let hash = sha256_hex(format!("{room} {}", at_ms.div_euclid(MINUTE_MS)).as_bytes());
    let number = hash
        .get(..8)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or_default();
    format!("{:03}-{:03}", number / 1000 % 1000, number % 1000)
}

/// What the stream tells: the reflector, and the figures.
fn streamed(pattern: &str, asked: &Asked, bench: Bench<'_>, at_ms: i64) -> Judged {
    let outcome = match &asked.stream {
        Stream::NoReflector => return Judged::skipped("not-configured"),
        Stream::NotMoved(NotMoved::InCall) => return Judged::skipped("in-call"),
        Stream::NotMoved(NotMoved::CallUnknown) => {
            return Judged::depends_on(super::codec::ROOT, "call-unknown");
        }
        Stream::NotTried => return Judged::skipped("not-selected"),
        Stream::Tried(Err(why)) => return unanswered(why),
        Stream::Tried(Ok(outcome)) => outcome,
    };
    match outcome {
        Outcome::Silent { waited_ms } => {
            let silence = unanswered(&ProbeError::NoAnswer {
                waited_ms: *waited_ms,
            });
            match &asked.gateway {
                // Nobody knows on which side of the room's wall it is.
                None | Some(Err(_)) => silence,
                Some(Ok(_)) if province_silent(asked) => Judged::depends_on(MCU, "line.hub-down"),
                Some(Ok(_)) if pattern == REFLECTOR => out_of_reach(bench, at_ms),
                Some(Ok(_)) => Judged::depends_on(REFLECTOR, "line.hub-down"),
            }
        }
        // It answers: that is all that was asked of it.
        Outcome::NotGranted(_) if pattern == REFLECTOR => Judged::pass(),
        Outcome::NotGranted(NoGrant::NoSlot) => Judged::unknown("line.no-slot"),
        Outcome::NotGranted(NoGrant::Unfit) => Judged::unknown("refused"),
        Outcome::Measured(measured) => {
            let cut = measured.cut.map(crate::line::Cut::word);
            figures(pattern, measured, asked.rate_kbps, bench).maybe("ended", cut)
        }
    }
}

fn figures(pattern: &str, measured: &Measured, rate_kbps: u32, bench: Bench<'_>) -> Judged {
    let figures = &measured.figures;
    if pattern == REFLECTOR {
        let shortest = figures.round_trip.map(|trip| trip.min_ms);
        return match shortest {
            Some(ms) => Judged::pass().value(ms, "ms"),
            None => Judged::pass(),
        };
    }
    if figures.sender_slow || measured.overrun > 0 {
        return Judged::unknown("line.box-slow");
    }
    let up = carried(&figures.up, UP, rate_kbps, bench);
    let mut down = carried(&figures.down, DOWN, rate_kbps, bench);
    if up.status == Status::Fail && down.status != Status::Fail {
        // It was offered only what the other direction let through.
        down = Judged::depends_on(UP, &up.code);
    }
    let narrow = [(UP, &up), (DOWN, &down)]
        .into_iter()
        .find(|(_, judged)| matches!(judged.status, Status::Fail | Status::Warn))
        .map(|(check, judged)| (check, judged.code.clone()));
    let nothing_back = figures.back == 0;
    match (pattern, narrow) {
        (UP, _) => up,
        (DOWN, _) => down,
        (LOSS, narrow) => loss(&figures.up, &figures.down, narrow, bench),
        (_, Some((check, code))) if nothing_back => Judged::depends_on(check, &code),
        ("line.jitter", _) => jitter(&figures.up, &figures.down, bench),
        _ => match figures.round_trip {
            Some(trip) => {
                let limit = bench.profile().limit("line.rtt");
                Judged::ranged(trip.p50_ms, "ms", limit, "line.rtt-high", "line.rtt-high")
                    .param("least", tenths(trip.min_ms))
                    .param("p95", tenths(trip.p95_ms))
            }
            None => untold(),
        },
    }
}

/// What one direction carries of the call's rate.
fn carried(way: &Way, check: &str, rate_kbps: u32, bench: Bench<'_>) -> Judged {
    let (Some(offered), Some(delivered)) = (way.offered_kbps, way.delivered_kbps) else {
        return untold();
    };
    let queue = way.jitter.is_some_and(|jitter| jitter.pdv_p95_ms >= QUEUE_MS);
    // One packet that comes late stretches the time that all took. Where every packet is accounted for and no queue has
    // grown, the line has carried what has arrived.
    let arrived = way.loss.filter(|loss| loss.exact && !queue);
    let share = if offered > 0.0 {
        (delivered / offered)
            .max(arrived.map_or(0.0, |loss| 1.0 - loss.share))
            .min(1.0)
    } else {
        0.0
    };
    let rate = f64::from(rate_kbps);
    let code = if check == UP {
        "line.up-low"
    } else {
        "line.down-low"
    };
    // The profile's bounds are shares of what the meeting needs, per cent.
    let limit = bench.profile().limit(check).map(|limit| {
        let of_rate = |bound: Option<f64>| bound.map(|percent| rate * percent / 100.0);
        Limit {
            low: of_rate(limit.low),
            high: of_rate(limit.high),
            fail_low: of_rate(limit.fail_low),
            fail_high: of_rate(limit.fail_high),
            unit: "kbit/s".to_owned(),
            source: limit.source.clone(),
        }
    });
    let value = (rate * share).round();
    let judged = Judged::ranged(value, "kbit/s", limit.as_ref(), code, code)
        .param("share", tenths(share * 100.0))
        .maybe("queue", way.jitter.map(|jitter| tenths(jitter.pdv_p95_ms)));
    let told_as_loss = match judged.status {
        Status::Warn => true,
        // Where nothing arrives there is nothing that could have stood in a queue.
        Status::Fail => {
            way.jitter.is_some()
                && way
                    .loss
                    .is_some_and(|loss| lost(loss, bench.profile().limit(LOSS)) == Status::Fail)
        }
        _ => false,
    };
    if told_as_loss && !queue {
        // Packets are missing and no queue has grown: they were lost on a line that is wide enough.
        return Judged {
            value: judged.value,
            unit: judged.unit,
            ..Judged::depends_on(LOSS, LOSS)
        };
    }
    judged
}

/// The worse direction, when its interval lets it be decided.
fn loss(up: &Way, down: &Way, narrow: Option<(&str, String)>, bench: Bench<'_>) -> Judged {
    let limit = bench.profile().limit(LOSS);
    let one = |way: &Way, word: &'static str| way.loss.map(|loss| (lost(loss, limit), loss, word));
    let (up, down) = match (one(up, "up"), one(down, "down"), narrow) {
        (_, _, Some((check, code))) => return Judged::depends_on(check, &code),
        (Some(up), Some(down), None) => (up, down),
        _ => return untold(),
    };
    let both = up.0 == Status::Fail && down.0 == Status::Fail;
    let worse = if severity(&down) > severity(&up) { down } else { up };
    let (status, loss, word) = worse;
    let code = match status {
        Status::Pass => "ok",
        Status::Unknown => "line.loss-unclear",
        _ => LOSS,
    };
    let judged = Judged {
        low: limit.and_then(Limit::passing_low),
        high: limit.and_then(Limit::passing_high),
        ..Judged::new(status, code)
    };
    judged
        .value(loss.share * 100.0, "%")
        .param("direction", if both { "both" } else { word })
        .param("lost", loss.lost)
        .param("of", loss.of)
        .param("at-least", hundredths(loss.low * 100.0))
        .param("at-most", hundredths(loss.high * 100.0))
}

/// One direction's loss: a fault only when the whole interval is one, unknown when a part of it is; else what the share
/// itself says.
fn lost(loss: Loss, limit: Option<&Limit>) -> Status {
    let place = |share: f64| limit.map_or(Within::Passing, |limit| limit.place(share * 100.0));
    match (place(loss.low), place(loss.high), place(loss.share)) {
        (Within::Fault, ..) => Status::Fail,
        (_, Within::Fault, _) => Status::Unknown,
        (.., Within::Passing) => Status::Pass,
        _ => Status::Warn,
    }
}

/// Which of two directions is told: a fault before a doubt, a doubt before a warning, then the larger share.
fn severity((status, loss, _): &(Status, Loss, &str)) -> (u8, u64) {
    let rank = match status {
        Status::Fail => 3,
        Status::Unknown => 2,
        Status::Warn => 1,
        _ => 0,
    };
    (rank, u64::from(loss.lost) * 1_000_000 / u64::from(loss.of.max(1)))
}

fn jitter(up: &Way, down: &Way, bench: Bench<'_>) -> Judged {
    let (Some(there), Some(back)) = (up.jitter, down.jitter) else {
        return untold();
    };
    let (worse, word) = if back.mean_ms > there.mean_ms {
        (back, "down")
    } else {
        (there, "up")
    };
    let limit = bench.profile().limit("line.jitter");
    Judged::ranged(worse.mean_ms, "ms", limit, "line.jitter", "line.jitter")
        .param("direction", word)
        .param("rfc3550", tenths(worse.rfc3550_ms))
        .param("p95", tenths(worse.pdv_p95_ms))
}

/// The reflector's counts did not come, and without them this cannot be told.
fn untold() -> Judged {
    Judged::unknown("no-answer")
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
