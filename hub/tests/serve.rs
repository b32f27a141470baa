//! How the program begins and ends: exit codes, what it says when it cannot, TLS, somebody else's broker.

#[cfg(test)]
mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::room::{Line, Room};
use common::tls::{certificates, with_certificate};
use common::{Hub, hub_command, hub_dir, told};
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use serde_json::Value;

#[test]
fn wrong_usage_and_wrong_configuration() {
    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    for args in [
        &["nonsense"][..],
        &["room"],
        &["room", "approve"],
        &["room", "show", "no-slash"],
        &["serve", "--lang", "fr"],
        &["room", "approve", "a/b"],
    ] {
        assert_eq!(told(&hub_command(dir.path(), args)).0, Some(64), "{args:?}");
    }
    for (config, said) in [
        ("[hub]\norg = [\"abc\"]\n", "did you mean \"orgs\"?"),
        (
            "[hub]\norgs = [\"abc\"]\n[page]\nlisten = \"0.0.0.0:80\"\n",
            "this machine only",
        ),
        (
            "[hub]\norgs = [\"abc\"]\n[broker]\nca_file = \"a\"\ncert_file = \"b\"\nkey_file = \"c\"\n",
            "cannot be read",
        ),
    ] {
        std::fs::write(dir.path().join("hub.toml"), config).unwrap();
        let (code, text) = told(&hub_command(dir.path(), &["serve", "--lang", "en"]));
        assert_eq!((code, text.contains(said)), (Some(78), true), "{text}");
    }
    std::fs::remove_file(dir.path().join("hub.toml")).unwrap();
    let (code, text) = told(&hub_command(dir.path(), &["serve"]));
    assert!(
        code == Some(78) && text.contains("Không đọc được tệp cấu hình"),
        "{text}"
    );
    let help = hub_command(dir.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("serve") && help.contains("verify") && help.contains("reflector"));
}

#[test]
fn ports_directories_and_databases_that_cannot_be_used() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let dir = hub_dir(&format!("listen = \"{at}\""));
    let (code, text) = told(&hub_command(dir.path(), &["serve"]));
    assert!(
        code == Some(70) && text.contains("is in use") && text.contains("[broker] listen"),
        "{text}"
    );

    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    let file = dir.path().join("hub.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace(
        "[page]\nlisten = \"127.0.0.1:0\"",
        &format!("[page]\nlisten = \"{at}\""),
    );
    std::fs::write(&file, text).unwrap();
    let (code, text) = told(&hub_command(dir.path(), &["serve"]));
    assert!(code == Some(70) && text.contains("[page] listen"), "{text}");

    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    std::fs::create_dir(dir.path().join("state")).unwrap();
    std::fs::write(dir.path().join("state/hub.db"), "rubbish ".repeat(1000)).unwrap();
    let (code, text) = told(&hub_command(dir.path(), &["serve"]));
    assert!(code == Some(70) && text.contains("restore a backup"), "{text}");
    assert_eq!(told(&hub_command(dir.path(), &["room", "list"])).0, Some(70));

    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    std::fs::write(dir.path().join("state"), "a file where the directory should be").unwrap();
    let (code, text) = told(&hub_command(dir.path(), &["serve"]));
    assert!(code == Some(70) && text.contains("--state"), "{text}");
}

#[test]
fn commands_without_a_hub() {
    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    let list = hub_command(dir.path(), &["room", "list", "--json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list["total"], 0);
    let (code, text) = told(&hub_command(dir.path(), &["room", "approve", "abc/one", "--yes"]));
    assert!(code == Some(1) && text.contains("--state"), "{text}");
    let (code, text) = told(&hub_command(dir.path(), &["key", "show"]));
    assert!(code == Some(1) && text.contains("key init"), "{text}");
    let made = hub_command(dir.path(), &["key", "init"]);
    assert!(made.status.success() && String::from_utf8_lossy(&made.stdout).contains("A key was made"));
    let shown: Value =
        serde_json::from_slice(&hub_command(dir.path(), &["key", "show", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["jwk"]["crv"], shown["fingerprint"].as_str().unwrap().len()),
        (&"Ed25519".into(), 39)
    );
    let again = hub_command(dir.path(), &["key", "init"]);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains(shown["kid"].as_str().unwrap()),
        "the same key"
    );
    let (code, text) = told(&hub_command(dir.path(), &["verify", "/nonexistent"]));
    assert!(code == Some(1) && text.contains("/nonexistent"), "{text}");
}

#[tokio::test]
async fn it_ends_in_order_and_leaves_no_broker_behind() {
    let hub = Hub::start();
    let second = hub.command(&["serve"]);
    assert_eq!(second.status.code(), Some(70), "one at a time");
    let room = Room::new("abc/one");
    let mut line = room.connect(&hub).await;
    let state: Value = serde_json::from_slice(&line.next("bp/1/abc/_hub/state").await).unwrap();
    assert_eq!(state["state"], "online");
    let pid = hub.child.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let broker = children.split_whitespace().next().unwrap().to_owned();
    let ended = tokio::task::spawn_blocking(move || hub.stop("-TERM"));
    let state: Value = serde_json::from_slice(&line.next("bp/1/abc/_hub/state").await).unwrap();
    assert_eq!(state["state"], "disconnected");
    let (code, dir) = ended.await.unwrap();
    assert_eq!(code, Some(0));
    assert!(!dir.path().join("state/serve.json").exists());
    assert!(
        !Path::new(&format!("/proc/{broker}")).exists(),
        "the broker has ended first"
    );

    let (code, dir) = Hub::start_in(dir).stop("-INT");
    assert_eq!(code, Some(130));
    drop(dir);
}

#[tokio::test]
async fn a_logbook_is_verified_against_what_was_approved() {
    let hub = Hub::start();
    let (mut room, _line) = Room::enrolled("abc/one", &hub).await;
    let mut lines: Vec<String> = (0..3).map(|_| room.ready().jws).collect();
    let file = hub.dir.path().join("2026-11.log");
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    let good = hub.command(&["verify", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(
        good.status.success() && said.contains("abc/one, 3 entries (1 to 3)"),
        "{said}"
    );
    lines.remove(1);
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    let (code, text) = told(&hub.command(&["verify", file.to_str().unwrap()]));
    assert!(code == Some(1) && text.contains("2026-11.log, line 2:"), "{text}");
}

/// A state directory so deep that the path of a socket in it does not fit a socket's address.
#[tokio::test]
async fn a_deep_state_directory() {
    let dir = hub_dir("listen = \"127.0.0.1:0\"");
    let deep = dir.path().join("d".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    std::os::unix::fs::symlink(&deep, dir.path().join("state")).unwrap();
    let hub = Hub::start_in(dir);
    let (mut room, mut line) = Room::enrolled("abc/one", &hub).await;
    let report = room.ready();
    line.publish(&room.topic("report"), &report.jws).await;
    assert_eq!(line.receipt(&room).await.hash, report.hash);
}

#[tokio::test]
async fn somebody_elses_broker() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let conf = dir.path().join("mosquitto.conf");
    let user = "user root\n"; // Ignored unless it is started by root.
    std::fs::write(
        &conf,
        format!("{user}listener {port} 127.0.0.1\nallow_anonymous true\n"),
    )
    .unwrap();
    let broker = || {
        Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&conf)
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut first = broker();
    let hub = Hub::start_in(hub_dir(&format!("address = \"mqtt://127.0.0.1:{port}\"")));
    assert_eq!(hub.broker, format!("mqtt://127.0.0.1:{port}"));
    let (mut room, mut line) = Room::enrolled("abc/one", &hub).await;
    // No limit there: the hub itself refuses what is too large.
    let large = "x".repeat(100_000);
    line.publish(&room.topic("report"), &large).await;
    let report = room.ready();
    line.publish(&room.topic("report"), &report.jws).await;
    assert_eq!(line.receipt(&room).await.hash, report.hash);
    assert_eq!(hub.room("abc/one")["refused"]["oversized"]["n"], 1);

    first.kill().unwrap();
    first.wait().unwrap();
    hub.logged("no connection to the broker");
    assert_eq!(hub.get("/healthz").0, 503);
    let mut second = broker();
    hub.logged("connected to the broker org=");
    hub.logged("connected to the broker org=");
    let mut line = room.connect(&hub).await;
    let report = room.ready();
    line.publish(&room.topic("report"), &report.jws).await;
    assert_eq!(line.receipt(&room).await.hash, report.hash);
    second.kill().unwrap();
    second.wait().unwrap();
}

#[tokio::test]
async fn with_certificates_the_name_is_proved() {
    let dir = hub_dir(
        "listen = \"127.0.0.1:0\"\nca_file = \"ca.pem\"\ncert_file = \"hub.pem\"\nkey_file = \"hub.key\"",
    );
    certificates(dir.path(), &["hub", "abc.one", "abc.two"]);
    let hub = Hub::start_in(dir);
    assert!(hub.broker.starts_with("mqtts://"));
    let files = hub.dir.path().to_owned();
    let mut one = Room::new("abc/one");
    let mut changes = hub.changes();
    let mut line = Line::open(with_certificate(&one, &hub, &files, "abc.one")).await;
    for filter in [one.topic("receipt"), "bp/1/abc/_hub/+".into()] {
        line.subscribe(&filter).await;
    }
    line.publish(&one.topic("enrol"), &one.enrolment().jws).await;
    changes.until("abc/one");
    hub.approve("abc/one");
    assert_eq!(line.receipt(&one).await.seq, None);
    let report = one.ready();
    line.publish(&one.topic("report"), &report.jws).await;
    assert_eq!(line.receipt(&one).await.hash, report.hash);

    // Two's certificate, one's user name and client id: it is two.
    let mut other = Line::open(with_certificate(&one, &hub, &files, "abc.two")).await;
    assert_eq!(
        other.publish(&one.topic("report"), "x").await,
        PubAckReason::NotAuthorized
    );
    let report = one.ready();
    line.publish(&one.topic("report"), &report.jws).await;
    assert_eq!(
        line.receipt(&one).await.hash,
        report.hash,
        "and one's line still stands"
    );

    // Another authority's certificate for one's name, none at all, and an old version of TLS: no connection.
    assert!(
        Line::try_open(with_certificate(&one, &hub, &files, "liar"))
            .await
            .is_err()
    );
    assert!(Line::try_open(one.options(&hub)).await.is_err());
    for (args, good) in [("-tls1_3", true), ("-tls1_2", false)] {
        let done = Command::new("openssl")
            .args(["s_client", args, "-connect", &format!("127.0.0.1:{}", hub.port())])
            .args([
                "-CAfile",
                "ca.pem",
                "-cert",
                "abc.one.pem",
                "-key",
                "abc.one.key",
                "-verify_return_error",
            ])
            .current_dir(&files)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(
            done.status.success(),
            good,
            "{args}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}
