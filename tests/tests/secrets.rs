//! A private key stays in its file: not in what programs say, keep, send or show, with everything logged, and not in what is
//! left of a program that crashes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)] // a test file

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use bridgepoint_tests::rig::agent::{Agent, small_room};
use bridgepoint_tests::rig::hub::Hub;
use bridgepoint_tests::rig::played::{Played, hub_key};
use bridgepoint_tests::rig::process::{Output, Process, run, succeed};
use bridgepoint_tests::rig::room::{ROOM, Room, open_to_all, waiting};
use bridgepoint_tests::rig::{PATIENCE, built, http, mqtt, skipped, until};
use bridgepoint_tests::secrets::Secret;
use rustix::process::{Pid, Signal, kill_process};

/// What was written somewhere, and where.
#[derive(Default)]
struct Written(Vec<(String, Vec<u8>)>);

impl Written {
    fn add(&mut self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.to_owned(), bytes.into()));
    }

    /// Every file below `dir` but the key files themselves, which are readable for their owner alone.
    fn add_files(&mut self, dir: &Path) -> Result<()> {
        for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                self.add_files(&path)?;
            } else if is_key(&path) {
                assert_eq!(
                    entry.metadata()?.permissions().mode() & 0o777,
                    0o600,
                    "{}",
                    path.display()
                );
            } else if kind.is_file() {
                self.add(&path.display().to_string(), fs::read(&path)?);
            }
        }
        Ok(())
    }

    /// Nothing of it holds the key; and the search would have found it there.
    fn must_not_hold(&self, document: &[u8]) {
        let secret = Secret::of_pkcs8(document).unwrap();
        for (place, bytes) in &self.0 {
            assert_eq!(secret.found_in(bytes), None, "a private key in {place}");
        }
        let (place, bytes) = self.0.first().unwrap();
        let planted = [bytes.as_slice(), document].concat();
        assert!(
            secret.found_in(&planted).is_some(),
            "planted at the end of {place}"
        );
    }
}

fn is_key(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pk8")
}

/// A command of the box with everything logged.
fn traced(agent: &Agent, args: &[&str]) -> Result<Command> {
    let mut command = agent.command(args)?;
    command.env("BRIDGEPOINT_LOG", "trace");
    Ok(command)
}

#[test]
fn a_room_and_its_hub_write_their_keys_nowhere_else() -> Result<()> {
    let room = Room::new()?;
    let hub = Hub::start_logging(&room.dir.path().join("hub"), "trace")?;
    let listener = mqtt::everything(&hub.socket())?;
    let config = small_room("bai-chay", room.sim.address("codec")?, Some(&hub.broker));
    let agent = Agent::new(&room.dir.path().join("agent"), &config)?;
    let mut written = Written::default();
    let mut said = |what: &str, output: Output| {
        written.add(&format!("{what}, standard output"), output.stdout);
        written.add(&format!("{what}, standard error"), output.stderr);
    };
    for args in [&["enrol"][..], &["key", "show"], &["key", "show", "--json"]] {
        said(&args.join(" "), run(&mut traced(&agent, args)?)?);
    }
    hub.approve(ROOM)?;
    let daemon = Process::start("bridgepoint-agent run", &traced(&agent, &["run"])?)?;
    let page = daemon.stdout_line(PATIENCE)?;
    said("check", run(&mut traced(&agent, &["check", "--json"])?)?);
    said("enrol again", run(&mut traced(&agent, &["enrol"])?)?);
    until("the receipts", PATIENCE, || {
        Ok((waiting(&agent)? == 0).then_some(()))
    })?;
    for args in [
        &["status"][..],
        &["logbook", "list", "--json"],
        &["logbook", "verify"],
    ] {
        said(&args.join(" "), run(&mut traced(&agent, args)?)?);
    }
    said("the hub's key show", hub.run(&["key", "show", "--json"])?);
    said("the hub's room show", hub.run(&["room", "show", ROOM, "--json"])?);
    for path in ["/", "/api/status"] {
        written.add(&format!("the page {path}"), http::get(&page, path)?.body);
    }
    for path in [
        "/".to_owned(),
        format!("/rooms/{ROOM}"),
        format!("/api/v1/rooms/{ROOM}"),
    ] {
        written.add(
            &format!("the hub's page {path}"),
            http::get(&hub.page, &path)?.body,
        );
    }
    // While both run: what is still in the database's journal is on the disk as well.
    written.add_files(room.dir.path())?;
    let heard = listener.said();
    assert!(
        heard.contains("/report ") && heard.contains("/receipt ") && heard.contains("_hub/key "),
        "{heard}"
    );
    written.add("the broker", heard);
    let log = daemon.said();
    assert!(
        log.contains("INFO"),
        "more is logged than without being asked: {log}"
    );
    written.add("the daemon", log);
    written.add("the hub", hub.said());
    let own = fs::read(agent.state().join("key.pk8"))?;
    let hubs = fs::read(hub.state().join("key.pk8"))?;
    for document in [own, hubs] {
        written.must_not_hold(&document);
    }
    assert!(written.0.iter().any(|(place, _)| place.ends_with("hub.db")));
    assert!(written.0.iter().any(|(place, _)| place.ends_with(".log")));
    Ok(())
}

#[test]
fn a_change_of_keys_writes_neither_key() -> Result<()> {
    let (room, key) = (Room::new()?, hub_key()?);
    let hub = Played::start(&room.dir.path().join("broker"), ROOM)?;
    let config = small_room("bai-chay", room.sim.address("codec")?, Some(hub.address()));
    let agent = Agent::new(&room.dir.path().join("agent"), &config)?;
    hub.show(&key, &[])?;
    let daemon = Process::start("bridgepoint-agent run", &traced(&agent, &["run"])?)?;
    let page = daemon.stdout_line(PATIENCE)?;
    hub.receipt(&key, &hub.until(|sent| sent.topic == "enrol")?)?;
    let file = |name: &str| fs::read(agent.state().join(name));
    let old = file("key.pk8")?;
    let rotating = Process::start("key rotate", &traced(&agent, &["key", "rotate"])?)?;
    let entry = hub.until(|sent| sent.topic == "event")?;
    let next = file("key.next.pk8")?;
    let mut written = Written::default();
    written.add("key show", run(&mut traced(&agent, &["key", "show"])?)?.stdout);
    written.add_files(agent.state())?;
    hub.receipt(&key, &entry)?;
    hub.receipt(&key, &hub.until(|sent| sent.topic == "enrol")?)?;
    rotating.stdout_line(PATIENCE)?;
    assert_eq!(file("key.pk8")?, next);
    written.add_files(agent.state())?;
    written.add("key rotate", rotating.said());
    written.add("the page", http::get(&page, "/api/status")?.body);
    written.add("the daemon", daemon.said());
    written.add("the broker", hub.said());
    for document in [&old, &next] {
        written.must_not_hold(document);
    }
    Ok(())
}

/// Starts a program that may leave a core in `dir`, as far as its limits go, as a user who is not root.
fn may_dump(dir: &Path, program: &[&str]) -> Result<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c \"$(ulimit -H -c)\"; exec \"$@\"", "sh"]);
    shell.args(as_nobody()?).args(program).current_dir(dir);
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(shell.spawn()?)
}

/// What goes before a command so that it is not made as root, who may look everywhere.
fn as_nobody() -> Result<&'static [&'static str]> {
    let root = succeed(Command::new("id").arg("-u"))?.trim() == "0";
    Ok(if root {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    } else {
        &[]
    })
}

fn cores(dir: &Path) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(dir)?.map(|entry| Ok(entry?.path()));
    let files: Vec<PathBuf> = files.collect::<Result<_>>()?;
    let is_core = |path: &PathBuf| {
        let name = path.file_name().map(std::ffi::OsStr::to_string_lossy);
        name.is_some_and(|name| name.starts_with("core"))
    };
    Ok(files.into_iter().filter(is_core).collect())
}

#[test]
fn a_crash_leaves_no_core_and_nobody_looks_into_a_running_program() -> Result<()> {
    let dir = tempfile::tempdir()?;
    open_to_all(dir.path())?;
    let place = |name: &str| -> Result<PathBuf> {
        let path = dir.path().join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        Ok(path)
    };
    // Where the programs are built, another user may not get to.
    let copied = |name: &str| -> Result<String> {
        let copy = dir.path().join(name);
        fs::copy(built(name)?, &copy)?;
        Ok(copy.display().to_string())
    };
    let (room, hub) = (place("room")?, place("hub")?);
    let written = |path: PathBuf, text: &str| -> Result<String> {
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let room_toml = written(
        room.join("room.toml"),
        &small_room("bai-chay", "tcp://127.0.0.1:1", None),
    )?;
    let hub_toml = written(hub.join("hub.toml"), "[hub]\norgs = [\"quang-ninh\"]\n")?;
    let (room_state, hub_state) = (room.join("state"), hub.join("state"));
    let (room_state, hub_state) = (room_state.display().to_string(), hub_state.display().to_string());
    let (agent, reflector) = (copied("bridgepoint-agent")?, copied("bridgepoint-hub")?);
    let run_agent = [&agent, "run", "--config", &room_toml, "--state", &room_state];
    let listen = "127.0.0.1:0";
    let run_hub = [
        &reflector,
        "reflector",
        "--listen",
        listen,
        "--config",
        &hub_toml,
        "--state",
        &hub_state,
    ];
    for (name, program, ours) in [
        ("bridgepoint-agent", &run_agent[..], true),
        ("bridgepoint-hub", &run_hub, true),
        ("sleep", &["sleep", "1000"], false),
    ] {
        let here = place(&format!("{name}-here"))?;
        let mut child = may_dump(&here, program)?;
        let process = format!("/proc/{}", child.id());
        let limited = || -> Result<bool> {
            let limits = fs::read_to_string(format!("{process}/limits"))?;
            let mut lines = limits.lines();
            let line = lines.find_map(|line| line.strip_prefix("Max core file size"));
            Ok(line.is_some_and(|line| line.split_whitespace().take(2).all(|limit| limit == "0")))
        };
        // The shell has become the program, and the program has closed itself: the first thing that it does.
        until(name, PATIENCE, || {
            let comm = fs::read_to_string(format!("{process}/comm"))?;
            Ok((name.starts_with(comm.trim()) && (limited()? || !ours)).then_some(()))
        })?;
        // What only a user's own programs may read, where they may.
        let environment = format!("{process}/environ");
        let look = ["cat", environment.as_str()];
        let looked = || -> Result<bool> {
            let all: Vec<&str> = as_nobody()?.iter().chain(&look).copied().collect();
            Ok(run(Command::new(all[0]).args(&all[1..]))?.code == 0)
        };
        if ours {
            until("the closed door", PATIENCE, || Ok((!looked()?).then_some(())))?;
        } else {
            assert!(looked()?, "another program's door stands open");
        }
        kill_process(Pid::from_child(&child), Signal::ABORT)?;
        let status = until(name, PATIENCE, || Ok(child.try_wait()?))?;
        assert_eq!(status.signal(), Some(6), "{name}");
        if ours {
            assert!(!status.core_dumped(), "{name}");
            assert_eq!(cores(&here)?, Vec::<PathBuf>::new(), "{name}");
        } else if !status.core_dumped() {
            skipped(
                "this machine writes no core of any program: that of ours is proved by its limit and its closed door",
            );
        }
    }
    Ok(())
}
