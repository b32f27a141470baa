//! What an agent costs that does nothing: connected, taken by the hub, with a check behind it. Memory, processor time
//! and wakeups over one window of time, beside other programs that only wait, on the same broker in the same window.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::park_timeout;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bridgepoint_tests::rig::installed;
use bridgepoint_tests::rig::process::Process;
use bridgepoint_tests::rig::room::Province;

use crate::measure::now;
use crate::table::Row;

/// The window. Longer than two keep-alives of the connection to the broker.
const WINDOW: Duration = Duration::from_secs(75);

/// What the kernel says of a process, and of the window.
struct Idle {
    name: &'static str,
    /// Resident memory, its own part of shared pages, what it has written itself; kB.
    rss: u64,
    pss: u64,
    own: u64,
    threads: usize,
    /// On a processor in the window, ns.
    ran_ns: u64,
    /// Times that a thread of it went to sleep by itself in the window, and times that one was put on a processor.
    waits: u64,
    turns: u64,
    window: Duration,
}

/// The rows of the idle agent.
pub(crate) fn idle(dir: &Path) -> Result<Vec<Row>> {
    let province = Province::approved()?;
    let (daemon, _page) = province.agent.daemon()?;
    let check = province.agent.check(&[])?;
    // A machine that is busy with other things warns of its own load.
    ensure!(
        check.code <= 1,
        "the room is not healthy: {:?}",
        check.report.findings
    );
    // The daemon has the hub's receipt for it, so that nothing is on its way any more.
    province.hub_has("the check", |room| room.to_string().contains(&check.report.run))?;
    let mut watched = vec![("bridgepoint-agent run", daemon)];
    match subscriber(&province) {
        Ok(client) => watched.push(("mosquitto_sub", client)),
        Err(why) => eprintln!("no figures of mosquitto_sub: {why:#}"),
    }
    match zabbix(dir) {
        Ok(agent) => watched.push(("zabbix-agent2", agent)),
        Err(why) => eprintln!("no figures of zabbix-agent2: {why:#}"),
    }
    let found = window(&watched)?;
    for idle in &found {
        eprintln!(
            "  {}: RSS {} kB, PSS {} kB, its own {} kB, {} threads; in {:.0} s: {:.1} ms on a processor, \
             {} waits, {} turns",
            idle.name,
            idle.rss,
            idle.pss,
            idle.own,
            idle.threads,
            idle.window.as_secs_f64(),
            idle.ran_ns as f64 / 1e6,
            idle.waits,
            idle.turns
        );
    }
    let (ours, others) = found.split_first().context("the agent")?;
    let mut rows = Vec::new();
    for (what, unit, limit, digits, figure) in FIGURES {
        let own = figure(ours);
        let shown = |value: f64| format!("{value:.digits$} {unit}");
        for (first, other) in std::iter::once(true).chain(std::iter::repeat(false)).zip(others) {
            let value = figure(other);
            let mut row = Row::new(format!("idle agent: {what}"), shown(own))
                .beside(format!("{} {}", other.name, shown(value)), own / value);
            if let Some(limit) = limit.filter(|_| first) {
                row = row.at_most(own, limit, &format!(" {unit}"));
            }
            rows.push(row);
        }
        if others.is_empty() {
            rows.push(Row::new(format!("idle agent: {what}"), shown(own)));
        }
    }
    Ok(rows)
}

/// What is shown of an idle program: what, unit, the most that it is to be, digits, how it is computed.
type Figure = (&'static str, &'static str, Option<f64>, usize, fn(&Idle) -> f64);

const FIGURES: [Figure; 5] = [
    ("resident memory", "MB", Some(6.0), 1, |i| i.rss as f64 / 1024.0),
    ("its share of shared pages (PSS)", "MB", None, 1, |i| {
        i.pss as f64 / 1024.0
    }),
    ("memory of its own (written by it)", "MB", None, 1, |i| {
        i.own as f64 / 1024.0
    }),
    ("wakeups", "/s", Some(0.2), 2, |i| {
        i.waits as f64 / i.window.as_secs_f64()
    }),
    ("processor time", "s/h", None, 3, |i| {
        i.ran_ns as f64 / 1e9 / i.window.as_secs_f64() * 3600.0
    }),
];

/// Mosquitto's own client, as it is installed, on the same broker.
fn subscriber(province: &Province) -> Result<Process> {
    let mut command = Command::new(installed("mosquitto_sub", &["/usr/bin", "/usr/local/bin"])?);
    command
        .args(["-V", "mqttv5", "-u", "hub", "-i", "beside", "--unix"])
        .arg(province.hub.socket())
        .args(["-t", "nothing/comes/here"]);
    Process::start("mosquitto_sub", &command)
}

/// The agent of a monitoring system, waiting for somebody to ask it.
fn zabbix(dir: &Path) -> Result<Process> {
    let program = installed("zabbix_agent2", &["/usr/sbin", "/usr/bin"])?;
    let config = dir.join("zabbix.conf");
    fs::write(
        &config,
        "LogType=console\nServer=127.0.0.1\nListenIP=127.0.0.1\nListenPort=0\nHostname=beside\n",
    )?;
    let mut command = Command::new(program);
    command.arg("-f").arg("-c").arg(config);
    Process::start("zabbix-agent2", &command)
}

/// Watches the processes over one window.
fn window(watched: &[(&'static str, Process)]) -> Result<Vec<Idle>> {
    // What the start has left to do is done in the first seconds.
    pass(Duration::from_secs(10));
    let began = now();
    let before: Vec<Threads> = watched
        .iter()
        .map(|(_, p)| threads(p.id()))
        .collect::<Result<_>>()?;
    pass(WINDOW);
    let window = now() - began;
    let mut found = Vec::new();
    for ((name, process), before) in watched.iter().zip(before) {
        let after = threads(process.id()).with_context(|| format!("{name}: {}", process.said()))?;
        let (mut ran_ns, mut waits, mut turns) = (0, 0, 0);
        for (id, thread) in &after {
            let was = before.get(id).copied().unwrap_or_default();
            ran_ns += thread.ran_ns - was.ran_ns;
            waits += thread.waits - was.waits;
            turns += thread.turns - was.turns;
        }
        let memory = memory(process.id())?;
        found.push(Idle {
            name,
            rss: memory.get("Rss").copied().unwrap_or_default(),
            pss: memory.get("Pss").copied().unwrap_or_default(),
            // Not the private dirty pages: those of a program just built are the file's, until it is on the disk.
            own: memory.get("Anonymous").copied().unwrap_or_default(),
            threads: after.len(),
            ran_ns,
            waits,
            turns,
            window,
        });
    }
    Ok(found)
}

/// Lets time pass: it is what is measured here.
fn pass(time: Duration) {
    let end = now() + time;
    while let Some(left) = end.checked_duration_since(now()).filter(|left| !left.is_zero()) {
        park_timeout(left);
    }
}

/// What the kernel counts of a thread.
#[derive(Debug, Clone, Copy, Default)]
struct Thread {
    ran_ns: u64,
    turns: u64,
    waits: u64,
}

type Threads = BTreeMap<u32, Thread>;

fn threads(process: u32) -> Result<Threads> {
    let mut threads = Threads::new();
    let folder = format!("/proc/{process}/task");
    for thread in fs::read_dir(&folder).with_context(|| folder.clone())? {
        let path = thread?.path();
        let id = path
            .file_name()
            .and_then(|id| id.to_str()?.parse().ok())
            .context("a thread's id")?;
        // A thread that ends between the list and the look at it is not counted.
        let (Ok(times), Ok(status)) = (
            fs::read_to_string(path.join("schedstat")),
            fs::read_to_string(path.join("status")),
        ) else {
            continue;
        };
        let mut times = times.split_whitespace().map(str::parse::<u64>);
        let mut next = || times.next().context("schedstat")?.context("schedstat");
        let (ran_ns, _waited_ns, turns) = (next()?, next()?, next()?);
        let waits = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
            .context("voluntary_ctxt_switches")?;
        threads.insert(id, Thread { ran_ns, turns, waits });
    }
    Ok(threads)
}

/// kB by name.
fn memory(process: u32) -> Result<BTreeMap<String, u64>> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let kilobytes = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        Some((
            name.to_owned(),
            rest.trim().strip_suffix(" kB")?.trim().parse().ok()?,
        ))
    };
    Ok(text.lines().filter_map(kilobytes).collect())
}
