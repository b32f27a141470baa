//! Follows the meeting's clock: looks at the plan, starts the check that is due, and says how the box stands.
//!
//! It looks again at the next moment, when the plan or a run changes, and at least once a minute, because a wall
//! clock may step and no timer tells that.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bridgepoint_protocol::claims::{PresenceState, Trigger};
use tokio::sync::watch;

use super::manager::{Doing, Manager};
use crate::calendar;
use crate::front::{Front, Now};
use crate::life::Pulse;
use crate::logbook::{BookBroken, Found};
use crate::schedule::{self, Clocks, Due, Look, Made, Run, Seen};
use crate::station::Order;

/// The longest without a look.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The box's following of the clock.
pub(super) struct Clockwork<C> {
    front: Arc<Front>,
    clocks: C,
    manager: Manager,
    up_since_mono_ms: u64,
    /// What this program has started: a run that could not be kept is not made again and again, and one that was for
    /// several meetings is not made for each.
    started: Vec<Run>,
    /// What the logbook says.
    kept: Vec<Run>,
    /// The logbook's newest entry when it was read.
    read_to: Option<u64>,
    said: Option<Doing>,
    plans: watch::Receiver<()>,
}

impl<C: Fn() -> Clocks> Clockwork<C> {
    /// Follows the clocks that `clocks` reads.
    pub(super) fn new(front: Arc<Front>, clocks: C, manager: Manager) -> Self {
        let up_since_mono_ms = clocks().mono_ms;
        let plans = front.station.plans();
        Self {
            plans,
            front,
            clocks,
            manager,
            up_since_mono_ms,
            started: vec![],
            kept: vec![],
            read_to: None,
            said: None,
        }
    }

    /// Follows them for as long as it is polled.
    pub(super) async fn follow(mut self, mut pulse: Pulse) {
        let mut now = self.front.watch();
        loop {
            let running = now.borrow_and_update().running.is_some();
            self.read(&mut pulse).await;
            // Here and not where the change wakes it: a run that ends at the same moment may wake it first.
            if self.plans.has_changed().unwrap_or(false) {
                self.plans.mark_unchanged();
                self.front.renew();
            }
            let clocks = (self.clocks)();
            let look = self.look(&clocks);
            let started = match &look.due {
                Some(due) if !running => self.start(due, &clocks),
                _ => false,
            };
            self.say(&look, running || started, clocks.wall_ms);
            tokio::select! {
                () = tokio::time::sleep(rest(&look, clocks.wall_ms)) => {}
                changed = self.plans.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.plans.mark_changed();
                }
                // Only the beginning and the end of a run matter here, not each of its steps.
                turned = turned(&mut now, running) => if !turned { return },
                () = pulse.beat() => {}
            }
        }
    }

    fn look(&mut self, clocks: &Clocks) -> Look {
        let plan = self.front.station.plan();
        let meetings = calendar::meetings(plan.as_ref());
        self.started
            .retain(|run| meetings.iter().any(|planned| planned.id == run.meeting));
        let runs = self.kept.iter().chain(&self.started);
        let made: Vec<Made> = runs.map(|run| run.by(clocks)).collect();
        schedule::look(&Seen {
            meetings,
            profile: &self.front.station.settings.profile,
            made: &made,
            up_since_ms: clocks.wall_of(self.up_since_mono_ms),
            since_boot_ms: clocks.mono_ms,
            now_ms: clocks.wall_ms,
        })
    }

    /// Reads the logbook again where something was written in it, away from the program's loop.
    async fn read(&mut self, pulse: &mut Pulse) {
        let newest = self.front.station.book().head().map(|(seq, _)| seq);
        if newest == self.read_to {
            return;
        }
        let dir = self.front.station.logbook_dir();
        let mut reading = tokio::task::spawn_blocking(move || runs_in(&dir));
        let read = loop {
            tokio::select! {
                read = &mut reading => break read,
                () = pulse.beat() => {}
            }
        };
        match read.map_err(|error| error.to_string()) {
            Ok(Ok(runs)) => self.kept = runs,
            Ok(Err(error)) => unread(&error.to_string()),
            Err(error) => unread(&error),
        }
        self.read_to = newest;
    }

    /// Starts what is due; false when somebody else has just started a check.
    fn start(&mut self, due: &Due, clocks: &Clocks) -> bool {
        let order = Order {
            trigger: Trigger {
                kind: due.kind.into(),
                meeting: Some(due.checkpoint.meeting.clone()),
                checkpoint: Some(due.checkpoint.name.clone()),
            },
            scope: None,
        };
        let started = self.front.check_if_idle(order).is_some();
        if started {
            let all = std::iter::once(&due.checkpoint).chain(&due.also);
            self.started
                .extend(all.map(|checkpoint| Run::begins(checkpoint, clocks)));
        }
        started
    }

    /// Says how the box stands, to the province and to the service manager.
    fn say(&mut self, look: &Look, running: bool, now_ms: i64) {
        self.front.presence(if running || look.awake {
            PresenceState::Online
        } else {
            PresenceState::Sleeping
        });
        let doing = match look.next_check_ms {
            _ if running => Doing::Checking,
            Some(at_ms) => Doing::WaitingFor(at_ms),
            None if look.planned => Doing::Done,
            None => Doing::Resting,
        };
        if self.said != Some(doing) {
            self.manager.doing(doing, now_ms);
            self.said = Some(doing);
        }
    }
}

/// The checks before meetings that a logbook has.
fn runs_in(dir: &Path) -> Result<Vec<Run>, BookBroken> {
    let mut runs = Vec::new();
    crate::logbook::each_report(dir, |found| {
        if let Found::Report(report) = found {
            runs.extend(Run::of(&report));
        }
    })?;
    Ok(runs)
}

fn unread(error: &str) {
    tracing::error!(%error, "which checks were made before meetings cannot be read; those of this run of the program are known");
}

/// How long nothing changes by itself, as far as the wall clock can be believed.
fn rest(look: &Look, now_ms: i64) -> Duration {
    look.next_ms.map_or(LONGEST_REST, |at_ms| {
        let wait_ms = u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or_default();
        Duration::from_millis(wait_ms).min(LONGEST_REST)
    })
}

/// Waits until a run begins or ends; false when nobody will say.
async fn turned(now: &mut watch::Receiver<Now>, running: bool) -> bool {
    now.wait_for(|now| now.running.is_some() != running).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use bridgepoint_hw::media::Program;
    use bridgepoint_protocol::envelope::{Kind, SigningKey, seal};
    use bridgepoint_protocol::text::Lang;
    use serde_json::json;

    use super::*;
    use crate::life::{Asker, Part};
    use crate::state::StateDir;
    use crate::station::Station;

    const MIN: i64 = 60_000;
    const START: i64 = 1_795_568_400_000;

    struct Boxed {
        front: Arc<Front>,
        wall_ms: Arc<AtomicI64>,
        _dir: tempfile::TempDir,
    }

    impl Boxed {
        /// A box without devices, with a plan of these meetings (id and start), at `wall_ms`.
        fn new(meetings: &[(&str, i64)], wall_ms: i64) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let random = ring::rand::SystemRandom::new();
            let hub = SigningKey::from_pkcs8(&SigningKey::generate(&random).unwrap()).unwrap();
            let meetings: Vec<_> = meetings
                .iter()
                .map(|(id, start_ms)| {
                    json!({ "id": id, "subject": "x", "start_ms": start_ms, "length_min": 60, "kind": "planned" })
                })
                .collect();
            let plan = json!({
                "v": 1, "org": "quang-ninh", "room": "bai-chay", "iat": 0, "rev": 1, "issued_ms": 0,
                "meetings": meetings
            });
            let pin = json!({ "key": hub.verifying().jwk(), "enrolled": null });
            std::fs::write(dir.path().join("hub.json"), pin.to_string()).unwrap();
            let plan = seal(&hub, Kind::Plan, &plan).unwrap().jws;
            std::fs::write(dir.path().join("plan.jws"), plan).unwrap();
            let settings = crate::config::parse(
                "room.toml",
                "[room]\nid = \"bai-chay\"\norg = \"quang-ninh\"\nname = \"x\"\nmust_have = []\n",
            )
            .unwrap();
            let media = Program {
                path: "/nowhere".into(),
                args: vec![],
                env: vec![],
            };
            let station = Station::open(settings, StateDir::new(dir.path().to_owned()), media).unwrap();
            Self {
                front: Front::new(station, None),
                wall_ms: Arc::new(AtomicI64::new(wall_ms)),
                _dir: dir,
            }
        }

        /// Follows the clock until the run that it starts, if one is expected, has ended, and proves that there is no
        /// other. Gives all checkpoints in the logbook.
        async fn follow(&self, expected: Expected) -> Vec<(String, String)> {
            let (station, wall_ms) = (Arc::clone(&self.front.station), Arc::clone(&self.wall_ms));
            let clocks = move || Clocks {
                wall_ms: wall_ms.load(Ordering::Relaxed),
                ..station.clocks()
            };
            let clockwork = Clockwork::new(
                Arc::clone(&self.front),
                clocks,
                Manager::of_this_program(Lang::Vi),
            );
            let mut now = self.front.watch();
            let before = now.borrow().version;
            let following = tokio::spawn(clockwork.follow(Pulse::unasked(Part::Clock)));
            if expected == Expected::Run {
                // The first change is its beginning.
                let ended = |now: &Now| now.running.is_none() && now.version > before;
                now.wait_for(ended).await.unwrap();
            }
            // Whatever it would start besides, it starts at its next look.
            self.front.station.plan_changed();
            let version = now.borrow().version;
            now.wait_for(|now| now.version > version).await.unwrap();
            assert!(now.borrow().running.is_none());
            following.abort();
            let _aborted = following.await;
            self.made()
        }

        fn made(&self) -> Vec<(String, String)> {
            let mut made = Vec::new();
            crate::logbook::each_report(&self.front.station.logbook_dir(), |found| {
                if let Found::Report(report) = found {
                    made.push((
                        report.trigger.meeting.unwrap_or_default(),
                        report.trigger.checkpoint.unwrap_or_default(),
                    ));
                }
            })
            .unwrap();
            made
        }
    }

    #[derive(PartialEq)]
    enum Expected {
        Run,
        Nothing,
    }

    fn pair(meeting: &str, checkpoint: &str) -> (String, String) {
        (meeting.to_owned(), checkpoint.to_owned())
    }

    #[tokio::test]
    async fn each_checkpoint_is_made_as_its_moment_comes_and_not_again_after_a_restart() {
        let one = Boxed::new(&[("m-1", START)], START - 90 * MIN);
        assert_eq!(one.follow(Expected::Run).await, [pair("m-1", "T-90")]);
        assert_eq!(
            one.follow(Expected::Nothing).await.len(),
            1,
            "a new clockwork reads it in the logbook"
        );
        one.wall_ms.store(START - 20 * MIN, Ordering::Relaxed);
        assert_eq!(
            one.follow(Expected::Run).await,
            [pair("m-1", "T-90"), pair("m-1", "T-20")]
        );
        // A year forward and back again: nothing is lost, nothing comes twice.
        one.wall_ms.store(START + 365 * 24 * 60 * MIN, Ordering::Relaxed);
        assert_eq!(one.follow(Expected::Nothing).await.len(), 2);
        one.wall_ms.store(START - 19 * MIN, Ordering::Relaxed);
        assert_eq!(one.follow(Expected::Nothing).await.len(), 2);
    }

    /// A test's loop is one thread: what blocks it lets nobody answer.
    #[tokio::test]
    async fn a_logbook_that_is_slow_to_read_holds_nothing_else_up() {
        let slow = Boxed::new(&[], START);
        let dir = slow.front.station.logbook_dir();
        slow.front.station.note("test", "ok", [].into()).unwrap();
        // Whoever reads this month waits for its writer.
        let month = dir.join("2099-12.log");
        let made = std::process::Command::new("mkfifo").arg(&month).status();
        assert!(made.unwrap().success());
        let asker = Asker::new();
        let clockwork = Clockwork::new(
            Arc::clone(&slow.front),
            || Clocks {
                wall_ms: START,
                mono_ms: 0,
                boot: String::new(),
            },
            Manager::of_this_program(Lang::Vi),
        );
        let (alive, is_alive) = std::sync::mpsc::channel();
        let writer = tokio::task::spawn_blocking(move || {
            let went_on = is_alive.recv_timeout(Duration::from_secs(20)).is_ok();
            // Until now the reader has waited to open it.
            drop(std::fs::OpenOptions::new().write(true).open(month).unwrap());
            went_on
        });
        let following = tokio::spawn(clockwork.follow(asker.pulse(Part::Clock)));
        let (well, mut told) = tokio::sync::mpsc::unbounded_channel();
        let asking = tokio::spawn(async move {
            let now = crate::clock::instant;
            let well = || well.send(()).unwrap();
            asker
                .keep_asking(&[Part::Clock], Duration::from_secs(3600), now, well)
                .await;
        });
        told.recv().await.unwrap();
        let _gone = alive.send(());
        assert!(
            writer.await.unwrap(),
            "its part has answered while the logbook was read"
        );
        asking.abort();
        following.abort();
    }

    #[tokio::test]
    async fn two_meetings_at_once_are_one_run() {
        let both = Boxed::new(&[("m-2", START + 30 * MIN), ("m-1", START)], START - 20 * MIN);
        assert_eq!(both.follow(Expected::Run).await, [pair("m-1", "T-20")]);
    }

    #[tokio::test]
    async fn a_run_that_cannot_be_kept_is_not_made_again_and_again() {
        let full = Boxed::new(&[("m-1", START)], START - 90 * MIN);
        let dir = full.front.station.logbook_dir();
        std::fs::remove_dir_all(&dir).unwrap();
        // A directory that leads nowhere: nothing can be written or read in it, by root neither.
        std::os::unix::fs::symlink("/nowhere", &dir).unwrap();
        // That there is no second one `follow` proves.
        assert_eq!(full.follow(Expected::Run).await, []);
    }
}
