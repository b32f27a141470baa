//! The retained `readiness` message: plain JSON for dashboards, no names, no telephones, no proof.

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Report, Verdict};
use serde_json::{Map, Value, json};

/// Flat JSON: verdict, times, what it was made for, and one entry a check. `valid_until_ms` is UTC milliseconds.
pub(crate) fn of(report: &Report, valid_until_ms: i64) -> Value {
    let mut checks = Map::new();
    for finding in &report.findings {
        let entry = json!({
            "status": finding.status().word(),
            "code": finding.code,
            "required": finding.required,
            "value": finding.value,
            "unit": finding.unit,
        });
        checks.insert(finding.check.clone(), entry);
    }
    json!({
        "v": WIRE_VERSION,
        "org": report.org,
        "room": report.room,
        "verdict": report.verdict.or(Verdict::Unknown).word(),
        "at_ms": report.finished_ms,
        "valid_until_ms": valid_until_ms,
        "meeting": report.trigger.meeting,
        "checkpoint": report.trigger.checkpoint,
        "checks": checks,
    })
}
