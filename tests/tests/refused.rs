//! What the province does not believe: a second box, forged, foreign and oversized reports, another hub in the old one's place.
//! mosquitto's own clients carry them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;

use anyhow::{Context as _, Result, ensure};
use bridgepoint_tests::rig::mqtt;
use bridgepoint_tests::rig::room::{Province, ROOM, refused, runs, waiting};
use serde_json::Value;

const USER: &str = "quang-ninh.bai-chay";
/// Largest envelope, bytes.
const MAX_ENVELOPE: usize = 64 * 1024;

#[test]
fn a_second_box_is_never_trusted_by_itself() -> Result<()> {
    let province = Province::approved()?;
    let first = province.agent.check(&[])?;
    province.hub_has("the first box's run", |room| {
        runs(room).contains(&first.report.run)
    })?;

    let second = province.another("second", "bai-chay")?;
    let asked = second.run(&["enrol", "--lang", "en"])?;
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    let check = second.check(&[])?;
    assert_eq!(check.code, 0);
    assert_eq!(waiting(&second)?, 1, "its report stays with it");
    // Even when somebody else carries the report to the broker.
    let pushed = mqtt::publish(
        &province.hub.broker,
        USER,
        &format!("bp/1/{ROOM}/report"),
        second.lines()?[0].as_bytes(),
    )?;
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    let room = province.hub_has("the refusal", |room| refused(room, "pending-key") == 1)?;
    assert_eq!(runs(&room), std::slice::from_ref(&first.report.run));
    assert_eq!(room["enrolment"], "approved");
    assert_eq!(room["fingerprint"], province.agent.fingerprint()?.as_str());
    assert_eq!(room["challengers"], serde_json::json!([second.fingerprint()?]));

    // Without a fingerprint the only one that waits is meant: the operator replaces the box, knowingly.
    let replaced = province.hub.run(&[
        "room",
        "approve",
        ROOM,
        "--fingerprint",
        &second.fingerprint()?,
        "--lang",
        "en",
    ])?;
    assert_eq!(replaced.code, 0, "{}", replaced.stderr);
    assert!(
        replaced.stdout.contains(&province.agent.fingerprint()?),
        "it says which box goes: {}",
        replaced.stdout
    );
    let late = province.agent.check(&[])?;
    assert_eq!(late.code, 0);
    let current = second.check(&[])?;
    let room = province.hub_has("the second box's run", |room| {
        runs(room).contains(&current.report.run)
    })?;
    assert!(
        !runs(&room).contains(&late.report.run),
        "the box that went is not heard any more"
    );
    assert_eq!(room["fingerprint"], second.fingerprint()?.as_str());

    let revoked = province.hub.run(&["room", "revoke", ROOM, "--yes"])?;
    assert_eq!(revoked.code, 0, "{}", revoked.stderr);
    assert_eq!(province.hub.room(ROOM)?["enrolment"], "revoked");
    Ok(())
}

#[test]
fn what_is_not_the_rooms_own_is_refused_and_counted() -> Result<()> {
    let province = Province::approved()?;
    let other = province.another("other", "cua-ong")?;
    province.trust(&other, "quang-ninh/cua-ong")?;
    let check = province.agent.check(&[])?;
    let others = other.check(&[])?;
    let report = province.agent.lines()?.swap_remove(0);
    let others_report = other.lines()?.swap_remove(0);
    let room = province.hub_has("the run", |room| runs(room).contains(&check.report.run))?;
    assert_eq!(room["refused"], serde_json::json!({}), "nothing yet");

    let topic = format!("bp/1/{ROOM}/report");
    let push = |payload: &[u8]| -> Result<()> {
        let pushed = mqtt::publish(&province.hub.broker, USER, &topic, payload)?;
        ensure!(pushed.code == 0 && !mqtt::refused(&pushed), "{pushed:?}");
        Ok(())
    };
    // One bit of the signature; a header that names its own key; words; another room's; one that is too large.
    let (text, signature) = report.rsplit_once('.').context("an envelope")?;
    let swapped = if signature.starts_with('A') { "B" } else { "A" };
    push(format!("{text}.{swapped}{}", &signature[1..]).as_bytes())?;
    let (header, rest) = report.split_once('.').context("an envelope")?;
    push(format!("{header}x.{rest}").as_bytes())?;
    push(b"ready")?;
    push(others_report.as_bytes())?;
    push(&vec![b'A'; MAX_ENVELOPE + 1])?;
    let room = province.hub_has("the refusals", |room| {
        let all = room["refused"].as_object().cloned().unwrap_or_default();
        all.values().filter_map(|count| count["n"].as_u64()).sum::<u64>() >= 5
    })?;
    assert_eq!(refused(&room, "wrong-room"), 1, "{}", room["refused"]);
    assert_eq!(refused(&room, "oversized"), 1, "{}", room["refused"]);
    assert!(
        refused(&room, "forged") >= 1 && refused(&room, "malformed") >= 1,
        "{}",
        room["refused"]
    );
    assert_eq!(runs(&room), std::slice::from_ref(&check.report.run));

    // The same report again is no second run: it is held once, however often it comes.
    push(report.as_bytes())?;
    push(report.as_bytes())?;
    let more = province.agent.check(&[])?;
    let room = province.hub_has("the next run", |room| runs(room).contains(&more.report.run))?;
    assert_eq!(runs(&room).len(), 2);
    assert_eq!(
        (&room["chain"]["held"], &room["chain"]["forks"]),
        (&2.into(), &0.into())
    );
    assert_eq!(
        room["result"]["verdict"], "ready",
        "a forgery changes nothing that is shown"
    );

    // The broker's own rules: a room writes its own topics and reads its own.
    for kind in ["report", "event", "state", "readiness"] {
        let pushed = mqtt::publish(
            &province.hub.broker,
            USER,
            &format!("bp/1/quang-ninh/cua-ong/{kind}"),
            b"x",
        )?;
        assert!(mqtt::refused(&pushed), "{kind}: {pushed:?}");
    }
    for topic in [
        format!("bp/1/{ROOM}/receipt"),
        format!("bp/1/{ROOM}/cmd"),
        "bp/1/quang-ninh/_hub/key".into(),
    ] {
        let pushed = mqtt::publish(&province.hub.broker, USER, &topic, b"x")?;
        assert!(mqtt::refused(&pushed), "{topic}: {pushed:?}");
    }
    let stranger = mqtt::publish(&province.hub.broker, "quang-ninh.stranger", &topic, b"x")?;
    assert!(mqtt::refused(&stranger), "{stranger:?}");
    let there = province
        .hub
        .run(&["room", "show", "quang-ninh/cua-ong", "--json"])?;
    let there: Value = serde_json::from_str(&there.stdout)?;
    assert_eq!(
        runs(&there),
        std::slice::from_ref(&others.report.run),
        "the other room is as it was"
    );
    Ok(())
}

#[test]
fn another_hub_in_its_place_is_not_believed() -> Result<()> {
    let mut province = Province::approved()?;
    let before = province.agent.check(&[])?;
    province.hub_has("the run", |room| runs(room).contains(&before.report.run))?;
    let shown = |province: &Province| -> Result<String> {
        let shown: Value = serde_json::from_str(&province.hub.run(&["key", "show", "--json"])?.stdout)?;
        Ok(shown["fingerprint"].as_str().context("fingerprint")?.to_owned())
    };
    let old = shown(&province)?;
    // The same address, the same database, another key: a stranger, or a hub that was set up anew.
    province.hub.stop()?;
    fs::remove_file(province.dir.path().join("hub/state/key.pk8"))?;
    province.hub.serve()?;
    let new = shown(&province)?;
    assert_ne!(old, new);

    let check = province.agent.check(&[])?;
    assert_eq!(check.code, 0, "the room is as it is: {}", check.stderr);
    assert_eq!(
        waiting(&province.agent)?,
        1,
        "a stranger's receipt empties nothing"
    );
    let asked = province.agent.run(&["enrol", "--lang", "en"])?;
    assert_eq!(asked.code, 70, "{}{}", asked.stdout, asked.stderr);
    assert!(
        asked.stderr.contains(&new),
        "it shows what is to be compared: {}",
        asked.stderr
    );
    // A person has compared it by telephone.
    let accepted = province.agent.run(&["enrol", "--accept-hub", "--lang", "en"])?;
    assert_eq!(accepted.code, 0, "{}{}", accepted.stdout, accepted.stderr);
    assert!(accepted.stdout.contains(&new), "{}", accepted.stdout);
    let check = province.agent.check(&[])?;
    let room = province.hub_has("what waited", |room| runs(room).len() == 3)?;
    assert!(runs(&room).contains(&check.report.run));
    assert_eq!(province.agent.run(&["logbook", "verify"])?.code, 0);
    Ok(())
}
