//! The rigs that kill: a real agent, hub and broker; the agent dies at seeded moments, again and again, and everything that was
//! acknowledged has to be there, once, in order, as it was.
//!
//! * `crash`: SIGKILL. What was written stays, and a write may be cut in the middle.
//! * `power`: as a power cut: what was not synced is lost ([`super::holdback`]).
//! * `full`: the disk is full or answers with errors for a while; the checks go on.
//! * `clock`: the wall clock jumps: 1970, a year either way, back and forth while the program runs.
//!
//! One room is killed fifty times, then the next one comes; each ends with the whole look: the hub holds what the logbook
//! holds. What happens in a step depends on the seed and on the number of the room and the step alone.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::agent::Agent;
use super::chance::{Chance, Step};
use super::holdback::{Death, Disk, Failing};
use super::hub::Hub;
use super::ledger::{Book, Ledger, Wrong};
use super::process::{Output, Process, run, run_for};
use super::tally::Tally;
use super::{PATIENCE, clock_jump, http, ledger, skipped, small_disk, until};

/// Kills of one room: its logbook stays short enough to be read after each.
const EACH: u64 = 50;

/// The check that is made: quick, and of the box alone.
const CHECK: [&str; 4] = ["check", "--only", "host", "--json"];

/// Rooms at once: most of a check is waiting for somebody.
const LANES: usize = 3;

/// The last receipt comes within this, or something hangs: an entry is offered again after 30 s.
const DRAIN: Duration = Duration::from_secs(60);

/// Signal 9.
const SIGKILL: i32 = 9;

/// What is done to the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL.
    Crash,
    /// Power cuts.
    Power,
    /// A disk that fails.
    Full,
    /// A clock that jumps.
    Clock,
}

impl Kind {
    /// Its word in targets and summaries.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Power => "power",
            Self::Full => "full",
            Self::Clock => "clock",
        }
    }
}

/// A rig.
#[derive(Debug, Clone)]
pub struct Rig {
    /// What it does.
    pub kind: Kind,
    /// The same seed does the same again.
    pub seed: u64,
    /// How often.
    pub kills: u64,
    /// Another build of the agent.
    pub agent: Option<PathBuf>,
    /// Whether each step is told on standard error, and the files are kept when something is wrong.
    pub verbose: bool,
}

impl Rig {
    /// Runs it. Gives what it counted, and what was wrong first, if anything was: it stops there.
    ///
    /// # Errors
    /// When the rig itself cannot work, e.g. a program is not built.
    pub fn run(&self) -> Result<(Tally, Option<anyhow::Error>)> {
        let dir = tempfile::tempdir()?;
        let hub = RwLock::new(Hub::start(&dir.path().join("hub"))?);
        let probe = Agent::new(&dir.path().join("probe"), "")?.with_program(self.agent.clone());
        let rotates = probe.run(&["key", "--help"])?.stdout.contains("rotate");
        if !rotates {
            skipped("key rotate (this agent has none)");
        }
        let jumps = if self.kind == Kind::Clock {
            clock_jump::library()
        } else {
            None
        };
        ensure!(
            self.kind != Kind::Clock || jumps.is_some(),
            "there is no libfaketime to turn the clock with; install it: apt-get install faketime"
        );
        let rooms: Vec<(u64, u64)> = (0..self.kills.div_ceil(EACH))
            .map(|done| (done + 1, EACH.min(self.kills - done * EACH)))
            .collect();
        let next = AtomicUsize::new(0);
        let all_done = Barrier::new(LANES);
        let found = Mutex::new((Tally::begin(self.kind.word(), self.seed), None));
        thread::scope(|scope| {
            for _ in 0..LANES {
                scope.spawn(|| {
                    while let Some((number, kills)) = rooms.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut lane = Lane {
                            rig: self,
                            tally: Tally::begin(self.kind.word(), self.seed),
                            dir: dir.path(),
                            hub: &hub,
                            rotates,
                            jumps: jumps.as_deref(),
                        };
                        let done = lane.room(*number, *kills);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.0.add(&lane.tally);
                        if let Err(wrong) = done {
                            found.1.get_or_insert(wrong);
                            next.store(rooms.len(), Ordering::Relaxed);
                        }
                    }
                    // A hub that came back ends with the thread that started it.
                    all_done.wait();
                });
            }
        });
        drop(hub);
        let (tally, wrong) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if wrong.is_some() && self.verbose {
            eprintln!("the files are kept in {}", dir.keep().display());
        }
        Ok((tally, wrong))
    }
}

/// One room after the other.
struct Lane<'a> {
    rig: &'a Rig,
    tally: Tally,
    dir: &'a Path,
    /// All rooms work with it at once; only one makes it fall.
    hub: &'a RwLock<Hub>,
    rotates: bool,
    jumps: Option<&'a Path>,
}

/// One room's box on its disk.
struct Room {
    id: String,
    agent: Agent,
    disk: Disk,
    ledger: Ledger,
    chance: Chance,
    /// The fingerprint that was printed last; none while it is open which key it has.
    key: Option<String>,
    /// A disk of its own, that can be full.
    small: Option<small_disk::SmallDisk>,
    /// The file with the time, for the rig that turns the clock.
    clock: PathBuf,
    /// What is done now, for whoever has to look at it.
    doing: String,
}

impl Lane<'_> {
    /// One room from its first start to the whole look.
    fn room(&mut self, number: u64, kills: u64) -> Result<()> {
        let mut room = self.new_room(number)?;
        let done = self.live(&mut room, kills);
        self.tally.acknowledged += room.ledger.acknowledged();
        done.with_context(|| format!("seed {}, room {number}, {}", self.rig.seed, room.doing))
    }

    fn new_room(&mut self, number: u64) -> Result<Room> {
        let id = format!("rig-{number}");
        let dir = self.dir.join(&id);
        let config = format!(
            "[room]\nid = \"{id}\"\norg = \"quang-ninh\"\nname = \"UBND phường Bãi Cháy\"\n\n\
             [page]\nlisten = \"127.0.0.1:0\"\n\n[hub]\nbroker = \"{}\"\n",
            self.hub().broker
        );
        let agent = Agent::new(&dir, &config)?.with_program(self.rig.agent.clone());
        // Every second room of this rig has a real disk of its own, as far as this user may mount one.
        let small = match self.rig.kind {
            Kind::Full if number % 2 == 1 => small_disk::SmallDisk::mount(agent.state())?,
            _ => None,
        };
        if self.rig.kind == Kind::Full && number % 2 == 1 && small.is_none() {
            self.tally
                .count("rooms without a disk that is really full (no right to mount one)");
        }
        let durable = dir.join("durable");
        let holds_back = self.rig.kind == Kind::Power || self.rig.kind == Kind::Clock;
        let disk = Disk::new(agent.state(), holds_back.then_some(&*durable))?;
        Ok(Room {
            ledger: Ledger::new(&id, agent.state(), &self.hub().store()),
            chance: Chance::new(self.rig.seed, &id),
            agent,
            disk,
            id,
            key: None,
            small,
            clock: dir.join("clock"),
            doing: String::new(),
        })
    }

    fn hub(&self) -> RwLockReadGuard<'_, Hub> {
        self.hub.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&mut self, room: &mut Room, kills: u64) -> Result<()> {
        self.birth(room)?;
        let mut step = 0;
        // The province falls once a room.
        let fall = room.chance.below(20);
        while self.tally.kills < kills {
            let todo = if step == fall {
                Step::Fall
            } else {
                room.chance.step(self.rig.kind, self.rotates)
            };
            step += 1;
            ensure!(step < EACH * 20, "the program is not killed any more");
            self.tell(room, &format!("step {step}: {todo:?}"));
            self.step(room, &todo)?;
            self.look(room)?;
        }
        self.tell(room, &format!("the whole look after {step} steps"));
        self.whole(room)
    }

    /// The box's first moments: its key is made, and has to stay once it was shown; the province is asked to trust it.
    fn birth(&mut self, room: &mut Room) -> Result<()> {
        for args in [["key", "init"].as_slice(), &["enrol"]] {
            let (death, cut) = (room.chance.death(9), room.chance.cut());
            self.tell(room, &format!("{args:?} dies at {death:?}, power cut: {cut}"));
            let mut command = self.command(room, args, Some(death), None)?;
            let output = run_for(&mut command, Duration::from_millis(500))?;
            sound(&output)?;
            self.died(room, &output, cut)?;
        }
        self.tell(room, "key init");
        let made = self.clean(room, &["key", "init"])?;
        ensure!(made.code == 0, "key init: {}{}", made.stdout, made.stderr);
        room.key = Some(room.agent.fingerprint()?);
        room.disk.cut()?;
        self.same_key(room)?;
        self.tell(room, "the province's approval");
        let command = self.command(room, &["run"], None, None)?;
        let daemon = Process::start("bridgepoint-agent run", &command)?;
        let (address, fingerprint) = (format!("quang-ninh/{}", room.id), room.agent.fingerprint()?);
        until("the box's request", PATIENCE, || {
            let asked = ["room", "approve", &address, "--fingerprint", &fingerprint];
            Ok((self.hub().run(&asked)?.code == 0).then_some(()))
        })
        .with_context(|| daemon.said())?;
        daemon.kill();
        self.look(room).map(drop)
    }

    fn step(&mut self, room: &mut Room, step: &Step) -> Result<()> {
        match step {
            Step::Check { death, failing, cut } => {
                let output = run(&mut self.command(room, &CHECK, *death, *failing)?)?;
                self.checked(room, &output, death.is_some())?;
                if failing.is_some() {
                    self.tally.kills += 1;
                    self.tally.count("of them a disk that fails");
                }
                self.died(room, &output, *cut)
            }
            Step::Killed { after_ms, cut } => {
                let mut command = self.command(room, &CHECK, None, None)?;
                let output = run_for(&mut command, Duration::from_millis(*after_ms))?;
                self.checked(room, &output, true)?;
                self.died(room, &output, *cut)
            }
            Step::Daemon {
                death,
                failing,
                checks,
                cut,
            } => {
                self.daemon(room, *death, *failing, *checks)?;
                self.tally.kills += 1;
                self.tally.count("of them of the daemon");
                if *cut {
                    self.cut(room)?;
                }
                Ok(())
            }
            Step::Left {
                death,
                daemon,
                life_ms,
            } => {
                let output = run(&mut self.command(room, &CHECK, Some(*death), None)?)?;
                self.checked(room, &output, true)?;
                self.died(room, &output, false)?;
                let mut daemon = self.command(room, &["run"], Some(*daemon), None)?;
                let output = run_for(&mut daemon, Duration::from_millis(*life_ms))?;
                // Nothing but its death or the end of its time ends it.
                ensure!(
                    output.code == -1,
                    "the daemon ended with {}:\n{}{}",
                    output.code,
                    output.stdout,
                    output.stderr
                );
                sound(&output)?;
                self.died(room, &output, true)
            }
            Step::Rotate { death, cut } => {
                room.key = None;
                let output = run(&mut self.command(room, &["key", "rotate"], Some(*death), None)?)?;
                sound(&output)?;
                self.tally.count("rotations");
                self.died(room, &output, *cut)
            }
            Step::Full { left, daemon } => self.full(room, *left, *daemon),
            Step::Fall => self.fall(room),
        }
    }

    /// What a check said. One that came to its end has a verdict; only one whose death was ordered may be ended by a signal.
    fn checked(&mut self, room: &mut Room, output: &Output, ordered: bool) -> Result<()> {
        let mut wrong = vec![];
        room.ledger.printed(&output.stdout, &mut wrong);
        self.found(wrong)?;
        ensure!(
            (0..=3).contains(&output.code) || (ordered && output.code == -1),
            "the check ended with {}:\n{}{}",
            output.code,
            output.stdout,
            output.stderr
        );
        Ok(())
    }

    /// A daemon that dies where it was ordered or is killed, and checks that it is asked for until then. One that was not
    /// ordered to die comes up and lives until it is killed, whatever its disk does.
    fn daemon(
        &mut self,
        room: &mut Room,
        death: Option<Death>,
        failing: Option<Failing>,
        checks: u64,
    ) -> Result<()> {
        if failing.is_some() {
            // What a killed one has left there cannot be removed on a disk that fails: the daemon says so, and ends.
            let _there = fs::remove_file(room.agent.state().join("agent.sock"));
        }
        let command = self.command(room, &["run"], death, failing)?;
        let mut daemon = Process::start("bridgepoint-agent run", &command)?;
        if let Err(silent) = daemon.stdout_line(PATIENCE) {
            // It may die before it says where its page is, and in no other way.
            let end = until("the daemon's end", PATIENCE, || daemon.end_so_far());
            let ended = end.map_err(|_| silent)?;
            return as_ordered(death, Some(ended), &daemon.said());
        }
        for _ in 0..checks {
            if daemon.end_so_far()?.is_some() {
                break;
            }
            let output = self.clean(room, &CHECK)?;
            let mut wrong = vec![];
            room.ledger.printed(&output.stdout, &mut wrong);
            self.found(wrong)?;
            // The daemon may have died over it, which is told as an internal error. Its socket is closed before it is gone.
            let mut died = || until("the daemon's end", PATIENCE, || daemon.end_so_far());
            ensure!(
                (0..=3).contains(&output.code) || (death.is_some() && died().is_ok()),
                "the check ended with {}:\n{}{}\n{}",
                output.code,
                output.stdout,
                output.stderr,
                daemon.said()
            );
        }
        as_ordered(death, daemon.end_so_far()?, &daemon.said())?;
        daemon.kill();
        Ok(())
    }

    /// The disk has `left` bytes for a while.
    fn full(&mut self, room: &mut Room, left: u64, daemon: bool) -> Result<()> {
        let Some(small) = &room.small else {
            return Ok(());
        };
        small.fill(left)?;
        if daemon {
            self.daemon(room, None, None, 2)?;
            self.tally.count("of them of the daemon");
        } else {
            let output = self.clean(room, &CHECK)?;
            self.checked(room, &output, false)?;
        }
        self.look(room)?;
        if let Some(small) = &room.small {
            small.make_room()?;
        }
        self.tally.kills += 1;
        self.tally.count("of them a disk that is full");
        let output = self.clean(room, &CHECK)?;
        self.checked(room, &output, false)
    }

    /// The hub hangs while its broker takes what the box sends; then both are killed, and the hub comes back.
    fn fall(&mut self, room: &mut Room) -> Result<()> {
        let mut command = self.command(room, &CHECK, None, None)?;
        let mut stdout = None;
        let mut hub = self.hub.write().unwrap_or_else(PoisonError::into_inner);
        hub.fall(|| {
            // Long enough to hand it to the broker, not long enough to give up waiting for the receipt.
            stdout = Some(run_for(&mut command, Duration::from_millis(1500))?);
            Ok(())
        })?;
        hub.serve()?;
        drop(hub);
        self.tally.count("falls of hub and broker");
        let output = stdout.context("the check")?;
        self.checked(room, &output, true)?;
        self.died(room, &output, false)
    }

    /// A command of the box on its disk, with the time as the rig has it.
    fn command(
        &self,
        room: &mut Room,
        args: &[&str],
        death: Option<Death>,
        failing: Option<Failing>,
    ) -> Result<Command> {
        let mut command = room.agent.command(args)?;
        let disk = room.disk.environment(death, failing)?;
        match self.jumps {
            None => command.envs(disk),
            Some(library) => {
                // A daemon that is running reads it, too.
                fs::write(&room.clock, clock_jump::another(&mut room.chance))?;
                command.envs(clock_jump::environment(library, &room.clock, disk))
            }
        };
        Ok(command)
    }

    /// A command that nothing is done to.
    fn clean(&self, room: &mut Room, args: &[&str]) -> Result<Output> {
        run(&mut self.command(room, args, None, None)?)
    }

    /// Counts a death, and cuts the power.
    fn died(&mut self, room: &mut Room, output: &Output, cut: bool) -> Result<()> {
        if output.code == -1 {
            self.tally.kills += 1;
        }
        if cut { self.cut(room) } else { Ok(()) }
    }

    fn cut(&mut self, room: &Room) -> Result<()> {
        if self.rig.kind == Kind::Power || self.rig.kind == Kind::Clock {
            room.disk.cut()?;
            self.tally.count("power cuts");
        }
        Ok(())
    }

    /// The light look.
    fn look(&mut self, room: &mut Room) -> Result<Book> {
        let mut wrong = vec![];
        let book = {
            // The hub does not fall while its database is read.
            let _stands = self.hub();
            room.ledger.look(&mut wrong)?
        };
        if book.torn {
            self.tally.torn += 1;
        }
        if self.rig.kind == Kind::Clock {
            ledger::jumps(&book, &mut wrong);
        }
        self.found(wrong)?;
        self.same_key(room)?;
        Ok(book)
    }

    /// A key that was shown is acknowledged as an entry is.
    fn same_key(&mut self, room: &mut Room) -> Result<()> {
        let Some(key) = &room.key else {
            return Ok(());
        };
        let now = room.agent.fingerprint().unwrap_or_else(|why| format!("{why:#}"));
        if *key == now {
            return Ok(());
        }
        self.found(vec![Wrong::Lost(format!(
            "the box's key was {key}, and is {now}"
        ))])
    }

    /// The whole look: everything has its receipt, the logbook verifies, the hub holds the same and shows it once.
    fn whole(&mut self, room: &mut Room) -> Result<()> {
        let drained = until("the last receipt", DRAIN, || {
            let output = self.clean(room, &CHECK)?;
            self.checked(room, &output, false)?;
            Ok((self.look(room)?.waiting() == 0).then_some(()))
        });
        if let Err(error) = drained {
            // What nobody takes to the hub any more is lost as well as what nobody has.
            let mut wrong = vec![];
            room.ledger.whole(&mut wrong)?;
            self.found(wrong)?;
            return Err(error);
        }
        let mut wrong = vec![];
        room.ledger.whole(&mut wrong)?;
        self.found(wrong)?;
        let verified = self.clean(room, &["logbook", "verify"])?;
        ensure!(
            verified.code == 0,
            "logbook verify: {}{}",
            verified.stdout,
            verified.stderr
        );
        let shown = self.hub().room(&format!("quang-ninh/{}", room.id))?;
        let chain = shown.pointer("/chain/state").and_then(serde_json::Value::as_str);
        ensure!(chain == Some("complete"), "the hub shows the chain {chain:?}");
        if self.rig.kind == Kind::Clock {
            let jumps = ledger::jumps(&room.ledger.book()?, &mut vec![]);
            self.tally.count_many("jumps in the logbooks", jumps);
        }
        self.serves(room)
    }

    /// After all that the daemon comes up once more, and shows its page.
    fn serves(&mut self, room: &mut Room) -> Result<()> {
        let command = self.command(room, &["run"], None, None)?;
        let mut daemon = Process::start("bridgepoint-agent run", &command)?;
        let page = daemon.stdout_line(PATIENCE)?;
        let status = http::get(&page, "/api/status").with_context(|| daemon.said())?;
        ensure!(
            serde_json::from_str::<serde_json::Value>(&status.body).is_ok(),
            "the page says no status: {status:?}\n{}",
            daemon.said()
        );
        as_ordered(None, daemon.end_so_far()?, &daemon.said())?;
        daemon.kill();
        self.look(room).map(drop)
    }

    /// The first of what is wrong ends the rig; all of it is counted.
    fn found(&mut self, wrong: Vec<Wrong>) -> Result<()> {
        self.tally.take(&wrong);
        let words: Vec<String> = wrong
            .into_iter()
            .map(|each| match each {
                Wrong::Lost(what) => format!("LOST: {what}"),
                Wrong::Doubled(what) => format!("DOUBLED: {what}"),
                Wrong::Broken(what) => format!("BROKEN: {what}"),
            })
            .collect();
        if words.is_empty() {
            return Ok(());
        }
        bail!(words.join("\n"))
    }

    fn tell(&self, room: &mut Room, doing: &str) {
        doing.clone_into(&mut room.doing);
        if self.rig.verbose {
            eprintln!("{}: {doing} ({} kills)", room.id, self.tally.kills);
        }
    }
}

/// Whether a program has ended as it was ordered: by SIGKILL, where it was to die, or not yet. And it says nothing of a panic.
fn as_ordered(death: Option<Death>, ended: Option<ExitStatus>, said: &str) -> Result<()> {
    let by_order = ended.is_none_or(|status| death.is_some() && status.signal() == Some(SIGKILL));
    ensure!(by_order, "the daemon ended by itself ({ended:?}):\n{said}");
    ensure!(!said.contains("panicked"), "the daemon panicked:\n{said}");
    Ok(())
}

/// Whatever a command has come to: it has met no fault of its own.
fn sound(output: &Output) -> Result<()> {
    ensure!(
        !matches!(output.code, 70 | 101) && !output.stderr.contains("panicked"),
        "the command ended with {}:\n{}{}",
        output.code,
        output.stdout,
        output.stderr
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_ends_only_as_it_was_ordered() {
        let (killed, panicked) = (ExitStatus::from_raw(SIGKILL), ExitStatus::from_raw(101 << 8));
        let (order, internal) = (Some(Death::Disk(1)), ExitStatus::from_raw(70 << 8));
        assert!(as_ordered(None, None, "").is_ok());
        assert!(as_ordered(order, None, "").is_ok());
        assert!(as_ordered(order, Some(killed), "").is_ok());
        assert!(
            as_ordered(None, Some(killed), "").is_err(),
            "nobody has killed it"
        );
        for ended in [panicked, internal, ExitStatus::from_raw(6)] {
            assert!(as_ordered(order, Some(ended), "").is_err(), "{ended:?}");
            assert!(as_ordered(None, Some(ended), "").is_err(), "{ended:?}");
        }
        assert!(as_ordered(None, None, "thread 'main' panicked at").is_err());
    }

    #[test]
    fn a_command_that_fails_inside_is_not_passed() {
        let ended = |code| {
            sound(&Output {
                code,
                stdout: String::new(),
                stderr: String::new(),
            })
        };
        assert!([-1, 0, 1, 64].into_iter().all(|code| ended(code).is_ok()));
        assert!([70, 101].into_iter().all(|code| ended(code).is_err()));
    }
}
