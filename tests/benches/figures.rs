//! The figures (`make bench`): how long things take here, each beside something that the same machine needs anyhow, so
//! that the quotient says something on another machine too. Printed, never judged.
//!
//! * a whole healthy check ÷ the longest chain of probes that have to come after each other;
//! * opening an envelope, and a report with it, ÷ the bare signature check in ring;
//! * a media child that measures a tenth of a second of sound, and the programs' own start, ÷ the start of `true`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test program

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use bridgepoint_protocol::check::{self, Probe, Take};
use bridgepoint_protocol::claims::{Report, Status};
use bridgepoint_protocol::envelope::{Jwk, Kind, VerifyingKey, open};
use bridgepoint_tests::rig::built;
use bridgepoint_tests::scenario::{Setting, Stage};
use ring::signature::{ED25519, UnparsedPublicKey};

/// Times of one thing, of which the middle one counts.
const TAKES: usize = 21;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::set(dir.path(), &Setting::default())?;
    println!("{:<58} {:>12} {:>9}", "", "figure", "quotient");
    whole_check(&stage)?;
    envelopes(&stage)?;
    starts(&stage)
}

fn line(what: &str, took: Duration, quotient: Option<f64>) {
    let quotient = quotient.map_or_else(|| "1".to_owned(), |q| format!("{q:.2}"));
    println!("{what:<58} {:>9.3} ms {quotient:>9}", took.as_secs_f64() * 1000.0);
}

fn quotient(a: Duration, b: Duration) -> Option<f64> {
    Some(a.as_secs_f64() / b.as_secs_f64())
}

/// A whole check of a healthy room against what cannot be made shorter by asking at once.
fn whole_check(stage: &Stage) -> Result<()> {
    let mut shown: Option<(Duration, Duration, String)> = None;
    for _ in 0..3 {
        let began = now();
        let check = stage.agent.check(&[])?;
        let took = now() - began;
        ensure!(
            check.code <= 1,
            "the room is not healthy: {:?}",
            check.report.findings
        );
        let (chain, names) = longest_chain(&check.report)?;
        if shown.as_ref().is_none_or(|(before, ..)| took < *before) {
            shown = Some((took, chain, names));
        }
    }
    let (took, chain, names) = shown.context("a check")?;
    line(&format!("longest chain of probes ({names})"), chain, None);
    line(
        "whole check of a healthy room, program start to exit",
        took,
        quotient(took, chain),
    );
    Ok(())
}

/// The longest chain among: each act alone; a camera after the codec, which says whether there is a call; everything that
/// takes the air, or the wire, alone, with the longest of those that share it.
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
    let cameras = acts.iter().filter(|((probe, _), _)| *probe == Probe::Camera);
    chains.extend(cameras.map(|(act, ms)| (codec + ms, format!("Codec, {}", name(act)))));
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

/// What the hub does with each report against what the mathematics of it costs.
fn envelopes(stage: &Stage) -> Result<()> {
    let jwk = stage.agent.run(&["key", "show", "--json"])?.stdout;
    let jwk: Jwk = serde_json::from_str(&jwk)?;
    let key = VerifyingKey::from_jwk(&jwk).map_err(|error| anyhow::anyhow!("{error}"))?;
    let jws = stage.agent.lines()?.swap_remove(0);
    let (signed, signature) = jws.rsplit_once('.').context("an envelope")?;
    let decode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
    let point: serde_json::Value = serde_json::to_value(&jwk)?;
    let (signature, point) = (decode(signature)?, decode(point["x"].as_str().context("x")?)?);
    let bare_key = UnparsedPublicKey::new(&ED25519, point);

    let bare = many(|| bare_key.verify(black_box(signed.as_bytes()), &signature).unwrap());
    let opened = many(|| {
        black_box(
            open(black_box(jws.as_bytes()), &[Kind::Report], |kid| {
                (*kid == key.kid()).then_some(key)
            })
            .unwrap(),
        );
    });
    let report = many(|| {
        let opened = open(black_box(jws.as_bytes()), &[Kind::Report], |kid| {
            (*kid == key.kid()).then_some(key)
        })
        .unwrap();
        black_box(opened.claims::<Report>().unwrap());
    });
    let size = format!("{:.1} KiB", f64::from(u32::try_from(jws.len())?) / 1024.0);
    line(
        &format!("bare Ed25519 verification of a report of {size}"),
        bare,
        None,
    );
    line(
        "envelope opened (header, key, signature)",
        opened,
        quotient(opened, bare),
    );
    line("report opened and read", report, quotient(report, bare));
    Ok(())
}

/// What starting a process for each sound costs.
fn starts(stage: &Stage) -> Result<()> {
    let agent = built("bridgepoint-agent")?;
    let file = stage
        .sim
        .address("mic.chair")?
        .trim_start_matches("file:")
        .to_owned();
    let request =
        serde_json::json!({ "sound": { "source": { "file": file }, "channel": 0, "duration_ms": 100 } });
    let registry = stage.agent.state().join("gst-registry.bin");
    let none = some(|| ended(&mut Command::new("true"), ""))?;
    let version = some(|| ended(Command::new(&agent).arg("--version"), ""))?;
    let media = some(|| {
        ended(
            Command::new(&agent).arg("media").env("GST_REGISTRY", &registry),
            &request.to_string(),
        )
    })?;
    fs::remove_file(&registry).context("the plug-in list that the checks have left")?;
    let began = now();
    ended(
        Command::new(&agent).arg("media").env("GST_REGISTRY", &registry),
        &request.to_string(),
    )?;
    let cold = now() - began;
    line("a process started and ended (true)", none, None);
    line("bridgepoint-agent --version", version, quotient(version, none));
    line(
        "media child: 100 ms of a file measured",
        media,
        quotient(media, none),
    );
    line(
        "the same with no list of plug-ins yet (first check)",
        cold,
        quotient(cold, none),
    );
    Ok(())
}

fn ended(command: &mut Command, input: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that reads nothing may have gone already.
        let _gone = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && !said.contains("\"error\""),
        "{command:?}: {said}"
    );
    Ok(())
}

/// One of many quick calls.
fn many(mut act: impl FnMut()) -> Duration {
    const TIMES: u32 = 50;
    let taken = (0..TAKES).map(|_| {
        let began = now();
        for _ in 0..TIMES {
            act();
        }
        (now() - began) / TIMES
    });
    middle(taken.collect())
}

/// One of some slow calls.
fn some(mut act: impl FnMut() -> Result<()>) -> Result<Duration> {
    let taken: Result<Vec<Duration>> = (0..TAKES)
        .map(|_| {
            let began = now();
            act()?;
            Ok(now() - began)
        })
        .collect();
    Ok(middle(taken?))
}

fn middle(mut taken: Vec<Duration>) -> Duration {
    taken.sort();
    taken[taken.len() / 2]
}

#[allow(clippy::disallowed_methods)] // to measure is what this program is for
fn now() -> Instant {
    Instant::now()
}
