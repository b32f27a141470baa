//! The verdict: the sum of the findings, one pure function. The agent signs it, the hub recomputes it.
//!
//! First that holds:
//! 1. any required `fail` → not ready;
//! 2. any required `unknown`, or a kind in `must_have` that is not configured, or no required check beyond
//!    `host.*` measured → unknown;
//! 3. any `warn`, any non-required `fail` or `unknown` → degraded;
//! 4. else ready.
//!
//! Some skips count for nothing ([`NEUTRAL_SKIPS`]); any other skip of a required check counts as unknown,
//! unless the same check passed earlier for the same meeting (`carried_ms`).

use crate::claims::{Finding, Scope, Status, Verdict};

/// Reasons to skip that say nothing about the room.
pub const NEUTRAL_SKIPS: [&str; 8] = [
    "no-device",
    "not-configured",
    "not-supported",
    "no-baseline",
    "no-speech",
    "not-selected",
    "depends-on",
    "not-attested",
];

/// Sums up `findings`.
///
/// `must_have` names kinds (`codec`, `camera`, `mic`, `power`, …) that have to be configured; with a `scope`
/// only the kinds that the scope touches count.
#[must_use]
pub fn verdict(findings: &[Finding], must_have: &[String], scope: Option<&Scope>) -> Verdict {
    let weighs: Vec<(&Finding, Weight)> = findings.iter().map(|f| (f, weight(f))).collect();
    let any_required = |wanted: Weight| weighs.iter().any(|(f, w)| f.required && *w == wanted);

    if any_required(Weight::Fail) {
        return Verdict::NotReady;
    }
    let measured = weighs
        .iter()
        .any(|(f, w)| f.required && *w != Weight::Nothing && !f.check.starts_with("host."));
    let missing_kind = must_have
        .iter()
        .any(|kind| in_scope(scope, kind) && !configured(findings, kind));
    if any_required(Weight::Unknown) || missing_kind || !measured {
        return Verdict::Unknown;
    }
    if weighs
        .iter()
        .any(|(_, w)| matches!(w, Weight::Warn | Weight::Fail | Weight::Unknown))
    {
        return Verdict::Degraded;
    }
    Verdict::Ready
}

/// How many findings a person has to attend to: failures and warnings.
#[must_use]
pub fn open_points(findings: &[Finding]) -> usize {
    findings
        .iter()
        .filter(|f| matches!(weight(f), Weight::Fail | Weight::Warn))
        .count()
}

/// How many required checks have no result.
#[must_use]
pub fn open_questions(findings: &[Finding]) -> usize {
    findings
        .iter()
        .filter(|f| f.required && weight(f) == Weight::Unknown)
        .count()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Nothing,
    Good,
    Warn,
    Unknown,
    Fail,
}

fn weight(finding: &Finding) -> Weight {
    match finding.status() {
        Status::Pass => Weight::Good,
        Status::Warn => Weight::Warn,
        Status::Fail => Weight::Fail,
        Status::Unknown => Weight::Unknown,
        Status::Skipped if finding.carried_ms.is_some() => Weight::Good,
        Status::Skipped if NEUTRAL_SKIPS.contains(&finding.code.as_str()) || !finding.required => {
            Weight::Nothing
        }
        Status::Skipped => Weight::Unknown,
    }
}

fn configured(findings: &[Finding], kind: &str) -> bool {
    findings.iter().any(|f| {
        f.check.split('.').next() == Some(kind)
            && !(f.status() == Status::Skipped && matches!(f.code.as_str(), "not-configured" | "no-device"))
    })
}

/// A kind is judged in a scoped run only when the scope covers or reaches into it.
fn in_scope(scope: Option<&Scope>, kind: &str) -> bool {
    scope.is_none_or(|scope| scope.0.iter().any(|part| part.split('.').next() == Some(kind)))
}

#[cfg(test)]
mod tests;
