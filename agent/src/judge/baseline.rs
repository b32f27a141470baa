//! Devices and settings against the accepted rehearsal: R17, R19, R20. Drift is reported, never corrected.

use bridgepoint_protocol::claims::{Finding, Status};
use serde_json::Value;

use super::Judged;
use crate::baseline::Baseline;

/// What identifies a device, in the parameters of its first check.
const IDENTITY: [&str; 4] = ["serial", "product", "model", "software"];

pub(super) fn changed(findings: &[Finding], baseline: Option<&Baseline>) -> Judged {
    let Some(baseline) = baseline else {
        return Judged::skipped("no-baseline");
    };
    let mut differences = Vec::new();
    let mut compared = 0_usize;
    for now in findings
        .iter()
        .filter(|f| f.status() != Status::Skipped && f.status() != Status::Unknown)
    {
        let Some(before) = baseline.finding(&now.check) else {
            continue;
        };
        for key in IDENTITY {
            let (Some(now_says), Some(before_said)) = (text(now, key), text(before, key)) else {
                continue;
            };
            compared += 1;
            if now_says != before_said {
                differences.push((
                    now.check.clone(),
                    key,
                    now_says.to_owned(),
                    before_said.to_owned(),
                ));
            }
        }
    }
    match differences.first() {
        None if compared == 0 => Judged::skipped("no-baseline"),
        None => Judged::pass().param("compared", compared),
        Some((check, "serial", now, before)) => Judged::warn("baseline.replaced")
            .param("device", check.split('.').next().unwrap_or_default())
            .param("value", now.as_str())
            .param("base", before.as_str()),
        Some((check, what, now, before)) => Judged::warn("baseline.changed")
            .param("what", format!("{} {what}", check.trim_end_matches(".reachable")))
            .param("value", now.as_str())
            .param("base", before.as_str()),
    }
    .param("differences", differences.len())
}

fn text<'a>(finding: &'a Finding, key: &str) -> Option<&'a str> {
    finding.params.get(key).and_then(Value::as_str)
}
