//! What a board shows of a room: the last full run with the findings of the re-tests since in their place, and
//! the verdict over all of it. Pure; the box's page and the province's hub use the same function.
//!
//! A re-test replaces only what it was asked for. What waited for a check that is in order again has no result
//! yet, so it counts as unknown: mending one cable never makes eleven unmeasured checks good.

use serde_json::Value;

use crate::claims::{Finding, Report, Status, Verdict};
use crate::verdict::{NEUTRAL_SKIPS, verdict};

/// A room's findings at this moment, from one full run and the re-tests since.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// The findings, in the order of the full run; what only a re-test has comes last.
    pub findings: Vec<Finding>,
    /// Kinds of device that the room must have, from the full run.
    pub must_have: Vec<String>,
    /// The verdict over `findings`.
    pub verdict: Verdict,
    /// When the full run ended, UTC milliseconds by the box's clock.
    pub full_ms: i64,
    /// When the newest run that counts ended, UTC milliseconds by the box's clock.
    pub newest_ms: i64,
}

/// Puts the findings of `later` runs, oldest first, in the place of those of the `full` one.
///
/// A later run without a scope takes the place of everything before it.
pub fn merge<'a>(full: &'a Report, later: impl IntoIterator<Item = &'a Report>) -> Board {
    let mut base = full;
    let mut findings = full.findings.clone();
    let mut newest_ms = full.finished_ms;
    for run in later {
        newest_ms = run.finished_ms;
        let Some(scope) = &run.scope else {
            base = run;
            findings.clone_from(&run.findings);
            continue;
        };
        for finding in run.findings.iter().filter(|f| scope.holds(&f.check)) {
            match findings.iter_mut().find(|f| f.check == finding.check) {
                Some(held) => *held = finding.clone(),
                None => findings.push(finding.clone()),
            }
        }
    }
    reopen(&mut findings);
    Board {
        verdict: verdict(&findings, &base.must_have, None),
        findings,
        must_have: base.must_have.clone(),
        full_ms: base.finished_ms,
        newest_ms,
    }
}

/// How urgent a finding is: 0 is worst; `None` is nothing to attend to. The order of the verdict's clauses.
#[must_use]
pub fn rank(finding: &Finding) -> Option<u8> {
    match (finding.status(), finding.required) {
        (Status::Fail, true) => Some(0),
        (Status::Unknown, true) => Some(1),
        (Status::Skipped, true)
            if finding.carried_ms.is_none() && !NEUTRAL_SKIPS.contains(&finding.code.as_str()) =>
        {
            Some(1)
        }
        (Status::Fail, false) => Some(2),
        (Status::Warn, _) => Some(3),
        (Status::Unknown, false) => Some(4),
        (Status::Pass | Status::Skipped, _) => None,
    }
}

/// What has to be attended to, worst first; among equals in the order given.
#[must_use]
pub fn worst_first(findings: &[Finding]) -> Vec<&Finding> {
    let mut open: Vec<(u8, &Finding)> = findings
        .iter()
        .filter_map(|f| rank(f).map(|rank| (rank, f)))
        .collect();
    open.sort_by_key(|(rank, _)| *rank);
    open.into_iter().map(|(_, finding)| finding).collect()
}

/// Kinds of device that must be there and of which nothing is configured.
#[must_use]
pub fn missing_kinds<'a>(findings: &[Finding], must_have: &'a [String]) -> Vec<&'a str> {
    let absent = |f: &Finding| {
        f.status() == Status::Skipped && matches!(f.code.as_str(), "not-configured" | "no-device")
    };
    let there = |kind: &str| {
        findings
            .iter()
            .any(|f| f.check.split('.').next() == Some(kind) && !absent(f))
    };
    must_have
        .iter()
        .map(String::as_str)
        .filter(|kind| !there(kind))
        .collect()
}

/// The check that a finding waited for, where it did.
#[must_use]
pub fn waited_for(finding: &Finding) -> Option<&str> {
    let waited = finding.status() == Status::Skipped && finding.code == "depends-on";
    waited
        .then(|| finding.params.get("check").and_then(Value::as_str))
        .flatten()
}

/// Whether a full run without re-tests is shown with its findings as they are.
#[must_use]
pub fn stands(report: &Report) -> bool {
    overtaken(&report.findings).next().is_none()
}

/// A check that waited for another which is in order again was itself not measured: that is no result.
fn reopen(findings: &mut [Finding]) {
    let open: Vec<usize> = overtaken(findings).collect();
    for place in open {
        if let Some(finding) = findings.get_mut(place) {
            finding.status = Status::Unknown.into();
            finding.code = "not-selected".to_owned();
        }
    }
}

/// Where findings stand that waited for one that is in order.
fn overtaken(findings: &[Finding]) -> impl Iterator<Item = usize> {
    let good = |cause: &str| {
        findings
            .iter()
            .any(|f| f.check == cause && matches!(f.status(), Status::Pass | Status::Warn))
    };
    let waited = findings.iter().enumerate();
    waited.filter_map(move |(place, finding)| waited_for(finding).is_some_and(good).then_some(place))
}

#[cfg(test)]
mod tests;
