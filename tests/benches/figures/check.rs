//! A whole check: of a healthy room, against the longest chain of probes that have to come after each other; and of a
//! room in which every device hangs, against the run's own end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bridgepoint_protocol::check::{self, Probe, Take};
use bridgepoint_protocol::claims::{Report, Status};
use bridgepoint_tests::scenario::{Setting, Stage};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::measure::{now, quotient};
use crate::table::{Row, time};

/// Whole checks of the healthy room, of which the middle one counts.
const CHECKS: usize = 5;

/// Whole check ÷ longest chain.
pub(crate) fn healthy(stage: &Stage) -> Result<Row> {
    let mut taken = Vec::new();
    for _ in 0..CHECKS {
        let began = now();
        let check = stage.agent.check(&[])?;
        let took = now() - began;
        ensure!(
            check.code <= 1,
            "the room is not healthy: {:?}",
            check.report.findings
        );
        let (chain, names) = longest_chain(&check.report)?;
        taken.push((took, chain, names));
    }
    taken.sort_by(|a, b| quotient(a.0, a.1).total_cmp(&quotient(b.0, b.1)));
    let (took, chain, names) = taken.swap_remove(CHECKS / 2);
    let q = quotient(took, chain);
    Ok(
        Row::new("whole check, healthy room, program start to exit", time(took))
            .beside(format!("longest chain of probes ({names}) {}", time(chain)), q)
            .at_most(q, 1.2, ""),
    )
}

/// The longest chain among: each act alone; a camera, and the line, after the codec, which says whether there is
/// a call; everything that takes the air, or the wire, alone, with the longest of those that share it.
fn longest_chain(report: &Report) -> Result<(Duration, String)> {
    let mut acts: BTreeMap<(Probe, Option<String>), u64> = BTreeMap::new();
    for finding in report.findings.iter().filter(|f| f.status() != Status::Skipped) {
        let (row, places) = check::row_of(&finding.check).context(finding.check.clone())?;
        let act = acts.entry((row.probe, places.n)).or_default();
        *act = finding.ms.max(*act);
    }
    let name = |(probe, device): &(Probe, Option<String>)| match device {
        Some(device) => format!("{probe:?} {device}"),
        None => format!("{probe:?}"),
    };
    let mut chains: Vec<(u64, String)> = acts.iter().map(|(act, ms)| (*ms, name(act))).collect();
    let codec = acts.get(&(Probe::Codec, None)).copied().unwrap_or(0);
    let active = |probe: &Probe| matches!(probe, Probe::Camera | Probe::Line);
    let after = acts.iter().filter(|((probe, _), _)| active(probe));
    chains.extend(after.map(|(act, ms)| (codec + ms, format!("Codec, {}", name(act)))));
    for (alone, shared) in [
        (Take::AirAlone, Take::AirShared),
        (Take::WireAlone, Take::WireShared),
    ] {
        let taking = |take| {
            acts.iter()
                .filter(move |((probe, _), _)| probe.takes().contains(&take))
        };
        let mut chain: Vec<_> = taking(alone).collect();
        chain.extend(taking(shared).max_by_key(|(_, ms)| **ms));
        let names: Vec<String> = chain.iter().map(|(act, _)| name(act)).collect();
        chains.push((chain.iter().map(|(_, ms)| **ms).sum(), names.join(", ")));
    }
    let (ms, names) = chains.into_iter().max().context("a report without findings")?;
    Ok((Duration::from_millis(ms), names))
}

/// How a codec hangs, one room each: nothing at all, a byte now and then, half a line, and more than anybody can read.
const CODEC_HANGS: [&str; 4] = ["silent", "drip", "half-line", "flood"];

/// A room in which the codec hangs in one of several ways and everything else gives no answer either: the camera is
/// silent, nothing ever comes out of the microphones' files, the UPS driver is frozen. The slowest of the rooms counts.
pub(crate) fn wedged(dir: &Path) -> Result<Row> {
    let taken: Vec<Result<(Duration, &str, String)>> = std::thread::scope(|scope| {
        let rooms: Vec<_> = CODEC_HANGS
            .into_iter()
            .map(|fault| {
                let dir = dir.join(fault);
                scope.spawn(move || wedged_room(&dir, fault).with_context(|| format!("codec {fault}")))
            })
            .collect();
        rooms
            .into_iter()
            .map(|room| {
                room.join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a room gave up")))
            })
            .collect()
    });
    let taken: Vec<_> = taken.into_iter().collect::<Result<_>>()?;
    let (took, fault, slowest) = taken
        .into_iter()
        .max_by_key(|(took, ..)| *took)
        .context("no room")?;
    Ok(Row::new("whole check, every device wedged", time(took))
        .note(format!("slowest: codec {fault}, {slowest}"))
        .at_most(took.as_secs_f64(), 60.0, " s"))
}

/// What passes without a device: the box itself, and what the configuration says of the UPS.
fn not_asked(check: &str) -> bool {
    check.starts_with("host.") || check == "power.protected"
}

fn wedged_room(dir: &Path, fault: &'static str) -> Result<(Duration, &'static str, String)> {
    std::fs::create_dir_all(dir)?;
    let mut stage = Stage::set(dir, &Setting::default())?;
    for microphone in ["mic.chair", "mic.left"] {
        let file = stage
            .sim
            .address(microphone)?
            .trim_start_matches("file:")
            .to_owned();
        std::fs::remove_file(&file).with_context(|| file.clone())?;
        // A pipe into which nobody writes.
        mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    }
    stage.sim.fault("codec", fault, true)?;
    stage.sim.fault("camera.main", "silent", true)?;
    stage.nut.freeze_driver()?;
    let began = now();
    let check = stage.agent.check(&[])?;
    let took = now() - began;
    let passed: Vec<&str> = check
        .report
        .findings
        .iter()
        .filter(|f| f.status() == Status::Pass && !not_asked(&f.check))
        .map(|f| f.check.as_str())
        .collect();
    ensure!(passed.is_empty(), "not everything hangs: {passed:?} passed");
    let slowest = check
        .report
        .findings
        .iter()
        .max_by_key(|f| f.ms)
        .context("findings")?;
    let slowest = format!("{} {}", slowest.check, time(Duration::from_millis(slowest.ms)));
    Ok((took, fault, slowest))
}
