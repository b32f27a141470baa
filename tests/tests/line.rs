//! The line test from end to end: the real box, the real reflector, and between them a line that loses, delays and drops.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use bridgepoint_protocol::claims::{Finding, Report};
use bridgepoint_tests::rig::agent::Agent;
use bridgepoint_tests::rig::reflector::Reflector;
use bridgepoint_tests::rig::sim::Sim;
use tempfile::TempDir;

static ALONE: Mutex<()> = Mutex::new(());

/// A room with a codec and a line, and what is at the line's other end.
struct Stage {
    // Two streams at once on a small machine would measure each other.
    _alone: MutexGuard<'static, ()>,
    _dir: TempDir,
    sim: Sim,
    agent: Agent,
    reflector: Option<Reflector>,
}

/// The router is this machine; no host has the broadcast address, so that nothing can answer there.
const ALIVE: &str = "127.0.0.1";
const DEAD: &str = "255.255.255.255";

impl Stage {
    fn set(gateway: &str, behind: Option<&[&str]>) -> Result<Self> {
        Self::with_mcu(gateway, None, behind)
    }

    /// As [`Stage::set`], with an MCU elsewhere than in the simulated room.
    fn with_mcu(gateway: &str, mcu: Option<&str>, behind: Option<&[&str]>) -> Result<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir()?;
        let reflector = behind
            .map(|args| Reflector::start(&dir.path().join("hub"), args))
            .transpose()?;
        let upstream = reflector.as_ref().map_or_else(String::new, |reflector| {
            format!("upstream = \"{}\"\n", reflector.at)
        });
        let sim = Sim::start(
            &dir.path().join("sim"),
            &format!("[room]\nseed = 7\n[codec]\nkind = \"cisco\"\n[line]\nnarrow_kbps = 2000\n{upstream}"),
        )?;
        let mcu = mcu.map_or_else(|| sim.address("line.mcu"), Ok)?;
        let agent = agent(dir.path(), &sim, gateway, mcu)?;
        Ok(Self {
            _alone: alone,
            _dir: dir,
            sim,
            agent,
            reflector,
        })
    }

    /// Checks the line, and proves that nobody was sent anything that is not on the reviewed list.
    fn check(&mut self) -> Result<Report> {
        let report = self.agent.check(&["--only", "line"])?.report;
        let violations = self.sim.violations()?;
        ensure!(violations.is_empty(), "{violations:?}");
        Ok(report)
    }

    fn context(&self) -> String {
        self.reflector.as_ref().map(Reflector::said).unwrap_or_default()
    }
}

fn agent(dir: &Path, sim: &Sim, gateway: &str, mcu: &str) -> Result<Agent> {
    let config = format!(
        "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"UBND phường Bãi Cháy\"\n\
         [codec]\ndriver = \"cisco\"\naddress = \"{}\"\n\
         [line]\ngateway = \"{gateway}\"\nmcu = \"{mcu}\"\nreflector = \"{}\"\nrate_kbps = 4096\n\
         [page]\nlisten = \"127.0.0.1:0\"\n",
        sim.address("codec")?,
        sim.address("line.reflector")?,
    );
    Agent::new(&dir.join("agent"), &config)
}

fn find<'a>(report: &'a Report, check: &str) -> Result<&'a Finding> {
    report
        .findings
        .iter()
        .find(|finding| finding.check == check)
        .with_context(|| format!("{check} is missing"))
}

/// `status code` of each check of the line that is measured, by the last part of its name.
fn said(report: &Report) -> Result<Vec<(&'static str, String)>> {
    [
        "gateway",
        "mcu",
        "reflector",
        "up",
        "down",
        "loss",
        "jitter",
        "rtt",
    ]
    .into_iter()
    .map(|check| {
        let finding = find(report, &format!("line.{check}"))?;
        Ok((check, format!("{} {}", finding.status().word(), finding.code)))
    })
    .collect()
}

/// Everything passes except what is named.
fn expect(report: &Report, named: &[(&str, &str)], context: &str) -> Result<()> {
    let said = said(report)?;
    for (check, is) in &said {
        let wanted = named
            .iter()
            .find(|(name, _)| name == check)
            .map_or("pass ok", |(_, wanted)| *wanted);
        ensure!(
            is == wanted,
            "line.{check} is {is}, not {wanted}: {said:?}\n{:#?}\n{context}",
            report.findings
        );
    }
    Ok(())
}

#[test]
fn a_healthy_line_passes_and_the_mcu_hears_nothing() -> Result<()> {
    let mut stage = Stage::set(ALIVE, Some(&[]))?;
    let report = stage.check()?;
    expect(&report, &[], &stage.context())?;
    assert_eq!(report.claimed_verdict().word(), "ready");
    let up = find(&report, "line.up")?;
    assert_eq!(up.unit.as_deref(), Some("kbit/s"));
    assert!(
        up.value.is_some_and(|kbps| (4000.0..=4096.0).contains(&kbps)),
        "{up:?}"
    );
    let loss = find(&report, "line.loss")?;
    assert_eq!((loss.value, loss.params["lost"].as_u64()), (Some(0.0), Some(0)));
    let journal = stage.sim.journal()?.concat();
    assert!(
        journal.contains("a connection to the MCU ended after 0 bytes"),
        "{journal}"
    );
    Ok(())
}

#[test]
fn lost_packets_are_lost_packets_and_nothing_else() -> Result<()> {
    let mut stage = Stage::set(ALIVE, Some(&[]))?;
    for (fault, direction) in [
        ("loss-5", None),
        ("loss-5-up", Some("up")),
        ("loss-5-down", Some("down")),
    ] {
        stage.sim.fault("line", fault, true)?;
        let report = stage.check()?;
        stage.sim.fault("line", fault, false)?;
        let loss = find(&report, "line.loss")?;
        assert_eq!(
            (loss.status().word(), loss.code.as_str()),
            ("fail", "line.loss"),
            "{fault}: {:#?}\n{}",
            report.findings,
            stage.context()
        );
        assert!(
            loss.value.is_some_and(|percent| (3.0..8.0).contains(&percent)),
            "{fault}: {loss:?}"
        );
        if let Some(direction) = direction {
            assert_eq!(loss.params["direction"], direction, "{loss:?}");
        }
        for check in [
            "line.reflector",
            "line.gateway",
            "line.mcu",
            "line.jitter",
            "line.rtt",
        ] {
            assert_eq!(find(&report, check)?.status().word(), "pass", "{fault} {check}");
        }
        // A line that is wide enough is not called narrow because it loses packets.
        for check in ["line.up", "line.down"] {
            let word = find(&report, check)?.status().word();
            assert!(matches!(word, "pass" | "skipped"), "{fault} {check} {word}");
        }
        assert_eq!(report.claimed_verdict().word(), "not-ready");
    }
    Ok(())
}

#[test]
fn a_line_that_carries_half_of_the_call_is_narrow_and_one_red_line() -> Result<()> {
    let mut stage = Stage::set(ALIVE, Some(&[]))?;
    stage.sim.fault("line", "narrow", true)?;
    let report = stage.check()?;
    let up = find(&report, "line.up")?;
    assert_eq!(
        (up.status().word(), up.code.as_str()),
        ("fail", "line.up-low"),
        "{:#?}\n{}",
        report.findings,
        stage.context()
    );
    assert!(
        up.value.is_some_and(|kbps| (1_500.0..2_600.0).contains(&kbps)),
        "{up:?}"
    );
    // Half of it is lost: the box stops sending what does not arrive (RFC 8083).
    assert_eq!(up.params["ended"], "lossy", "{up:?}");
    for check in ["line.down", "line.loss"] {
        let finding = find(&report, check)?;
        assert_eq!(
            (finding.code.as_str(), &finding.params["check"]),
            ("depends-on", &"line.up".into())
        );
    }
    Ok(())
}

#[test]
fn an_unsteady_line_and_a_long_one_are_warnings() -> Result<()> {
    let mut stage = Stage::set(ALIVE, Some(&[]))?;
    stage.sim.fault("line", "jitter", true)?;
    let report = stage.check()?;
    stage.sim.fault("line", "jitter", false)?;
    expect(&report, &[("jitter", "warn line.jitter")], &stage.context())?;
    stage.sim.fault("line", "far", true)?;
    let report = stage.check()?;
    expect(&report, &[("rtt", "warn line.rtt-high")], &stage.context())
}

#[test]
fn a_silent_province_is_one_red_line_with_a_code_to_read_out() -> Result<()> {
    let mut stage = Stage::set(ALIVE, None)?;
    let report = stage.check()?;
    let waits = ["up", "down", "loss", "jitter", "rtt"].map(|check| (check, "skipped depends-on"));
    let named: Vec<_> = std::iter::once(("reflector", "fail line.hub-down"))
        .chain(waits)
        .collect();
    expect(&report, &named, "")?;
    let printed = stage.agent.run(&["check", "--only", "line"])?.stdout;
    let (_, code) = printed
        .split_once("read out code ")
        .with_context(|| printed.clone())?;
    let digits = code.chars().take(7).filter(char::is_ascii_digit).count();
    assert_eq!((digits, code.as_bytes()[3]), (6, b'-'), "{printed}");
    Ok(())
}

#[test]
fn a_dead_router_explains_everything_behind_it() -> Result<()> {
    let mut stage = Stage::with_mcu(DEAD, Some(DEAD), None)?;
    let report = stage.check()?;
    let waits = ["mcu", "reflector", "up", "down", "loss", "jitter", "rtt"]
        .map(|check| (check, "skipped depends-on"));
    let named: Vec<_> = std::iter::once(("gateway", "fail line.gateway-down"))
        .chain(waits)
        .collect();
    expect(&report, &named, "")?;
    assert_eq!(report.claimed_verdict().word(), "not-ready");
    Ok(())
}

#[test]
fn a_router_that_hides_stops_nothing() -> Result<()> {
    let mut stage = Stage::set(DEAD, Some(&[]))?;
    let report = stage.check()?;
    expect(&report, &[("gateway", "unknown no-answer")], &stage.context())
}

#[test]
fn an_mcu_that_listens_nowhere_is_the_centres_affair() -> Result<()> {
    let mut stage = Stage::set(ALIVE, Some(&[]))?;
    stage.sim.fault("line", "mcu-shut", true)?;
    let report = stage.check()?;
    expect(&report, &[("mcu", "fail line.mcu-down")], &stage.context())
}

#[test]
fn in_a_call_nothing_is_sent_over_the_line() -> Result<()> {
    let mut stage = Stage::set(ALIVE, Some(&[]))?;
    stage.sim.fault("codec", "in-call", true)?;
    let report = stage.check()?;
    let skipped =
        ["reflector", "up", "down", "loss", "jitter", "rtt"].map(|check| (check, "skipped in-call"));
    expect(&report, &skipped, &stage.context())?;
    assert!(
        !stage.context().contains("line test begins"),
        "{}",
        stage.context()
    );
    Ok(())
}

#[test]
fn a_province_without_room_for_the_test_is_no_fault() -> Result<()> {
    let mut stage = Stage::set(ALIVE, Some(&["--budget-kbps", "1000"]))?;
    let report = stage.check()?;
    let none: Vec<_> = said(&report)?
        .into_iter()
        .filter(|(_, is)| is.starts_with("fail") || is.starts_with("warn"))
        .collect();
    assert!(none.is_empty(), "{none:?}");
    assert_eq!(find(&report, "line.reflector")?.status().word(), "pass");
    assert_eq!(find(&report, "line.up")?.status().word(), "unknown");
    assert_eq!(report.claimed_verdict().word(), "unknown");
    Ok(())
}
