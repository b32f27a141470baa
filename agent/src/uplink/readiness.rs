//! The retained `readiness` message: plain JSON for dashboards, no names, no telephones, no proof.

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Report, Verdict};
use serde_json::{Map, Value, json};

/// Flat JSON: verdict, times, and one entry a check.
pub(crate) fn of(report: &Report, validity_min: u32) -> Value {
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
        "valid_until_ms": report.finished_ms + i64::from(validity_min) * 60_000,
        "checks": checks,
    })
}
