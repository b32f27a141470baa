//! What the service manager hears of the daemon, over a real socket, and what its unit file says to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use anyhow::{Context as _, Result};
use bridgepoint_tests::rig::process::{Process, run};
use bridgepoint_tests::rig::room::Room;
use bridgepoint_tests::rig::{PATIENCE, installed};

#[test]
fn the_service_manager_hears_ready_then_signs_of_life_then_stopping() -> Result<()> {
    let room = Room::new()?;
    let path = room.dir.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path)?;
    // Read all the time, as a service manager does: the socket holds few, and the daemon waits for nobody.
    let (tell, told) = mpsc::channel();
    let reading = std::thread::spawn(move || -> Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let length = manager.recv(&mut bytes)?;
            if tell.send(String::from_utf8(bytes[..length].to_vec())?).is_err() {
                return Ok(());
            }
        }
    });
    let hear = || -> Result<Vec<String>> {
        let text = told.recv_timeout(PATIENCE).context("nothing came in time")?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    let hear_until = |wanted: &str| -> Result<Vec<String>> {
        let mut heard = Vec::new();
        while !heard.iter().any(|line| line == wanted) {
            heard.extend(hear()?);
        }
        Ok(heard)
    };
    let mut command = room.agent.command(&["run", "--lang", "en"])?;
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let daemon = Process::start("bridgepoint-agent run", &command)?;
    let heard = hear_until("READY=1")?;
    assert!(!heard.iter().any(|line| line == "STOPPING=1"), "{heard:?}");
    // Ready means ready: the page and the socket are there.
    let page = daemon.stdout_line(PATIENCE)?;
    assert!(page.starts_with("http://127.0.0.1:"), "{page}");
    assert!(room.agent.state().join("agent.sock").exists());
    for _ in 0..3 {
        hear_until("WATCHDOG=1")?;
    }
    // While a check is made its parts answer as well, and the status says what is done.
    room.agent.check(&[])?;
    hear_until("STATUS=Checking")?;
    hear_until("STATUS=No meeting planned")?;
    hear_until("WATCHDOG=1")?;
    daemon.signal(rustix::process::Signal::TERM)?;
    hear_until("STOPPING=1")?;
    assert_eq!(daemon.ended(PATIENCE)?, 0);
    drop(told);
    UnixDatagram::unbound()?.send_to(b"the end", &path)?;
    reading.join().unwrap()
}

#[test]
fn the_unit_waits_for_the_daemons_word_and_leaves_it_little_of_the_machine() -> Result<()> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/bridgepoint-agent.service");
    let text = std::fs::read_to_string(&unit)?;
    for line in ["Type=notify", "WatchdogSec=120", "TimeoutStopSec=60"] {
        assert!(text.lines().any(|l| l == line), "{line}");
    }
    let analyze = installed("systemd-analyze", &["/usr/bin", "/bin"])?;
    // The threshold is in tenths: 1.5.
    let exposed = run(Command::new(analyze)
        .args(["security", "--offline=yes", "--threshold=15", "--no-pager"])
        .arg(&unit))?;
    assert_eq!(exposed.code, 0, "{}{}", exposed.stdout, exposed.stderr);
    Ok(())
}
