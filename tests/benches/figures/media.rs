//! What it costs that each sound is measured in a process of its own: start, figures and end, over the sound's length.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bridgepoint_tests::rig::{built, installed};
use bridgepoint_tests::scenario::Stage;

use crate::measure::{middle, now, quotient, some};
use crate::table::{Row, time};

/// How long is listened for these figures.
const LISTEN: Duration = Duration::from_millis(500);

/// What a device is given to start up before its sound counts: part of the capture, not of its cost.
const SETTLE: Duration = Duration::from_millis(100);

/// Starts without a list of plug-ins, of which the middle one counts.
const COLD: usize = 5;

/// A process, the agent, its media child on a file and on a sound server, warm and cold.
pub(crate) fn starts(stage: &Stage, dir: &Path) -> Result<Vec<Row>> {
    let agent = built("bridgepoint-agent")?;
    let file = stage
        .sim
        .address("mic.chair")?
        .trim_start_matches("file:")
        .to_owned();
    let sound = |source: serde_json::Value| {
        let ms = u64::try_from(LISTEN.as_millis()).unwrap_or_default();
        serde_json::json!({ "sound": { "source": source, "channel": 0, "duration_ms": ms } }).to_string()
    };
    let of_file = sound(serde_json::json!({ "file": file }));
    // The list of plug-ins that a check has left; one is made here so that it is there.
    let registry = dir.join("gst-registry.bin");
    let media = || {
        let mut command = Command::new(&agent);
        command.arg("media").env("GST_REGISTRY", &registry);
        command
    };
    let cold = (0..COLD).map(|_| {
        let _none_the_first_time = fs::remove_file(&registry);
        let began = now();
        ended(&mut media(), &of_file)?;
        Ok(now() - began)
    });
    let cold = middle(cold.collect::<Result<_>>()?);
    let none = some(|| ended(&mut Command::new("true"), ""))?;
    let version = some(|| ended(Command::new(&agent).arg("--version"), ""))?;
    let warm = some(|| ended(&mut media(), &of_file))?;
    let beside = format!("`true` {}", time(none));
    let mut rows = vec![
        Row::new("bridgepoint-agent --version", time(version)).beside(&beside, quotient(version, none)),
        // A file is read as fast as it can be: all of it is cost.
        Row::new("media child on a file: start, figures, end", time(warm))
            .beside(&beside, quotient(warm, none))
            .at_most(warm.as_secs_f64() * 1e3, 40.0, " ms"),
        Row::new("the same with no list of plug-ins yet", time(cold)).beside(&beside, quotient(cold, none)),
    ];
    match Pulse::start(&dir.join("pulse")) {
        Ok(pulse) => {
            let live = some(|| {
                ended(
                    media().envs(places(&pulse.home)),
                    &sound(serde_json::json!({ "pulse": "room.monitor" })),
                )
            })?;
            let over = live.saturating_sub(LISTEN + SETTLE);
            rows.push(
                Row::new(
                    "media child on a sound server, over the capture's length",
                    time(over),
                )
                .beside(&beside, quotient(over, none))
                .at_most(over.as_secs_f64() * 1e3, 40.0, " ms"),
            );
        }
        Err(why) => eprintln!("no figure of a live sound: {why:#}"),
    }
    Ok(rows)
}

/// A sound server of this program's own with a silent room; ended when dropped.
struct Pulse {
    home: String,
    server: Child,
    listener: Child,
}

impl Pulse {
    fn start(home: &Path) -> Result<Self> {
        fs::create_dir_all(home)?;
        let home = home.display().to_string();
        let parec = installed("parec", &["/usr/bin"])?;
        let mut server = Command::new(installed("pulseaudio", &["/usr/bin"])?)
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .args(["--log-level=info", "--log-target=stderr"])
            .args(["-L", "module-null-sink sink_name=room rate=48000 channels=1"])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix auth-anonymous=1 socket={home}/pulse.sock"
            ))
            .envs(places(&home))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = server.stderr.take().context("its log")?;
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let up = lines.any(|line| line.contains("Daemon startup complete"));
        // Read on, so that it is never blocked by its own log.
        std::thread::spawn(move || lines.for_each(drop));
        // A room made of nothing gives its sound in blocks of two seconds, until somebody listens closely.
        let listener = Command::new(parec)
            .args(["--latency-msec=10", "--device=room.monitor"])
            .envs(places(&home))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match listener {
            Ok(listener) if up => Ok(Self {
                home,
                server,
                listener,
            }),
            other => {
                server.kill()?;
                server.wait()?;
                other.map(drop)?;
                bail!("PulseAudio did not start")
            }
        }
    }
}

/// Where a program finds the sound server in `home`, and nothing of the user's.
fn places(home: &str) -> [(&'static str, String); 3] {
    [
        ("PULSE_SERVER", format!("unix:{home}/pulse.sock")),
        ("HOME", home.to_owned()),
        ("XDG_RUNTIME_DIR", home.to_owned()),
    ]
}

impl Drop for Pulse {
    fn drop(&mut self) {
        for child in [&mut self.listener, &mut self.server] {
            let _already_gone = child.kill();
            let _reaped = child.wait();
        }
    }
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
