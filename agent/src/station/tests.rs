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
fn what_the_hub_asks_for_and_cannot_be_read_comes_as_a_gap_entry() {
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
    for _ in 0..2 {
        let texts = station.texts(1, 3).unwrap();
        let numbers: Vec<u64> = texts.iter().map(|(seq, ..)| *seq).collect();
        assert_eq!(numbers, [1, 3, 5], "declared once and sent each time");
        let (_, kind, jws) = texts.last().unwrap();
        assert_eq!(*kind, Kind::Gap);
        let Line::Entry(entry) = read_unverified(jws.as_bytes()).unwrap() else {
            panic!("an entry")
        };
        let gap: Gap = serde_json::from_slice(&entry.payload).unwrap();
        assert_eq!((gap.from, gap.to, gap.reason.as_str()), (2, 2, "damaged"));
        assert_eq!(gap.org, station.settings.address.org);
    }
    assert!(station.texts(9, u64::MAX).unwrap().is_empty());
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
