//! A room, and how it can stand, for the other tests.

use std::collections::BTreeMap;

use bridgepoint_protocol::board::{Board, merge};
use bridgepoint_protocol::claims::{Finding, Meeting, Report, Status};
use bridgepoint_protocol::text::Lang;
use serde_json::{Value, json};

use crate::config::{self, Settings};
use crate::front::Now;
use crate::page::view::{Newest, Planned, Seen, View, planned, view};
use crate::uplink::Standing;

/// 25/11/2026 06:41 in Việt Nam.
pub(super) const MEASURED: i64 = 1_795_563_660_000;
/// Four minutes later.
pub(super) const NOW: i64 = MEASURED + 4 * 60_000;
pub(super) const FINGERPRINT: &str = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567";

const ROOM: &str = r#"
[room]
id = "bai-chay"
org = "quang-ninh"
name = "UBND phường Bãi Cháy"
[[contact]]
role = "operator"
name = "VNPT khu vực"
phone = "02033 825 547"
[[contact]]
role = "centre"
name = "Trung tâm"
phone = "0203 3 111 222"
[codec]
driver = "cisco"
address = "tcp://10.0.0.5:23"
[[camera]]
id = "main"
address = "visca+udp://10.0.0.6"
presets = [{ number = 1, name = "chair" }, { number = 2, name = "left" }]
[[microphone]]
id = "chair"
source = "alsa:hw:1,0#0"
[[microphone]]
id = "left"
source = "alsa:hw:1,0#1"
[ups]
address = "nut://127.0.0.1:3493/room"
[hub]
broker = "mqtt://127.0.0.1:1883"
"#;

/// A room and everything that the page reads about it.
pub(super) struct Case {
    pub(super) settings: Settings,
    pub(super) meetings: Vec<Meeting>,
    pub(super) planned: Vec<Planned>,
    pub(super) board: Option<Board>,
    pub(super) newest: Option<Newest>,
    pub(super) now: Now,
    pub(super) standing: Option<Standing>,
    pub(super) waiting: usize,
    pub(super) now_ms: i64,
    pub(super) lang: Lang,
}

impl Case {
    /// Never checked.
    pub(super) fn new() -> Self {
        let settings = config::parse("room.toml", ROOM).unwrap();
        Self {
            planned: planned(&settings, NOW),
            settings,
            meetings: vec![],
            board: None,
            newest: None,
            now: Now::default(),
            standing: Some(Standing::Online),
            waiting: 0,
            now_ms: NOW,
            lang: Lang::Vi,
        }
    }

    /// Checked once, with these findings in the place of passes.
    pub(super) fn checked(changed: impl IntoIterator<Item = Finding>) -> Self {
        let mut case = Self::new();
        let mut findings: Vec<Finding> = case
            .planned
            .iter()
            .map(|planned| {
                planned
                    .skipped
                    .clone()
                    .unwrap_or_else(|| pass(&planned.check, &case.settings))
            })
            .collect();
        for mut finding in changed {
            finding.required = case.settings.profile.requires(&finding.check);
            match findings.iter_mut().find(|f| f.check == finding.check) {
                Some(held) => *held = finding,
                None => findings.push(finding),
            }
        }
        case.board = Some(merge(&report(findings), []));
        case.newest = Some(Newest {
            duty: None,
            received_ms: Some(MEASURED + 20_000),
        });
        case
    }

    pub(super) fn view(&self) -> View {
        view(&Seen {
            settings: &self.settings,
            meetings: &self.meetings,
            contacts: &self.settings.contacts,
            planned: &self.planned,
            board: self.board.as_ref(),
            newest: self.newest.as_ref(),
            broken: None,
            baseline: None,
            now: &self.now,
            standing: self.standing.as_ref(),
            waiting: self.waiting,
            fingerprint: FINGERPRINT,
            now_ms: self.now_ms,
            lang: self.lang,
        })
    }
}

/// Everything in order, as far as it can be measured here.
pub(super) fn healthy() -> Case {
    Case::checked([figure(
        "mic.chair.noise",
        Status::Pass,
        "ok",
        -63.2,
        "dBFS",
        (None, Some(-50.0)),
    )])
}

/// A morning on which much is wrong.
pub(super) fn broken() -> Case {
    Case::checked([
        finding("mic.chair.howl", Status::Fail, "mic.howl", json!({})),
        figure(
            "line.loss",
            Status::Fail,
            "line.loss",
            4.2,
            "%",
            (None, Some(1.0)),
        )
        .param("direction", "up"),
        figure(
            "power.runtime",
            Status::Warn,
            "power.runtime-short",
            25.0,
            "min",
            (Some(120.0), None),
        ),
        figure(
            "mic.left.noise",
            Status::Warn,
            "mic.hiss",
            -44.0,
            "dBFS",
            (None, Some(-50.0)),
        ),
        finding(
            "camera.main.reachable",
            Status::Unknown,
            "no-answer",
            json!({ "value": 2.5 }),
        ),
        finding(
            "camera.main.preset.1",
            Status::Skipped,
            "depends-on",
            json!({ "check": "camera.main.reachable" }),
        ),
        finding(
            "camera.main.preset.2",
            Status::Skipped,
            "depends-on",
            json!({ "check": "camera.main.reachable" }),
        ),
        finding(
            "camera.main.home",
            Status::Skipped,
            "depends-on",
            json!({ "check": "camera.main.reachable" }),
        ),
        figure(
            "codec.audio",
            Status::Warn,
            "codec.volume-low",
            20.0,
            "%",
            (None, None),
        ),
    ])
}

pub(super) fn finding(check: &str, status: Status, code: &str, params: Value) -> Finding {
    Finding {
        check: check.into(),
        status: status.into(),
        code: code.into(),
        required: false,
        value: None,
        unit: None,
        low: None,
        high: None,
        base: None,
        params: serde_json::from_value::<BTreeMap<_, _>>(params).unwrap(),
        rules: vec![],
        at_ms: MEASURED - 30_000,
        ms: 900,
        carried_ms: None,
    }
}

pub(super) fn figure(
    check: &str,
    status: Status,
    code: &str,
    value: f64,
    unit: &str,
    (low, high): (Option<f64>, Option<f64>),
) -> Finding {
    let bare = finding(check, status, code, json!({}));
    Finding {
        value: Some(value),
        unit: Some(unit.into()),
        low,
        high,
        ..bare
    }
}

pub(super) trait With {
    fn param(self, key: &str, value: &str) -> Self;
}

impl With for Finding {
    fn param(mut self, key: &str, value: &str) -> Self {
        self.params.insert(key.into(), value.into());
        self
    }
}

fn pass(check: &str, settings: &Settings) -> Finding {
    let mut finding = finding(check, Status::Pass, "ok", json!({}));
    finding.required = settings.profile.requires(check);
    finding
}

pub(super) fn report(findings: Vec<Finding>) -> Report {
    let mut report: Report = serde_json::from_value(json!({
        "v": 1, "org": "quang-ninh", "room": "bai-chay", "run": "r", "boot": "0", "seq": 1,
        "prev": "A".repeat(43), "iat": 0, "mono_ms": 0, "clk": "ntp", "trigger": { "kind": "manual" },
        "profile": { "id": "quang-ninh", "sha256": "0" }, "started_ms": MEASURED - 40_000,
        "finished_ms": MEASURED, "verdict": "unknown", "must_have": ["codec"], "findings": [],
        "agent": "0.1.0", "config": "0"
    }))
    .unwrap();
    report.findings = findings;
    report
}
