//! What is exported: which lines, with which keys, and that nothing is written over.

use super::*;
use crate::logbook::{Days, ExportError, export};

const DAY: i64 = 86_400_000;

/// One entry a day for five days, each receipted.
fn five_days() -> (tempfile::TempDir, SigningKey, SigningKey) {
    let root = tempfile::tempdir().unwrap();
    let (agent, hub) = (key(), key());
    let mut book = open(&root.path().join("logbook")).unwrap();
    for day in 0..5 {
        let at = stamp(NOVEMBER + day * DAY, (day * DAY) as u64);
        let (seq, sealed) = book.append(&agent, Kind::Report, &at, claims).unwrap();
        let (jws, receipt) = receipt(&hub, seq, sealed.hash);
        book.receipt(&jws, &receipt).unwrap();
    }
    (root, agent, hub)
}

#[test]
fn the_exact_lines_of_these_days_with_their_receipts_and_the_keys() {
    let (root, agent, hub) = five_days();
    let dir = root.path().join("logbook");
    let whole = std::fs::read_to_string(dir.join("2025-11.log")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for (from, before, wanted) in [
        (None, None, 0..10),
        (Some(1), Some(4), 2..8),
        (Some(4), None, 8..10),
    ] {
        let out = root.path().join(format!("{wanted:?}.log"));
        let days = Days {
            from_ms: from.map(|day| NOVEMBER + day * DAY),
            before_ms: before.map(|day| NOVEMBER + day * DAY),
        };
        let keys = ([agent.verifying()], [hub.verifying()]);
        let exported = export(&dir, days, &out, (&keys.0, &keys.1)).unwrap();
        let first = wanted.start as u64 / 2 + 1;
        let count = wanted.len() as u64 / 2;
        assert_eq!((exported.first, exported.entries), (first, count));
        assert_eq!(exported.last.0, first + count - 1);
        assert_eq!(
            std::fs::read_to_string(&out).unwrap(),
            lines[wanted].concat(),
            "byte for byte"
        );
        let set: Value = serde_json::from_slice(&std::fs::read(&exported.keys).unwrap()).unwrap();
        let of: Vec<_> = set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| &key["of"])
            .collect();
        assert_eq!(of, ["box", "hub"]);
        assert_eq!(set["keys"][0]["kid"], json!(agent.kid()));
        let text = std::fs::read(&out).unwrap();
        let keys = Keys {
            agent: &keys.0,
            hub: &keys.1,
        };
        let walk = bridgepoint_protocol::logbook::verify(&text, keys, None).unwrap();
        assert_eq!(walk.head, Some(exported.last));
    }
}

#[test]
fn nothing_is_written_over_and_nothing_is_left_half() {
    let (root, agent, hub) = five_days();
    let dir = root.path().join("logbook");
    let keys = ([agent.verifying()], [hub.verifying()]);
    let to = |name: &str, days| export(&dir, days, &root.path().join(name), (&keys.0, &keys.1));
    std::fs::write(root.path().join("there"), "mine").unwrap();
    assert!(matches!(
        to("there", Days::default()),
        Err(ExportError::Exists(_))
    ));
    assert_eq!(std::fs::read(root.path().join("there")).unwrap(), b"mine");
    std::fs::write(root.path().join("half.keys.json"), "mine").unwrap();
    assert!(matches!(to("half", Days::default()), Err(ExportError::Exists(_))));
    assert!(!root.path().join("half").exists());
    let long_ago = Days {
        before_ms: Some(0),
        ..Days::default()
    };
    assert!(matches!(to("none", long_ago), Err(ExportError::Empty)));
    assert!(matches!(
        to("no/such/dir", Days::default()),
        Err(ExportError::Io(..))
    ));
}

#[test]
fn what_stands_between_is_never_left_out() {
    let root = tempfile::tempdir().unwrap();
    let agent = key();
    let dir = root.path().join("logbook");
    let mut book = open(&dir).unwrap();
    // The clock was wrong in between; and a line is damaged.
    for wall_ms in [NOVEMBER, 0, NOVEMBER + 2_000] {
        book.append(&agent, Kind::Report, &stamp(wall_ms, 0), claims)
            .unwrap();
    }
    let path = dir.join("2025-11.log");
    let text = std::fs::read_to_string(&path).unwrap();
    let third = text.lines().nth(2).unwrap();
    std::fs::write(&path, text.replace(third, "damaged")).unwrap();
    let days = Days {
        from_ms: Some(NOVEMBER),
        before_ms: None,
    };
    let out = root.path().join("out");
    let exported = export(&dir, days, &out, (&[agent.verifying()], &[])).unwrap();
    assert_eq!((exported.entries, exported.damaged, exported.last.0), (4, 1, 5));
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&path).unwrap());
}
