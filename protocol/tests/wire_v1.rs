//! Version 1 of the wire, frozen. If a test here fails, do not change the test or its files: the wire is
//! append-only, and boxes that are years old speak it.
//!
//! `tests/fixtures/reports/v1/` holds envelopes as they were once sealed (`*.jws`, one a file), the key that
//! sealed them (`agent.jwk`, `hub.jwk`) and their claims as JSON (`*.json`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)] // a test file

use std::fs;
use std::path::PathBuf;

use bridgepoint_protocol::claims::{
    Attest, Command, CommandKind, Enrol, Event, Gap, Plan, Receipt, Report, Status, TriggerKind, Verdict,
};
use bridgepoint_protocol::envelope::{Jwk, Kind, Opened, VerifyingKey, open, open_enrolment};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reports/v1")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap().trim().to_owned()
}

fn key(name: &str) -> VerifyingKey {
    VerifyingKey::from_jwk(&serde_json::from_str::<Jwk>(&text(name)).unwrap()).unwrap()
}

fn opened(name: &str, kind: Kind) -> Opened {
    let keys = [key("agent.jwk"), key("hub.jwk")];
    open(text(&format!("{name}.jws")).as_bytes(), &[kind], |kid| {
        keys.iter().find(|k| k.kid() == *kid).copied()
    })
    .unwrap()
}

/// The claims are read, and nothing that was written then is lost when they are written again.
fn reads<T: DeserializeOwned + Serialize>(name: &str, kind: Kind) -> T {
    let opened = opened(name, kind);
    let written: Value = serde_json::from_str(&text(&format!("{name}.json"))).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&opened.payload).unwrap(),
        written,
        "{name}: the envelope holds its JSON"
    );
    let claims: T = opened.claims().unwrap();
    let again = serde_json::to_value(&claims).unwrap();
    for (field, value) in written.as_object().unwrap() {
        if field != "from_a_later_version" {
            assert_eq!(again.get(field), Some(value), "{name}: {field}");
        }
    }
    claims
}

#[test]
fn every_file_of_the_folder_is_reached() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let claims = [
        "attest", "cmd", "enrol", "event", "gap", "plan", "receipt", "report",
    ];
    let mut expected: Vec<String> = claims
        .iter()
        .flat_map(|c| [format!("{c}.json"), format!("{c}.jws")])
        .collect();
    expected.extend(["agent.jwk".into(), "hub.jwk".into()]);
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_report() {
    let report: Report = reads("report", Kind::Report);
    assert_eq!(report.claimed_verdict(), Verdict::NotReady);
    assert_eq!(report.recomputed_verdict(), Verdict::NotReady);
    assert_eq!(report.trigger.kind.or(TriggerKind::Manual), TriggerKind::Schedule);
    assert_eq!(report.link.seq, 41);
    assert_eq!(report.link.witness.as_ref().unwrap().seq, 40);
    let statuses: Vec<Status> = report
        .findings
        .iter()
        .map(bridgepoint_protocol::claims::Finding::status)
        .collect();
    assert_eq!(
        statuses,
        [
            Status::Pass,
            Status::Fail,
            Status::Warn,
            Status::Unknown,
            Status::Skipped,
            Status::Unknown
        ]
    );
    assert_eq!(report.findings[0].value, Some(-63.2));
    assert_eq!(report.findings[4].carried_ms, Some(1_764_050_000_000));
}

#[test]
fn an_enrolment() {
    let enrol: Enrol = reads("enrol", Kind::Enrol);
    assert_eq!(enrol.name, "UBND phường Bãi Cháy");
    assert_eq!(
        open_enrolment(text("enrol.jws").as_bytes()).unwrap().0.kid,
        key("agent.jwk").kid()
    );
}

#[test]
fn the_hubs_own() {
    let receipt: Receipt = reads("receipt", Kind::Receipt);
    assert_eq!((receipt.seq, receipt.nonce.as_deref()), (Some(41), Some("n-7")));
    let plan: Plan = reads("plan", Kind::Plan);
    assert_eq!(plan.meetings[0].start_ms, 1_764_065_400_000);
    let command: Command = reads("cmd", Kind::Command);
    assert_eq!(
        (command.kind.or(CommandKind::Check), command.from, command.to),
        (CommandKind::Resend, Some(3), Some(5))
    );
}

#[test]
fn the_agents_smaller_entries() {
    let event: Event = reads("event", Kind::Event);
    assert_eq!(event.code, "call.dropped");
    let attest: Attest = reads("attest", Kind::Attest);
    assert_eq!(attest.allowed_by.as_deref(), Some("VNPT"));
    let gap: Gap = reads("gap", Kind::Gap);
    assert_eq!((gap.from, gap.to), (7, 9));
}
