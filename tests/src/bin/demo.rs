//! `bridgepoint-demo`: what `make demo` shows. A simulated room, a real UPS server, a real broker and the hub
//! are started on free ports with temporary state; the room's box is enrolled and approved, the room is checked,
//! by hand and by itself before a meeting, two devices are broken, it is checked again, and the difference is
//! shown. Everything started here ends here.

use std::io::{self, Write as _};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use bridgepoint_protocol::claims::{Finding, Report, Status};
use bridgepoint_protocol::text::{self, Contacts, Lang, Params};
use bridgepoint_tests::rig::{PATIENCE, until, wall_ms};
use bridgepoint_tests::scenario::{Line, Setting, Stage};
use clap::Parser;

/// Watch a room being checked, end to end.
#[derive(Parser)]
struct Arguments {
    /// End by itself instead of leaving the pages open until Ctrl-C.
    #[arg(long)]
    exit: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _printed = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    match show(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bridgepoint-demo: {error:#}");
            ExitCode::from(70)
        }
    }
}

fn show(arguments: &Arguments) -> Result<()> {
    let dir = tempfile::tempdir()?;
    heading(
        "1",
        "A room, a UPS, a broker and the province",
        "Phòng họp, UPS, máy chủ tỉnh",
    );
    let mut stage = Stage::set(
        dir.path(),
        &Setting {
            hub: true,
            line: Some(Line::default()),
            ..Setting::default()
        },
    )?;
    let hub = stage.hub.as_ref().context("hub")?;
    for device in ["codec", "camera.main", "mic.chair", "mic.left"] {
        say(&format!("   {device:<12} {}", stage.sim.address(device)?))?;
    }
    say(&format!(
        "   {:<12} {}   (upsd, dummy-ups)",
        "ups",
        stage.nut.address()
    ))?;
    say(&format!("   {:<12} {}   (mosquitto)", "broker", hub.broker))?;
    say(&format!(
        "   {:<12} {} → {}   (the hub's reflector)",
        "line",
        stage.sim.address("line.reflector")?,
        hub.reflector
    ))?;

    heading(
        "2",
        "The box asks to be trusted; an operator compares the fingerprint",
        "Đăng ký và duyệt hộp",
    );
    print(&mut stage.agent.command(&["enrol"])?)?;
    say(hub.approve("quang-ninh/bai-chay")?.trim_end())?;

    let (daemon, agent_page) = stage.agent.daemon()?;

    heading("3", "The check", "Kiểm tra");
    let before = check(&stage)?;
    heading("", "The same result in English", "");
    print(&mut stage.agent.command(&["status", "--lang", "en"])?)?;

    heading(
        "4",
        "A meeting: the province plans it, the box checks by itself 90 minutes before",
        "Lịch họp: hộp tự kiểm tra trước giờ họp 90 phút",
    );
    let hub = stage.hub.as_ref().context("hub")?;
    let said = hub.meeting(
        "giao-ban",
        "Giao ban tháng 11",
        wall_ms() + 90 * 60_000 + 5_000,
        &["--chair", "bai-chay", "--rate-kbps", "2048"],
    )?;
    say(said.trim_end())?;
    let made = until("the check before the meeting", PATIENCE * 2, || {
        let report = last_report(&stage)?;
        Ok(Some(report).filter(|report| report.trigger.checkpoint.as_deref() == Some("T-90")))
    })?;
    until("the meeting's report at the province", PATIENCE, || {
        let room = hub.room("quang-ninh/bai-chay")?.to_string();
        Ok(room.contains(&made.run).then_some(()))
    })?;
    print(&mut stage.agent.command(&["status", "--lang", "vi"])?)?;
    say(hub.run(&["meeting", "list"])?.stdout.trim_end())?;

    heading(
        "5",
        "Two things break: a screen loses its cable, the chair's microphone dies",
        "Hỏng hai thiết bị",
    );
    stage.sim.fault("codec", "display-missing", true)?;
    stage.sim.fault("mic.chair", "dead", true)?;
    let after = check(&stage)?;

    heading("6", "The difference", "Khác biệt");
    differences(&before, &after)?;

    heading("7", "The province's picture", "Tỉnh thấy");
    let hub = stage.hub.as_ref().context("hub")?;
    say(hub.run(&["room", "list"])?.stdout.trim_end())?;

    heading("8", "The proof", "Bằng chứng");
    print(&mut stage.agent.command(&["logbook", "verify"])?)?;
    let received = stage.sim.journal()?.len();
    let beyond = stage.sim.violations()?;
    say(&format!(
        "   {received} messages reached the simulated devices; {} of them beyond the reviewed list of questions",
        beyond.len()
    ))?;
    ensure!(
        beyond.is_empty(),
        "sent beyond the reviewed list:\n{}",
        beyond.join("\n")
    );

    heading("9", "The two pages", "Hai trang");
    say(&format!("   the technician's, on the box:  {agent_page}"))?;
    say(&format!("   the operator's, at the hub:    {}/", hub.page))?;
    if !arguments.exit {
        say("   Ctrl-C ends everything that was started here.")?;
        wait_for_interrupt()?;
    }
    drop(daemon);
    Ok(())
}

/// Makes a check as a technician does, progress and all; gives the report.
fn check(stage: &Stage) -> Result<Report> {
    let status = inherit(&mut stage.agent.command(&["check", "--lang", "vi"])?)?;
    ensure!(status <= 3, "the check ended with {status}");
    say(&format!("   exit code {status}"))?;
    last_report(stage)
}

fn last_report(stage: &Stage) -> Result<Report> {
    let output = stage.agent.run(&["status", "--json"])?;
    let value: serde_json::Value = serde_json::from_str(&output.stdout)?;
    serde_json::from_value(value.get("report").cloned().unwrap_or_default()).context("the last report")
}

/// What changed from one report to the next, in both languages.
fn differences(before: &Report, after: &Report) -> Result<()> {
    let none = Contacts::default();
    let (was, is) = (before.claimed_verdict(), after.claimed_verdict());
    say(&format!(
        "   {} → {}   ({} → {})",
        text::verdict(Lang::Vi, was),
        text::verdict(Lang::Vi, is),
        text::verdict(Lang::En, was),
        text::verdict(Lang::En, is)
    ))?;
    let said = |finding: &Finding| (finding.status(), finding.code.clone());
    let mut changed = 0;
    for now in &after.findings {
        let Some(then) = before.findings.iter().find(|f| f.check == now.check) else {
            continue;
        };
        if said(then) == said(now) || now.status() == Status::Skipped {
            continue;
        }
        changed += 1;
        say(&format!(
            "   {}: {} → {}",
            now.check,
            then.status().word(),
            now.status().word()
        ))?;
        for lang in Lang::ALL {
            let sentence = text::finding(lang, now, &none);
            say(&format!(
                "      {}. {}",
                text::headline(lang, now, &none),
                sentence.act
            ))?;
        }
    }
    if changed == 0 {
        say(&text::ui(Lang::Vi, "all-passed", &Params::new()))?;
    }
    Ok(())
}

fn heading(number: &str, english: &str, vietnamese: &str) {
    let dot = if number.is_empty() { "  " } else { ". " };
    let beside = if vietnamese.is_empty() {
        String::new()
    } else {
        format!(" · {vietnamese}")
    };
    println!("\n── {number}{dot}{english}{beside}");
}

fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("standard output")
}

/// Runs a command that has to succeed or give a verdict, with its outputs shown.
fn print(command: &mut Command) -> Result<()> {
    let code = inherit(command)?;
    ensure!(code <= 3, "{command:?} ended with {code}");
    Ok(())
}

fn inherit(command: &mut Command) -> Result<i32> {
    io::stdout().flush()?;
    let status = command.stdin(Stdio::null()).status()?;
    status.code().context("ended by a signal")
}

fn wait_for_interrupt() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            asked = tokio::signal::ctrl_c() => asked,
            _ = term.recv() => Ok(()),
        }
    })?;
    Ok(())
}
