//! From observations to findings: pure, without a vendor's name. One file a group of checks; here is what
//! they share: a judgement, how it becomes a finding, and what follows from another check's failure.

mod baseline;
mod camera;
mod codec;
mod device;
mod host;
mod line;
mod microphone;
mod power;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bridgepoint_hw::reading::{
    Answer, CameraReading, CodecReading, HostReading, ProbeError, SoundReading, UpsReading,
};
use bridgepoint_protocol::check::{self, Places};
use bridgepoint_protocol::claims::{Finding, Status};
use bridgepoint_protocol::logbook::Walk;
use bridgepoint_protocol::profile::{Limit, Profile, Within};
use serde_json::Value;

pub(crate) use codec::in_call;

use crate::baseline::Baseline;
use crate::config::Settings;
use crate::logbook::{BookBroken, Condition};

/// What an act brought home.
#[derive(Debug, Clone)]
pub(crate) enum Observation {
    /// The codec's answer.
    Codec(Box<Answer<CodecReading>>),
    /// A camera's answer, and why its presets were not tried, if they were not.
    Camera(Box<Answer<CameraReading>>, Option<NotMoved>),
    /// A microphone's figures.
    Microphone(Answer<SoundReading>),
    /// The UPS's answer.
    Ups(Box<Answer<UpsReading>>),
    /// The line.
    Line(Box<crate::line::Asked>),
    /// How long a device took to answer, milliseconds.
    Device(Answer<f64>),
    /// The box.
    Host(Box<HostReading>),
    /// The logbook, walked through, and how it stands.
    Logbook(Result<Walk, BookBroken>, Condition),
    /// The act was not made in time, or was stopped.
    Missed(ProbeError),
}

/// Why nothing was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotMoved {
    /// The room is in a call (R28).
    InCall,
    /// Whether it is in a call could not be learnt.
    CallUnknown,
}

/// By what is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench<'a> {
    /// The room.
    pub(crate) settings: &'a Settings,
    /// The accepted rehearsal, if there is one.
    pub(crate) baseline: Option<&'a Baseline>,
}

impl<'a> Bench<'a> {
    fn profile(&self) -> &'a Profile {
        &self.settings.profile
    }

    fn base(&self, id: &str) -> Option<&'a Finding> {
        self.baseline.and_then(|baseline| baseline.finding(id))
    }
}

/// Judges one check by the observation that feeds it.
pub(crate) fn judge(id: &str, observation: &Observation, bench: Bench<'_>, at_ms: i64, ms: u64) -> Finding {
    let Some((row, places)) = check::row_of(id) else {
        return Judged::skipped("not-supported").into_finding(id, bench.profile(), at_ms, ms);
    };
    let judged = match observation {
        Observation::Missed(why) => unanswered(why),
        Observation::Codec(answer) => codec::judge(row.pattern, id, answer, bench),
        Observation::Camera(answer, not_moved) => {
            camera::judge(row.pattern, id, &places, answer, *not_moved, bench)
        }
        Observation::Microphone(answer) => microphone::judge(row.pattern, id, &places, answer, bench),
        Observation::Ups(answer) => power::judge(row.pattern, answer, bench),
        Observation::Line(asked) => line::judge(row.pattern, asked, bench, at_ms),
        Observation::Device(answer) => device::judge(&places, answer),
        Observation::Host(reading) => host::judge(row.pattern, reading, bench.profile()),
        Observation::Logbook(walked, condition) => host::logbook(walked, condition),
    };
    judged.into_finding(id, bench.profile(), at_ms, ms)
}

/// What a run's other findings say against the accepted rehearsal (R17, R19, R20).
pub(crate) fn against_baseline(findings: &[Finding], bench: Bench<'_>, at_ms: i64) -> Finding {
    baseline::changed(findings, bench.baseline).into_finding("baseline.changed", bench.profile(), at_ms, 0)
}

/// A finding without an act: why the check was not made.
pub(crate) fn not_made(id: &str, reason: &str, profile: &Profile, at_ms: i64) -> Finding {
    Judged::skipped(reason).into_finding(id, profile, at_ms, 0)
}

/// A check that waits for another is explained by it only where the other is in the same report and has itself failed,
/// or could not be learnt. Where it has not (a run of a few checks, a codec whose language is not spoken), the reason is
/// the finding: what nobody has looked at is never left out of the verdict.
pub(crate) fn settle_causes(findings: &mut [Finding]) {
    let explained: Vec<bool> = findings
        .iter()
        .map(|finding| is_explained(finding, findings))
        .collect();
    for (finding, explained) in findings.iter_mut().zip(explained) {
        if waits(finding) && !explained {
            finding.status = Status::Unknown.into();
            finding.code = finding
                .params
                .get("why")
                .and_then(Value::as_str)
                .unwrap_or("no-answer")
                .to_owned();
        }
    }
}

fn waits(finding: &Finding) -> bool {
    finding.status() == Status::Skipped && finding.code == "depends-on"
}

/// Whether the causes behind a finding, one behind the other, end at one that a person has to attend to.
fn is_explained(finding: &Finding, findings: &[Finding]) -> bool {
    let mut finding = finding;
    // As many steps as there are findings: a circle explains nothing.
    for _ in findings {
        let cause = finding.params.get("check").and_then(Value::as_str);
        match findings.iter().find(|other| Some(other.check.as_str()) == cause) {
            Some(other) if waits(other) => finding = other,
            Some(other) => return !matches!(other.status(), Status::Pass | Status::Skipped),
            None => return false,
        }
    }
    false
}

/// One judgement in the making.
#[derive(Debug, Clone, PartialEq)]
struct Judged {
    status: Status,
    code: String,
    value: Option<f64>,
    unit: Option<String>,
    low: Option<f64>,
    high: Option<f64>,
    base: Option<f64>,
    params: BTreeMap<String, Value>,
}

impl Judged {
    fn new(status: Status, code: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            value: None,
            unit: None,
            low: None,
            high: None,
            base: None,
            params: BTreeMap::new(),
        }
    }

    fn pass() -> Self {
        Self::new(Status::Pass, "ok")
    }

    fn warn(code: &str) -> Self {
        Self::new(Status::Warn, code)
    }

    fn fail(code: &str) -> Self {
        Self::new(Status::Fail, code)
    }

    fn unknown(code: &str) -> Self {
        Self::new(Status::Unknown, code)
    }

    fn skipped(code: &str) -> Self {
        Self::new(Status::Skipped, code)
    }

    /// Not made because another check says why; `why` is that check's code.
    fn depends_on(check: &str, why: &str) -> Self {
        Self::skipped("depends-on")
            .param("check", check)
            .param("why", why)
    }

    /// By where a value lies in a limit; without a limit every value passes.
    fn ranged(value: f64, unit: &str, limit: Option<&Limit>, low_code: &str, high_code: &str) -> Self {
        let within = limit.map_or(Within::Passing, |limit| limit.place(value));
        let too_low = limit.and_then(Limit::passing_low).is_some_and(|low| value < low);
        let code = if too_low { low_code } else { high_code };
        let judged = match within {
            Within::Passing => Self::pass(),
            Within::Warning => Self::warn(code),
            Within::Fault => Self::fail(code),
        };
        let judged = judged.value(value, unit);
        Self {
            low: limit.and_then(Limit::passing_low),
            high: limit.and_then(Limit::passing_high),
            ..judged
        }
    }

    fn value(mut self, value: f64, unit: &str) -> Self {
        // A figure that is no number is no figure; three decimals are more than any device here knows.
        self.value = value.is_finite().then(|| (value * 1000.0).round() / 1000.0);
        self.unit = Some(unit.to_owned());
        self
    }

    fn against(mut self, base: Option<f64>) -> Self {
        self.base = base;
        self
    }

    fn param(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.params.insert(key.to_owned(), value.into());
        self
    }

    fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.param(key, value),
            None => self,
        }
    }

    fn into_finding(self, id: &str, profile: &Profile, at_ms: i64, ms: u64) -> Finding {
        let rules = check::row_of(id).map(|(row, _)| row.rules.iter().map(|r| (*r).to_owned()).collect());
        Finding {
            check: id.to_owned(),
            status: self.status.into(),
            code: self.code,
            required: profile.requires(id),
            value: self.value,
            unit: self.unit,
            low: self.low,
            high: self.high,
            base: self.base,
            params: self.params,
            rules: rules.unwrap_or_default(),
            at_ms,
            ms,
            carried_ms: None,
        }
    }
}

/// Why nothing is known, as a judgement: never a fault, never a pass.
fn unanswered(why: &ProbeError) -> Judged {
    let seconds = |ms: u64| Value::from((ms as f64 / 100.0).round() / 10.0);
    match why {
        ProbeError::NotSupported => Judged::skipped("not-supported"),
        ProbeError::NotPresent => Judged::unknown("not-present"),
        ProbeError::NoAnswer { waited_ms } => {
            Judged::unknown("no-answer").param("value", seconds(*waited_ms))
        }
        ProbeError::NoName => Judged::unknown("no-name"),
        ProbeError::TimedOut { waited_ms } => {
            Judged::unknown("timeout").param("seconds", seconds(*waited_ms))
        }
        ProbeError::Refused => Judged::unknown("refused"),
        ProbeError::Garbled => Judged::unknown("garbled"),
        ProbeError::Closed => Judged::unknown("closed"),
        ProbeError::Busy => Judged::unknown("busy"),
        ProbeError::Stale => Judged::unknown("stale"),
        ProbeError::Cancelled => Judged::unknown("cancelled"),
    }
}

/// The device's id in an id, for the sentence's `{name}`.
fn name(places: &Places) -> &str {
    places.n.as_deref().unwrap_or_default()
}
