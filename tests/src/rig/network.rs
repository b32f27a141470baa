//! `rig-net`: the box's daemon and its growing logbook behind a line that delays, drips, cuts, swallows; the broker is killed,
//! the hub is killed and started again, in turn. Then it is calm, and everything has to be at the hub: once, in order, as it
//! was signed; the outbox empty, the board right.
//!
//! What is done, in which order and for how long, depends on the seed alone.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::agent::{Agent, small_room};
use super::chance::Chance;
use super::hub::Hub;
use super::ledger::{Ledger, Wrong};
use super::process::{Output, Process};
use super::proxy::{Line, Proxy};
use super::room::ROOM;
use super::tally::Tally;
use super::{backlog, until, wall_ms};

/// The check that makes an entry: quick, and of the box alone.
const CHECK: [&str; 4] = ["check", "--only", "host", "--json"];

/// In calm everything is delivered within this, or something hangs: longer than a dead line is waited for, an entry is set
/// aside at first, and an attempt to connect rests by then.
const DRAIN: Duration = Duration::from_secs(180);

/// A sign of life in so many seconds: the least that the box takes, so that dead lines are seen soon.
const KEEP_ALIVE_S: u64 = 5;

/// What is counted of them.
const BROKERS: &str = "brokers killed";

/// The rig.
#[derive(Debug, Clone, Copy)]
pub struct Net {
    /// The same seed does the same again.
    pub seed: u64,
    /// How many faults.
    pub rounds: u64,
    /// Reports that wait when it begins.
    pub backlog: u64,
    /// Longest time of a fault, milliseconds.
    pub longest_ms: u64,
    /// Whether each round is told on standard error.
    pub verbose: bool,
}

/// What happens to the network in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Line(Line),
    Broker,
    Hub,
}

/// The box, the province, the line between them.
struct Place {
    hub: Hub,
    proxy: Proxy,
    agent: Agent,
}

impl Net {
    /// Runs it. Gives what it counted, and what was wrong.
    ///
    /// # Errors
    /// When the rig itself cannot work, e.g. a program is not built.
    pub fn run(&self) -> Result<(Tally, Option<anyhow::Error>)> {
        let dir = tempfile::tempdir()?;
        let mut tally = Tally::begin("net", self.seed);
        let mut place = Place::set(dir.path(), self.backlog)?;
        let mut ledger = Ledger::new("bai-chay", place.agent.state(), &place.hub.store());
        let (daemon, _page) = place.agent.daemon()?;
        let over = AtomicBool::new(false);
        let printed = thread::scope(|scope| -> Result<Vec<Output>> {
            let agent = &place.agent;
            // Asks for one check after the other, whatever the line does.
            let growing = scope.spawn(|| -> Result<Vec<Output>> {
                let mut printed = vec![];
                while !over.load(Ordering::SeqCst) {
                    printed.push(agent.run(&CHECK)?);
                }
                Ok(printed)
            });
            let mut chance = Chance::new(self.seed, "net");
            let mut hub_and_line = (&mut place.hub, &place.proxy);
            let done = (0..self.rounds).try_for_each(|round| {
                let fault = fault(&mut chance, round);
                let long = Duration::from_millis(50 + chance.below(self.longest_ms));
                if self.verbose {
                    eprintln!("rig-net: round {round}: {fault:?} for {} ms", long.as_millis());
                }
                if suffer(&mut hub_and_line, fault, long)? {
                    tally.kills += 1;
                    if fault == Fault::Broker {
                        tally.count(BROKERS);
                    }
                }
                Ok(())
            });
            over.store(true, Ordering::SeqCst);
            let printed = growing.join().unwrap_or_else(|_| bail!("the checks gave up"))?;
            done.map(|()| printed)
        })?;
        let mut wrong = vec![];
        for output in &printed {
            ledger.printed(&output.stdout, &mut wrong);
        }
        ensure!(
            self.rounds < 7 || tally.besides.iter().any(|(what, _)| *what == BROKERS),
            "no broker was killed in {} rounds",
            self.rounds
        );
        if self.verbose {
            eprintln!("rig-net: calm; the daemon so far:\n{}", daemon.said());
        }
        let calm = place.calm(&daemon, &mut ledger, &mut wrong);
        if self.verbose {
            eprintln!("rig-net: the daemon in the end:\n{}", daemon.said());
        }
        tally.acknowledged = ledger.acknowledged();
        tally.take(&wrong);
        tally.besides.push(("connections", place.proxy.connections()));
        let wrong = calm
            .err()
            .or_else(|| (!wrong.is_empty()).then(|| anyhow::anyhow!("{wrong:#?}")));
        let wrong = wrong.map(|wrong| wrong.context(format!("{}\n{}", daemon.said(), place.hub.said())));
        Ok((tally, wrong))
    }
}

impl Place {
    /// A trusted box with a logbook of `reports` that nobody has yet.
    fn set(dir: &Path, reports: u64) -> Result<Self> {
        // No bucket here: what is looked at is the line.
        let hub = Hub::start_with(&dir.join("hub"), "burst = 100000")?;
        let proxy = Proxy::start(&hub.broker)?;
        let config = small_room("bai-chay", "tcp://127.0.0.1:9", Some(&proxy.url()));
        let config = format!("{config}keep_alive_s = {KEEP_ALIVE_S}\n");
        let agent = Agent::new(&dir.join("agent"), &config)?;
        let asked = agent.run(&["enrol"])?;
        ensure!(asked.code == 0, "enrol: {}{}", asked.stdout, asked.stderr);
        hub.approve(ROOM)?;
        let example = agent.check(&["--only", "host"])?;
        backlog::append(agent.state(), &example.report, reports, wall_ms())?;
        Ok(Self { hub, proxy, agent })
    }

    /// The line is good again: everything arrives, and the board shows it.
    fn calm(&self, daemon: &Process, ledger: &mut Ledger, wrong: &mut Vec<Wrong>) -> Result<()> {
        self.proxy.set(Line::Pass);
        until("the last receipt", DRAIN, || {
            Ok((ledger.book()?.waiting() == 0).then_some(()))
        })?;
        ledger.whole(wrong)?;
        let entries = ledger.book()?.entries;
        let last = entries
            .iter()
            .rev()
            .find(|kept| kept.claims.get("run").is_some())
            .context("a report")?;
        let run = last
            .claims
            .get("run")
            .and_then(Value::as_str)
            .context("its run")?;
        let known = until("the board", super::PATIENCE, || {
            let room = self.hub.room(ROOM)?;
            let held = room.pointer("/chain/held").and_then(Value::as_u64);
            Ok((held == Some(entries.len() as u64)).then_some(room))
        })?;
        let word = |path: &str| known.pointer(path).and_then(Value::as_str).unwrap_or_default();
        ensure!(word("/chain/state") == "complete", "the chain: {known}");
        ensure!(
            known.pointer("/chain/forks").and_then(Value::as_u64) == Some(0),
            "forks: {known}"
        );
        ensure!(known.to_string().contains(run), "the last run {run}: {known}");
        let said = daemon.said();
        ensure!(!said.contains("panicked"), "the daemon panicked: {said}");
        let listed = self.agent.run(&["logbook", "verify"])?;
        ensure!(listed.code == 0, "verify: {}{}", listed.stdout, listed.stderr);
        Ok(())
    }
}

/// What comes in this round: in turn, so that a short run has everything; how much of it, by chance.
fn fault(chance: &mut Chance, round: u64) -> Fault {
    let milliseconds = |at: u64| Duration::from_millis(at);
    match round % 7 {
        0 => Fault::Line(Line::CutAt(200 + chance.below(40_000))),
        1 => Fault::Broker,
        2 => Fault::Line(Line::Delay(milliseconds(20 + chance.below(200)))),
        3 => Fault::Line(Line::Cut),
        4 => Fault::Hub,
        5 => Fault::Line(Line::Drip(milliseconds(1 + chance.below(5)))),
        _ => Fault::Line(Line::Swallow),
    }
}

/// Gives whether it came about.
fn suffer((hub, proxy): &mut (&mut Hub, &Proxy), fault: Fault, long: Duration) -> Result<bool> {
    let mut done = true;
    match fault {
        Fault::Line(line) => proxy.set(line),
        Fault::Broker => {
            proxy.set(Line::Pass);
            // One that is just being started again has no number yet.
            done = hub.kill_broker().is_ok();
        }
        Fault::Hub => {
            proxy.set(Line::Pass);
            hub.fall(|| Ok(()))?;
        }
    }
    thread::park_timeout(long);
    if fault == Fault::Hub {
        hub.serve()?;
    }
    proxy.set(Line::Pass);
    // A moment to breathe, so that something is on its way when the next fault comes.
    thread::park_timeout(long / 2);
    Ok(done)
}
