//! What could not be tried again: a check that passed earlier for the same meeting, and that a run skips because the
//! room is in a call or the hour is wrong, is carried with the time at which it passed. Pure.
//!
//! Only the newest answer counts: a check that failed after it had passed is not carried. What a run that was broken off
//! did not come to is no answer.

use bridgepoint_protocol::claims::{Finding, Report, Status};
use bridgepoint_protocol::verdict::NEUTRAL_SKIPS;

/// Carries into `findings` what the `earlier` runs for the same meeting, oldest first, have found.
pub(crate) fn carry(findings: &mut [Finding], earlier: &[Report]) {
    for finding in findings.iter_mut().filter(|finding| was_not_tried(finding)) {
        let Some(before) = newest_answer(earlier, &finding.check) else {
            continue;
        };
        match before.status() {
            Status::Pass => finding.carried_ms = Some(before.at_ms),
            Status::Skipped => finding.carried_ms = before.carried_ms,
            // Not carried, but said: what it was is the last that is known.
            status => {
                finding.params.insert("status".into(), status.word().into());
                finding.params.insert("time_ms".into(), before.at_ms.into());
            }
        }
    }
}

fn was_not_tried(finding: &Finding) -> bool {
    finding.status() == Status::Skipped && !NEUTRAL_SKIPS.contains(&finding.code.as_str())
}

fn newest_answer<'a>(earlier: &'a [Report], check: &str) -> Option<&'a Finding> {
    earlier
        .iter()
        .rev()
        .filter_map(|report| report.findings.iter().find(|finding| finding.check == check))
        .find(|finding| is_answer(finding))
}

fn is_answer(finding: &Finding) -> bool {
    finding.code != "cancelled" && (finding.status() != Status::Skipped || finding.carried_ms.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgepoint_protocol::claims::Verdict;
    use bridgepoint_protocol::text::{Contacts, Lang, finding as sentence};
    use serde_json::json;

    const PRESET: &str = "camera.main.preset.1";

    fn found(check: &str, status: Status, code: &str, at_ms: i64) -> Finding {
        serde_json::from_value(json!({
            "check": check, "status": status.word(), "code": code, "required": true, "at_ms": at_ms
        }))
        .unwrap()
    }

    fn run(findings: Vec<Finding>) -> Report {
        let mut report: Report = serde_json::from_value(json!({
            "v": 1, "org": "quang-ninh", "room": "bai-chay", "run": "r", "boot": "0", "seq": 1,
            "prev": "A".repeat(43), "iat": 0, "mono_ms": 0, "clk": "ntp",
            "trigger": { "kind": "schedule", "meeting": "m-1", "checkpoint": "T-90" },
            "profile": { "id": "quang-ninh", "sha256": "0" }, "started_ms": 0, "finished_ms": 0,
            "verdict": "unknown", "must_have": ["camera"], "findings": [], "agent": "0.1.0", "config": "0"
        }))
        .unwrap();
        report.findings = findings;
        report
    }

    fn carried(code: &str, earlier: &[Report]) -> Finding {
        let mut findings = vec![found(PRESET, Status::Skipped, code, 9_000)];
        carry(&mut findings, earlier);
        findings.remove(0)
    }

    #[test]
    fn what_passed_for_the_meeting_is_carried_with_its_time_and_counts() {
        let t90 = run(vec![found(PRESET, Status::Pass, "ok", 1_000)]);
        let mut t20 = run(vec![
            found("camera.main.reachable", Status::Pass, "ok", 9_000),
            found(PRESET, Status::Skipped, "in-call", 9_000),
        ]);
        assert_eq!(t20.recomputed_verdict(), Verdict::Unknown);
        carry(&mut t20.findings, &[t90]);
        assert_eq!(t20.findings[1].carried_ms, Some(1_000));
        assert_eq!(t20.recomputed_verdict(), Verdict::Ready);
        assert_eq!(
            sentence(Lang::Vi, &t20.findings[1], &Contacts::default()).act,
            "Kết quả gần nhất: đạt lúc 08:00."
        );
        // A third run carries what the second one carried.
        assert_eq!(carried("in-call", &[t20]).carried_ms, Some(1_000));
    }

    #[test]
    fn only_the_newest_answer_counts() {
        let pass = |at_ms| run(vec![found(PRESET, Status::Pass, "ok", at_ms)]);
        let fail = run(vec![found(
            PRESET,
            Status::Fail,
            "camera.preset-not-reached",
            2_000,
        )]);
        let skipped = run(vec![found(PRESET, Status::Skipped, "in-call", 3_000)]);
        let unknown = run(vec![found(PRESET, Status::Unknown, "no-answer", 2_000)]);
        assert_eq!(
            carried("in-call", &[pass(1_000), pass(2_000)]).carried_ms,
            Some(2_000)
        );
        assert_eq!(
            carried("in-call", &[pass(1_000), skipped.clone()]).carried_ms,
            Some(1_000)
        );
        assert_eq!(carried("in-call", &[pass(1_000), unknown]).carried_ms, None);
        assert_eq!(carried("in-call", &[]).carried_ms, None);
        let broken_off = run(vec![found(PRESET, Status::Unknown, "cancelled", 3_000)]);
        assert_eq!(
            carried("in-call", &[pass(1_000), broken_off.clone()]).carried_ms,
            Some(1_000)
        );
        assert_eq!(
            carried("in-call", &[pass(1_000), fail.clone(), broken_off]).carried_ms,
            None
        );
        let failed = carried("in-call", &[pass(1_000), fail, skipped]);
        assert_eq!(failed.carried_ms, None);
        assert_eq!(
            sentence(Lang::Vi, &failed, &Contacts::default()).act,
            "Kết quả gần nhất: lỗi lúc 08:00."
        );
    }

    #[test]
    fn what_says_nothing_about_the_room_is_left_alone() {
        let pass = run(vec![found(PRESET, Status::Pass, "ok", 1_000)]);
        for code in NEUTRAL_SKIPS {
            assert_eq!(
                carried(code, std::slice::from_ref(&pass)).carried_ms,
                None,
                "{code}"
            );
        }
        for code in ["quiet-hours", "speaker-tracking", "in-call"] {
            assert_eq!(
                carried(code, std::slice::from_ref(&pass)).carried_ms,
                Some(1_000),
                "{code}"
            );
        }
        let mut fresh = vec![found(PRESET, Status::Fail, "camera.preset-not-reached", 9_000)];
        carry(&mut fresh, &[pass]);
        assert_eq!(fresh[0].carried_ms, None);
    }
}
