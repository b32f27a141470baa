//! What the box keeps and gives out again, on a real directory.

use bridgepoint_protocol::claims::{Gap, TriggerKind};
use bridgepoint_protocol::logbook::{Line, read_unverified};

use super::*;
use crate::config;

fn station(root: &std::path::Path) -> Arc<Station> {
    let settings = config::parse(
        "room.toml",
        "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n",
    )
    .unwrap();
    let media = Program {
        path: "/nowhere".into(),
        args: vec![],
        env: vec![],
    };
    Station::open(settings, StateDir::new(root.to_owned()), media).unwrap()
}

#[test]
fn what_cannot_be_read_is_declared_with_the_rooms_name_and_key() {
    let root = tempfile::tempdir().unwrap();
    let first = station(root.path());
    for _ in 0..4 {
        first.note("test", "ok", BTreeMap::new()).unwrap();
    }
    drop(first);
    let dir = root.path().join("logbook");
    let path = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&path).unwrap();
    let second = text.lines().nth(1).unwrap();
    std::fs::write(&path, text.replace(second, "damaged")).unwrap();

    let station = station(root.path());
    assert_eq!(station.declare_missing(2, 2).unwrap(), Some(5));
    assert_eq!(station.declare_missing(2, 2).unwrap(), Some(5), "declared once");
    assert_eq!(station.declare_missing(9, u64::MAX).unwrap(), None);
    let out = station.book().outgoing(5).unwrap().unwrap();
    assert_eq!(out.kind, Kind::Gap);
    let Line::Entry(entry) = read_unverified(out.jws.as_bytes()).unwrap() else {
        panic!("an entry")
    };
    let gap: Gap = serde_json::from_slice(&entry.payload).unwrap();
    assert_eq!((gap.from, gap.to, gap.reason.as_str()), (2, 2, "damaged"));
    assert_eq!(gap.org, station.settings.address.org);
}

#[test]
fn what_somebody_asked_for_or_a_meeting_needs_is_a_record() {
    let of = |kind: TriggerKind, meeting: Option<&str>| {
        weight(&Trigger {
            kind: kind.into(),
            meeting: meeting.map(str::to_owned),
            checkpoint: None,
        })
    };
    for kind in [TriggerKind::Manual, TriggerKind::Hub, TriggerKind::Retest] {
        assert_eq!(of(kind, None), Weight::Record);
    }
    for kind in [TriggerKind::Schedule, TriggerKind::Boot, TriggerKind::SwitchOn] {
        assert_eq!(of(kind, Some("m-1")), Weight::Record);
        assert_eq!(of(kind, None), Weight::Telemetry);
    }
}

#[tokio::test]
async fn the_last_full_run_is_known_without_reading_the_logbook() {
    let root = tempfile::tempdir().unwrap();
    let first = station(root.path());
    assert!(first.last_full().is_none());
    let check = |station: Arc<Station>, scope: Option<Scope>| async move {
        let order = Order {
            trigger: Trigger {
                kind: TriggerKind::Manual.into(),
                meeting: None,
                checkpoint: None,
            },
            scope,
        };
        let (progress, _steps) = mpsc::unbounded_channel();
        let (_keep, cancel) = watch::channel(false);
        let made = station.check(order, progress, cancel).await;
        made.kept.unwrap();
        made.report.run
    };
    let full = check(Arc::clone(&first), None).await;
    check(Arc::clone(&first), Some(Scope(vec!["host.logbook".into()]))).await;
    let run = |station: &Station| station.last_full().unwrap().run.clone();
    assert_eq!(run(&first), full, "a part is no full run");
    drop(first);
    let second = station(root.path());
    std::fs::remove_dir_all(second.logbook_dir()).unwrap();
    assert_eq!(run(&second), full);
}
