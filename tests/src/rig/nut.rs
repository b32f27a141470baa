//! The real `upsd` of NUT with its `dummy-ups` driver, in a directory of its own.
//!
//! Debian's `/usr/sbin/upsd` is a wrapper that does nothing unless the system's nut.conf says so; the real
//! program stands in `/lib/nut`. Figures are changed through upsd itself, so a change is there when it is told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::process::Process;
use super::{PATIENCE, free_port, installed, until};

/// How old figures may get before upsd calls them stale, seconds.
const MAX_AGE: u32 = 5;

/// A running upsd with one UPS, `room`.
#[derive(Debug)]
pub struct Nut {
    driver: Option<Process>,
    _upsd: Process,
    port: u16,
}

impl Nut {
    /// Starts the driver and the server in `dir`; `dev_file` has the UPS's variables, as dummy-ups reads them.
    ///
    /// # Errors
    /// When they do not start.
    pub fn start(dir: &Path, dev_file: &Path) -> Result<Self> {
        let port = free_port()?;
        let (etc, run) = (dir.join("etc"), dir.join("run"));
        std::fs::create_dir_all(&etc)?;
        std::fs::create_dir_all(&run)?;
        let (path, dev) = (run.display(), std::fs::canonicalize(dev_file)?);
        let dev = dev.display();
        write(
            &etc,
            "ups.conf",
            &format!(
                "maxretry = 1\npollinterval = 1\n[room]\n  driver = dummy-ups\n  port = {dev}\n  mode = dummy-once\n  desc = \"Room UPS (simulated)\"\n"
            ),
        )?;
        write(
            &etc,
            "upsd.conf",
            &format!("LISTEN 127.0.0.1 {port}\nMAXAGE {MAX_AGE}\nSTATEPATH {path}\n"),
        )?;
        write(
            &etc,
            "upsd.users",
            "[rig]\n  password = rig\n  actions = SET\n  instcmds = ALL\n",
        )?;
        let user = whoami()?;
        let start = |name: &str, args: &[&str]| -> Result<Process> {
            let mut command = Command::new(installed(name, &["/lib/nut", "/usr/lib/nut"])?);
            command
                .args(args)
                .args(["-u", &user])
                .env("NUT_CONFPATH", &etc)
                .env("NUT_STATEPATH", &run)
                .env("NUT_ALTPIDPATH", &run);
            Process::start(name, &command)
        };
        let driver = start("dummy-ups", &["-a", "room", "-D"])?;
        let socket = run.join("dummy-ups-room");
        until("the driver's socket", PATIENCE, || {
            Ok(socket.exists().then_some(()))
        })?;
        let upsd = start("upsd", &["-F", "-D"])?;
        let nut = Self {
            driver: Some(driver),
            _upsd: upsd,
            port,
        };
        // Until the driver has read its file upsd says WAIT and knows nothing else.
        nut.wait_for("battery.charge", |answer| answer.starts_with("VAR "))?;
        Ok(nut)
    }

    /// Its address, as a configuration writes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("nut://127.0.0.1:{}/room", self.port)
    }

    /// Changes a variable; it is there when this returns.
    ///
    /// # Errors
    /// When upsd refuses it.
    pub fn set(&self, variable: &str, value: &str) -> Result<()> {
        let mut line = Line::open(self.port)?;
        for request in [
            "USERNAME rig",
            "PASSWORD rig",
            &format!("SET VAR room {variable} \"{value}\""),
        ] {
            let answer = line.ask(request)?;
            if !answer.starts_with("OK") {
                bail!("upsd answered \"{request}\" with \"{answer}\"");
            }
        }
        let wanted = format!("VAR room {variable} \"{value}\"");
        self.wait_for(variable, |answer| answer == wanted)
    }

    /// Kills the driver: upsd stays and says so.
    ///
    /// # Errors
    /// When upsd does not notice.
    pub fn kill_driver(&mut self) -> Result<()> {
        self.driver.take().context("the driver is gone already")?.kill();
        self.wait_for("ups.status", |answer| {
            answer.starts_with("ERR DRIVER-NOT-CONNECTED")
        })
    }

    /// Freezes the driver: its figures get old.
    ///
    /// # Errors
    /// When upsd does not notice.
    pub fn freeze_driver(&mut self) -> Result<()> {
        self.driver
            .as_ref()
            .context("the driver is gone")?
            .signal(Signal::STOP)?;
        self.wait_for("ups.status", |answer| answer.starts_with("ERR DATA-STALE"))
    }

    fn wait_for(&self, variable: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
        until(&format!("upsd's answer about {variable}"), PATIENCE, || {
            let Ok(mut line) = Line::open(self.port) else {
                return Ok(None);
            };
            Ok(line
                .ask(&format!("GET VAR room {variable}"))
                .ok()
                .filter(|answer| wanted(answer))
                .map(drop))
        })
    }
}

impl Drop for Nut {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            // A frozen driver cannot hear that it is to end.
            let _already_gone = driver.signal(Signal::CONT);
        }
    }
}

struct Line(BufReader<TcpStream>);

impl Line {
    fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn ask(&mut self, request: &str) -> Result<String> {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }
}

fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    let path: PathBuf = dir.join(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

/// Drivers drop their rights to a user; here it is the one who runs the test.
fn whoami() -> Result<String> {
    Ok(super::process::succeed(Command::new("id").arg("-un"))?
        .trim()
        .to_owned())
}
