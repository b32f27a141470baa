//! Everything that a device can do to whoever asks it, one codec fault a run with a camera fault beside it, and the rest of
//! the room well: the run always ends, what is wedged is never `pass`, what is not concerned is as ever, and nothing was
//! sent beyond the reviewed list.
//!
//! Times are printed (`--nocapture`) and not judged: a run's own absolute end is part of the agent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use anyhow::{Context as _, Result, ensure};
use bridgepoint_protocol::claims::{Report, Status};
use bridgepoint_tests::rig::agent::Agent;
use bridgepoint_tests::rig::sim::Sim;
use bridgepoint_tests::scenario::{self, prove_clean};
use bridgepoint_tests::sim::cisco::CodecFault;
use bridgepoint_tests::sim::faults::Fault as _;
use bridgepoint_tests::sim::visca::CameraFault;

/// What a fault leaves of its device's checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// No conversation: none of its checks passes.
    Nothing,
    /// A conversation: this check of it does not pass, or it says what is different.
    Told(&'static str),
    /// All of it, only later or with noise in between.
    All,
}

fn codec_leaves(fault: CodecFault) -> Leaves {
    match fault {
        CodecFault::Silent
        | CodecFault::Refuse
        | CodecFault::Drip
        | CodecFault::HalfLine
        | CodecFault::Garbage
        | CodecFault::Flood
        | CodecFault::Disconnect
        | CodecFault::Unread
        | CodecFault::Hangup
        | CodecFault::LoginRefused => Leaves::Nothing,
        CodecFault::Standby | CodecFault::Halfwake => Leaves::Told("codec.awake"),
        CodecFault::DisplayMissing => Leaves::Told("codec.display"),
        CodecFault::InCall | CodecFault::Sharing => Leaves::Told("codec.idle"),
        CodecFault::NotRegistered => Leaves::Told("codec.registration"),
        CodecFault::Hot => Leaves::Told("codec.temperature"),
        CodecFault::Alarm => Leaves::Told("codec.diagnostics"),
        CodecFault::VolumeLow => Leaves::Told("codec.audio"),
        // One of two microphones is left, and no rehearsal says that there were two.
        CodecFault::MicUnplugged | CodecFault::Slow | CodecFault::Feedback => Leaves::All,
    }
}

fn camera_leaves(fault: CameraFault) -> Leaves {
    match fault {
        CameraFault::Silent
        | CameraFault::Garbage
        | CameraFault::Unread
        | CameraFault::Hangup
        | CameraFault::Drip
        | CameraFault::Flood => Leaves::Nothing,
        CameraFault::PresetNeverCompletes | CameraFault::Standby => Leaves::Told("camera.main.preset.1"),
        // It moves on after it said that it stands; where it is then is not where it was asked to.
        CameraFault::PresetElsewhere | CameraFault::CompletesEarly => Leaves::All,
        CameraFault::Slow | CameraFault::SlowMotor | CameraFault::LosesReplies => Leaves::All,
    }
}

/// A room by its two files: `""` on the network, `-serial` on serial lines.
type Wires = &'static str;

/// Plays one pair of faults.
fn play(wires: Wires, codec: CodecFault, camera: CameraFault) -> Result<()> {
    let name = format!("codec {} + camera {} {wires}", codec.name(), camera.name());
    one(wires, codec, camera, &name).context(name)
}

fn one(wires: Wires, codec: CodecFault, camera: CameraFault, name: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut sim = Sim::start(
        &dir.path().join("sim"),
        &scenario::read(&format!("sim{wires}.toml"))?,
    )?;
    let mut config = scenario::read(&format!("room{wires}.toml"))?;
    // No UPS in this room: its own faults are scenarios.
    let (before, after) = config.split_once("[ups]").context("[ups]")?;
    let (_ups, after) = after.split_once("[page]").context("[page]")?;
    config = format!("{before}[page]{after}");
    let agent = Agent::new(&dir.path().join("agent"), &sim.with_addresses(&config))?;
    sim.fault("codec", codec.name(), true)?;
    sim.fault("camera.main", camera.name(), true)?;

    let check = agent.check(&[])?;
    let report = &check.report;
    let slowest = report.findings.iter().max_by_key(|f| f.ms).context("findings")?;
    println!(
        "{name}: {} in {:.1} s (longest {} {:.1} s)",
        report.claimed_verdict().word(),
        seconds(report.finished_ms - report.started_ms),
        slowest.check,
        seconds(i64::try_from(slowest.ms).unwrap_or(i64::MAX)),
    );
    let mut wrong = Vec::new();
    judge(report, "codec.", codec_leaves(codec), &mut wrong);
    // Whether a camera may be moved is the codec's to say: in a call, or with a codec that does not tell, it is only asked.
    // Sharing in the room itself is no call.
    let moved = codec_leaves(codec) != Leaves::Nothing && codec != CodecFault::InCall;
    match camera_leaves(camera) {
        Leaves::Told(_) if !moved => {}
        leaves => judge(report, "camera.main.", leaves, &mut wrong),
    }
    if !moved {
        let presets = report
            .findings
            .iter()
            .filter(|f| f.check.starts_with("camera.main.preset."));
        wrong.extend(
            presets
                .filter(|f| !matches!(f.status(), Status::Skipped | Status::Unknown))
                .map(|f| {
                    format!(
                        "{} is {}: it was moved in or beside a call",
                        f.check,
                        f.status().word()
                    )
                }),
        );
    }
    let finding = |id| report.findings.iter().find(|f| f.check == id);
    for id in ["mic.chair.signal", "mic.left.signal", "host.logbook"] {
        if finding(id).is_none_or(|f| f.status() != Status::Pass) {
            wrong.push(format!("{id} is not concerned: {:?}", finding(id)));
        }
    }
    // How full this machine's disk is, is its own affair; that it was looked at is not.
    if finding("host.disk").is_none_or(|f| f.value.is_none()) {
        wrong.push(format!("host.disk is not concerned: {:?}", finding("host.disk")));
    }
    if codec_leaves(codec) == Leaves::Nothing && [0, 1].contains(&check.code) {
        wrong.push(format!("verdict {}", report.claimed_verdict().word()));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    ensure!(
        agent.run(&["logbook", "verify"])?.code == 0,
        "the logbook does not hold"
    );
    prove_clean(&mut sim)
}

fn judge(report: &Report, device: &str, leaves: Leaves, wrong: &mut Vec<String>) {
    let own = || report.findings.iter().filter(|f| f.check.starts_with(device));
    if own().next().is_none() {
        wrong.push(format!("no findings of {device}*"));
    }
    match leaves {
        Leaves::Nothing => wrong.extend(
            own()
                .filter(|f| f.status() == Status::Pass)
                .map(|f| format!("{} is pass", f.check)),
        ),
        Leaves::Told(id) => match report.findings.iter().find(|f| f.check == id) {
            Some(f) if f.status() != Status::Pass => {}
            other => wrong.push(format!("{id} does not tell it: {other:?}")),
        },
        Leaves::All => {
            let root = format!("{device}reachable");
            wrong.extend(
                own()
                    .filter(|f| f.check == root && f.status() != Status::Pass)
                    .map(|f| format!("{} is {} {}", f.check, f.status().word(), f.code)),
            );
        }
    }
}

fn seconds(ms: i64) -> f64 {
    // A run is minutes at most.
    f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1000.0
}

/// The runs wait for devices that say nothing: several rooms at once cost no more than one.
const LANES: usize = 6;

#[test]
fn a_run_always_ends_and_a_wedged_device_costs_its_own_checks() {
    let cameras = CameraFault::ALL
        .iter()
        .copied()
        .filter(|fault| !fault.is_of_streams());
    all(
        "",
        &CodecFault::ALL
            .iter()
            .copied()
            .zip(cameras.cycle())
            .collect::<Vec<_>>(),
    );
}

/// What is said is the same on a serial line; what can go wrong with the line is not. Every fault of a codec that keeps
/// its cameras from moving stands beside one that shows without moving.
#[test]
fn a_wedged_serial_line_costs_its_own_checks() {
    use {CameraFault as Camera, CodecFault as Codec};
    all(
        "-serial",
        &[
            (Codec::Unread, Camera::Silent),
            (Codec::Silent, Camera::Unread),
            (Codec::Hangup, Camera::Drip),
            (Codec::Drip, Camera::Hangup),
            (Codec::Flood, Camera::Garbage),
            (Codec::Refuse, Camera::Flood),
            (Codec::Garbage, Camera::Slow),
            (Codec::HalfLine, Camera::Silent),
            (Codec::Disconnect, Camera::Standby),
            (Codec::LoginRefused, Camera::Unread),
            (Codec::Slow, Camera::PresetNeverCompletes),
            (Codec::Feedback, Camera::Standby),
            (Codec::Standby, Camera::Flood),
            (Codec::InCall, Camera::Slow),
        ],
    );
}

/// Plays all of these.
fn all(wires: Wires, pairs: &[(CodecFault, CameraFault)]) {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let own = pairs.iter().copied().skip(lane).step_by(LANES);
                scope.spawn(move || {
                    own.filter_map(|(codec, camera)| play(wires, codec, camera).err())
                        .collect()
                })
            })
            .collect();
        lanes
            .into_iter()
            .flat_map(|lane| -> Vec<anyhow::Error> { lane.join().unwrap() })
            .map(|error| format!("{error:#}"))
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
