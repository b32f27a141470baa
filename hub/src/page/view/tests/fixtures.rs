//! Rooms, and how they can stand, for the other tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use bridgepoint_protocol::chain::ChainState;
use bridgepoint_protocol::claims::{Contact, ContactRole, Finding, PresenceState, Report, Verdict};
use bridgepoint_protocol::text::Lang;
use serde_json::json;

use crate::agenda::Agenda;
use crate::board::Health;
use crate::detail::{KeyRow, RoomDetail};
use crate::fleet::{self as rooms, Chain, Enrolment, Judged, Presence, RoomState, Standing};
use crate::keyring::KeyState;
use crate::page::view::asked::Asked;
use crate::page::view::fleet::{FleetView, Line, fleet};
use crate::store::{Count, PastRun};

/// 25/11/2026 06:45 in Việt Nam.
pub(super) const NOW: i64 = 1_795_563_900_000;

pub(super) const MINUTE: i64 = 60_000;

pub(super) const FINGERPRINT: &str = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567";

pub(super) fn finding(check: &str, status: &str, code: &str) -> Finding {
    serde_json::from_value(json!({
        "check": check, "status": status, "code": code, "required": true, "at_ms": NOW - 5 * MINUTE
    }))
    .unwrap()
}

pub(super) fn judged(verdict: Verdict, why: Option<Finding>) -> Judged {
    Judged {
        verdict,
        since_ms: NOW - 4 * MINUTE,
        measured_ms: NOW - 5 * MINUTE,
        last_report_ms: NOW - 4 * MINUTE,
        verdict_differs: false,
        open_points: usize::from(why.is_some()),
        open_questions: 0,
        why,
        missing_kinds: vec![],
        duty: None,
        run: "r".into(),
        profile: "quang-ninh".into(),
        meeting: None,
        checkpoint: None,
    }
}

pub(super) fn standing(at: &str, name: &str, area: &str, result: Option<Judged>) -> Standing {
    let (org, room) = at.split_once('/').unwrap();
    Standing {
        org: org.parse().unwrap(),
        room: room.parse().unwrap(),
        name: name.into(),
        area: Some(area.into()),
        contacts: vec![Contact {
            role: ContactRole::Main.into(),
            name: Some("Nguyễn Văn A".into()),
            title: None,
            phone: Some("0912 345 678".into()),
            email: None,
        }],
        enrolment: Enrolment::Approved,
        fingerprint: Some(FINGERPRINT.into()),
        challengers: vec![],
        enrolled_ms: NOW - 10_000 * MINUTE,
        presence: Some(Presence {
            state: PresenceState::Online,
            since_ms: NOW - 60 * MINUTE,
        }),
        last_seen_ms: Some(NOW - MINUTE),
        result,
        checked: vec![],
        chain: Chain {
            state: Some(ChainState::Complete),
            chain: 1,
            first: Some(1),
            last: Some(41),
            held: 41,
            missing: 0,
            forks: 0,
        },
        refused: BTreeMap::new(),
        agent: Some("0.1.0".into()),
    }
}

pub(super) fn ready(at: &str) -> Standing {
    standing(at, "UBND xã", "Hạ Long", Some(judged(Verdict::Ready, None)))
}

pub(super) fn wrong(at: &str, area: &str, code: &str) -> Standing {
    let why = finding("line.reflector", "fail", code);
    standing(
        at,
        "UBND phường Bãi Cháy",
        area,
        Some(judged(Verdict::NotReady, Some(why))),
    )
}

pub(super) fn gone(at: &str) -> Standing {
    let mut standing = ready(at);
    standing.presence = Some(Presence {
        state: PresenceState::Lost,
        since_ms: NOW - 35 * MINUTE,
    });
    standing
}

pub(super) fn states(all: impl IntoIterator<Item = Standing>) -> Vec<RoomState> {
    rooms::fleet(all.into_iter().map(Arc::new), &Agenda::default(), NOW)
}

pub(super) fn seen(asked: Asked, all: &[RoomState]) -> FleetView {
    fleet(asked, Lang::Vi, all, &Health::default(), NOW)
}

pub(super) fn q(text: &str) -> Asked {
    Asked {
        q: Some(text.into()),
        ..Asked::default()
    }
}

pub(super) fn names(view: &FleetView) -> Vec<String> {
    view.lines
        .iter()
        .map(|line| match line {
            Line::Room(row) => row.at.clone(),
            Line::Fold(fold) => fold.label.clone(),
        })
        .collect()
}

/// A province on a bad morning.
pub(super) fn province() -> Vec<RoomState> {
    let mut all: Vec<Standing> = (0..170)
        .map(|n| ready(&format!("quang-ninh/xa-{n:03}")))
        .collect();
    all.extend((0..14).map(|n| wrong(&format!("quang-ninh/ha-long-{n:02}"), "Hạ Long", "line.hub-down")));
    all.push(wrong("quang-ninh/cam-pha", "Cẩm Phả", "line.mcu-down"));
    all.extend([gone("quang-ninh/co-to"), gone("quang-ninh/van-don")]);
    let warn = finding("power.runtime", "warn", "power.runtime-short");
    all.push(standing(
        "quang-ninh/uong-bi",
        "UBND phường Uông Bí",
        "Uông Bí",
        Some(judged(Verdict::Degraded, Some(warn))),
    ));
    let mut asks = standing("quang-ninh/mong-cai", "UBND phường Móng Cái", "Móng Cái", None);
    asks.enrolment = Enrolment::Pending;
    all.push(asks);
    states(all)
}

pub(super) fn past(seq: u64, verdict: &str, scope: Option<&str>) -> PastRun {
    PastRun {
        believed: true,
        chain: 1,
        seq,
        run: format!("r-{seq}"),
        started_ms: NOW - 60 * MINUTE,
        finished_ms: NOW - 60 * MINUTE + i64::try_from(seq).unwrap() * MINUTE,
        received_ms: NOW,
        made_after_ms: None,
        verdict: verdict.into(),
        claimed: None,
        scope: scope.map(|part| vec![part.to_owned()]),
        trigger: if scope.is_some() {
            "retest".into()
        } else {
            "schedule".into()
        },
        checkpoint: Some("T-90".into()),
        meeting: None,
    }
}

pub(super) fn detail(name: &str) -> RoomDetail {
    let mut s = standing("quang-ninh/bai-chay", name, "Hạ Long", None);
    let findings = vec![
        finding("codec.reachable", "pass", "ok"),
        finding("mic.chair.howl", "fail", "mic.howl"),
        finding("line.loss", "fail", "line.loss"),
        finding("host.disk", "pass", "ok"),
    ];
    let mut result = judged(Verdict::NotReady, Some(findings[1].clone()));
    result.verdict_differs = true;
    s.result = Some(result);
    s.challengers = vec!["ZZZZ-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567".into()];
    s.chain = Chain {
        state: Some(ChainState::Pending),
        missing: 4,
        ..s.chain
    };
    s.refused.insert(
        "forged".into(),
        Count {
            n: 3,
            last_ms: NOW - MINUTE,
        },
    );
    let report: Report = serde_json::from_value(json!({
        "v": 1, "org": "quang-ninh", "room": "bai-chay", "run": "r", "boot": "0", "seq": 1,
        "prev": "A".repeat(43), "iat": 0, "mono_ms": 0, "clk": "ntp", "trigger": { "kind": "manual" },
        "profile": { "id": "quang-ninh", "sha256": "0" }, "started_ms": 0, "finished_ms": 0,
        "verdict": "ready", "must_have": ["codec"], "findings": [], "agent": "0.1.0", "config": "0"
    }))
    .unwrap();
    RoomDetail {
        state: rooms::state(Arc::new(s), &Agenda::default(), NOW),
        report: Some(report),
        findings,
        history: (1..=40)
            .rev()
            .map(|n| {
                past(
                    n,
                    if n % 7 == 0 { "not-ready" } else { "ready" },
                    (n % 5 == 0).then_some("mic"),
                )
            })
            .collect(),
        events: vec![],
        attests: vec![],
        keys: vec![KeyRow {
            from: 1,
            to: None,
            former: None,
            kid: "k".into(),
            fingerprint: "OLDK-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567".into(),
            state: KeyState::Revoked,
            first_ms: NOW - 9000 * MINUTE,
            last_ms: NOW - 9000 * MINUTE,
            decided_ms: Some(NOW - 8000 * MINUTE),
        }],
        missing: vec![(7, 9), (12, 12)],
    }
}
