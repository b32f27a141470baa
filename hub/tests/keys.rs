//! Keys from end to end: the real program, its real broker. A room's key hands over and is revoked from a number on; a
//! list of boxes is approved before they ask; the hub's own key is replaced, and rooms that had pinned it follow.

#[cfg(test)]
mod common;

use bridgepoint_protocol::envelope::{Kind, Sealed};
use bridgepoint_protocol::rotation::{self, PublishedKey};
use common::room::{Line, Room};
use common::{Hub, hub_command, hub_dir, in_hours, told};
use serde_json::{Value, json};

const AT: &str = "abc/one";

async fn delivered(line: &mut Line, room: &Room, kind: &str, sealed: &Sealed) {
    line.publish(&room.topic(kind), &sealed.jws).await;
    assert_eq!(line.receipt(room).await.hash, sealed.hash);
}

#[tokio::test]
async fn a_key_hands_over_and_is_revoked_from_a_number_on() {
    let hub = Hub::start();
    let (mut room, mut line) = Room::enrolled(AT, &hub).await;
    let mut changes = hub.changes();
    let first = room.ready();
    delivered(&mut line, &room, "report", &first).await;
    let (next, proof) = room.next_key();
    let event = room.hands_over(&next, &proof);
    delivered(&mut line, &room, "event", &event).await;
    // The trial: the next key asks and is receipted, without an operator.
    delivered(&mut line, &room, "enrol", &proof).await;
    let late = room.ready();
    let old = std::mem::replace(&mut room.key, next);
    let fourth = room.ready();
    delivered(&mut line, &room, "report", &fourth).await;
    delivered(&mut line, &room, "report", &late).await;
    let shown = changes.until_seen(AT, || Some(hub.room(AT)).filter(|r| r["chain"]["held"] == 4));
    assert_eq!(shown["chain"]["state"], "complete");
    assert_eq!(shown["fingerprint"], room.key.kid().fingerprint().as_str());
    let keys: Vec<_> = shown["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| (k["state"].as_str().unwrap(), k["from"].as_u64(), k["to"].as_u64()))
        .collect();
    assert!(keys.contains(&("former", Some(1), Some(3))), "{keys:?}");
    assert!(keys.contains(&("approved", Some(3), None)), "{keys:?}");
    let text = String::from_utf8(hub.command(&["room", "show", AT, "--lang", "en"]).stdout).unwrap();
    let former = format!("{}  a former key, signs entries up to 3", old.kid().fingerprint());
    assert!(text.contains(&former), "{text}");

    // The old key signs nothing more, whatever it says.
    let mut copy = Room {
        at: AT.into(),
        key: old,
        seq: room.seq,
        prev: room.prev,
    };
    line.publish(&copy.topic("report"), &copy.ready().jws).await;
    changes.until_seen(AT, || {
        Some(()).filter(|()| hub.room(AT)["refused"]["former-key"]["n"] == 1)
    });

    // Two more; the operator has learnt that the box was in strange hands from entry 6 on.
    let (fifth, sixth) = (room.ready(), room.ready());
    delivered(&mut line, &room, "report", &sixth).await;
    changes.until_seen(AT, || {
        Some(()).filter(|()| hub.room(AT)["result"]["run"] == "run-6")
    });
    let revoked = hub.command(&["room", "revoke", AT, "--from", "6", "--yes", "--lang", "en"]);
    let said = String::from_utf8(revoked.stdout).unwrap();
    for word in [
        "from entry 6",
        "newest entry held: 6",
        "1 entries held from 6 on stay as evidence",
    ] {
        assert!(said.contains(word), "{said}");
    }
    let shown = changes.until_seen(AT, || Some(hub.room(AT)).filter(|r| r["enrolment"] == "revoked"));
    assert_eq!(
        (&shown["view"], &shown["result"]["run"]),
        (&json!("unknown"), &json!("run-4"))
    );
    delivered(&mut line, &room, "report", &fifth).await;
    let shown = changes.until_seen(AT, || Some(hub.room(AT)).filter(|r| r["chain"]["held"] == 6));
    assert_eq!(shown["result"]["run"], "run-5");
    assert_eq!(shown["history"][0]["believed"], false);
    assert_eq!(shown["refused"]["revoked-key"], Value::Null);
    let usage = hub.command(&["room", "revoke", AT, "--from", "0"]);
    assert_eq!(usage.status.code(), Some(64));
}

#[tokio::test]
async fn a_list_of_boxes_is_approved_before_they_ask() {
    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    let room = Room::new(AT);
    let list = dir.path().join("boxes.csv");
    let text = format!(
        "\u{feff}org;room;fingerprint;name\r\nabc;one;{};UBND phường Bãi Cháy\r\n",
        room.key.kid().fingerprint()
    );
    std::fs::write(&list, &text).unwrap();
    let list = list.to_str().unwrap().to_owned();
    // Before the hub has ever run.
    let done = hub_command(dir.path(), &["room", "import", &list]);
    assert!(done.status.success(), "{:?}", told(&done));
    let shown = hub_command(dir.path(), &["room", "list"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("UBND phường Bãi Cháy") && shown.contains("has not asked yet"),
        "{shown}"
    );
    let shown = hub_command(dir.path(), &["room", "list", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["total"], &shown["expected"][0]["fingerprint"]),
        (&json!(0), &json!(room.key.kid().fingerprint()))
    );

    let hub = Hub::start_in(dir);
    let mut line = room.connect(&hub).await;
    let enrolment = room.enrolment();
    delivered(&mut line, &room, "enrol", &enrolment).await;
    let shown = hub.command(&["room", "list", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["rooms"][0]["enrolment"], &shown["expected"]),
        (&json!("approved"), &json!([]))
    );
    let again = hub.command(&["room", "import", &list, "--lang", "en"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 rows change nothing"));

    // Another box for a room that has one: by a list never.
    let other = Room::new(AT).key.kid().fingerprint();
    std::fs::write(&list, format!("org,room,fingerprint\nabc,one,{other}\n")).unwrap();
    let (code, said) = told(&hub.command(&["room", "import", &list, "--lang", "en"]));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("line 2: abc/one has another approved box"),
        "{said}"
    );
    assert_eq!(hub.room(AT)["fingerprint"], room.key.kid().fingerprint().as_str());
}

#[tokio::test]
async fn the_hubs_key_is_replaced_and_plans_are_signed_anew() {
    let hub = Hub::start();
    let (mut room, mut line) = Room::enrolled(AT, &hub).await;
    let old = line.hub_key(&room).await;
    let report = room.ready();
    line.publish(&room.topic("report"), &report.jws).await;
    line.hub_key(&room).await;
    let receipt = line.next(&room.topic("receipt")).await;
    line.subscribe(&room.topic("plan")).await;
    let start = in_hours(5);
    let added = hub.command(&[
        "meeting",
        "add",
        "--org",
        "abc",
        "--subject",
        "Giao ban",
        "--rooms",
        "one",
        "--start",
        &start,
    ]);
    assert!(added.status.success(), "{:?}", told(&added));
    let before = line.plan(&room, old).await;

    let rotated = hub.command(&["key", "rotate", "--lang", "en"]);
    let said = String::from_utf8(rotated.stdout).unwrap();
    assert!(
        said.contains(&old.kid().fingerprint()) && said.contains("Restart it now"),
        "{said}"
    );
    drop(line);
    let hub = hub.killed_and_again();
    let mut line = room.connect(&hub).await;
    line.subscribe(&room.topic("plan")).await;
    let published: PublishedKey = serde_json::from_slice(&line.next("bp/1/abc/_hub/key").await).unwrap();
    let reached = rotation::reached(&old, &published.rotations);
    let new = *reached.last().expect("the pinned key leads to it");
    assert_eq!(new.jwk(), published.jwk);
    assert!(said.contains(&new.kid().fingerprint()));
    // The broker may still hand out the former plan until the hub has told the new one.
    let after = loop {
        let jws = line.next(&room.topic("plan")).await;
        let known =
            |kid: &bridgepoint_protocol::envelope::Kid| [old, new].into_iter().find(|k| k.kid() == *kid);
        let opened = bridgepoint_protocol::envelope::open(&jws, &[Kind::Plan], known).unwrap();
        if opened.kid == new.kid() {
            break opened.claims::<bridgepoint_protocol::claims::Plan>().unwrap();
        }
    };
    assert!(after.rev > before.rev, "{} {}", after.rev, before.rev);
    assert_eq!(after.meetings.len(), 1);

    let shown: Value = serde_json::from_slice(&hub.command(&["key", "show", "--json"]).stdout).unwrap();
    assert_eq!(shown["kid"], new.kid().as_str());
    assert_eq!(shown["former"][0]["kid"], old.kid().as_str());
    // A logbook with a receipt of the former key is as good as it was.
    let file = hub.dir.path().join("2026-11.log");
    let text = format!("{}\n{}\n", report.jws, String::from_utf8(receipt).unwrap());
    std::fs::write(&file, text).unwrap();
    let verified = hub.command(&["verify", file.to_str().unwrap(), "--lang", "en"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(
        verified.status.success() && said.contains("1 receipts") && !said.contains("not verified"),
        "{said} {:?}",
        told(&verified)
    );
}
