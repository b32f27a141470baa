//! `rig-drain`: a box that was away for thirty days comes back, and its broker is killed again and again while it hands over
//! what it has kept: in order, nothing lost, nothing twice. Without kills it is the figure of how fast that goes.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use rusqlite::{Connection, OpenFlags};

use super::agent::{Agent, small_room};
use super::chance::Chance;
use super::hub::Hub;
use super::ledger::{Ledger, Wrong};
use super::room::ROOM;
use super::tally::Tally;
use super::{PATIENCE, backlog, now, until, wall_ms};

/// A report each ten minutes for thirty days.
pub const THIRTY_DAYS: u64 = 30 * 24 * 6;

/// All of it is there within this, or something hangs.
const LONGEST: Duration = Duration::from_secs(1800);

/// A box that comes back.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// The same seed kills at the same moments again.
    pub seed: u64,
    /// Reports that it has kept; events come between them.
    pub reports: u64,
    /// Whether the broker is killed meanwhile.
    pub kills: bool,
    /// Messages that the hub takes at once, before it is one a second.
    pub burst: u32,
}

/// What it was like.
#[derive(Debug)]
pub struct Drained {
    /// What was counted.
    pub tally: Tally,
    /// Entries that came.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// From the daemon's start to the last entry at the hub.
    pub took: Duration,
    /// Most memory that the daemon had resident, kB.
    pub peak_kb: u64,
}

impl Drain {
    /// Lets it come back in `dir`.
    ///
    /// # Errors
    /// When something does not start, or anything is lost, doubled or out of its place.
    pub fn run(&self, dir: &Path) -> Result<Drained> {
        let (drained, wrong) = self.look(dir)?;
        wrong.map_or(Ok(drained), Err)
    }

    /// The same. Gives what was counted, and what was wrong, if anything was.
    ///
    /// # Errors
    /// When the rig itself cannot work, e.g. a program is not built.
    pub fn look(&self, dir: &Path) -> Result<(Drained, Option<anyhow::Error>)> {
        let mut tally = Tally::begin("drain", self.seed);
        let hub = Hub::start_with(&dir.join("hub"), &format!("burst = {}", self.burst))?;
        let config = small_room("bai-chay", "tcp://127.0.0.1:9", Some(&hub.broker));
        let agent = Agent::new(&dir.join("agent"), &config)?;
        let asked = agent.run(&["enrol"])?;
        ensure!(asked.code == 0, "enrol: {}{}", asked.stdout, asked.stderr);
        hub.approve(ROOM)?;
        // A whole report, of another box: this one's logbook begins thirty days ago.
        let other = Agent::new(
            &dir.join("example"),
            &small_room("bai-chay", "tcp://127.0.0.1:9", None),
        )?;
        let example = other.check(&[])?.report;
        let entries = backlog::append(agent.state(), &example, self.reports, wall_ms())?;
        let bytes = agent.lines()?.iter().map(|line| line.len() as u64).sum();

        let began = now();
        let (daemon, _page) = agent.daemon()?;
        let mut chance = Chance::new(self.seed, "drain");
        let count = Connection::open_with_flags(hub.store(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        count.busy_timeout(PATIENCE)?;
        let held = || -> Result<u64> {
            let held: i64 = count.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))?;
            Ok(held.unsigned_abs())
        };
        let mut next = chance.below(entries / 8);
        let came = until("the last entry", LONGEST, || {
            let held = held()?;
            if self.kills && held >= next && held < entries {
                // One that is just being started again has no number yet.
                tally.kills += u64::from(hub.kill_broker().is_ok());
                next = held + 1 + chance.below(entries / 8);
            }
            if held < entries {
                thread::park_timeout(Duration::from_millis(20));
            }
            Ok((held >= entries).then_some(()))
        });
        let took = now().duration_since(began);
        let mut ledger = Ledger::new("bai-chay", agent.state(), &hub.store());
        // What does not come any more is lost, and is counted below.
        let came = came.and_then(|()| {
            until("the last receipt", LONGEST, || {
                Ok((ledger.book()?.waiting() == 0).then_some(()))
            })
        });
        let peak_kb = peak_kb(daemon.id())?;
        ensure!(
            !self.kills || tally.kills > 0 || came.is_err(),
            "the broker was never killed: {entries} entries are too few to get in between"
        );
        let mut wrong: Vec<Wrong> = vec![];
        ledger.whole(&mut wrong)?;
        ledger.in_order(tally.kills, &mut wrong);
        tally.acknowledged = ledger.acknowledged();
        tally.take(&wrong);
        let room = hub.room(ROOM)?;
        let chain = room.get("chain").context("the chain")?;
        let complete =
            chain.get("state") == Some(&"complete".into()) && chain.get("held") == Some(&entries.into());
        let wrong = (!wrong.is_empty() || !complete || came.is_err())
            .then(|| anyhow!("{came:?}; the hub shows {chain}; {wrong:#?}\n{}", daemon.said()));
        tally.besides.push(("kB at most in the box's memory", peak_kb));
        let drained = Drained {
            tally,
            entries,
            bytes,
            took,
            peak_kb,
        };
        Ok((drained, wrong))
    }
}

/// The most memory that a process had resident, kB.
fn peak_kb(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.context("VmHWM in /proc")
}
