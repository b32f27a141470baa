//! Who waits for whom, and that a run is always whole.

use std::sync::Arc;

use bridgepoint_hw::host::Roots;
use bridgepoint_hw::media::Program;
use bridgepoint_protocol::check::Take;
use bridgepoint_protocol::claims::Status;
use futures_util::FutureExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::clock;
use crate::config;
use crate::line::PlannedLine;

fn act(device: &str, takes: &[Take], thing: &str) -> Act {
    Act {
        probe: Probe::Camera,
        device: Some(device.into()),
        checks: vec![],
        deadline_ms: 1000,
        takes: takes.to_vec(),
        thing: thing.into(),
        active: false,
    }
}

#[tokio::test]
async fn what_moves_has_the_air_alone_and_what_listens_shares_it() {
    let camera = act("camera", &[Take::AirAlone], "a");
    let (left, right) = (
        act("left", &[Take::AirShared], "b"),
        act("right", &[Take::AirShared], "c"),
    );
    let plan = Plan {
        probes: vec![camera.clone(), left.clone(), right.clone()],
        skipped: vec![],
    };
    let shares = Shares::new(&plan);
    let first = shares.take(&left).await;
    let second = shares
        .take(&right)
        .now_or_never()
        .expect("two that listen go together");
    let mut moving = Box::pin(shares.take(&camera));
    assert!(
        (&mut moving).now_or_never().is_none(),
        "nothing moves while somebody listens"
    );
    drop((first, second));
    let alone = moving.now_or_never().expect("free again");
    assert!(
        shares.take(&left).now_or_never().is_none(),
        "nobody listens while something moves"
    );
    drop(alone);
    assert!(shares.take(&left).now_or_never().is_some());
}

#[tokio::test]
async fn two_acts_on_one_thing_come_after_each_other() {
    let (one, two, other) = (
        act("1", &[], "line"),
        act("2", &[], "line"),
        act("3", &[], "else"),
    );
    let shares = Shares::new(&Plan {
        probes: vec![one.clone(), two.clone(), other.clone()],
        skipped: vec![],
    });
    let held = shares.take(&one).await;
    assert!(shares.take(&two).now_or_never().is_none());
    assert!(shares.take(&other).now_or_never().is_some());
    drop(held);
    assert!(shares.take(&two).now_or_never().is_some());
}

struct Bed {
    root: tempfile::TempDir,
    settings: Arc<Settings>,
}

fn bed(rest: &str) -> Bed {
    let text = format!("[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\n{rest}");
    Bed {
        root: tempfile::tempdir().unwrap(),
        settings: Arc::new(config::parse("room.toml", &text).unwrap()),
    }
}

impl Bed {
    fn run(&self, only: &[&str], cancel: watch::Receiver<bool>) -> (Run, mpsc::UnboundedReceiver<Progress>) {
        let (progress, steps) = mpsc::unbounded_channel();
        let state = self.root.path().to_owned();
        let run = Run {
            settings: Arc::clone(&self.settings),
            baseline: None,
            scope: (!only.is_empty()).then(|| Scope(only.iter().map(|s| (*s).to_owned()).collect())),
            tools: Tools {
                instant: clock::instant,
                wall_ms: || 1_764_060_000_000,
                media: Program {
                    path: "/nowhere/media".into(),
                    args: vec![],
                    env: vec![],
                },
                roots: Roots {
                    state: state.clone(),
                    ..Roots::default()
                },
                logbook: state.join("logbook"),
                logbook_now: Arc::new(LogbookNow::default),
                book: crate::logbook::Condition::default(),
                planned_line: PlannedLine::default(),
            },
            cancel,
            progress,
        };
        (run, steps)
    }
}

#[tokio::test]
async fn every_check_of_the_plan_has_one_finding_in_the_catalogues_order() {
    let bed =
        bed("[[microphone]]\nid = \"a\"\nsource = \"file:/nowhere/a.wav\"\n[ups]\naddress = \"none\"\n");
    let (_keep, cancel) = watch::channel(false);
    let (run, mut steps) = bed.run(&[], cancel);
    let findings = run.make().await;
    let ids: Vec<&str> = findings.iter().map(|f| f.check.as_str()).collect();
    assert_eq!(ids, plan::all_ids(&bed.settings, None));
    let of = |id: &str| {
        let finding = findings.iter().find(|f| f.check == id).unwrap();
        (finding.status(), finding.code.clone())
    };
    assert_eq!(
        of("mic.a.signal").0,
        Status::Unknown,
        "a media program that cannot be started is no fault of the room"
    );
    assert_eq!(of("power.mains"), (Status::Skipped, "no-device".into()));
    assert_eq!(of("power.protected"), (Status::Warn, "power.no-ups".into()));
    assert_eq!(of("host.logbook"), (Status::Pass, "ok".into()));
    let mut last = None;
    while let Ok(step) = steps.try_recv() {
        last = Some(step);
    }
    assert!(
        matches!(last, Some(Progress::Finished { done, total, .. }) if done == total && total == ids.len())
    );
}

#[tokio::test]
async fn a_run_that_is_stopped_is_whole_and_nothing_in_it_passes() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let bed = bed(&format!(
        "[codec]\ndriver = \"cisco\"\naddress = \"tcp://127.0.0.1:{port}\"\n"
    ));
    let (stop, cancel) = watch::channel(false);
    let (run, _steps) = bed.run(&["codec"], cancel);
    let making = tokio::spawn(run.make());
    // The codec is being asked; it has taken the connection and says nothing.
    let _connection = silent.accept().await.unwrap();
    stop.send_replace(true);
    let findings = making.await.unwrap();
    assert_eq!(
        findings.len(),
        plan::all_ids(&bed.settings, Some(&Scope(vec!["codec".into()]))).len()
    );
    assert!(
        findings.iter().all(|f| f.status() != Status::Pass),
        "{findings:?}"
    );
    let root = findings.iter().find(|f| f.check == "codec.reachable").unwrap();
    assert_eq!(
        (root.status(), root.code.as_str()),
        (Status::Unknown, "cancelled")
    );
}

#[tokio::test]
async fn work_that_blocks_does_not_hold_a_run_that_is_stopped() {
    let bed = bed("");
    let dir = bed.root.path().join("logbook");
    std::fs::create_dir(&dir).unwrap();
    // Whoever reads this month waits for its writer.
    let month = dir.join("2025-11.log");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&month)
            .status()
            .unwrap()
            .success()
    );
    let (stop, cancel) = watch::channel(false);
    let (run, mut steps) = bed.run(&["host.logbook"], cancel);
    let making = tokio::spawn(run.make());
    while !matches!(steps.recv().await.unwrap(), Progress::Started { .. }) {}
    stop.send_replace(true);
    let findings = making.await.unwrap();
    // Until now the reader has waited to open it.
    let writer = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(month));
    drop(writer.await.unwrap().unwrap());
    let logbook = findings.iter().find(|f| f.check == "host.logbook").unwrap();
    assert_eq!(
        (logbook.status(), logbook.code.as_str()),
        (Status::Unknown, "cancelled")
    );
}
