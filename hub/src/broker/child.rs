//! Mosquitto as a process: started, told of changes, started again when it ends, and ended with the hub.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bridgepoint_protocol::name::RoomAddress;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStderr, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::conf;
use crate::file;

/// It must listen within this time.
const START: Duration = Duration::from_secs(10);

/// It must end within this time when asked to; then it is killed.
const END: Duration = Duration::from_secs(5);

/// First wait before it is started again; doubled up to [`LONGEST_REST`].
const REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(15);

/// How often it is looked whether a leftover has ended, and how many times.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 250;

/// The file with its process number, for a hub that comes after one that was killed.
const PID: &str = "pid";

/// Lines of its last words that are kept.
const LAST_WORDS: usize = 8;

/// The process and its watch.
#[derive(Debug)]
pub struct Child {
    stop: watch::Sender<bool>,
    watch: JoinHandle<()>,
}

/// Finds a program on the search path, and in the directories for system programs that are often not on it.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Ends a process that a killed hub has left in `dir`. The hub holds the state directory's lock, so what is still
/// there is nobody's.
pub async fn end_leftover(dir: &Path) {
    let Ok(text) = std::fs::read_to_string(dir.join(PID)) else {
        return;
    };
    let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else {
        return;
    };
    // The number may be somebody else's by now: only a process that works in this directory is ours.
    let cwd = PathBuf::from(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
    let there = || std::fs::read_link(&cwd).is_ok_and(|at| at == dir);
    for (signal, mut looks) in [(Signal::TERM, LOOKS), (Signal::KILL, LOOKS)] {
        if !there() {
            return;
        }
        tracing::info!(?signal, "a broker is left over from before; it is ended");
        let _ = kill_process(pid, signal);
        while there() && looks > 0 {
            sleep(LOOK).await;
            looks -= 1;
        }
    }
}

impl Child {
    /// Starts it in `dir` and waits until it says that it runs. From then on it is watched.
    ///
    /// # Errors
    /// Its last words when it ends before it runs.
    pub async fn start(
        program: &Path,
        dir: &Path,
        access: watch::Receiver<BTreeSet<RoomAddress>>,
    ) -> Result<Self, String> {
        let (stop, stopped) = watch::channel(false);
        let (ready, is_ready) = oneshot::channel();
        let keeper = Keeper {
            program: program.to_owned(),
            dir: dir.to_owned(),
            access,
            stopped,
        };
        // A local task: a child is ended when the thread that started it ends, and the hub's own lives longest.
        let watch = tokio::task::spawn_local(keeper.keep(ready));
        match timeout(START, is_ready).await {
            Ok(Ok(Ok(()))) => Ok(Self { stop, watch }),
            Ok(Ok(Err(said))) => Err(said),
            Ok(Err(_)) => Err("it could not be watched".into()),
            Err(_) => {
                Self { stop, watch }.stop().await;
                Err(format!("it was not ready after {} s", START.as_secs()))
            }
        }
    }

    /// Ends it and waits until it has ended.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if timeout(END + END, self.watch).await.is_err() {
            tracing::error!("mosquitto's watch does not end");
        }
    }
}

struct Keeper {
    program: PathBuf,
    dir: PathBuf,
    access: watch::Receiver<BTreeSet<RoomAddress>>,
    stopped: watch::Receiver<bool>,
}

/// Why a run of the process ended.
enum Ended {
    Stopped,
    Died { said: String, ran: bool },
}

impl Keeper {
    async fn keep(mut self, ready: oneshot::Sender<Result<(), String>>) {
        let mut ready = Some(ready);
        let mut rest = REST;
        loop {
            match self.run(&mut ready).await {
                Ended::Stopped => return,
                Ended::Died { said, ran } => {
                    if let Some(ready) = ready.take() {
                        let _ = ready.send(Err(said));
                        return;
                    }
                    tracing::error!(said, "mosquitto has ended; it is started again");
                    rest = if ran { REST } else { (rest * 2).min(LONGEST_REST) };
                }
            }
            tokio::select! {
                () = sleep(rest) => {}
                _ = self.stopped.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn run(&mut self, ready: &mut Option<oneshot::Sender<Result<(), String>>>) -> Ended {
        let died = |said: String, ran| Ended::Died { said, ran };
        if let Err(e) = self.write_access() {
            return died(e, false);
        }
        // A socket that a killed predecessor left behind would be in the way.
        let _ = std::fs::remove_file(self.dir.join(conf::HUB_SOCKET));
        let mut child = match self.command().spawn() {
            Ok(child) => child,
            Err(e) => return died(e.to_string(), false),
        };
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(e) = file::replace(&self.dir.join(PID), pid.as_raw_nonzero().to_string().as_bytes())
        {
            return died(e.to_string(), false);
        }
        let mut lines = child.stderr.take().map(|stderr| BufReader::new(stderr).lines());
        let mut words = VecDeque::new();
        let mut ran = false;
        let mut stopped = self.stopped.clone();
        loop {
            tokio::select! {
                line = next_line(&mut lines) => {
                    if line.contains("running") {
                        ran = true;
                        if let Some(ready) = ready.take() {
                            let _ = ready.send(Ok(()));
                        }
                    }
                    if line.contains("Error") {
                        tracing::error!(target: "mosquitto", "{line}");
                    } else {
                        tracing::debug!(target: "mosquitto", "{line}");
                    }
                    words.push_back(line);
                    if words.len() > LAST_WORDS {
                        words.pop_front();
                    }
                }
                status = child.wait() => {
                    // What it said last is still in the pipe.
                    while let Ok(line) = timeout(Duration::from_millis(200), next_line(&mut lines)).await {
                        words.push_back(line);
                    }
                    let status = status.map_or_else(|e| e.to_string(), |s| s.to_string());
                    let said = words.into_iter().filter(|w| w.contains("Error") || w.contains("rror:")).collect::<Vec<_>>();
                    return died(if said.is_empty() { status } else { said.join("; ") }, ran);
                }
                changed = self.access.changed() => {
                    if changed.is_err() {
                        // The hub is ending; nothing changes any more.
                        end(&mut child, pid).await;
                        return Ended::Stopped;
                    }
                    if let Err(e) = self.write_access() {
                        tracing::error!(error = e, "the rooms' access rules cannot be written; new rooms are kept out");
                    } else if let Some(pid) = pid {
                        let _ = kill_process(pid, Signal::HUP);
                    }
                }
                _ = stopped.wait_for(|stop| *stop) => {
                    end(&mut child, pid).await;
                    return Ended::Stopped;
                }
            }
        }
    }

    fn command(&self) -> Command {
        // With setpriv the kernel ends it when the hub is killed; without, only an orderly end does.
        let mut command = match find("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "TERM"]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(["-c", conf::CONF]).current_dir(&self.dir);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn write_access(&mut self) -> Result<(), String> {
        let text = conf::rooms_acl(&self.access.borrow_and_update());
        let path = self.dir.join(conf::ROOMS_ACL);
        file::replace(&path, text.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// The next line that it says; never, when it has closed its mouth.
async fn next_line(lines: &mut Option<Lines<BufReader<ChildStderr>>>) -> String {
    if let Some(open) = lines
        && let Ok(Some(line)) = open.next_line().await
    {
        return line;
    }
    *lines = None;
    std::future::pending().await
}

async fn end(child: &mut tokio::process::Child, pid: Option<Pid>) {
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if timeout(END, child.wait()).await.is_err() {
        tracing::warn!("mosquitto does not end; it is killed");
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn programs_are_found_or_not() {
        assert!(find("sh").is_some());
        assert!(find("mosquitto-that-is-not-there").is_none());
    }
}
