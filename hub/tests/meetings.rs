//! Meetings as operators and rooms meet them: the real program, its real broker, and a plan that anybody can verify
//! with the hub's key.

#[cfg(test)]
mod common;

use std::net::TcpListener;

use bridgepoint_protocol::claims::Role;
use common::room::{Line, Room, finding};
use common::{ForeignBroker, Hub, hub_command, hub_dir, in_hours, told};
use serde_json::{Value, json};

fn stdout(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{:?}", told(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A second connection of a room, which hears only what the broker has kept.
async fn later(room: &Room, hub: &Hub) -> Line {
    let mut line = Line::open(room.options(hub)).await;
    line.subscribe(&room.topic("plan")).await;
    line
}

#[tokio::test]
async fn a_meeting_reaches_its_rooms_as_a_signed_plan_that_the_broker_keeps() {
    let hub = Hub::start();
    let (one, mut line) = Room::enrolled("abc/one", &hub).await;
    let (two, mut other) = Room::enrolled("abc/two", &hub).await;
    let (key, start) = (line.hub_key(&one).await, in_hours(3));
    line.subscribe(&one.topic("plan")).await;
    other.subscribe(&two.topic("plan")).await;
    let add = [
        "meeting",
        "add",
        "--org",
        "abc",
        "--subject",
        "Giao ban",
        "--start",
        &start,
        "--rooms",
        "one,two",
        "--chair",
        "two",
        "--slides",
        "--id",
        "giao-ban",
    ];
    let said = stdout(&hub.command(&add));
    assert!(
        said.contains("Added the meeting giao-ban.") && said.contains("Check T-90: the box begins at "),
        "{said}"
    );
    let first = line.plan(&one, key).await;
    let meeting = &first.meetings[0];
    assert_eq!(
        (meeting.id.as_str(), meeting.rooms.len(), meeting.slides),
        ("giao-ban", 2, true)
    );
    assert_eq!(meeting.role, Some(Role::Satellite.into()));
    let chair = other.plan(&two, key).await;
    assert_eq!(chair.meetings[0].role, Some(Role::Chair.into()));

    // Who comes later finds it at the broker.
    drop(line);
    let mut line = later(&one, &hub).await;
    assert_eq!(line.plan(&one, key).await, first);

    // A hub that was killed tells it again, with a greater revision.
    drop((line, other));
    let hub = hub.killed_and_again();
    let mut line = later(&one, &hub).await;
    let mut again = line.plan(&one, key).await;
    while again.rev == first.rev {
        again = line.plan(&one, key).await;
    }
    assert!(again.rev > first.rev && again.meetings == first.meetings);

    stdout(&hub.command(&["meeting", "cancel", "giao-ban"]));
    let cancelled = line.plan(&one, key).await;
    assert!(cancelled.meetings.is_empty() && cancelled.rev > again.rev);
    assert!(stdout(&hub.command(&["meeting", "list"])).contains("cancelled"));
}

#[tokio::test]
async fn a_meetings_page_counts_the_rooms_that_have_reported_for_it() {
    let hub = Hub::start();
    let (mut one, mut line) = Room::enrolled("abc/one", &hub).await;
    let (_two, _other) = Room::enrolled("abc/two", &hub).await;
    let mut changes = hub.changes();
    let start = in_hours(1);
    let add = [
        "meeting",
        "add",
        "--org",
        "abc",
        "--subject",
        "Giao ban <b>",
        "--rooms",
        "all",
        "--id",
        "giao-ban",
    ];
    stdout(&hub.command(&[&add[..], &["--start", &start]].concat()));
    let of_the_api = || -> Option<Value> {
        let (status, body) = hub.get("/api/v1/meetings");
        assert_eq!(status, 200);
        let all: Value = serde_json::from_str(&body).unwrap();
        all["meetings"].as_array().unwrap().first().cloned()
    };
    line.subscribe(&one.topic("plan")).await;
    line.next(&one.topic("plan")).await;
    let meeting = of_the_api().unwrap();
    assert_eq!((&meeting["total"], &meeting["reported"]), (&json!(2), &json!(0)));
    assert_eq!(meeting["checkpoint"], "T-90");

    let mut claims = one.claims("ready", &json!([finding("codec.reachable", "pass", "ok")]));
    claims["trigger"] = json!({ "kind": "schedule", "meeting": "giao-ban", "checkpoint": "T-90" });
    let report = one.sealed(&claims);
    line.publish(&one.topic("report"), &report.jws).await;
    line.receipt(&one).await;
    changes.until_seen("abc/one", || of_the_api().filter(|m| m["reported"] == 1));
    let room = hub.room("abc/one");
    assert_eq!(
        (&room["meeting"]["id"], &room["meeting"]["reported"]),
        (&json!("giao-ban"), &json!(true))
    );

    let (status, page) = hub.get("/meetings/giao-ban");
    assert_eq!(status, 200);
    assert!(
        page.contains("Giao ban &lt;b&gt;") && page.contains("1 of 2 rooms have reported"),
        "{page}"
    );
    assert!(page.contains("checked for this meeting (T-90 at "), "{page}");
    let (_, fleet) = hub.get("/");
    assert!(
        fleet.contains("href=\"/meetings/giao-ban\"") && fleet.contains("1 of 2 rooms"),
        "{fleet}"
    );
    assert!(hub.get("/rooms/abc/one").1.contains("checked for this meeting"));
    assert_eq!(hub.get("/meetings/none").0, 404);
    assert_eq!(hub.get("/api/v1/meetings/none").0, 404);
    let shown = stdout(&hub.command(&["meeting", "show", "giao-ban"]));
    assert!(
        shown.contains("1 of 2 rooms have reported") && shown.contains("one  Room one"),
        "{shown}"
    );
    let shown: Value =
        serde_json::from_str(&stdout(&hub.command(&["meeting", "show", "giao-ban", "--json"]))).unwrap();
    assert_eq!(shown["taking_part"].as_array().unwrap().len(), 2);
}

#[test]
fn what_an_operator_gets_wrong_is_said() {
    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    let run = |args: &[&str]| hub_command(dir.path(), args);
    let start = in_hours(24);
    let add = |more: &[&str]| {
        let base = ["meeting", "add", "--subject", "Giao ban", "--start", &start];
        run(&[&base[..], more].concat())
    };
    let (code, text) = told(&add(&["--rooms", "all", "--org", "abc"]));
    assert!(code == Some(1) && text.contains("Run the hub first"), "{text}");
    let list: Value = serde_json::from_str(&stdout(&run(&["meeting", "list", "--json"]))).unwrap();
    assert_eq!(list["meetings"], json!([]));

    let hub = Hub::start_in(dir);
    let (_, dir) = hub.stop("-TERM");
    let run = |args: &[&str]| hub_command(dir.path(), args);
    let add = |more: &[&str]| {
        let base = ["meeting", "add", "--subject", "Giao ban", "--start", &start];
        run(&[&base[..], more].concat())
    };
    for (more, exit, says) in [
        (&["--rooms", "all"][..], 64, "Choose with --org"),
        (&["--rooms", "all", "--org", "abd"], 1, "Did you mean abc?"),
        (&["--rooms", "one", "--org", "abc"], 1, "abc has no room \"one\""),
        (
            &["--rooms", "all", "--org", "abc", "--length", "0"],
            64,
            "--length from 1",
        ),
        (&["--org", "abc"], 64, "--rooms"),
    ] {
        let (code, text) = told(&add(more));
        assert!(
            code == Some(exit) && text.contains(says),
            "{more:?}: {code:?} {text}"
        );
    }
    let all = ["--rooms", "all", "--org", "abc", "--id", "giao-ban"];
    assert!(stdout(&add(&all)).contains("all approved rooms"));
    let (code, text) = told(&add(&all));
    assert!(
        code == Some(1) && text.contains("There is a meeting giao-ban already"),
        "{text}"
    );
    let (code, text) = told(&run(&["meeting", "cancel", "giao-bam"]));
    assert!(
        code == Some(1) && text.contains("Did you mean giao-ban?"),
        "{text}"
    );
    assert!(stdout(&run(&["meeting", "cancel", "giao-ban"])).contains("Cancelled the meeting giao-ban"));
    assert!(stdout(&run(&["meeting", "cancel", "giao-ban"])).contains("was cancelled at"));
    let list: Value = serde_json::from_str(&stdout(&run(&["meeting", "list", "--json"]))).unwrap();
    assert!(list["meetings"][0]["cancelled_ms"].is_i64(), "{list}");
}

#[tokio::test]
async fn a_broker_that_has_forgotten_is_told_again_and_a_revoked_rooms_plan_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let first = ForeignBroker::start(dir.path(), port);
    let hub = Hub::start_in(hub_dir(&format!("address = \"mqtt://127.0.0.1:{port}\"")));
    let (one, mut line) = Room::enrolled("abc/one", &hub).await;
    let key = line.hub_key(&one).await;
    line.subscribe(&one.topic("plan")).await;
    let start = in_hours(3);
    let add = [
        "meeting",
        "add",
        "--org",
        "abc",
        "--subject",
        "Giao ban",
        "--rooms",
        "all",
    ];
    stdout(&hub.command(&[&add[..], &["--start", &start]].concat()));
    let told = line.plan(&one, key).await;

    drop((line, first));
    hub.logged("no connection to the broker");
    let _second = ForeignBroker::start(dir.path(), port);
    hub.logged("connected to the broker org=");
    hub.logged("connected to the broker org=");
    let mut line = later(&one, &hub).await;
    let again = line.plan(&one, key).await;
    assert!(again.rev > told.rev && again.meetings == told.meetings);

    stdout(&hub.command(&["room", "revoke", "abc/one", "--yes"]));
    assert!(
        line.next(&one.topic("plan")).await.is_empty(),
        "the word that takes it back"
    );
    let mut line = later(&one, &hub).await;
    line.subscribe("bp/1/abc/_hub/key").await;
    line.hub_key(&one).await;
    assert!(
        !line.received().contains(&one.topic("plan")),
        "the broker keeps none"
    );
}
