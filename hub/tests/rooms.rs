//! The hub as rooms meet it: the real program, its real broker, sealed messages; every receipt is verified.

#[cfg(test)]
mod common;

use bridgepoint_protocol::envelope::{Kind, seal};
use common::Hub;
use common::room::{Line, Room, finding};
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use serde_json::{Value, json};

#[tokio::test]
async fn a_room_asks_is_approved_reports_and_has_its_receipt() {
    let hub = Hub::start();
    let mut room = Room::new("abc/bai-chay");
    let mut line = room.connect(&hub).await;
    let mut changes = hub.changes();
    let enrolment = room.enrolment();
    assert_eq!(
        line.publish(&room.topic("enrol"), &enrolment.jws).await,
        PubAckReason::Success
    );
    changes.until("abc/bai-chay");
    let waiting = hub.room("abc/bai-chay");
    let fingerprint = room.key.kid().fingerprint();
    assert_eq!(
        (&waiting["enrolment"], &waiting["view"]),
        (&json!("pending"), &json!("unknown"))
    );
    assert_eq!(waiting["fingerprint"], json!(fingerprint));

    let other = Room::new("abc/bai-chay").key.kid().fingerprint();
    let refused = hub.command(&["room", "approve", "abc/bai-chay", "--fingerprint", &other]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains(&fingerprint),
        "it names what waits"
    );
    let nobody = hub.command(&["room", "approve", "abc/bai-chay"]);
    assert_eq!(nobody.status.code(), Some(64), "nobody is there to ask");
    assert!(String::from_utf8_lossy(&nobody.stdout).contains(&fingerprint));
    // As it is heard: in small letters, in other groups.
    let heard = fingerprint.to_lowercase().replace('-', " ");
    assert!(
        hub.command(&["room", "approve", "abc/bai-chay", "--fingerprint", &heard])
            .status
            .success()
    );

    // The connection that was there before the decision has the receipt.
    let receipt = line.receipt(&room).await;
    assert_eq!((receipt.seq, receipt.hash), (None, enrolment.hash));

    let report = room.report(
        "not-ready",
        &json!([finding("codec.reachable", "fail", "codec.no-answer")]),
    );
    assert_eq!(
        line.publish(&room.topic("report"), &report.jws).await,
        PubAckReason::Success
    );
    let receipt = line.receipt(&room).await;
    assert_eq!((receipt.seq, receipt.hash), (Some(1), report.hash));
    let shown = changes.until_seen("abc/bai-chay", || {
        Some(hub.room("abc/bai-chay")).filter(|r| !r["result"].is_null())
    });
    assert_eq!(shown["view"], "not-ready");
    assert_eq!(shown["result"]["why"]["check"], "codec.reachable");
    assert_eq!(shown["chain"]["state"], "complete");
    assert_eq!(shown["name"], "Room bai-chay");
    assert_eq!(shown["history"].as_array().unwrap().len(), 1);
    assert_eq!(
        shown["findings"],
        json!([finding("codec.reachable", "fail", "codec.no-answer")])
    );

    let list: Value = serde_json::from_slice(&hub.command(&["room", "list", "--json"]).stdout).unwrap();
    assert_eq!(list["rooms"][0]["view"], "not-ready");
    let (status, page) = hub.get("/");
    assert!(status == 200 && page.contains("Room bai-chay"), "{page}");
    assert_eq!(hub.get_from("/", "evil.example").0, 421);
    assert_eq!(hub.get("/healthz").0, 200);
}

#[tokio::test]
async fn what_does_not_hold_is_counted_and_has_no_receipt() {
    let hub = Hub::start();
    let (mut room, mut line) = Room::enrolled("abc/one", &hub).await;
    let (topic, stranger) = (room.topic("report"), Room::new("abc/one"));

    let report = room.ready();
    let mut forged = report.jws.clone().into_bytes();
    let at = report.jws.rfind('.').unwrap() - 3;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    line.publish(&topic, &String::from_utf8(forged).unwrap()).await;
    line.publish(
        &topic,
        &seal(&stranger.key, Kind::Report, &stranger.claims("ready", &json!([])))
            .unwrap()
            .jws,
    )
    .await;
    let mut elsewhere = room.claims("ready", &json!([]));
    elsewhere["room"] = json!("two");
    line.publish(&topic, &seal(&room.key, Kind::Report, &elsewhere).unwrap().jws)
        .await;
    line.publish(&topic, "rubbish").await;
    line.publish(&topic, &"x".repeat(65 * 1024 - 1)).await;
    // A client library that does not know the broker's answer to this would break its line: another one asks.
    let large = hub.dir.path().join("large");
    std::fs::write(&large, "x".repeat(70 * 1024)).unwrap();
    let port = hub.port().to_string();
    let told = std::process::Command::new("mosquitto_pub")
        .args([
            "-V",
            "5",
            "-d",
            "-q",
            "1",
            "-p",
            &port,
            "-u",
            "abc.other",
            "-t",
            "bp/1/abc/other/enrol",
            "-f",
        ])
        .arg(&large)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("RC:149"), "the broker keeps it out: {told}");

    // The first receipt is that of the first good message.
    line.publish(&topic, &report.jws).await;
    let receipt = line.receipt(&room).await;
    assert_eq!((receipt.seq, receipt.hash), (Some(1), report.hash));
    let refused = hub.room("abc/one")["refused"].clone();
    for reason in ["forged", "unknown-key", "wrong-room", "malformed", "oversized"] {
        assert_eq!(refused[reason]["n"], 1, "{reason}: {refused}");
    }
    let told = hub.command(&["room", "show", "abc/one"]);
    assert!(
        String::from_utf8_lossy(&told.stdout).contains("Refused 1 messages whose signature does not hold")
    );
}

#[tokio::test]
async fn duplicates_gaps_and_forks() {
    let hub = Hub::start();
    let (mut room, mut line) = Room::enrolled("abc/one", &hub).await;
    let topic = room.topic("report");
    let entries: Vec<_> = (1..=5).map(|_| room.ready()).collect();

    line.publish(&topic, &entries[0].jws).await;
    let first = line.receipt(&room).await;
    line.publish(&topic, &entries[0].jws).await;
    let again = line.receipt(&room).await;
    assert_eq!(
        (again.seq, again.hash, again.received_ms),
        (first.seq, first.hash, first.received_ms)
    );

    line.publish(&topic, &entries[4].jws).await;
    assert_eq!(
        line.receipt(&room).await.seq,
        Some(5),
        "ahead of a gap: receipted at once"
    );
    let command = line.command(&room).await;
    assert_eq!((command.from, command.to), (Some(2), Some(4)));
    assert!(command.exp_ms > command.iat * 1000);
    assert_eq!(hub.room("abc/one")["chain"]["state"], "pending");
    assert_eq!(hub.room("abc/one")["missing"], json!([[2, 4]]));
    for entry in &entries[1..4] {
        line.publish(&topic, &entry.jws).await;
        assert_eq!(line.receipt(&room).await.hash, entry.hash);
    }
    let chain = hub.room("abc/one")["chain"].clone();
    assert_eq!(
        (&chain["state"], &chain["held"], &chain["missing"]),
        (&json!("complete"), &json!(5), &json!(0))
    );

    // The same number once more, otherwise: two histories.
    (room.seq, room.prev) = (2, entries[1].hash);
    let other = room.report("degraded", &json!([finding("codec.reachable", "warn", "x")]));
    let mut changes = hub.changes();
    line.publish(&topic, &other.jws).await;
    changes.until("abc/one");
    let shown = hub.room("abc/one");
    assert_eq!(
        (&shown["chain"]["state"], &shown["chain"]["forks"]),
        (&json!("forked"), &json!(1))
    );
    assert_eq!(
        shown["result"]["verdict"], "ready",
        "the verdict is another matter"
    );
    // What comes next is receipted; the fork was not.
    (room.seq, room.prev) = (5, entries[4].hash);
    let next = room.ready();
    line.publish(&topic, &next.jws).await;
    assert_eq!(line.receipt(&room).await.hash, next.hash);
}

#[tokio::test]
async fn a_hub_that_was_killed_has_lost_nothing() {
    let hub = Hub::start();
    let (mut room, mut line) = Room::enrolled("abc/one", &hub).await;
    let report = room.ready();
    line.publish(&room.topic("report"), &report.jws).await;
    let before = line.receipt(&room).await;
    let key = line.hub_key(&room).await;
    drop(line);

    let hub = hub.killed_and_again();
    let shown = hub.room("abc/one");
    assert_eq!(
        (&shown["view"], &shown["chain"]["held"]),
        (&json!("ready"), &json!(1))
    );
    let mut line = room.connect(&hub).await;
    assert_eq!(line.hub_key(&room).await, key, "the same hub");
    line.publish(&room.topic("report"), &report.jws).await;
    let again = line.receipt(&room).await;
    assert_eq!((again.hash, again.received_ms), (before.hash, before.received_ms));
    let next = room.ready();
    line.publish(&room.topic("report"), &next.jws).await;
    assert_eq!(line.receipt(&room).await.seq, Some(2));
}

#[tokio::test]
async fn a_broker_that_dies_is_started_again() {
    let hub = Hub::start();
    let (mut room, line) = Room::enrolled("abc/one", &hub).await;
    drop(line);
    let pid = hub.child.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let broker = children
        .split_whitespace()
        .next()
        .expect("the broker is a child of the hub");
    assert!(
        std::process::Command::new("kill")
            .args(["-KILL", broker])
            .status()
            .unwrap()
            .success()
    );
    hub.logged("mosquitto has ended");
    hub.logged("connected to the broker org=abc");
    let mut line = room.connect(&hub).await;
    let report = room.ready();
    line.publish(&room.topic("report"), &report.jws).await;
    assert_eq!(line.receipt(&room).await.hash, report.hash);
}

#[tokio::test]
async fn a_room_has_its_own_topics_and_no_others() {
    let hub = Hub::start();
    let (mut one, mut line_one) = Room::enrolled("abc/one", &hub).await;
    let (two, mut line_two) = Room::enrolled("abc/two", &hub).await;

    for kind in ["report", "event", "state", "readiness", "receipt", "plan", "cmd"] {
        let reason = line_two.publish(&one.topic(kind), "x").await;
        assert_eq!(reason, PubAckReason::NotAuthorized, "{kind} of another room");
    }
    for topic in [
        two.topic("receipt"),
        two.topic("plan"),
        two.topic("cmd"),
        "bp/1/abc/_hub/state".into(),
        "bp/1/abc/_hub/key".into(),
    ] {
        assert_eq!(
            line_two.publish(&topic, "x").await,
            PubAckReason::NotAuthorized,
            "{topic} is the hub's"
        );
    }
    for filter in [
        "#",
        "bp/1/abc/one/#",
        "bp/1/+/+/receipt",
        "bp/1/abc/+/report",
        "$SYS/#",
    ] {
        line_two.subscribe(filter).await;
    }
    let report = one.ready();
    line_one.publish(&one.topic("report"), &report.jws).await;
    line_one.receipt(&one).await;
    // Had anything of the other room's come, it would have come before this.
    let enrolment = two.enrolment();
    line_two.publish(&two.topic("enrol"), &enrolment.jws).await;
    line_two.receipt(&two).await;
    let foreign: Vec<_> = line_two
        .received()
        .into_iter()
        .filter(|t| t.contains("/one/"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert_eq!(hub.room("abc/one")["refused"], json!({}));

    // Who is not known may ask, and nothing else.
    let nobody = Room::new("abc/nobody");
    let mut line = Line::open(nobody.options(&hub)).await;
    assert_eq!(
        line.publish(&nobody.topic("report"), "x").await,
        PubAckReason::NotAuthorized
    );
    // Another's client id does not push the other out: the user name is the id.
    let mut intruder = nobody.options(&hub);
    intruder.set_client_id(one.user());
    let mut line = Line::open(intruder).await;
    assert_eq!(
        line.publish(&nobody.topic("state"), "x").await,
        PubAckReason::NotAuthorized
    );
    let report = one.ready();
    line_one.publish(&one.topic("report"), &report.jws).await;
    assert_eq!(line_one.receipt(&one).await.hash, report.hash);
}

#[tokio::test]
async fn a_second_box_waits_and_a_revoked_one_is_kept_out() {
    let hub = Hub::start();
    let (mut old, mut line) = Room::enrolled("abc/one", &hub).await;
    let report = old.ready();
    line.publish(&old.topic("report"), &report.jws).await;
    line.receipt(&old).await;

    let mut new = Room::new("abc/one");
    let mut changes = hub.changes();
    line.publish(&new.topic("enrol"), &new.enrolment().jws).await;
    changes.until("abc/one");
    let shown = hub.room("abc/one");
    assert_eq!(
        shown["fingerprint"],
        json!(old.key.kid().fingerprint()),
        "the first stays"
    );
    assert_eq!(shown["challengers"], json!([new.key.kid().fingerprint()]));
    let report = new.ready();
    line.publish(&new.topic("report"), &report.jws).await;
    changes.until("abc/one");
    assert_eq!(hub.room("abc/one")["refused"]["pending-key"]["n"], 1);

    hub.approve("abc/one");
    let receipt = line.receipt(&new).await;
    assert_eq!(receipt.seq, None);
    line.publish(&new.topic("report"), &report.jws).await;
    assert_eq!(
        line.receipt(&new).await.hash,
        report.hash,
        "a new box begins its own chain"
    );
    line.publish(&old.topic("report"), &old.ready().jws).await;
    let shown = changes.until_seen("abc/one", || {
        Some(hub.room("abc/one")).filter(|r| !r["refused"]["revoked-key"].is_null())
    });
    assert_eq!(
        (&shown["chain"]["chain"], &shown["chain"]["held"]),
        (&json!(2), &json!(1))
    );

    assert!(
        hub.command(&["room", "revoke", "abc/one", "--yes"])
            .status
            .success()
    );
    let shown = changes.until_seen("abc/one", || {
        Some(hub.room("abc/one")).filter(|r| r["enrolment"] == "revoked")
    });
    assert_eq!(shown["view"], "unknown");
}

#[tokio::test]
async fn presence_is_shown_and_an_old_will_is_not() {
    let hub = Hub::start();
    let (room, mut line) = Room::enrolled("abc/one", &hub).await;
    let mut changes = hub.changes();
    let mut say = async |word: &str, session| {
        line.publish(&room.topic("state"), &room.state(word, session))
            .await;
    };
    say("online", 7).await;
    changes.until_seen("abc/one", || {
        Some(()).filter(|()| hub.room("abc/one")["presence"]["state"] == "online")
    });
    say("lost", 6).await;
    say("sleeping", 7).await;
    changes.until_seen("abc/one", || {
        Some(()).filter(|()| hub.room("abc/one")["presence"]["state"] == "sleeping")
    });
    say("lost", 7).await;
    changes.until_seen("abc/one", || {
        Some(()).filter(|()| hub.room("abc/one")["presence"]["state"] == "lost")
    });
}
